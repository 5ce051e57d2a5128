"""Tables and connections."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from terrafair.catalogue.items.expressions import Kind
from terrafair.catalogue.items.expressions import Path as PropertyPath
from terrafair.catalogue.items.queryables import INDEXED, KINDS
from terrafair.catalogue.items.search import SECONDS
from terrafair.catalogue.items.sqlite.dialect import indexed_expression, install
from terrafair.errors import InvalidInput, TimedOut, Unreachable

Row = tuple[Any, ...]
VERSION = 1
SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE collections (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, head TEXT NOT NULL, links TEXT NOT NULL,
    total INTEGER NOT NULL DEFAULT 0, span INTEGER NOT NULL DEFAULT 0);
CREATE TABLE items (
    number INTEGER PRIMARY KEY, collection TEXT NOT NULL, id TEXT NOT NULL, start INTEGER NOT NULL,
    finish INTEGER NOT NULL, west REAL, south REAL, east REAL, north REAL, properties TEXT NOT NULL, shape BLOB);
CREATE UNIQUE INDEX items_by_key ON items (collection, id);
CREATE INDEX items_by_time ON items (start, collection, id, finish);
CREATE INDEX items_by_collection_and_time ON items (collection, start, id, finish);
CREATE TABLE contents (number INTEGER PRIMARY KEY, head TEXT NOT NULL, links TEXT NOT NULL);
CREATE TABLE indexed (name TEXT PRIMARY KEY, kind TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE space USING rtree (number, west, east, south, north);
CREATE VIRTUAL TABLE spacetime USING rtree (number, west, east, south, north, start, finish);
CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = "unicode61 remove_diacritics 0 tokenchars '|'");
INSERT INTO meta VALUES ('version', 0);
"""
DAYS = 86_400_000_000.0
"""Microseconds: the R*Tree keeps 32-bit floats, and days keep minutes in them.

There are two trees, since time as a third dimension makes a search by place alone 10 x slower, and a dimension that is
the same for all items (their collection) 100 x.
"""
MAPPED_BYTES = 8 * 2**30
CACHE_KILOBYTES = 65_536
OPERATIONS = 20_000
"""Steps of SQLite's machine between two looks at the clock: a millisecond or so."""
LOOKS_MOST = 10**9

COUNT_OPERATIONS = 2_000
"""What a count of matches may cost: less than the page, of which it is a part. Steps, not seconds: the same question
gets the same answer."""


class Connections:
    """One reader for each thread and one writer; a database in memory has one connection for all."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.RLock()
        self._writer = self._open(read_only=False)
        with self.writing() as connection:
            _prepare(connection)

    def close(self) -> None:
        """Close all."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()

    @contextmanager
    def reading(self, seconds: float = SECONDS, looks: int = LOOKS_MOST) -> Iterator[sqlite3.Connection]:
        """This thread's reader; raises `TimedOut` after that many seconds, or that many times `OPERATIONS` steps."""
        if self._path is None:
            with self._lock, _translated():
                yield self._writer
            return
        connection = getattr(self._local, "reader", None)
        if connection is None:
            connection = self._local.reader = self._open(read_only=True)
        _limit(connection, seconds, looks)
        with _translated():
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """The writer in a transaction: all or nothing."""
        with self._lock, _translated():
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise

    def _open(self, *, read_only: bool) -> sqlite3.Connection:
        if self._path is None:
            address = ":memory:"
        else:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            address = str(self._path)
        connection = sqlite3.connect(
            address, isolation_level=None, timeout=60, check_same_thread=False, cached_statements=512
        )
        connection.text_factory = bytes
        install(connection)
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "temp_store = MEMORY", "trusted_schema = ON"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute(f"PRAGMA mmap_size = {MAPPED_BYTES}")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KILOBYTES}")
        if read_only:
            connection.execute("PRAGMA query_only = ON")
        with self._lock:
            self._opened.append(connection)
        return connection


def _limit(connection: sqlite3.Connection, seconds: float, looks: int) -> None:
    deadline, left = time.monotonic() + seconds, looks

    def over() -> bool:
        nonlocal left
        left -= 1
        return left < 0 or time.monotonic() > deadline

    connection.set_progress_handler(over, OPERATIONS)


def count(connection: sqlite3.Connection, statement: str, values: tuple[Any, ...], operations: int) -> int | None:
    """The one number that a statement gives; None where that takes more steps."""
    connection.set_progress_handler(lambda: True, operations)
    try:
        return int(connection.execute(statement, values).fetchone()[0])
    except sqlite3.OperationalError as fault:
        if "interrupted" not in str(fault):
            raise
        return None
    finally:
        connection.set_progress_handler(None, 0)


def _prepare(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == VERSION:
        return
    if version:
        raise InvalidInput(
            f"The item database has version {version}, and this release reads {VERSION}.",
            remedy="Export its collections with the release that wrote it, and load them anew.",
        )
    for statement in SCHEMA.split(";"):
        if statement.strip():
            connection.execute(statement)
    for name in INDEXED:
        index_property(connection, name, KINDS[name])
    connection.execute(f"PRAGMA user_version = {VERSION}")


def index_property(connection: sqlite3.Connection, name: str, kind: Kind) -> None:
    """Index a property within collections and across them, unless it is."""
    path = PropertyPath.read(name)
    if connection.execute("SELECT 1 FROM indexed WHERE name = ?", (name,)).fetchone():
        return
    expression = indexed_expression(path, kind, "properties")
    label = "items_by_property_" + name.encode().hex()
    connection.execute(f'CREATE INDEX "{label}" ON items (collection, {expression}, id)')
    connection.execute(f'CREATE INDEX "{label}_of_all" ON items ({expression}, collection, id)')
    connection.execute("INSERT INTO indexed VALUES (?, ?)", (name, kind.name))


def indexed(connection: sqlite3.Connection) -> frozenset[str]:
    """The properties that have an index."""
    return frozenset(name.decode() for (name,) in connection.execute("SELECT name FROM indexed"))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as fault:
        message = str(fault)
        if "interrupted" in message:
            raise TimedOut(
                "The search took too long and was given up.",
                remedy="Narrow it by collection, time or place, or ask for an index on the property it filters by.",
            ) from None
        if "user-defined function" in message or "parser stack" in message or "too" in message.split():
            raise InvalidInput("The filter cannot be evaluated.", message, where="filter") from None
        raise Unreachable("The item database does not answer.", message) from fault
