"""How a search runs: which conditions it has, and which index leads."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import shapely

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.compiler import Compiler
from terrafair.catalogue.items.documents import Bounds
from terrafair.catalogue.items.expressions import Sql, join
from terrafair.catalogue.items.search import SPATIAL_CAP, Search
from terrafair.catalogue.items.spatial import areas
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
    found = areas(search)
    if not found:
        return Plan(ITEMS, tuple(conditions), small=bool(search.ids))
    exact = join(" OR ", [_hit(box, shape).inside for box, shape in found])
    near = [_candidates(search, box) for box, _ in found]
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
        conditions.append(
            Sql("i.collection = ?" if len(collections) == 1 else f"i.collection IN ({marks})", collections)
        )
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
