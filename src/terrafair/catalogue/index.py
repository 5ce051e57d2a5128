"""The catalogue's index in SQLite: real columns, an R*Tree for boxes, FTS5 for text; one transaction a sync."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from terrafair.catalogue.osc import Source
from terrafair.catalogue.records import FACETS, Key, Kind, Record, read
from terrafair.errors import InvalidInput

VERSION = 1
"""An index with another number is made anew."""

SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (path TEXT PRIMARY KEY, version TEXT NOT NULL, reason TEXT NOT NULL, remedy TEXT NOT NULL)
    WITHOUT ROWID;
CREATE TABLE records (
    number INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, parent TEXT NOT NULL, id TEXT NOT NULL,
    title TEXT NOT NULL, description TEXT NOT NULL, keywords TEXT NOT NULL, dated INTEGER NOT NULL,
    start TEXT NOT NULL, finish TEXT NOT NULL, stale INTEGER NOT NULL);
CREATE INDEX records_by_key ON records (kind, id, parent);
CREATE TABLE contents (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE facets (kind TEXT NOT NULL, id TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (kind, id, number))
    WITHOUT ROWID;
CREATE INDEX facets_by_number ON facets (number);
CREATE VIRTUAL TABLE space USING rtree (box, west, east, south, north, +number INTEGER);
CREATE VIRTUAL TABLE words USING fts5 (title, keywords, linked, description, id, tokenize = 'porter unicode61');
CREATE VIRTUAL TABLE vocabulary USING fts5vocab (words, 'row');
CREATE TABLE meanings (digest TEXT PRIMARY KEY, vector BLOB NOT NULL) WITHOUT ROWID;
"""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Broken:
    """A document that was skipped."""

    path: str
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What one sync did."""

    documents: int
    changed: int
    removed: int
    broken: tuple[Broken, ...]


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the index's tables in place; an index of another release is dropped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None, timeout=60, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
        connection.execute("BEGIN IMMEDIATE")
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            _clear(connection)
        connection.execute("COMMIT")
    return connection


def _clear(connection: sqlite3.Connection) -> None:
    for name in ("meta", "documents", "records", "contents", "facets", "space", "vocabulary", "words", "meanings"):
        connection.execute(f"DROP TABLE IF EXISTS {name}")
    for statement in SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def meta(connection: sqlite3.Connection) -> dict[str, str]:
    """What the index says of itself: source, branch, commit, synced."""
    return dict(connection.execute("SELECT name, value FROM meta").fetchall())


def update(connection: sqlite3.Connection, source: Source, progress: Progress | None = None) -> Changes:
    """Bring the index to the source's state, reading only what changed; readers see the old state until the end."""
    known = dict(connection.execute("SELECT path, version FROM documents").fetchall())
    versions = source.versions()
    changed = [path for path, version in versions.items() if known.get(path) != version]
    removed = [path for path in known if path not in versions]
    connection.execute("BEGIN IMMEDIATE")
    try:
        writing = _Writing(connection)
        for path in removed:
            writing.remove(path)
        for count, (path, content) in enumerate(source.contents(changed), start=1):
            writing.put(path, versions[path], content)
            if progress is not None and (count % 50 == 0 or count == len(changed)):
                progress(count, len(changed))
        writing.link_titles()
        state = {"source": source.address, "branch": source.branch, "commit": source.commit}
        state["synced"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", state.items())
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return Changes(len(versions), len(changed), len(removed), broken(connection))


def broken(connection: sqlite3.Connection) -> tuple[Broken, ...]:
    """The documents that were skipped, in the state that is indexed."""
    rows = connection.execute("SELECT path, reason, remedy FROM documents WHERE reason <> '' ORDER BY path")
    return tuple(Broken(*row) for row in rows)


def parse(path: str, content: bytes | str) -> Record:
    """A document's bytes as a record; raises `InvalidInput` with reason and remedy for whatever is wrong."""
    if isinstance(content, str):
        raise InvalidInput(content, remedy="See to its permissions.", where=path)
    remedy = (
        "Mend the file in the catalogue's repository; until then an earlier good version is shown, if there was one."
    )
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError as fault:
        reason = f"It is not valid JSON: {fault}." if content.strip() else "It is empty."
        raise InvalidInput(reason, remedy=remedy, where=path) from None
    return read(path, document)


class _Writing:
    """The statements of one sync, inside its transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection
        self._touched: set[int] = set()
        self._retitled: set[tuple[str, str]] = set()

    def remove(self, path: str) -> None:
        self._sql.execute("DELETE FROM documents WHERE path = ?", (path,))
        self._drop(path)

    def put(self, path: str, version: str, content: bytes | str) -> None:
        reason, remedy, record = "", "", None
        try:
            record = parse(path, content)
        except InvalidInput as fault:
            reason, remedy = fault.problem.what, fault.problem.remedy
        except RecursionError:
            reason, remedy = "It is nested too deeply.", "Flatten it."
        self._sql.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?)", (path, version, reason, remedy))
        if record is None:
            self._sql.execute("UPDATE records SET stale = 1 WHERE path = ?", (path,))
            return
        self._drop(path)
        self._insert(record, content if isinstance(content, bytes) else b"")

    def _drop(self, path: str) -> None:
        row = self._sql.execute("SELECT number, kind, id FROM records WHERE path = ?", (path,)).fetchone()
        if row is None:
            return
        number, kind, identifier = row
        for statement in (
            "DELETE FROM records WHERE number = ?",
            "DELETE FROM contents WHERE number = ?",
            "DELETE FROM facets WHERE number = ?",
            "DELETE FROM words WHERE rowid = ?",
            "DELETE FROM space WHERE box IN (SELECT box FROM space WHERE number = ?)",
        ):
            self._sql.execute(statement, (number,))
        self._retitled.add((kind, identifier))

    def _insert(self, record: Record, content: bytes) -> None:
        row = (
            record.path,
            *(record.key.kind.value, record.key.parent, record.key.id),
            *(record.title, record.description, json.dumps(record.keywords)),
            *(record.dated, record.start, record.end, 0),
        )
        number = self._sql.execute(f"INSERT INTO records VALUES (NULL{', ?' * len(row)})", row).lastrowid
        assert number is not None  # noqa: S101 - SQLite gives one for every insert
        self._sql.execute("INSERT INTO contents VALUES (?, ?)", (number, content))
        self._sql.executemany(
            "INSERT OR IGNORE INTO facets VALUES (?, ?, ?)",
            [(kind.value, identifier, number) for kind, identifier in record.links_to],
        )
        for west, south, east, north in record.boxes:
            # A box across the antimeridian is two boxes in the tree.
            parts = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
            for left, right in parts:
                self._sql.execute(
                    "INSERT INTO space (west, east, south, north, number) VALUES (?, ?, ?, ?, ?)",
                    (left, right, south, north, number),
                )
        self._touched.add(number)
        if record.kind in FACETS:
            self._retitled.add((record.kind.value, record.id))

    def link_titles(self) -> None:
        """Index the text of every record that changed, or one of whose linked entities did."""
        touched = set(self._touched)
        for kind, identifier in self._retitled:
            rows = self._sql.execute("SELECT number FROM facets WHERE kind = ? AND id = ?", (kind, identifier))
            touched.update(number for (number,) in rows)
        titles = self._titles()
        for number in sorted(touched):
            row = self._sql.execute(
                "SELECT title, keywords, description, id FROM records WHERE number = ?", (number,)
            ).fetchone()
            facets = self._sql.execute("SELECT kind, id FROM facets WHERE number = ?", (number,)).fetchall()
            linked = " · ".join(titles.get((kind, identifier), identifier) for kind, identifier in facets)
            title, keywords, description, identifier = row
            self._sql.execute(
                "INSERT OR REPLACE INTO words (rowid, title, keywords, linked, description, id)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (number, title, ", ".join(json.loads(keywords)), linked, description, spaced(identifier)),
            )

    def _titles(self) -> Mapping[tuple[str, str], str]:
        marks = ", ".join("?" * len(FACETS))
        rows: Iterable[tuple[str, str, str]] = self._sql.execute(
            f"SELECT kind, id, title FROM records WHERE kind IN ({marks})", [kind.value for kind in FACETS]
        )
        return {(kind, identifier): title or spaced(identifier) for kind, identifier, title in rows}


def spaced(identifier: str) -> str:
    """An id as words, so that a search for one of them finds it."""
    return identifier.replace("-", " ").replace("_", " ").replace(".", " ")


def load(connection: sqlite3.Connection, number: int) -> Record:
    """A record by its number."""
    path, stale = connection.execute("SELECT path, stale FROM records WHERE number = ?", (number,)).fetchone()
    body = connection.execute("SELECT body FROM contents WHERE number = ?", (number,)).fetchone()[0]
    record = read(path, orjson.loads(body))
    if not stale:
        return record
    from dataclasses import replace

    return replace(record, stale=True)


def numbers(connection: sqlite3.Connection, kind: Kind) -> list[int]:
    """All records of a kind, sorted by id."""
    rows = connection.execute("SELECT number FROM records WHERE kind = ? ORDER BY id, parent", (kind.value,))
    return [number for (number,) in rows]


def number_of(connection: sqlite3.Connection, key: Key) -> int | None:
    """The record with a key; an empty parent takes the first."""
    row = connection.execute(
        "SELECT number FROM records WHERE kind = ? AND id = ? AND (parent = ? OR ? = '') ORDER BY parent LIMIT 1",
        (key.kind.value, key.id, key.parent, key.parent),
    ).fetchone()
    return None if row is None else int(row[0])
