"""A project with a long queue does not keep another's one job waiting."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine, transaction
from terrafair.execution import turns
from terrafair.execution.job import Job, JobRequest, Owner, State
from terrafair.execution.jobs import TABLE, _row

from ..databases import control_database


class Queue:
    """Jobs that wait, as the database orders them: by turn, then by time."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine, self.count = engine, 0

    def submit(self, project: str, number: int = 1) -> None:
        for _ in range(number):
            self.count += 1
            job = Job(f"{project}-{self.count:05}", JobRequest("x"), "2026-01-01", owner=Owner(project, "somebody"))
            with transaction(self.engine) as connection:
                connection.execute(TABLE.insert().values(**_row(job)))
                turns.take(connection, job.id)

    def start(self, number: int) -> list[str]:
        started = []
        for _ in range(number):
            with transaction(self.engine) as connection:
                waiting = sa.select(turns.JOBS).where(turns.JOBS.c.state == "accepted")
                row = connection.execute(waiting.order_by(turns.JOBS.c.turn, sa.text("number")).limit(1)).one_or_none()
                if row is None:
                    break
                connection.execute(TABLE.update().where(TABLE.c.id == row.id).values(state=State.RUNNING.value))
                started.append(row.project)
        return started


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield Queue(engine)
    engine.dispose()


def test_one_job_behind_many_of_another_project(queue: Queue) -> None:
    queue.submit("many", 200)
    queue.start(2)
    queue.submit("one")
    assert "one" in queue.start(2)


def test_shares_are_equal_from_when_a_project_comes(queue: Queue) -> None:
    queue.submit("a", 60)
    queue.start(20)
    queue.submit("b", 30)
    assert abs(Counter(queue.start(20))["b"] - 10) <= 1
    queue.submit("c", 10)
    found = Counter(queue.start(12))
    assert all(3 <= found[name] <= 5 for name in "abc"), found


def test_the_past_is_nobodys_debt(queue: Queue) -> None:
    queue.submit("busy", 50)
    queue.start(50)
    queue.submit("new", 20)
    queue.submit("busy", 2)
    assert "busy" in queue.start(3)


def test_what_is_withdrawn_counts_for_nothing(queue: Queue) -> None:
    queue.submit("a", 50)
    with transaction(queue.engine) as connection:
        connection.execute(TABLE.update().values(state="dismissed"))
    queue.submit("b", 10)
    queue.submit("a", 1)
    assert "a" in queue.start(3)


def test_turns_begin_anew() -> None:
    assert turns.turn(None, None, None) == 1
    assert turns.turn(turns.LATEST, turns.LATEST, turns.LATEST) == 1


def test_what_is_in_no_table_has_no_turn(queue: Queue) -> None:
    with transaction(queue.engine) as connection:
        assert turns.take(connection, "unknown") == 1
