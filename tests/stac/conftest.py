"""The two item stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from terrafair.catalogue.items.search import ItemStore
from terrafair.catalogue.items.sqlite.store import SqliteItems

from .cluster import cluster, missing


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a database with pgSTAC; skipped where PostgreSQL or PostGIS is not installed."""
    pytest.importorskip("pypgstac")
    if reason := missing():
        pytest.skip(reason)
    from terrafair.catalogue.items.pgstac.connections import prepare

    with cluster() as url:
        prepare(url)
        yield url


@pytest.fixture
def pgstac(postgres: str) -> Iterator[ItemStore]:
    """An empty store on pgSTAC."""
    from terrafair.catalogue.items.pgstac.store import PgstacItems

    store = PgstacItems(postgres)
    for entry in store.collections():
        store.delete_collection(entry.id)
    yield store
    store.close()


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[ItemStore]:
    """An empty embedded store."""
    store = SqliteItems(tmp_path / "items.db")
    yield store
    store.close()
