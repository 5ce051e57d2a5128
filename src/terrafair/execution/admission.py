"""Which stored objects may be read for somebody: the results of a job by those who may read the job itself."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.errors import NotFound
from terrafair.execution.job import Job
from terrafair.execution.jobs import missing
from terrafair.identity import asking
from terrafair.identity.access import Action, Actor, may
from terrafair.identity.asking import PLATFORM, Asker

JOBS = "jobs"
"""Where results lie: `jobs/ID/...`."""
DEPTH = 100


@dataclass(frozen=True, slots=True)
class Admission:
    """Asked wherever a reference has come down to an object, whatever it was written as."""

    job: Callable[[str], Job]
    """Any job; raises `NotFound`."""
    actor: Callable[[str], Actor]
    """A person with their rights of now."""

    def __call__(self, key: str) -> None:
        """Raise `NotFound` for an object of a job that the asker may not see, as for one that is not there."""
        folder, _, rest = key.partition("/")
        if folder != JOBS:
            return
        id = rest.partition("/")[0]  # noqa: A001 - the field's word
        try:
            owner = self.job(id).owner
        except NotFound:
            raise missing(id) from None
        if not may(asking.actor(), Action.READ, owner.thing):
            raise missing(id)

    def asker(self, job: Job) -> Asker:
        """Whose rights a job has while it runs: its author's, as they are then."""
        owner = job.owner
        return Asker(self.actor(owner.author), project=owner.project) if owner.author else PLATFORM


def texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text in a JSON value, down to a depth that no honest one has."""
    if isinstance(value, str):
        yield value
    elif depth < DEPTH:
        parts = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
        for part in parts:
            yield from texts(part, depth + 1)
