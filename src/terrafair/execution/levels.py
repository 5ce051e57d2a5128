"""What the platform's jobs were like: how many ended well, how long they waited; measured, never promised."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil

from terrafair.execution.job import Job, State

PERIODS = (("the last day", 1), ("the last week", 7), ("the last 30 days", 30))


@dataclass(frozen=True, slots=True)
class Level:
    """Of one period that ends now."""

    period: str
    accepted: int
    successful: int
    failed: int
    """What failed by the platform's or the workflow's fault; what its person ended is not among them."""
    wait: float | None
    """Seconds from the acceptance to the start, of half of the jobs; None: none has started."""
    wait_most: float | None
    """The same of 95 of 100."""
    took: float | None
    """Seconds that half of the successful ones ran at the most."""

    @property
    def share(self) -> float | None:
        """Successful ones of those that ended by themselves."""
        ended = self.successful + self.failed
        return self.successful / ended if ended else None


def levels(jobs: Iterable[Job], now: datetime | None = None) -> list[Level]:
    """Of each period."""
    now = now or datetime.now(UTC)
    known = list(jobs)
    return [
        _level(name, [job for job in known if _at(job.created) > now - timedelta(days=days)]) for name, days in PERIODS
    ]


@dataclass(frozen=True, slots=True)
class Ran:
    """How the jobs of one engine fared within the longest period."""

    part: str
    works: bool | None
    """Whether the last one that ended by itself ended well; None: there was none."""
    says: str


def ran(engines: Iterable[str], jobs: Iterable[Job], limits: str, now: datetime | None = None) -> list[Ran]:
    """Of each engine; `limits` is what each of its jobs may take."""
    start = (now or datetime.now(UTC)) - timedelta(days=PERIODS[-1][1])
    ended = [job for job in jobs if job.state in {State.SUCCESSFUL, State.FAILED} and _at(job.created) > start]
    return [_ran(name, [job for job in ended if job.type == name], limits) for name in engines]


def _ran(name: str, jobs: list[Job], limits: str) -> Ran:
    if not jobs:
        return Ran(f"engine {name}", None, f"No job of it has ended in {PERIODS[-1][0]}; {limits}.")
    last = max(jobs, key=lambda job: job.finished)
    well = sum(job.state is State.SUCCESSFUL for job in jobs)
    says = f"{well} of {len(jobs)} jobs ended well in {PERIODS[-1][0]}, the last one ended {last.state.value} at"
    return Ran(
        f"engine {name}", last.state is State.SUCCESSFUL, f"{says} {last.finished[:16].replace('T', ' ')}; {limits}."
    )


def _level(name: str, jobs: list[Job]) -> Level:
    waits = [_between(job.created, job.started) for job in jobs if job.started]
    took = [_between(job.started, job.finished) for job in jobs if job.state is State.SUCCESSFUL]
    count = {state: sum(job.state is state for job in jobs) for state in State}
    return Level(
        name, len(jobs), count[State.SUCCESSFUL], count[State.FAILED], _share(waits, 0.5), _share(waits, 0.95),
        _share(took, 0.5),
    )  # fmt: skip


def _share(values: list[float], share: float) -> float | None:
    """The smallest value that this share of all does not exceed."""
    return sorted(values)[max(0, ceil(len(values) * share) - 1)] if values else None


def _between(start: str, end: str) -> float:
    return (_at(end) - _at(start)).total_seconds()


def _at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)
