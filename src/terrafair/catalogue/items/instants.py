"""Instants as whole microseconds since 1970 in UTC, so that both engines compare the same numbers."""

import re
from datetime import UTC, datetime, timedelta

from terrafair.errors import InvalidInput

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = -(2**62), 2**62
"""Stand for open sides of an interval; no real instant lies beyond."""
DAY = 86_400_000_000
FIRST = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
LAST = (datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt](\d\d:\d\d:\d\d)(?:\.(\d{1,30}))?([Zz]|[+-]\d\d:\d\d)",
    re.ASCII,
)

Interval = tuple[int, int]


def instant(text: str) -> int:
    """RFC 3339 as microseconds; finer digits are cut off. Raises `ValueError`."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, clock, fraction, zone = found.groups()
    # A leap second counts as the first instant of the next minute, as PostgreSQL has it.
    leap = clock.endswith(":60")
    moment = datetime.fromisoformat(f"{day}T{clock[:-2] + '59' if leap else clock}{zone.upper()}")
    micros = (moment - EPOCH) // timedelta(microseconds=1) + int((fraction or "")[:6].ljust(6, "0"))
    micros += 1_000_000 if leap else 0
    if not FIRST <= micros <= LAST:
        raise ValueError(text)  # in another zone it lies outside of the years 1 to 9999
    return micros


def lenient(value: object) -> int | None:
    """An instant or a date as found in people's properties; None for anything else."""
    if not isinstance(value, str):
        return None
    try:
        return instant(f"{value}T00:00:00Z" if len(value) == 10 else value)
    except ValueError:
        return None


def text(micros: int) -> str:
    """RFC 3339 in UTC, with as many digits as the instant needs."""
    moment = EPOCH + timedelta(microseconds=micros)
    return moment.isoformat(timespec="microseconds" if micros % 1_000_000 else "seconds").replace("+00:00", "Z")


def parse_interval(value: str, where: str = "datetime") -> Interval:
    """`instant`, `start/end`, `../end`, `start/..`, an open side also as nothing.

    Raises `InvalidInput` that quotes the side which is wrong.
    """
    sides = value.split("/")
    if len(sides) > 2:
        raise _wrong(value, f"It has {len(sides)} sides.", where)
    first, last = (_side(side, value, where) for side in (sides[0], sides[-1]))
    if len(sides) == 1 and first is None:
        raise _wrong(value, "A single side cannot be open.", where)
    if first is None and last is None:
        raise _wrong(value, "Both sides are open.", where)
    start, end = EARLIEST if first is None else first, LATEST if last is None else last
    if start > end:
        raise _wrong(value, "It ends before it starts.", where)
    return start, end


def _side(side: str, whole: str, where: str) -> int | None:
    if side in {"", ".."}:
        return None
    try:
        return instant(side)
    except ValueError:
        raise _wrong(whole, f"{side[:60]!r} is no RFC 3339 instant.", where) from None


def _wrong(value: str, why: str, where: str) -> InvalidInput:
    return InvalidInput(
        f"The {where} {value[:120]!r} cannot be read.",
        why,
        "Write 2020-06-15T00:00:00Z, or start/end with `..` for an open side.",
        where,
    )
