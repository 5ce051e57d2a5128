"""How a search runs: which conditions it has, and which index leads."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import shapely

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.compiler import Compiler, shape_of
from terrafair.catalogue.items.cql2 import Node, conjuncts
from terrafair.catalogue.items.documents import Bounds
from terrafair.catalogue.items.expressions import Sql, join
from terrafair.catalogue.items.search import SPATIAL_CAP, Search
from terrafair.catalogue.items.sqlite.dialect import SqliteDialect
from terrafair.catalogue.items.sqlite.schema import DAYS


@dataclass(frozen=True, slots=True)
class Plan:
    """Tables and conditions of a search."""

    source: Sql
    """What stands after FROM; the items are `i`."""
    conditions: tuple[Sql, ...]
    small: bool = False
    """Whether the candidates are few, so that all may be looked at."""

    def where(self, *more: Sql | None) -> Sql:
        """The conditions and further ones."""
        parts = [part.inside for part in (*self.conditions, *more) if part is not None]
        return " WHERE " + join(" AND ", parts) if parts else Sql("")


ITEMS = Sql("items AS i")


def plan(connection: sqlite3.Connection, search: Search, dialect: SqliteDialect) -> Plan:
    """Count the candidates of the spatial index, capped, then choose who leads."""
    conditions = list(_conditions(connection, search, dialect))
    areas = _areas(search)
    if not areas:
        return Plan(ITEMS, tuple(conditions), small=bool(search.ids))
    exact = join(" OR ", [_hit(box, shape).inside for box, shape in areas])
    near = [_candidates(search, box) for box, _ in areas]
    if not search.ids:
        candidates = _union(near)
        (count,) = connection.execute(
            f"SELECT count(*) FROM ({candidates.text} LIMIT {SPATIAL_CAP + 1})", candidates.values
        ).fetchone()
        if count <= SPATIAL_CAP:
            # CROSS JOIN: SQLite keeps the order of the tables.
            source = "(" + candidates + ") AS s CROSS JOIN items AS i ON i.number = s.number"
            return Plan(source, (*conditions, exact), small=True)
    return Plan(ITEMS, (*conditions, exact), small=bool(search.ids))


def _union(parts: Sequence[Sql]) -> Sql:
    return join(" UNION ", parts)


def _conditions(connection: sqlite3.Connection, search: Search, dialect: SqliteDialect) -> Sequence[Sql]:
    conditions = []
    collections = search.collections
    if collections:
        marks = ", ".join("?" * len(collections))
        conditions.append(Sql("i.collection = ?" if len(collections) == 1 else f"i.collection IN ({marks})", collections))
    elif search.ids:
        # The index by id starts with the collection.
        conditions.append(Sql("i.collection IN (SELECT id FROM collections)"))
    if search.ids:
        conditions.append(Sql(f"i.id IN ({', '.join('?' * len(search.ids))})", search.ids))
    if search.interval is not None:
        conditions.append(_during(connection, search))
    if search.text:
        match = " OR ".join(f'"{phrase}"' for phrase in search.text)
        conditions.append(Sql("i.number IN (SELECT rowid FROM words WHERE words MATCH ?)", (match,)))
    if search.filter is not None:
        conditions.append(Compiler(dialect).condition(search.filter))
    return conditions


def _during(connection: sqlite3.Connection, search: Search) -> Sql:
    """Overlaps the interval; the longest span of an item bounds where the index has to start."""
    assert search.interval is not None  # noqa: S101 - asked for only then
    first, last = search.interval
    if first == instants.EARLIEST:
        return Sql("i.start <= ?", (last,))
    chosen = search.collections
    where = f" WHERE id IN ({', '.join('?' * len(chosen))})" if chosen else ""
    (span,) = connection.execute(f"SELECT coalesce(max(span), 0) FROM collections{where}", chosen).fetchone()
    return Sql("i.start <= ? AND i.start >= ? AND i.finish >= ?", (last, first - span, first))


def _areas(search: Search) -> list[tuple[Bounds, bytes | None]]:
    """Boxes, one of which an item must hit, with the exact shape where it is none.

    Of several spatial conditions the first leads and the others are conditions of the filter.
    """
    if search.boxes:
        return [(box, None) for box in search.boxes]
    if search.intersects is not None:
        return [(shapely.from_wkb(search.intersects).bounds, search.intersects)]
    return []


def led_by_space(search: Search) -> Search:
    """The search with what is spatial in it where the spatial index can see it."""
    from dataclasses import replace

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
    import orjson

    return orjson.loads(shapely.to_geojson(shapely.from_wkb(wkb)))


def _candidates(search: Search, box: Bounds) -> Sql:
    """Numbers from an R*Tree, by place and time."""
    west, south, east, north = box
    near = Sql(" WHERE west <= ? AND east >= ? AND south <= ? AND north >= ?", (east, west, north, south))
    if search.interval is None:
        return "SELECT number FROM space" + near
    first, last = search.interval
    return "SELECT number FROM spacetime" + near + Sql(" AND start <= ? AND finish >= ?", (last / DAYS, first / DAYS))


def _hit(box: Bounds, shape: bytes | None) -> Sql:
    """Whether an item's geometry meets a box, or a shape within it; without GEOS where bounds settle it."""
    west, south, east, north = box
    near = Sql("i.west <= ? AND i.east >= ? AND i.south <= ? AND i.north >= ?", (east, west, north, south))
    if shape is None:
        inside = Sql("i.west >= ? AND i.east <= ? AND i.south >= ? AND i.north <= ?", (west, east, south, north))
        literal = bytes(shapely.to_wkb(shapely.box(west, south, east, north)))
        return near + " AND (i.shape IS NULL OR (" + inside + ") OR hits(i.shape, " + Sql("?", (literal,)) + "))"
    item = "hits(item_shape(i.west, i.south, i.east, i.north, i.shape), "
    return near + f" AND {item}" + Sql("?)", (shape,))
