"""The item store on PostgreSQL."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import shapely

from terrafair.catalogue.items import aggregations, instants, order
from terrafair.catalogue.items.compiler import Compiler
from terrafair.catalogue.items.documents import check_id, read_collection, read_item
from terrafair.catalogue.items.expressions import Path, Sql, join
from terrafair.catalogue.items.pgstac import write
from terrafair.catalogue.items.pgstac.connections import Connections
from terrafair.catalogue.items.pgstac.dialect import PgstacDialect, clean, geometry
from terrafair.catalogue.items.search import COUNT_CAP, SMALL, SPATIAL_CAP, Aggregation, Bucket, Page, Search, Stored
from terrafair.catalogue.items.spatial import areas, led_by_space
from terrafair.errors import Conflict, NotFound

SAMPLE = 500
EXPORT_ROWS = 1000
_COLUMNS = "(d.document - 'links')::text, coalesce(d.document -> 'links', '[]')::text"
_SOURCE = "pgstac.items AS i"

Row = tuple[Any, ...]
"""Id, collection, document and links as text; then the keys of the order."""


class PgstacItems:
    """Items in a database that `prepare` has made ready; pgSTAC's own tools may use it, too."""

    def __init__(self, url: str) -> None:
        self._connections = Connections(url)
        self._dialect = PgstacDialect()

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def version(self) -> str:
        """From the rows' transactions, so that changes by other tools count."""
        with self._connections.transaction() as cursor:
            cursor.execute("SELECT count(*), coalesce(max(xmin::text::bigint), 0) FROM collections")
            return "{}:{}".format(*cursor.fetchone())

    def collections(self) -> Sequence[Stored]:
        """All, by id."""
        return self._collections("", ())

    def collection(self, id: str) -> Stored | None:  # noqa: A002 - the field's word
        """One."""
        found = self._collections("WHERE id = %s", (clean(id),))
        return found[0] if found else None

    def _collections(self, where: str, values: Sequence[Any]) -> Sequence[Stored]:
        with self._connections.transaction() as cursor:
            cursor.execute(
                f"SELECT id, ({write.WHOLE_COLLECTION} - 'links')::text, coalesce(content -> 'links', '[]')::text"
                f' FROM collections {where} ORDER BY id COLLATE "C"',
                values,
            )
            return [Stored(name, _plain(head), _plain(links)) for name, head, links in cursor.fetchall()]

    def put_collection(self, document: Mapping[str, Any]) -> str:
        """Create or replace."""
        identifier, head, links = read_collection(document)
        with self._connections.transaction() as cursor:
            write.put_collection(cursor, identifier, Stored(identifier, head, links).document().decode())
        return identifier

    def delete_collection(self, id: str) -> None:  # noqa: A002
        """With its items."""
        with self._connections.transaction() as cursor:
            cursor.execute("DELETE FROM collections WHERE id = %s", (clean(id),))
            if not cursor.rowcount:
                raise NotFound(f"There is no collection {id!r}.", where="collection")

    def put_items(self, collection: str, documents: Sequence[Mapping[str, Any]], *, replace: bool = True) -> int:
        """Store items."""
        entries = {
            entry.id: entry
            for entry in (read_item(document, check_id(collection, "collection")) for document in documents)
        }
        with self._connections.transaction() as cursor:
            cursor.execute("SELECT 1 FROM collections WHERE id = %s", (collection,))
            if cursor.fetchone() is None:
                raise NotFound(f"There is no collection {collection!r}.", remedy="Create it first.", where="collection")
            if not replace:
                cursor.execute(
                    "SELECT id FROM items WHERE collection = %s AND id = ANY(%s)", (collection, list(entries))
                )
                if taken := cursor.fetchone():
                    raise Conflict(
                        f"The collection {collection!r} has an item {taken[0]!r} already.",
                        remedy="PUT replaces an item.",
                    )
            write.put(cursor, collection, list(entries.values()))
        return len(entries)

    def delete_item(self, collection: str, id: str) -> None:  # noqa: A002
        """Remove one."""
        with self._connections.transaction() as cursor:
            cursor.execute("DELETE FROM items WHERE collection = %s AND id = %s", (clean(collection), clean(id)))
            if not cursor.rowcount:
                raise NotFound(f"The collection {collection!r} has no item {id!r}.", where="item")

    def item(self, collection: str, id: str) -> Stored | None:  # noqa: A002
        """One."""
        found = self._documents(Sql(" WHERE i.collection = %s AND i.id = %s", (clean(collection), clean(id))))
        return found[0] if found else None

    def search(self, search: Search) -> Page:
        """One page."""
        keys = order.keys_of(search, self._dialect)
        asked = order.fingerprint(search)
        place = order.read_token(search.token, asked, len(keys)) if search.token else None
        search = led_by_space(search)
        conditions = self._conditions(search)
        matched: int | None
        with self._connections.transaction() as cursor:
            if place is None and _near(search) and (found := self._at_once(cursor, search, keys, conditions)):
                rows, matched = found
            else:
                rows = self._in_order(cursor, search, keys, place, conditions)
                matched = place.matched if place else self._count(cursor, search, conditions, len(rows))
        return _page(rows, search.limit, place, matched, asked)

    def _in_order(
        self, cursor: Any, search: Search, keys: Sequence[order.Key], place: order.Place | None, where: Sequence[Sql]
    ) -> list[Row]:
        rows: list[Row] = []
        for segment in order.segments(keys, place, self._dialect):
            inner = "SELECT i, " + _named(keys) + f" FROM {_SOURCE}" + _where([*where, segment.condition])
            inner = inner + " ORDER BY " + segment.order + Sql(" LIMIT %s", (search.limit + 1 - len(rows),))
            names = ", ".join(f"p.k{n}" for n in range(len(keys)))
            outer = f"SELECT (p.i).id, (p.i).collection, {_COLUMNS}, {names} FROM (" + inner + ") AS p"
            outer = outer + f", LATERAL (SELECT {write.WHOLE} AS document) AS d"
            cursor.execute(outer.text, outer.values)
            rows += cursor.fetchall()
            if len(rows) > search.limit:
                break
        return rows

    def _at_once(
        self, cursor: Any, search: Search, keys: Sequence[order.Key], conditions: Sequence[Sql]
    ) -> tuple[list[Row], int] | None:
        """Few matches in space, found by one walk through the spatial index: the page and their number; else None."""
        found = "SELECT i.collection, i.id, " + _named(keys) + f" FROM {_SOURCE}" + _where(conditions)
        found = "SELECT m.*, count(*) OVER () FROM (" + found + f" LIMIT {SPATIAL_CAP + 1}) AS m ORDER BY "
        found = found + order.whole([replace(key, sql=Sql(f"m.k{n}")) for n, key in enumerate(keys)])
        found = found + Sql(" LIMIT %s", (search.limit + 1,))
        cursor.execute(found.text, found.values)
        rows = cursor.fetchall()
        if not rows:
            return [], 0
        if (matched := int(rows[0][-1])) > SPATIAL_CAP:
            return None
        places = ([row[0] for row in rows], [row[1] for row in rows])
        wanted = Sql(" JOIN unnest(%s::text[], %s::text[]) AS w (c, n) ON i.collection = w.c AND i.id = w.n", places)
        texts = {row[:2]: row for row in self._texts(cursor, wanted)}
        # One that was removed meanwhile is left out.
        return [(*texts[key], *row[2:-1]) for row in rows if (key := (row[1], row[0])) in texts], matched

    def _count(self, cursor: Any, search: Search, conditions: Sequence[Sql], seen: int) -> int | None:
        if not search.count or seen <= search.limit:
            return seen if search.count else None
        cap = self._cap(cursor, search)
        if not cap:
            return None
        statement = f"SELECT count(*) FROM (SELECT 1 FROM {_SOURCE}" + _where(conditions) + f" LIMIT {cap + 1}) AS c"
        cursor.execute(statement.text, statement.values)
        (count,) = cursor.fetchone()
        return None if count > cap else int(count)

    def _cap(self, cursor: Any, search: Search) -> int:
        """How far matches are counted: no further than the page's own part of the work."""
        spatial, slow = search.boxes or search.intersects, search.filter or search.text
        if not (spatial or slow or search.ids or search.interval):
            # The sizes of collections are known.
            return 10**12
        if not (spatial or slow) or self._small(cursor, search.collections):
            return COUNT_CAP
        # In a million items a filter took half a second to count what its page found in six milliseconds. In space
        # there are more than are counted, or they would have been found at once.
        return 0

    def _small(self, cursor: Any, collections: tuple[str, ...]) -> bool:
        where = _where(self._conditions(Search(collections)))
        statement = f"SELECT count(*) FROM (SELECT 1 FROM {_SOURCE}" + where + f" LIMIT {SMALL + 1}) AS c"
        cursor.execute(statement.text, statement.values)
        return int(cursor.fetchone()[0]) <= SMALL

    def aggregate(self, search: Search, names: Sequence[str]) -> Sequence[Aggregation]:
        """Counts over all matches."""
        where = _where(self._conditions(led_by_space(search)))
        with self._connections.transaction() as cursor:
            return [self._aggregation(cursor, name, where) for name in names]

    def _aggregation(self, cursor: Any, name: str, where: Sql) -> Aggregation:
        chosen = aggregations.read(name)
        if chosen.frequency is None:
            expression = {
                "total_count": "count(*)",
                "datetime_min": "min(i.datetime)",
                "datetime_max": "max(i.end_datetime)",
            }
            statement = f"SELECT {expression[name]} FROM {_SOURCE}" + where
            cursor.execute(statement.text, statement.values)
            (value,) = cursor.fetchone()
            return Aggregation(name, instants.text(_micros(value)) if isinstance(value, datetime) else value)
        key = Sql("i.collection")
        if chosen.frequency == "datetime":
            form = {
                "year": 'YYYY-01-01"T00:00:00Z"',
                "month": 'YYYY-MM-01"T00:00:00Z"',
                "day": 'YYYY-MM-DD"T00:00:00Z"',
            }
            key = Sql(f"to_char(i.datetime, '{form[chosen.step]}')")
        elif chosen.frequency != "collection":
            key = Sql("(i.content #>> %s::text[])", (["properties", *Path.read(chosen.frequency).names],))
        statement = "SELECT k, count(*) FROM (SELECT " + key + f" AS k FROM {_SOURCE}" + where + ") AS s"
        statement = (
            statement + f' WHERE k IS NOT NULL GROUP BY k ORDER BY 2 DESC, k COLLATE "C" LIMIT {aggregations.BUCKETS}'
        )
        cursor.execute(statement.text, statement.values)
        return aggregations.frequency(name, [Bucket(value, count) for value, count in cursor.fetchall()])

    def properties(self, collections: Sequence[str]) -> Mapping[str, set[str]]:
        """From the newest items of each collection."""
        found: dict[str, set[str]] = {}
        with self._connections.transaction() as cursor:
            cursor.execute("SELECT id FROM collections ORDER BY id LIMIT 50")
            for name in collections or [row[0] for row in cursor.fetchall()]:
                cursor.execute(
                    "SELECT DISTINCT e.key, jsonb_typeof(e.value) FROM (SELECT content FROM items WHERE collection = %s"
                    f" ORDER BY datetime DESC LIMIT {SAMPLE}) AS s, jsonb_each(s.content -> 'properties') AS e",
                    (clean(name),),
                )
                for key, kind in cursor.fetchall():
                    if kind != "null":
                        found.setdefault(key, set()).add(kind)
        return found

    def all_items(self, collection: str) -> Iterator[Stored]:
        """Every item, by id."""
        last = ""
        while True:
            where = Sql(' WHERE i.collection = %s AND i.id COLLATE "C" > %s', (collection, last))
            rows = self._documents(where + f' ORDER BY i.id COLLATE "C" LIMIT {EXPORT_ROWS}')
            yield from rows
            if len(rows) < EXPORT_ROWS:
                return
            last = rows[-1].id

    def _documents(self, where: Sql) -> list[Stored]:
        with self._connections.transaction() as cursor:
            return [_stored(row) for row in self._texts(cursor, where)]

    def _texts(self, cursor: Any, where: Sql) -> list[Row]:
        statement = f"SELECT (p.i).id, (p.i).collection, {_COLUMNS} FROM (SELECT i FROM {_SOURCE}" + where + ") AS p"
        statement = statement + f", LATERAL (SELECT {write.WHOLE} AS document) AS d"
        cursor.execute(statement.text, statement.values)
        rows: list[Row] = cursor.fetchall()
        return rows

    def _conditions(self, search: Search) -> list[Sql]:
        conditions = []
        if search.collections:
            conditions.append(Sql("i.collection = ANY(%s)", ([clean(name) for name in search.collections],)))
        if search.ids:
            conditions.append(Sql("i.id = ANY(%s)", ([clean(name) for name in search.ids],)))
        if search.interval is not None:
            first, last = (self._dialect.instant(side) for side in search.interval)
            conditions.append("i.datetime <= " + last + " AND i.end_datetime >= " + first)
        if found := areas(search):
            conditions.append(join(" OR ", [_hit(*area).inside for area in found]))
        for group in [search.text] if search.text else []:
            mentioned = [Sql("terrafair.mentions(i.content -> 'properties', %s)", (f" {phrase} ",)) for phrase in group]
            conditions.append(join(" OR ", mentioned))
        if search.filter is not None:
            conditions.append(Compiler(self._dialect).condition(search.filter))
        return conditions


def _hit(box: tuple[float, float, float, float], shape: bytes | None) -> Sql:
    area = geometry(bytes(shapely.to_wkb(shapely.box(*box))) if shape is None else shape)
    return "ST_Intersects(i.geometry, " + area + ")"


def _near(search: Search) -> bool:
    """Whether the spatial index alone leads to the matches."""
    return bool(search.count and (search.boxes or search.intersects) and not (search.filter or search.text))


def _named(keys: Sequence[order.Key]) -> Sql:
    return join(", ", [key.sql + f" AS k{n}" for n, key in enumerate(keys)])


def _where(conditions: Sequence[Sql | None]) -> Sql:
    parts = [condition.inside for condition in conditions if condition is not None]
    return " WHERE " + join(" AND ", parts) if parts else Sql("")


def _page(rows: list[Row], limit: int, place: order.Place | None, matched: int | None, asked: str) -> Page:
    backwards = place.backwards if place else False
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()

    def token(row: Row, *, back: bool) -> str:
        values = tuple(_micros(value) if isinstance(value, datetime) else value for value in row[4:])
        return order.write_token(order.Place(values, back, matched), asked)

    following = rows and (more or backwards)
    previous = rows and (more if backwards else place is not None)
    return Page(
        tuple(_stored(row) for row in rows),
        matched,
        token(rows[-1], back=False) if following else "",
        token(rows[0], back=True) if previous else "",
    )


def _stored(row: Row) -> Stored:
    return Stored(row[0], _plain(row[2]), _plain(row[3]), row[1])


def _plain(text: str) -> bytes:
    return text.encode()


def _micros(moment: datetime) -> int:
    return (moment - instants.EPOCH) // timedelta(microseconds=1)
