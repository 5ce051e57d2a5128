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
from terrafair.execution.engines.openeo.values import as_array, describe, items_of


def filter_bbox(data: Any, extent: Any) -> xr.DataArray:
    """Nothing is left of a cube that lies elsewhere; vector cubes keep the geometries that lie inside as a whole."""
    cube, box = dimensions.as_cube(data), Box.of(extent)
    if not dimensions.is_raster(cube) and (names := dimensions.of_kind(cube, "geometry")):
        return _geometries_within(cube, names[0], box)
    _located(cube)
    return area.crop(cube, box)


def _geometries_within(cube: xr.DataArray, name: str, box: Box) -> xr.DataArray:
    import shapely

    moved = box.to(dimensions.reference_system(cube))
    frame = shapely.box(moved.west, moved.south, moved.east, moved.north)
    keep = [n for n, shape in enumerate(cube[name].values) if not shape.is_empty and shapely.covered_by(shape, frame)]
    return cube.isel({name: keep})


def within(cube: xr.DataArray, box: Box) -> xr.DataArray:
    """The pixels inside; raises `InvalidInput` when there are none."""
    _located(cube)
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


def _located(cube: xr.DataArray) -> None:
    for name in dimensions.horizontal(cube):
        if name not in cube.coords:
            what = f"The dimension {name} has no coordinates."
            why = "The raster is a swath or has no grid; where its pixels lie is not known along its axes."
            raise InvalidInput(what, why, "Project it to a grid first.", code="grid-missing")


def filter_temporal(data: Any, extent: Any, dimension: str | None = None) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    if dimension is None and not dimensions.of_kind(cube, "temporal"):
        dimensions.temporal(cube, None)
    names = [dimensions.temporal(cube, dimension)] if dimension else dimensions.of_kind(cube, "temporal")
    start, end = instants.interval(extent, "extent")
    for name in names:
        cube = between(cube, name, start, end)
    return cube


def between(cube: xr.DataArray, name: str, start: np.datetime64 | None, end: np.datetime64 | None) -> xr.DataArray:
    """The dates from start to before end; raises `InvalidInput` when there are none."""
    moments = cube[name].values
    keep = np.ones(len(moments), bool)
    if start is not None:
        keep &= moments >= start
    if end is not None:
        keep &= moments < end
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
    _located(cube)
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
    for name in map(str, other.dims):
        _same_labels(cube, other, name)
    hidden = xr.apply_ufunc(truth, other, dask="parallelized", output_dtypes=[bool])
    return choose(cube, ~hidden, replacement)


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
    _located(cube)
    found = area.mask(cube, Geometries.of(mask, "mask").polygons("mask"))
    return keep_where(cube, ~found if inside else found, replacement)


def filter_vector(data: Any, geometries: Any, relation: str = "intersects") -> xr.DataArray:
    import shapely

    cube = dimensions.as_cube(data)
    names = dimensions.of_kind(cube, "geometry")
    relations = {"intersects": shapely.intersects, "within": shapely.within, "disjoint": shapely.disjoint}
    if not names or relation not in relations:
        what = f"{describe(cube)} with the relation {relation!r} cannot be filtered."
        raise InvalidInput(what, remedy=f"Give a vector cube, and one of {', '.join(relations)}.")
    wanted = Geometries.of(geometries).to(dimensions.reference_system(cube))
    whole = shapely.union_all(list(wanted.shapes))
    keep = [n for n, shape in enumerate(cube[names[0]].values) if relations[relation](shape, whole)]
    return cube.isel({names[0]: keep})


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


def labels_wanted(value: Any, argument: str) -> list[Any]:
    """A list of labels."""
    return items_of(as_array(value, argument))
