"""Jobs on a real database: accepted whole or not at all, listed in order, changed only through the lifecycle."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair import events
from terrafair.database import migrate, open_engine, reading
from terrafair.errors import NotFound, Problem, Unreachable
from terrafair.execution import logs
from terrafair.execution.job import (
    Asset,
    Failed,
    Instruction,
    JobRequest,
    Progressed,
    Results,
    Started,
    State,
    Succeeded,
    Usage,
)
from terrafair.execution.jobs import Jobs

from ..databases import control_database


class MemoryQueue:
    """Keeps the ids."""

    def __init__(self) -> None:
        self.ids: list[str] = []

    def enqueue(self, connection: sa.Connection, job: str) -> None:
        self.ids.append(job)


class BrokenQueue:
    """Takes nothing."""

    def enqueue(self, connection: sa.Connection, job: str) -> None:
        raise Unreachable("The queue is away.")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def queue() -> MemoryQueue:
    return MemoryQueue()


@pytest.fixture
def jobs(engine: sa.Engine, queue: MemoryQueue, tmp_path: Path) -> Jobs:
    return Jobs(engine, queue, tmp_path / "jobs")


def happened(engine: sa.Engine) -> list[tuple[str, str, str]]:
    with reading(engine) as connection:
        return [(kind, thing, details) for _, kind, thing, details in events.since(connection, 0)]


def test_a_request_comes_back_as_it_was_given(jobs: Jobs, queue: MemoryQueue) -> None:
    request = JobRequest("demo-ndvi", "experiment", inputs={"bbox": [1, 2.5], "ü": None}, reproduce=True, timeout=7)
    job = jobs.submit(request)
    assert re.fullmatch(r"\d{8}-[0-9a-z]{10}", job.id)
    assert jobs.get(job.id) == job
    assert (job.state, job.request, queue.ids) == (State.ACCEPTED, request, [job.id])


def test_what_the_queue_does_not_take_is_not_accepted(engine: sa.Engine, tmp_path: Path) -> None:
    jobs = Jobs(engine, BrokenQueue(), tmp_path / "jobs")
    with pytest.raises(Unreachable):
        jobs.submit(JobRequest("demo"))
    assert jobs.listing() == []
    assert happened(engine) == []


def test_a_whole_life_is_kept_and_told(jobs: Jobs, engine: sa.Engine) -> None:
    name = jobs.submit(JobRequest("demo")).id
    assert jobs.apply(name, Started(events.now()))[1] == (Instruction.RUN,)
    jobs.set_type(name, "cwl")
    jobs.apply(name, Progressed(0.5, "half"))
    assert (jobs.get(name).progress, jobs.get(name).type) == (0.5, "cwl")
    results = Results("jobs/1/", "c", ("i",), (Asset("a", "k", "image/tiff", 5, "0" * 64),), "crate")
    jobs.apply(name, Succeeded(events.now(), results, Usage(1.5, 0.5, 2**40)))
    job = jobs.get(name)
    assert (job.state, job.results, job.usage) == (State.SUCCESSFUL, results, Usage(1.5, 0.5, 2**40))
    assert job.seconds is not None
    assert job.type == "cwl"
    assert happened(engine) == [
        ("JobAccepted", name, '{"subject": "demo"}'),
        ("JobStarted", name, '{"attempt": 0}'),
        ("JobFinished", name, '{"state": "successful"}'),
    ]


def test_problems_and_restarts_are_kept(jobs: Jobs) -> None:
    name = jobs.submit(JobRequest("demo")).id
    jobs.apply(name, Started(events.now()))
    problem = Problem("what", "why", "remedy", "where", "code")
    jobs.apply(name, Failed(events.now(), (problem,), retry=True))
    assert (jobs.get(name).restarts, jobs.get(name).state) == (1, State.RUNNING)
    jobs.apply(name, Failed(events.now(), (problem, problem)))
    assert (jobs.get(name).problems, jobs.get(name).state) == ((problem, problem), State.FAILED)


def test_the_type_found_does_not_get_lost_between(jobs: Jobs) -> None:
    """Two writers of one row: each change builds on what is stored, not on what its caller knew."""
    name = jobs.submit(JobRequest("demo")).id
    jobs.apply(name, Started(events.now()))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: jobs.apply(name, Progressed(number / 40)), range(40)))
        list(pool.map(lambda kind: jobs.set_type(name, kind), ["cwl"] * 4))
    assert (jobs.get(name).progress, jobs.get(name).type) == (39 / 40, "cwl")


def test_only_one_of_many_cancels_ends_it(jobs: Jobs, engine: sa.Engine) -> None:
    name = jobs.submit(JobRequest("demo")).id
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: jobs.cancel(name), range(8)))
    assert {job.state for job in found} == {State.DISMISSED}
    assert [kind for kind, _, _ in happened(engine)] == ["JobAccepted", "JobFinished"]


def test_cancelling_a_running_job_only_asks(jobs: Jobs) -> None:
    name = jobs.submit(JobRequest("demo")).id
    jobs.apply(name, Started(events.now()))
    job = jobs.cancel(name)
    assert (job.state, job.cancelling) == (State.RUNNING, True)
    assert jobs.get(name).cancelling


@pytest.mark.parametrize("id", ["", "20250101-nothing", "'; DROP TABLE jobs; --", "../../etc/passwd", "x" * 10_000])
def test_unknown_ids(jobs: Jobs, id: str) -> None:
    for what in (lambda: jobs.get(id), lambda: jobs.cancel(id), lambda: jobs.apply(id, Started("t"))):
        with pytest.raises(NotFound, match="no job") as caught:
            what()
        assert len(str(caught.value)) < 300


def test_listing(jobs: Jobs) -> None:
    ids = [jobs.submit(JobRequest(f"demo-{number % 2}")).id for number in range(6)]
    newest = ids[::-1]
    jobs.cancel(ids[0])
    assert [job.id for job in jobs.listing()] == newest
    assert [job.id for job in jobs.listing(limit=2)] == newest[:2]
    assert [job.id for job in jobs.listing(limit=2, before=newest[1])] == newest[2:4]
    assert [job.id for job in jobs.listing(state="dismissed")] == ids[:1]
    assert [job.id for job in jobs.listing(subject="demo-1")] == [ids[5], ids[3], ids[1]]
    assert [job.id for job in jobs.listing(state="accepted", subject="demo-0", before=ids[4])] == [ids[2]]
    assert jobs.listing(state="nonsense") == []
    assert jobs.listing(before="unknown") == []
    assert len(jobs.listing(limit=-3)) == 1


def test_the_log_of_a_job(jobs: Jobs) -> None:
    name = jobs.submit(JobRequest("demo")).id
    assert jobs.log(name) == []
    jobs.folder(name).mkdir(parents=True)
    logs.say(jobs.log_file(name), "one")
    logs.say(jobs.log_file(name), "two")
    assert [line.message for line in jobs.log(name, 1)] == ["two"]
    assert jobs.log_file(name).parent == jobs.folder(name)


def test_ids_are_never_given_twice(jobs: Jobs) -> None:
    with ThreadPoolExecutor(4) as pool:
        ids = [job.id for job in pool.map(lambda _: jobs.submit(JobRequest("demo")), range(40))]
    assert len(set(ids)) == 40
    assert {job.id for job in jobs.listing()} == set(ids)
