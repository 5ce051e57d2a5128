"""Outlines on the globe: from any coordinate system to a GeoJSON geometry and bounding box in degrees.

Edges are densified before they are transformed. Outlines that cross the antimeridian are cut there (RFC 7946, 3.1.9)
and have a bounding box whose west is larger than its east; outlines around a pole reach up to it.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

import numpy as np

Ring = list[tuple[float, float]]
BBox = tuple[float, float, float, float]

EDGE = 32
"""Points along each edge."""
DIGITS = 6
"""A decimetre."""
WHOLE = 360.0 - 1e-3
"""Degrees that count as all the way round; coordinates in single precision miss the last of them."""


@dataclass(frozen=True, slots=True)
class Footprint:
    """Where something lies."""

    geometry: dict[str, Any]
    """GeoJSON."""
    bbox: BBox
    """West, south, east, north; west > east where it crosses the antimeridian."""


def of_corners(corners: Sequence[tuple[float, float]], crs: Any) -> Footprint | None:
    """The outline between corners given in a coordinate system (anything that pyproj takes).

    None where none of it lies on the globe.
    """
    ring = _densified(corners)
    longitudes, latitudes = _degrees(ring, crs)
    if not np.isfinite(longitudes).all() or not np.isfinite(latitudes).all():
        return _of_visible_part(corners, crs)
    return of_ring(list(zip(longitudes.tolist(), latitudes.tolist(), strict=True)), _holds_pole(ring, crs))


def of_box(west: float, south: float, east: float, north: float) -> Footprint:
    """The outline of a box in degrees; longitudes may run from 0 to 360, west > east crosses the antimeridian."""
    if east < west:
        east += 360.0
    if east - west >= WHOLE:
        west, east = -180.0, 180.0
    return _assembled([(west, south), (east, south), (east, north), (west, north)])


def of_points(points: Iterable[tuple[float, float]]) -> Footprint | None:
    """The box around points in degrees, the short way round the globe."""
    found = [(_wrapped(x), min(max(y, -90.0), 90.0)) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if not found:
        return None
    west, east = shortest_interval([(x, x) for x, _ in found])
    return of_box(west, min(y for _, y in found), east, max(y for _, y in found))


def of_ring(ring: Ring, pole: int = 0) -> Footprint:
    """The outline of a ring in degrees; `pole` is 1 or -1 where that pole lies inside."""
    unwrapped: Ring = []
    for longitude, y in ring:
        x = unwrapped[-1][0] + (longitude - unwrapped[-1][0] + 180.0) % 360.0 - 180.0 if unwrapped else longitude
        unwrapped.append((x, min(max(y, -90.0), 90.0)))
    last = unwrapped[-1][0] + (ring[0][0] - unwrapped[-1][0] + 180.0) % 360.0 - 180.0
    turn = last - unwrapped[0][0]
    if abs(turn) > 180.0:
        unwrapped = _up_to_the_pole(unwrapped, turn, pole or (1 if sum(y for _, y in ring) > 0 else -1))
    return _assembled(unwrapped)


def shortest_interval(intervals: Iterable[tuple[float, float]]) -> tuple[float, float]:
    """The shortest stretch of longitudes that covers all; here and there, west > east crosses the antimeridian."""
    merged: list[list[float]] = []
    for west, east in sorted(piece for interval in intervals for piece in _pieces(*interval)):
        if merged and west <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], east)
        else:
            merged.append([west, east])
    gaps = [(after[0] - before[1], number) for number, (before, after) in enumerate(pairwise(merged))]
    around = merged[0][0] + 360.0 - merged[-1][1]
    gap, number = max(gaps, default=(0.0, 0))
    if gap > around:
        return merged[number + 1][0], merged[number][1]
    return merged[0][0], merged[-1][1]


def _pieces(west: float, east: float) -> list[tuple[float, float]]:
    """An interval inside -180..180, cut at the antimeridian."""
    width = east - west if east >= west else east - west + 360.0
    if width >= WHOLE:
        return [(-180.0, 180.0)]
    start = _west(west)
    end = east if start == west and east >= west else start + width
    return [(start, end)] if end <= 180.0 else [(start, 180.0), (-180.0, end - 360.0)]


def _densified(corners: Sequence[tuple[float, float]]) -> Ring:
    ring: Ring = []
    for (x, y), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        ring += [(x + (x2 - x) * step / EDGE, y + (y2 - y) * step / EDGE) for step in range(EDGE)]
    return ring


def _degrees(points: Sequence[tuple[float, float]], crs: Any) -> tuple[Any, Any]:
    x, y = np.asarray(points, dtype=np.float64).T
    longitudes, latitudes = transformer(crs, "EPSG:4326").transform(x, y)
    return longitudes, latitudes


@lru_cache(64)
def transformer(source: Any, target: Any) -> Any:
    """From x and y to x and y; kept, since making one takes longer than an outline does."""
    from pyproj import Transformer

    return Transformer.from_crs(source, target, always_xy=True)


def _holds_pole(ring: Ring, crs: Any) -> int:
    """1 or -1 where the north or south pole lies inside the ring, else 0."""
    from shapely import Point, Polygon

    inverse = transformer("EPSG:4326", crs)
    xs, ys = ([point[axis] for point in ring] for axis in (0, 1))
    for sign in (1, -1):
        x, y = inverse.transform(0.0, 90.0 * sign)
        if min(xs) < x < max(xs) and min(ys) < y < max(ys) and Polygon(ring).contains(Point(x, y)):
            return sign
    return 0


def _up_to_the_pole(ring: Ring, turn: float, pole: int) -> Ring:
    """A ring around a pole as the area between it and the pole, 360 degrees wide."""
    start, end = ring[0][0], ring[0][0] + math.copysign(360.0, turn)
    edge = [*ring, (end, ring[0][1])]
    return [*edge, (end, 90.0 * pole), (start, 90.0 * pole)]


def _of_visible_part(corners: Sequence[tuple[float, float]], crs: Any) -> Footprint | None:
    """The hull of what lies on the globe, for grids whose corners do not (full discs of geostationary satellites)."""
    from shapely import MultiPoint

    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners
    steps = np.linspace(0.0, 1.0, 4 * EDGE)
    u, v = (axis.ravel() for axis in np.meshgrid(steps, steps))
    x = x0 * (1 - u) * (1 - v) + x1 * u * (1 - v) + x2 * u * v + x3 * (1 - u) * v
    y = y0 * (1 - u) * (1 - v) + y1 * u * (1 - v) + y2 * u * v + y3 * (1 - u) * v
    longitudes, latitudes = _degrees(list(zip(x.tolist(), y.tolist(), strict=True)), crs)
    seen = np.isfinite(longitudes) & np.isfinite(latitudes)
    if not seen.any():
        return None
    west, east = shortest_interval([(float(lon), float(lon)) for lon in np.unique(longitudes[seen].round(3))])
    shifted = (
        np.where(longitudes[seen] < west, longitudes[seen] + 360.0, longitudes[seen])
        if west > east
        else longitudes[seen]
    )
    hull: Any = MultiPoint(np.column_stack([shifted, latitudes[seen]])).convex_hull
    if hull.geom_type != "Polygon":
        return of_points(zip(longitudes[seen].tolist(), latitudes[seen].tolist(), strict=True))
    return _assembled([(float(a), float(b)) for a, b in list(hull.exterior.coords)[:-1]])


def _assembled(ring: Ring) -> Footprint:
    """A ring with continuous longitudes, moved into -180..180 and cut at the antimeridian."""
    from shapely import Polygon, box, make_valid
    from shapely.affinity import translate

    west, east = min(x for x, _ in ring), max(x for x, _ in ring)
    south, north = (round(limit, DIGITS) for limit in (min(y for _, y in ring), max(y for _, y in ring)))
    if east - west < 1e-9 or north - south < 1e-9:
        return _flat(west, south, east, north)
    outline: Any = Polygon(ring)
    outline = outline if outline.is_valid else make_valid(outline)
    outline = outline.simplify(1e-6)
    world = box(-180.0, -90.0, 180.0, 90.0)
    parts = []
    start = -math.floor((west + 180.0) / 360.0)
    # As a rule it lies in the first of the three as a whole.
    for turns in (start, start - 1, start - 2)[: 3 if west < -180.0 or east > 180.0 else 1]:
        part = translate(outline, 360.0 * turns).intersection(world)
        parts += [each for each in getattr(part, "geoms", [part]) if each.geom_type == "Polygon" and each.area > 1e-12]
    if east - west >= 360.0 - 1e-6:
        bbox = (-180.0, south, 180.0, north)
        parts = [_united(parts)] if _united(parts).geom_type == "Polygon" else list(_united(parts).geoms)
    else:
        bbox = (round(_west(west), DIGITS), south, round(_east(east), DIGITS), north)
    return Footprint(_geometry(parts), bbox)


def _united(parts: list[Any]) -> Any:
    from shapely import unary_union

    return unary_union(parts)


def _geometry(parts: list[Any]) -> dict[str, Any]:
    from shapely.geometry.polygon import orient

    def rings(polygon: Any) -> list[list[list[float]]]:
        polygon = orient(polygon)
        return [
            [[round(x, DIGITS), round(y, DIGITS)] for x, y in ring.coords]
            for ring in (polygon.exterior, *polygon.interiors)
        ]

    found = sorted(rings(part) for part in parts)
    if len(found) == 1:
        return {"type": "Polygon", "coordinates": found[0]}
    return {"type": "MultiPolygon", "coordinates": found}


def _flat(west: float, south: float, east: float, north: float) -> Footprint:
    """A point or a line, where there is no area."""
    a, b = round(_wrapped(west), DIGITS), round(_wrapped(east), DIGITS)
    if (a, south) == (b, north):
        return Footprint({"type": "Point", "coordinates": [a, south]}, (a, south, a, south))
    if a > b:
        lines = [[[a, south], [180.0, north]], [[-180.0, south], [b, north]]]
        return Footprint({"type": "MultiLineString", "coordinates": lines}, (a, south, b, north))
    return Footprint({"type": "LineString", "coordinates": [[a, south], [b, north]]}, (a, south, b, north))


def _wrapped(longitude: float) -> float:
    return longitude if -180.0 <= longitude <= 180.0 else (longitude + 180.0) % 360.0 - 180.0


def _west(longitude: float) -> float:
    """A western limit: the antimeridian is -180 there."""
    return longitude if -180.0 <= longitude < 180.0 else (longitude + 180.0) % 360.0 - 180.0


def _east(longitude: float) -> float:
    """An eastern limit: the antimeridian is 180 there."""
    return longitude if -180.0 < longitude <= 180.0 else 180.0 - (180.0 - longitude) % 360.0
