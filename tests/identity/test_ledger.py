"""The ledger under any order of events, and under threads and crashes: it never overspends and always adds up."""

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.errors import Conflict, Damaged
from terrafair.identity import ledger
from terrafair.identity.credits import MilliCredits
from terrafair.identity.ledger import ALLOCATIONS, LEDGER, OverBudget

from ..databases import control_database


def milli(amount: int) -> MilliCredits:
    return MilliCredits(amount)


def allocate(engine: sa.Engine, name: str, credits: int, *, project: str = "home", stage: str = "active") -> None:
    with transaction(engine) as connection:
        connection.execute(
            sa.text(
                "INSERT INTO allocations (id, project, reference, sponsor, service, stage, period_start, period_end, "
                "documents, note, credits, reserved, spent) VALUES (:id, :project, 'NoR', 's', 'v', :stage, "
                "'2026-01-01', :end, '[]', '', :credits, 0, 0)"
            ),
            {"id": name, "project": project, "stage": stage, "end": f"2026-12-{name[-1:]:0>2}", "credits": credits},
        )


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


def sums(engine: sa.Engine) -> dict[str, tuple[int, int]]:
    with reading(engine) as connection:
        ledger.verify(connection)
        return {row.id: (row.reserved, row.spent) for row in connection.execute(sa.select(ALLOCATIONS))}


def test_reserve_settle_refund(engine: sa.Engine) -> None:
    allocate(engine, "a1", 1000)
    with transaction(engine) as connection:
        assert ledger.reserve(connection, "home", "j1", milli(400)).free == 600
    assert sums(engine) == {"a1": (400, 0)}
    with transaction(engine) as connection:
        assert ledger.settle(connection, "j1", milli(150)) == 150
        assert ledger.settle(connection, "j1", milli(900)) == 150
    assert sums(engine) == {"a1": (0, 150)}
    with transaction(engine) as connection:
        assert ledger.refund(connection, "j1", milli(500), "the platform failed") == 150
        assert ledger.refund(connection, "j1", milli(500), "again") == 0
    assert sums(engine) == {"a1": (0, 0)}


def test_over_budget_names_the_missing_figure(engine: sa.Engine) -> None:
    allocate(engine, "a1", 1000)
    with (
        pytest.raises(OverBudget, match=r"1\.5 credits, and 1 are free.*0\.5 credits are missing"),
        transaction(engine) as connection,
    ):
        ledger.reserve(connection, "home", "j1", milli(1500))
    with pytest.raises(OverBudget, match="no active allocation"), transaction(engine) as connection:
        ledger.reserve(connection, "elsewhere", "j1", milli(1))
    assert sums(engine) == {"a1": (0, 0)}


def test_more_than_reserved_is_charged_as_far_as_it_goes(engine: sa.Engine) -> None:
    allocate(engine, "a1", 1000)
    with transaction(engine) as connection:
        ledger.reserve(connection, "home", "j1", milli(400))
        ledger.reserve(connection, "home", "j2", milli(300))
        assert ledger.settle(connection, "j1", milli(5000)) == 700
    assert sums(engine) == {"a1": (300, 700)}


def test_the_allocation_that_ends_first_goes_first(engine: sa.Engine) -> None:
    allocate(engine, "a2", 500)
    allocate(engine, "a1", 300)
    allocate(engine, "a3", 9000, stage="exhausted")
    with transaction(engine) as connection:
        assert ledger.reserve(connection, "home", "j1", milli(200)).allocation == "a1"
        assert ledger.reserve(connection, "home", "j2", milli(200)).allocation == "a2"
        assert ledger.reserve(connection, "home", "j1", milli(200)).allocation == "a1"
        assert ledger.charge(connection, "home", milli(1000), "storage") == 400
    assert sums(engine) == {"a1": (200, 100), "a2": (200, 300), "a3": (0, 0)}


def test_what_was_never_reserved(engine: sa.Engine) -> None:
    with transaction(engine) as connection:
        assert ledger.settle(connection, "unknown", milli(5)) is None
        with pytest.raises(Conflict):
            ledger.refund(connection, "unknown", milli(5), "")


def test_tampering_is_seen(engine: sa.Engine) -> None:
    allocate(engine, "a1", 1000)
    with transaction(engine) as connection:
        ledger.reserve(connection, "home", "j1", milli(10))
        connection.execute(LEDGER.update().values(reserved=5))
    with pytest.raises(Damaged, match="does not add up"):
        sums(engine)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "settle", "refund", "charge", "crash"]),
        st.integers(0, 5),
        st.integers(0, 700),
    ),
    max_size=30,
)


class Crash(Exception):
    pass


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_any_order_of_events_adds_up(steps: list[tuple[str, int, int]]) -> None:
    """Each step in a transaction of its own; a crash is one that never commits."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{folder}/platform.db")
        migrate(engine)
        allocate(engine, "a1", 1000)
        allocate(engine, "a2", 500)
        settled: dict[str, int | None] = {}
        for action, job, amount in steps:
            name, before = f"j{job}", sums(engine)
            with contextlib.suppress(OverBudget, Conflict, Crash), transaction(engine) as connection:
                if action == "reserve":
                    ledger.reserve(connection, "home", name, milli(amount))
                elif action == "settle":
                    charged = ledger.settle(connection, name, milli(amount))
                    assert settled.setdefault(name, charged) == charged or settled[name] is None or amount >= 0
                elif action == "refund":
                    ledger.refund(connection, name, milli(amount), "")
                elif action == "charge":
                    ledger.charge(connection, "home", milli(amount), "storage")
                else:
                    ledger.reserve(connection, "home", name, milli(amount))
                    raise Crash
            if action == "crash":
                assert sums(engine) == before
        sums(engine)
        engine.dispose()


def test_threads_never_overspend(engine: sa.Engine) -> None:
    allocate(engine, "a1", 1000)
    taken: list[str] = []

    def work(number: int) -> None:
        for turn in range(10):
            name = f"j{number}-{turn}"
            with contextlib.suppress(OverBudget):
                with transaction(engine) as connection:
                    ledger.reserve(connection, "home", name, milli(40))
                taken.append(name)
                if turn % 3 == 0:
                    with transaction(engine) as connection:
                        ledger.settle(connection, name, milli(30))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reserved, spent = sums(engine)["a1"]
    assert reserved + spent <= 1000 and taken
    assert 1000 - reserved - spent < 40
