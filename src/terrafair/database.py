"""The control database: one engine, transactions, and the steps that bring its tables up to date."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from terrafair import tracing
from terrafair.errors import DATABASE_AWAY, InvalidInput, Unreachable

MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_MILLISECONDS = 30_000
IDLE_MILLISECONDS = 15_000
WRITERS = 7267002
"""Number of the lock by which PostgreSQL lets one writer in at a time, as SQLite does by itself."""


def open_engine(url: str) -> sa.Engine:
    """An engine on SQLite (embedded) or PostgreSQL.

    Raises `InvalidInput` for another kind of database.
    """
    try:
        address = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise InvalidInput(
            f"{url!r} is no database URL.", remedy="Write sqlite:///FILE or postgresql+psycopg://..."
        ) from None
    backend = address.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise InvalidInput(f"The database {backend!r} is not supported.", remedy="Use SQLite or PostgreSQL.")
    if backend == "postgresql":
        # A host that is cut off in the middle of a transaction must not hold up the others.
        # Somebody called as the schema beside our tables (`terrafair` has pgSTAC's helpers) would get his tables there.
        options = {
            "options": f"-c search_path=public -c idle_in_transaction_session_timeout={IDLE_MILLISECONDS}",
            "connect_timeout": 10,
        }
        address = address.set(drivername="postgresql+psycopg")
        engine = sa.create_engine(address, pool_pre_ping=True, pool_size=10, connect_args=options)
        event.listen(engine, "before_cursor_execute", _without_nul, retval=True)
        return engine
    if address.database:
        Path(address.database).parent.mkdir(parents=True, exist_ok=True)
    # One writer at a time: threads that wait here lose less than in SQLite, which sleeps and tries again.
    options = {"terrafair_turn": threading.RLock()}
    engine = sa.create_engine(address, pool_size=20, max_overflow=20, execution_options=options)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_immediately)
    return engine


def tables(connection: sa.Connection | sa.Engine, schema: str | None = None) -> list[str]:
    """Names of tables, without those that extensions make: pgSTAC may be in the same database."""
    return [name for name in sa.inspect(connection).get_table_names(schema) if name != "spatial_ref_sys"]


def _prepare_sqlite(connection: Any, _: Any) -> None:
    # We begin ourselves (below): a transaction that starts as a reader cannot wait to become a writer.
    connection.isolation_level = None
    # First: changing the journal waits for others too.
    connection.execute(f"PRAGMA busy_timeout = {BUSY_MILLISECONDS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_immediately(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("terrafair_reads")
    # Straight to the driver, which is five times as quick; its errors are made SQLAlchemy's where transactions begin.
    driver: Any = connection.connection.driver_connection
    driver.execute("BEGIN" if reads else "BEGIN IMMEDIATE")


def _without_nul(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
    """PostgreSQL's texts hold no NUL, SQLite's do: what is asked for with one is not found, what is kept is marked."""
    return statement, _marked(parameters)


def _marked(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\ufffd") if "\0" in value else value
    if isinstance(value, dict):
        return {name: _marked(each) for name, each in value.items()}
    return [_marked(each) for each in value] if isinstance(value, list) else value


_ONE_WRITER = sa.text(f"SELECT pg_advisory_xact_lock({WRITERS})")


@contextmanager
def transaction(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A writing transaction: all or nothing, and one after the other.

    What it reads stays as it is until it ends: rules such as "one cancel ends a job" and "no more than was allocated"
    are written as a look and a change, and hold on both databases only so.
    """
    turn: AbstractContextManager[Any] = engine.get_execution_options().get("terrafair_turn") or nullcontext()
    about = {"db.system.name": engine.dialect.name}
    with tracing.span(tracing.Name.TRANSACTION, about), _reached(engine), turn, engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(_ONE_WRITER)
        yield connection


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A reading transaction: one consistent state, never waiting for writers on SQLite."""
    with _reached(engine), engine.connect().execution_options(terrafair_reads=True) as connection:
        yield connection


@contextmanager
def _reached(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (sa.exc.OperationalError, sqlite3.OperationalError) as fault:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(getattr(fault, "orig", fault))
        raise Unreachable(f"The database {where} does not answer.", reason, code=DATABASE_AWAY) from fault


def migrate(engine: sa.Engine) -> None:
    """Bring the tables up to date; several processes may do so at once."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with transaction(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(sa.text("SELECT pg_advisory_xact_lock(7267001)"))
        if version(connection) == NEWEST:
            return
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def version(connection: sa.Connection) -> str:
    """The step that the tables are at; empty: none."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return ""
    return str(connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() or "")


NEWEST = "0046"
"""The last step; a database that has it is left alone without loading Alembic's scripts."""
