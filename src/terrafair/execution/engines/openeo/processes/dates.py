"""Date & time."""

# ruff: noqa: A002, D103 -- processes and their parameters are named by the specification

import calendar
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.instants import instant, is_time, time_of_day

_STEPS = {
    "millisecond": timedelta(milliseconds=1),
    "second": timedelta(seconds=1),
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MONTHS = {"month": 1, "year": 12}


def date_shift(date: Any, value: Any, unit: str) -> str:
    """The date keeps its zone and, where it had none, its form without time; days too many end the month."""
    instant(date)
    moment, zone, has_time = _split(date)
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidInput(f"`value` is {value!r}, not a number.", code="argument-type")
    if unit not in {*_STEPS, *_MONTHS}:
        raise _unknown(unit)
    try:
        moment = _shifted(moment, value, unit)
    except (OverflowError, ValueError):
        what = f"{date} {value:+} {unit} is not between the years 1 and 9999."
        raise InvalidInput(what, remedy="Shift by less.", code="argument-value") from None
    if not has_time:
        return moment.strftime("%Y-%m-%d")
    fraction = f".{moment.microsecond // 1000:03d}" if moment.microsecond else ""
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone


def _shifted(moment: datetime, value: float, unit: str) -> datetime:
    if unit in _STEPS:
        return moment + _STEPS[unit] * value
    months = moment.year * 12 + moment.month - 1 + int(value) * _MONTHS[unit]
    year, month = divmod(months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _split(date: str) -> tuple[datetime, str, bool]:
    """The local time, its zone as written, and whether there was a time."""
    found = re.search(r"(Z|[+-]\d{2}:?\d{2})$", date) if "T" in date.upper() else None
    zone = found[0] if found else "Z"
    moment = datetime.fromisoformat(re.sub(r":60(?=[.Z+-]|$)", ":59", date))
    return moment.replace(tzinfo=None), zone, "T" in date.upper() or " " in date


def date_between(x: Any, min: Any, max: Any, exclude_max: bool = False) -> Any:
    if x is None:
        return None
    if all(is_time(each) for each in (x, min, max)):
        of_day, early, late = time_of_day(x), time_of_day(min), time_of_day(max)
        return bool(early <= of_day and (of_day < late if exclude_max else of_day <= late))
    moment, first, last = instant(x, "x"), instant(min, "min"), instant(max, "max")
    return bool(first <= moment and (moment < last if exclude_max else moment <= last))


def date_difference(date1: Any, date2: Any, unit: str = "second") -> float:
    """date2 - date1; months and years count whole ones, then the part of the next."""
    first, second = instant(date1, "date1"), instant(date2, "date2")
    if unit in _STEPS:
        return float((second - first) / np.timedelta64(1, "ms")) / (_STEPS[unit] / timedelta(milliseconds=1))
    if unit in _MONTHS:
        return _months(first, second) / _MONTHS[unit]
    raise _unknown(unit)


def _months(first: np.datetime64, second: np.datetime64) -> float:
    if second < first:
        return -_months(second, first)
    start, end = (datetime.fromtimestamp(float(each.astype("int64")) / 1e9, UTC) for each in (first, second))
    whole = (end.year - start.year) * 12 + end.month - start.month
    before, after = _months_later(start, whole), _months_later(start, whole + 1)
    if before > end:
        whole, before, after = whole - 1, _months_later(start, whole - 1), before
    return whole + (end - before) / (after - before)


def _months_later(moment: datetime, months: int) -> datetime:
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, calendar.monthrange(year, month + 1)[1]))


def date_replace_component(date: Any, value: Any, component: str) -> str:
    """Set one part of a date; days beyond the month's end become its last."""
    instant(date)
    if component not in {"year", "month", "day", "hour", "minute", "second", "millisecond"}:
        raise _unknown(component)
    moment, zone, has_time = _split(date)
    name, number = ("microsecond", int(value) * 1000) if component == "millisecond" else (component, int(value))
    parts = {"year": moment.year, "month": moment.month, "day": moment.day, name: number}
    parts["day"] = min(parts["day"], calendar.monthrange(parts["year"], parts["month"])[1])
    moment = moment.replace(**parts)  # type: ignore[arg-type]
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + zone if has_time else moment.strftime("%Y-%m-%d")


def _unknown(unit: Any) -> InvalidInput:
    return InvalidInput(f"The unit {unit!r} is not known.", remedy=f"Known: {', '.join([*_STEPS, *_MONTHS])}.")
