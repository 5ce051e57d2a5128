"""A search as values, and the reading of what people type into one."""

import calendar
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from terrafair.catalogue.records import ENTITIES, FOLDERS, Box, Kind, utc
from terrafair.errors import InvalidInput

TEXT_LIMIT = 1000
"""Characters of a search text that are looked at."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is looked for; empty fields do not restrict."""

    text: str = ""
    kinds: tuple[Kind, ...] = ()
    theme: str = ""
    """Id or title, case-insensitive; likewise the next three."""
    variable: str = ""
    mission: str = ""
    project: str = ""
    box: Box | None = None
    start: str = ""
    end: str = ""
    limit: int = 20
    offset: int = 0
    semantic: bool = False
    """Also rank by meaning, where the weights are installed."""

    @classmethod
    def parse(cls, *, bbox: str = "", time: str = "", kinds: tuple[str, ...] = (), **fields: Any) -> Self:
        """A query from texts as people and URLs give them; raises `InvalidInput` naming the field."""
        start, end = parse_time(time) if time else ("", "")
        limit, offset = _whole("limit", fields.pop("limit", 20)), _whole("offset", fields.pop("offset", 0))
        if not 1 <= limit <= 1000 or offset < 0:
            raise InvalidInput(
                f"limit is {limit} and offset {offset}.", "limit is 1 to 1000, offset at least 0.", where="limit"
            )
        return cls(
            kinds=tuple(_kind(name) for name in kinds),
            box=parse_box(bbox) if bbox else None,
            start=start,
            end=end,
            limit=limit,
            offset=offset,
            **fields,
        )


def _whole(name: str, value: Any) -> int:
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise InvalidInput(f"{name} is {value!r}.", "It takes a whole number.", where=name) from None


def _kind(name: str) -> Kind:
    plain = name.strip().casefold()
    try:
        return FOLDERS.get(plain) or Kind(plain.removeprefix("eo-").removesuffix("s"))
    except ValueError:
        raise InvalidInput(
            f"{name!r} is no kind of entity.", remedy=f"Kinds: {', '.join(ENTITIES)}.", where="kind"
        ) from None


def parse_box(text: str) -> Box:
    """`west,south,east,north` in degrees; a west greater than east crosses the antimeridian."""
    remedy = "Write west,south,east,north in degrees, e.g. 5.5,45,17,55."
    try:
        numbers = [float(part) for part in text.replace(" ", "").strip("[]").split(",")]
    except ValueError:
        raise InvalidInput(f"The bbox {text!r} is not made of numbers.", remedy=remedy, where="bbox") from None
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4:
        raise InvalidInput(f"The bbox {text!r} has {len(numbers)} numbers, not 4.", remedy=remedy, where="bbox")
    west, south, east, north = numbers
    if not (-180 <= west <= 180 and -180 <= east <= 180 and -90 <= south <= 90 and -90 <= north <= 90):
        raise InvalidInput(f"The bbox {text!r} lies outside the globe.", remedy=remedy, where="bbox")
    if south > north:
        raise InvalidInput(f"In the bbox {text!r} south is north of north.", remedy=remedy, where="bbox")
    return west, south, east, north


def parse_time(text: str) -> tuple[str, str]:
    """`start/end` with `..` or nothing for an open side, or one day, month, year or instant; gives UTC instants."""
    sides = text.strip().split("/")
    if len(sides) > 2:
        raise InvalidInput(f"The time {text!r} has {len(sides)} parts.", remedy="Write start/end.", where="time")
    first = _instants(sides[0], text)
    last = _instants(sides[-1], text)
    start, end = first[0], last[1]
    if start and end and start > end:
        raise InvalidInput(f"The time {text!r} ends before it starts.", remedy="Swap the two.", where="time")
    return start, end


def _instants(side: str, whole: str) -> tuple[str, str]:
    """First and last instant of what one side names; both empty when it is open."""
    side = side.strip()
    if side in {"", ".."}:
        return "", ""
    try:
        if found := re.fullmatch(r"(\d{4})(?:-(\d\d))?(?:-(\d\d))?", side):
            year, month, day = int(found[1]), found[2], found[3]
            last_month = int(month or 12)
            last_day = int(day or calendar.monthrange(year, last_month)[1])
            first = datetime(year, int(month or 1), int(day or 1), tzinfo=UTC)
            last = datetime(year, last_month, last_day, 23, 59, 59, tzinfo=UTC)
        else:
            first = last = datetime.fromisoformat(side)
        return utc(first), utc(last)
    except (ValueError, OverflowError, calendar.IllegalMonthError):
        raise InvalidInput(
            f"The time {whole!r} cannot be read: {side!r} is no date.",
            remedy="Write 2020, 2020-06, 2020-06-15, or start/end such as 2020-01-01/.. ",
            where="time",
        ) from None


@dataclass(frozen=True, slots=True)
class Hit:
    """One entity found."""

    kind: Kind
    parent: str
    id: str
    title: str
    score: float
    """Larger is better; comparable within one answer only."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "kind": self.kind.value,
            "id": self.id,
            "parent": self.parent,
            "title": self.title,
            "score": round(self.score, 4),
        }


@dataclass(frozen=True, slots=True)
class Found:
    """One page of an answer."""

    total: int
    items: tuple[Hit, ...]
    corrected: tuple[tuple[str, str], ...] = ()
    """(as typed, as understood) for words that no document has."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        document: dict[str, Any] = {"total": self.total, "items": [hit.document() for hit in self.items]}
        if self.corrected:
            document["corrected"] = [{"typed": typed, "meant": meant} for typed, meant in self.corrected]
        return document
