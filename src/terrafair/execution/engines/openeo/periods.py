"""Calendar periods: the labels that instants fall under, complete over an extent."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput

PERIODS = ("hour", "day", "week", "dekad", "month", "season", "tropical-season", "year", "decade", "decade-ad")
_SEASONS = ("djf", "mam", "jja", "son")
_STEP = {"hour": 3600, "day": 86400}


def label(moment: np.datetime64, period: str) -> str:
    """The label of the period that an instant falls in, with its year."""
    return _LABELS[period](moment.astype("datetime64[us]").astype(dt.datetime))


def climatological(label_with_year: str, period: str) -> str:
    """The same period without its year, as normals are labelled."""
    if period == "hour":
        return label_with_year[-2:]
    if period in {"year", "decade", "decade-ad"}:
        return label_with_year
    return label_with_year.split("-", 1)[1]


def complete(first: np.datetime64, last: np.datetime64, period: str) -> list[str]:
    """All labels from one instant to another, in order, periods without data included."""
    if period not in PERIODS:
        raise InvalidInput(f"The period {period!r} is not known.", remedy=f"Known: {', '.join(PERIODS)}.")
    step = np.timedelta64(_STEP.get(period, 86400), "s")
    # Days are fine enough for all that is longer, hours for hours.
    moments = np.arange(first.astype("datetime64[s]"), last.astype("datetime64[s]") + step, step)
    moments = np.minimum(moments, last.astype("datetime64[s]"))
    if len(moments) > 2_000_000:
        raise InvalidInput(f"The cube spans {len(moments)} steps of {period}.", remedy="Choose a longer period.")
    return list(dict.fromkeys(label(moment, period) for moment in moments))


def start(label_with_year: str, period: str) -> np.datetime64:
    """The first instant of a labelled period; raises `InvalidInput` for labels of another kind."""
    try:
        return _STARTS[period](*label_with_year.split("-")).astype("datetime64[ns]")
    except (KeyError, TypeError, ValueError):
        what = f"{label_with_year!r} is no label of the period {period!r}."
        raise InvalidInput(what, remedy="Rename the labels to dates first.", code="date-invalid") from None


def _month(year: str, month: int) -> np.datetime64:
    text = f"{int(year) + (month - 1) // 12:04d}-{(month - 1) % 12 + 1:02d}"
    return np.datetime64(f"{text}-01", "D")


def _dekad(moment: dt.datetime) -> str:
    return f"{moment.year:04d}-{(moment.month - 1) * 3 + min((moment.day - 1) // 10, 2) + 1:02d}"


def _season(moment: dt.datetime) -> str:
    year = moment.year - (moment.month <= 2)
    return f"{year:04d}-{_SEASONS[moment.month % 12 // 3]}"


def _tropical(moment: dt.datetime) -> str:
    wet = moment.month >= 11 or moment.month <= 4
    return f"{moment.year - (moment.month <= 4):04d}-{'ndjfma' if wet else 'mjjaso'}"


def _week(moment: dt.datetime) -> str:
    year, week, _ = moment.isocalendar()
    return f"{year:04d}-{week:02d}"


_LABELS: dict[str, Callable[[Any], str]] = {
    "hour": lambda moment: moment.strftime("%Y-%m-%d-%H"),
    "day": lambda moment: f"{moment.year:04d}-{moment.timetuple().tm_yday:03d}",
    "week": _week,
    "dekad": _dekad,
    "month": lambda moment: f"{moment.year:04d}-{moment.month:02d}",
    "season": _season,
    "tropical-season": _tropical,
    "year": lambda moment: f"{moment.year:04d}",
    "decade": lambda moment: f"{moment.year // 10 * 10:04d}",
    "decade-ad": lambda moment: f"{(moment.year - 1) // 10 * 10 + 1:04d}",
}
_MONTHS_ON = {"djf": 11, "mam": 2, "jja": 5, "son": 8, "ndjfma": 10, "mjjaso": 4}
"""Months from January of the label's year, which is the one that the season begins in."""
_STARTS: dict[str, Callable[..., Any]] = {
    "hour": lambda y, m, d, h: np.datetime64(f"{y}-{m}-{d}T{h}", "h"),
    "day": lambda y, d: np.datetime64(y, "D") + (int(d) - 1),
    "week": lambda y, w: np.datetime64(dt.date.fromisocalendar(int(y), int(w), 1)),
    "dekad": lambda y, d: _month(y, (int(d) - 1) // 3 + 1) + 10 * ((int(d) - 1) % 3),
    "month": lambda y, m: _month(y, int(m)),
    "season": lambda y, s: np.datetime64(y, "M") + _MONTHS_ON[s],
    "tropical-season": lambda y, s: np.datetime64(y, "M") + _MONTHS_ON[s],
    "year": lambda y: np.datetime64(y, "Y"),
    "decade": lambda y: np.datetime64(y, "Y"),
    "decade-ad": lambda y: np.datetime64(y, "Y"),
}
