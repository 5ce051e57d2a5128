"""The embedded item store."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from operator import itemgetter
from pathlib import Path
from typing import Any

import shapely

from terrafair.catalogue.items import order
from terrafair.catalogue.items.documents import Entry, check_id, read_collection, read_item
from terrafair.catalogue.items.expressions import Kind, Sql, join
from terrafair.catalogue.items.search import COUNT_CAP, SMALL, Aggregation, Page, Search, Stored
from terrafair.catalogue.items.spatial import led_by_space
from terrafair.catalogue.items.sqlite import counts, write
from terrafair.catalogue.items.sqlite.dialect import SqliteDialect
from terrafair.catalogue.items.sqlite.plan import Doubts, Plan, plan
from terrafair.catalogue.items.sqlite.schema import (
    COUNT_OPERATIONS,
    LOOKS_MOST,
    Connections,
    Row,
    count,
    index_property,
    indexed,
)

SAMPLE = 500
"""Items that are looked at for names of properties."""
EXPORT_ROWS = 1000


class SqliteItems:
    """Items in one SQLite file; without a path in memory, for an index that is made anew at each start."""

    def __init__(self, path: Path | None = None) -> None:
        self._connections = Connections(path)
        self._refresh()

    def _refresh(self) -> None:
        with self._connections.reading() as connection:
            self._dialect = SqliteDialect(indexed(connection))

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def index_property(self, name: str, kind: Kind) -> None:
        """Make searches and orders by a property fast."""
        with self._connections.writing() as connection:
            index_property(connection, name, kind)
        self._refresh()

    def optimise(self) -> None:
        """Tell the planner what the data is like; after a large load."""
        with self._connections.writing() as connection:
            connection.execute("PRAGMA analysis_limit = 2000")
            connection.execute("ANALYZE")

    def version(self) -> str:
        """The number of changes to collections."""
        with self._connections.reading() as connection:
            return str(connection.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0])

    def collections(self) -> Sequence[Stored]:
        """All, by id."""
        with self._connections.reading() as connection:
            rows = connection.execute("SELECT id, head, links FROM collections ORDER BY id").fetchall()
        return [Stored(name.decode(), head, links) for name, head, links in rows]

    def collection(self, id: str) -> Stored | None:  # noqa: A002
        """One."""
        with self._connections.reading() as connection:
            row = connection.execute("SELECT id, head, links FROM collections WHERE id = ?", (id,)).fetchone()
        return None if row is None else Stored(row[0].decode(), row[1], row[2])

    def put_collection(self, document: Mapping[str, Any]) -> str:
        """Create or replace."""
        identifier, head, links = read_collection(document)
        with self._connections.writing() as connection:
            write.put_collection(connection, identifier, head, links)
        return identifier

    def delete_collection(self, id: str) -> None:  # noqa: A002
        """With its items."""
        with self._connections.writing() as connection:
            write.delete_collection(connection, id)

    def put_items(self, collection: str, documents: Sequence[Mapping[str, Any]], *, replace: bool = True) -> int:
        """Store items."""
        entries = [read_item(document, check_id(collection, "collection")) for document in documents]
        with self._connections.writing() as connection:
            return write.put_items(connection, collection, entries, replace=replace)

    def put_entries(self, collection: str, entries: Sequence[Entry]) -> int:
        """Store what somebody else has taken apart: features that are no STAC items."""
        with self._connections.writing() as connection:
            return write.put_items(connection, collection, entries, replace=True)

    def delete_item(self, collection: str, id: str) -> None:  # noqa: A002
        """Remove one."""
        with self._connections.writing() as connection:
            write.delete_item(connection, collection, id)

    def item(self, collection: str, id: str) -> Stored | None:  # noqa: A002
        """One."""
        with self._connections.reading() as connection:
            row = connection.execute(
                "SELECT c.head, i.properties, c.links FROM items AS i CROSS JOIN contents AS c ON c.number = i.number"
                " WHERE i.collection = ? AND i.id = ?",
                (collection, id),
            ).fetchone()
        return None if row is None else _stored(id, collection, *row)

    def search(self, search: Search) -> Page:
        """One page."""
        return self.search_within(search)

    def search_within(self, search: Search, looks: int = LOOKS_MOST) -> Page:
        """One page; raises `TimedOut` after so many times `OPERATIONS` steps, which do not depend on what else runs."""
        keys = order.keys_of(search, self._dialect)
        asked = order.fingerprint(search)
        place = order.read_token(search.token, asked, len(keys)) if search.token else None
        with self._connections.reading(looks=looks) as connection:
            found = _Reading(connection, led_by_space(search), self._dialect, keys, place)
            rows = found.rows()
            return found.page(rows, asked)

    def aggregate(self, search: Search, names: Sequence[str]) -> Sequence[Aggregation]:
        """Counts over all matches."""
        with self._connections.reading() as connection:
            chosen = plan(connection, led_by_space(search), self._dialect)
            return [counts.aggregate(connection, name, chosen, self._dialect) for name in names]

    def properties(self, collections: Sequence[str]) -> Mapping[str, set[str]]:
        """From the newest items of each collection."""
        found: dict[str, set[str]] = {}
        with self._connections.reading() as connection:
            wanted = collections or [
                row[0].decode() for row in connection.execute("SELECT id FROM collections LIMIT 50")
            ]
            for name in wanted:
                rows = connection.execute(
                    "SELECT DISTINCT e.key, e.type FROM (SELECT properties FROM items WHERE collection = ?"
                    f" ORDER BY start DESC LIMIT {SAMPLE}) AS s, json_each(s.properties) AS e WHERE e.type <> 'null'",
                    (name,),
                )
                for key, kind in rows:
                    found.setdefault(key.decode(), set()).add(kind.decode())
        return found

    def all_items(self, collection: str) -> Iterator[Stored]:
        """Every item, by id."""
        last = ""
        while True:
            with self._connections.reading() as connection:
                rows = connection.execute(
                    "SELECT i.id, c.head, i.properties, c.links FROM items AS i CROSS JOIN contents AS c"
                    f" ON c.number = i.number WHERE i.collection = ? AND i.id > ? ORDER BY i.id LIMIT {EXPORT_ROWS}",
                    (collection, last),
                ).fetchall()
            for name, *rest in rows:
                last = name.decode()
                yield _stored(last, collection, *rest)
            if len(rows) < EXPORT_ROWS:
                return


def _stored(identifier: str, collection: str, head: bytes, properties: bytes, links: bytes) -> Stored:
    return Stored(identifier, head[:-1] + b',"properties":' + properties + b"}", links, collection)


def _sorted(rows: list[Row], keys: Sequence[order.Key]) -> list[Row]:
    for place in range(len(keys), 0, -1):
        rows.sort(key=itemgetter(place), reverse=keys[place - 1].descending)
    return rows


class _Reading:
    """One search on one connection."""

    def __init__(
        self,
        connection: Any,
        search: Search,
        dialect: SqliteDialect,
        keys: Sequence[order.Key],
        place: order.Place | None,
    ) -> None:
        self._sql = connection
        self._search = search
        self._dialect = dialect
        self._keys = keys
        self._place = place
        self._plan: Plan = plan(connection, search, dialect)
        self._matched: int | None = place.matched if place else None

    def rows(self) -> list[Row]:
        """Number and key values of one more row than the page holds."""
        wanted = self._search.limit + 1
        # A few candidates are all looked at anyway: their number comes along.
        along = self._plan.small and self._place is None and self._search.count and not self._keys[0].nullable
        if along and self._plan.doubts is not None and not any(key.nullable for key in self._keys):
            return self._checked(self._plan.doubts, wanted)
        counted = Sql(", count(*) OVER ()" if along else "")
        columns = "i.number, " + join(", ", [key.sql for key in self._keys]) + counted
        rows: list[Row] = []
        for segment in order.segments(self._keys, self._place, self._dialect):
            statement = "SELECT " + columns + " FROM " + self._plan.source + self._plan.where(segment.condition)
            statement = statement + " ORDER BY " + segment.order + Sql(" LIMIT ?", (wanted - len(rows),))
            rows += self._sql.execute(statement.text, statement.values).fetchall()
            if len(rows) >= wanted:
                break
        if along:
            self._matched = rows[0][-1] if rows else 0
            rows = [row[:-1] for row in rows]
        elif self._place is None and self._search.count:
            self._matched = self._count(rows)
        return rows

    def _checked(self, doubts: Doubts, wanted: int) -> list[Row]:
        """All candidates, checked by GEOS at once and ordered here: half the time of asking for each from SQL.

        Of many, only the first key is read of all of them, the others of those that may be on the page.
        """
        first = self._keys[0]
        keys = [first] if doubts.candidates > 4 * wanted else self._keys
        columns = "i.number, " + join(", ", [key.sql for key in keys]) + ", " + doubts.shape
        statement = "SELECT " + columns + " FROM " + self._plan.source + self._plan.where(conditions=doubts.conditions)
        rows: list[Row] = self._sql.execute(statement.text, statement.values).fetchall()
        unsure = [row for row in rows if row[-1] is not None]
        if unsure:
            area = shapely.from_wkb(doubts.area)
            shapely.prepare(area)
            hit = shapely.intersects(area, shapely.from_wkb([row[-1] for row in unsure]))
            missed = {row[0] for row, found in zip(unsure, hit.tolist(), strict=True) if not found}
            rows = [row for row in rows if row[0] not in missed] if missed else rows
        self._matched = len(rows)
        if keys is self._keys:
            return _sorted([row[:-1] for row in rows], keys)[:wanted]
        rows.sort(key=itemgetter(1), reverse=first.descending)
        if len(rows) > wanted:
            last = rows[wanted - 1][1]
            end = next((place for place in range(wanted, len(rows)) if rows[place][1] != last), len(rows))
            del rows[end:]
        return self._keyed([row[0] for row in rows])[:wanted]

    def _keyed(self, numbers: Sequence[int]) -> list[Row]:
        """These items with all keys, in their order."""
        columns = "i.number, " + join(", ", [key.sql for key in self._keys])
        statement = "SELECT " + columns + " FROM items AS i WHERE i.number IN (SELECT value FROM json_each(?))"
        rows: list[Row] = self._sql.execute(statement.text, (*statement.values, str(list(numbers)))).fetchall()
        return _sorted(rows, self._keys)

    def _count(self, rows: Sequence[Row]) -> int | None:
        if len(rows) <= self._search.limit:
            return len(rows)
        search = self._search
        if not (search.ids or search.boxes or search.intersects or search.interval or search.text or search.filter):
            return counts.total(self._sql, search.collections)
        if (search.boxes or search.intersects) and not self._plan.small:
            return None
        where = self._plan.where()
        statement = "SELECT count(*) FROM (SELECT 1 FROM " + self._plan.source + where + f" LIMIT {COUNT_CAP + 1})"
        # A small archive is counted whatever the filter costs; of a large one only what is cheap.
        small = counts.total(self._sql, search.collections) <= SMALL
        found = count(self._sql, statement.text, statement.values, COUNT_OPERATIONS * (500 if small else 1))
        return None if found is None or found > COUNT_CAP else found

    def page(self, rows: list[Row], asked: str) -> Page:
        """The documents of the rows, and where the pages beside this one start."""
        backwards = self._place.backwards if self._place else False
        more = len(rows) > self._search.limit
        rows = rows[: self._search.limit]
        if backwards:
            rows.reverse()
        following = rows and (more or backwards)
        previous = rows and (more if backwards else self._place is not None)
        return Page(
            self._documents([row[0] for row in rows]),
            self._matched,
            self._token(rows[-1], asked, backwards=False) if following else "",
            self._token(rows[0], asked, backwards=True) if previous else "",
        )

    def _token(self, row: Row, asked: str, *, backwards: bool) -> str:
        values = tuple(value.decode() if isinstance(value, bytes) else value for value in row[1:])
        return order.write_token(order.Place(values, backwards, self._matched), asked)

    def _documents(self, numbers: Sequence[int]) -> tuple[Stored, ...]:
        marks = ", ".join("?" * len(numbers))
        with closing(
            self._sql.execute(
                "SELECT i.number, i.id, i.collection, c.head, i.properties, c.links FROM items AS i"
                f" CROSS JOIN contents AS c ON c.number = i.number WHERE i.number IN ({marks})",
                numbers,
            )
        ) as cursor:
            found = {row[0]: _stored(row[1].decode(), row[2].decode(), *row[3:]) for row in cursor}
        return tuple(found[number] for number in numbers)
