"""Allocations in the database, from the request to the signed report."""

import csv
import io
from datetime import date

import pytest
import sqlalchemy as sa

from terrafair.database import transaction
from terrafair.errors import NotFound, Refused
from terrafair.identity import ledger
from terrafair.identity.allocation import Approved, Stage, ToppedUp
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.report import COLUMNS, holds, report, table

from .conftest import Town

KEY = b"of this platform"


class Today:
    def __init__(self) -> None:
        self.date = date(2026, 3, 1)

    def __call__(self) -> date:
        return self.date


@pytest.fixture
def today() -> Today:
    return Today()


@pytest.fixture
def allocations(engine: sa.Engine, today: Today) -> Allocations:
    return Allocations(engine, today)


def granted(allocations: Allocations, town: Town, credits: int = 1000) -> str:
    asked = allocations.request(
        town.actor("ada"),
        "glaciers",
        MilliCredits(credits),
        date(2026, 1, 1),
        date(2026, 12, 31),
        documents=["https://x"],
    )
    assert allocations.decide(town.actor("eve"), asked.id, Approved("NoR-7")).stage is Stage.ACTIVE
    return asked.id


def test_request_and_approval(allocations: Allocations, town: Town) -> None:
    assert not allocations.metered("glaciers")
    name = granted(allocations, town)
    assert allocations.metered("glaciers") and allocations.free("glaciers") == 1000
    (account,) = allocations.listing(town.actor("cy"))
    assert account.allocation.id == name and account.allocation.documents == ("https://x",)
    assert allocations.listing(town.actor("dee")) == []
    with pytest.raises(Refused):
        allocations.request(town.actor("ben"), "glaciers", MilliCredits(1), date(2026, 1, 1), date(2026, 2, 1))
    with pytest.raises(Refused):
        allocations.decide(town.actor("ada"), name, ToppedUp(MilliCredits(10**9)))
    with pytest.raises(NotFound):
        allocations.decide(town.actor("eve"), "a-x", ToppedUp(MilliCredits(1)))


def test_exhausted_then_topped_up_then_over(
    allocations: Allocations, town: Town, engine: sa.Engine, today: Today
) -> None:
    name = granted(allocations, town)
    with transaction(engine) as connection:
        ledger.reserve(connection, "glaciers", "j1", MilliCredits(960))
        ledger.settle(connection, "j1", MilliCredits(960))
    ((_, told),) = allocations.note_spent()
    assert told == (80, 95) and allocations.free("glaciers") == 40
    with transaction(engine) as connection:
        ledger.charge(connection, "glaciers", MilliCredits(100), "storage")
    allocations.note_spent()
    assert allocations.listing(town.actor("ada"))[0].allocation.stage is Stage.EXHAUSTED
    with pytest.raises(ledger.OverBudget, match="no active allocation"), transaction(engine) as connection:
        ledger.reserve(connection, "glaciers", "j2", MilliCredits(1))
    assert allocations.decide(town.actor("eve"), name, ToppedUp(MilliCredits(500))).stage is Stage.ACTIVE
    assert allocations.free("glaciers") == 500
    today.date = date(2027, 1, 1)
    (over,) = allocations.begin_day()
    assert over.stage is Stage.EXPIRED and allocations.free("glaciers") == 0


def test_the_report_adds_up_and_shows_changes(allocations: Allocations, town: Town, engine: sa.Engine) -> None:
    granted(allocations, town)
    with transaction(engine) as connection:
        for number in range(3):
            ledger.reserve(connection, "glaciers", f"j{number}", MilliCredits(100))
            ledger.settle(connection, f"j{number}", MilliCredits(70))
        ledger.refund(connection, "j0", MilliCredits(20), "our fault")
    rows = allocations.usage(town.actor("ada"))
    assert {(row.kind, row.entries, row.spent) for row in rows} == {("settle", 3, 210), ("refund", 1, -20)}
    assert allocations.usage(town.actor("dee")) == [] and len(allocations.usage(town.actor("eve"))) == 2
    document = report(rows, "https://platform.example", "2026-03-01T00:00:00Z", KEY)
    assert document["total"] == 190 and holds(document, KEY)
    assert not holds({**document, "total": 0}, KEY) and not holds(document, b"another key")
    lines = list(csv.reader(io.StringIO(table(rows, "p"))))
    assert tuple(lines[0]) == COLUMNS
    assert sorted(line[6] for line in lines[1:]) == ["-0.020", "0.210"]
    assert allocations.usage(town.actor("eve"), month="1999-01") == []
