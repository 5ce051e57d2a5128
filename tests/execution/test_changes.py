"""Merge patches for the metadata of results."""

from typing import Any

import pytest

from terrafair.execution.changes import changed, merged


@pytest.mark.parametrize(
    ("document", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], {"c": 1}, {"c": 1}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_the_standard(document: Any, patch: Any, expected: Any) -> None:
    assert merged(document, patch) == expected


ITEM = {
    "id": "job-ndvi",
    "properties": {"datetime": "2024-06-01T00:00:00Z", "title": "ndvi"},
    "assets": {"ndvi": {"href": "../outputs/maps/a%20b.tif", "file:size": 9, "title": "NDVI"}},
}
OTHER = {"id": "job-evi", "properties": {}, "assets": {"evi": {"href": "../outputs/evi.tif"}}}
OUTPUTS = {"ndvi": "maps/a b.tif", "evi": "evi.tif"}


def test_only_the_item_of_the_output_changes() -> None:
    patch = {"properties": {"title": None, "license": "CC-BY-4.0"}, "assets": {"ndvi": {"title": "Greenness"}}}
    one, two = changed((ITEM, OTHER), OUTPUTS, {"ndvi": patch})
    assert one["properties"] == {"datetime": "2024-06-01T00:00:00Z", "license": "CC-BY-4.0"}
    assert one["assets"]["ndvi"] == {**ITEM["assets"]["ndvi"], "title": "Greenness"}
    assert two == OTHER


def test_what_ties_an_item_to_its_files_stays() -> None:
    patch = {"id": "x", "links": [], "assets": {"ndvi": {"href": "/etc/passwd", "file:size": 0}, "more": {"href": "y"}}}
    assert changed((ITEM,), OUTPUTS, {"ndvi": patch})[0] == ITEM
    assert changed((ITEM,), OUTPUTS, {"ndvi": {"assets": None}})[0] == ITEM


@pytest.mark.parametrize("changes", [None, [], "x", {"ndvi": 3}, {"unknown": {"properties": {}}}])
def test_nonsense_changes_nothing(changes: Any) -> None:
    assert changed((ITEM,), OUTPUTS, changes) == (ITEM,)


def test_deep_nesting_ends() -> None:
    patch: Any = {}
    for _ in range(5000):
        patch = {"a": patch}
    assert changed((ITEM,), OUTPUTS, {"ndvi": {"deep": patch}})[0]["deep"]
