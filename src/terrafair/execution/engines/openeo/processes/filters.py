"""Processes that keep a part of a cube, or set the rest to no-data."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

import difflib
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions, instants
from terrafair.execution.engines.openeo.area import Box, Geometries
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.processes.logic import truth


def filter_bbox(data: Any, extent: Any) -> xr.DataArray:
    """Nothing is left of a cube that lies elsewhere; vector cubes keep the geometries that lie inside as a whole."""
    cube, box = dimensions.as_cube(data), Box.of(extent)
    if not dimensions.is_raster(cube) and (names := dimensions.of_kind(cube, "geometry")):
        return _geometries_within(cube, names[0], box)
    located(cube)
    return area.crop(cube, box)


def _geometries_within(cube: xr.DataArray, name: str, box: Box) -> xr.DataArray:
    import shapely

    moved = box.to(dimensions.reference_system(cube))
    frame = shapely.box(moved.west, moved.south, moved.east, moved.north)
    keep = [n for n, shape in enumerate(cube[name].values) if not shape.is_empty and shapely.covered_by(shape, frame)]
    return cube.isel({name: keep})


def within(cube: xr.DataArray, box: Box) -> xr.DataArray:
    """The pixels inside; raises `InvalidInput` when there are none."""
    located(cube)
    found = area.crop(cube, box)
    if not found.size and cube.size:
        y, x = dimensions.horizontal(cube)
        extent = f"{float(cube[x].min())}..{float(cube[x].max())}, {float(cube[y].min())}..{float(cube[y].max())}"
        what = f"No pixel lies in west {box.west}, south {box.south}, east {box.east}, north {box.north}."
        why = f"The cube covers {extent} ({_short(dimensions.reference_system(cube))})."
        raise InvalidInput(what, why, "Choose an area inside.", code="extent-empty")
    return found


def _short(crs: Any) -> str:
    text = str(crs)
    return f"EPSG:{text}" if text.isdigit() else text[:40]


def located(cube: xr.DataArray) -> None:
    """Raise `InvalidInput` for a raster that has no coordinates."""
    for name in dimensions.horizontal(cube):
        if name not in cube.coords:
            what = f"The dimension {name} has no coordinates."
            why = "The raster is a swath or has no grid; where its pixels lie is not known along its axes."
            raise InvalidInput(what, why, "Project it to a grid first.", code="grid-missing")


def filter_temporal(data: Any, extent: Any, dimension: str | None = None) -> xr.DataArray:
    """Nothing is left of a cube without a date in the interval; whoever saves it is told why."""
    cube = dimensions.as_cube(data)
    if dimension is None and not dimensions.of_kind(cube, "temporal"):
        dimensions.temporal(cube, None)
    names = [dimensions.temporal(cube, dimension)] if dimension else dimensions.of_kind(cube, "temporal")
    start, end = instants.interval(extent, "extent")
    for name in names:
        cube = cube.isel({name: np.flatnonzero(_during(cube[name].values, start, end))})
    return cube


def _during(moments: Any, start: np.datetime64 | None, end: np.datetime64 | None) -> Any:
    keep = np.ones(len(moments), bool)
    if start is not None:
        keep &= moments >= start
    if end is not None:
        keep &= moments < end
    return keep


def between(cube: xr.DataArray, name: str, start: np.datetime64 | None, end: np.datetime64 | None) -> xr.DataArray:
    """The dates from start to before end; raises `InvalidInput` when there are none."""
    moments = cube[name].values
    keep = _during(moments, start, end)
    if len(moments) and not keep.any():
        first, last = instants.text(moments.min()), instants.text(moments.max())
        what = f"No date lies from {_open(start)} to {_open(end)}."
        raise InvalidInput(what, f"The cube has {len(moments)} from {first} to {last}.", code="extent-empty")
    return cube.isel({name: np.flatnonzero(keep)})


def _open(moment: np.datetime64 | None) -> str:
    return "the beginning" if moment is None else instants.text(moment)


def filter_bands(environment: Environment, data: Any, bands: Any = None, wavelengths: Any = None) -> xr.DataArray:
    """Bands in the order asked; wavelength ranges add those whose centre (in micrometres) they hold.

    What matches nothing is left out, with a warning: the static check knows the bands and refuses it before.
    """
    cube = dimensions.as_cube(data)
    name = dimensions.bands(cube)
    wanted, ranges = list(bands or []), list(wavelengths or [])
    if not wanted and not ranges:
        raise InvalidInput("Neither `bands` nor `wavelengths` is given.", code="band-filter-parameter-missing")
    numbers = []
    for band in wanted:
        if not (found := dimensions.positions(cube, name, band)):
            known = [str(label) for label in dimensions.labels(cube, name)]
            environment.say(str(unknown_band(band, known).problem), "warning")
        numbers += found
    centres = cube.coords[name].attrs.get("wavelengths", {})
    for low, high in ranges:
        labels = dimensions.labels(cube, name)
        numbers += [n for n, label in enumerate(labels) if low <= centres.get(label, np.nan) <= high]
    return cube.isel({name: list(dict.fromkeys(numbers))})


def unknown_band(band: Any, known: list[str]) -> InvalidInput:
    """The error for a band that is not there."""
    near = difflib.get_close_matches(str(band), known, 1)
    remedy = f"Did you mean {near[0]}?" if near else ""
    return InvalidInput(f"There is no band {band!r}.", f"Bands: {', '.join(known)}.", remedy, code="band-unknown")


def filter_labels(data: Any, condition: Any, dimension: str, context: Any = None) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    name = dimensions.find(cube, dimension)
    run = callback(condition, "condition")
    labels = dimensions.labels(cube, name)
    keep = [n for n, label in enumerate(labels) if run(value=label, context=context) is True]
    return cube.isel({name: keep})


def filter_spatial(data: Any, geometries: Any) -> xr.DataArray:
    """Cut to the bounds of the geometries; pixels outside of them become no-data."""
    cube = dimensions.as_cube(data)
    shapes = Geometries.of(geometries)
    located(cube)
    cut = area.crop(cube, shapes.box())
    return keep_where(cut, area.mask(cut, shapes))


def keep_where(cube: xr.DataArray, inside: Any, replacement: Any = None) -> xr.DataArray:
    """Pixels of the (y, x) mask; others become the replacement."""
    y, x = dimensions.horizontal(cube)
    return choose(cube, xr.DataArray(inside, dims=(y, x)), replacement)


def choose(cube: xr.DataArray, keep: xr.DataArray, replacement: Any) -> xr.DataArray:
    """Values where `keep` is true, else the replacement, in a type that holds both."""
    fill: Any = np.float32(np.nan) if replacement is None else replacement
    if isinstance(fill, bool) and cube.dtype.kind != "b":
        fill = int(fill)
    kind = cube.dtype
    if replacement is None and kind.kind != "f":
        kind = np.dtype(np.float32 if kind.kind == "b" or kind.itemsize <= 2 else np.float64)
    elif isinstance(fill, float):
        kind = kind if kind.kind == "f" else np.result_type(kind, np.float32)
    values = cube.astype(kind) if kind != cube.dtype else cube
    result = values.where(keep.drop_vars(list(keep.coords)), kind.type(fill))
    return result.transpose(*cube.dims)


def mask(data: Any, mask: Any, replacement: Any = None) -> xr.DataArray:
    """Where the mask is true or non-zero the data is replaced; the mask may lack dimensions, labels must agree."""
    cube, other = dimensions.as_cube(data), dimensions.as_cube(mask, "mask")
    if missing := [str(name) for name in other.dims if name not in cube.dims]:
        if any(other.sizes[name] > 1 for name in missing):
            what = f"The mask has dimensions that the data has not: {', '.join(missing)}."
            raise InvalidInput(what, remedy="Reduce them first.", code="incompatible-data-cubes")
        other = other.squeeze(missing, drop=True)
    for name in dimensions.of_kind(other, "bands"):
        if other.sizes[name] == 1 and dimensions.labels(other, name) != dimensions.labels(cube, name):
            # A mask made of one band counts for all bands, as every back-end has it.
            other = other.squeeze(name, drop=True)
    other = on_grid(other, cube)
    for name in map(str, other.dims):
        _same_labels(cube, other, name)
    hidden = xr.apply_ufunc(truth, other, dask="parallelized", output_dtypes=[bool])
    return choose(cube, ~hidden, replacement)


def on_grid(other: xr.DataArray, cube: xr.DataArray) -> xr.DataArray:
    """The raster on the grid of another, warped to it by the nearest pixel where it is not on it already."""
    if not (dimensions.is_raster(cube) and dimensions.is_raster(other)):
        return other
    if any(name not in each.coords for each in (cube, other) for name in dimensions.horizontal(each)):
        return other
    if same_grid(cube, other):
        return other
    from terrafair.execution.engines.openeo.processes.resampling import Grid, onto

    return onto(other, Grid.of(cube), "near")


def same_grid(cube: xr.DataArray, other: xr.DataArray) -> bool:
    """Whether two rasters have the same pixels, to a thousandth of one; who names no system may have the other's."""
    one, two = dimensions.stated_system(cube), dimensions.stated_system(other)
    if one and two and not area.same_system(one, two):
        return False
    for one, two in zip(dimensions.horizontal(cube), dimensions.horizontal(other), strict=True):
        slack = abs(area.resolution(cube[one].values)) * 1e-3 or 1e-9
        if cube.sizes[one] != other.sizes[two] or not np.allclose(cube[one], other[two], rtol=0, atol=slack):
            return False
    return True


def _same_labels(cube: xr.DataArray, other: xr.DataArray, name: str) -> None:
    one, two = dimensions.labels(cube, name), dimensions.labels(other, name)
    if len(one) == len(two):
        if dimensions.kind(cube, name) != "spatial" or name not in cube.coords or name not in other.coords:
            if one == two:
                return
        else:
            slack = abs(area.resolution(cube[name].values)) * 1e-3 or 1e-9
            if np.allclose(cube[name].values, other[name].values, rtol=0, atol=slack):
                return
    what = f"Data and mask have other labels along {name} ({len(one)} and {len(two)})."
    remedy = "Bring both to one grid with resample_cube_spatial." if dimensions.kind(cube, name) == "spatial" else ""
    raise InvalidInput(what, "A mask has the labels of the data.", remedy, code="incompatible-data-cubes")


def mask_polygon(data: Any, mask: Any, replacement: Any = None, inside: bool = False) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    located(cube)
    found = area.mask(cube, Geometries.of(mask, "mask").polygons("mask"))
    return keep_where(cube, ~found if inside else found, replacement)


def trim_cube(data: Any) -> xr.DataArray:
    """Cut slices of nothing but no-data at the ends of every dimension."""
    cube = dimensions.as_cube(data).load()
    known = cube.notnull()
    for name in cube.dims:
        others = [each for each in cube.dims if each != name]
        places = np.flatnonzero(known.any(others).values)
        if len(places):
            cut = {name: slice(int(places[0]), int(places[-1]) + 1)}
            cube, known = cube.isel(cut), known.isel(cut)
    return cube
