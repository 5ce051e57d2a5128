"""What was promised, and what was kept: pure sums over one calendar month."""

import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from terrafair.errors import InvalidInput

DEFAULT = Path(__file__).with_name("objectives.toml")
NAMES = ("availability", "acceptance", "queue", "publication")
MINUTE = "%Y-%m-%dT%H:%M"


@dataclass(frozen=True, slots=True)
class Objective:
    """One promise."""

    name: str
    title: str
    level: float
    """Share that has to be good, 0 to 1."""
    limit: float = 0.0
    """Seconds within which it has to happen, where time is promised."""


@dataclass(frozen=True, slots=True)
class Window:
    """Announced maintenance."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Objectives:
    """The file."""

    promises: tuple[Objective, ...]
    maintenance: tuple[Window, ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Objectives":
        """Raises `InvalidInput` that names the table or key."""
        try:
            document = tomllib.loads(file.read_text("utf-8"))
            windows = tuple(Window(_aware(w["start"]), _aware(w["end"])) for w in document.pop("maintenance", []))
            promises = tuple(Objective(name, **document.pop(name)) for name in NAMES if name in document)
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as fault:
            raise InvalidInput(f"{file} is no file of objectives: {fault}.", where=str(file)) from fault
        if document:
            raise InvalidInput(
                f"{file} has the unknown objective {next(iter(document))!r}.", f"Known: {', '.join(NAMES)}."
            )
        for promise in promises:
            if not 0 < promise.level < 1:
                raise InvalidInput(f"The level of {promise.name} is {promise.level}.", "It is a share between 0 and 1.")
        return cls(promises, windows)


def _aware(moment: Any) -> datetime:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Kept:
    """One promise and what came of it."""

    objective: Objective
    good: int
    counted: int

    @property
    def share(self) -> float | None:
        """The good share; None: there was nothing to count."""
        return self.good / self.counted if self.counted else None

    @property
    def budget(self) -> float | None:
        """Share of the error budget that is left: 1 untouched, 0 used up, below 0 broken."""
        if not self.counted:
            return None
        return 1 - (1 - self.good / self.counted) / (1 - self.objective.level)

    @property
    def held(self) -> bool:
        """Whether the promise was kept."""
        return self.share is None or self.share >= self.objective.level


@dataclass(frozen=True, slots=True)
class Facts:
    """What a month's database holds."""

    minutes: Mapping[str, bool]
    """Minute as `YYYY-MM-DDTHH:MM` -> whether every part worked."""
    asked: Sequence[int]
    """HTTP status of every request for a job."""
    waits: Sequence[float]
    """Seconds from acceptance to start."""
    publications: Sequence[float]
    """Seconds from the beginning of a publication to its open pull request."""


def month_of(text: str) -> tuple[datetime, datetime]:
    """Begin and end (excluded) of `YYYY-MM` in UTC; raises `InvalidInput`."""
    try:
        start = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput(f"{text!r} is no month.", "A month is written YYYY-MM.", where="month") from None
    return start, (start + timedelta(days=32)).replace(day=1)


def measure(objectives: Objectives, facts: Facts, start: datetime, end: datetime) -> tuple[Kept, ...]:
    """Each promise over the part of a month that is over, from its first probe on.

    A minute without a probe is one in which nothing ran: it counts as bad, unless it was announced.
    """
    counts = {
        "availability": _minutes(facts.minutes, objectives.maintenance, start, end),
        "acceptance": (sum(status < 500 for status in facts.asked), len(facts.asked)),
    }
    limits = {promise.name: promise.limit for promise in objectives.promises}
    for name, seconds in (("queue", facts.waits), ("publication", facts.publications)):
        counts[name] = (sum(each <= limits.get(name, 0) for each in seconds), len(seconds))
    return tuple(Kept(promise, *counts[promise.name]) for promise in objectives.promises)


def _minutes(
    minutes: Mapping[str, bool], maintenance: Iterable[Window], start: datetime, end: datetime
) -> tuple[int, int]:
    if not minutes:
        return 0, 0
    first = max(datetime.strptime(min(minutes), MINUTE).replace(tzinfo=UTC), start)
    announced: Collection[Window] = tuple(maintenance)
    good = counted = 0
    for number in range(int((end - first).total_seconds()) // 60):
        moment = first + timedelta(minutes=number)
        works = minutes.get(moment.strftime(MINUTE), False)
        if not works and any(window.start <= moment < window.end for window in announced):
            continue
        good, counted = good + works, counted + 1
    return good, counted


def document(kept: Iterable[Kept], month: str, until: datetime) -> dict[str, Any]:
    """The report as JSON; its shape is stable."""
    return {
        "month": month,
        "until": until.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "objectives": [
            {
                "name": each.objective.name,
                "title": each.objective.title,
                "level": each.objective.level,
                "limit": each.objective.limit or None,
                "good": each.good,
                "counted": each.counted,
                "share": each.share,
                "budget": each.budget,
                "held": each.held,
            }
            for each in kept
        ],
    }
