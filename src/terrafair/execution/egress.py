"""What leaves the platform for each project: summed in memory, kept every few seconds, charged when its day is over.

A process that is killed loses the sums of its last seconds: nobody pays for what was not kept.
"""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum

import sqlalchemy as sa
import structlog

from terrafair.database import reading, transaction
from terrafair.errors import TerrafairError
from terrafair.execution.budget import Budget
from terrafair.identity import allocations, ledger
from terrafair.identity.access import Action, Actor, Kind, Thing, may
from terrafair.identity.credits import GIGABYTE, MilliCredits, Resources

FLUSH_SECONDS = 5.0
TABLE = sa.table(
    "egress",
    *(sa.column(name, sa.String) for name in ("day", "project")),
    *(sa.column(name, sa.BigInteger) for name in ("bytes", "charged")),
)
_JOBS = sa.table("jobs", *(sa.column(name, sa.String) for name in ("id", "project")))
_BATCHES = sa.table("openeo_jobs", sa.column("id", sa.String), sa.column("document", sa.Text))


class Source(StrEnum):
    """What an id in an address is the id of."""

    JOB = "job"
    BATCH = "batch"
    """openEO's name of a job."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What left for one project in one month."""

    month: str
    """`YYYY-MM`."""
    project: str
    size: int
    """Bytes."""


@dataclass(slots=True)
class Egress:
    """The meter; each web process has one."""

    engine: sa.Engine
    budget: Budget
    today: Callable[[], date] = lambda: datetime.now(UTC).date()
    _sums: Counter[tuple[str, Source, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, source: Source, id: str, size: int) -> None:  # noqa: A002 - the field's word
        """Bytes that have been sent of a thing."""
        with self._lock:
            self._sums[self.today().isoformat(), source, id] += size

    def flush(self) -> None:
        """Keep what has been counted; it stays counted when the database does not take it."""
        with self._lock:
            taken, self._sums = self._sums, Counter()
        if not taken:
            return
        try:
            with transaction(self.engine) as connection:
                for (day, project), size in _of_projects(connection, taken).items():
                    _add(connection, day, project, size)
        except BaseException:
            with self._lock:
                self._sums.update(taken)
            raise

    def keeping(self, ended: threading.Event) -> None:
        """Flush until the platform ends, and once more then."""
        over = False
        while not over:
            over = ended.wait(FLUSH_SECONDS)
            try:
                self.flush()
            except TerrafairError as fault:
                structlog.get_logger().warning("egress.unkept", reason=str(fault)[:500])

    def charge(self, today: date) -> dict[str, MilliCredits]:
        """Charge the days that are over, each byte once; gives what the projects' allocations held of it."""
        pending = sa.select(TABLE).where(TABLE.c.day < today.isoformat(), TABLE.c.bytes > TABLE.c.charged)
        with reading(self.engine) as connection:
            days = [(row.day, row.project) for row in connection.execute(pending.order_by(TABLE.c.day))]
        charged: Counter[str] = Counter()
        for day, project in days:
            charged[project] += self._charge(day, project, today)
        return {project: MilliCredits(cost) for project, cost in charged.items() if cost}

    def sent(self, actor: Actor, *, month: str = "") -> list[Sent]:
        """Per month and project, of what the actor may see; charged or not; up to now for this process."""
        self.flush()
        label = sa.func.substr(TABLE.c.day, 1, 7).label("month")
        query = sa.select(label, TABLE.c.project, sa.func.sum(TABLE.c.bytes).label("size"))
        query = query.group_by(label, TABLE.c.project).order_by(label, TABLE.c.project)
        query = query.where(label == month) if month else query
        with reading(self.engine) as connection:
            rows = connection.execute(query).all()
        return [
            Sent(row.month, row.project, int(row.size))
            for row in rows
            if may(actor, Action.READ, Thing(Kind.ALLOCATION, row.project))
        ]

    def _charge(self, day: str, project: str, today: date) -> MilliCredits:
        here = (TABLE.c.day == day, TABLE.c.project == project)
        with transaction(self.engine) as connection:
            row = connection.execute(sa.select(TABLE).where(*here).with_for_update()).one()
            size = row.bytes - row.charged
            cost = self.budget.prices.cost(Resources(egress_gb=size / GIGABYTE))
            # A last flush may come after the day was charged: its bytes are a charge of their own.
            once = f"egress-{day}-{hashlib.sha256(project.encode()).hexdigest()[:20]}-{row.charged}"
            before = ledger.active(connection, project)
            taken = ledger.charge(connection, project, cost, f"{size / GIGABYTE:.3f} GB sent on {day}", once=once)
            for balance in before:
                allocations.note(connection, balance, ledger.balance(connection, balance.allocation), today)
            connection.execute(TABLE.update().where(*here).values(charged=row.bytes))
        return taken


def _of_projects(connection: sa.Connection, sums: Counter[tuple[str, Source, str]]) -> Counter[tuple[str, str]]:
    """The sums by day and project; a job that is its author's own belongs to none."""
    batches = {thing for _, source, thing in sums if source is Source.BATCH}
    job_of: dict[tuple[Source, str], str] = {
        (source, thing): thing for _, source, thing in sums if source is Source.JOB
    }
    for row in connection.execute(sa.select(_BATCHES).where(_BATCHES.c.id.in_(batches))):
        job_of[Source.BATCH, row.id] = str(json.loads(row.document).get("job") or "")
    projects = _projects(connection, job_of.values())
    found: Counter[tuple[str, str]] = Counter()
    for (day, source, thing), size in sums.items():
        if project := projects.get(job_of.get((source, thing), "")):
            found[day, project] += size
    return found


def _projects(connection: sa.Connection, jobs: Iterable[str]) -> dict[str, str]:
    query = sa.select(_JOBS).where(_JOBS.c.id.in_(set(jobs)))
    return {row.id: row.project for row in connection.execute(query)}


def _add(connection: sa.Connection, day: str, project: str, size: int) -> None:
    here = (TABLE.c.day == day, TABLE.c.project == project)
    if not connection.execute(TABLE.update().where(*here).values(bytes=TABLE.c.bytes + size)).rowcount:
        connection.execute(TABLE.insert().values(day=day, project=project, bytes=size, charged=0))
