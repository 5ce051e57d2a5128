"""A folder of results described as STAC."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import xarray as xr
from rasterio.transform import Affine

from terrafair.data import describe as module
from terrafair.data.classify import Kind
from terrafair.data.describe import describe
from terrafair.data.description import Description, Order

from .conftest import Described, Raster, cube


def digest(content: bytes) -> str:
    return "1220" + hashlib.sha256(content).hexdigest()


class TestFiles:
    def test_each_place_is_an_item_and_the_rest_assets(
        self, raster: Raster, folder: Path, described: Described
    ) -> None:
        raster("ndvi.tif")
        cube().to_netcdf(folder / "sst.nc")
        (folder / "report.txt").write_text("done")
        found = described()
        assert [each["id"] for each in found.items] == ["run-ndvi", "run-sst"]
        assert list(found.collection["assets"]) == ["report.txt"]
        assert [each.path for each in found.files] == ["ndvi.tif", "report.txt", "sst.nc"]

    def test_size_and_multihash(self, raster: Raster, folder: Path, described: Described) -> None:
        content = raster("ndvi.tif").read_bytes()
        (folder / "empty").touch()
        found = described()
        asset = found.items[0]["assets"]["ndvi.tif"]
        assert (asset["file:size"], asset["file:checksum"]) == (len(content), digest(content))
        assert found.collection["assets"]["empty"]["file:checksum"] == digest(b"")
        assert len(asset["file:checksum"]) == 2 * (2 + 32)

    def test_a_zarr_store_is_one_file(self, folder: Path, described: Described) -> None:
        xr.decode_cf(cube()).to_zarr(folder / "sub" / "cube.zarr", zarr_format=3, consolidated=False)
        found = described()
        (only,) = found.files
        assert (only.path, only.media_type) == ("sub/cube.zarr", "application/vnd+zarr")
        store = folder / "sub" / "cube.zarr"
        files = sorted(path for path in store.rglob("*") if path.is_file())
        assert only.size == sum(path.stat().st_size for path in files)
        lines = "".join(
            f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(store).as_posix()}\n" for path in files
        )
        assert only.sha256 == hashlib.sha256(lines.encode()).hexdigest()
        assert found.items[0]["properties"]["cube:dimensions"]["time"]["type"] == "temporal"

    def test_the_parts_of_a_shapefile_are_one_item(self, folder: Path, described: Described) -> None:
        geopandas = pytest.importorskip("geopandas")
        shapely = pytest.importorskip("shapely")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            geopandas.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(1, 2)], crs=4326).to_file(folder / "ü.shp")
        found = described()
        assert set(found.items[0]["assets"]) == {"ü.shp", "ü.shx", "ü.dbf", "ü.prj", "ü.cpg"}
        assert "assets" not in found.collection

    def test_names_of_all_kinds(self, raster: Raster, described: Described) -> None:
        name = "Ünïcödé 雪/a b #1?%.tif"
        raster(name)
        found = described()
        (only,) = found.items
        href = next(iter(only["assets"].values()))["href"]
        assert "#" not in href and "?" not in href and " " not in href
        assert unquote(href) == f"../outputs/{name}"
        link = next(link["href"] for link in found.collection["links"] if link["rel"] == "item")
        assert unquote(link) == f"./items/{only['id']}.json"
        assert "/" not in only["id"]

    def test_items_of_one_name_are_numbered(self, raster: Raster, folder: Path, described: Described) -> None:
        raster("a.tif")
        cube().to_netcdf(folder / "a.nc")
        raster("a/b.tif")
        raster("a-b.tif")
        assert sorted(each["id"] for each in described().items) == ["run-a", "run-a-2", "run-a-b", "run-a-b-2"]

    def test_outputs_have_the_names_that_the_workflow_gives_them(
        self, raster: Raster, folder: Path, described: Described
    ) -> None:
        raster("x/ndvi.tif")
        (folder / "log.txt").write_text("done")
        found = described(outputs={"result": "x/ndvi.tif", "protocol": "log.txt"})
        assert set(found.items[0]["assets"]) == {"result"}
        assert set(found.collection["assets"]) == {"protocol"}

    def test_nothing_at_all(self, described: Described) -> None:
        found = described(bbox=(1.0, 2.0, 3.0, 4.0), start="2020-01-01T00:00:00Z", end="2020-02-01T00:00:00Z")
        assert found.items == () and found.files == ()
        assert found.collection["extent"] == {
            "spatial": {"bbox": [[1, 2, 3, 4]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", "2020-02-01T00:00:00Z"]]},
        }

    def test_too_many_files_are_counted(
        self, folder: Path, described: Described, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "MOST", 3)
        for number in range(5):
            (folder / f"{number}.txt").write_text("x")
        found = described()
        assert len(found.files) == 3
        assert "more than 3 files" in found.remarks[0].what


class TestOddEntries:
    @pytest.mark.parametrize("target", ["/etc/hostname", "/etc", "/nonexistent", "../../secret", "loop"])
    def test_links_out_of_the_results_are_left_out(self, folder: Path, described: Described, target: str) -> None:
        (folder.parent.parent / "secret").write_text("secret")
        (folder / "loop").symlink_to(target)
        found = described()
        assert found.files == ()
        assert [(each.code, each.where) for each in found.remarks] == [("link-outside", "loop")]

    def test_links_inside_are_files(self, folder: Path, described: Described) -> None:
        (folder / "a.txt").write_text("a")
        (folder / "b.txt").symlink_to("a.txt")
        (folder / "c.txt").symlink_to("missing")
        (folder / "d").symlink_to(".")
        assert [each.path for each in described().files] == ["a.txt", "b.txt"]

    def test_a_pipe_stops_nothing(self, folder: Path, described: Described) -> None:
        os.mkfifo(folder / "pipe.tif")
        found = described()
        assert [each.code for each in found.remarks] == ["no-file"]

    def test_a_name_that_is_not_utf_8(self, folder: Path, described: Described) -> None:
        (folder / os.fsdecode(b"bad\xff.txt")).write_text("x")
        found = described()
        assert found.files == ()
        assert found.remarks[0].what == r"The name bad\udcff.txt is not UTF-8."
        json.dumps(found.document()).encode()

    def test_a_damaged_file_is_kept_and_told(self, raster: Raster, folder: Path, described: Described) -> None:
        path = raster("a.tif")
        path.write_bytes(path.read_bytes()[:-100])
        (folder / "b.nc").write_bytes(b"\x89HDF\r\n\x1a\nnot more")
        (folder / "c.json").write_text("{")
        (folder / "d.tif").touch()
        found = described()
        assert [each.path for each in found.files] == ["a.tif", "b.nc", "c.json", "d.tif"]
        assert [(each.where, each.code) for each in found.remarks] == [
            ("a.tif", "file-damaged"),
            ("b.nc", "file-damaged"),
        ]

    def test_what_no_reader_foresaw_is_kept_and_told(
        self, raster: Raster, described: Described, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        raster("a.tif")
        monkeypatch.setattr(module, "_READERS", {**module._READERS, Kind.TIFF: lambda *_: 1 / 0})
        found = described()
        assert found.remarks[0].code == "file-undescribed"
        assert found.files[0].size > 0


class TestTimeAndPlace:
    def test_the_files_own_time_goes_first(self, raster: Raster, described: Described) -> None:
        raster("a_20200101.tif", tags={"TIFFTAG_DATETIME": "2021:06:01 00:00:00"})
        assert described().items[0]["properties"]["datetime"] == "2021-06-01T00:00:00Z"

    def test_then_its_name_then_the_order_then_the_run(self, raster: Raster, described: Described) -> None:
        raster("a_20200101.tif")
        raster("b.tif")
        period = {"start": "2019-01-01T00:00:00Z", "end": "2019-02-01T00:00:00Z"}
        first, second = (each["properties"] for each in described(**period).items)
        assert first["datetime"] == "2020-01-01T00:00:00Z"
        assert (second["datetime"], second["start_datetime"]) == (None, "2019-01-01T00:00:00Z")
        assert described().items[1]["properties"]["datetime"] == "2026-01-02T03:04:05Z"

    def test_the_extent_is_that_of_all_items(self, raster: Raster, described: Described) -> None:
        raster("a_20200101.tif", transform=Affine(0.1, 0, 170, 0, -0.1, 10))
        raster("b_20210101.tif", transform=Affine(0.1, 0, -179, 0, -0.1, 0))
        raster("c_20200601.tif", transform=Affine(0.1, 0, 179.5, 0, -0.1, 0))
        extent = described().collection["extent"]
        assert extent["spatial"]["bbox"] == [pytest.approx([170, -1, -177.8, 10])]
        assert extent["temporal"]["interval"] == [["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]]

    def test_properties_of_the_run_are_on_each_item(self, raster: Raster, described: Described) -> None:
        raster("a.tif")
        software = {"processing:software": {"terrafair": "1"}, "processing:facility": "here"}
        only = described(properties=software).items[0]
        assert only["properties"]["processing:facility"] == "here"
        assert "https://stac-extensions.github.io/processing/v1.2.0/schema.json" in only["stac_extensions"]

    def test_the_collection_sums_up(self, raster: Raster, folder: Path, described: Described) -> None:
        raster("a.tif")
        raster("b.tif", crs="EPSG:32633", transform=Affine(10, 0, 500_000, 0, -10, 5e6))
        found = described(title="T", description="D", licence="CC-BY-4.0", keywords=("k",), providers=({"name": "P"},))
        document = found.collection
        assert document["summaries"]["proj:code"] == ["EPSG:32633", "EPSG:4326"]
        assert (document["title"], document["license"], document["keywords"]) == ("T", "CC-BY-4.0", ["k"])


class TestProgram:
    def test_it_writes_its_answer_whole(
        self, raster: Raster, folder: Path, tmp_path: Path, described: Described
    ) -> None:
        raster("a.tif", np.full((4, 4), np.nan, "float32"), nodata=np.nan)
        order = Order(str(folder), "run", created="2026-01-02T03:04:05Z")
        (tmp_path / "order.json").write_text(json.dumps(order.document()))
        command = [sys.executable, "-m", "terrafair.data.describe_child", "order.json", "answer.json"]
        subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
        answer = json.loads((tmp_path / "answer.json").read_text(), parse_constant=pytest.fail)
        assert Description.read(answer) == described()
        assert not (tmp_path / "answer.json.partial").exists()

    def test_an_order_survives_its_json(self) -> None:
        order = Order("/x", "run", bbox=(1.0, 2.0, 3.0, 4.0), keywords=("a",), providers=({"name": "P"},))
        assert Order.read(json.loads(json.dumps(order.document()))) == order

    def test_the_same_folder_gives_the_same_description(self, raster: Raster, folder: Path) -> None:
        for name in ("b.tif", "a.tif", "sub/c.tif"):
            raster(name)
        order = Order(str(folder), "run", created="2026-01-02T03:04:05Z")
        assert describe(order) == describe(order)


def test_all_real_samples(shared: Path, folder: Path, described: Described) -> None:
    """Every one has a place and a valid item but the documentation and a list of pictures."""
    shutil.copytree(shared / "samples", folder, dirs_exist_ok=True, copy_function=shutil.copyfile)
    found = described()
    assert {each["id"].removeprefix("run-") for each in found.items} >= {
        "era5_2mt_2019-03_uk", "gpq_example", "ostia_monthly", "s2_tci_34R_cog", "slovenia_lulc", "svn_border",
    }  # fmt: skip
    assert list(found.collection["assets"]) == ["README.md", "xcube_places/inside-cube-media.geojson"]
    assert {each.where for each in found.remarks} == {"noaa_coads_climatology.cdf", "svn_border.geojson"}
