"""Both engines keep one contract."""

import pytest

from terrafair.catalogue.items.search import ItemStore

from .contract import ItemStoreContract


class TestSqlite(ItemStoreContract):
    @pytest.fixture
    def store(self, sqlite: ItemStore) -> ItemStore:
        return sqlite


class TestPgstac(ItemStoreContract):
    @pytest.fixture
    def store(self, pgstac: ItemStore) -> ItemStore:
        return pgstac
