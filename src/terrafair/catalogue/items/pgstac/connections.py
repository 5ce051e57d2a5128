"""Connections to PostgreSQL, and what the database needs before items can be kept in it."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from terrafair.catalogue.items.pgstac.dialect import PREPARATION
from terrafair.catalogue.items.queryables import INDEXED
from terrafair.catalogue.items.search import SECONDS
from terrafair.errors import DATABASE_AWAY, Conflict, InvalidInput, Refused, TerrafairError, TimedOut, Unreachable

_STEP = hashlib.blake2b(f"{PREPARATION}{INDEXED}".encode(), digest_size=8).hexdigest()
"""What this release makes beside pgSTAC; stands on the schema."""


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


def prepare(url: str, grant: str = "") -> None:
    """Install or update pgSTAC, our functions and indexes; may run again. `grant`: a role that shall use them.

    Raises `Refused` without pypgstac, and where the database's user is not the superuser that pgSTAC asks for.
    """
    try:
        import psycopg
        from pypgstac.db import PgstacDB
        from pypgstac.migrate import Migrate
    except ImportError as fault:
        raise Refused(
            "pgSTAC cannot be installed into the database from here.",
            f"The Python package {fault.name} is missing.",
            "pip install 'terrafair[pgstac]', or pip install 'pypgstac[psycopg]' into the platform's environment.",
        ) from fault

    connections = Connections(url)
    try:
        with PgstacDB(dsn=plain_url(url)) as database:
            Migrate(database).run_migration()
        with connections.transaction() as cursor:
            _add_ours(cursor)
            if grant:
                cursor.execute(psycopg.sql.SQL("GRANT pgstac_admin TO {}").format(psycopg.sql.Identifier(grant)))
    except (psycopg.errors.InsufficientPrivilege, Refused) as fault:
        # The platform's own role calls this at each start in a cluster, where a superuser has done it before.
        if grant or not _is_ready(url):
            raise _needs_superuser(fault) from fault
    except psycopg.OperationalError as fault:
        raise _translated(fault) from fault
    finally:
        connections.close()


def _add_ours(cursor: Any) -> None:
    cursor.execute("SELECT pg_advisory_xact_lock(7301)")
    cursor.execute(PREPARATION)
    cursor.execute(f"COMMENT ON SCHEMA terrafair IS '{_STEP}'")
    cursor.execute("GRANT USAGE ON SCHEMA terrafair TO pgstac_admin, pgstac_read, pgstac_ingest")
    for name in INDEXED:
        label = "terrafair_" + name.replace(":", "_")
        expression = f"terrafair.number(content -> 'properties' -> '{name}')"
        cursor.execute(f"CREATE INDEX IF NOT EXISTS {label} ON pgstac.items ({expression}, id)")
    newest = 'pgstac.items (datetime, collection COLLATE "C", id COLLATE "C")'
    cursor.execute(f"CREATE INDEX IF NOT EXISTS terrafair_newest ON {newest}")


def check(url: str) -> str:
    """The pgSTAC version that is there; raises what keeps items from being kept, with the way out."""
    connections = Connections(url)
    try:
        with connections.transaction() as cursor:
            cursor.execute("SELECT pgstac.get_version(), current_user, has_table_privilege('pgstac.items', 'INSERT')")
            version, role, writes = cursor.fetchone()
            cursor.execute("SELECT obj_description('terrafair'::regnamespace, 'pg_namespace')")
            (step,) = cursor.fetchone()
    finally:
        connections.close()
    if not writes:
        what = f"The role {role} may not change items."
        raise Refused(what, remedy=f"As PostgreSQL's superuser: `terrafair items prepare --grant {role}`.")
    if step != _STEP:
        what = "The item database was made ready by another release."
        raise Unreachable(what, remedy="Run `terrafair items prepare`, as PostgreSQL's superuser.")
    return str(version)


def _is_ready(url: str) -> bool:
    try:
        check(url)
    except TerrafairError:
        return False
    return True


def _needs_superuser(fault: Any) -> Refused:
    return Refused(
        "The database's user may not install pgSTAC.",
        f"{str(fault.__cause__ or fault).splitlines()[0][:300]}.",
        "Once, as PostgreSQL's superuser: `terrafair items prepare --grant ROLE`, with the role in `items_database`.",
    )


def _translated(fault: Any) -> TerrafairError:
    import psycopg

    if isinstance(fault, psycopg.errors.QueryCanceled):
        return TimedOut("The search took too long and was given up.", remedy="Narrow it by collection, time or place.")
    if isinstance(fault, psycopg.errors.UniqueViolation):
        return Conflict("An item of that id is there already.", remedy="PUT replaces an item.")
    if isinstance(
        fault,
        psycopg.errors.UndefinedObject
        | psycopg.DataError
        | psycopg.errors.RaiseException
        | psycopg.errors.InternalError_,
    ):
        return InvalidInput("The database cannot use this.", str(fault).splitlines()[0][:300])
    if isinstance(fault, psycopg.errors.InsufficientPrivilege):
        return Refused(
            "The database's user may not do this with items.",
            str(fault).splitlines()[0][:300],
            "As PostgreSQL's superuser: `terrafair items prepare --grant ROLE`.",
        )
    missing = psycopg.errors.UndefinedTable, psycopg.errors.UndefinedFunction, psycopg.errors.InvalidSchemaName
    if isinstance(fault, missing):
        return Unreachable("The item database is not ready.", remedy="Run `terrafair items prepare`, then start again.")
    reason = str(fault).splitlines()[0][:300] if str(fault) else ""
    return Unreachable("The item database does not answer.", reason, code=DATABASE_AWAY)
