"""Time series of a cube: at a point, or over an area with mean, deviation and the share that is data."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from pyproj import Transformer

from terrafair.data.tiles.cubes import CubeLayer, Cubes, placed
from terrafair.data.tiles.swath import Swath
from terrafair.errors import InvalidInput

LONGEST = 200_000
"""Instants of one series."""
CELLS = 4_000_000
"""Values that one series over an area may read."""


def at_point(cubes: Cubes, path: str, variable: str, longitude: float, latitude: float) -> dict[str, Any]:
    """The series of the cell that a place in degrees lies in."""
    layer = cubes.layer(path, variable)
    column, row = _cell(layer, longitude, latitude)
    time = _time(layer)
    if time and layer.array.sizes[time] > LONGEST:
        raise InvalidInput(f"The series has {layer.array.sizes[time]} instants.", f"At most {LONGEST} are given.")
    values = np.asarray(cubes.column(path, layer, row, column, time), float)
    return {**_frame(layer, time), "values": _numbers(values), "cell": [int(row), int(column)]}


def over_area(cubes: Cubes, path: str, variable: str, geometry: Mapping[str, Any]) -> dict[str, Any]:
    """Mean and standard deviation over the cells whose centres lie in a GeoJSON polygon, weighted equally."""
    import shapely
    from shapely.geometry import shape

    layer = cubes.layer(path, variable)
    try:
        area = shape(dict(geometry))
    except (ValueError, TypeError, KeyError, AttributeError, shapely.errors.ShapelyError) as fault:
        raise InvalidInput("The area is no GeoJSON geometry.", str(fault)[:200], where="geometry") from None
    if area.geom_type not in {"Polygon", "MultiPolygon"} or area.is_empty or not area.is_valid:
        raise InvalidInput(f"The area is an odd {area.geom_type}.", "It takes a valid polygon.", where="geometry")
    if layer.swath is not None:
        return _over_pixels(layer, layer.swath, area)
    change = _change(placed(layer)[0])
    there = shapely.transform(area, lambda places: np.column_stack(change.transform(*places.T)))
    rows, columns = _covered(layer, there.bounds)
    grid = layer.grid
    xs = grid.left + (np.arange(columns.start, columns.stop) + 0.5) * grid.width
    ys = grid.top + (np.arange(rows.start, rows.stop) + 0.5) * grid.height
    inside = shapely.contains_xy(there, *np.meshgrid(xs, ys))
    if not inside.any():
        raise InvalidInput("No cell's centre lies in the area.", "It is smaller than a cell, or beside the data.")
    return _summary(layer, rows, columns, inside)


def _over_pixels(layer: CubeLayer, swath: Swath, area: Any) -> dict[str, Any]:
    """The same for pixels that each say where they lie."""
    import shapely

    inside = np.zeros(swath.longitudes.shape, bool)
    for turn in (0.0, 360.0):
        inside |= shapely.contains_xy(area, swath.longitudes - turn, swath.latitudes)
    if not inside.any():
        raise InvalidInput("No pixel's centre lies in the area.", "It is smaller than a pixel, or beside the data.")
    (down,), (across,) = np.nonzero(inside.any(1)), np.nonzero(inside.any(0))
    rows, columns = slice(int(down[0]), int(down[-1]) + 1), slice(int(across[0]), int(across[-1]) + 1)
    return _summary(layer, rows, columns, inside[rows, columns])


def _summary(layer: CubeLayer, rows: slice, columns: slice, inside: Any) -> dict[str, Any]:
    """Mean and deviation of what is inside, at each instant."""
    time = _time(layer)
    array = layer.array.isel({layer.x: columns, layer.y: rows, **{n: 0 for n in layer.others if n != time}})
    if array.size > CELLS:
        raise InvalidInput(f"The series would read {array.size} values.", f"At most {CELLS} are read.", "Draw less.")
    order = ([time] if time else []) + [layer.y, layer.x]
    values = np.asarray(array.transpose(*order).values, float).reshape(-1, *inside.shape)[:, inside]
    known = np.isfinite(values)
    count = known.sum(1)
    filled = np.where(known, values, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = filled.sum(1) / count
        deviation = np.sqrt((np.where(known, values - mean[:, None], 0.0) ** 2).sum(1) / count)
    return {
        **_frame(layer, time),
        "values": _numbers(mean),
        "deviations": _numbers(deviation),
        "share": [float(each) for each in count / inside.sum()],
        "cells": int(inside.sum()),
    }


@lru_cache(maxsize=32)
def _change(crs: str) -> Transformer:
    """From degrees; making one takes longer than a series."""
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)


def _frame(layer: CubeLayer, time: str) -> dict[str, Any]:
    title = str(layer.array.attrs.get("long_name", layer.array.name))
    return {
        "variable": str(layer.array.name),
        "title": title,
        "unit": layer.array.attrs.get("units", ""),
        "times": _times(layer, time),
    }


@lru_cache(maxsize=16)
def _times(layer: CubeLayer, time: str) -> list[str]:
    """The instants along a dimension; writing a thousand of them takes longer than reading their values."""
    if not time:
        return []
    labels = layer.array.coords[time].values
    return [str(each) for each in (np.datetime_as_string(labels, unit="s") if labels.dtype.kind == "M" else labels)]


def _time(layer: CubeLayer) -> str:
    """The dimension of time; empty: there is none."""
    for name in layer.others:
        if name in layer.array.coords:
            coordinate = layer.array.coords[name]
            if coordinate.dtype.kind == "M" or coordinate.attrs.get("standard_name") == "time":
                return name
            if coordinate.dtype == object and hasattr(coordinate.values.flat[0], "calendar"):
                return name
    return ""


def _cell(layer: CubeLayer, longitude: float, latitude: float) -> tuple[int, int]:
    if not (-360 <= longitude <= 360 and -90 <= latitude <= 90):
        raise InvalidInput(f"There is no place {longitude}, {latitude}.", "Longitude and latitude are in degrees.")
    grid = layer.grid
    change = _change(placed(layer)[0])
    for turn in (0.0, 360.0, -360.0):
        x, y = change.transform(longitude + turn, latitude)
        column, row = int((x - grid.left) // grid.width), int((y - grid.top) // grid.height)
        if 0 <= column < grid.columns and 0 <= row < grid.rows:
            return column, row
    raise InvalidInput(f"The place {longitude}, {latitude} lies beside the data.", where="place")


def _covered(layer: CubeLayer, bounds: tuple[float, float, float, float]) -> tuple[slice, slice]:
    grid, (west, south, east, north) = layer.grid, bounds
    across = sorted(((west - grid.left) / grid.width, (east - grid.left) / grid.width))
    down = sorted(((south - grid.top) / grid.height, (north - grid.top) / grid.height))
    columns = slice(max(int(across[0]), 0), min(int(across[1]) + 1, grid.columns))
    rows = slice(max(int(down[0]), 0), min(int(down[1]) + 1, grid.rows))
    if columns.start >= columns.stop or rows.start >= rows.stop:
        raise InvalidInput("The area lies beside the data.", where="geometry")
    return rows, columns


def _numbers(values: Any) -> list[float | None]:
    known = np.isfinite(values)
    found: list[float | None] = values.tolist()
    return found if known.all() else [value if is_known else None for value, is_known in zip(found, known, strict=True)]
