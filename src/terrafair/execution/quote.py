"""What a run is expected to cost, beside what its project has left; the API, the command line and the form ask it."""

from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading
from terrafair.execution.budget import Budget
from terrafair.execution.job import JobRequest
from terrafair.identity.access import Action, Kind, Thing, may
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import actor, asker


@dataclass(frozen=True, slots=True)
class Quotes:
    """Answers for whoever asks."""

    engine: sa.Engine
    budget: Budget
    allocations: Allocations

    def ask(self, subject: str, timeout: float = 0.0, project: str = "") -> dict[str, Any]:
        """Cost in milli-credits, what it rests on, and what the project that would pay has free."""
        project = project or asker().project or asker().actor.person
        with reading(self.engine) as connection:
            found = self.budget.estimate(connection, JobRequest(subject, timeout=timeout))
        seen = may(actor(), Action.READ, Thing(Kind.ALLOCATION, project))
        metered = bool(project) and seen and self.allocations.metered(project)
        about = {"cost": found.cost, "unit": "milli-credit", **asdict(found.resources), "runs": found.runs}
        free = self.allocations.free(project) if metered else None
        return {**about, "project": project, "metered": metered, "free": free}
