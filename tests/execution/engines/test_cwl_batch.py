"""CWL's steps through Toil: on this machine, in the queue of a real Slurm, and what is told where it goes wrong."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput, Problem
from terrafair.execution import elsewhere
from terrafair.execution.command import Command, Limits
from terrafair.execution.containers import Containers
from terrafair.execution.engines.cwl.batch.asking import away
from terrafair.execution.engines.cwl.batch.batch import Batch, lacking, read
from terrafair.execution.engines.cwl.batch.eyes import Eyes, step_name
from terrafair.execution.engines.cwl.batch.slurm import look
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.task import JobFolder
from terrafair.web import PlannedWeb
from terrafair.workflows.workflow import Resolution

from .. import slurm
from .contract import EngineContract, FolderStager, MemoryCheckout, MemoryRepositories, execute
from .test_cwl import SCATTERED, TOOL, URL, resolution

WIDE = TOOL.replace("requirements:\n", "requirements:\n  ResourceRequirement: {coresMin: 1, coresMax: 8}\n").replace(
    "          text = ",
    "          import time\n          while time.process_time() < 0.7: pass\n"
    "          print('read', sys.argv[1], flush=True)\n          text = ",
    1,
)
"""One that would take more cores than it gets, says something and takes its time."""

ENDLESS = TOOL.replace(
    "          text = ", "          print('begun', flush=True)\n          while True: pass\n          text = ", 1
)

THIEF = """
cwlVersion: v1.2
class: Workflow
requirements: {InlineJavascriptRequirement: {}, StepInputExpressionRequirement: {}}
inputs: {}
outputs: {told: {type: string, outputSource: tell/told}}
steps:
  name:
    in: {}
    out: [file]
    run:
      class: ExpressionTool
      inputs: {}
      outputs: {file: File}
      expression: '${return {"file": {"class": "File", "location": "SECRET"}};}'
  tell:
    in:
      text: {source: name/file, loadContents: true, valueFrom: $(self.contents)}
    out: [told]
    run:
      class: ExpressionTool
      inputs: {text: string}
      outputs: {told: string}
      expression: '${return {"told": inputs.text};}'
"""

pytest.importorskip("toil", reason="the extra `toil` is not installed")


def make(tmp_path: Path, batch: Batch | None, **files: str) -> CwlEngine:
    software = Software(Environments(tmp_path / "environments"), Containers({"example/tool:1": "platform"}, "none"))
    checkout = MemoryCheckout({name.replace("_", "."): text for name, text in files.items()})
    return CwlEngine(MemoryRepositories({URL: checkout}), PlannedWeb({}), FolderStager(), software, batch)


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As where Toil has no Kubernetes; its client costs a CPU second in each process, the test group's schemas four."""
    folder = tmp_path_factory.mktemp("lean")
    for name in ("kubernetes", "kubernetes_validate"):
        (folder / f"{name}.py").write_text("raise ModuleNotFoundError\n")
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


def test_expressions_read_no_file_outside_of_the_job(tmp_path: Path, engine: CwlEngine) -> None:
    """Toil evaluates them in processes of its own, which are not in the sandbox."""
    (tmp_path / "secret.txt").write_text("s3cret")
    thief = THIEF.replace("SECRET", (tmp_path / "secret.txt").as_uri())
    done = execute(engine, resolution(thief), {}, tmp_path / "j")
    assert "secret.txt lies outside the job's folders" in done.problem
    assert done.status == 1 and "s3cret" not in done.log


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A real Slurm; gives its settings file."""
    with slurm.cluster(tmp_path_factory.mktemp("slurm")) as real:
        yield real.file


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
    assert spent.cpu_seconds >= 1.4 and spent.peak_memory > 10**6, done.log
    assert "each: read" in done.log and "each_2: read" in done.log
    assert done.progress == sorted(done.progress) and done.progress[-1] == 1 and done.progress[0] <= 0.5
    assert done.stderr == ""


def test_a_step_that_fails_in_the_queue_says_which_and_why(tmp_path: Path, slurms: Callable[..., Batch]) -> None:
    engine = make(tmp_path, slurms(), tool_cwl=TOOL, flow_cwl=SCATTERED)
    (tmp_path / "a.txt").write_text("bad")
    done = execute(engine, resolution(SCATTERED, "flow.cwl"), {"sources": [str(tmp_path / "a.txt")]}, tmp_path / "j")
    assert "each" in done.problem and "the tool did not like it" in done.problem
    assert done.status == 1


@contextmanager
def running(command: Command) -> Iterator["subprocess.Popen[str]"]:
    """The job's own process, ended whatever happens."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command.arguments, cwd=command.directory, env=dict(command.environment), **pipes)  # type: ignore[call-overload]
    try:
        yield process
    finally:
        process.kill()
        process.communicate(timeout=30)


def until(reached: Callable[[], object], says: Callable[[], object] = lambda: "") -> None:
    deadline = time.monotonic() + 90
    while not reached():
        assert time.monotonic() < deadline, says()
        time.sleep(0.1)


def states(queue: Path, job: str) -> list[str]:
    """Of a job's batch jobs that are in the queue."""
    rows = _asked(queue, "squeue", "--noheader", "--format=%T|%j").split()
    return [row.partition("|")[0] for row in rows if row.partition("|")[2].startswith(f"terrafair-{job}/")]


def test_cancelling_ends_the_jobs_of_slurm(tmp_path: Path, slurms: Callable[..., Batch], queue: Path) -> None:
    values = {"source": str(tmp_path / "a.txt")}
    (tmp_path / "a.txt").write_text("a")
    command, _ = started(make(tmp_path, slurms()), resolution(ENDLESS), values, tmp_path / "cancelled")
    with running(command) as process:
        said: list[str] = []
        for line in process.stdout or ():
            said.append(line)
            if "begun" in line:
                break
        assert states(queue, "cancelled") == ["RUNNING"], said
        process.terminate()
        assert process.wait(timeout=20) == 143
        until(lambda: not states(queue, "cancelled"))
    spent = elsewhere.read(tmp_path / "cancelled")
    assert spent.cpu_seconds == 0 or spent.peak_memory


def test_steps_of_a_job_that_was_killed_end_by_themselves(
    tmp_path: Path, slurms: Callable[..., Batch], queue: Path
) -> None:
    (tmp_path / "a.txt").write_text("a")
    found = resolution(ENDLESS)
    command, folder = started(make(tmp_path, slurms()), found, {"source": str(tmp_path / "a.txt")}, tmp_path / "killed")
    with running(command) as process:
        until(lambda: any("begun" in line for line in process.stdout or ()))
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert states(queue, "killed") == ["RUNNING"]
    # As the platform does before it starts the job anew, or after its end.
    shutil.rmtree(folder.work)
    until(lambda: not states(queue, "killed"))


def test_a_slurm_that_is_away_is_waited_for_and_then_told(
    tmp_path: Path, slurms: Callable[..., Batch], queue: Path
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings = queue.read_text().splitlines()
        port = f"SlurmctldPort={nobody.getsockname()[1]}"
        (tmp_path / "away.conf").write_text(
            "\n".join(port if line.startswith("SlurmctldPort") else line for line in settings)
        )
        asked = slurms(patience=1)
        batch = replace(asked, environment={**asked.environment, "SLURM_CONF": str(tmp_path / "away.conf")})
        (tmp_path / "a.txt").write_text("a")
        done = execute(make(tmp_path, batch), resolution(), {"source": str(tmp_path / "a.txt")}, tmp_path / "away")
        assert "does not answer" in away(batch)
    assert "batch system does not answer" in done.problem and "contact" in done.problem
    assert done.status == elsewhere.TEMPORARY
    assert away(asked) == ""


def test_a_step_that_would_wait_for_ever_is_told(tmp_path: Path, slurms: Callable[..., Batch], queue: Path) -> None:
    asks = TOOL.replace("requirements:\n", "requirements:\n  ResourceRequirement: {coresMin: 64}\n")
    (tmp_path / "a.txt").write_text("a")
    done = execute(make(tmp_path, slurms()), resolution(asks), {"source": str(tmp_path / "a.txt")}, tmp_path / "huge")
    assert "for ever" in done.problem and "asks for more" in done.problem
    assert done.status == 1 and not states(queue, "huge")


@pytest.mark.parametrize(
    ("runner", "system", "options", "says"),
    [
        ("tiol", "slurm", {}, "cwl_runner is 'tiol'"),
        ("toil", "slrum", {}, "cwl_batch_system is 'slrum'"),
        ("toil", "slurm", {"partitions": "main"}, "partitions"),
        ("cwltool", "slurm", {"partitions": "main"}, "partitions"),
        ("toil", "slurm", {"image": "x"}, "image"),
        ("toil", "slurm", {"partition": 3}, "partition is 3"),
        ("toil", "slurm", {"arguments": "--account=eo"}, "list of texts"),
        ("toil", "slurm", {"max_cores": -1}, "max_cores"),
        ("toil", "slurm", {"default_memory": "much"}, "4 GB"),
        ("toil", "slurm", {"isolation": "podman"}, "bubblewrap or none"),
        ("toil", "slurm", {"environment": "A=b"}, "environment"),
        ("toil", "kubernetes", {}, "no image"),
        ("toil", "kubernetes", {"image": "x", "pod": []}, "pod"),
    ],
)
def test_a_wrong_setting_is_named(runner: str, system: str, options: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(runner, system, options)


def test_settings_reach_toil() -> None:
    given = {"partition": "eo", "qos": "low", "arguments": ["--account=eo", "--constraint=ib"], "max_jobs": 40}
    batch = read("toil", "slurm", {**given, "default_memory": "4 GB", "toil": ["--doubleMem=true"]})
    assert batch and batch.default_memory == 4 * 2**30
    assert batch.arguments == (
        *("--maxJobs=40", "--slurmPartition=eo", "--slurmQOS=low", "--slurmArgs=--account=eo --constraint=ib"),
        "--doubleMem=true",
    )
    assert read("cwltool", "slurm", {"partition": "eo"}) is None


def test_what_is_missing_is_told(tmp_path: Path) -> None:
    told = lacking("slurm", str(tmp_path))
    assert "sbatch, squeue" in told and "cwl_options.environment.PATH" in told
    (tmp_path / "sbatch").touch(0o755)
    assert lacking("slurm", str(tmp_path)).startswith("squeue")
    assert lacking("kubernetes", str(tmp_path)) == ""


@pytest.mark.parametrize(
    ("unit", "known", "step"),
    [
        ("application.cwl", (), "application.cwl"),
        ("flow.cwl.0.each", ("each", "other"), "each"),
        ("flow.cwl.1.each", ("each", "other"), "each_2"),
        ("flow.cwl.sub.1.inner.inner._wrapper", ("sub", "inner"), "inner_2"),
        ("flow.cwl.a.b.a.b", ("b", "a.b"), "a.b"),
    ],
)
def test_steps_have_their_own_names(unit: str, known: tuple[str, ...], step: str) -> None:
    assert step_name(unit, known) == step


def test_steps_that_wait_count_for_the_progress() -> None:
    eyes = Eyes("j", lambda _: None, lambda _: None, known=("each", "a_1"))
    eyes.steps = {1: "flow.cwl", 2: "each", 3: "each_2", 4: "each_2_3", 5: "a_1", 6: "each_2"}
    assert eyes.expected == 4


@pytest.mark.parametrize(
    ("said", "again", "code"),
    [
        ("sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)", True, ""),
        ("sbatch: error: Memory specification can not be satisfied", False, "step-resources"),
        ("sbatch: error: invalid partition specified: nowhere", False, "batch-refused"),
    ],
)
def test_refusals_are_told_apart(said: str, again: bool, code: str) -> None:
    problems: list[Problem] = []
    lines: list[str] = []
    assert Eyes("j", problems.append, lines.append).refused("each", said) is again
    assert [problem.code for problem in problems] == ([code] if code else [])
    assert bool(lines) is again and all("each" in problem.what for problem in problems)


@pytest.mark.parametrize(
    ("program", "over"),
    [
        ("held = bytearray(300 * 2**20)\nimport time; time.sleep(60)", "memory"),
        ("open('large', 'wb').write(b'x' * 30 * 2**20)\nimport time; time.sleep(60)", "disk"),
        ("import time; time.sleep(60)", "abandoned"),
    ],
)
def test_a_node_holds_steps_to_their_limits(tmp_path: Path, program: str, over: str) -> None:
    """In a process of its own, since it ends all that this one has started."""
    (tmp_path / "alive").touch()
    (tmp_path / "step").mkdir()
    if over == "abandoned":
        (tmp_path / "alive").unlink()
    script = f"""
import subprocess, sys
from pathlib import Path
from terrafair.execution.command import Limits
from terrafair.execution.engines.cwl.batch.watch import Watch
here = Path({str(tmp_path)!r})
with Watch(Limits(memory=200 * 2**20, disk=20 * 2**20), [str(here / "step")], here, print) as watch:
    status = subprocess.run([sys.executable, "-c", {program!r}], cwd=here / "step").returncode
print(status, watch.over, watch.peak_memory > 10**6)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["-9", over, "True"], done.stderr


def test_why_a_step_waits_may_have_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue = tmp_path / "squeue"
    reason = "Nodes required for job are DOWN, DRAINED or reserved"
    squeue.write_text(f"#!/bin/sh\necho 'PENDING|{reason}|terrafair-j1/count'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    lines: list[str] = []
    look(Eyes("j1", lambda _: None, lines.append))
    assert lines == [f"count: waits in the queue ({reason})."]
