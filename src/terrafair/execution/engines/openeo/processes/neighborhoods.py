"""Processes on blocks of pixels or dates together with what lies around them."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, blocks, dimensions, periods
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.values import Stack, describe

_DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?$")
_SECONDS = (31556952, 2629746, 604800, 86400, 3600, 60, 1)


_ON_CUBES = frozenset({
    "run_udf", "apply", "apply_dimension", "apply_kernel", "reduce_dimension", "filter_bands", "filter_temporal",
    "filter_bbox", "merge_cubes", "mask", "ndvi", "aggregate_temporal", "aggregate_temporal_period", "rename_labels",
    "add_dimension", "drop_dimension", "resample_spatial", "resample_cube_spatial", "filter_labels", "rename_dimension",
})  # fmt: skip


class Starts(tuple[int, ...]):
    """Where the calendar periods along a dimension begin."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class _Window:
    """One block along all dimensions that are cut."""

    outer: Mapping[str, slice]
    """What exists of the block and its margin."""
    missing: Mapping[str, tuple[int, int]]
    """How far the margin reaches beyond the cube, before and after."""
    inner: Mapping[str, slice]
    """The block itself inside of the padded part."""


def apply_neighborhood(data: Any, process: Any, size: Any, overlap: Any = None, context: Any = None) -> xr.DataArray:
    """What lies beyond the cube's edge is no-data; the margin of a result is cut off again."""
    cube, run = dimensions.as_cube(data), callback(process, "process")
    steps, margins = _extents(cube, size, "size"), _extents(cube, overlap or [], "overlap")
    if any(isinstance(margin, Starts) for margin in margins.values()):
        raise InvalidInput(
            "`overlap` names a calendar period.", remedy="Give a number of labels.", code="argument-value"
        )
    if empty := next((name for name, step in steps.items() if step == 0), None):
        raise InvalidInput(f"The size along {empty} is 0.", remedy="Give 1 or more.", code="argument-value")
    along = [name for name, step in steps.items() if step != 1]
    if len(along) == 1 and not any(margins.values()) and not _wants_cube(run):
        # A series at each pixel: all pixels at once.
        return _series(cube, run, along[0], steps[along[0]], context)
    result: xr.DataArray | None = None
    for window in _windows(cube, steps, margins):
        part = _padded(cube.isel(dict(window.outer)).load(), window)
        found = _run(run, part, list(window.outer), context).isel(dict(window.inner))
        if result is None:
            result = _empty(found, cube, list(window.outer))
        elif result.dtype != found.dtype:
            result = result.astype(np.result_type(result.dtype, found.dtype))
        result.values[_place(window, [str(each) for each in result.dims])] = found.transpose(*result.dims).values
    return cube if result is None else result


def _empty(found: xr.DataArray, cube: xr.DataArray, cut: list[str]) -> xr.DataArray:
    """A cube of the result's dimensions, as large as the data along those that are cut into blocks."""
    sizes = [cube.sizes[name] if name in cut else found.sizes[name] for name in found.dims]
    coords = {name: (cube if name in cut else found)[name] for name in map(str, found.dims) if name in found.coords}
    return xr.DataArray(np.empty(sizes, found.dtype), dims=found.dims, coords=coords, attrs=dict(cube.attrs))


def _wants_cube(process: Callback) -> bool:
    """Whether the callback works on a cube with all its dimensions, not on an array."""
    return any(node.process in _ON_CUBES for node in process.graph.walk())


def _series(cube: xr.DataArray, process: Callback, name: str, step: "int | Starts", context: Any) -> xr.DataArray:
    parts = []
    for start, end in _spans(step, cube.sizes[name]):
        part = cube.isel({name: slice(start, end)})
        found, _ = blocks.transform_along(part, name, process, context)
        if found.sizes[name] != end - start:
            what = f"The callback gives {found.sizes[name]} values for {end - start} along {name}."
            raise InvalidInput(what, "A neighbourhood keeps its shape.", code="data-cube-properties-immutable")
        parts.append(found.drop_vars(name, errors="ignore"))
    joined = xr.concat(parts, name, join="override", coords="minimal", compat="override").transpose(*cube.dims)
    return dimensions.rebuilt(cube, joined.data, [str(each) for each in cube.dims])


def _run(process: Callback, part: xr.DataArray, cut: list[str], context: Any) -> xr.DataArray:
    """Callbacks see a cube. The dimensions that are cut must stay; others may change, as published UDFs have it."""
    result = process(data=part, x=part, context=context)
    if isinstance(result, np.ndarray | Stack):
        values = result.values if isinstance(result, Stack) else result
        result = part.copy(data=values.reshape(part.shape)) if values.size == part.size else result
    if not isinstance(result, xr.DataArray) or any(result.sizes.get(name) != part.sizes[name] for name in cut):
        what = f"The callback gives {describe(result)} for a block of {dict(part.sizes)}."
        why = f"A neighbourhood keeps its size along {', '.join(cut)}."
        raise InvalidInput(what, why, code="data-cube-properties-immutable")
    kept = [str(name) for name in part.dims if name in result.dims]
    return result.transpose(*kept, ...)


def _padded(part: xr.DataArray, window: _Window) -> xr.DataArray:
    gaps = {name: both for name, both in window.missing.items() if any(both)}
    if not gaps:
        return part
    floats = part if part.dtype.kind == "f" else part.astype(np.float32 if part.dtype.itemsize <= 2 else np.float64)
    bare = floats.drop_vars([name for name in gaps if name in part.coords])
    wide = bare.pad(gaps, constant_values=np.nan)
    for name, (before, after) in gaps.items():
        if name in part.coords:
            labels = _extended(part[name].values, before, after)
            wide = wide.assign_coords({name: dimensions.coordinate(name, labels, part[name].attrs)})
    return wide


def _extended(labels: Any, before: int, after: int) -> Any:
    """Labels go on at their own step; where they have none, they are counted."""
    if labels.dtype.kind not in "iufM":
        ahead, behind = ([f"{end}{n}" for n in range(count)] for end, count in (("before", before), ("after", after)))
        return [*ahead, *labels.tolist(), *behind]
    step = (labels[-1] - labels[0]) // (len(labels) - 1) if labels.dtype.kind == "M" and len(labels) > 1 else (
        np.timedelta64(1, "D") if labels.dtype.kind == "M" else area.resolution(labels) or 1.0
    )  # fmt: skip
    ahead = [labels[0] - step * number for number in range(before, 0, -1)]
    behind = [labels[-1] + step * number for number in range(1, after + 1)]
    return np.array([*ahead, *labels, *behind], None if labels.dtype.kind == "M" else np.float64)


def _place(window: _Window, names: list[str]) -> tuple[slice, ...]:
    """Where the block stands in the cube."""
    found = []
    for name in names:
        if name not in window.outer:
            found.append(slice(None))
            continue
        start = window.outer[name].start - window.missing[name][0] + window.inner[name].start
        found.append(slice(start, start + window.inner[name].stop - window.inner[name].start))
    return tuple(found)


def _windows(cube: xr.DataArray, steps: Mapping[str, int], margins: Mapping[str, int]) -> Iterator[_Window]:
    axes = []
    for name in dict.fromkeys([*steps, *margins]):
        total, margin = cube.sizes[name], margins.get(name, 0)
        step = steps.get(name, total)
        spans = []
        for start, end in _spans(step, total):
            # Blocks at the far edge are as large as the others.
            full = start + step if isinstance(step, int) else end
            low, high = max(start - margin, 0), min(full + margin, total)
            missing = (low - (start - margin), full + margin - high)
            spans.append((name, slice(low, high), missing, slice(margin, margin + end - start)))
        axes.append(spans)
    for choice in itertools.product(*axes):
        yield _Window(
            {name: outer for name, outer, _, _ in choice},
            {name: missing for name, _, missing, _ in choice},
            {name: inner for name, _, _, inner in choice},
        )


def _spans(step: "int | Starts", total: int) -> Iterator[tuple[int, int]]:
    starts = list(range(0, total, step)) if isinstance(step, int) else list(step)
    yield from zip(starts, [*starts[1:], total], strict=True)


def _extents(cube: xr.DataArray, wanted: Any, argument: str) -> dict[str, Any]:
    """Numbers of labels along each dimension."""
    found = {}
    for entry in wanted:
        if not isinstance(entry, Mapping) or "dimension" not in entry:
            what = f"`{argument}` holds {describe(entry)}."
            raise InvalidInput(what, remedy="Write objects with dimension, value and unit.", code="argument-type")
        name = dimensions.find(cube, entry["dimension"], argument)
        if (value := entry.get("value")) is not None:
            found[name] = _count(cube, name, value, str(entry.get("unit") or "px"))
    return found


def seconds_of(duration: str) -> float:
    """A duration such as P5D in seconds; 0 for other texts."""
    match = _DURATION.match(duration)
    return (
        float(sum(int(part or 0) * each for part, each in zip(match.groups(), _SECONDS, strict=True))) if match else 0
    )


def _count(cube: xr.DataArray, name: str, value: Any, unit: str) -> "int | Starts":
    labels = cube[name].values if name in cube.coords else np.arange(cube.sizes[name])
    if isinstance(value, str) and value in periods.PERIODS and labels.dtype.kind == "M":
        moments: Any = labels
        own = [periods.label(moment, value) for moment in moments]
        return Starts(n for n, each in enumerate(own) if n == 0 or own[n - 1] != each)
    if isinstance(value, str) and labels.dtype.kind == "M" and (seconds := seconds_of(value)):
        step = (labels[-1] - labels[0]) / np.timedelta64(1, "s") / max(len(labels) - 1, 1) or 86400.0
        return max(1, math.ceil(seconds / step - 1e-9))
    number = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    if number and unit == "m" and dimensions.kind(cube, name) == "spatial":
        return max(1, round(value / (abs(area.resolution(labels.astype(float))) or 1.0)))
    if number and unit in {"px", ""} and float(value).is_integer():
        return int(value)
    what = f"The size {value!r} {unit} along {name} cannot be used."
    raise InvalidInput(
        what, remedy="Give whole pixels (px), metres (m), or a duration such as P1M.", code="argument-value"
    )
