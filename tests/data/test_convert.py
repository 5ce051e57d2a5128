"""A folder of results: each file by its bytes, refusals that say what, why and the way out, STAC of what was made."""

import importlib.util
import json
import shutil
import zipfile
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine
from rio_cogeo import cog_validate
from shapely import Point

from terrafair.data import conversion, convert
from terrafair.data.conversion import Conversion, Converted, Status
from terrafair.data.description import Order
from terrafair.errors import InvalidInput, NotFound

_spec = importlib.util.spec_from_file_location("stac_documents", Path(__file__).with_name("stac.py"))
assert _spec and _spec.loader
stac = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(stac)
pytestmark = pytest.mark.filterwarnings("ignore")


def run(folder: Path, target: Path, **options: Any) -> Conversion:
    found = convert.convert(conversion.Order(str(folder), str(target), Order("", "test"), **options))
    again = Conversion.read(json.loads(json.dumps(found.document(), allow_nan=False)))
    assert again.document() == found.document()
    return found


def by_source(found: Conversion) -> dict[str, Converted]:
    return {each.source: each for each in found.files}


def raster(path: Path, size: int = 600, **profile: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    settings: dict[str, Any] = {"driver": "GTiff", "crs": "EPSG:32633", "transform": Affine(10, 0, 5e5, 0, -10, 5e6)}
    settings |= {"height": size, "width": size, "count": 1, "dtype": "uint16", **profile}
    with rasterio.open(path, "w", **settings) as file:
        file.write(np.random.default_rng(5).integers(0, 9999, (1, size, size)).astype("uint16"))
    return path


REFUSED = {
    "empty.tif": (b"", "is empty"),
    "posing.tif": (b"<VRTDataset rasterXSize='1' rasterYSize='1'></VRTDataset>", "GDAL VRT"),
    "page.tif": (b"<!DOCTYPE html><html><body>404</body></html>", "a web page: no raster"),
    "half.geojson": (b'{"type": "FeatureCollection", "features": [{"type": ', "broken off, or no valid JSON"),
    "numbers.nc": (b"1,2,3\n4,5,6\n7,8,9\n", "no data cube"),
    "unknown.dat": (b"\x00\x01\x02\x03\x04\x05\x06\x07\x08", "no known format (it begins with 00 01 02 03"),
    "orphan.dbf": (b"\x03\x7a\x01\x01\x00\x00\x00\x00\x00\x00", "part of a shapefile whose main file"),
    "packed.gz": (b"\x1f\x8b\x08\x00\x00\x00", "archive that cannot be opened"),
    "broken.zip": (b"PK\x03\x04 and nothing more", "archive that cannot be opened"),
    "cut.parquet": (b"PAR1\x15\x04\x15", "breaks off"),
    "cut.h5": (b"\x89HDF\r\n\x1a\n\x00\x00\x00", "cut.h5"),
    "cut3.nc": (b"CDF\x01\x00\x00", "cut3.nc"),
    "cut.jp2": (b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0", "cut.jp2"),
    "cut.grib": (b"GRIB\x00\x00\x10\x01", "breaks off"),
    "cut.gpkg": (b"SQLite format 3\0" + b"\0" * 52 + b"GPKG" + b"\0" * 40, "cut.gpkg"),
}


def test_what_cannot_be_converted_is_refused_clearly_and_stops_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    raster(folder / "good.tif")
    for name, (content, _) in REFUSED.items():
        (folder / name).write_bytes(content)
    found = run(folder, tmp_path / "made")
    files = by_source(found)
    assert files["good.tif"].status is Status.CONVERTED and not found.sound
    for name, (_, words) in REFUSED.items():
        assert files[name].status is Status.REFUSED, name
        problem = files[name].problems[0]
        assert words in problem.what, (name, str(problem))
        assert problem.remedy or problem.why, name
        assert problem.where == name and problem.code, name
        assert "Traceback" not in str(problem) and "\n" not in str(problem)
    made = [path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*") if path.is_file()]
    assert sorted(made) == ["collection.json", "items/test-good.json", "outputs/good.tif"]


def test_names_say_nothing(tmp_path: Path) -> None:
    """A TIFF named .nc, a GeoJSON named .tif.json, a NetCDF without an ending."""
    folder = tmp_path / "results"
    raster(folder / "odd.nc")
    xr.Dataset({"a": ("x", np.arange(3.0))}).to_netcdf(folder / "cube")
    point = {"type": "Point", "coordinates": [1, 2]}
    (folder / "place.txt").write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": point}))
    files = by_source(run(folder, tmp_path / "made"))
    assert {name: (each.form, each.outputs) for name, each in files.items()} == {
        "odd.nc": ("cog", ("odd.tif",)),
        "cube": ("netcdf-references", ("cube.nc", "cube.nc.refs.json")),
        "place.txt": ("geoparquet", ("place.parquet",)),
    }


def test_folders_documents_and_names_that_meet(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    raster(folder / "a" / "scene.tif")
    raster(folder / "a" / "scene.jp2", driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    (folder / "README.md").write_text("# Results\n")
    (folder / "a" / "scene.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    gpd.GeoDataFrame({"n": [1]}, geometry=[Point(0, 0)], crs=4326).to_file(folder / "a" / "scene.shp")
    files = by_source(run(folder, tmp_path / "made"))
    assert files["a/scene.jp2"].outputs == ("a/scene.tif",) and files["a/scene.tif"].outputs == ("a/scene-2.tif",)
    assert files["README.md"].status is Status.KEPT and files["README.md"].outputs == ("README.md",)
    assert {name for name, each in files.items() if each.status is Status.PART} == {
        *(f"a/scene.{suffix}" for suffix in ("cpg", "dbf", "prj", "shx", "tif.aux.xml")),
    }


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    raster(tmp_path / "other.tif")
    folder.mkdir()
    (folder / "stolen.tif").symlink_to(tmp_path / "other.tif")
    files = by_source(run(folder, tmp_path / "made"))
    assert files["stolen.tif"].status is Status.REFUSED and files["stolen.tif"].problems[0].code == "link-outside"


def test_orders_that_make_no_sense(tmp_path: Path) -> None:
    raster(tmp_path / "results" / "a.tif")
    with pytest.raises(NotFound, match="There is no"):
        run(tmp_path / "nowhere", tmp_path / "made")
    with pytest.raises(InvalidInput, match="no version of Zarr"):
        run(tmp_path / "results", tmp_path / "made", zarr="v4")
    with pytest.raises(InvalidInput, match="lies in the folder"):
        run(tmp_path / "results", tmp_path / "results" / "made")
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "mine.txt").write_text("keep me")
    with pytest.raises(InvalidInput, match="is there already"):
        run(tmp_path / "results", tmp_path / "made")
    assert (tmp_path / "made" / "mine.txt").read_text() == "keep me"


def test_one_file(tmp_path: Path) -> None:
    raster(tmp_path / "results" / "one.tif")
    raster(tmp_path / "results" / "two.tif")
    found = run(tmp_path / "results" / "one.tif", tmp_path / "made", verify=True)
    assert [each.source for each in found.files] == ["one.tif"] and found.sound


def test_zipped_stores_are_cubes_and_encrypted_ones_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "results"
    xr.Dataset({"a": ("x", np.arange(5.0))}).to_zarr(tmp_path / "plain.zarr", zarr_format=2)
    folder.mkdir()
    shutil.make_archive(str(folder / "cube.zarr"), "zip", tmp_path / "plain.zarr")
    with zipfile.ZipFile(folder / "secret.zip", "w") as archive:
        archive.writestr("a.tif", "x")
    content = bytearray((folder / "secret.zip").read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    (folder / "secret.zip").write_bytes(content)
    files = by_source(run(folder, tmp_path / "made", zarr="v3"))
    assert files["cube.zarr.zip"].outputs == ("cube.zarr",)
    problem = files["secret.zip"].problems[0]
    assert "encrypted zip" in problem.what and "password" in problem.why and "Unpack" in problem.remedy


@pytest.mark.parametrize("zarr", ["", "v2", "v3"])
def test_every_real_sample_becomes_cloud_optimised_with_valid_stac(shared: Path, tmp_path: Path, zarr: str) -> None:
    found = run(shared / "samples", tmp_path / "made", zarr=zarr)
    assert not found.refused and found.sound
    forms = {each.form for each in found.files if each.status is not Status.PART}
    cubes = {"": {"netcdf-references", "zarr-3", "zarr-2"}, "v2": {"zarr-2-zip"}, "v3": {"zarr-3"}}[zarr]
    assert forms == {"cog", "geoparquet", "as-is", *cubes}
    outputs = tmp_path / "made" / "outputs"
    for path in outputs.rglob("*.tif"):
        assert cog_validate(str(path), quiet=True)[0], path
    store = shared / "schemas"
    stac.check(json.loads((tmp_path / "made" / "collection.json").read_text()), store)
    assert len(found.description.items) == 25
    for item in found.description.items:
        stac.check(json.loads((tmp_path / "made" / "items" / f"{item['id']}.json").read_text()), store)
        for asset in item["assets"].values():
            place = (tmp_path / "made" / "items" / asset["href"]).resolve()
            assert place.exists() and place.is_relative_to(outputs.resolve())
            size = sum(each.stat().st_size for each in place.rglob("*") if each.is_file()) if place.is_dir() else None
            assert asset["file:size"] == (place.stat().st_size if size is None else size)
            assert asset["file:checksum"].startswith("1220") and len(asset["file:checksum"]) == 68
    if not zarr:
        item = next(item for item in found.description.items if item["id"] == "test-ostia_20170605")
        assert item["assets"]["ostia_20170605.nc.refs.json"]["roles"] == ["index", "references"]
