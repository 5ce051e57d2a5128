"""Both engines keep one contract."""

import pytest

from terrafair.catalogue.items import cql2
from terrafair.catalogue.items.search import ItemStore, Search
from terrafair.errors import Unreachable

from .contract import ItemStoreContract


class TestSqlite(ItemStoreContract):
    @pytest.fixture
    def store(self, sqlite: ItemStore) -> ItemStore:
        return sqlite


class TestPgstac(ItemStoreContract):
    @pytest.fixture
    def store(self, pgstac: ItemStore) -> ItemStore:
        return pgstac


def test_in_a_large_archive_only_what_is_cheap_is_counted(pgstac: ItemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter's matches where the page holds them all; those in space up to a bound; a collection's always."""
    from terrafair.catalogue.items.pgstac import store as engine

    from .documents import collection, item

    pgstac.put_collection(collection())
    pgstac.put_items("scenes", [item(f"i{n}", gsd=n) for n in range(9)])
    low, everywhere = cql2.parse_text("gsd < 5"), ((-180.0, -90.0, 180.0, 90.0),)
    for name, value in (("SMALL", 8), ("SPATIAL_CAP", 9)):
        monkeypatch.setattr(engine, name, value)
    assert pgstac.search(Search(limit=3, filter=low)).matched is None
    assert pgstac.search(Search(limit=5, filter=low)).matched == 5
    assert pgstac.search(Search(limit=3, collections=("scenes",))).matched == 9
    assert pgstac.search(Search(limit=3, boxes=everywhere)).matched == 9
    monkeypatch.setattr(engine, "SPATIAL_CAP", 8)
    assert pgstac.search(Search(limit=3, boxes=everywhere)).matched is None
    monkeypatch.setattr(engine, "SMALL", 9)
    assert pgstac.search(Search(limit=3, filter=low)).matched == 5


def test_pgstac_that_is_away_or_not_ready_says_so(postgres: str) -> None:
    import psycopg

    from terrafair.catalogue.items.pgstac.store import PgstacItems

    with pytest.raises(Unreachable, match="does not answer"):
        PgstacItems("postgresql://nobody@127.0.0.1:1/none").search(Search())
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("CREATE DATABASE bare")
    bare = PgstacItems(postgres.rpartition("/")[0].replace("postgresql:", "postgresql+psycopg:") + "/bare")
    with pytest.raises(Unreachable, match="items prepare"):
        bare.collections()
    bare.close()


def test_pgstacs_own_tools_and_ours_read_each_other(pgstac: ItemStore, postgres: str) -> None:
    import json

    import psycopg

    from .documents import collection, item

    pgstac.put_collection(collection(item_assets={"data": {"type": "image/tiff", "roles": ["data"]}}))
    pgstac.put_items("scenes", [item("ours", gsd=5)])
    theirs = item("theirs", when="2021-01-01T00:00:00Z", gsd=7)
    with psycopg.connect(postgres, autocommit=True, options="-c search_path=pgstac,public") as connection:
        connection.execute("SELECT create_items(%s::jsonb)", (json.dumps([theirs]),))
        (found,) = connection.execute('SELECT search(\'{"ids": ["ours"]}\')').fetchone() or (None,)
    assert found["features"][0]["properties"]["gsd"] == 5
    stored = pgstac.item("scenes", "theirs")
    assert stored is not None
    assert json.loads(stored.document())["assets"] == theirs["assets"]
    assert [entry.id for entry in pgstac.search(Search()).items] == ["theirs", "ours"]
