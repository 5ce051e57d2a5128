"""OGC API - Features over vector results and footprints, over HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import shapely
from pyproj import Transformer
from starlette.applications import Starlette

from terrafair.api.features.application import application
from terrafair.api.stac.application import mount
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.execution.job import Asset, Job, JobRequest, Results, State
from terrafair.execution.layers import FOOTPRINTS, Layers
from terrafair.execution.sandbox import Sandbox, probe

from ..stac.serving import served

JOB = Job("20260101-aaaaaaaaaa", JobRequest("fields"), "2026-01-01T00:00:00.000Z", State.SUCCESSFUL)
EPSG = "http://www.opengis.net/def/crs/EPSG/0"


def fields(count: int) -> dict[str, Any]:
    made = []
    for n in range(count):
        x, y = n % 10, 40 + n // 10
        ring = [[x, y], [x + 0.5, y], [x + 0.5, y + 0.5], [x, y + 0.5], [x, y]]
        properties = {"crop": ["wheat", "maize", "rye"][n % 3], "hectares": n * 1.5, "irrigated": n % 2 == 0}
        made.append(
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
        )
    made.append({"type": "Feature", "id": "a/b", "geometry": None, "properties": {"crop": None}})
    return {"type": "FeatureCollection", "features": made}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    folder = tmp_path_factory.mktemp("job")
    outputs = folder / "outputs"
    outputs.mkdir()
    (outputs / "fields.geojson").write_text(json.dumps(fields(60)))
    (outputs / "broken.geojson").write_text("{oops")
    store = SqliteItems(folder / "features.db")
    sandbox: Sandbox = probe(folder / "home", "none")
    assets = tuple(Asset(path.name, path.name, "", 1, "") for path in outputs.iterdir())
    layers = Layers(store, sandbox)
    if layers.put(JOB, Results("jobs/x", assets=assets), outputs, folder / "layers") != 61:
        # A worktree's code is not what the child process imports: read here what it would have read.
        from terrafair.data.features_child import main

        (folder / "order.json").write_text(
            json.dumps({"files": [[str(path), path.name] for path in outputs.iterdir()]})
        )
        assert main(str(folder / "order.json"), str(folder / "answer.json")) == 0
        assert layers.read(JOB, folder / "answer.json") == 61
    extent = {"spatial": {"bbox": [[5, 45, 6, 46]]}}
    layers.footprint(JOB, {"id": "fields-x", "title": "Fields", "extent": extent})
    outer = Starlette()
    mount(outer, "/features", application(store))
    with served(outer) as base, httpx2.Client(base_url=f"{base}/features") as connected:
        yield connected
    store.close()


LAYER = f"/collections/{JOB.id}-fields.geojson"


def get(client: httpx2.Client, path: str, status: int = 200, **parameters: Any) -> Any:
    reply = client.get(path, params={name.replace("_", "-"): value for name, value in parameters.items()})
    assert reply.status_code == status, reply.text[:1000]
    if status >= 400:
        assert reply.headers["content-type"] == "application/problem+json"
    return reply.json()


def test_layers_and_what_they_say_of_themselves(client: httpx2.Client) -> None:
    assert get(client, "")["links"] == get(client, "/")["links"]
    listed = get(client, "/collections")["collections"]
    assert {entry["id"] for entry in listed} == {FOOTPRINTS, LAYER.rpartition("/")[2]}
    about = get(client, LAYER)
    assert about["itemType"] == "feature" and about["storageCrs"].endswith("CRS84") and f"{EPSG}/3857" in about["crs"]
    assert get(client, f"{LAYER}/queryables")["properties"]["hectares"]["type"] == "number"
    conforms = get(client, "/conformance")["conformsTo"]
    assert "http://www.opengis.net/spec/ogcapi-features-2/1.0/conf/crs" in conforms
    paths = client.get("/api").json()["paths"]
    assert "/collections/{collection}/items" in paths and "Features" in client.get("/api.html").text


def test_pages_hold_every_feature_once(client: httpx2.Client) -> None:
    page = get(client, f"{LAYER}/items", limit=25)
    seen = []
    while True:
        assert page["numberMatched"] == 61
        seen += [feature["id"] for feature in page["features"]]
        following = [link for link in page["links"] if link["rel"] == "next"]
        if not following:
            break
        page = client.get(following[0]["href"]).json()
    assert len(seen) == len(set(seen)) == 61 and "a_b" in seen
    one = get(client, f"{LAYER}/items/a_b")
    assert one["geometry"] is None and one["properties"] == {"crop": None}


def test_questions(client: httpx2.Client) -> None:
    features = fields(60)["features"]

    def count(**parameters: Any) -> int:
        return int(get(client, f"{LAYER}/items", limit=100, **parameters)["numberMatched"])

    box = shapely.box(2.2, 41, 4.2, 43)
    assert count(bbox="2.2,41,4.2,43") == sum(
        one["geometry"] is not None and shapely.from_geojson(json.dumps(one["geometry"])).intersects(box)
        for one in features
    )
    assert count(crop="maize") == 20
    assert count(hectares="3") == 1
    assert count(irrigated="true") == 30
    assert count(filter="hectares > 30 AND crop IN ('rye', 'wheat')") == 26
    assert count(filter="S_INTERSECTS(geometry, POINT(0.2 40.2))") == 1
    assert count(filter="CASEI(crop) LIKE 'mai%'") == 20
    assert count(datetime="2026-01-01T00:00:00Z/..") == 61
    assert count(datetime="2027-01-01T00:00:00Z/..") == 0
    first = get(client, f"{LAYER}/items", sortby="-hectares", limit=1)["features"][0]
    assert first["properties"]["hectares"] == 59 * 1.5


def test_reference_systems_keep_their_own_axes(client: httpx2.Client) -> None:
    plain = get(client, f"{LAYER}/items/11")["geometry"]["coordinates"][0][0]
    for code in (4326, 3857, 3035, 32632):
        reply = client.get(f"{LAYER}/items/11", params={"crs": f"{EPSG}/{code}"})
        assert reply.headers["content-crs"] == f"<{EPSG}/{code}>"
        expected = Transformer.from_crs("OGC:CRS84", f"EPSG:{code}").transform(*plain)
        assert reply.json()["geometry"]["coordinates"][0][0] == pytest.approx(expected)
    wanted = get(client, f"{LAYER}/items", bbox="2.2,41,4.2,43")["numberMatched"]
    assert get(client, f"{LAYER}/items", bbox="41,2.2,43,4.2", bbox_crs=f"{EPSG}/4326")["numberMatched"] == wanted
    west, south, east, north = Transformer.from_crs("OGC:CRS84", "EPSG:3857").transform_bounds(2.2, 41, 4.2, 43)
    in_metres = f"{west},{south},{east},{north}"
    assert get(client, f"{LAYER}/items", bbox=in_metres, bbox_crs=f"{EPSG}/3857")["numberMatched"] == wanted


def test_footprints(client: httpx2.Client) -> None:
    found = get(client, f"/collections/{FOOTPRINTS}/items", bbox="5.5,45.5,5.6,45.6")["features"]
    assert [feature["id"] for feature in found] == [JOB.id]
    assert found[0]["properties"]["subject"] == "fields"


@pytest.mark.parametrize(
    "parameters",
    [
        {"bbox": "1,2,3"},
        {"bbox": "nan,0,1,1"},
        {"bbox_crs": f"{EPSG}/99999", "bbox": "0,0,1,1"},
        {"bbox": "1e30,0,1e31,1", "bbox_crs": f"{EPSG}/3857"},
        {"crs": "EPSG:4326"},
        {"crs": "http://169.254.169.254/def/crs/EPSG/0/4326"},
        {"datetime": "soon"},
        {"limit": "0"},
        {"limit": "x"},
        {"filter": "crop ="},
        {"filter": "crop = 'x'", "filter_crs": f"{EPSG}/4326"},
        {"unknown": "1"},
        {"hectares": "many"},
        {"token": "x"},
    ],
    ids=str,
)
def test_what_is_wrong_gets_400(client: httpx2.Client, parameters: dict[str, str]) -> None:
    get(client, f"{LAYER}/items", 400, **parameters)


def test_what_is_not_there_gets_404(client: httpx2.Client) -> None:
    for path in ("/collections/none", "/collections/none/items", f"{LAYER}/items/none", f"{LAYER}/items/..%2f..%2fx"):
        get(client, path, 404)


def test_geoparquet_is_read_into_degrees(tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    from terrafair.data.features import read_features

    frame = geopandas.GeoDataFrame.from_features(fields(10)["features"][:10], crs="OGC:CRS84")
    frame.to_crs("EPSG:3035").to_parquet(tmp_path / "a.parquet")
    found = list(read_features(tmp_path / "a.parquet"))
    assert [feature["properties"]["crop"] for feature in found] == list(frame["crop"])
    for feature, shape in zip(found, frame.geometry, strict=True):
        assert shapely.from_geojson(json.dumps(feature["geometry"])).equals_exact(shape, 1e-6)
