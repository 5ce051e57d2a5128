"""The durable queue on SQLite, with consumers in processes of their own (DBOS is one to a process)."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine, transaction
from terrafair.execution import attention, queue
from terrafair.execution.attention import listen
from terrafair.execution.doorbell import Doorbell
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.jobs import TABLE, _row
from terrafair.execution.queue import Begun, DurableQueue

from ..databases import control_database

DEADLINE = 60.0
CONSUMER = """
import sys, time
from pathlib import Path
from terrafair.execution.doorbell import Doorbell
from terrafair.execution.queue import consuming

url, slot, workers, folder, rung = sys.argv[1:]
folder = Path(folder)

def run(job):
    # Names without end: every call leaves one.
    number = len(list(folder.glob(f"{job}.taken.*")))
    (folder / f"{job}.taken.{slot}.{number}").touch()
    while job.startswith("held") and not (folder / "go").exists():
        time.sleep(0.02)
    if job.startswith("broken"):
        raise RuntimeError("for this test")
    (folder / f"{job}.done").touch()

bell = Doorbell(folder / "bell") if rung else None
with consuming(url, slot, int(workers), run, bell):
    (folder / f"{slot}.ready").touch()
    while not (folder / "end").exists():
        time.sleep(0.02)
"""
Consume = Callable[..., "subprocess.Popen[bytes]"]


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return control_database(tmp_path)


@pytest.fixture
def engine(url: str) -> Iterator[sa.Engine]:
    engine = open_engine(url)
    migrate(engine)
    queue.prepare(url)
    yield engine
    engine.dispose()


@pytest.fixture
def waiting(engine: sa.Engine, url: str) -> Iterator[DurableQueue]:
    waiting = DurableQueue(url)
    yield waiting
    waiting.close()


@pytest.fixture
def consume(url: str, tmp_path: Path) -> Iterator[Consume]:
    started = []

    def consume(slot: str = "a", workers: int = 2, *, bell: bool = False) -> "subprocess.Popen[bytes]":
        line = [sys.executable, "-c", CONSUMER, url, slot, str(workers), str(tmp_path), "rung" if bell else ""]
        (tmp_path / f"{slot}.ready").unlink(missing_ok=True)
        process = subprocess.Popen(line)
        started.append(process)
        return process

    yield consume
    for process in started:
        process.kill()
        process.wait()


def put(engine: sa.Engine, waiting: DurableQueue, *names: str) -> None:
    with transaction(engine) as connection:
        for name in names:
            waiting.enqueue(connection, name)


def taken(folder: Path, name: str) -> int:
    return len(list(folder.glob(f"{name}.taken.*")))


def done(folder: Path, *names: str) -> bool:
    return all((folder / f"{name}.done").exists() for name in names)


def test_each_job_is_run_once_by_one_of_two(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    names = [f"job-{number}" for number in range(24)]
    put(engine, waiting, *names[:12])
    consume("a")
    consume("b")
    for name in names[12:]:
        put(engine, waiting, name)
    wait_for(lambda: done(tmp_path, *names))
    assert [taken(tmp_path, name) for name in names] == [1] * len(names)


def test_the_end_of_a_job_begins_the_next(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    """With a bell the queue is looked at rarely; whoever waits does not notice."""
    names = ["held", *(f"job-{number}" for number in range(20))]
    put(engine, waiting, *names)
    consume(workers=1, bell=True)
    wait_for(lambda: taken(tmp_path, "held"))
    begun = time.monotonic()
    (tmp_path / "go").touch()
    wait_for(lambda: done(tmp_path, *names))
    assert time.monotonic() - begun < 20 * queue.RUNG_SECONDS["sqlite"] / 2


def test_projects_take_turns(engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path) -> None:
    """One job of another project starts before the many that have waited for longer."""
    names = ["held-many", *(f"many-{number:03}" for number in range(100)), "one"]
    with transaction(engine) as connection:
        for name in names:
            job = Job(name, JobRequest("x"), "2026-01-01", owner=Owner(name.partition("-")[0], "somebody"))
            connection.execute(TABLE.insert().values(**_row(job)))
            waiting.enqueue(connection, name)
    consume(workers=1)
    wait_for(lambda: taken(tmp_path, "held-many"))
    (tmp_path / "go").touch()
    wait_for(lambda: taken(tmp_path, "many-020"))
    begun = sorted(tmp_path.glob("*.taken.*"), key=lambda path: path.stat().st_mtime_ns)
    assert "one" in {path.name.partition(".")[0] for path in begun[:4]}


def test_a_hundred_jobs_of_unequal_projects(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    """Whoever has fewer is done once all have had as many turns, whatever was queued before."""
    counts = {"large": 78, "middle": 12, "small": 6, "tiny": 4}
    with transaction(engine) as connection:
        for project, count in counts.items():
            for number in range(count):
                job = Job(f"{project}-{number:03}", JobRequest("x"), "2026-01-01", owner=Owner(project, "somebody"))
                connection.execute(TABLE.insert().values(**_row(job)))
                waiting.enqueue(connection, job.id)
    consume(workers=1, bell=True)
    wait_for(lambda: len(list(tmp_path.glob("*.done"))) == sum(counts.values()))
    # A file system's clock ticks every four milliseconds: two may be of the same tick.
    taken_first = sorted(tmp_path.glob("*.taken.*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    begun = [path.name.partition("-")[0] for path in taken_first]
    assert len(begun) == sum(counts.values())
    for project, count in counts.items():
        last = len(begun) - begun[::-1].index(project)
        # Nobody jumps the queue of their own project, and the consumer may have claimed one ahead.
        assert last <= sum(min(other, count) for other in counts.values()) + 2, project
        own = [path.name for path in taken_first if path.name.startswith(project)]
        assert own == sorted(own)


def test_as_many_at_a_time_as_there_are_workers(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    put(engine, waiting, "held-0", "held-1", "held-2")
    consume(workers=2)
    wait_for(lambda: taken(tmp_path, "held-*") == 2)
    (tmp_path / "go").touch()
    wait_for(lambda: done(tmp_path, "held-0", "held-1", "held-2"))
    assert taken(tmp_path, "held-*") == 3


def test_a_killed_consumer_loses_nothing(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    """What it had taken goes to the next of its name, what waited to anybody; what was done is not done again."""
    put(engine, waiting, "first")
    killed = consume(workers=1)
    wait_for(lambda: done(tmp_path, "first"))
    put(engine, waiting, "held-0")
    wait_for(lambda: taken(tmp_path, "held-0"))
    put(engine, waiting, "later")
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    (tmp_path / "go").touch()
    consume(workers=1)
    wait_for(lambda: done(tmp_path, "held-0", "later"))
    assert [taken(tmp_path, name) for name in ("first", "held-0", "later")] == [1, 2, 1]


def test_another_name_does_not_take_over_what_is_being_run(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    put(engine, waiting, "held-0")
    consume("a", workers=1)
    wait_for(lambda: taken(tmp_path, "held-0"))
    consume("b", workers=1)
    wait_for((tmp_path / "b.ready").exists)
    put(engine, waiting, "other")
    wait_for(lambda: done(tmp_path, "other"))
    (tmp_path / "go").touch()
    wait_for(lambda: done(tmp_path, "held-0"))
    assert taken(tmp_path, "held-0") == 1


def test_neither_a_fault_nor_what_was_rolled_back_stops_the_others(
    engine: sa.Engine, waiting: DurableQueue, consume: Consume, tmp_path: Path
) -> None:
    def change_of_mind() -> None:
        with transaction(engine) as connection:
            waiting.enqueue(connection, "withdrawn")
            raise RuntimeError("for this test")

    with pytest.raises(RuntimeError):
        change_of_mind()
    put(engine, waiting, "broken", "next")
    consumer = consume(workers=1)
    wait_for(lambda: done(tmp_path, "next"))
    assert [taken(tmp_path, name) for name in ("withdrawn", "broken")] == [0, 1]
    (tmp_path / "end").touch()
    assert consumer.wait(DEADLINE) == 0


def test_preparing_twice_does_no_harm(url: str, engine: sa.Engine) -> None:
    queue.prepare(url)


def test_a_bell_is_heard_at_once_and_none_is_needed(tmp_path: Path) -> None:
    bell, far = Doorbell(tmp_path / "bell"), Doorbell(tmp_path / "bell")
    far.ring()
    assert not bell.wait(0.01)
    far.ring()
    far.ring()
    assert bell.wait(5)
    assert not bell.wait(0.01)
    bell.close()
    far.ring()


def test_what_is_rung_for_is_taken_once_and_never_more_than_the_workers(
    waiting: DurableQueue, engine: sa.Engine, consume: Consume, tmp_path: Path
) -> None:
    consume("a", 2, bell=True)
    wait_for((tmp_path / "a.ready").exists)
    bell = Doorbell(tmp_path / "bell")
    for number in range(6):
        with transaction(engine) as connection:
            waiting.enqueue(connection, f"held{number}")
        bell.ring()
    wait_for(lambda: len(list(tmp_path.glob("held*.taken.*"))) == 2)
    time.sleep(0.3)
    assert len(list(tmp_path.glob("held*.taken.*"))) == 2
    (tmp_path / "go").touch()
    wait_for(lambda: len(list(tmp_path.glob("held*.done"))) == 6)
    assert len(list(tmp_path.glob("held*.taken.*"))) == 6


def test_a_ring_is_not_forgotten_before_it_is_answered(tmp_path: Path) -> None:
    """The worker has no room, or the database no time, for longer than whoever listens is in a hurry."""
    bell, far = Doorbell(tmp_path / "bell"), Doorbell(tmp_path / "bell")
    looks: list[float] = []
    room = threading.Event()

    def look() -> bool:
        looks.append(time.monotonic())
        return room.is_set()

    with ExitStack() as stack:
        listen(bell, look, 60, stack)
        wait_for((tmp_path / "bell").exists)
        time.sleep(0.1)
        assert not looks
        far.ring()
        wait_for(lambda: len(looks) > 3)
        time.sleep(attention.HURRY_SECONDS + 0.2)
        before = time.monotonic()
        room.set()
        wait_for(lambda: looks[-1] > before)
        assert looks[-1] - before < 5 * attention.LATER_SECONDS


def test_who_is_not_rung_for_looks_all_the_same(tmp_path: Path) -> None:
    looks: list[float] = []
    with ExitStack() as stack:
        listen(Doorbell(tmp_path / "bell"), lambda: bool(looks.append(0.0)) or True, 0.05, stack)
        wait_for(lambda: len(looks) > 3)


def test_what_was_claimed_is_begun_once_it_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be nobody's until this worker is started anew."""
    begun_jobs: list[tuple[str, str]] = []

    class System:
        away = True

        def get_workflow_statuses(self, jobs: list[str]) -> list[dict[str, str]]:
            if self.away:
                raise RuntimeError("the database is locked")
            return [{"workflow_uuid": job} for job in jobs]

    class Dbos:
        _sys_db = System()

    monkeypatch.setattr(
        "dbos._core.execute_dequeued_workflow",
        lambda _, status, owner: begun_jobs.append((status["workflow_uuid"], owner)),
    )
    begun = Begun(Dbos())
    begun.add(["a", "b"], "me")
    with pytest.raises(RuntimeError):
        begun.begin()
    assert len(begun) == 2 and not begun_jobs
    Dbos._sys_db.away = False
    begun.begin()
    begun.begin()
    assert begun_jobs == [("a", "me"), ("b", "me")] and not len(begun)
