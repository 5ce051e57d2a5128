"""TopoJSON made into GeoJSON: neighbours share their borders in the one, and browsers draw the other."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

Place = tuple[float, float]
Document = dict[str, Any]


def geojson(topology: Document, name: str, digits: int = 2) -> Document:
    """One object of a topology as a FeatureCollection without properties; places rounded to `digits` of a degree."""
    arcs = [list(_places(arc, topology.get("transform"), digits)) for arc in topology["arcs"]]
    features = []
    for part in topology["objects"][name]["geometries"]:
        if part["type"] in {"Polygon", "MultiPolygon"}:
            coordinates = _mapped(part["arcs"], arcs)
            features.append(
                {"type": "Feature", "properties": {}, "geometry": {"type": part["type"], "coordinates": coordinates}}
            )
    return {"type": "FeatureCollection", "features": features}


def _places(arc: list[list[int]], transform: Document | None, digits: int) -> Iterator[Place]:
    """Quantized arcs hold differences."""
    across, down = transform["scale"] if transform else (1, 1)
    left, top = transform["translate"] if transform else (0, 0)
    x = y = 0
    for step in arc:
        x, y = (x + step[0], y + step[1]) if transform else (step[0], step[1])
        yield round(x * across + left, digits), round(y * down + top, digits)


def _joined(ring: list[Place]) -> list[Place]:
    """Across the antimeridian longitudes go on beyond 180, where the map draws its next world; poles stay."""
    turned, turn = ring[:1], 0.0
    for (before, _), (x, y) in pairwise(ring):
        turn += 360.0 * ((x - before < -180) - (x - before > 180))
        turned.append((x + turn, y))
    return ring if turn else turned


def _mapped(part: Any, arcs: list[list[Place]]) -> Any:
    """Rings of arc numbers become rings of places; a negative number is an arc turned round."""
    if part and isinstance(part[0], int):
        ring: list[Place] = []
        for number in part:
            arc = arcs[number] if number >= 0 else arcs[~number][::-1]
            ring += arc[1:] if ring else arc
        return _joined(ring)
    return [_mapped(inner, arcs) for inner in part]
