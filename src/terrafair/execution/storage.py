"""What projects keep in the object store, measured once a day and charged to their allocations.

Counted are the results of their jobs and the objects of their bucket. A day on which the platform did not run is not
charged.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from terrafair.data.objects import ObjectStore
from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.execution.budget import Budget
from terrafair.identity import allocations, ledger
from terrafair.identity.credits import GIGABYTE, MilliCredits, Resources

DAY_SECONDS = 86_400
_JOBS = sa.table("jobs", *(sa.column(name, sa.String) for name in ("id", "project")))
_METERED = sa.select(ledger.ALLOCATIONS.c.project).where(ledger.ALLOCATIONS.c.stage == "active").distinct()


@dataclass(frozen=True, slots=True)
class Storage:
    """The meter."""

    engine: sa.Engine
    budget: Budget
    objects: ObjectStore
    bucket: Callable[[str], ObjectStore]
    """A project's own bucket."""

    def used(self, projects: Iterable[str]) -> dict[str, int]:
        """Bytes that each of the projects keeps."""
        wanted = list(projects)
        with reading(self.engine) as connection:
            rows = connection.execute(sa.select(_JOBS).where(_JOBS.c.project.in_(wanted)))
            owner = {row.id: row.project for row in rows}
        found: Counter[str] = Counter(dict.fromkeys(wanted, 0))
        for each in self.objects.list("jobs"):
            project = owner.get(each.key.split("/")[1])
            if project:
                found[project] += each.size
        for project in wanted:
            try:
                found[project] += sum(each.size for each in self.bucket(project).list(""))
            except NotFound:
                # Nobody has asked for it yet.
                continue
        return dict(found)

    def charge(self, day: date) -> dict[str, MilliCredits]:
        """Charge a day to all projects that are metered; a second call for the day changes nothing. Gives what was."""
        with reading(self.engine) as connection:
            projects = [project for project in connection.execute(_METERED).scalars() if project]
        charged = {}
        for project, size in self.used(projects).items():
            cost = self.budget.prices.cost(Resources.stored(size, DAY_SECONDS))
            if cost:
                charged[project] = self._enter(project, day, cost, size)
        return charged

    def _enter(self, project: str, day: date, cost: MilliCredits, size: int) -> MilliCredits:
        once = f"storage-{day}-{hashlib.sha256(project.encode()).hexdigest()[:20]}"
        with transaction(self.engine) as connection:
            before = ledger.active(connection, project)
            taken = ledger.charge(connection, project, cost, f"{size / GIGABYTE:.3f} GB kept on {day}", once=once)
            for balance in before:
                allocations.note(connection, balance, ledger.balance(connection, balance.allocation), day)
        return taken
