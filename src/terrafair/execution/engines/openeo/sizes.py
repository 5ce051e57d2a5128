"""How large a cube will be: labels along x, y and t from the extents asked for and the steps of a collection."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from terrafair.errors import TerrafairError
from terrafair.execution.engines.openeo.abstract import Cube


def with_sizes(cube: Cube, document: Mapping[str, Any], arguments: Mapping[str, Any]) -> Cube:
    """Sizes from the extents asked for, the collection's own where nothing is asked, and its steps."""
    about = document.get("cube:dimensions") or {}
    found = []
    for each in cube.dimensions or ():
        entry = about.get(each.name) or {}
        if each.kind == "spatial" and each.count is None:
            found.append(replace(each, size=_pixels(entry, arguments.get("spatial_extent"))))
        elif each.kind == "temporal" and each.count is None:
            found.append(replace(each, size=_moments(entry, arguments.get("temporal_extent"))))
        else:
            found.append(each)
    return cube.with_dimensions(found) if cube.dimensions is not None else cube


def _pixels(entry: Mapping[str, Any], extent: Any) -> int | None:
    from terrafair.execution.engines.openeo.area import Box

    if extent is not None and not (isinstance(extent, Mapping) and "west" in extent):
        return None
    step, bounds = entry.get("step"), entry.get("extent")
    axis = str(entry.get("axis", ""))
    if not isinstance(step, int | float) or not step or axis not in {"x", "y"}:
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
    return max(0, math.ceil((high - low) / abs(step) - 1e-6))


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
