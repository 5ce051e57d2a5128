"""Which database a test's platform has: SQLite in its home, or PostgreSQL by `make test DATABASE=postgresql`.

The server is one for the whole session; each home gets a copy of a template that holds the tables already.
"""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from .stac.cluster import cluster, missing

WANTED = "TERRAFAIR_TEST_DATABASE"
"""Environment variable: `sqlite` (or nothing) or `postgresql`."""
SERVER = "TERRAFAIR_TEST_SERVER"
"""Environment variable: address of the session's server, for the processes that tests start."""
TEMPLATES = ("terrafair_control", "terrafair_items")


@contextmanager
def server() -> Iterator[None]:
    """The session's server, where one is wanted; fails where it is wanted and cannot be had."""
    wanted = os.environ.get(WANTED, "")
    assert wanted in {"", "sqlite", "postgresql"}, f"{WANTED} is {wanted!r}; it takes sqlite or postgresql"
    if wanted != "postgresql":
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


def settings(home: Path) -> dict[str, str]:
    """Environment variables of a platform at this home; none for the embedded default."""
    control, items = (copy_of(name, home) for name in TEMPLATES)
    return {"TERRAFAIR_DATABASE": control, "TERRAFAIR_ITEMS_DATABASE": items} if control else {}


def copy_of(template: str, home: Path) -> str:
    """The home's own copy of a template; empty where no server is wanted."""
    url = os.environ.get(SERVER)
    if not url:
        return ""
    name = f"{template}_{hashlib.sha256(str(home).encode()).hexdigest()[:16]}"
    return _create(url, name, template)


def _create(url: str, name: str, template: str = "template0") -> str:
    import psycopg
    from psycopg import errors, sql

    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    # Made by an earlier call, or by another process meanwhile.
    existing = suppress(errors.DuplicateDatabase, errors.UniqueViolation)
    with existing, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)
    return f"{url.rpartition('/')[0]}/{name}"
