"""OGC API - Records over the demo's catalogue and over the real one."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from .conftest import ended

BASE = "/records/collections"


def get(client: TestClient, path: str, **parameters: Any) -> dict[str, Any]:
    answer = client.get(path, params=parameters or None)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def ids(client: TestClient, collection: str, **parameters: Any) -> list[str]:
    found = get(client, f"{BASE}/{collection}/items", limit=1000, **parameters)
    assert found["numberReturned"] == len(found["features"]) == found["numberMatched"]
    return [feature["id"] for feature in found["features"]]


def test_the_way_in(client: TestClient) -> None:
    landing = get(client, "/records")
    assert any(uri.endswith("record-core-query-parameters") for uri in landing["conformsTo"])
    for link in landing["links"]:
        assert client.get(link["href"], headers={"Accept": link["type"]}).status_code == 200
    for collection in get(client, BASE)["collections"]:
        assert collection["itemType"] == "record"
        for link in collection["links"]:
            assert client.get(link["href"], headers={"Accept": link["type"]}).status_code == 200, link


@pytest.mark.parametrize("path", ["", "/collections", "/collections/workflows", "/collections/workflows/items",
                                  "/collections/workflows/items/demo-water-workflow",
                                  "/collections/workflows/queryables"])  # fmt: skip
def test_pages(client: TestClient, path: str) -> None:
    page = client.get(f"/records{path}", headers={"Accept": "text/html"})
    assert page.headers["content-type"].startswith("text/html")
    assert page.text.count("<h1>") == 1


def test_every_record_is_the_document_as_published(real: TestClient, osc: Path) -> None:
    for collection in ("workflows", "experiments"):
        features = get(real, f"{BASE}/{collection}/items", limit=1000)["features"]
        folders = [path for path in (osc / collection).iterdir() if path.is_dir()]
        assert len(features) == len(folders)
        for feature in features:
            original = json.loads((osc / collection / feature["id"] / "record.json").read_text("utf-8"))
            links = original.pop("links")
            mine = dict(feature)
            assert mine.pop("links")[: len(links)] == links
            assert mine == original
            assert list(mine) == list(original)
            assert get(real, f"{BASE}/{collection}/items/{quote(feature['id'], safe='')}")["links"] == feature["links"]


def test_links_are_added_that_lead_somewhere(real: TestClient) -> None:
    record = get(real, f"{BASE}/experiments/items/esa-world-cereal-extent-experiment")
    added = [link for link in record["links"] if link["href"].startswith("http://testserver/")]
    assert {"self", "collection", "root"} <= {link["rel"] for link in added}
    targets = [link["href"] for link in added if "/items/" in link["href"] and link["rel"] == "related"]
    assert any("/workflows/items/" in href for href in targets)
    for href in targets:
        assert real.get(href).status_code == 200, href
    elsewhere = [link["href"] for link in record["links"] if "esa-earthcode.github.io" in link["href"]]
    assert all(".." not in href for href in elsewhere)


def test_products_are_records(real: TestClient) -> None:
    found = get(real, f"{BASE}/products/items", limit=1000)
    assert found["numberMatched"] > 100
    for feature in found["features"]:
        assert feature["type"] == "Feature"
        assert feature["properties"]["type"] == "dataset"
        assert feature["properties"]["title"]


def test_pages_of_records_hold_everything_once(real: TestClient) -> None:
    everything = ids(real, "products")
    seen: list[str] = []
    url = f"{BASE}/products/items?limit=37&sortby=id"
    while url:
        page = get(real, url)
        seen += [feature["id"] for feature in page["features"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        url = following[0] if following else ""
    assert sorted(seen) == sorted(everything)
    assert [name.casefold() for name in seen] == sorted(name.casefold() for name in seen)


def test_free_text(real: TestClient) -> None:
    assert "polarwarp" in ids(real, "workflows", q="polarwarp")
    assert "polarwarp" in ids(real, "workflows", q="nothing-like-this,PolarWarp")
    phrase = ids(real, "workflows", q="convolutional neural network")
    assert set(phrase) <= set(ids(real, "workflows", q="network"))
    assert ids(real, "workflows", q="network convolutional neural") == []


def test_where_and_when(real: TestClient) -> None:
    everything = set(ids(real, "experiments"))
    goes = set(ids(real, "experiments", bbox="-120,-10,-110,10"))
    assert "earthcare-marine-stratocumulus-transitions-experiment" in goes
    assert goes < everything
    assert "earthcare-marine-stratocumulus-transitions-experiment" not in ids(real, "experiments", bbox="100,50,110,60")
    recent = set(ids(real, "experiments", datetime="2025-01-01/.."))
    assert "earthcare-marine-stratocumulus-transitions-experiment" in recent
    old = ids(real, "experiments", datetime="../1950-01-01")
    assert "earthcare-marine-stratocumulus-transitions-experiment" not in old


def test_by_id_type_and_property(real: TestClient) -> None:
    assert ids(real, "workflows", ids="polaris,polarwarp") == ["polaris", "polarwarp"]
    assert ids(real, "workflows", type="experiment") == []
    assert len(ids(real, "workflows", type="workflow")) == len(ids(real, "workflows"))
    land = ids(real, "products", themes="land")
    assert 0 < len(land) < len(ids(real, "products"))
    doi = next(
        feature["properties"]["sci:doi"]
        for feature in get(real, f"{BASE}/products/items", limit=1000)["features"]
        if feature["properties"].get("sci:doi")
    )
    assert len(ids(real, "products", externalIds=doi)) >= 1
    assert len(ids(real, "products", externalIds=f"doi:{doi}")) >= 1


def test_facets(real: TestClient) -> None:
    found = get(real, f"{BASE}/products/items", facets="themes,osc:status", limit=1)
    assert set(found["facets"]) == {"themes", "osc:status"}
    for bucket in found["facets"]["themes"]["buckets"]:
        assert bucket["count"] == len(ids(real, "products", themes=bucket["value"]))
    assert "facets" not in get(real, f"{BASE}/products/items", limit=1)


FILTERS = [
    ("title LIKE '%EarthCARE%'", {"op": "like", "args": [{"property": "title"}, "%EarthCARE%"]}),
    ("A_CONTAINS(themes, ('land'))", {"op": "a_contains", "args": [{"property": "themes"}, ["land"]]}),
    ("\"osc:status\" = 'completed'", {"op": "=", "args": [{"property": "osc:status"}, "completed"]}),
    (
        "S_INTERSECTS(geometry, BBOX(5, 45, 15, 50))",
        {"op": "s_intersects", "args": [{"property": "geometry"}, {"bbox": [5, 45, 15, 50]}]},
    ),
    (
        "start_datetime < TIMESTAMP('2000-01-01T00:00:00Z')",
        {"op": "<", "args": [{"property": "start_datetime"}, {"timestamp": "2000-01-01T00:00:00Z"}]},
    ),
]


@pytest.mark.parametrize(("text", "tree"), FILTERS)
def test_cql2(real: TestClient, text: str, tree: dict[str, Any]) -> None:
    found = ids(real, "products", filter=text)
    everything = ids(real, "products")
    assert 0 < len(found) < len(everything)
    assert ids(real, "products", filter=json.dumps(tree), **{"filter-lang": "cql2-json"}) == found
    rest = ids(real, "products", filter=f"NOT ({text})")
    assert not set(rest) & set(found)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"bbox": "1,2,3"}, "bbox"),
    ({"bbox": "a,b,c,d"}, "bbox"),
    ({"bbox": "0,90,10,-90"}, "bbox"),
    ({"bbox": "nan,nan,nan,nan"}, "bbox"),
    ({"bbox-crs": "EPSG:3857"}, "bbox-crs"),
    ({"datetime": "yesterday"}, "time"),
    ({"datetime": "2024-01-01/2020-01-01"}, "time"),
    ({"limit": "0"}, "limit"),
    ({"limit": "many"}, "limit"),
    ({"offset": "-1"}, "offset"),
    ({"sortby": "colour"}, "sortby"),
    ({"facets": "colour"}, "facets"),
    ({"colour": "red"}, "colour"),
    ({"filter": "title ="}, "filter"),
    ({"filter": "title"}, "filter"),
    ({"filter": "colour = 'red'"}, "filter"),
    ({"filter": "title = 'x'; DROP TABLE records"}, "filter"),
    ({"filter": "title = 'x' UNION SELECT 1"}, "filter"),
    ({"filter": "(" * 3000 + "id = 'x'" + ")" * 3000}, "filter"),
    ({"filter": "id = " + "-" * 7000 + "5"}, "filter"),
    ({"filter": "id = " + "1+" * 3900 + "1"}, "filter"),
    ({"filter": "{", "filter-lang": "cql2-json"}, "filter"),
    ({"filter": '{"op": "and", "args": "x"}', "filter-lang": "cql2-json"}, "filter"),
    ({"filter": '{"op": "not", "args": [' * 200 + "true" + "]}" * 200, "filter-lang": "cql2-json"}, "filter"),
    ({"filter": "id = 'x'", "filter-lang": "sql"}, "filter-lang"),
    ({"f": "gml"}, "f"),
]


@pytest.mark.parametrize(("parameters", "where"), WRONG)
def test_wrong_parameters(client: TestClient, parameters: dict[str, Any], where: str) -> None:
    answer = client.get(f"{BASE}/workflows/items", params=parameters)
    assert answer.status_code == 400, answer.text[:500]
    assert answer.headers["content-type"] == "application/problem+json"
    assert {problem["where"] for problem in answer.json()["problems"]} == {where}
    assert len(answer.content) < 10_000


def test_a_text_in_a_filter_is_no_more_than_a_text(client: TestClient) -> None:
    for text in ("' OR '1'='1", "x'; DROP TABLE records; --", "((((((("):
        assert ids(client, "workflows", filter=f"title = '{text.replace(chr(39), chr(39) * 2)}'") == []
    assert len(ids(client, "workflows")) >= 3


@pytest.mark.parametrize("id", ["no-such", "../experiments", "%2e%2e%2f%2e%2e", "a" * 3000, "é\u0000"])
def test_unknown_records(client: TestClient, id: str) -> None:
    for path in (f"{BASE}/{quote(id, safe='%')}", f"{BASE}/workflows/items/{quote(id, safe='%')}"):
        assert client.get(path).status_code == 404
    assert client.post(f"{BASE}/experiments/items/{quote(id, safe='%')}/execution").status_code in {404, 405}


def test_an_experiment_runs_where_it_is_described(client: TestClient) -> None:
    record = get(client, f"{BASE}/experiments/items/demo-ndvi")
    execute = next(link["href"] for link in record["links"] if link["rel"].endswith("/execute"))
    answer = client.post(execute, headers={"Prefer": "respond-async"})
    assert answer.status_code == 201, answer.text
    status = ended(client, answer.headers["location"])
    assert (status["status"], status["processID"]) == ("successful", "demo-ndvi-workflow")
    wrong = client.post(execute, json={"inputs": {"colour": "red"}})
    assert wrong.status_code == 400
    assert client.post(execute, json={"experiment": "demo-water"}).status_code == 400


def test_what_cannot_run_says_why(real: TestClient) -> None:
    answer = real.post(f"{BASE}/experiments/items/polaris/execution")
    assert answer.status_code == 422
    assert answer.json()["problems"]
