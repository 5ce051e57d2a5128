"""Dates and times as openEO writes them, in UTC."""

import re
from datetime import UTC, date, datetime, time
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput

DAY = np.timedelta64(1, "D")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}$")
_TIME = re.compile(r"\d{2}:\d{2}(:\d{2}(\.\d+)?)?Z?$")


def instant(text: Any, argument: str = "date") -> np.datetime64:
    """The instant that a text names: a date with or without time, year or month; without a zone it is UTC."""
    if isinstance(text, np.datetime64):
        return text.astype("datetime64[ns]")
    if isinstance(text, datetime | date):
        text = text.isoformat()
    try:
        if re.fullmatch(r"\d{4}(-\d{2})?", text.strip()):
            return np.datetime64(text.strip()).astype("datetime64[ns]")
        moment = datetime.fromisoformat(re.sub(r":60(?=[.Z+-]|$)", ":59", text.strip()))
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
        return np.datetime64(moment).astype("datetime64[ns]")
    except (ValueError, AttributeError, TypeError):
        raise InvalidInput(
            f"`{argument}` holds {text!r}, which is no date.",
            remedy="Write it as 2024-06-01 or 2024-06-01T10:30:00Z.",
            code="date-invalid",
        ) from None


def is_date(text: Any) -> bool:
    """Tell whether a text is a date without a time."""
    return isinstance(text, str) and bool(_DATE.match(text.strip()))


def is_time(text: Any) -> bool:
    """Tell whether a text is a time of day without a date."""
    return isinstance(text, str) and bool(_TIME.match(text.strip()))


def time_of_day(text: str) -> np.timedelta64:
    """The time since midnight."""
    moment = time.fromisoformat(text.strip().rstrip("Z"))
    seconds = moment.hour * 3600 + moment.minute * 60 + moment.second
    return np.timedelta64(seconds * 10**6 + moment.microsecond, "us").astype("timedelta64[ns]")


def interval(
    extent: Any, argument: str = "temporal_extent", *, same_day: bool = False
) -> tuple[np.datetime64 | None, np.datetime64 | None]:
    """Start (included) and end (excluded) of an interval; None is open.

    With `same_day`, twice the same date is that whole day, as published graphs use it; the specification calls it
    empty.
    """
    if isinstance(extent, dict) and "extent" in extent:
        extent = extent["extent"]
    if isinstance(extent, str) or not isinstance(extent, list | tuple) or len(extent) != 2:
        what = f"`{argument}` is {extent!r}, not a list of start and end."
        raise InvalidInput(what, remedy='Write it as ["2024-06-01", "2024-07-01"]; null leaves an end open.')
    start = None if extent[0] is None else instant(extent[0], argument)
    end = None if extent[1] is None else instant(extent[1], argument)
    if same_day and start is not None and start == end and is_date(extent[1]):
        end = start + DAY
    if start is not None and end is not None and end <= start:
        raise InvalidInput(
            f"`{argument}` {extent[0]} to {extent[1]} is empty.",
            "The end is excluded and must be later than the start.",
            "Give a later end.",
            code="temporal-extent-empty",
        )
    if start is None and end is None and extent[0] is None:
        return None, None
    return start, end


def text(value: Any) -> str:
    """An instant as openEO writes it, without needless fractions."""
    stamp = np.datetime_as_string(np.datetime64(value).astype("datetime64[ms]"))
    return re.sub(r"\.000$", "", str(stamp)) + "Z"
