"""The pipeline with real programs and a real database; the engine runs the Python that a job's inputs hold.

As a program this module is a worker process for `test_recovery`:  test_worker.py HOME DATABASE SLOT WORKERS
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from terrafair.database import migrate, open_engine
from terrafair.errors import (
    InvalidInput,
    InvalidInputs,
    NotFound,
    Problem,
    WorkflowFailed,
)
from terrafair.execution import logs
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.engine import Say
from terrafair.execution.job import Job, JobRequest, Results, State, Usage
from terrafair.execution.jobs import Jobs, Queue
from terrafair.execution.process import Process
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.execution.task import JobFolder, Outcome
from terrafair.execution.worker import Runner
from terrafair.workflows.workflow import Resolution, WorkflowType

DEADLINE = 60.0
PLAIN = Sandbox(isolated=False, reason="This test runs nothing of others.")
HELD = "import os, time\nprint('begun', flush=True)\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('went on')"


class ScriptEngine:
    """Runs the Python in the input `script`."""

    type = WorkflowType.COMMAND

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        return ()

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        say("Prepared.")
        return Command(
            (sys.executable, "-I", "-S", "-u", "-c", values["script"]),
            directory=folder.work,
            writable=(folder.work, folder.outputs),
            limits=limits,
        )


def resolve(job: Job) -> Resolution:
    return Resolution(job.request.subject, job.request.kind, type=WorkflowType.COMMAND)


def package(job: Job, resolution: Resolution, folder: JobFolder, outcome: Outcome, usage: Usage) -> Results:
    with (folder.path / "packaged").open("a") as file:
        file.write("once\n")
    return Results(f"jobs/{job.id}/", items=tuple(sorted(path.name for path in folder.outputs.iterdir())))


def runner(jobs: Jobs, sandbox: Sandbox = PLAIN, **changes: Any) -> Runner:
    return replace(
        Runner(
            jobs,
            resolve,
            lambda resolution, given: given,
            {WorkflowType.COMMAND: ScriptEngine()},
            sandbox,
            package,
            lambda job, resolution, results: None,
            Limits(seconds=60, memory=200 * 2**20),
        ),
        **changes,
    )


class NoQueue:
    """The tests of this module call the runner themselves."""

    def enqueue(self, connection: sa.Connection, job: str) -> None: ...


def open_jobs(home: Path, queue: Queue, database: str = "") -> Jobs:
    """On SQLite in the home where no database is named."""
    return Jobs(open_engine(database or f"sqlite:///{home / 'platform.db'}"), queue, home / "jobs")


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    jobs = open_jobs(tmp_path, NoQueue())
    migrate(jobs._engine)
    yield jobs
    jobs._engine.dispose()


def submit(jobs: Jobs, script: str, **request: Any) -> str:
    return jobs.submit(JobRequest("demo", "workflow", inputs={"script": script}, **request)).id


def end(jobs: Jobs, script: str, run: Runner | None = None, **request: Any) -> Job:
    name = submit(jobs, script, **request)
    (run or runner(jobs)).run(name)
    return jobs.get(name)


def log(jobs: Jobs, job: Job) -> str:
    return "\n".join(line.message for line in jobs.log(job.id))


def fail(error: Exception) -> Callable[..., Any]:
    def raises(*_: object) -> Any:
        raise error

    return raises


def test_a_job_that_works(jobs: Jobs) -> None:
    job = end(jobs, "open('../outputs/map.tif', 'w').close(); print('hello')")
    assert (job.state, job.progress, job.restarts, job.problems) == (State.SUCCESSFUL, 1, 0, ())
    assert (job.type, job.results.items) == ("command", ("map.tif",))
    assert job.usage.wall_seconds > 0
    assert "hello" in log(jobs, job)
    assert {path.name for path in jobs.folder(job.id).iterdir()}.isdisjoint({"work", "outputs", "inputs"})
    assert jobs.log_file(job.id).exists()


def test_the_folders_are_kept_when_asked_for(jobs: Jobs) -> None:
    job = end(jobs, "open('left', 'w').close()", runner(jobs, keep=True))
    assert (jobs.folder(job.id) / "work/left").exists()


def test_a_job_without_isolation_says_so_loudly(jobs: Jobs, tmp_path: Path) -> None:
    job = end(jobs, "pass")
    [line] = [line for line in jobs.log(job.id) if "WITHOUT ISOLATION" in line.message]
    assert line.level == "warning"
    assert PLAIN.reason in line.message
    sandbox = probe(tmp_path, "auto")
    if not sandbox.isolated:
        pytest.skip(f"no isolation on this machine: {sandbox.reason}")
    job = end(jobs, "import os; open('../outputs/a', 'w').write(str(os.getuid()))", runner(jobs, sandbox))
    assert (job.state, job.results.items) == (State.SUCCESSFUL, ("a",))
    assert "ISOLATION" not in log(jobs, job)


@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("import sys; print('no ice here', file=sys.stderr); sys.exit(3)", ["exit code 3", "no ice here"]),
        ("import os; os.kill(os.getpid(), 11)", ["signal 11"]),
        ("import time; held = b'x' * 2**28; time.sleep(600)", ["memory", "0.2 GiB"]),
        ("raise ValueError('odd input')", ["exit code 1", "ValueError: odd input"]),
    ],
)
def test_a_workflow_that_fails_is_not_tried_again(jobs: Jobs, script: str, says: list[str]) -> None:
    job = end(jobs, script)
    assert (job.state, job.restarts) == (State.FAILED, 0)
    [problem] = job.problems
    assert all(text in str(problem) for text in says), problem
    assert problem.code == "workflow-failed"
    assert log(jobs, job).splitlines()[-1] == str(problem)[:16_384]


def test_time_is_limited_by_request_and_by_platform(jobs: Jobs) -> None:
    sleep = "import time; time.sleep(600)"
    job = end(jobs, sleep, timeout=0.2)
    assert (job.state, job.problems[0].code, job.restarts) == (State.FAILED, "timed-out", 0)
    assert "0.2 s" in job.problems[0].what
    job = end(jobs, sleep, runner(jobs, limits=Limits(seconds=0.3)), timeout=10_000)
    assert "0.3 s" in job.problems[0].what


def write_outcome(text: str) -> str:
    return f"open('outcome.json', 'w').write({text!r})"


def test_the_program_tells_its_outcome(jobs: Jobs) -> None:
    problems = [{"what": "The graph has a cycle.", "where": "node a", "code": "cycle"}, {"what": "x" * 99_000}]
    job = end(jobs, write_outcome(json.dumps({"successful": False, "problems": problems})))
    assert job.problems[0] == Problem("The graph has a cycle.", where="node a", code="cycle")
    assert len(job.problems[1].what) < 10_000
    job = end(jobs, write_outcome('{"successful": true, "outputs": {"a": "b"}}'))
    assert job.state is State.SUCCESSFUL


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "7", '"x"', "null", "{}", "[" * 10_000, '{"successful": "yes"}', '{"other": 1}'),
        *('{"successful": true, "outputs": []}', '{"successful": true, "outputs": {"a": 1}}'),
        *('{"successful": false, "problems": 5}', '{"successful": false, "problems": [{"what": 5}]}'),
        *('{"successful": false, "problems": [{"what": ["a"]}]}', '{"successful": false, "problems": [{"odd": ""}]}'),
        '{"successful": false}',
    ],
)
def test_an_outcome_of_another_form_ends_the_job_with_one_message(jobs: Jobs, text: str) -> None:
    job = end(jobs, write_outcome(text))
    assert (job.state, job.restarts) == (State.FAILED, 0)
    [problem] = job.problems
    assert problem.what
    assert problem.code != "internal", problem


def test_an_outcome_that_is_a_link_is_not_followed(jobs: Jobs, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"successful": false, "problems": [{"what": "secret"}]}')
    job = end(jobs, f"import os; os.symlink({str(tmp_path / 'secret.json')!r}, 'outcome.json')")
    assert "secret" not in str(job.problems)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InvalidInput("No such band."), "invalid-input"),
        (InvalidInputs([Problem("One."), Problem("Two.")]), ""),
        (WorkflowFailed("It broke."), "workflow-failed"),
        (NotFound("There is no such thing."), "not-found"),
        (RuntimeError("a fault of ours"), "internal"),
    ],
)
def test_faults_before_the_launch(jobs: Jobs, error: Exception, code: str) -> None:
    job = end(jobs, "pass", runner(jobs, bind=fail(error)))
    assert (job.state, job.restarts) == (State.FAILED, 0)
    assert job.problems[0].code == code
    assert all(str(problem) in log(jobs, job) for problem in job.problems)


def test_what_cannot_run_here_says_why(jobs: Jobs) -> None:
    reasons = (Problem("The image is not on this machine."), Problem("The kernel is R."))
    job = end(jobs, "pass", runner(jobs, resolve=lambda job: replace(resolve(job), reasons=reasons)))
    assert (job.state, job.problems) == (State.FAILED, reasons)
    job = end(jobs, "pass", runner(jobs, engines={}))
    assert "no engine for command" in job.problems[0].what


def test_cancelling_ends_the_program(jobs: Jobs) -> None:
    name = submit(jobs, HELD)
    thread = threading.Thread(target=runner(jobs).run, args=(name,))
    thread.start()
    wait_for(lambda: "begun" in [line.message for line in jobs.log(name)])
    assert jobs.cancel(name).state is State.RUNNING
    thread.join(DEADLINE)
    job = jobs.get(name)
    assert (job.state, job.problems) == (State.DISMISSED, ())
    assert not Process(jobs.folder(name), 0).alive


def test_cancelling_while_it_is_prepared(jobs: Jobs) -> None:
    def cancel(resolution: Resolution, given: Mapping[str, Any]) -> Mapping[str, Any]:
        jobs.cancel(name)
        return given

    name = submit(jobs, "print('begun')")
    runner(jobs, bind=cancel).run(name)
    assert jobs.get(name).state is State.DISMISSED
    assert "begun" not in log(jobs, jobs.get(name))


def test_what_is_cancelled_before_it_starts_is_never_run(jobs: Jobs) -> None:
    name = submit(jobs, "print('begun')")
    jobs.cancel(name)
    runner(jobs).run(name)
    assert jobs.get(name).state is State.DISMISSED
    assert jobs.log(name) == []
    runner(jobs).run("unknown")


def test_a_job_is_found_again_and_its_end_too(jobs: Jobs) -> None:
    job = end(jobs, "print('begun')")
    packaged = jobs.folder(job.id) / "packaged"
    runner(jobs).run(job.id)
    assert jobs.get(job.id) == job
    assert packaged.read_text() == "once\n"


def test_progress_is_passed_on(jobs: Jobs) -> None:
    name = submit(jobs, """print('{"progress": 0.5, "message": "half"}', flush=True)\n""" + HELD)
    thread = threading.Thread(target=runner(jobs).run, args=(name,))
    thread.start()
    wait_for(lambda: jobs.get(name).progress == 0.5)
    (jobs.folder(name) / "work/go").touch()
    thread.join(DEADLINE)
    assert jobs.get(name).progress == 1


def test_a_program_runs_on_while_the_database_is_away(
    jobs: Jobs, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    impatient = open_engine(f"sqlite:///{tmp_path / 'platform.db'}")
    event.listen(impatient, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout = 10"))
    name = submit(jobs, HELD)
    thread = threading.Thread(target=runner(Jobs(impatient, NoQueue(), tmp_path / "jobs")).run, args=(name,))
    thread.start()
    wait_for(lambda: jobs.get(name).message == "begun")
    with jobs._engine.begin():
        logs.say(jobs.log_file(name), "something to tell the database")
        wait_for(lambda: "runs on" in caplog.text)
    (jobs.folder(name) / "work/go").touch()
    thread.join(DEADLINE)
    impatient.dispose()
    assert (jobs.get(name).state, jobs.get(name).restarts) == (State.SUCCESSFUL, 0)


def test_a_job_that_a_new_version_cannot_read_is_ended_with_its_program(jobs: Jobs) -> None:
    name = submit(jobs, HELD)
    job = jobs.get(name)
    folder = JobFolder(jobs.folder(name)).create()
    command = ScriptEngine().prepare(resolve(job), {"script": HELD}, folder, Limits(seconds=60), lambda _: None)
    PLAIN.make_ready(command)
    process = Process(folder.path, 0)
    process.launch(command, PLAIN)
    (folder.path / "resolution.pickle").write_bytes(b"of another version")
    runner(jobs).run(name)
    assert (jobs.get(name).state, jobs.get(name).problems[0].code) == (State.FAILED, "internal")
    assert not process.alive


def test_reproducing_compares(jobs: Jobs) -> None:
    compared: list[str] = []
    run = runner(jobs, compare=lambda job, resolution, results: compared.append(results.prefix))
    job = end(jobs, "pass", run, reproduce=True)
    end(jobs, "pass", run)
    assert compared == [f"jobs/{job.id}/"]


def main(home: Path, url: str, slot: str, workers: int) -> None:
    from terrafair.execution.queue import DurableQueue, consuming

    run = runner(open_jobs(home, DurableQueue(url), url), probe(home, "auto"))
    with consuming(url, slot, workers, run.run):
        (home / f"{slot}.ready").touch()
        while True:
            time.sleep(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
