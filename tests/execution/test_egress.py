"""What leaves is counted per day and project, charged once its day is over, and never lost nor charged twice."""

import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair import events
from terrafair.database import migrate, open_engine, reading, transaction
from terrafair.errors import Unreachable
from terrafair.execution.budget import Budget
from terrafair.execution.command import Limits
from terrafair.execution.egress import TABLE, Egress, Sent, Source
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.jobs import TABLE as JOBS
from terrafair.execution.jobs import _row
from terrafair.identity import ledger
from terrafair.identity.access import Actor, Role
from terrafair.identity.allocation import Approved, Stage
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits, Prices
from terrafair.identity.projects import Projects

from ..databases import control_database

OPERATOR = Actor(operator=True)
TODAY = datetime.now(UTC).date()
TOMORROW = TODAY + timedelta(days=1)
GIGABYTE = 10**9


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    for name in ("glaciers", "forests"):
        Projects(engine).create(OPERATOR, name, name)
    with transaction(engine) as connection:
        for number, project in enumerate(("glaciers", "forests", "")):
            job = Job(f"job{number}", JobRequest("x"), "2026-01-01", owner=Owner(project, "ada"))
            connection.execute(JOBS.insert().values(**_row(job)))
        batch = {"id": "b-1", "person": "ada", "document": json.dumps({"job": "job0"}), "created": "", "updated": ""}
        table = sa.table("openeo_jobs", *(sa.column(name) for name in batch))
        connection.execute(table.insert().values(**batch))
    yield engine
    engine.dispose()


def meter(engine: sa.Engine, credits: int = 10**6) -> Egress:
    allocations = Allocations(engine)
    asked = allocations.request(OPERATOR, "glaciers", MilliCredits(credits), TODAY, TOMORROW)
    allocations.decide(OPERATOR, asked.id, Approved("NoR-1"))
    return Egress(engine, Budget(Prices(), Limits()))


def test_bytes_go_to_the_project_of_the_thing(engine: sa.Engine) -> None:
    egress, other = meter(engine), Egress(engine, Budget(Prices(), Limits()))
    for thing, size in (("job0", 5), ("job0", 6), ("job1", 100), ("job2", 7), ("gone", 8)):
        egress.count(Source.JOB, thing, size)
    egress.count(Source.BATCH, "b-1", 1000)
    egress.count(Source.BATCH, "job1", 4)
    egress.flush()
    egress.flush()
    other.count(Source.JOB, "job0", 1)
    other.flush()
    month = TODAY.isoformat()[:7]
    assert egress.sent(OPERATOR) == [Sent(month, "forests", 100), Sent(month, "glaciers", 1012)]
    assert egress.sent(Actor("ada", {"forests": Role.MEMBER})) == [Sent(month, "forests", 100)]
    assert egress.sent(Actor("eve")) == [] and egress.sent(OPERATOR, month="1999-01") == []


def test_a_day_is_charged_once_when_it_is_over(engine: sa.Engine) -> None:
    egress = meter(engine)
    for thing in ("job0", "job1"):
        egress.count(Source.JOB, thing, 3 * GIGABYTE)
    egress.flush()
    assert egress.charge(TODAY) == {}
    # 3 GB at 50 a GB; forests have no allocation.
    assert egress.charge(TOMORROW) == {"glaciers": 150}
    assert egress.charge(TOMORROW) == {}
    # A flush of another process that came after the day was charged.
    egress.count(Source.JOB, "job0", GIGABYTE)
    egress.flush()
    assert egress.charge(TOMORROW) == {"glaciers": 50}
    with reading(engine) as connection:
        ledger.verify(connection)
        notes = connection.execute(sa.select(ledger.LEDGER.c.note).order_by(ledger.LEDGER.c.number)).scalars().all()
        rows = connection.execute(sa.select(TABLE).order_by(TABLE.c.project)).all()
    assert notes == [f"3.000 GB sent on {TODAY}", f"1.000 GB sent on {TODAY}"]
    assert [(row.project, row.bytes, row.charged) for row in rows] == [
        ("forests", 3 * GIGABYTE, 3 * GIGABYTE),
        ("glaciers", 4 * GIGABYTE, 4 * GIGABYTE),
    ]
    (usage,) = Allocations(engine).usage(OPERATOR)
    assert (usage.resource, usage.kind, usage.entries, usage.spent) == ("egress", "charge", 2, 200)


def test_egress_warns_and_exhausts_and_takes_no_more_than_there_is(engine: sa.Engine) -> None:
    egress = meter(engine, 100)
    egress.count(Source.JOB, "job0", 3 * GIGABYTE)
    egress.flush()
    assert egress.charge(TOMORROW) == {"glaciers": 100}
    with reading(engine) as connection:
        told = [row["per_cent"] for row in events.trail(connection, 0) if row["kind"] == "Warned"]
        ledger.verify(connection)
    assert told == [80, 95, 100]
    (account,) = Allocations(engine).listing(OPERATOR)
    assert account.allocation.stage is Stage.EXHAUSTED


def test_a_day_belongs_to_when_it_was_sent(engine: sa.Engine) -> None:
    day = [date(2026, 1, 31)]
    egress = Egress(engine, Budget(Prices(), Limits()), lambda: day[0])
    egress.count(Source.JOB, "job0", 1)
    day[0] = date(2026, 2, 1)
    egress.count(Source.JOB, "job0", 2)
    egress.flush()
    assert [(each.month, each.size) for each in egress.sent(OPERATOR)] == [("2026-01", 1), ("2026-02", 2)]


def test_what_could_not_be_kept_stays_counted(engine: sa.Engine) -> None:
    egress = meter(engine)
    egress.count(Source.JOB, "job0", 5)
    with transaction(engine) as connection:
        connection.execute(sa.text("ALTER TABLE egress RENAME TO away"))
    with pytest.raises((Unreachable, sa.exc.DBAPIError)):
        egress.flush()
    egress.count(Source.JOB, "job0", 6)
    with transaction(engine) as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO egress"))
    ended = threading.Event()
    ended.set()
    egress.keeping(ended)
    assert [each.size for each in egress.sent(OPERATOR)] == [11]
