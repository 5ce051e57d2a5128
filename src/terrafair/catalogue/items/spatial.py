"""What is spatial in a search, put where an index can see it."""

from dataclasses import replace

import orjson
import shapely

from terrafair.catalogue.items.compiler import shape_of
from terrafair.catalogue.items.cql2 import Node, conjuncts
from terrafair.catalogue.items.documents import Bounds
from terrafair.catalogue.items.search import Search

Area = tuple[Bounds, bytes | None]
"""A box, and the exact shape (WKB) where it is none."""


def areas(search: Search) -> list[Area]:
    """The areas one of which an item must hit; of several spatial conditions the first leads."""
    if search.boxes:
        return [(box, None) for box in search.boxes]
    if search.intersects is not None:
        return [(shapely.from_wkb(search.intersects).bounds, search.intersects)]
    return []


def led_by_space(search: Search) -> Search:
    """The search with what is spatial in it where the spatial index can see it."""
    if search.boxes and search.intersects is not None:
        # One leads, the other is checked.
        polygon = {"op": "s_intersects", "args": [{"property": "geometry"}, _geojson(search.intersects)]}
        joined = polygon if search.filter is None else {"op": "and", "args": [search.filter, polygon]}
        return replace(search, intersects=None, filter=joined)
    if search.boxes or search.intersects is not None or search.filter is None:
        return search
    parts = conjuncts(search.filter)
    for place, part in enumerate(parts):
        if (literal := _touched(part)) is not None:
            rest = parts[:place] + parts[place + 1 :]
            remaining = None if not rest else rest[0] if len(rest) == 1 else {"op": "and", "args": rest}
            return replace(search, intersects=shape_of(literal), filter=remaining)
    return search


def _touched(node: Node) -> Node | None:
    """The literal that an item's geometry has to intersect."""
    if not isinstance(node, dict) or str(node.get("op")).lower() != "s_intersects" or len(node["args"]) != 2:
        return None
    first, second = node["args"]
    item = {"property": "geometry"}
    if first == item and second != item:
        return second
    return first if second == item and first != item else None


def _geojson(wkb: bytes) -> Node:
    return orjson.loads(shapely.to_geojson(shapely.from_wkb(wkb)))
