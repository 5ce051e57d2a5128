"""What people send that is wrong: each gets a clear 4xx, nothing is changed and nothing leaks."""

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from terrafair.api.stac.application import application, mount
from terrafair.api.stac.service import Service
from terrafair.catalogue.items.search import ItemStore

from ..databases import items
from ..stac.documents import collection, item, square
from ..stac.serving import served


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ItemStore]:
    store = items(tmp_path_factory.mktemp("items"))
    yield store
    store.close()


@pytest.fixture
def client(store: ItemStore) -> Iterator[httpx2.Client]:
    for entry in store.collections():
        store.delete_collection(entry.id)
    store.put_collection(collection())
    store.put_collection(collection("published"))
    store.put_items("scenes", [item("one"), item("two", platform="x")])
    outer = Starlette()
    owner = {"published": "published in the Open Science Catalog"}
    service = Service(store, belongs_elsewhere=lambda name: owner.get(name, ""))
    mount(outer, "/stac", application(service))
    with served(outer) as base, httpx2.Client(base_url=f"{base}/stac", timeout=60) as connected:
        yield connected


def refused(reply: httpx2.Response, status: int = 400) -> str:
    assert reply.status_code == status, (reply.status_code, reply.text[:500])
    assert reply.headers["content-type"] == "application/problem+json"
    problem = reply.json()
    assert problem["title"] and problem["status"] == status
    assert "Traceback" not in reply.text and "sqlite" not in reply.text.lower() and "/items.db" not in reply.text
    return str(problem.get("detail", ""))


PARAMETERS: list[dict[str, str]] = [
    {"bbox": "1,2,3"},
    {"bbox": "a,b,c,d"},
    {"bbox": "nan,0,1,1"},
    {"bbox": "inf,0,1,1"},
    {"bbox": "0,10,1,5"},
    {"bbox": "0,0,1,100"},
    {"bbox": "0,0,5,1,1,2"},
    {"bbox": "0,0,1,1", "intersects": json.dumps(square(0, 0))},
    {"intersects": "{"},
    {"intersects": '{"type":"Polygon","coordinates":[[[0,0],[1,1]]]}'},
    {"intersects": '{"type":"Point","coordinates":[1e999,0]}'},
    {"intersects": '"text"'},
    {"datetime": "2020-01-01"},
    {"datetime": "2020-01-01T00:00:00Z/2019-01-01T00:00:00Z"},
    {"datetime": "../.."},
    {"datetime": "'; DROP TABLE items; --"},
    {"limit": "0"},
    {"limit": "-1"},
    {"limit": "ten"},
    {"limit": "1e3"},
    {"sortby": "-"},
    {"sortby": "a,b,c,d,e,f,g,h,i"},
    {"sortby": '-a"b'},
    {"sortby": "geometry"},
    {"token": "nonsense"},
    {"filter": "eo:cloud_cover <"},
    {"filter": "1=1; DROP TABLE items"},
    {"filter": "a = 'x' UNION SELECT 1"},
    {"filter": "load_extension('x') = 1"},
    {"filter": "(" * 5000},
    {"filter": "a = 1 AND " * 5000 + "b = 2"},
    {"filter": "a = 1", "filter-lang": "sql"},
    {"filter": "a = 1", "filter-crs": "EPSG:9999"},
    {"filter": "{", "filter-lang": "cql2-json"},
    {"filter": "[1]", "filter-lang": "cql2-json"},
    {"filter": '{"op":"="}', "filter-lang": "cql2-json"},
    {"filter": '{"op":"=","args":[{"property":5},1]}', "filter-lang": "cql2-json"},
    {"query": "[]"},
    {"query": '{"a":{"like":"x"}}'},
    {"query": '{"a":5}'},
    {"q": "---"},
]


@pytest.mark.parametrize("parameters", PARAMETERS, ids=lambda value: str(value)[:60])
def test_parameters(client: httpx2.Client, parameters: dict[str, str]) -> None:
    for path in ("/search", "/collections/scenes/items", "/aggregate"):
        if not (path == "/aggregate" and set(parameters) & {"token", "sortby"}):
            refused(client.get(path, params=parameters))
    if set(parameters) & {"bbox", "datetime", "filter", "limit"} and "intersects" not in parameters:
        refused(client.get("/collections", params=parameters))


BODIES: list[bytes] = [
    b"",
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b'{"bbox":[NaN,0,1,1]}',
    b'{"bbox":[Infinity,0,1,1]}',
    b'{"bbox":"0,0,1,1"}',
    b'{"bbox":[true,0,1,1]}',
    b'{"bbox":[[0,0],[1,1]]}',
    b'{"limit":1.5}',
    b'{"limit":true}',
    b'{"limit":"x"}',
    b'{"ids":5}',
    b'{"ids":[5]}',
    b'{"collections":[["scenes"]]}',
    b'{"sortby":5}',
    b'{"sortby":[{"field":"a","direction":"up"}]}',
    b'{"fields":null}',
    b'{"fields":5}',
    b'{"token":5}',
    b'{"datetime":5}',
    b'{"query":{"a":{"eq":null}}}',
    b'{"query":{"a":{"eq":{}}}}',
    b'{"filter":5}',
    b'{"filter":{"op":"and","args":[1,2]}}',
    b'{"filter":{"op":"not","args":[]}}',
    b'{"filter":{"op":"like","args":[{"property":"platform"},"x\\\\"]}}',
    b'{"filter":{"op":"=","args":[{"property":"a\\u0000b"},1]}}',
    b'{"filter":{"op":"=","args":[{"property":"a"},null]}}',
    b'{"filter":{"op":"s_intersects","args":[{"property":"geometry"},{"type":"Point","coordinates":[]}]}}',
    b"\xff\xfe{}",
    b'{"a":' * 3000 + b"1" + b"}" * 3000,
    b'{"filter":' + b'{"op":"not","args":[' * 300 + b"true" + b"]}" * 300 + b"}",
    json.dumps({"ids": [str(n) for n in range(20_000)]}).encode(),
    json.dumps({"filter": {"op": "in", "args": [{"property": "a"}, list(range(20_000))]}}).encode(),
]


@pytest.mark.parametrize("body", BODIES, ids=lambda value: repr(value[:60]))
def test_bodies(client: httpx2.Client, body: bytes) -> None:
    refused(client.post("/search", content=body, headers={"content-type": "application/json"}))


def test_a_body_of_fifty_megabytes_is_refused_wherever_one_is_read(client: httpx2.Client) -> None:
    body = b'{"ids":["' + b"x" * 50_000_000 + b'"]}'
    for method, path in (
        ("POST", "/search"),
        ("POST", "/aggregate"),
        ("POST", "/collections"),
        ("PUT", "/collections/scenes"),
        ("POST", "/collections/scenes/items"),
        ("PUT", "/collections/scenes/items/one"),
        ("PATCH", "/collections/scenes/items/one"),
    ):
        assert "bytes" in refused(client.request(method, path, content=body), 413)


@pytest.mark.parametrize(
    "path",
    [
        "/collections/none",
        "/collections/none/items",
        "/collections/scenes/items/none",
        "/collections/none/queryables",
        "/collections/none/aggregate",
        "/collections/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/collections/scenes/items/..%2f..%2fone",
        "/collections/scenes%00",
        "/collections/scenes/items/one%00",
        "/nothing",
        "/collections/scenes/items/' OR 1=1 --",
    ],
)
def test_what_is_not_there(client: httpx2.Client, path: str) -> None:
    refused(client.get(path), 404)


def test_values_are_values_whatever_they_look_like(client: httpx2.Client) -> None:
    for text in ("' OR '1'='1", "x'; DROP TABLE items; --", "%", "\\", '"', "?", "%s", "{}", "\u0000"):
        answer = client.post("/search", json={"filter": {"op": "=", "args": [{"property": "platform"}, text]}})
        assert answer.status_code == 200 and answer.json()["features"] == []
        assert client.post("/search", json={"ids": [text]}).json()["features"] == []
        assert client.post("/search", json={"collections": [text]}).json()["features"] == []
    assert client.get("/search").json()["numberMatched"] == 2


def test_changes(client: httpx2.Client) -> None:
    assert client.post("/collections", json=collection("new")).status_code == 201
    refused(client.post("/collections", json=collection("new")), 409)
    refused(client.post("/collections", json=collection("a/b")))
    refused(client.post("/collections", json={**collection("c"), "extent": {}}))
    made = client.post("/collections/new/items", json=item("i", collection="new"))
    assert made.status_code == 201 and made.json()["id"] == "i"
    assert client.get(made.headers["location"]).json() == made.json()
    refused(client.post("/collections/new/items", json=item("i", collection="new")), 409)
    several = {"type": "FeatureCollection", "features": [item(f"f{n}", collection="new") for n in range(5)]}
    assert client.post("/collections/new/items", json=several).status_code == 201
    refused(client.put("/collections/new/items/i", json=item("j", collection="new")))
    refused(client.put("/collections/new/items/none", json=item("none", collection="new")), 404)
    assert client.put("/collections/new/items/i", json=item("i", collection="new", gsd=5)).status_code == 204
    patch: Any = {"properties": {"gsd": None, "added": [1]}}
    assert client.patch("/collections/new/items/i", json=patch).status_code == 204
    changed = client.get("/collections/new/items/i").json()["properties"]
    assert changed["added"] == [1] and "gsd" not in changed
    refused(client.patch("/collections/new/items/i", json={"id": "j"}))
    refused(client.patch("/collections/new/items/i", json=[1]))
    assert client.patch("/collections/new", json={"title": "Other"}).json()["title"] == "Other"
    assert client.put("/collections/new", json=collection("new", title="Third")).status_code == 200
    assert client.get("/collections", params={"q": "third"}).json()["numberMatched"] == 1
    assert client.delete("/collections/new/items/i").status_code == 204
    refused(client.delete("/collections/new/items/i"), 404)
    assert client.delete("/collections/new").status_code == 204
    refused(client.get("/collections/new"), 404)


def test_only_who_may_changes_and_nobody_what_is_published(client: httpx2.Client) -> None:
    for method, path in (("PUT", "/collections/published"), ("DELETE", "/collections/published")):
        refused(client.request(method, path, json=collection("published")), 403)
    refused(client.post("/collections/published/items", json=item("x", collection="published")), 403)
    through_proxy = {"x-forwarded-for": "203.0.113.5"}
    for method, path in (("POST", "/collections"), ("DELETE", "/collections/scenes/items/one")):
        refused(client.request(method, path, json=collection("x"), headers=through_proxy), 403)
    assert client.get("/collections/scenes/items/one").status_code == 200


def test_methods_that_are_not_there(client: httpx2.Client) -> None:
    refused(client.delete("/search"), 405)
    refused(client.put("/collections", json={}), 405)


def test_bodies_of_every_other_route(client: httpx2.Client) -> None:
    deep = b'{"properties":' + b'{"a":' * 900 + b"1" + b"}" * 901
    odd = [b"[]", b"5", b"null", b"{", b'{"id":5}', b'{"type":"FeatureCollection","features":[5]}', deep]
    routes = [
        ("POST", "/collections/scenes/aggregate"),
        ("POST", "/collections"),
        ("POST", "/collections/scenes/items"),
    ]
    routes += [("PUT", "/collections/scenes"), ("PUT", "/collections/scenes/items/one")]
    for body in odd:
        for method, path in routes:
            if "aggregate" not in path or body[:1] != b"{" or body == b"{":
                refused(client.request(method, path, content=body))
        if body[:1] != b"{" or body in {b"{", b'{"id":5}', deep}:
            refused(client.patch("/collections/scenes/items/one", content=body))
            refused(client.patch("/collections/scenes", content=body))


def test_a_collection_at_the_end_of_time_breaks_no_search(client: httpx2.Client) -> None:
    extent = {"spatial": {"bbox": [["a", 0, 1, 1]]}, "temporal": {"interval": [["0001-01-01T00:00:00+14:00", 5]]}}
    odd = collection("odd", title=5, keywords=[None, "word"], extent=extent)
    assert client.post("/collections", json=odd).status_code == 201
    found = client.get("/collections", params={"bbox": "0,0,1,1"})
    assert [entry["id"] for entry in found.json()["collections"]] == ["published", "scenes"]
    assert client.get("/collections", params={"q": "word"}).json()["numberMatched"] == 1
    for when in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:60Z"):
        refused(client.post("/collections/scenes/items", json=item("late", when=when)))


def test_a_change_names_the_version_that_it_changes(client: httpx2.Client) -> None:
    path = "/collections/scenes/items/one"
    first = client.get(path).headers["etag"]
    assert client.get(path, headers={"if-none-match": f'W/{first}, "x"'}).status_code == 304
    for method, body in (("PUT", item("one", gsd=1)), ("PATCH", {"properties": {"gsd": 1}}), ("DELETE", None)):
        refused(client.request(method, path, json=body, headers={"if-match": '"other"'}), 412)
    assert client.put(path, json=item("one", gsd=1), headers={"if-match": first}).status_code == 204
    second = client.get(path).headers["etag"]
    assert second != first and client.get(path, headers={"if-none-match": first}).status_code == 200
    refused(client.put(path, json=item("one", gsd=2), headers={"if-match": first}), 412)
    assert client.delete(path, headers={"if-match": second}).status_code == 204
    shelf = client.get("/collections/scenes").headers["etag"]
    refused(client.patch("/collections/scenes", json={"title": "x"}, headers={"if-match": first}), 412)
    assert client.patch("/collections/scenes", json={"title": "x"}, headers={"if-match": shelf}).status_code == 200
