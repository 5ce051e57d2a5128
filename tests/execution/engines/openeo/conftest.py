"""Graphs through the whole engine: check, stage, child process, outcome."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.web import PlannedWeb
from terrafair.workflows import openeo
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

from ..contract import Done, execute


def resolution(document: Any, **configuration: Any) -> Resolution:
    """A workflow of one process graph."""
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    parsed = json.loads(content) if not isinstance(document, bytes) else {}
    application = Application(WorkflowType.OPENEO, CodeLocation("https://example.org/graph.json"), content)
    inputs = openeo.inputs(parsed) if parsed else ()
    return Resolution(
        "graph",
        "workflow",
        type=WorkflowType.OPENEO,
        application=application,
        inputs=inputs,
        configuration=configuration,
    )


def call(process: str, /, **arguments: Any) -> dict[str, Any]:
    return {"process_id": process, "arguments": arguments}


def node(name: str) -> dict[str, str]:
    return {"from_node": name}


def parameter(name: str) -> dict[str, str]:
    return {"from_parameter": name}


def reducer(process: str) -> dict[str, Any]:
    return {"process_graph": {"r": {**call(process, data=parameter("data")), "result": True}}}


def save(name: str, form: str = "netCDF") -> dict[str, Any]:
    return {**call("save_result", data=node(name), format=form), "result": True}


Run = Callable[..., tuple[Done, Path]]


@pytest.fixture(scope="session")
def samples() -> Path:
    root = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[4] / "../shared/data")).resolve()
    if not root.is_dir():
        pytest.skip("the shared data are not here")
    return root / "samples"


@pytest.fixture
def make_engine(tmp_path: Path) -> Callable[..., OpenEOEngine]:
    def make(*roots: Path, collections: Mapping[str, str] = {}) -> OpenEOEngine:
        stager = Stager(MemoryObjects(), PlannedWeb({}), (tmp_path, *roots))
        return OpenEOEngine(stager, collections.get)

    return make


@pytest.fixture
def run(make_engine: Callable[..., OpenEOEngine], tmp_path: Path) -> Run:
    """Run a graph in the child; gives what it said and the folder of its outputs."""
    number = iter(range(100))

    def go(document: Any, values: Mapping[str, Any] | None = None, *roots: Path, **configuration: Any) -> Any:
        folder = tmp_path / f"job-{next(number)}"
        collections = configuration.pop("collections", {})
        engine = make_engine(*roots, collections=collections)
        return execute(engine, resolution(document, **configuration), values or {}, folder), folder / "outputs"

    return go
