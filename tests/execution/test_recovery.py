"""Worker processes are killed with SIGKILL at bad moments; no job is lost, run twice unseen, or left running.

The workers are real processes on a real database with DBOS, in bubblewrap where it works; see `test_worker.main`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from terrafair.database import migrate, open_engine, reading
from terrafair.events import since
from terrafair.execution import queue
from terrafair.execution.job import ENDED, Job, State
from terrafair.execution.jobs import Jobs
from terrafair.execution.process import Process
from terrafair.execution.queue import DurableQueue

from ..databases import control_database
from . import test_worker
from .test_worker import HELD, log, open_jobs, submit, wait_for

SHORT = "print('begun'); open('../outputs/done', 'w').close()"


class Platform:
    """A home folder, and workers on it that come and go."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir()
        self.url = url = control_database(home)
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
        queue.prepare(url)
        self._queue = DurableQueue(url)
        self.jobs: Jobs = open_jobs(home, self._queue, url)
        self._workers: list[subprocess.Popen[bytes]] = []

    def work(self, slot: str = "a", workers: int = 4, *, wait: bool = True) -> "subprocess.Popen[bytes]":
        ready = self.home / f"{slot}.ready"
        ready.unlink(missing_ok=True)
        line = [sys.executable, test_worker.__file__, str(self.home), self.url, slot, str(workers)]
        process = subprocess.Popen(line, start_new_session=True)
        self._workers.append(process)
        if wait:
            wait_for(ready.exists)
        return process

    def begun(self, name: str, times: int = 1) -> bool:
        return log(self.jobs, self.jobs.get(name)).splitlines().count("begun") >= times

    def let_go(self, name: str) -> None:
        """Its folder may be made anew by a second attempt, so until it has ended."""

        def ended() -> bool:
            with suppress(FileNotFoundError):
                (self.jobs.folder(name) / "work/go").touch()
            return self.jobs.get(name).state in ENDED

        wait_for(ended)

    def supervisor(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.jobs.folder(name) / "supervisor.json").read_text())
        return document

    def packaged(self, name: str) -> int:
        path = self.jobs.folder(name) / "packaged"
        return path.read_text().count("once") if path.exists() else 0

    def told(self, name: str) -> list[str]:
        with reading(self.jobs._engine) as connection:
            return [kind for _, kind, thing, _ in since(connection, 0, 10_000) if thing == name]

    def close(self) -> None:
        for worker in self._workers:
            kill(worker)
        for job in self.jobs.listing():
            process = Process(self.jobs.folder(job.id), job.restarts)
            if process.alive:
                os.kill(self.supervisor(job.id)["pid"], signal.SIGKILL)
            process.end_leftovers()
        self._queue.close()
        self.jobs._engine.dispose()


def kill(worker: "subprocess.Popen[bytes]") -> None:
    worker.kill()
    worker.wait()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    platform = Platform(tmp_path / "home")
    yield platform
    platform.close()


Story = tuple[Platform, dict[str, str], dict[str, Any]]
CASES = ("held", "finished", "lost", "cancelled", "asked", "waiting")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One worker is killed while jobs are in every situation; another one takes over."""
    platform = Platform(tmp_path_factory.mktemp("story") / "home")
    try:
        yield happen(platform)
    finally:
        platform.close()


def happen(platform: Platform) -> Story:
    jobs = platform.jobs
    names: dict[str, str] = {}
    names["before"] = submit(jobs, SHORT)
    names["failed"] = submit(jobs, "raise SystemExit(3)")
    worker = platform.work(workers=len(CASES) - 1)
    wait_for(lambda: all(jobs.get(names[case]).state in ENDED for case in ("before", "failed")))
    for case in CASES[:-1]:
        names[case] = submit(jobs, HELD)
    wait_for(lambda: all(platform.begun(names[case]) for case in CASES[:-1]))
    names["waiting"] = submit(jobs, SHORT)
    names["withdrawn"] = submit(jobs, SHORT)
    facts: dict[str, Any] = {"held": platform.supervisor(names["held"])}
    jobs.cancel(names["asked"])
    kill(worker)

    (jobs.folder(names["finished"]) / "work/go").touch()
    finished = Process(jobs.folder(names["finished"]), 0)
    wait_for(lambda: finished.exit() and not finished.alive)
    os.kill(platform.supervisor(names["lost"])["pid"], signal.SIGKILL)
    jobs.cancel(names["cancelled"])
    jobs.cancel(names["withdrawn"])
    facts["during"] = {case: jobs.get(name) for case, name in names.items()}

    platform.work(workers=len(CASES))
    wait_for(lambda: "found this job again" in log(jobs, jobs.get(names["held"])))
    facts["again"] = platform.supervisor(names["held"])
    for case in ("held", "lost"):
        platform.let_go(names[case])
    wait_for(lambda: all(jobs.get(name).state in ENDED for name in names.values()))
    return platform, names, facts


def told(story: Story, case: str) -> tuple[Job, str]:
    platform, names, _ = story
    job = platform.jobs.get(names[case])
    return job, log(platform.jobs, job)


def test_nothing_ends_by_the_death_of_a_worker_alone(story: Story) -> None:
    during = {case: job.state for case, job in story[2]["during"].items()}
    assert during == {
        "before": State.SUCCESSFUL,
        "failed": State.FAILED,
        **dict.fromkeys(("held", "finished", "lost", "cancelled", "asked"), State.RUNNING),
        "waiting": State.ACCEPTED,
        "withdrawn": State.DISMISSED,
    }


def test_a_job_that_still_runs_is_found_and_goes_on(story: Story) -> None:
    job, text = told(story, "held")
    assert (job.state, job.restarts, job.problems) == (State.SUCCESSFUL, 0, ())
    assert story[2]["held"] == story[2]["again"]
    assert text.splitlines().count("begun") == 1
    assert "still runs" in text
    assert "went on" in text.splitlines()
    assert job.usage.wall_seconds > 0


def test_a_job_that_finished_meanwhile_keeps_its_result(story: Story) -> None:
    job, text = told(story, "finished")
    assert (job.state, job.restarts) == (State.SUCCESSFUL, 0)
    assert text.splitlines().count("begun") == 1
    assert "has ended meanwhile" in text
    assert story[0].packaged(job.id) == 1


def test_a_job_whose_supervisor_was_killed_too_is_restarted_and_marked(story: Story) -> None:
    job, text = told(story, "lost")
    assert (job.state, job.restarts) == (State.SUCCESSFUL, 1)
    assert text.splitlines().count("begun") == 2
    assert "started again (1)" in text


@pytest.mark.parametrize("case", ["cancelled", "asked"])
def test_a_wish_to_cancel_outlives_the_worker(story: Story, case: str) -> None:
    job, text = told(story, case)
    assert (job.state, job.restarts) == (State.DISMISSED, 0)
    assert "went on" not in text
    assert not Process(story[0].jobs.folder(job.id), 0).alive


def test_accepted_jobs_are_not_lost(story: Story) -> None:
    job, text = told(story, "waiting")
    assert (job.state, job.restarts) == (State.SUCCESSFUL, 0)
    assert text.splitlines().count("begun") == 1
    job, text = told(story, "withdrawn")
    assert (job.state, text) == (State.DISMISSED, "")


@pytest.mark.parametrize("case", ["before", "failed"])
def test_what_had_ended_is_left_alone(story: Story, case: str) -> None:
    job, _ = told(story, case)
    assert job == story[2]["during"][case]
    assert job.restarts == 0
    assert story[0].packaged(job.id) == 1


def test_every_end_is_announced_once(story: Story) -> None:
    for case, name in story[1].items():
        assert story[0].told(name).count("JobFinished") == 1, case


def test_two_workers_never_run_one_job_twice(platform: Platform) -> None:
    names = [submit(platform.jobs, SHORT) for _ in range(10)]
    held = [submit(platform.jobs, HELD) for _ in range(2)]
    platform.work("a", 2, wait=False)
    killed = platform.work("b", 2, wait=False)
    wait_for(lambda: all(platform.begun(name) for name in held))
    kill(killed)
    # The other one goes on with what waits, and leaves alone what may be running.
    for name in held:
        (platform.jobs.folder(name) / "work/go").touch()
    platform.work("b", 2)
    wait_for(lambda: all(platform.jobs.get(name).state in ENDED for name in [*names, *held]))
    for name in [*names, *held]:
        job = platform.jobs.get(name)
        assert (job.state, job.restarts) == (State.SUCCESSFUL, 0)
        assert log(platform.jobs, job).splitlines().count("begun") == 1
        assert platform.told(name).count("JobFinished") == 1


def test_killed_again_and_again(platform: Platform) -> None:
    """At whatever moment: while it reads, launches, waits or packages."""
    names = [submit(platform.jobs, SHORT) for _ in range(12)]
    for done in (0, 3, 6):
        worker = platform.work(workers=2)
        wait_for(lambda: sum(platform.jobs.get(name).state in ENDED for name in names) >= done)  # noqa: B023
        kill(worker)
    platform.work()
    wait_for(lambda: all(platform.jobs.get(name).state in ENDED for name in names))
    for name in names:
        job = platform.jobs.get(name)
        assert (job.state, job.restarts) == (State.SUCCESSFUL, 0), log(platform.jobs, job)
        assert log(platform.jobs, job).splitlines().count("begun") == 1
        assert job.results.items == ("done",)
