"""Where a test's platform keeps things: all in its home; or on PostgreSQL, pgSTAC and S3 by `make test-postgresql`.

The database server is one for the whole session; each home gets a copy of a template that holds the tables already.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from terrafair.catalogue.items.search import ItemStore
from terrafair.data.objects import OWN, MemoryObjects, ObjectStore, S3Access, S3Objects

from . import stores
from .stac.cluster import cluster, missing

WANTED = "TERRAFAIR_TEST_DATABASE"
"""Environment variable: `sqlite` (or nothing) or `postgresql`."""
SERVER = "TERRAFAIR_TEST_SERVER"
"""Environment variable: address of the session's server, for the processes that tests start."""
TEMPLATES = ("terrafair_control", "terrafair_items")


@contextmanager
def server(wanted: str = "") -> Iterator[None]:
    """The session's server, where one is wanted; fails where it is wanted and cannot be had."""
    wanted = wanted or os.environ.get(WANTED, "")
    assert wanted in {"", "sqlite", "postgresql"}, f"{WANTED} is {wanted!r}; it takes sqlite or postgresql"
    if wanted != "postgresql" or os.environ.get(SERVER):
        yield
        return
    assert not missing(), missing()
    with cluster() as url:
        os.environ[SERVER] = url
        prepare(url)
        try:
            yield
        finally:
            del os.environ[SERVER]


def prepare(url: str) -> None:
    """Make the templates."""
    from terrafair.catalogue.items.pgstac.connections import prepare as prepare_items
    from terrafair.database import migrate, open_engine
    from terrafair.execution import queue

    control, items = (_create(url, name) for name in TEMPLATES)
    engine = open_engine(control)
    migrate(engine)
    engine.dispose()
    queue.prepare(control)
    prepare_items(items)


@contextmanager
def empty(*names: str) -> Iterator[list[str]]:
    """Addresses of new databases that hold nothing: on the session's server, else on one of their own."""
    with ExitStack() as stack:
        url = os.environ.get(SERVER) or stack.enter_context(cluster())
        yield [_create(url, f"{name}_{secrets.token_hex(6)}") for name in names]


def control_database(home: Path) -> str:
    """The URL for the setting `database` of the platform at this home; the same whenever it is asked for."""
    found = copy_of(TEMPLATES[0], home)
    return found or f"sqlite:///{home / 'platform.db'}"


def elsewhere(home: Path) -> dict[str, Any]:
    """Fields of `Config` that lead to PostgreSQL, pgSTAC and S3; none for the embedded default."""
    control, items = (copy_of(name, home) for name in TEMPLATES)
    return {"database": control, "items_database": items, **stores.settings(home)} if control else {}


def left_empty(home: Path) -> None:
    """Where a server is wanted, the home's control database holds nothing, not even tables."""
    if url := os.environ.get(SERVER):
        _create(url, _name(TEMPLATES[0], home))


def settings(home: Path) -> dict[str, str]:
    """The same as environment variables."""
    return {f"TERRAFAIR_{name.upper()}": value for name, value in elsewhere(home).items()}


def objects(home: Path) -> ObjectStore:
    """The objects of a platform inside the test's process."""
    if not os.environ.get(SERVER):
        return MemoryObjects()
    return S3Objects(S3Access(*stores.settings(home).values()), OWN)


def items(folder: Path) -> ItemStore:
    """An empty store of STAC items, which the caller closes."""
    if address := copy_of(TEMPLATES[1], folder):
        from terrafair.catalogue.items.pgstac.store import PgstacItems

        return PgstacItems(address)
    from terrafair.catalogue.items.sqlite.store import SqliteItems

    return SqliteItems(folder / "items.db")


def copy_of(template: str, home: Path) -> str:
    """The home's own copy of a template; empty where no server is wanted."""
    url = os.environ.get(SERVER)
    if not url:
        return ""
    return _create(url, _name(template, home), template)


def _name(template: str, home: Path) -> str:
    return f"{template}_{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"


def _create(url: str, name: str, template: str = "template0") -> str:
    import psycopg
    from psycopg import errors, sql

    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    # Made by an earlier call, or by another process meanwhile.
    existing = suppress(errors.DuplicateDatabase, errors.UniqueViolation)
    with existing, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    return f"{url.rpartition('/')[0]}/{name}"
