"""What a job may cost and has cost: estimated from its like, reserved when it is accepted, settled when it ends."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from terrafair.execution.command import Limits
from terrafair.execution.job import Job, JobRequest, State, Usage
from terrafair.identity import allocations, ledger
from terrafair.identity.credits import GIGABYTE, MilliCredits, Prices, Resources

HISTORY = 20
"""Runs of the same subject that an estimate looks at."""
MARGIN = 1.5
_JOBS = sa.table(
    "jobs", *(sa.column(name, sa.String) for name in ("subject", "state", "usage")), sa.column("number", sa.Integer)
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a job is expected to cost at the most."""

    cost: MilliCredits
    resources: Resources
    runs: int
    """Earlier runs that it rests on; 0: it is what the platform's limits allow."""


@dataclass(frozen=True, slots=True)
class Spending:
    """The account of one job."""

    cost: MilliCredits
    """By what it has taken."""
    reserved: MilliCredits | None
    """Held for it still; None: its project has no allocation that it counts against."""
    charged: MilliCredits | None
    """Of the allocation, once it has ended."""


@dataclass(frozen=True, slots=True)
class Budget:
    """Implements `jobs.Budget` for projects that have been given an allocation; others are not limited by credits."""

    prices: Prices
    limits: Limits

    def estimate(self, connection: sa.Connection, request: JobRequest) -> Estimate:
        """From the dearest of the last runs of the same subject, else from the limits of one job."""
        query = (
            sa.select(_JOBS.c.usage)
            .where(_JOBS.c.subject == request.subject[:500], _JOBS.c.state == "successful")
            .order_by(_JOBS.c.number.desc())
            .limit(HISTORY)
        )
        # A file's name says nothing of what is in it.
        rows = [] if request.file else connection.execute(query).scalars().all()
        used = [_resources(Usage(**json.loads(row))) for row in rows]
        if not used:
            seconds = min(request.timeout or self.limits.seconds, self.limits.seconds)
            used = [Resources(seconds, seconds * self.limits.memory / GIGABYTE)]
            return Estimate(self.prices.cost(used[0], jobs=1), used[0], 0)
        dearest = max(used, key=self.prices.cost)
        likely = Resources(dearest.cpu_seconds * MARGIN, dearest.memory_gb_seconds * MARGIN)
        return Estimate(self.prices.cost(likely, jobs=1), likely, len(used))

    def reserve(self, connection: sa.Connection, job: Job) -> None:
        """Hold the estimate; raises `OverBudget` with the figure that is missing."""
        project = job.owner.project
        if project and allocations.metered(connection, project):
            ledger.reserve(connection, project, job.id, self.estimate(connection, job.request).cost)

    def settle(self, connection: sa.Connection, job: Job) -> None:
        """Charge what was measured; nothing for a job that never ran."""
        ran = job.usage.wall_seconds > 0
        cost = self.prices.cost(_resources(job.usage), jobs=1) if ran else MilliCredits(0)
        allocations.settle(connection, job.id, cost, datetime.now(UTC).date())

    def spent(self, connection: sa.Connection, job: Job, usage: Usage) -> Spending:
        """What a job has cost so far by the price list, and what of its project's allocation is held for it."""
        ran = usage.wall_seconds > 0 or job.state is State.RUNNING
        cost = self.prices.cost(_resources(usage), jobs=1) if ran else MilliCredits(0)
        reserved, charged = ledger.account_of(connection, job.id)
        return Spending(cost, reserved, charged)


def _resources(usage: Usage) -> Resources:
    return Resources.of_job(usage.cpu_seconds, usage.wall_seconds, usage.peak_memory)
