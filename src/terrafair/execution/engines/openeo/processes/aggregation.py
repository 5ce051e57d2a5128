"""Processes that reduce a cube over intervals of time, calendar periods and geometries."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import blocks, dimensions, instants, periods
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.processes.callbacks import callback

_SINGLE = frozenset({"climatology-period", "single-period"})


def aggregate_temporal(
    data: Any, intervals: Any, reducer: Any, labels: Any = None, dimension: str | None = None, context: Any = None
) -> xr.DataArray:
    """An interval from late to early crosses midnight, where both are times of day; one without dates is no-data."""
    cube = dimensions.as_cube(data)
    name = dimensions.temporal(cube, dimension)
    if not isinstance(intervals, list | tuple) or not intervals:
        what = "`intervals` holds no interval."
        raise InvalidInput(what, remedy='Write it as [["2024-01-01", "2024-02-01"], ...].', code="argument-type")
    chosen = [_inside(cube[name].values, entry) for entry in intervals]
    fresh = list(labels) if labels else [_start(entry, cube[name].values) for entry in intervals]
    if len(fresh) != len(intervals):
        what = f"There are {len(fresh)} labels for {len(intervals)} intervals."
        raise InvalidInput(what, "Each interval has one label.", code="label-count-mismatch")
    if len({str(each) for each in fresh}) < len(fresh):
        what = "Two intervals start at the same time." if not labels else "A label stands twice."
        raise InvalidInput(what, remedy="Give distinct `labels`.", code="distinct-dimension-labels-required")
    return _grouped(cube, name, chosen, fresh, callback(reducer, "reducer"), context)


def _inside(moments: Any, entry: Any) -> Any:
    if isinstance(entry, list | tuple) and len(entry) == 2 and all(instants.is_time(each) for each in entry):
        of_day = moments - moments.astype("datetime64[D]")
        first, last = (instants.time_of_day(each) for each in entry)
        inside = (of_day >= first) & (of_day < last) if first < last else (of_day >= first) | (of_day < last)
        return np.flatnonzero(inside)
    start, end = instants.interval(entry, "intervals")
    keep = np.ones(len(moments), bool)
    if start is not None:
        keep &= moments >= start
    if end is not None:
        keep &= moments < end
    return np.flatnonzero(keep)


def _start(entry: Any, moments: Any) -> Any:
    """The start as it is written; the first date of the cube where it is open and the end is later."""
    if not isinstance(entry, list | tuple) or entry[0] is not None:
        return entry[0] if isinstance(entry, list | tuple) else None
    inside = moments[_inside(moments, entry)]
    return instants.text(inside.min()) if len(inside) else entry[1]


def aggregate_temporal_period(
    data: Any, period: str, reducer: Any, dimension: str | None = None, context: Any = None
) -> xr.DataArray:
    """All periods from the first date to the last; those without dates are no-data."""
    cube = dimensions.as_cube(data)
    name = dimensions.temporal(cube, dimension)
    moments = cube[name].values
    if not len(moments):
        raise InvalidInput("The cube has no dates.", code="extent-empty")
    wanted = periods.complete(moments.min(), moments.max(), period)
    own = [periods.label(moment, period) for moment in moments]
    chosen = [[n for n, label in enumerate(own) if label == each] for each in wanted]
    found = _grouped(cube, name, chosen, wanted, callback(reducer, "reducer"), context)
    found[name].attrs["period"] = period
    return found


def _grouped(
    cube: xr.DataArray, name: str, groups: Sequence[Any], labels: Sequence[Any], reducer: Callback, context: Any
) -> xr.DataArray:
    """Reduce each group of positions on its own; the dimension stays where it was."""
    parts = [blocks.reduce_group(cube, name, group, reducer, context) for group in groups if len(group)]
    if len(parts) < len(groups):
        # One for all: a year of hours has thousands of them.
        nothing = blocks.reduce_group(cube, name, [], reducer, context)
        filled = iter(parts)
        parts = [next(filled) if len(group) else nothing for group in groups]
    kind = np.result_type(*(part.dtype for part in parts))
    stacked = xr.concat(
        [part.astype(kind) for part in parts], name, join="override", coords="minimal", compat="override"
    )
    attributes = {**cube[name].attrs, "type": "temporal"}
    stacked = stacked.assign_coords({name: dimensions.coordinate(name, _label_values(labels), attributes)})
    stacked.attrs = dict(cube.attrs)
    return stacked.transpose(*cube.dims)


def _label_values(labels: Sequence[Any]) -> Any:
    """Instants where all labels are dates, so that the dimension stays temporal; else the texts."""
    if all(instants.is_date(label) or (isinstance(label, str) and "T" in label) for label in labels):
        try:
            return np.array([instants.instant(label) for label in labels], "datetime64[ns]")
        except InvalidInput:
            # A text with a T in it that is no date.
            return list(labels)
    return list(labels)


def climatological_normal(data: Any, period: str, climatology_period: Any = ("1981", "2010")) -> xr.DataArray:
    """The mean of each period over the years, which are both included."""
    cube = dimensions.as_cube(data)
    name = dimensions.temporal(cube, None)
    first = instants.instant(str(climatology_period[0])[:4])
    last = instants.instant(f"{int(str(climatology_period[1])[:4]) + 1:04d}")
    moments = cube[name].values
    kept = cube.isel({name: np.flatnonzero((moments >= first) & (moments < last))})
    if period not in {"day", "month", "season", "tropical-season", "climatology-period"}:
        what = f"There are no normals of the period {period!r}."
        remedy = "Choose day, month, season, tropical-season or climatology-period."
        raise InvalidInput(what, "", remedy, code="argument-value")
    if not kept.sizes[name]:
        what = f"No date lies in {climatology_period[0]} to {climatology_period[1]}."
        raise InvalidInput(what, remedy="Choose years that the cube has.", code="extent-empty")
    own = np.array([_climatological(moment, period) for moment in kept[name].values])
    labels = sorted(set(own.tolist()))
    parts = [kept.isel({name: np.flatnonzero(own == label)}).mean(name, keep_attrs=True) for label in labels]
    joined = xr.concat(parts, name, join="override", coords="minimal", compat="override")
    attributes = {**cube[name].attrs, "type": "temporal"}
    return joined.assign_coords({name: dimensions.coordinate(name, labels, attributes)}).transpose(*cube.dims)


def anomaly(data: Any, normals: Any, period: str) -> xr.DataArray:
    cube, means = dimensions.as_cube(data), dimensions.as_cube(normals, "normals")
    name = dimensions.temporal(cube, None)
    along = name if name in means.dims else str(means.dims[0])
    known = {str(label): number for number, label in enumerate(dimensions.labels(means, along))}
    if period in _SINGLE and len(known) != 1:
        what = f"The normals have {len(known)} periods."
        raise InvalidInput(what, f"For {period} there is one.", code="argument-value")
    if period in _SINGLE:
        known = {period: 0}
    places = []
    for moment in cube[name].values:
        label = _climatological(moment, period)
        if label not in known:
            raise InvalidInput(f"The normals have no {period} {label!r}.", f"They have: {', '.join(known)}.")
        places.append(known[label])
    fitting = means.isel({along: places}).drop_vars(along).rename({along: name} if along != name else {})
    # By place: labels of equal grids may differ in their last digits.
    one, two = (each.drop_vars(list(each.coords)) for each in (cube.astype(np.result_type(cube.dtype, "f4")), fitting))
    return dimensions.rebuilt(cube, (one - two).transpose(*cube.dims).data, [str(d) for d in cube.dims])


def _climatological(moment: np.datetime64, period: str) -> str:
    if period in _SINGLE:
        return period
    if period not in periods.PERIODS:
        periods.complete(moment, moment, period)
    found = periods.climatological(periods.label(moment, period), period)
    # Normals have 365 days; the last of a leap year counts to the one before.
    return "365" if period == "day" and found == "366" else found
