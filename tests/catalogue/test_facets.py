"""Facets and lineage: counts against the raw documents of the real catalogue, counted here in another way."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.query import Query

FOLDERS = {"theme": "themes", "variable": "variables", "mission": "eo-missions", "project": "projects"}


@pytest.fixture(scope="module")
def real(osc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalogue]:
    with Catalogue(tmp_path_factory.mktemp("facets")) as catalogue:
        catalogue.sync(str(osc))
        yield catalogue


@pytest.fixture(scope="module")
def products(osc: Path) -> dict[str, dict[str, Any]]:
    found = (json.loads(path.read_text("utf-8")) for path in osc.glob("products/**/collection.json"))
    return {document["id"]: document for document in found}


def named(document: dict[str, Any], facet: str) -> set[str]:
    """What one product names, read from its own JSON only."""
    names: set[str] = set()
    if facet in {"variable", "mission"}:
        names |= set(document.get(f"osc:{facet}s", []))
    if facet == "project" and document.get("osc:project"):
        names.add(document["osc:project"])
    if facet == "theme":
        names |= {concept["id"] for theme in document.get("themes", []) for concept in theme.get("concepts", [])}
    pattern = re.compile(rf"{FOLDERS[facet]}/([^/]+)/(?:catalog|collection)\.json$")
    return names | {found[1] for link in document["links"] if (found := pattern.search(link["href"]))}


@pytest.mark.parametrize("facet", FOLDERS)
def test_counts_are_those_of_the_documents(real: Catalogue, products: dict[str, dict[str, Any]], facet: str) -> None:
    expected = Counter(name for document in products.values() for name in named(document, facet))
    found = {value.id: value.count for value in real.facets(Query.parse(kinds=("product",)))[facet]}
    assert found == dict(expected)


def test_a_chosen_value_narrows_the_others_and_not_its_own_facet(
    real: Catalogue, products: dict[str, dict[str, Any]]
) -> None:
    facets = real.facets(Query.parse(kinds=("product",), theme="oceans"))
    chosen = [value for value in facets["theme"] if value.chosen]
    assert [value.id for value in chosen] == ["oceans"] and facets["theme"][0] is chosen[0]
    assert len(facets["theme"]) > 1
    within = [document for document in products.values() if "oceans" in named(document, "theme")]
    expected = Counter(name for document in within for name in named(document, "mission"))
    assert {value.id: value.count for value in facets["mission"]} == dict(expected)


@pytest.mark.parametrize("text", ["sea ice", "soil moisture", "fire", "qqqqqqqq"])
def test_a_count_is_what_choosing_it_finds(real: Catalogue, text: str) -> None:
    for facet, values in real.facets(Query(text=text)).items():
        for value in values[:3]:
            chosen: dict[str, Any] = {"kinds": (value.id,)} if facet == "kind" else {facet: value.id}
            assert real.search(Query.parse(text=text, **chosen)).total == value.count, (facet, value)


def test_lineage_goes_both_ways(real: Catalogue) -> None:
    assert ("polaris", "POLARIS") in real.near("product", "polaris")["experiment"]  # type: ignore[index]
    assert ("polaris", "POLARIS") in real.near("experiment", "polaris")["product"]  # type: ignore[index]
    assert real.near("theme", "oceans") == {}
    assert real.near("product", "no-such-product") == {}
