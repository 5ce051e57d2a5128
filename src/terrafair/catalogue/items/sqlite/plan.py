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
    doubts: "Doubts | None" = None
    """For few candidates around one area: how GEOS checks them all at once."""

    def where(self, *more: Sql | None, conditions: Sequence[Sql] | None = None) -> Sql:
        """The conditions, or these instead, and further ones."""
        chosen = self.conditions if conditions is None else conditions
        parts = [part.inside for part in (*chosen, *more) if part is not None]
        return " WHERE " + join(" AND ", parts) if parts else Sql("")


@dataclass(frozen=True, slots=True)
class Doubts:
    """What bounds alone do not settle."""

    conditions: tuple[Sql, ...]
    """Those of the plan, without the exact one."""
    shape: Sql
    """WKB of an item's geometry where it has to be checked, else null."""
    area: bytes
    """WKB."""


ITEMS = Sql("items AS i")
DOUBTS_MOST = 1_000
"""Candidates that are brought to Python; sorting more of them is cheaper in SQL."""


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
            doubts = _doubts(*found[0], conditions) if len(found) == 1 and count <= DOUBTS_MOST else None
            return Plan(source, (*conditions, exact), small=True, doubts=doubts)
    return Plan(ITEMS, (*conditions, exact), small=bool(search.ids))


def _doubts(box: Bounds, shape: bytes | None, conditions: Sequence[Sql]) -> Doubts:
    near = _near(box)
    if shape is not None:
        return Doubts((*conditions, near), Sql("item_shape(i.west, i.south, i.east, i.north, i.shape)"), shape)
    doubtful = "CASE WHEN i.shape IS NULL OR (" + _inside(box) + ") THEN NULL ELSE i.shape END"
    return Doubts((*conditions, near), doubtful, bytes(shapely.to_wkb(shapely.box(*box))))


def _near(box: Bounds) -> Sql:
    west, south, east, north = box
    return Sql("i.west <= ? AND i.east >= ? AND i.south <= ? AND i.north >= ?", (east, west, north, south))


def _inside(box: Bounds) -> Sql:
    west, south, east, north = box
    return Sql("i.west >= ? AND i.east <= ? AND i.south >= ? AND i.north <= ?", (west, east, south, north))


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
    near = _near(box)
    if shape is None:
        literal = bytes(shapely.to_wkb(shapely.box(*box)))
        settled = near + " AND (i.shape IS NULL OR (" + _inside(box) + ") OR hits(i.shape, "
        return settled + Sql("?", (literal,)) + "))"
    item = "hits(item_shape(i.west, i.south, i.east, i.north, i.shape), "
    return near + f" AND {item}" + Sql("?)", (shape,))
