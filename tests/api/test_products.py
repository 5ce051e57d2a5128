"""The routes about the data of products, over real STAC documents in an object store, and what is wrong with them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from terrafair.api import problems, products
from terrafair.data.objects import MemoryObjects
from terrafair.data.stage import Stager
from terrafair.errors import Refused
from terrafair.web import PlannedWeb

FOLDER = "products/snow/"
SECRET = FOLDER + "secret.tif"


def item(name: str, **hrefs: str) -> bytes:
    assets = {key.replace("_", "."): {"href": href, "roles": ["data"], "type": "x/y"} for key, href in hrefs.items()}
    about = {"datetime": "2024-05-01T00:00:00Z"}
    return json.dumps({"type": "Feature", "id": name, "properties": about, "links": [], "assets": assets}).encode()


def collection(*items: str, **assets: Any) -> bytes:
    links = [{"rel": "item", "href": href} for href in items]
    return json.dumps({"type": "Collection", "id": "snow", "links": links, "assets": assets}).encode()


class Shop:
    """Two products: one in the store, one elsewhere; a third without data."""

    def __init__(self) -> None:
        self.objects = MemoryObjects()
        self.documents: dict[str, bytes] = {}
        self.references = {
            "snow": self.objects.url(FOLDER + "collection.json"),
            "far": "https://far.example/c/collection.json",
            "empty": "",
        }
        app = FastAPI()
        problems.install(app)
        stager = Stager(self.objects, PlannedWeb(self.documents), ())
        app.include_router(products.router(self.product, stager, self.objects, self.admit))
        self.http = TestClient(app, raise_server_exceptions=False)

    def product(self, id: str) -> tuple[str, str] | None:
        return (id.title(), self.references[id]) if id in self.references else None

    def admit(self, key: str) -> None:
        if key == SECRET:
            raise Refused("This is not yours to read.")

    def names(self, id: str) -> list[str]:
        reply = self.http.get(f"/api/products/{id}/files")
        assert reply.status_code == 200, reply.text
        return [row["name"] for row in reply.json()["files"]]


@pytest.fixture
def shop() -> Iterator[Shop]:
    made = Shop()
    made.objects.put(FOLDER + "collection.json", collection("./a/a.json"))
    made.objects.put(
        FOLDER + "a/a.json", item("a", data="./b 1.tif", cube="./c.zarr", far="https://x.example/y/z.nc?k=1")
    )
    made.objects.put(FOLDER + "a/b 1.tif", b"0123456789", "image/tiff")
    made.objects.put(FOLDER + "a/c.zarr/zarr.json", b"{}")
    made.objects.put(FOLDER + "a/c.zarr/t/0", b"1")
    with made.http:
        yield made


def test_files_have_names_addresses_items_and_times(shop: Shop) -> None:
    reply = shop.http.get("/api/products/snow/files").json()
    assert (reply["title"], reply["all"]) == ("Snow", True)
    rows = {row["name"]: row for row in reply["files"]}
    assert sorted(rows) == ["a/b 1.tif", "a/c.zarr/t/0", "a/c.zarr/zarr.json", "a/z.nc"]
    assert rows["a/z.nc"]["href"] == "https://x.example/y/z.nc?k=1"
    one = rows["a/b 1.tif"]
    assert (one["item"], one["asset"], one["datetime"]) == ("a", "data", "2024-05-01T00:00:00Z")
    assert shop.http.get(one["href"]).content == b"0123456789"


def test_a_file_whole_in_part_and_by_its_headers(shop: Shop) -> None:
    place = "/api/products/snow/files/a/b%201.tif"
    whole = shop.http.get(place)
    assert whole.headers["content-security-policy"].startswith("sandbox")
    assert "attachment" in whole.headers["content-disposition"]
    part = shop.http.get(place, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"234")
    head = shop.http.head(place)
    assert (head.headers["content-length"], head.content) == ("10", b"")
    assert shop.http.get(place, headers={"Range": "bytes=50-60"}).status_code == 416


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("gone/files", 404, "There is no product 'gone'"),
        ("gone/files/a.tif", 404, "There is no product"),
        ("empty/files", 404, "no link to a STAC document"),
        ("empty/files/a.tif", 404, "no link to a STAC document"),
        ("far/files", 404, "far.example"),
        ("far/files/a.tif", 404, "has no file"),
        ("snow/files/none.tif", 404, "none.tif"),
        ("snow/files/a/%2e%2e/%2e%2e/other/x.tif", 404, "has no file"),
        ("snow/files/a//b.tif", 404, "has no file"),
        ("snow/files/a%5Cb.tif", 400, ""),
        ("snow/files/secret.tif", 403, "not yours"),
    ],
)
def test_what_is_not_there_or_not_allowed_is_told(shop: Shop, path: str, status: int, says: str) -> None:
    reply = shop.http.get(f"/api/products/{path}")
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("application/problem+json")
    assert says in reply.text


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no json",
        b"[1]",
        b'"text"',
        b'{"type": "Collection", "links": 3}',
        b'{"type": "Feature", "id": 1, "assets": [1]}',
        b'{"type": "FeatureCollection", "features": 7}',
        b'{"type": "Feature", "id": "a", "properties": [], "assets": {"a": {"href": "x.tif", "alternate": []}}}',
        b'{"type": "Feature", "id": "a", "assets": {"a": {"href": 3}, "b": 2}}',
    ],
)
def test_a_document_that_is_no_stac_is_told(shop: Shop, content: bytes) -> None:
    shop.documents["https://far.example/c/collection.json"] = content
    reply = shop.http.get("/api/products/far/files")
    assert reply.status_code < 500, reply.text


def test_a_product_without_assets_has_no_files(shop: Shop) -> None:
    shop.documents["https://far.example/c/collection.json"] = collection()
    assert shop.names("far") == []


def test_names_stay_apart_and_inside_their_folder(shop: Shop) -> None:
    root = "https://far.example/c/"
    shop.documents[root + "collection.json"] = collection("1.json", "2.json", "3.json")
    shop.documents[root + "1.json"] = item("s/2", b4="10m/B04.tif", b4_20="20m/B04.tif")
    shop.documents[root + "2.json"] = item("..", data="x.tif")
    shop.documents[root + "3.json"] = item("", data="y.tif", none="z/")
    names = shop.names("far")
    assert names == ["s-2/B04.tif", "s-2/b4.20-B04.tif", "x.tif", "y.tif", "z"]
    inside = Path("/a")
    assert all((inside / name).resolve().is_relative_to(inside) for name in names)
