"""CWL's steps through Toil: on this machine, in the queue of a real Slurm, and what is told where it goes wrong."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput
from terrafair.execution import elsewhere
from terrafair.execution.command import Command, Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.batch.asking import away
from terrafair.execution.engines.cwl.batch.batch import Batch, read
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder, Outcome
from terrafair.web import PlannedWeb
from terrafair.workflows.workflow import Resolution

from .. import slurm
from .contract import Done, EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute, run
from .test_cwl import DIRECTORY, SCATTERED, TOOL, URL, resolution

WIDE = TOOL.replace("requirements:\n", "requirements:\n  ResourceRequirement: {coresMin: 1, coresMax: 8}\n").replace(
    "          text = ",
    "          import time\n          while time.process_time() < 0.7: pass\n"
    "          print('read', sys.argv[1], flush=True)\n          text = ",
    1,
)
"""One that would take more cores than it gets, says something and takes its time."""

pytest.importorskip("toil", reason="the extra `toil` is not installed")


def make(tmp_path: Path, batch: Batch | None, **files: str) -> CwlEngine:
    software = Software(Environments(tmp_path / "environments"), Containers({"example/tool:1": "platform"}, "none"))
    checkout = MemoryCheckout({name.replace("_", "."): text for name, text in files.items()})
    return CwlEngine(MemoryRepositories({URL: checkout}), PlannedWeb({}), FolderStager(), software, batch)


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Toil imports Kubernetes' client, and that the schemas of the test group: 4 CPU seconds for each process."""
    folder = tmp_path_factory.mktemp("lean")
    (folder / "kubernetes_validate.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


@pytest.fixture
def engine(tmp_path: Path, lean: dict[str, str]) -> CwlEngine:
    return make(tmp_path, read("toil", "single_machine", {"environment": lean}))


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "source.txt").write_text("snow")
    return {"source": str(tmp_path / "source.txt"), "times": 3}


class TestContract(EngineContract):
    @pytest.fixture
    def resolution(self) -> Resolution:
        return resolution()


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real Slurm; gives its settings file."""
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as settings:
        yield settings


@pytest.fixture
def slurms(queue: Path, lean: dict[str, str]) -> Callable[..., Batch]:
    def asked(**options: Any) -> Batch:
        given = {"environment": {**lean, "SLURM_CONF": str(queue)}, "partition": "main", "default_memory": "500 MB"}
        batch = read("toil", "slurm", {**given, **options})
        assert batch
        return batch

    return asked


def _asked(queue: Path, *command: str) -> str:
    surroundings = {**os.environ, "SLURM_CONF": str(queue)}
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=True).stdout


def started(engine: CwlEngine, found: Resolution, values: dict[str, Any], path: Path) -> tuple[Command, JobFolder]:
    folder = JobFolder(path).create()
    return engine.prepare(found, values, folder, Limits(seconds=60), lambda _: None), folder


def test_a_scatter_is_jobs_of_slurm(tmp_path: Path, slurms: Callable[..., Batch], queue: Path) -> None:
    engine = make(tmp_path, slurms(max_cores=2), tool_cwl=WIDE, flow_cwl=SCATTERED)
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    given = {"sources": [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]}
    done = execute(engine, resolution(SCATTERED, "flow.cwl"), given, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr)
    made = [(tmp_path / "j/outputs" / path).read_text() for path in done.outcome.outputs.values()]
    assert sorted(made) == ["aa", "bb"]
    # The queue's own account: one batch job for each step, with the step's name, its cores and its memory.
    shown = _asked(queue, "scontrol", "--oneliner", "show", "job")
    rows = [dict(part.split("=", 1) for part in row.split() if "=" in part) for row in shown.splitlines()]
    mine = {row["JobName"]: row for row in rows if row["JobName"].startswith("terrafair-j/")}
    assert sorted(mine) == ["terrafair-j/each", "terrafair-j/each_2"]
    assert {row["NumCPUs"] for row in mine.values()} == {"2"}
    assert {row["MinMemoryNode"] for row in mine.values()} == {"500M"}
    # The job's own: who ran what, on which node, and what it took.
    steps = {step["step"]: step for step in done.outcome.details["steps"]}
    assert {step["batch_job"] for step in steps.values()} == {row["JobId"] for row in mine.values()}
    assert sorted(steps) == ["each", "each_2"] and all(step["host"] for step in steps.values())
    spent = elsewhere.read(tmp_path / "j")
    assert spent.cpu_seconds >= 1 and spent.peak_memory > 10**6, done.log
    assert "each: read" in done.log and "each_2: read" in done.log
    assert done.progress == sorted(done.progress) and done.progress[-1] == 1 and done.progress[0] <= 0.5
    assert done.stderr == ""


def test_a_step_that_fails_in_the_queue_says_which_and_why(tmp_path: Path, slurms: Callable[..., Batch]) -> None:
    engine = make(tmp_path, slurms(), tool_cwl=TOOL, flow_cwl=SCATTERED)
    (tmp_path / "a.txt").write_text("bad")
    done = execute(engine, resolution(SCATTERED, "flow.cwl"), {"sources": [str(tmp_path / "a.txt")]}, tmp_path / "j")
    assert "each" in done.problem and "the tool did not like it" in done.problem
    assert done.status == 1
