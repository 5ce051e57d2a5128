"""Graphs through the whole engine: check, stage, child process, outcome."""

import contextlib
import io
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.openeo import child
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.task import JobFolder, Outcome
from terrafair.web import PlannedWeb
from terrafair.workflows import openeo
from terrafair.workflows.workflow import Application, CodeLocation, Resolution, WorkflowType

from ..contract import Done
from ..contract import run as start


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


def inside(command: Command, folder: JobFolder) -> Done:
    """What the child would do, without the seconds that its start takes; `started` is the real one."""
    told, failed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(failed):
        status = child.main(command.arguments[-1])
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    return Done(
        Outcome.read(folder.outcome),
        [line["message"] for line in lines if "message" in line],
        [line["progress"] for line in lines if "progress" in line],
        failed.getvalue(),
        status,
    )


def runner(make_engine: Callable[..., OpenEOEngine], path: Path, work: Callable[[Command, JobFolder], Done]) -> Run:
    number = iter(range(100))

    def go(document: Any, values: Mapping[str, Any] | None = None, *roots: Path, **configuration: Any) -> Any:
        folder = JobFolder(path / f"job-{next(number)}").create()
        engine = make_engine(*roots, collections=configuration.pop("collections", {}))
        made = resolution(document, **configuration)
        command = engine.prepare(made, values or {}, folder, Limits(seconds=60), lambda _: None)
        return work(command, folder), folder.outputs

    return go


@pytest.fixture
def run(make_engine: Callable[..., OpenEOEngine], tmp_path: Path) -> Run:
    """Prepare a graph and work it off; gives what was said and the folder of the outputs."""
    return runner(make_engine, tmp_path, inside)


@pytest.fixture
def started(make_engine: Callable[..., OpenEOEngine], tmp_path: Path) -> Run:
    """The same in a child process, as the platform has it."""
    return runner(make_engine, tmp_path, start)
