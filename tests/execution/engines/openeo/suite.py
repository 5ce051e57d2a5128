"""A runner for the public harness `openeo-test-suite`, installed apart: it pins packages that others need newer.

    python -m venv suite && suite/bin/pip install openeo-test-suite
    echo SITE > suite/lib/python3.11/site-packages/terrafair.pth
    PYTHONPATH=src:tests/execution/engines/openeo suite/bin/python -m pytest -p suite --runner=dask --experimental
        --pyargs openeo_test_suite.tests.processes.processing

SITE is the site-packages folder of terrafair's own environment, `assets/processes` below the working folder that of the
specification with its `tests`. The harness knows its runners by name; ours takes the place of the one named dask.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

try:
    from . import official
except ImportError:
    # Loaded by the harness as a plug-in, with this folder on the path.
    import official  # type: ignore[no-redef]


class Terrafair:
    """The harness's `ProcessTestRunner`, in process."""

    def list_processes(self) -> list[dict[str, Any]]:
        from terrafair.execution.engines.openeo.offer import definitions

        return definitions()

    def execute(self, id: str, arguments: dict[str, Any]) -> Any:
        return official.run(id, arguments, Path())

    def encode_process_graph(self, process: Any, parent_process_id: Any = None, parent_parameter: Any = None) -> Any:
        return process

    def encode_labeled_array(self, data: dict[str, Any]) -> Any:
        return official.encoded(data, Path())

    def encode_datacube(self, data: dict[str, Any]) -> Any:
        return official.cube(data)

    def encode_data(self, data: Any) -> Any:
        return data

    def decode_data(self, data: Any, expected: Any) -> Any:
        found = official.decoded(data)
        if isinstance(expected, dict) and expected.get("type") == "labeled-array":
            return {"type": "labeled-array", "data": found}
        return _like(found, expected) if isinstance(expected, dict) and expected.get("type") == "datacube" else found

    def is_json_only(self) -> bool:
        return False

    def get_nodata_value(self) -> Any:
        return None


def _like(found: Any, expected: dict[str, Any]) -> Any:
    """Dates and no-data in the spelling of the case; the harness compares texts and exact keys."""
    if not isinstance(found, dict):
        return found
    nodata = expected.get("nodata")
    if isinstance(nodata, int | float):
        found["data"] = official.filled(found["data"], nodata)
    for name, about in found["dimensions"].items():
        wanted = expected.get("dimensions", {}).get(name, {})
        for key in [key for key in about if key not in wanted]:
            del about[key]
        labels = wanted.get("values", [])
        if len(labels) == len(about.get("values", [])):
            pairs = zip(about["values"], labels, strict=True)
            about["values"] = [theirs if official.same_moment(own, theirs) else own for own, theirs in pairs]
    return found


def take_place() -> None:
    """Let the harness find this runner under the name `dask`."""
    module = ModuleType("openeo_test_suite.lib.process_runner.dask")
    module.Dask = Terrafair  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module


take_place()
