"""The STAC API over HTTP: searches, pages, collections, fields, counts."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from terrafair.api.stac.application import application, mount
from terrafair.api.stac.service import Service
from terrafair.catalogue.items.sqlite.store import SqliteItems

from ..databases import items
from ..stac.documents import archive, collection, diamond, item, square
from ..stac.serving import served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    store = items(tmp_path_factory.mktemp("items"))
    store.put_collection(collection(keywords=["optical"], **{"osc:status": "completed"}))
    ocean = {"spatial": {"bbox": [[170, -30, -170, 0]]}, "temporal": {"interval": [["1990-01-01T00:00:00Z", None]]}}
    store.put_collection(collection("ocean", title="Sea surface temperature", extent=ocean))
    store.put_items("scenes", archive(40))
    store.put_items("ocean", [item("a b+ü%", diamond(175, -10, 2), collection="ocean", title="Warm water")])
    outer = Starlette()
    mount(outer, "/stac", application(Service(store)))
    with served(outer) as base, httpx2.Client(base_url=f"{base}/stac") as connected:
        yield connected
    store.close()


def get(client: httpx2.Client, path: str, status: int = 200, **parameters: Any) -> Any:
    reply = client.get(path, params=parameters)
    assert reply.status_code == status, reply.text[:2000]
    return reply.json()


def post(client: httpx2.Client, body: Any, status: int = 200) -> Any:
    reply = client.post("/search", json=body)
    assert reply.status_code == status, reply.text[:2000]
    return reply.json()


def rel(document: Any, name: str) -> Any:
    return next((link for link in document["links"] if link["rel"] == name), None)


def test_the_landing_page_answers_with_and_without_a_slash(client: httpx2.Client) -> None:
    for path in ("", "/"):
        reply = client.get(str(client.base_url).rstrip("/") + path, follow_redirects=False)
        assert reply.status_code == 200
        page = reply.json()
        assert rel(page, "self")["href"] == str(client.base_url).rstrip("/")
        assert {link["href"].rpartition("/")[2] for link in page["links"] if link["rel"] == "child"} == {
            "ocean",
            "scenes",
        }
    assert all(
        uri.startswith(("https://api.stacspec.org/v1.0.0/", "http://www.opengis.net/")) for uri in page["conformsTo"]
    )


def test_every_link_of_every_answer_leads_somewhere(client: httpx2.Client) -> None:
    todo, seen = [str(client.base_url).rstrip("/")], set()
    while todo:
        address = todo.pop()
        if address in seen:
            continue
        seen.add(address)
        reply = client.get(address)
        assert reply.status_code == 200, address
        if "json" not in reply.headers["content-type"] or len(seen) > 300:
            continue
        stack = [reply.json()]
        while stack:
            node = stack.pop()
            if isinstance(node, dict):
                for link in node.get("links", []):
                    if link.get("method", "GET") == "GET" and link["href"].startswith(str(client.base_url)):
                        todo.append(link["href"])
                stack += node.values()
            elif isinstance(node, list):
                stack += node
    assert len(seen) > 60


def test_an_id_of_any_letters_has_an_address(client: httpx2.Client) -> None:
    found = get(client, "/search", collections="ocean")["features"][0]
    assert found["id"] == "a b+ü%"
    again = client.get(rel(found, "self")["href"])
    assert again.json() == found


def test_get_and_post_ask_the_same(client: httpx2.Client) -> None:
    polygon = square(-100, -50, 120)
    questions: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"bbox": "-20,-20,60,60"}, {"bbox": [-20, -20, 60, 60]}),
        ({"bbox": "-20,-20,0,60,60,100"}, {"bbox": [-20, -20, 0, 60, 60, 100]}),
        ({"bbox": "170,-20,-170,20"}, {"bbox": [170, -20, -170, 20]}),
        ({"intersects": json.dumps(polygon)}, {"intersects": polygon}),
        ({"ids": "scene-00001,scene-00002"}, {"ids": ["scene-00001", "scene-00002"]}),
        ({"collections": "scenes"}, {"collections": "scenes"}),
        ({"datetime": "2020-06-01T00:00:00Z/.."}, {"datetime": "2020-06-01T00:00:00Z/.."}),
        (
            {"sortby": "-eo:cloud_cover,+id"},
            {"sortby": [{"field": "eo:cloud_cover", "direction": "desc"}, {"field": "id"}]},
        ),
        ({"filter": "gsd = 10"}, {"filter": {"op": "=", "args": [{"property": "gsd"}, 10]}}),
        ({"filter": "gsd = 10"}, {"filter": "gsd = 10", "filter-lang": "cql2-text"}),
        (
            {"filter": '{"op":"=","args":[{"property":"gsd"},10]}', "filter-lang": "cql2-json"},
            {"filter": {"op": "=", "args": [{"property": "gsd"}, 10]}, "filter-lang": "cql2-json"},
        ),
        ({"query": '{"platform":{"endsWith":"2a"}}'}, {"query": {"platform": {"endsWith": "2a"}}}),
        ({"query": '{"instruments":{"in":["olci"]}}'}, {"query": {"instruments": {"in": ["olci"]}}}),
        ({"q": "warm water,nothing"}, {"q": ["warm water", "nothing"]}),
        ({"limit": "3"}, {"limit": 3}),
    ]
    for parameters, body in questions:
        by_get, by_post = get(client, "/search", **parameters), post(client, body)
        assert by_get["features"] and by_get["features"] == by_post["features"], parameters
        assert by_get["numberMatched"] == by_post["numberMatched"] >= by_get["numberReturned"]


def test_following_links_gives_everything_once(client: httpx2.Client) -> None:
    for method in ("GET", "POST"):
        page = get(client, "/search", limit=6) if method == "GET" else post(client, {"limit": 6})
        first, seen = page["features"], [entry["id"] for entry in page["features"]]
        while link := rel(page, "next"):
            reply = client.get(link["href"]) if method == "GET" else client.post(link["href"], json=link["body"])
            page = reply.json()
            seen += [entry["id"] for entry in page["features"]]
            assert page["numberMatched"] == 41
        assert len(seen) == len(set(seen)) == 41
        while link := rel(page, "prev"):
            reply = client.get(link["href"]) if method == "GET" else client.post(link["href"], json=link["body"])
            page = reply.json()
        assert page["features"] == first


def test_fields(client: httpx2.Client) -> None:
    def shown(**fields: Any) -> Any:
        return post(client, {"ids": ["scene-00001"], "fields": fields})["features"][0]

    assert set(shown(include=["id"])) == {"id", "type", "collection", "stac_version"}
    assert shown(include=["properties.gsd"])["properties"] == {"gsd": 20}
    assert shown(include=["gsd"])["properties"] == {"gsd": 20}
    assert "assets" not in shown(exclude=["assets"]) and "gsd" in shown(exclude=["assets"])["properties"]
    assert set(shown()["properties"]) == {"datetime"}
    assert "gsd" not in shown(include=["properties"], exclude=["properties.gsd"])["properties"]
    listed = get(client, "/collections/scenes/items", fields="id,-geometry", limit=1)["features"][0]
    assert "geometry" not in listed and "properties" not in listed


def test_collections_are_searched(client: httpx2.Client) -> None:
    def found(**parameters: Any) -> list[str]:
        answer = get(client, "/collections", **parameters)
        assert answer["numberReturned"] == len(answer["collections"])
        return [entry["id"] for entry in answer["collections"]]

    assert found() == ["ocean", "scenes"]
    assert found(q="surface temperature") == ["ocean"]
    assert found(bbox="175,-10,178,-5") == ["ocean", "scenes"]
    assert found(bbox="0,-10,10,-5") == ["scenes"]
    assert found(datetime="1995-01-01T00:00:00Z") == ["ocean"]
    assert found(filter="\"osc:status\" = 'completed'") == ["scenes"]
    assert found(sortby="-id") == ["scenes", "ocean"]
    page = get(client, "/collections", limit=1)
    assert client.get(rel(page, "next")["href"]).json()["collections"][0]["id"] == "scenes"
    assert get(client, "/collections", fields="title", limit=1)["collections"][0].keys() == {"id", "type", "title"}


def test_queryables_and_sortables(client: httpx2.Client) -> None:
    for home in ("", "/collections/scenes"):
        schema = get(client, f"{home}/queryables")
        assert schema["$id"].endswith(f"{home}/queryables")
        assert schema["properties"]["eo:cloud_cover"]["type"] == "number"
        assert schema["properties"]["instruments"]["type"] == "array"
        assert "instruments" not in get(client, f"{home}/sortables")["properties"]


def test_aggregations(client: httpx2.Client) -> None:
    offered = {entry["name"] for entry in get(client, "/collections/scenes/aggregations")["aggregations"]}
    assert {"total_count", "datetime_frequency", "platform_frequency"} <= offered
    counted = get(client, "/aggregate", aggregations="total_count,collection_frequency", filter="gsd = 10")[
        "aggregations"
    ]
    assert counted[0]["value"] == 14
    assert counted[1]["buckets"] == [{"key": "scenes", "data_type": "frequency_distribution", "frequency": 14}]
    reply = client.post("/aggregate", json={"collections": ["ocean"], "aggregations": ["total_count"]})
    assert reply.json()["aggregations"][0]["value"] == 1


def test_openapi_describes_every_route(client: httpx2.Client) -> None:
    from terrafair.api.stac.application import routes

    document = client.get("/api").json()
    described = {(method.upper(), path) for path, operations in document["paths"].items() for method in operations}
    served = {
        (method, route.path)  # type: ignore[attr-defined]
        for route in routes(Service(SqliteItems()))
        for method in route.methods  # type: ignore[attr-defined]
        if method not in {"HEAD", "OPTIONS"}
    }
    hidden = {("GET", "/api"), ("GET", "/api.html"), ("POST", "/collections/{collection}/aggregate")}
    assert served - hidden == described
    assert "/search" in client.get("/api.html").text
