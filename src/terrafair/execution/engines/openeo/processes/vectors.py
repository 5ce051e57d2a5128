"""Processes on geometries: buffers, reprojection, sampling, rasterising."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np
import shapely
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions
from terrafair.execution.engines.openeo.area import Geometries
from terrafair.execution.engines.openeo.values import describe

_RELATIONS = {
    name: getattr(shapely, name)
    for name in ("intersects", "disjoint", "equals", "touches", "crosses", "overlaps", "contains", "within")
}


def vector_of(shapes: Geometries) -> xr.DataArray:
    """A vector cube of geometries without values."""
    attributes = {"type": "geometry", "reference_system": shapes.crs}
    coordinate = dimensions.coordinate("geometry", list(shapes.shapes), attributes)
    cube = xr.DataArray(
        np.full(len(shapes.shapes), np.nan, np.float32), dims=("geometry",), coords={"geometry": coordinate}
    )
    cube.attrs["properties"] = list(shapes.properties)
    return cube


def _as_vector(value: Any, argument: str) -> xr.DataArray:
    if isinstance(value, xr.DataArray) and dimensions.of_kind(value, "geometry"):
        return value
    return vector_of(Geometries.of(value, argument))


def _with_shapes(cube: xr.DataArray, name: str, shapes: Any, crs: Any = None) -> xr.DataArray:
    attributes = dict(cube[name].attrs)
    if crs is not None:
        attributes["reference_system"] = crs
    fresh = dimensions.coordinate(name, list(shapes), attributes)
    return cube.drop_vars(name).assign_coords({name: fresh})


def filter_vector(data: Any, geometries: Any, relation: str = "intersects") -> xr.DataArray:
    cube = _as_vector(data, "data")
    name = dimensions.of_kind(cube, "geometry")[0]
    if relation not in _RELATIONS:
        what = f"The relation {relation!r} is not known."
        raise InvalidInput(what, remedy=f"Known: {', '.join(_RELATIONS)}.", code="argument-value")
    wanted = Geometries.of(geometries).to(dimensions.reference_system(cube))
    whole = shapely.union_all(list(wanted.shapes))
    found = _RELATIONS[relation](np.array(cube[name].values, object), whole)
    keep = [n for n, shape in enumerate(cube[name].values) if found[n] and not shape.is_empty]
    return _picked(cube, name, keep)


def _picked(cube: xr.DataArray, name: str, keep: list[int]) -> xr.DataArray:
    result = cube.isel({name: keep})
    if len(known := cube.attrs.get("properties", ())) == cube.sizes[name]:
        result.attrs["properties"] = [known[number] for number in keep]
    return result


def vector_buffer(geometries: Any, distance: Any, unit: str = "meter") -> xr.DataArray:
    """In a reference system of degrees the buffer is drawn in the local zone of UTM, around each geometry."""
    cube = _as_vector(geometries, "geometries")
    name = dimensions.of_kind(cube, "geometry")[0]
    if not isinstance(distance, int | float) or isinstance(distance, bool) or not distance:
        raise InvalidInput(f"`distance` is {describe(distance)}.", remedy="Give metres, not 0.", code="argument-value")
    if unit not in {"meter", "metre", "m", "meters"}:
        raise InvalidInput(f"The unit {unit!r} is not known.", remedy="Give metres.", code="unit-mismatch")
    crs = dimensions.reference_system(cube)
    system = area.reference_system(crs)
    if not system.is_geographic:
        factor = system.axis_info[0].unit_conversion_factor or 1
        return _with_shapes(cube, name, [shape.buffer(distance / factor) for shape in cube[name].values])
    return _with_shapes(cube, name, [_around(shape, crs, float(distance)) for shape in cube[name].values])


def _around(shape: Any, crs: Any, distance: float) -> Any:
    if shape.is_empty:
        return shape
    lon, lat = shape.centroid.x, shape.centroid.y
    zone = f"EPSG:{(32600 if lat >= 0 else 32700) + int((lon + 180) // 6) % 60 + 1}"
    there = Geometries((shape,), ({},), crs).to(zone)
    return Geometries((there.shapes[0].buffer(distance),), ({},), zone).to(crs).shapes[0]


def vector_reproject(data: Any, projection: Any, dimension: str | None = None) -> xr.DataArray:
    cube = _as_vector(data, "data")
    names = [dimensions.find(cube, dimension)] if dimension else dimensions.of_kind(cube, "geometry")
    area.reference_system(projection)
    for name in names:
        if dimensions.kind(cube, name) != "geometry":
            raise InvalidInput(f"The dimension {name} holds no geometries.", code="dimension-not-available")
        old = cube[name].attrs.get("reference_system", dimensions.WGS84)
        moved = Geometries(tuple(cube[name].values), tuple({} for _ in cube[name].values), old).to(projection)
        cube = _with_shapes(cube, name, moved.shapes, projection)
    return cube


MOST_POINTS = 100_000
"""Points that are drawn, at most."""


def vector_to_random_points(
    data: Any, geometry_count: int | None = None, total_count: int | None = None, group: bool = True,
    seed: int | None = None,
) -> xr.DataArray:  # fmt: skip
    """Points of lines lie along them, points of points are picked from them."""
    cube = _as_vector(data, "data")
    name = dimensions.of_kind(cube, "geometry")[0]
    shapes = list(cube[name].values)
    solid = [shape for shape in shapes if not shape.is_empty]
    if total_count is not None and total_count < len(solid):
        what = f"{total_count} points are too few for {len(solid)} geometries."
        raise InvalidInput(what, "Each gets at least one.", code="count-mismatch")
    if max(geometry_count or 0, total_count or 0) > MOST_POINTS:
        what = f"{max(geometry_count or 0, total_count or 0)} points are more than {MOST_POINTS}."
        raise InvalidInput(what, remedy="Ask for fewer.", code="argument-value")
    each = geometry_count or 1
    if total_count is not None:
        each = min(each if geometry_count else total_count, max(1, total_count // max(len(solid), 1)))
    random = np.random.default_rng(seed)
    return _sampled(cube, [_random(shape, each, random) for shape in shapes], group=group)


def _random(shape: Any, count: int, random: np.random.Generator) -> list[Any]:
    if shape.is_empty:
        return []
    if "Point" in shape.geom_type:
        own = shapely.get_parts(shape)
        return list(random.permutation(own)[:count])
    if "Line" in shape.geom_type:
        return [shape.interpolate(float(part), normalized=True) for part in random.random(count)]
    west, south, east, north = shape.bounds
    found: list[Any] = []
    for _ in range(1000):
        spots: Any = shapely.points(random.uniform(west, east, 4 * count), random.uniform(south, north, 4 * count))
        found += list(spots[shapely.contains(shape, spots)])
        if len(found) >= count:
            return found[:count]
    return found or [shape.representative_point()]


def vector_to_regular_points(data: Any, distance: Any, group: bool = True) -> xr.DataArray:
    cube = _as_vector(data, "data")
    name = dimensions.of_kind(cube, "geometry")[0]
    if not isinstance(distance, int | float) or distance <= 0:
        raise InvalidInput(f"`distance` is {describe(distance)}.", remedy="Give metres above 0.", code="argument-value")
    if area.reference_system(dimensions.reference_system(cube)).is_geographic:
        what = "The geometries are in degrees, the distance in metres."
        raise InvalidInput(what, "", "Use vector_reproject first.", code="unit-mismatch")
    return _sampled(cube, [_regular(shape, float(distance)) for shape in cube[name].values], group=group)


def _regular(shape: Any, distance: float) -> list[Any]:
    if shape.is_empty:
        return []
    if "Point" in shape.geom_type:
        return list(shapely.get_parts(shape))
    if "Line" in shape.geom_type:
        return [shape.interpolate(float(place)) for place in np.arange(0, shape.length + distance * 1e-9, distance)]
    west, south, east, north = shape.bounds
    columns = np.arange(west + distance / 2, east + distance / 2, distance)
    rows = np.arange(north - distance / 2, south - distance / 2, -distance)
    if len(columns) * len(rows) > 10**7:
        what = f"{len(columns) * len(rows)} points lie {distance} m apart."
        raise InvalidInput(what, remedy="Choose a greater distance.", code="argument-value")
    grid_x, grid_y = (each.ravel() for each in np.meshgrid(columns, rows))
    inside = shapely.intersects_xy(shape, grid_x, grid_y)
    points: Any = shapely.points(grid_x[inside], grid_y[inside])
    spots = list(points)
    return spots or [shapely.Point(shapely.get_coordinates(shape)[0])]


def _sampled(cube: xr.DataArray, points: list[list[Any]], *, group: bool) -> xr.DataArray:
    about = cube.attrs.get("properties") or [{} for _ in points]
    if group:
        bundles = [shapely.MultiPoint(each) if each else shapely.MultiPoint() for each in points]
        shapes, properties = bundles, about
    else:
        shapes = [point for each in points for point in each]
        properties = [own for own, each in zip(about, points, strict=True) for _ in each]
    return vector_of(Geometries(tuple(shapes), tuple(properties), dimensions.reference_system(cube)))


def vector_to_raster(data: Any, target: Any) -> xr.DataArray:
    """The values of the first geometry that covers a pixel; properties become bands."""
    cube, model = _as_vector(data, "data"), dimensions.as_cube(target, "target")
    name = dimensions.of_kind(cube, "geometry")[0]
    y, x = dimensions.horizontal(model)
    rest = [str(each) for each in cube.dims if each != name]
    shapes = Geometries(
        tuple(cube[name].values), tuple({} for _ in cube[name].values), dimensions.reference_system(cube)
    )
    burnt = np.full((model.sizes[y], model.sizes[x]), -1)
    for number in range(cube.sizes[name] - 1, -1, -1):
        one = Geometries((shapes.shapes[number],), ({},), shapes.crs)
        burnt[area.mask(model, one)] = number
    values = cube.transpose(*rest, name).values.astype(np.float64)
    found = np.where(burnt >= 0, values[..., np.maximum(burnt, 0)], np.nan)
    coords = {each: cube[each] for each in rest if each in cube.coords} | {y: model[y], x: model[x]}
    return xr.DataArray(found, dims=(*rest, y, x), coords=coords)
