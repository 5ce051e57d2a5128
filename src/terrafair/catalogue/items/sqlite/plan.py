"""How a search runs: which conditions it has, and which index leads."""

import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import dataclass

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
    candidates: int = 0
    """How many there are."""


_RING = struct.Struct("<BIII10d")
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
    if not search.ids:
        candidates = _union([_candidates(search, box) for box, _ in found])
        near = connection.execute(f"{candidates.text} LIMIT {SPATIAL_CAP + 1}", candidates.values).fetchall()
        if len(near) <= SPATIAL_CAP:
            # They are handed back as they are: a second look into the tree costs more than a list that is read in
            # order. CROSS JOIN: SQLite keeps the order of the tables.
            numbers = str(sorted([number for (number,) in near]))
            source = Sql("json_each(?) AS s CROSS JOIN items AS i ON i.number = s.value", (numbers,))
            single = len(found) == 1 and len(near) <= DOUBTS_MOST
            doubts = _doubts(*found[0], conditions, len(near)) if single else None
            return Plan(source, (*conditions, exact), small=True, doubts=doubts)
    return Plan(ITEMS, (*conditions, exact), small=bool(search.ids))


def _doubts(box: Bounds, shape: bytes | None, conditions: Sequence[Sql], count: int) -> Doubts:
    near = _near(box)
    if shape is not None:
        return Doubts((*conditions, near), Sql("item_shape(i.west, i.south, i.east, i.north, i.shape)"), shape, count)
    doubtful = "CASE WHEN " + _sure(box) + " THEN NULL ELSE i.shape END"
    return Doubts((*conditions, near), doubtful, _wkb(box), count)


def _wkb(box: Bounds) -> bytes:
    """A box as GEOS writes it, a hundred times faster."""
    west, south, east, north = box
    return _RING.pack(1, 3, 1, 5, east, south, east, north, west, north, west, south, east, south)


def _near(box: Bounds) -> Sql:
    west, south, east, north = box
    return Sql("i.west <= ? AND i.east >= ? AND i.south <= ? AND i.north >= ?", (east, west, north, south))


def _sure(box: Bounds) -> Sql:
    """Whether bounds that meet the box settle that the geometry does.

    They do where they are the geometry; where both their sides lie within the box's; and where one does, if the
    geometry is in one piece (WKB's types 1 to 3): it reaches from end to end of the other side, so through the box.
    """
    west, south, east, north = box
    across, along = "(i.west >= ? AND i.east <= ?)", "(i.south >= ? AND i.north <= ?)"
    piece = "substr(i.shape, 2, 1) IN (x'01', x'02', x'03')"
    text = f"(i.shape IS NULL OR (({across} OR {along}) AND ({piece} OR ({across} AND {along}))))"
    return Sql(text, (west, east, south, north) * 2)


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
        literal = _wkb(box)
        settled = near + " AND (" + _sure(box) + " OR hits(i.shape, "
        return settled + Sql("?", (literal,)) + "))"
    item = "hits(item_shape(i.west, i.south, i.east, i.north, i.shape), "
    return near + f" AND {item}" + Sql("?)", (shape,))
