"""Changes, inside a transaction that the caller has opened."""

import sqlite3
from collections.abc import Sequence

import orjson

from terrafair.catalogue.items import words
from terrafair.catalogue.items.documents import Entry
from terrafair.catalogue.items.sqlite.schema import DAYS
from terrafair.errors import Conflict, NotFound

BATCH = 500
"""Ids in one statement."""


def put_collection(connection: sqlite3.Connection, identifier: str, head: bytes, links: bytes) -> None:
    """Create or replace."""
    connection.execute(
        "INSERT INTO collections (id, head, links) VALUES (?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET head = excluded.head, links = excluded.links",
        (identifier, head.decode(), links.decode()),
    )
    touch(connection)


def touch(connection: sqlite3.Connection) -> None:
    """The collections have changed."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE name = 'version'")


def delete_collection(connection: sqlite3.Connection, identifier: str) -> None:
    """With all its items."""
    row = connection.execute("SELECT number FROM collections WHERE id = ?", (identifier,)).fetchone()
    if row is None:
        raise NotFound(f"There is no collection {identifier!r}.", where="collection")
    numbers = [
        number for (number,) in connection.execute("SELECT number FROM items WHERE collection = ?", (identifier,))
    ]
    _forget(connection, numbers)
    connection.execute("DELETE FROM collections WHERE number = ?", row)
    touch(connection)


def put_items(connection: sqlite3.Connection, collection: str, entries: Sequence[Entry], *, replace: bool) -> int:
    """Store items of one collection; the last of several with one id wins."""
    row = connection.execute("SELECT number FROM collections WHERE id = ?", (collection,)).fetchone()
    if row is None:
        raise NotFound(f"There is no collection {collection!r}.", remedy="Create it first.", where="collection")
    unique = {entry.id: entry for entry in entries}
    taken = _numbers(connection, collection, list(unique))
    if taken and not replace:
        raise Conflict(
            f"The collection {collection!r} has an item {next(iter(taken))!r} already.", remedy="PUT replaces an item."
        )
    _forget(connection, list(taken.values()))
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM items").fetchone()
    numbered = list(enumerate(unique.values(), start=last + 1))
    connection.executemany(
        "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (number, collection, entry.id, entry.start, entry.finish)
            + (entry.bounds or (None,) * 4)
            + (entry.properties.decode(), entry.shape)
            for number, entry in numbered
        ],
    )
    connection.executemany(
        "INSERT INTO contents VALUES (?, ?, ?)",
        [(number, entry.head.decode(), entry.links.decode()) for number, entry in numbered],
    )
    placed = [
        (number, west, east, south, north, entry.start / DAYS, entry.finish / DAYS)
        for number, entry in numbered
        if entry.bounds
        for west, south, east, north in (entry.bounds,)
    ]
    connection.executemany("INSERT INTO space VALUES (?, ?, ?, ?, ?)", [row[:5] for row in placed])
    connection.executemany("INSERT INTO spacetime VALUES (?, ?, ?, ?, ?, ?, ?)", placed)
    texts = [(number, text) for number, entry in numbered if (text := _text(entry))]
    connection.executemany("INSERT INTO words (rowid, text) VALUES (?, ?)", texts)
    span = max((entry.finish - entry.start for entry in unique.values()), default=0)
    connection.execute(
        "UPDATE collections SET total = total + ?, span = max(span, ?) WHERE number = ?",
        (len(unique) - len(taken), span, *row),
    )
    return len(unique)


def delete_item(connection: sqlite3.Connection, collection: str, identifier: str) -> None:
    """Remove one; raises `NotFound`."""
    numbers = _numbers(connection, collection, [identifier])
    if not numbers:
        raise NotFound(f"The collection {collection!r} has no item {identifier!r}.", where="item")
    _forget(connection, list(numbers.values()))
    connection.execute("UPDATE collections SET total = total - 1 WHERE id = ?", (collection,))


def _text(entry: Entry) -> str:
    # Most items of a large archive have no text: looking for the quoted names is much cheaper than parsing.
    if not any(name in entry.properties for name in (b'"title"', b'"description"', b'"keywords"')):
        return ""
    return words.searchable(orjson.loads(entry.properties))


def _numbers(connection: sqlite3.Connection, collection: str, ids: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for start in range(0, len(ids), BATCH):
        part = ids[start : start + BATCH]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(
            f"SELECT id, number FROM items WHERE collection = ? AND id IN ({marks})", (collection, *part)
        )
        found.update((identifier.decode(), number) for identifier, number in rows)
    return found


def _forget(connection: sqlite3.Connection, numbers: Sequence[int]) -> None:
    rows = [(number,) for number in numbers]
    for table, column in (
        ("space", "number"),
        ("spacetime", "number"),
        ("words", "rowid"),
        ("contents", "number"),
        ("items", "number"),
    ):
        connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", rows)
