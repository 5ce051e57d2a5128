"""What the archive asks of items and collections, before anything moves."""

from typing import Any

import pytest

from terrafair.publishing import prr_rules

from .test_archive import good


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        ("id", "a b", "prr-item-id"),
        ("id", "x" * 101, "prr-item-id"),
        ("id", "", "prr-item-id"),
        ("id", 7, "prr-item-id"),
        ("type", "Collection", "prr-no-item"),
        ("stac_extensions", [], "prr-file-extension"),
        ("stac_extensions", None, "prr-file-extension"),
        ("properties", None, "prr-item-time"),
        ("properties/start_datetime", None, "prr-item-time"),
        ("properties/start_datetime", "2024-01-01", "prr-item-time"),
        ("properties/start_datetime", "2024-13-01T00:00:00Z", "prr-item-time"),
        ("properties/end_datetime", "2023-01-01T00:00:00Z", "prr-item-time"),
        ("assets", {}, "prr-no-assets"),
        ("assets", [], "prr-no-assets"),
        ("assets/a", "x", "prr-asset-form"),
        ("assets/a/href", "", "prr-asset-href"),
        ("assets/a/href", "x/ä.tif", "prr-file-name"),
        ("assets/a/href", "y/b.txt", "prr-file-name"),
        ("assets/a/type", None, "prr-asset-type"),
        ("assets/a/roles", [], "prr-asset-roles"),
        ("assets/a/roles", ["thumbnail"], "prr-no-data"),
        ("assets/a/file:size", "1", "prr-asset-size"),
        ("assets/a/file:size", 1.0, "prr-asset-size"),
        ("assets/a/file:size", True, "prr-asset-size"),
        ("assets/a/file:size", -1, "prr-asset-size"),
        ("assets/a/file:checksum", "abc", "prr-asset-checksum"),
    ],
)
def test_item_rules(path: str, value: Any, code: str) -> None:
    item, _ = good()
    assert prr_rules.item_problems(item) == []
    *way, last = path.split("/")
    place: Any = item
    for part in way:
        place = place[part]
    place[last] = value
    assert code in {problem.code for problem in prr_rules.item_problems(item)}


COLLECTION_FIELDS = (
    *("id", "title", "description", "license", "extent", "assets", "themes", "processing:datetime", "cf:parameter"),
    *("osc:project", "osc:initiative", "osc:contract-number", "osc:variables", "osc:missions"),
)


@pytest.mark.parametrize(
    "field",
    COLLECTION_FIELDS,
)
@pytest.mark.parametrize("value", [None, "", [], {}])
def test_collection_rules(field: str, value: Any) -> None:
    _, collection = good()
    assert prr_rules.collection_problems(collection) == []
    assert prr_rules.collection_problems({**collection, field: value})
