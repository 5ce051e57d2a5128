"""STAC items and collections as they are stored: checked for what the index needs, the document itself kept."""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import orjson
import shapely
from shapely.geometry.base import BaseGeometry

from terrafair.catalogue.items import instants
from terrafair.errors import InvalidInput

STRUCTURAL = frozenset({"self", "root", "parent", "collection", "items", "next", "prev"})
"""Links that say where a document lies; they are written anew for whoever asks."""
ID_LENGTH = 512

Bounds = tuple[float, float, float, float]
_UNFIT = re.compile(r"[\x00-\x1f\x7f/\\]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item, taken apart for the index."""

    collection: str
    id: str
    start: int
    """Microseconds since 1970; likewise `finish`."""
    finish: int
    bounds: Bounds | None
    """West, south, east, north of the geometry; None: it has none."""
    shape: bytes | None
    """WKB; None where the geometry is its bounds, or there is none."""
    head: bytes
    """The document as JSON without its properties and links."""
    properties: bytes
    links: bytes
    """A JSON array without the structural links."""


def dump(value: Any, where: str = "") -> bytes:
    """JSON; raises `InvalidInput` for numbers and texts that JSON has not."""
    try:
        return orjson.dumps(value)
    except (TypeError, ValueError, RecursionError) as fault:
        raise InvalidInput(f"The document is no JSON: {str(fault)[:200]}.", where=where) from None


def check_id(value: Any, what: str = "item") -> str:
    """An id that can stand in a path; raises `InvalidInput`."""
    fit = isinstance(value, str) and value.strip() and len(value) <= ID_LENGTH and not _UNFIT.search(value)
    if not fit or value in {".", ".."}:
        raise InvalidInput(
            f"The {what} id {str(value)[:80]!r} cannot be used.",
            f"An id is a text of 1 to {ID_LENGTH} characters without slash, backslash or control characters.",
            where="id",
        )
    return str(value)


def read_item(document: Any, collection: str = "") -> Entry:
    """Take an item apart; raises `InvalidInput` naming the field at fault."""
    if not isinstance(document, dict) or document.get("type") != "Feature":
        found = document.get("type") if isinstance(document, dict) else type(document).__name__
        raise InvalidInput(
            f"This is {str(found)[:60]!r}, not a STAC item.", "An item has `type`: `Feature`.", where="type"
        )
    identifier = check_id(document.get("id"))
    named = document.get("collection") or collection
    if collection and named != collection:
        raise InvalidInput(
            f"The item {identifier!r} belongs to the collection {str(named)[:80]!r}, not to {collection!r}.",
            where="collection",
        )
    properties = document.get("properties")
    if not isinstance(properties, dict):
        raise InvalidInput(f"The item {identifier!r} has no object `properties`.", where="properties")
    start, finish = _period(properties, identifier)
    geometry = _geometry(document.get("geometry"), identifier)
    bounds: Bounds | None = None if geometry is None else geometry.bounds
    head = {name: value for name, value in document.items() if name not in {"properties", "links"}}
    head["collection"] = check_id(named, "collection")
    return Entry(
        collection=named,
        id=identifier,
        start=start,
        finish=finish,
        bounds=bounds,
        shape=shape_for_index(geometry),
        head=dump(head, identifier),
        properties=dump(properties, identifier),
        links=dump(own_links(document), identifier),
    )


def read_collection(document: Any) -> tuple[str, bytes, bytes]:
    """Id, JSON without links, and the JSON array of its own links; raises `InvalidInput`."""
    if not isinstance(document, dict) or document.get("type") != "Collection":
        found = document.get("type") if isinstance(document, dict) else type(document).__name__
        raise InvalidInput(f"This is {str(found)[:60]!r}, not a STAC collection.", where="type")
    identifier = check_id(document.get("id"), "collection")
    for name, kind in (("description", str), ("license", str), ("extent", dict)):
        if not isinstance(document.get(name), kind):
            raise InvalidInput(f"The collection {identifier!r} has no {name!r}.", "STAC requires it.", where=name)
    _check_extent(document["extent"])
    head = {name: value for name, value in document.items() if name != "links"}
    return identifier, dump(head, identifier), dump(own_links(document), identifier)


def own_links(document: dict[str, Any]) -> list[Any]:
    """The links that are not structural."""
    links = document.get("links", [])
    if not isinstance(links, list) or not all(isinstance(link, dict) for link in links):
        raise InvalidInput("`links` is not an array of objects.", where="links")
    return [link for link in links if link.get("rel") not in STRUCTURAL]


def parse_geometry(value: Any, where: str) -> BaseGeometry:
    """A GeoJSON geometry; raises `InvalidInput`."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        raise InvalidInput(
            "This is no GeoJSON geometry.", remedy="Give an object with `type` and `coordinates`.", where=where
        )
    try:
        geometry = shapely.from_geojson(dump(value, where))
    except (shapely.errors.ShapelyError, ValueError) as fault:
        raise InvalidInput(f"The geometry cannot be read: {str(fault)[:160]}.", where=where) from None
    if geometry is None or geometry.is_empty:
        raise InvalidInput("The geometry is empty.", where=where)
    if not all(math.isfinite(value) for value in geometry.bounds):
        raise InvalidInput("The geometry has coordinates that are not finite.", where=where)
    return geometry


def _geometry(value: Any, identifier: str) -> BaseGeometry | None:
    return None if value is None else parse_geometry(value, f"{identifier}/geometry")


def shape_for_index(geometry: BaseGeometry | None) -> bytes | None:
    """WKB in two dimensions; None where the geometry is its bounds, or there is none."""
    if geometry is None:
        return None
    flat = shapely.force_2d(geometry)
    return None if isinstance(flat, shapely.Polygon) and _is_its_bounds(flat) else bytes(shapely.to_wkb(flat))


def _is_its_bounds(polygon: shapely.Polygon) -> bool:
    west, south, east, north = polygon.bounds
    ring = list(polygon.exterior.coords)
    if polygon.interiors or len(ring) != 5 or west >= east or south >= north:
        return False
    corners = {(west, south), (west, north), (east, south), (east, north)}
    return set(ring) == corners and all(a[0] == b[0] or a[1] == b[1] for a, b in pairwise(ring))


def _period(properties: dict[str, Any], identifier: str) -> tuple[int, int]:
    """What an item spans: start and end where it has both, else its datetime, as pgSTAC has it."""
    sides = properties.get("start_datetime"), properties.get("end_datetime")
    names = ("start_datetime", "end_datetime")
    if None in sides:
        sides, names = (properties.get("datetime"),) * 2, ("datetime", "datetime")
    found = []
    for name, value in zip(names, sides, strict=True):
        try:
            found.append(instants.instant(value))  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise InvalidInput(
                f"The item {identifier!r} has the {name} {str(value)[:60]!r}.",
                "An item has an RFC 3339 `datetime`, or `start_datetime` and `end_datetime`.",
                where=f"properties/{name}",
            ) from None
    if found[0] > found[1]:
        raise InvalidInput(f"The item {identifier!r} ends before it starts.", where="properties/end_datetime")
    return found[0], found[1]


def _check_extent(extent: dict[str, Any]) -> None:
    spatial, temporal = extent.get("spatial"), extent.get("temporal")
    boxes = spatial.get("bbox") if isinstance(spatial, dict) else None
    intervals = temporal.get("interval") if isinstance(temporal, dict) else None
    if not (isinstance(boxes, list) and boxes and all(isinstance(box, list) and len(box) in {4, 6} for box in boxes)):
        raise InvalidInput(
            "The extent has no spatial bbox.", "It is an array of arrays of 4 or 6 numbers.", where="extent"
        )
    if not (
        isinstance(intervals, list)
        and intervals
        and all(isinstance(pair, list) and len(pair) == 2 for pair in intervals)
    ):
        raise InvalidInput("The extent has no temporal interval.", "It is an array of pairs.", where="extent")
