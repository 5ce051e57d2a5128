"""Processes that run a callback over a cube: reduce, apply, and the index that needs none."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import blocks, dimensions
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.processes.math import normalized_difference
from terrafair.execution.engines.openeo.values import describe

LARGE, LARGEST = 1_000, 1_100_000
"""Weights of a kernel: above the one it is applied by way of its frequencies, above the other it is refused."""


def callback(value: Any, argument: str) -> Callback:
    """Check that an argument is a process."""
    if isinstance(value, Callback):
        return value
    raise InvalidInput(
        f"`{argument}` is {describe(value)}, not a process.",
        remedy='Write it as {"process_graph": {...}}.',
        code="argument-type",
    )


def reduce_dimension(data: Any, reducer: Any, dimension: str, context: Any = None) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    return blocks.reduce_along(cube, [dimensions.find(cube, dimension)], callback(reducer, "reducer"), context)


def reduce_spatial(data: Any, reducer: Any, context: Any = None) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    return blocks.reduce_along(cube, list(dimensions.horizontal(cube)), callback(reducer, "reducer"), context)


def apply(data: Any, process: Any, context: Any = None) -> xr.DataArray:
    return blocks.apply_each(dimensions.as_cube(data), callback(process, "process"), context)


def apply_dimension(
    data: Any, process: Any, dimension: str, target_dimension: str | None = None, context: Any = None
) -> xr.DataArray:
    """Without a target the dimension keeps its labels where their number stays, else it counts from 0.

    A target that exists must be the only one of its labels; one that does not is made, of type other.
    """
    cube = dimensions.as_cube(data)
    name = dimensions.find(cube, dimension)
    found, labels = blocks.transform_along(cube, name, callback(process, "process"), context)
    size = found.sizes[name]
    if target_dimension is not None and target_dimension != name and target_dimension not in cube.dims:
        found = found.drop_vars(name, errors="ignore").rename({name: target_dimension})
        fresh = list(labels) if labels is not None and len(labels) == size else list(range(size))
        return dimensions.with_labels(found, target_dimension, fresh, type="other")
    if target_dimension is not None and target_dimension != name:
        return _into(found, name, target_dimension, cube)
    if name in cube.coords and size == cube.sizes[name]:
        found = found.assign_coords({name: cube.coords[name]})
    else:
        fresh = list(labels) if labels is not None and len(labels) == size else list(range(size))
        kept = dict(cube.coords[name].attrs) if name in cube.coords else {}
        kept["type"] = dimensions.kind(cube, name)
        if kept["type"] == "temporal" and not all(isinstance(each, str) for each in fresh):
            kept["type"] = "other"
        found = found.assign_coords({name: dimensions.coordinate(name, _moments(fresh, kept["type"]), kept)})
    return found.transpose(*cube.dims)


def _moments(labels: list[Any], kind: str) -> Any:
    if kind != "temporal":
        return labels
    from terrafair.execution.engines.openeo.instants import instant

    return np.array([instant(label) for label in labels], "datetime64[ns]")


def _into(found: xr.DataArray, name: str, target: str, cube: xr.DataArray) -> xr.DataArray:
    """Move the result into an existing dimension, which it replaces."""
    if cube.sizes[target] != 1:
        what = f"The dimension {target} has {cube.sizes[target]} labels."
        why = f"What apply_dimension makes of {name} can only go into a dimension with one label, or a new one."
        raise InvalidInput(what, why, "Choose another name as `target_dimension`.", code="dimension-exists")
    moved = found.squeeze(target, drop=True).drop_vars(name, errors="ignore").rename({name: target})
    return dimensions.with_labels(moved, target, list(range(moved.sizes[target])), type=dimensions.kind(cube, target))


def apply_kernel(
    data: Any, kernel: Any, factor: float = 1, border: Any = 0, replace_invalid: float = 0
) -> xr.DataArray:
    """Cross-correlation, as the specification's formula and every back-end have it; the kernel is not flipped."""
    from scipy import ndimage

    cube = dimensions.as_cube(data)
    weights = _kernel(kernel)
    if weights.size > LARGEST:
        what = f"`kernel` has {weights.size} weights."
        raise InvalidInput(what, f"The limit is {LARGEST}.", "Resample to coarser pixels first.", code="argument-value")
    y, x = dimensions.horizontal(cube)
    modes = {"replicate": "nearest", "reflect": "reflect", "reflect_pixel": "mirror", "wrap": "wrap"}
    number = isinstance(border, int | float) and not isinstance(border, bool)
    if not number and border not in modes:
        what = f"`border` is {border!r}."
        raise InvalidInput(what, remedy=f"Give a number or one of {', '.join(modes)}.", code="argument-value")
    mode: Any
    mode, fill = ("constant", float(border)) if number else (modes[border], 0.0)

    def work(plane: Any) -> Any:
        result = np.empty(plane.shape, np.float32 if plane.dtype.itemsize <= 4 else np.float64)
        # Plane by plane: what large kernels need for each is much more than the plane itself.
        for place in np.ndindex(plane.shape[:-2]):
            values = np.where(np.isfinite(plane[place]), plane[place], replace_invalid).astype(np.float64)
            if weights.size > LARGE:
                result[place] = factor * _by_frequencies(values, weights, mode, fill)
            else:
                result[place] = factor * ndimage.correlate(values, weights, mode=mode, cval=fill)
        return result

    result = xr.apply_ufunc(
        work, _whole(cube, y, x), input_core_dims=[[y, x]], output_core_dims=[[y, x]], dask="parallelized",
        output_dtypes=[np.float32 if cube.dtype.itemsize <= 4 else np.float64], keep_attrs=True,
    )  # fmt: skip
    shaped: xr.DataArray = result.transpose(*cube.dims)
    return shaped


def _by_frequencies(values: Any, weights: Any, mode: str, fill: float) -> Any:
    """The same as `ndimage.correlate`, in a time that hardly grows with the kernel."""
    from scipy import signal

    margins = [(size // 2, size // 2) for size in weights.shape]
    ways: dict[str, Any] = {"nearest": "edge", "reflect": "symmetric", "mirror": "reflect", "wrap": "wrap"}
    padded = np.pad(values, margins, ways[mode]) if mode in ways else np.pad(values, margins, constant_values=fill)
    return signal.oaconvolve(padded, weights[::-1, ::-1], "valid")


def _whole(cube: xr.DataArray, y: str, x: str) -> xr.DataArray:
    return cube.chunk({y: -1, x: -1}) if cube.chunks else cube


def _kernel(kernel: Any) -> Any:
    try:
        weights = np.asarray(kernel, np.float64)
    except (TypeError, ValueError):
        raise InvalidInput("`kernel` is no table of numbers.", code="argument-type") from None
    if weights.ndim != 2 or not all(size % 2 for size in weights.shape):
        what = f"`kernel` has the shape {weights.shape}."
        raise InvalidInput(what, "It must be two-dimensional with odd sizes.", code="kernel-dimensions-uneven")
    return weights


def ndvi(data: Any, nir: str | None = None, red: str | None = None, target_band: str | None = None) -> xr.DataArray:
    """The bands are found by common name (nir, red), then by the names of Sentinel-2."""
    cube = dimensions.as_cube(data)
    name = dimensions.bands(cube)
    near, far = _band(cube, name, nir, ("nir", "B08", "B8")), _band(cube, name, red, ("red", "B04", "B4"))
    first, second = (cube.isel({name: number}, drop=True) for number in (near, far))
    result = first.copy(data=blocks.pixelwise(normalized_difference, first, second))
    result.attrs = dict(cube.attrs)
    if target_band is None:
        return result
    if target_band in dimensions.labels(cube, name):
        what = f"The cube has a band {target_band} already."
        raise InvalidInput(what, remedy="Choose another `target_band`.", code="band-exists")
    fresh = dimensions.with_labels(result.expand_dims({name: 1}), name, [target_band], type="bands")
    joined = xr.concat([cube.astype(result.dtype).drop_vars(name), fresh.drop_vars(name)], name, join="override")
    labels = [*dimensions.labels(cube, name), target_band]
    coordinate = dimensions.coordinate(name, labels, dict(cube.coords[name].attrs))
    return joined.assign_coords({name: coordinate}).transpose(*cube.dims)


def _band(cube: xr.DataArray, name: str, wanted: str | None, known: tuple[str, ...]) -> int:
    candidates = (wanted,) if wanted is not None else known
    for candidate in candidates:
        if (found := dimensions.position(cube, name, candidate)) is not None:
            return found
    listed = ", ".join(map(str, dimensions.labels(cube, name)))
    what = f"The cube has no band {wanted!r}." if wanted else f"The cube has no band with the common name {known[0]}."
    code = "band-unknown"
    raise InvalidInput(what, f"Its bands: {listed}.", "Name the bands in `nir` and `red`.", code=code)
