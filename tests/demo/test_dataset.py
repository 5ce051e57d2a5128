"""The dataset's files say what the scene holds, and their STAC is true."""

import hashlib
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import rasterio

from terrafair.demo import dataset, products, scene, stac
from terrafair.demo.scene import BANDS, NODATA, OFFSET, SCALE

Check = Callable[[dict[str, Any], str], list[str]]
PLACES = (f"datasets/{dataset.ID}", *(f"products/{product}" for product in products.PRODUCTS))


def load(file: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return document


def test_bands_are_the_scene(store: Path, season: scene.Season) -> None:
    for image in season.images:
        for name in BANDS:
            with rasterio.open(store / PLACES[0] / image.id / f"{name}.tif") as source:
                assert np.array_equal(source.read(1), image.bands[name])
                assert (source.nodata, source.scales, source.offsets) == (NODATA, (SCALE,), (OFFSET,))
                assert source.descriptions == (name,)
                assert source.crs.to_epsg() == 32632
                assert source.transform[:6] == (10.0, 0.0, 680000.0, 0.0, -10.0, 5330000.0)
        with rasterio.open(store / PLACES[0] / image.id / "SCL.tif") as source:
            assert np.array_equal(source.read(1), image.classes)


def test_rasters_are_cloud_optimised(store: Path) -> None:
    files = list(store.rglob("*.tif"))
    assert len(files) == 8 * 6 + 1 + 5 + 1
    for file in files:
        with rasterio.open(file) as source:
            assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert source.overviews(1) == ([2] if max(source.shape) > 256 else [])


def test_equal_again(store: Path, season: scene.Season, tmp_path: Path) -> None:
    dataset.write(tmp_path, season)
    for file in sorted(tmp_path.rglob("*")):
        if file.is_file():
            assert file.read_bytes() == (store / PLACES[0] / file.relative_to(tmp_path)).read_bytes(), file


def test_documents_are_valid(store: Path, check: Check, schemas: Path) -> None:
    checked = 0
    for file in store.rglob("*.json"):
        document = load(file)
        kind = "item" if document["type"] == "Feature" else "collection"
        uris = [f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"]
        for extension in document["stac_extensions"]:
            if (schemas / "ext" / extension.removeprefix("https://stac-extensions.github.io/")).is_file():
                uris.append(extension)
        faults = [fault for uri in uris for fault in check(document, uri)]
        assert not faults, (file, faults)
        checked += 1
    assert checked == 8 + 1 + 3 + 1 + 5 + 1


def test_pystac_reads_everything(store: Path) -> None:
    for place, count in zip(PLACES, (8, 1, 5, 1), strict=True):
        collection = pystac.Collection.from_file(str(store / place / "collection.json"))
        items = list(collection.get_items())
        assert len(items) == count
        for item in items:
            assert item.collection_id == collection.id
            assert all(Path(asset.get_absolute_href() or "").is_file() for asset in item.assets.values())


def test_sizes_and_checksums(store: Path) -> None:
    count = 0
    for file in store.rglob("*.json"):
        for asset in load(file)["assets"].values() if "assets" in load(file) else ():
            content = (file.parent / asset["href"]).read_bytes()
            assert asset["file:size"] == len(content)
            assert asset["file:checksum"] == "1220" + hashlib.sha256(content).hexdigest()
            count += 1
    assert count == 48 + 1 + 1 + 5 + 3


def test_links_resolve(store: Path) -> None:
    for file in store.rglob("*.json"):
        for link in load(file)["links"]:
            assert (file.parent / link["href"]).is_file(), (file, link)


def test_collection_covers_its_items(store: Path) -> None:
    for place in PLACES:
        collection = load(store / place / "collection.json")
        west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
        start, end = collection["extent"]["temporal"]["interval"][0]
        assert -180 < west < east < 180
        assert -90 < south < north < 90
        assert start < end
        for file in (store / place).glob("*/*.json"):
            item = load(file)
            assert west <= item["bbox"][0] < item["bbox"][2] <= east
            assert south <= item["bbox"][1] < item["bbox"][3] <= north
            ring = item["geometry"]["coordinates"][0]
            assert ring[0] == ring[-1]
            # Counter-clockwise, as RFC 7946 asks.
            assert sum(a[0] * b[1] - b[0] * a[1] for a, b in itertools.pairwise(ring)) > 0
            moment = item["properties"]["datetime"] or item["properties"]["start_datetime"]
            assert start <= moment <= end


def test_projection_is_that_of_the_files(store: Path) -> None:
    for file in store.rglob("*/*/*/*.json"):
        item = load(file)
        for asset in item["assets"].values():
            if asset["type"] != stac.COG:
                continue
            with rasterio.open(file.parent / asset["href"]) as source:
                assert list(source.shape) == item["properties"]["proj:shape"]
                assert list(source.transform)[:6] == item["properties"]["proj:transform"]
                assert list(source.bounds) == item["properties"]["proj:bbox"]
                assert source.dtypes[0] == asset["data_type"]
                assert str(asset["nodata"]) == str(source.nodata if asset["nodata"] == "nan" else int(source.nodata))


def test_parcels_lie_where_their_fields_are(store: Path, season: scene.Season) -> None:
    from rasterio.features import rasterize
    from rasterio.warp import transform_geom

    features = load(store / PLACES[0] / "parcels.geojson")["features"]
    assert len(features) == len(season.landscape.parcels)
    with rasterio.open(store / PLACES[0] / "demo-s2-l2a-20240521" / "B04.tif") as source:
        shapes = [(transform_geom("EPSG:4326", source.crs, f["geometry"]), f["properties"]["id"]) for f in features]
        drawn = rasterize(shapes, out_shape=source.shape, transform=source.transform, dtype="int32")
    for feature, parcel in zip(features, season.landscape.parcels, strict=True):
        expected = np.zeros(drawn.shape, bool)
        expected[parcel.top : parcel.bottom, parcel.left : parcel.right] = True
        assert np.array_equal(drawn == feature["properties"]["id"], expected)
        assert feature["properties"]["crop"] == parcel.cover.name.lower()
