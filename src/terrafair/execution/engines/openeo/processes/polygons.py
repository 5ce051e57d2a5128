"""Processes on the part of a cube that lies in each polygon, and on windows of pixels."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, blocks, dimensions
from terrafair.execution.engines.openeo.area import Geometries
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.processes.filters import choose, located
from terrafair.execution.engines.openeo.values import describe


def apply_polygon(
    data: Any, geometries: Any, process: Any, mask_value: Any = None, context: Any = None
) -> xr.DataArray:
    """Pixels in no polygon become no-data; those in several are refused."""
    cube = dimensions.as_cube(data)
    located(cube)
    run = callback(process, "process")
    shapes = Geometries.of(geometries).polygons("geometries")
    y, x = dimensions.horizontal(cube)
    taken = np.zeros((cube.sizes[y], cube.sizes[x]), bool)
    result: Any = None
    for shape, about in zip(shapes.shapes, shapes.properties, strict=True):
        inside = area.mask(cube, Geometries((shape,), (about,), shapes.crs))
        if (taken & inside).any():
            what = f"{int((taken & inside).sum())} pixels lie in more than one polygon."
            raise InvalidInput(what, "Each pixel can have one result.", "Cut the polygons.", code="geometries-overlap")
        taken |= inside
        if not inside.any():
            continue
        window = _bounds(inside, y, x)
        mask = xr.DataArray(inside, dims=(y, x)).isel(window)
        part = _run(run, choose(cube.isel(window), mask, mask_value).load(), context)
        if result is None:
            result = _empty(part, cube, y, x)
        place = tuple(window.get(str(each), slice(None)) for each in result.dims)
        inside_part = mask.broadcast_like(part).transpose(*result.dims).values
        result.values[place] = np.where(inside_part, part.transpose(*result.dims).values, result.values[place])
    return _empty(cube, cube, y, x) if result is None else result


def _empty(part: xr.DataArray, cube: xr.DataArray, y: str, x: str) -> xr.DataArray:
    """No-data on the cube's grid, with the other dimensions of a part."""
    sizes = [cube.sizes[name] if name in (y, x) else part.sizes[name] for name in part.dims]
    coords = {name: (cube if name in (y, x) else part)[name] for name in part.dims if name in part.coords}
    return xr.DataArray(np.full(sizes, np.nan, _floating(part.dtype)), dims=part.dims, coords=coords, attrs=cube.attrs)


def chunk_polygon(data: Any, chunks: Any, process: Any, mask_value: Any = None, context: Any = None) -> xr.DataArray:
    return apply_polygon(data, chunks, process, mask_value, context)


def _bounds(inside: Any, y: str, x: str) -> dict[str, slice]:
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    return {y: slice(int(rows[0]), int(rows[-1]) + 1), x: slice(int(columns[0]), int(columns[-1]) + 1)}


def _floating(kind: np.dtype[Any]) -> np.dtype[Any]:
    return kind if kind.kind == "f" else np.dtype(np.float32 if kind.itemsize <= 2 else np.float64)


def _run(process: Callback, part: xr.DataArray, context: Any) -> xr.DataArray:
    result = process(data=part, x=part, context=context)
    plane = dimensions.horizontal(part)
    if not isinstance(result, xr.DataArray) or any(result.sizes.get(name) != part.sizes[name] for name in plane):
        what = f"The callback gives {describe(result)} for a part of {dict(part.sizes)}."
        raise InvalidInput(what, "A polygon's part keeps its pixels.", code="result-type")
    kept = [str(name) for name in part.dims if name in result.dims]
    return result.transpose(*kept, ...)


def aggregate_spatial_window(
    data: Any, reducer: Any, size: Any, boundary: str = "pad", align: str = "upper-left", context: Any = None
) -> xr.DataArray:
    """The label of a window is its centre, also where it reaches beyond the cube."""
    cube = dimensions.as_cube(data)
    run = callback(reducer, "reducer")
    y, x = dimensions.horizontal(cube)
    if not isinstance(size, list | tuple) or len(size) != 2 or any(not isinstance(n, int) or n < 1 for n in size):
        raise InvalidInput(f"`size` is {size!r}.", remedy="Give two whole numbers, of x and y.", code="argument-value")
    if boundary not in {"pad", "trim"}:
        raise InvalidInput(f"`boundary` is {boundary!r}.", remedy="Choose pad or trim.", code="argument-value")
    steps = {x: size[0], y: size[1]}
    if boundary == "pad" and any(step > 2 * max(cube.sizes[name], 1) for name, step in steps.items()):
        what = (
            f"Windows of {size[0]} x {size[1]} pixels are much larger than the cube: {cube.sizes[x]} x {cube.sizes[y]}."
        )
        raise InvalidInput(what, remedy="Choose a smaller `size`, or reduce_spatial.", code="argument-value")
    starts = {x: "right" in align, y: "lower" in align}
    labels, fitted = {}, cube
    for name, step in steps.items():
        fitted, labels[name] = _fitted(fitted, name, step, at_end=starts[name], pad=boundary == "pad")
    others = [str(each) for each in cube.dims if each not in (y, x)]
    moved = fitted.transpose(*others, y, x)
    shape = [moved.sizes[each] for each in others]
    rows, columns = moved.sizes[y] // steps[y], moved.sizes[x] // steps[x]
    windows = moved.data.reshape(*shape, rows, steps[y], columns, steps[x])
    whole = xr.DataArray(windows, dims=(*others, y, "window_y", x, "window_x"))
    for each in others:
        if each in cube.coords:
            whole = whole.assign_coords({each: cube[each]})
    found = blocks.reduce_along(whole, ["window_y", "window_x"], run, context)
    extra = {name: dimensions.coordinate(name, labels[name], cube[name].attrs) for name in (y, x)}
    return dimensions.rebuilt(cube, found.transpose(*others, y, x).data, [*others, y, x], extra).transpose(*cube.dims)


def _fitted(cube: xr.DataArray, name: str, step: int, *, at_end: bool, pad: bool) -> tuple[xr.DataArray, Any]:
    """The cube with whole windows along a dimension, and the centres of those."""
    values = np.asarray(cube[name].values, float)
    rest = len(values) % step
    each = area.resolution(values) or 1.0
    if rest and pad:
        missing = step - rest
        before, after = (missing, 0) if at_end else (0, missing)
        floats = cube.astype(_floating(cube.dtype)).drop_vars(name)
        cube = floats.pad({name: (before, after)}, constant_values=np.nan)
        first = values[0] - before * each
        values = first + np.arange(len(values) + missing) * each
    elif rest:
        kept = slice(rest, None) if at_end else slice(None, len(values) - rest)
        cube, values = cube.isel({name: kept}), values[kept]
    return cube, values.reshape(-1, step).mean(1)
