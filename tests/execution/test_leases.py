"""Leases of workers, on the database of the session."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine, transaction
from terrafair.errors import Conflict
from terrafair.execution.leases import TABLE, Keeper, Lease, living

from ..databases import control_database


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


Make = Callable[..., Lease]


@pytest.fixture
def ended() -> list[str]:
    return []


@pytest.fixture
def make(engine: sa.Engine, ended: list[str]) -> Make:
    def make(slot: str = "a", host: str = "one", seconds: float = 60.0) -> Lease:
        return Lease(engine, slot, host, seconds, lambda: ended.append(slot))

    return make


def age(engine: sa.Engine, seconds: float) -> None:
    with transaction(engine) as connection:
        connection.execute(TABLE.update().values(seen=TABLE.c.seen - seconds))


def test_who_renews_lives(make: Make, engine: sa.Engine) -> None:
    lease = make()
    assert not lease.take()
    age(engine, 59)
    assert lease.renew()
    age(engine, 59)
    assert lease.lost() == [] and living(engine, 60) == ["a"]
    with transaction(engine) as connection:
        lease.guard(connection)


def test_who_does_not_is_given_up_for_good(make: Make, engine: sa.Engine, ended: list[str]) -> None:
    late, other = make("a", "one"), make("b", "two")
    late.take()
    age(engine, 61)
    other.take()
    assert other.lost() == [late.executor]
    assert other.lost() == [late.executor], "until somebody has taken its jobs, everybody may try"
    assert not late.renew() and living(engine, 60) == ["b"]
    with pytest.raises(Conflict, match="given up"), transaction(engine) as connection:
        late.guard(connection)
    assert ended == ["a"]
    assert make("a", "one").take(), "the next of its name hears of it"


def test_two_hosts_with_one_name(make: Make, engine: sa.Engine) -> None:
    make("a", "one").take()
    with pytest.raises(Conflict, match="runs on one"):
        make("a", "two").take()
    age(engine, 61)
    make("a", "two").take()


def test_the_next_process_of_a_host_takes_its_name_at_once(make: Make) -> None:
    first, second = make(), make()
    first.take()
    assert not second.take()
    assert second.lost() == [first.executor]
    assert not first.renew()


def test_an_orderly_end_frees_the_jobs_at_once(make: Make) -> None:
    first, second = make("a"), make("b")
    first.take()
    second.take()
    first.release()
    assert second.lost() == [first.executor]


def test_the_process_ends_before_others_take_over(make: Make, ended: list[str], engine: sa.Engine) -> None:
    lease = make(seconds=0.6)
    lease.take()
    keeper = Keeper(lease)
    keeper.start()
    time.sleep(1.0)
    assert ended == [] and lease.lost() == []
    with transaction(engine):
        # Nobody else gets a turn at the database: neither its renewal nor others' look.
        deadline = time.monotonic() + 5
        while not ended:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    keeper.stop()
    assert "a" in ended
