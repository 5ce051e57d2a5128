"""A day of storage is charged once, to those who keep something."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair import events
from terrafair.data.objects import MemoryObjects, ObjectStore, StoredObject
from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.errors import NotFound
from terrafair.execution.budget import Budget
from terrafair.execution.command import Limits
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.jobs import TABLE, _row
from terrafair.execution.storage import Storage
from terrafair.identity import ledger
from terrafair.identity.access import Actor
from terrafair.identity.allocation import Approved, Stage
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits, Prices
from terrafair.identity.projects import Projects

from ..databases import control_database

TODAY = datetime.now(UTC).date()


class Large(MemoryObjects):
    """Objects that say that they are ten million times as large."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        for each in super().list(prefix):
            yield StoredObject(each.key, each.size * 10**7, each.modified)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


def storage(engine: sa.Engine, credits: int = 10**6) -> Storage:
    operator, allocations = Actor(operator=True), Allocations(engine)
    for name in ("glaciers", "forests"):
        Projects(engine).create(operator, name, name)
    asked = allocations.request(operator, "glaciers", MilliCredits(credits), TODAY, TODAY)
    allocations.decide(operator, asked.id, Approved("NoR-1"))
    with transaction(engine) as connection:
        for project in ("glaciers", "forests"):
            job = Job(f"20260101-{project[:4]}", JobRequest("x"), "2026-01-01", owner=Owner(project, "ada"))
            connection.execute(TABLE.insert().values(**_row(job)))
    objects, own = Large(), Large()
    objects.put("jobs/20260101-glac/outputs/map.tif", b"x" * 200)
    objects.put("jobs/20260101-fore/outputs/map.tif", b"x" * 999)
    objects.put("jobs/unknown/map.tif", b"x")
    own.put("mine.bin", b"x" * 100)

    def bucket(project: str) -> ObjectStore:
        if project != "glaciers":
            raise NotFound("There is none.")
        return own

    return Storage(engine, Budget(Prices(), Limits()), objects, bucket)


def test_a_day_is_charged_once(engine: sa.Engine) -> None:
    kept = storage(engine)
    assert kept.used(["glaciers", "forests"]) == {"glaciers": 3 * 10**9, "forests": 999 * 10**7}
    # 3 GB for one day of thirty, at 20 a GB month: 2 milli-credits. Forests have no allocation.
    assert kept.charge(TODAY) == {"glaciers": 2}
    assert kept.charge(TODAY) == {"glaciers": 0}
    assert kept.charge(date(2027, 1, 1)) == {"glaciers": 2}
    with reading(engine) as connection:
        ledger.verify(connection)
        notes = connection.execute(sa.select(ledger.LEDGER.c.note).order_by(ledger.LEDGER.c.number)).scalars().all()
    assert notes[0] == f"3.000 GB kept on {TODAY}" and len(notes) == 2


def test_storage_warns_and_exhausts(engine: sa.Engine) -> None:
    kept = storage(engine, 2)
    assert kept.charge(TODAY) == {"glaciers": 2}
    with reading(engine) as connection:
        told = [row for row in events.trail(connection, 0) if row["kind"] == "Warned"]
    assert [row["per_cent"] for row in told] == [80, 95, 100]
    (account,) = Allocations(engine).listing(Actor(operator=True))
    assert account.allocation.stage is Stage.EXHAUSTED
    assert kept.charge(date(2027, 1, 2)) == {}
