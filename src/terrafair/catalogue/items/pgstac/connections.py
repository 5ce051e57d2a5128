"""Connections to PostgreSQL, and what the database needs before items can be kept in it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from terrafair.catalogue.items.pgstac.dialect import PREPARATION
from terrafair.catalogue.items.queryables import INDEXED
from terrafair.catalogue.items.search import SECONDS
from terrafair.errors import DATABASE_AWAY, Conflict, InvalidInput, Refused, TerrafairError, TimedOut, Unreachable


class Connections:
    """One for each thread, opened when it is first used and anew when it has been lost."""

    def __init__(self, url: str) -> None:
        self._url = plain_url(url)
        self._local = threading.local()
        self._opened: list[Any] = []

    def close(self) -> None:
        """Close all."""
        for connection in self._opened:
            connection.close()
        self._opened.clear()
        self._local = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction: all or nothing."""
        import psycopg

        try:
            with self._connection().transaction(), self._connection().cursor() as cursor:
                yield cursor
        except psycopg.Error as fault:
            raise _translated(fault) from fault

    def _connection(self) -> Any:
        import psycopg

        connection = getattr(self._local, "connection", None)
        if connection is None or connection.closed:
            options = (
                f"-c search_path=pgstac,public -c timezone=UTC -c jit=off -c statement_timeout={int(SECONDS * 1000)}"
            )
            connection = psycopg.connect(self._url, autocommit=True, options=options, connect_timeout=10)
            self._local.connection = connection
            self._opened.append(connection)
        return connection


def plain_url(url: str) -> str:
    """The URL as libpq takes it: `database` is written in SQLAlchemy's form, and so may this be."""
    return url.replace("postgresql+psycopg://", "postgresql://", 1)


def prepare(url: str) -> None:
    """Install or update pgSTAC, our functions and indexes; may run again. Raises `Refused` without pypgstac."""
    try:
        from pypgstac.db import PgstacDB
        from pypgstac.migrate import Migrate
    except ImportError as fault:
        raise Refused(
            "pgSTAC cannot be installed into the database from here.",
            f"The Python package {fault.name} is missing.",
            "pip install 'terrafair[pgstac]', or pip install pypgstac into the platform's environment.",
        ) from fault

    with PgstacDB(dsn=plain_url(url)) as database:
        Migrate(database).run_migration()
    connections = Connections(url)
    try:
        with connections.transaction() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(7301)")
            cursor.execute(PREPARATION)
            for name in INDEXED:
                label = "terrafair_" + name.replace(":", "_")
                expression = f"terrafair.number(content -> 'properties' -> '{name}')"
                cursor.execute(f"CREATE INDEX IF NOT EXISTS {label} ON pgstac.items ({expression}, id)")
            newest = 'pgstac.items (datetime, collection COLLATE "C", id COLLATE "C")'
            cursor.execute(f"CREATE INDEX IF NOT EXISTS terrafair_newest ON {newest}")
    finally:
        connections.close()


def _translated(fault: Any) -> TerrafairError:
    import psycopg

    if isinstance(fault, psycopg.errors.QueryCanceled):
        return TimedOut("The search took too long and was given up.", remedy="Narrow it by collection, time or place.")
    if isinstance(fault, psycopg.errors.UniqueViolation):
        return Conflict("An item of that id is there already.", remedy="PUT replaces an item.")
    if isinstance(fault, psycopg.DataError | psycopg.errors.RaiseException | psycopg.errors.InternalError_):
        return InvalidInput("The database cannot use this.", str(fault).splitlines()[0][:300])
    missing = psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName
    if isinstance(fault, missing):
        return Unreachable("The item database is not ready.", remedy="Run `terrafair items prepare`, then start again.")
    reason = str(fault).splitlines()[0][:300] if str(fault) else ""
    return Unreachable("The item database does not answer.", reason, code=DATABASE_AWAY)
