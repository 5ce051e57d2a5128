"""Searches over a large archive stay fast: the plan, not the clock, is looked at."""

from pathlib import Path

import pytest

from terrafair.catalogue.items import cql2
from terrafair.catalogue.items.search import Search, Sort
from terrafair.catalogue.items.sqlite.dialect import SqliteDialect
from terrafair.catalogue.items.sqlite.plan import plan
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.errors import TimedOut

from .documents import archive, collection


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SqliteItems:
    made = SqliteItems(tmp_path_factory.mktemp("items") / "items.db")
    made.put_collection(collection())
    made.put_items("scenes", archive(4000))
    made.optimise()
    return made


def steps(store: SqliteItems, search: Search) -> str:
    """How SQLite goes about the statement of a search's first page."""
    from terrafair.catalogue.items import order

    dialect = store._dialect
    keys = order.keys_of(search, dialect)
    with store._connections.reading(10) as connection:
        chosen = plan(connection, search, dialect)
        (segment, *_) = order.segments(keys, None, dialect)
        statement = "SELECT i.number FROM " + chosen.source + chosen.where(segment.condition)
        statement = statement + " ORDER BY " + segment.order + " LIMIT 10"
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement.text}", statement.values).fetchall()
    return " / ".join(row[3].decode() for row in rows)


def test_a_wide_box_is_not_led_by_space(store: SqliteItems) -> None:
    small = steps(store, Search(boxes=((0, 0, 10, 10),)))
    wide = steps(store, Search(boxes=((-180, -90, 180, 90),)))
    assert "VIRTUAL TABLE" in small and "items_by_time" not in small
    assert "VIRTUAL TABLE" not in wide and "items_by_time" in wide and "TEMP B-TREE" not in wide


def test_orders_come_from_indexes(store: SqliteItems) -> None:
    newest = steps(store, Search(collections=("scenes",)))
    assert "items_by_collection_and_time" in newest and "TEMP B-TREE" not in newest
    for collections in ((), ("scenes",)):
        search = Search(collections, filter=cql2.parse_text("eo:cloud_cover < 5"), sort=(Sort("eo:cloud_cover"),))
        clear = steps(store, search)
        assert "items_by_property" in clear and "TEMP B-TREE" not in clear, clear


def test_a_search_that_takes_too_long_is_given_up(store: SqliteItems) -> None:
    heavy = cql2.parse_text("CASEI(ACCENTI(platform)) LIKE 'nothing%' AND S_TOUCHES(geometry, POINT(0 0))")
    with pytest.raises(TimedOut):
        store.search_within(Search(filter=heavy), 0)
    assert store.search(Search(limit=1)).items, "the connection is sound afterwards"


def test_names_that_are_not_indexed_travel_as_values() -> None:
    from terrafair.catalogue.items.expressions import Kind
    from terrafair.catalogue.items.expressions import Path as Property

    found = SqliteDialect(("eo:cloud_cover",)).get(Property.read("x' OR 1=1"), Kind.TEXT)
    assert "OR" not in found.text and found.values == ('$."x\' OR 1=1"', '$."x\' OR 1=1"')
    assert "?" not in SqliteDialect(("eo:cloud_cover",)).get(Property.read("eo:cloud_cover"), Kind.NUMBER).text


def test_many_threads_share_a_store(store: SqliteItems, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda n: store.search(Search(limit=5 + n % 3)).matched, range(100)))
    assert set(pages) == {4000}
