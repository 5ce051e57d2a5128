"""Deliveries reach the archive whole, once, by its rules, whatever breaks on the way."""

import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import numpy as np
import pytest
import xarray as xr
import yaml
import zarr

from terrafair.data.objects import MemoryObjects, ObjectStore, S3Access
from terrafair.errors import Conflict, Damaged, InvalidInput, InvalidInputs, Refused, TerrafairError, Unreachable
from terrafair.execution.conversion import Converter
from terrafair.execution.sandbox import probe
from terrafair.publishing import prr_rules
from terrafair.publishing.answers import Answers
from terrafair.publishing.archive import Addresses, ManualArchive
from terrafair.publishing.delivery import Delivery, plan
from terrafair.publishing.package import delivery_package
from terrafair.publishing.packing import Packed, load, pack, zip_store
from terrafair.publishing.standins.archive.library import ArchiveWeb
from terrafair.publishing.thumbnail import thumbnail
from terrafair.publishing.zarr_version import ZarrToVersion2
from terrafair.web import PlannedWeb

from .archive_site import ArchiveSite as Site
from .faults import Fault
from .proxy import BreakingProxy
from .results import BOX, JOB, TIF, finished

BASE = "https://archive.example"
ANSWERS = Answers(
    product="my-product",
    product_title="My product",
    product_description="What it holds.",
    experiment="my-experiment",
    project="terrafair-demo",
    themes=("land",),
    variables=("surface-reflectance",),
    missions=("sentinel-2",),
    parameters=("area_fraction:1",),
    keywords=("one",),
    licence="CC-BY-4.0",
    status="completed",
    initiative="EarthCODE",
    contract="4000123456/21/I-EF",
)
BIG = np.random.default_rng(1).bytes(11 * 2**20)


@pytest.fixture
def site(s3: S3Access) -> Iterator[Site]:
    found = Site(s3, BASE)
    yield found
    for archive in found.opened:
        archive.close()
    found.serving.stop()


def delivery(
    objects: ObjectStore | None = None, outputs: dict[str, bytes] | None = None
) -> tuple[ObjectStore, Delivery]:
    objects, _, made = finished(objects, outputs=outputs)
    return objects, plan(made, ANSWERS, {})


def packed(folder: Path, outputs: dict[str, bytes] | None = None) -> Packed:
    objects, planned = delivery(outputs=outputs)
    return pack(planned, objects, folder)


# Packing


def test_the_folder_is_complete_in_itself(tmp_path: Path) -> None:
    found = packed(tmp_path, {"a/ndvi.tif": TIF, "b/ndvi.tif": TIF + b"x"})
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for entry in manifest["files"]:
        content = (tmp_path / entry["path"]).read_bytes()
        assert (entry["size"], entry["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    (item,) = found.items
    assert item["id"] == "my-product-ndvi" and item["collection"] == "my-product"
    for asset in item["assets"].values():
        assert (tmp_path / "items" / asset["href"]).resolve().is_file()
        assert prr_rules.NAME.fullmatch(asset["href"].rpartition("/")[2])
    assert (tmp_path / "thumbnail.png").read_bytes().startswith(b"\x89PNG")
    assert {"README.md", "deliver.cwl", "collection.json"} <= {path.name for path in tmp_path.iterdir()}
    assert load(tmp_path) == found


def test_packing_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    objects, planned = delivery(outputs={f"{n}.tif": TIF + bytes([n]) for n in range(4)})
    fetched: list[str] = []

    class Counting(MemoryObjects):
        def get_file(self, key: str, target: Path) -> None:
            fetched.append(key)
            if len(fetched) == 3:
                raise KeyboardInterrupt
            objects.get_file(key, target)

    with pytest.raises(KeyboardInterrupt):
        pack(planned, Counting(), tmp_path)
    pack(planned, Counting(), tmp_path)
    assert len(fetched) == len(planned.parcels) + 1
    assert packed(tmp_path / "other", {f"{n}.tif": TIF + bytes([n]) for n in range(4)}).files == load(tmp_path).files


def test_a_file_that_changed_since_it_was_described_is_refused(tmp_path: Path) -> None:
    objects, planned = delivery()
    objects.put(f"jobs/{JOB}/outputs/ndvi.tif", b"other")
    with pytest.raises(Damaged, match="checksum differs"):
        pack(planned, objects, tmp_path)


def zarr_result(version: int, tmp_path: Path) -> tuple[ObjectStore, Delivery]:
    group = zarr.open_group(tmp_path / "x.zarr", mode="w", zarr_format=version)
    group.create_array("a", shape=(4,), dtype="f4", chunks=(2,))[:] = np.arange(4)
    objects = MemoryObjects()
    for path in (tmp_path / "x.zarr").rglob("*"):
        if path.is_file():
            objects.put(f"jobs/{JOB}/outputs/{path.relative_to(tmp_path).as_posix()}", path.read_bytes())
    _, _, made = finished(objects)
    item = {
        **made.items[0],
        "assets": {"cube": {**next(iter(made.items[0]["assets"].values())), "href": "../outputs/x.zarr"}},
    }
    return objects, plan(replace(made, items=(item,)), ANSWERS, {})


def test_zarr_goes_as_one_stored_zip(tmp_path: Path) -> None:
    objects, planned = zarr_result(2, tmp_path)
    found = pack(planned, objects, tmp_path / "delivery")
    (path,) = (tmp_path / "delivery").rglob("*.zarr.zip")
    assert path.name == "x.zarr.zip"
    with zipfile.ZipFile(path) as archive:
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert ".zgroup" in archive.namelist()
    with zarr.storage.ZipStore(path, mode="r") as store:
        assert zarr.open_group(store, mode="r")["a"][:].tolist() == [0, 1, 2, 3]
    assert found.items[0]["assets"]["cube"]["file:size"] == path.stat().st_size
    before = path.read_bytes()
    pack(planned, objects, tmp_path / "again")
    assert next((tmp_path / "again").rglob("*.zarr.zip")).read_bytes() == before


def test_another_zarr_version_is_converted_or_refused(tmp_path: Path) -> None:
    objects, planned = zarr_result(3, tmp_path)
    with pytest.raises(InvalidInput, match="version 2"):
        pack(planned, objects, tmp_path / "delivery")

    def convert(source: Path, target: Path) -> None:
        group = zarr.open_group(tmp_path / "v2.zarr", mode="w", zarr_format=2)
        group.create_array("a", data=zarr.open_group(source, mode="r")["a"][:])
        zip_store(tmp_path / "v2.zarr", target)

    pack(planned, objects, tmp_path / "delivery", to_zarr2=convert)
    (path,) = (tmp_path / "delivery").rglob("*.zarr.zip")
    with zarr.storage.ZipStore(path, mode="r") as store:
        assert zarr.open_group(store, mode="r")["a"][:].tolist() == [0, 1, 2, 3]


def test_the_platform_converts_it_in_its_sandbox(tmp_path: Path) -> None:
    time = np.array(["2024-01-01", "2024-01-02"], dtype="M8[ns]")
    grid = {"time": time, "lat": [48.0, 48.1, 48.2], "lon": [11.0, 11.1]}
    cube = xr.Dataset({"t": (("time", "lat", "lon"), np.arange(12, dtype="f4").reshape(2, 3, 2))}, grid)
    cube.lat.attrs["units"], cube.lon.attrs["units"] = "degrees_north", "degrees_east"
    cube.to_zarr(tmp_path / "x.zarr", zarr_format=3, consolidated=False)
    convert = ZarrToVersion2(Converter(probe(tmp_path / "home", "auto")))
    convert(tmp_path / "x.zarr", tmp_path / "x.zarr.zip")
    with zarr.storage.ZipStore(tmp_path / "x.zarr.zip", mode="r") as store:
        group = zarr.open_group(store, mode="r")
        assert group.metadata.zarr_format == 2
        assert group["t"][:].ravel().tolist() == list(range(12))
    assert (tmp_path / "x.zarr/zarr.json").is_file()
    (tmp_path / "broken.zarr").mkdir()
    (tmp_path / "broken.zarr/zarr.json").write_text("{")
    with pytest.raises(TerrafairError):
        convert(tmp_path / "broken.zarr", tmp_path / "broken.zarr.zip")
    assert not (tmp_path / "broken.zarr.zip").exists()


def test_the_thumbnail_shows_the_place() -> None:
    for box in (BOX, [-180, -90, 180, 90], [170, -10, -170, 10], [1, 2, 0, 3, 4, 9]):
        assert thumbnail(box).startswith(b"\x89PNG\r\n\x1a\n")


# Delivery


def test_delivers_and_serves(site: Site, tmp_path: Path) -> None:
    found = packed(tmp_path, {"ndvi.tif": TIF, "big.tif": BIG})
    receipt = site.archive().deliver(found)
    assert (receipt.route, receipt.collection, receipt.items) == ("machine", "my-product", ("my-product-ndvi",))
    address = Addresses(BASE).file("my-product", found.items[0], "big.tif")
    assert address == f"{BASE}/d/my-product/2024/04/03/my-product-ndvi/big.tif"
    reply = httpx2.get(site.serving.url + urlsplit(address).path, trust_env=False)
    assert reply.content == BIG
    item = httpx2.get(f"{site.serving.url}/stac/collections/my-product/items/my-product-ndvi", trust_env=False).json()
    assert item["assets"]["big"]["href"] == address
    items = httpx2.get(f"{site.serving.url}/stac/collections/my-product/items", trust_env=False).json()
    assert [each["id"] for each in items["features"]] == ["my-product-ndvi"]
    collection = httpx2.get(f"{site.serving.url}/stac/collections/my-product", trust_env=False).json()
    picture = httpx2.get(site.serving.url + urlsplit(collection["assets"]["thumbnail"]["href"]).path, trust_env=False)
    assert picture.content == (tmp_path / "thumbnail.png").read_bytes()
    assert list(site.library.stage.list("my-product")) == []


def test_delivering_again_moves_nothing(site: Site, tmp_path: Path) -> None:
    found = packed(tmp_path)
    site.archive().deliver(found)
    posts = site.faults.count("POST")
    assert site.archive().deliver(found).items == ("my-product-ndvi",)
    assert site.faults.count("POST") == posts


def test_another_item_of_that_id_is_a_conflict(site: Site, tmp_path: Path) -> None:
    site.archive().deliver(packed(tmp_path / "a"))
    with pytest.raises(Conflict, match=r"ndvi\.tif"):
        site.archive().deliver(packed(tmp_path / "b", {"ndvi.tif": TIF + b"other"}))


def test_nothing_moves_when_a_rule_is_broken(site: Site, tmp_path: Path) -> None:
    found = packed(tmp_path)
    broken = replace(found, collection={**found.collection, "osc:contract-number": ""})
    with pytest.raises(InvalidInputs) as caught:
        site.archive().deliver(broken)
    assert ["contract number" in problem.what for problem in caught.value.problems] == [True]
    assert site.faults.seen == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(401), Refused),
        (Fault(403), Refused),
        (Fault(422), InvalidInput),
        (Fault(400), InvalidInput),
    ],
)
def test_refusals_are_told(site: Site, tmp_path: Path, fault: Fault, kind: type[TerrafairError]) -> None:
    site.faults.plan("POST", "/items", fault)
    found = packed(tmp_path)
    with pytest.raises(kind):
        site.archive().deliver(found)
    assert site.archive().deliver(found).items == ("my-product-ndvi",)


def good() -> tuple[dict[str, Any], dict[str, Any]]:
    item = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [prr_rules.FILE_EXTENSION],
        "id": "a.B_c-1",
        "collection": "my-product",
        "properties": {"start_datetime": "2024-01-01T00:00:00Z", "end_datetime": "2024-01-01T00:00:00Z"},
        "assets": {
            "a": {"href": "x/a.tif", "type": "image/tiff", "roles": ["data"], "file:size": 1},
            "b": {"href": "x/b.txt", "type": "text/plain", "roles": ["metadata"], "file:size": 0},
        },
    }
    _, planned = delivery()
    return item, planned.collection


def test_the_archive_names_each_rule(site: Site, tmp_path: Path) -> None:
    site.archive().deliver(packed(tmp_path))
    item, _ = good()
    item["assets"]["a"]["file:size"] = "1"
    url = f"{site.serving.url}/reg-api/collections/my-product/items"
    reply = httpx2.post(url, json=item, auth=("anna", "secret"), trust_env=False)
    assert reply.status_code == 422 and "file:size" in reply.text
    assert httpx2.post(url, json=[item], auth=("anna", "secret"), trust_env=False).status_code == 422
    assert httpx2.post(url, content=b"{", auth=("anna", "secret"), trust_env=False).status_code == 422
    assert httpx2.post(url, json=item, auth=("anna", "wrong"), trust_env=False).status_code == 401
    assert httpx2.post(url, json=item, trust_env=False).status_code == 401
    other = url.replace("my-product", "none")
    good_item = {**good()[0], "collection": "none"}
    assert httpx2.post(other, json=good_item, auth=("anna", "secret"), trust_env=False).status_code == 404


def test_a_wrong_password_is_refused_with_the_way_out(site: Site, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="settings") as caught:
        site.archive(password="wrong").deliver(packed(tmp_path))
    assert "wrong" not in str(caught.value)


@pytest.mark.parametrize(
    "fault",
    [Fault(500), Fault(503), Fault(500, after=True), Fault(drop=True), Fault(drop=True, after=True), Fault(429)],
    ids=["500", "503", "500 after", "drop", "drop after", "429"],
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/items"), ("POST", "/collections"), ("GET", "/my-product")])
def test_goes_on_after_a_passing_fault(site: Site, tmp_path: Path, fault: Fault, method: str, path: str) -> None:
    site.faults.plan(method, path, fault)
    assert site.archive().deliver(packed(tmp_path)).items == ("my-product-ndvi",)
    assert not site.faults.planned
    assert len(list(site.library.items("my-product"))) == 1


def test_a_lasting_fault_is_told_and_resumed(site: Site, tmp_path: Path) -> None:
    found = packed(tmp_path)
    site.faults.plan("POST", "/items", Fault(500), times=5)
    with pytest.raises(Unreachable):
        site.archive().deliver(found)
    assert site.archive().deliver(found).items == ("my-product-ndvi",)


def test_silence_becomes_a_timeout(site: Site, tmp_path: Path) -> None:
    site.faults.plan("GET", "/my-product", Fault(200, wait=1), times=5)
    with pytest.raises(Unreachable, match="did not answer"):
        site.archive(timeout=0.1).deliver(packed(tmp_path))


@pytest.mark.parametrize("budget", [0, 1000, 3 * 2**20, 7 * 2**20, 10 * 2**20])
def test_an_upload_that_breaks_goes_on(site: Site, tmp_path: Path, budget: int) -> None:
    proxy = BreakingProxy(int(site.s3.endpoint.rpartition(":")[2]), budget)
    found = packed(tmp_path, {"big.tif": BIG})
    try:
        with pytest.raises(Unreachable, match="goes on"):
            site.archive(endpoint=proxy.url).deliver(found)
        assert not any(path == "/reg-api/collections/my-product/items" for _, path in site.faults.seen)
        before, proxy.budget = proxy.passed, 10**9
        assert site.archive(endpoint=proxy.url).deliver(found).items == ("my-product-ndvi",)
        if budget > 6 * 2**20:
            # At least the first part of 5 MiB was not sent again.
            assert proxy.passed - before < len(BIG) - 4 * 2**20
    finally:
        proxy.close()
    address = Addresses(BASE).file("my-product", found.items[0], "big.tif")
    assert site.library.objects.get("archive" + urlsplit(address).path) == BIG


def test_a_collection_that_is_not_ours_to_make(site: Site, tmp_path: Path) -> None:
    site.faults.plan("POST", "/collections", Fault(405))
    with pytest.raises(Refused, match="operators"):
        site.archive().deliver(packed(tmp_path))


def test_the_manual_route_is_the_folder(tmp_path: Path) -> None:
    receipt = ManualArchive().deliver(packed(tmp_path))
    assert (receipt.route, receipt.folder) == ("manual", str(tmp_path))


def test_archived_addresses_lead_into_the_library(site: Site, tmp_path: Path) -> None:
    found = packed(tmp_path)
    site.archive().deliver(found)
    web = ArchiveWeb(PlannedWeb({"https://other.example/x": b"theirs"}), site.library)
    assert web.get("https://other.example/x").content == b"theirs"
    items = json.loads(web.get(f"{Addresses(BASE).collection('my-product')}/items").content)
    href = items["features"][0]["assets"]["ndvi"]["href"]
    web.download(href, tmp_path / "copy.tif")
    assert (tmp_path / "copy.tif").read_bytes() == TIF
    with pytest.raises(TerrafairError):
        web.get(f"{BASE}/stac/collections/none")
    with pytest.raises(TerrafairError):
        web.get(f"{BASE}/d/../jobs/x")


def test_the_package_is_sound_cwl(tmp_path: Path) -> None:
    text = delivery_package("my-product")
    document = yaml.safe_load(text)
    assert {part["id"] for part in document["$graph"]} == {"main", "register"}
    (tmp_path / "deliver.cwl").write_text(text)
    import subprocess
    import sys

    command = [sys.executable, "-m", "cwltool", "--validate", "--skip-schemas", str(tmp_path / "deliver.cwl")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
