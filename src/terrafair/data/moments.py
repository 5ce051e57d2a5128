"""Dates and times as files write them, in UTC."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

_START = (
    "start_datetime",
    "time_coverage_start",
    "start_time",
    "start_date",
    "sensing_start",
    "rangebeginningdate",
    "date_start",
)
_END = (
    "end_datetime",
    "time_coverage_end",
    "end_time",
    "stop_time",
    "end_date",
    "stop_date",
    "sensing_stop",
    "rangeendingdate",
    "date_end",
)
_SINGLE = (
    "datetime",
    "acquisition_datetime",
    "acquisitiondatetime",
    "acquisition_date",
    "date_acquired",
    "sensing_time",
    "imagedate",
    "image_date",
    "observation_date",
    "timestamp",
    "date_time",
    "time",
    "date",
    "tifftag_datetime",
)
_FORM = re.compile(
    r"""\s*(?P<year>\d{4})
    (?:[-:/.]?(?P<month>\d{2})(?:[-:/.]?(?P<day>\d{2})
    (?:[T\ _]?(?P<hour>\d{2})(?::?(?P<minute>\d{2})(?::?(?P<second>\d{2}(?:\.\d+)?))?)?)?)?)?
    \s*(?P<zone>Z|UTC|[+-]\d{2}:?\d{2})?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTH_NAMED = re.compile(r"\s*(\d{1,2})[- ]([A-Za-z]{3})[a-z]*[- ](\d{4})(.*)", re.DOTALL)
"""14-APR-2017 10:27:50.183264, as Envisat and Sentinel products write it."""
_IN_NAME = re.compile(
    r"(?<!\d)((?:19|20)\d{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?:T[0-2]\d[0-5]\d[0-5]\d)?)(?!\d)"
)


@dataclass(frozen=True, slots=True)
class Span:
    """A time, or the time between two; UTC."""

    start: datetime
    end: datetime

    @classmethod
    def over(cls, moments: Iterable[datetime]) -> Self | None:
        """The span of all of them; None of none."""
        found = sorted(moments)
        return cls(found[0], found[-1]) if found else None

    def properties(self) -> dict[str, str | None]:
        """As STAC writes it in an item."""
        if self.start == self.end:
            return {"datetime": text(self.start)}
        return {"datetime": None, "start_datetime": text(self.start), "end_datetime": text(self.end)}


def text(moment: datetime) -> str:
    """RFC 3339 in UTC; microseconds only where there are some."""
    moment = moment.astimezone(UTC)
    # strftime writes years before 1000 without their zeros.
    date = f"{moment.year:04d}-{moment.month:02d}-{moment.day:02d}T{moment.hour:02d}:{moment.minute:02d}"
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{date}:{moment.second:02d}{fraction}Z"


def parse(value: Any) -> datetime | None:
    """The time that a text means (a missing zone means UTC, a missing part its beginning); None where it is none."""
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    if isinstance(value, str) and (named := _MONTH_NAMED.fullmatch(value)) and named[2].upper() in _MONTHS:
        value = f"{named[3]}-{_MONTHS.index(named[2].upper()) + 1:02d}-{int(named[1]):02d}{named[4]}"
    match = _FORM.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    part = match.groupdict()
    second = float(part["second"] or 0)
    zone = part["zone"] or "Z"
    offset = "+00:00" if zone.upper() in {"Z", "UTC"} else f"{zone[:3]}:{zone[-2:]}"
    try:
        moment = datetime.fromisoformat(
            f"{part['year']}-{part['month'] or '01'}-{part['day'] or '01'}T{part['hour'] or '00'}:"
            f"{part['minute'] or '00'}:{min(int(second), 59):02d}{offset}"
        )
        return moment.replace(microsecond=round(second % 1 * 1e6) % 1_000_000).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def from_tags(tags: Mapping[str, Any]) -> Span | None:
    """The time that a file's own tags name; start and end win over a single time."""
    lower = {str(key).lower().rpartition("#")[2]: value for key, value in tags.items()}
    start = _first(lower, _START)
    end = _first(lower, _END)
    if start and end and start <= end:
        return Span(start, end)
    single = _first(lower, _SINGLE) or start or end
    return Span(single, single) if single else None


def from_name(name: str) -> Span | None:
    """The date in a file's name, e.g. `ndvi_2020-06-01.tif`; a second one ends a span."""
    found = [moment for match in _IN_NAME.findall(name) if (moment := parse(match))]
    return Span(min(found[:2]), max(found[:2])) if found else None


def _first(tags: Mapping[str, Any], names: Iterable[str]) -> datetime | None:
    return next((moment for name in names if (moment := parse(tags.get(name)))), None)
