"""How large a cube will be: labels along x, y and t from the extents asked for and the steps of a collection."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terrafair.errors import TerrafairError
from terrafair.execution.engines.openeo.abstract import Cube, Dimension
from terrafair.execution.engines.openeo.call import Call

PIXELS = 2**31
"""Of one plane that a graph may resample to."""


def with_sizes(cube: Cube, document: Mapping[str, Any], arguments: Mapping[str, Any]) -> Cube:
    """Sizes from the extents asked for, the collection's own where nothing is asked, and its steps."""
    about = document.get("cube:dimensions") or {}
    found = []
    for each in cube.dimensions or ():
        entry = about.get(each.name) or {}
        if each.kind == "spatial" and each.count is None:
            span = _span(entry, arguments.get("spatial_extent"))
            found.append(replace(each, size=_pixels(entry, span), span=span))
        elif each.kind == "temporal" and each.count is None:
            found.append(replace(each, size=_moments(entry, arguments.get("temporal_extent"))))
        else:
            found.append(each)
    return cube.with_dimensions(found) if cube.dimensions is not None else cube


def finer(call: Call, cube: Cube) -> dict[str, int]:
    """Sizes of x and y at the resolution that is asked for, where they can be told."""
    x, y = cube.find("x"), cube.find("y")
    if x is None or y is None:
        return {}
    sizes = _resampled(x, y, cube.crs, call.get("resolution"), call.get("projection"))
    if sizes is None:
        return {}
    if sizes[0] * sizes[1] > PIXELS:
        what = f"The result would have {sizes[0]} x {sizes[1]} pixels."
        remedy = "Choose a coarser resolution, in the unit of the reference system."
        call.report(what, f"{PIXELS} are the most.", remedy, "resolution", "estimate-too-large")
    return {x.name: sizes[0], y.name: sizes[1]}


def _resampled(x: Dimension, y: Dimension, crs: Any, resolution: Any, projection: Any) -> tuple[int, int] | None:
    """Columns and rows at another resolution, in another reference system where `projection` is one; None: unknown."""
    from terrafair.execution.engines.openeo.area import Box

    pair = resolution if isinstance(resolution, list) else [resolution, resolution]
    if len(pair) != 2 or not all(isinstance(each, int | float) and 0 < each < math.inf for each in pair):
        return None
    if x.span is None or y.span is None:
        return None
    box = Box(x.span[0], y.span[0], x.span[1], y.span[1], crs or 4326)
    try:
        box = box if projection is None else box.to(projection)
    except TerrafairError:
        return None
    return _steps(box.east - box.west, pair[0]), _steps(box.north - box.south, pair[1])


def _steps(length: float, step: float) -> int:
    return max(1, round(min(length / step, 2.0**62)))


def _pixels(entry: Mapping[str, Any], span: tuple[float, float] | None) -> int | None:
    step = entry.get("step")
    if span is None or not isinstance(step, int | float) or not step:
        return None
    return max(0, math.ceil((span[1] - span[0]) / abs(step) - 1e-6))


def _span(entry: Mapping[str, Any], extent: Any) -> tuple[float, float] | None:
    from terrafair.execution.engines.openeo.area import Box

    if extent is not None and not (isinstance(extent, Mapping) and "west" in extent):
        return None
    bounds, axis = entry.get("extent"), str(entry.get("axis", ""))
    if axis not in {"x", "y"}:
        return None
    low, high = bounds if isinstance(bounds, list) and len(bounds) == 2 else (None, None)
    if extent is not None:
        try:
            box = Box.of(extent).to(entry.get("reference_system") or 4326)
        except TerrafairError:
            return None
        own = (box.west, box.east) if axis == "x" else (box.south, box.north)
        low = own[0] if not isinstance(low, int | float) else max(low, own[0])
        high = own[1] if not isinstance(high, int | float) else min(high, own[1])
    if not isinstance(low, int | float) or not isinstance(high, int | float):
        return None
    return float(low), float(high)


def _moments(entry: Mapping[str, Any], extent: Any) -> int | None:
    from terrafair.execution.engines.openeo import instants
    from terrafair.execution.engines.openeo.processes.neighborhoods import seconds_of

    values = entry.get("values")
    if extent is not None and not (isinstance(extent, list) and all(isinstance(e, str | None) for e in extent)):
        return None
    span = entry.get("extent") if extent is None else extent
    try:
        start, end = instants.interval(span, same_day=True) if span is not None else (None, None)
    except TerrafairError:
        return None
    if isinstance(values, list):
        moments = [instants.instant(each) for each in values]
        return len([m for m in moments if (start is None or m >= start) and (end is None or m < end)])
    step = seconds_of(str(entry.get("step") or ""))
    if not step or start is None or end is None:
        return None
    return max(1, math.ceil((end - start).astype("timedelta64[s]").astype(int) / step))
