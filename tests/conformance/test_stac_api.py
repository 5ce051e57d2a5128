"""Other people's clients and validators against a live server: stac-api-validator, pystac-client."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette

from terrafair.api.stac.application import application, mount
from terrafair.api.stac.service import Service

from ..databases import items
from ..stac.documents import archive, collection, item, square
from ..stac.serving import served

OFFLINE = Path(__file__).with_name("offline.py")
CLASSES = ("core", "browseable", "children", "collections", "features", "item-search", "filter", "transaction")
CLASSES += ("item-search#sort", "item-search#fields", "item-search#query")
CLASSES += ("features#sort", "features#fields", "features#query")
NAMES_OF_THE_VALIDATOR = "S2A_47XNF_20230423_0_L2A"
COUNT = 120


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    store = items(tmp_path_factory.mktemp("items"))
    for name in ("scenes", "others", "drafts"):
        store.put_collection(collection(name))
    store.put_items("scenes", archive(COUNT))
    store.put_items("others", archive(30, "others"))
    # The validator removes this one before it creates it.
    store.put_items("drafts", [item(NAMES_OF_THE_VALIDATOR, collection="drafts")])
    outer = Starlette()
    mount(outer, "/stac", application(Service(store)))
    with served(outer) as base:
        yield f"{base}/stac"
    store.close()


@pytest.mark.timeout(300)
def test_stac_api_validator_finds_no_fault(address: str, shared: Path) -> None:
    pytest.importorskip("stac_api_validator")
    asked = {
        "--collection": "scenes",
        "--geometry": json.dumps(square(-60, -60, 120)),
        "--transaction-collection": "drafts",
        "--fields-nested-property": "properties.eo:cloud_cover",
        "--query-comparison-field": "eo:cloud_cover",
        **{f"--query-{operator}-value": "31" for operator in ("eq", "neq", "lt", "lte", "gt", "gte")},
        "--query-substring-field": "platform",
        "--query-starts-with-value": "sent",
        "--query-ends-with-value": "2a",
        "--query-contains-value": "tinel",
        "--query-in-field": "instruments",
        "--query-in-values": "msi,none",
    }
    options = [part for pair in asked.items() for part in pair]
    options += [part for name in CLASSES for part in ("--conformance", name)]
    command = [sys.executable, str(OFFLINE), str(shared / "schemas"), "stac_api_validator", "--root-url", address]
    done = subprocess.run(
        [*command, *options, "--log-level", "WARN"], capture_output=True, text=True, timeout=280, check=False
    )
    assert "Errors: none" in done.stdout, done.stdout[-6000:] + done.stderr[-2000:]


def test_pystac_client_walks_searches_and_pages_all_of_it(address: str) -> None:
    pystac_client = pytest.importorskip("pystac_client")
    client = pystac_client.Client.open(address)
    assert {found.id for found in client.get_collections()} == {"scenes", "others", "drafts"}
    assert {child.id for child in client.get_children()} == {"scenes", "others", "drafts"}
    walked = {entry.id for entry in client.get_collection("scenes").get_items()}
    assert walked == {f"scene-{n:05}" for n in range(COUNT)}
    search = client.search(collections=["scenes", "others"], limit=7)
    assert search.matched() == COUNT + 30
    found = [(entry.collection_id, entry.id) for entry in search.items()]
    assert len(found) == len(set(found)) == COUNT + 30
    for method in ("GET", "POST"):
        clear = client.search(
            method=method,
            collections=["scenes"],
            filter={"op": "<", "args": [{"property": "eo:cloud_cover"}, 20]},
            filter_lang="cql2-json",
            sortby=["-properties.eo:cloud_cover"],
            limit=5,
        )
        covers = [entry.properties["eo:cloud_cover"] for entry in clear.items()]
        assert covers == sorted((n * 31 % 101 for n in range(COUNT) if n * 31 % 101 < 20), reverse=True)
    with_text = client.collection_search(q="others")
    assert [found.id for found in with_text.collections()] == ["others"]
    assert client.get_collection("scenes").get_item("scene-00003").id == "scene-00003"
    assert client.search(ids=["scene-00001", "scene-00002"], fields=["id"]).matched() == 4
