"""A job's result, found through the STAC API by pystac-client and loaded by odc-stac."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import rasterio
from affine import Affine
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from terrafair.api.stac.application import application, mount
from terrafair.api.stac.service import Service
from terrafair.catalogue.items.products import owner_of
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.data.describe import describe
from terrafair.data.description import Order
from terrafair.data.objects import MemoryObjects
from terrafair.execution.job import Job, JobRequest, Results, State
from terrafair.execution.shelf import Shelf

from ..databases import items as items_of
from ..databases import objects as objects_of
from ..stac.serving import served

# What affine and odc-geo call in each other and in shapely is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul", "ignore::DeprecationWarning")

JOB = "20260101-aaaaaaaaaa"
PIXELS = np.arange(64 * 64, dtype="float32").reshape(64, 64)


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("job") / "outputs"
    folder.mkdir()
    place: dict[str, Any] = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500000, 0, -10, 5400000)}
    with rasterio.open(
        folder / "ndvi.tif", "w", driver="COG", height=64, width=64, count=1, dtype="float32", nodata=-1, **place
    ) as file:
        file.write(PIXELS, 1)
    return folder


@pytest.fixture(scope="module")
def address(outputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    order = Order(str(outputs), f"ndvi-{JOB}", title="NDVI", start="2024-05-01T00:00:00Z", end="2024-06-01T00:00:00Z")
    described = describe(order)
    assert described.items, described.remarks
    folder = tmp_path_factory.mktemp("items")
    objects = objects_of(folder)
    objects.put(f"jobs/{JOB}/collection.json", orjson.dumps(described.collection))
    keys = []
    for item in described.items:
        keys.append(f"jobs/{JOB}/items/{item['id']}.json")
        objects.put(keys[-1], orjson.dumps(item))
    store = items_of(folder)
    results = Results(f"jobs/{JOB}", f"jobs/{JOB}/collection.json", tuple(keys))
    job = Job(JOB, JobRequest("ndvi"), "2026-01-01T00:00:00.000Z", State.SUCCESSFUL)
    assert Shelf(objects, store).put(job, results)
    assert Shelf(objects, store).put(job, results), "a second time changes nothing"
    found = store.collection(f"ndvi-{JOB}")
    assert owner_of(found) == "the result of a job"
    files = Mount(f"/api/jobs/{JOB}/files/outputs", StaticFiles(directory=outputs))
    outer = Starlette(routes=[files])
    mount(outer, "/stac", application(Service(store)))
    with served(outer) as base:
        yield f"{base}/stac"
    store.close()


def test_odc_stac_loads_a_result(address: str) -> None:
    client = pytest.importorskip("pystac_client").Client.open(address)
    odc = pytest.importorskip("odc.stac")
    items = client.search(collections=[f"ndvi-{JOB}"]).item_collection()
    assert len(items) == 1, [entry.properties for entry in items]
    assert items[0].properties["start_datetime"], items[0].properties
    (asset,) = [asset for asset in items[0].assets.values() if "data" in (asset.roles or [])]
    assert asset.href == f"{address.removesuffix('/stac')}/api/jobs/{JOB}/files/outputs/ndvi.tif"
    loaded = odc.load(items, crs="EPSG:32633", resolution=10)
    (values,) = loaded.data_vars.values()
    np.testing.assert_array_equal(values.isel(time=0).values, PIXELS)


def test_a_result_that_is_no_stac_is_left_out(tmp_path: Path) -> None:
    objects, store = MemoryObjects(), SqliteItems()
    objects.put(f"jobs/{JOB}/collection.json", b'{"type": "Collection", "links": []}')
    job = Job(JOB, JobRequest("ndvi"), "2026-01-01T00:00:00.000Z", State.SUCCESSFUL)
    assert not Shelf(objects, store).put(job, Results(f"jobs/{JOB}", f"jobs/{JOB}/collection.json"))
    assert not Shelf(objects, store).put(job, Results())
    assert store.collections() == []
