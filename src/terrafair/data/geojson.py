"""GeoJSON files, and the boxes around geometries."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from terrafair.data.classify import MEDIA_TYPES, Kind, read_json
from terrafair.data.facts import Facts, table
from terrafair.data.footprint import Footprint, of_box, of_corners, shortest_interval
from terrafair.data.moments import Span, parse
from terrafair.data.rasters import code_of, crs_of
from terrafair.errors import Problem

Box = tuple[float, float, float, float]

TIMES = ("datetime", "time", "date", "timestamp", "start_datetime", "end_datetime", "start_date", "end_date")
"""Columns that say when a row applies."""
DEPTH = 5
"""Levels of lists in the coordinates of a geometry."""


def read(path: Path) -> Facts:
    """Everything that the file says."""
    document = read_json(path)
    features = _features(document)
    boxes = [box for feature in features for box in boxes_of(feature.get("geometry"))]
    columns: dict[str, str] = {}
    times = []
    for feature in features:
        properties = feature.get("properties")
        for name, value in (properties if isinstance(properties, dict) else {}).items():
            if value is not None:
                columns.setdefault(name, _json_type(value))
            if name.lower() in TIMES and (moment := parse(value)):
                times.append(moment)
    projection, footprint, remarks = _place(document, boxes, path.name)
    return Facts(
        Kind.GEOJSON,
        MEDIA_TYPES[Kind.GEOJSON],
        properties=table([("geometry", "geometry"), *columns.items()], len(features), "geometry"),
        projection=projection,
        footprint=footprint,
        span=Span.over(times),
        remarks=tuple(remarks),
    )


def boxes_of(geometry: Any) -> Iterator[Box]:
    """The box of each part: parts on both sides of the antimeridian must not be joined across the globe."""
    if not isinstance(geometry, dict):
        return
    if geometry.get("type") == "GeometryCollection":
        parts = geometry.get("geometries")
        for part in parts if isinstance(parts, list) else ():
            yield from boxes_of(part)
        return
    coordinates = geometry.get("coordinates")
    parts = coordinates if str(geometry.get("type", "")).startswith("Multi") else [coordinates]
    for part in parts if isinstance(parts, list) else ():
        points = list(_positions(part))
        if points:
            xs, ys = [x for x, _ in points], [y for _, y in points]
            yield min(xs), min(ys), max(xs), max(ys)


def around(boxes: Iterable[Box]) -> Footprint | None:
    """The box around boxes in degrees."""
    found = list(boxes)
    if not found:
        return None
    west, east = min(box[0] for box in found), max(box[2] for box in found)
    # Only data that touches both sides of the antimeridian can mean the short way round.
    if west <= -180.0 + 1e-6 and east >= 180.0 - 1e-6:
        west, east = shortest_interval((box[0], box[2]) for box in found)
    return of_box(west, min(box[1] for box in found), east, max(box[3] for box in found))


def in_degrees(boxes: Iterable[Box]) -> bool:
    """Whether the boxes can be longitudes and latitudes."""
    return all(
        -90.0 <= south <= north <= 90.0 and abs(west) <= 360.0 and abs(east) <= 540.0
        for west, south, east, north in boxes
    )


def _place(document: Any, boxes: list[Box], name: str) -> tuple[dict[str, Any], Footprint | None, list[Problem]]:
    if not boxes:
        return {}, None, []
    crs = _named_crs(document)
    if crs is not None and not crs.is_geographic:
        west, south = min(box[0] for box in boxes), min(box[1] for box in boxes)
        east, north = max(box[2] for box in boxes), max(box[3] for box in boxes)
        footprint = of_corners([(west, south), (east, south), (east, north), (west, north)], crs)
        what = f"{name} is GeoJSON in {crs.name}."
        why = "Since RFC 7946 GeoJSON is in WGS 84 alone, and most programs will misplace it."
        return code_of(crs), footprint, [Problem(what, why, "Transform it, or write GeoPackage.", name)]
    if not in_degrees(boxes):
        what = f"{name} holds coordinates that are no degrees."
        return {}, None, [Problem(what, "GeoJSON is in WGS 84 (RFC 7946).", "Transform it.", name)]
    return {"proj:code": "EPSG:4326"}, around(boxes), []


def _named_crs(document: Any) -> Any | None:
    """The coordinate system that GeoJSON of 2008 could name."""
    from pyproj.exceptions import CRSError

    member = document.get("crs")
    properties = member.get("properties") if isinstance(member, dict) else None
    named = properties.get("name") if isinstance(properties, dict) else None
    try:
        return crs_of(named) if isinstance(named, str) else None
    except CRSError:
        return None


def _features(document: Any) -> list[dict[str, Any]]:
    if document.get("type") == "FeatureCollection":
        return [feature for feature in document["features"] if isinstance(feature, dict)]
    return [document] if document.get("type") == "Feature" else [{"geometry": document}]


def _positions(coordinates: Any, depth: int = 0) -> Iterator[tuple[float, float]]:
    if not isinstance(coordinates, list) or depth > DEPTH:
        return
    if len(coordinates) >= 2 and all(type(each) in {int, float} for each in coordinates[:2]):
        if math.isfinite(coordinates[0]) and math.isfinite(coordinates[1]):
            yield float(coordinates[0]), float(coordinates[1])
        return
    for part in coordinates:
        yield from _positions(part, depth + 1)


def _json_type(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int64"
    return "float64" if isinstance(value, float) else "string" if isinstance(value, str) else "object"
