"""Rasters described from themselves."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from terrafair.data import rasters
from terrafair.data.classify import Kind
from terrafair.data.facts import Facts
from terrafair.data.rasters import COG, GEOTIFF
from terrafair.data.tiff import directories
from terrafair.errors import InvalidInput

from .conftest import Raster


def read(path: Path) -> Facts:
    return rasters.read(path, Kind.TIFF)


def band(path: Path, number: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = read(path).asset["bands"][number]
    return found


class TestPlace:
    def test_projection_and_footprint(self, raster: Raster) -> None:
        found = read(raster("a.tif"))
        assert found.projection["proj:code"] == "EPSG:4326"
        assert found.projection["proj:shape"] == [10, 12]
        assert found.projection["proj:transform"] == pytest.approx([0.1, 0, 10, 0, -0.1, 50])
        assert found.projection["proj:bbox"] == pytest.approx([10, 49, 11.2, 50])
        assert found.footprint and found.footprint.bbox == (10.0, 49.0, 11.2, 50.0)
        assert not found.remarks

    @pytest.mark.parametrize(
        ("transform", "bbox"),
        [
            (Affine(0.1, 0, 10, 0, 0.1, 40), (10.0, 40.0, 11.2, 41.0)),
            (Affine(0.1, 0, 179.5, 0, -0.1, -10), (179.5, -11.0, -179.3, -10.0)),
            (Affine(1, 0, 350, 0, -1, 50), (-10.0, 40.0, 2.0, 50.0)),
            (Affine(30, 0, 0, 0, -18, 90), (-180.0, -90.0, 180.0, 90.0)),
            (Affine(0, 0.1, 10, 0.1, 0, 40), (10.0, 40.0, 11.0, 41.2)),
        ],
    )
    def test_odd_grids(self, raster: Raster, transform: Affine, bbox: tuple[float, ...]) -> None:
        found = read(raster("a.tif", transform=transform))
        assert found.footprint and found.footprint.bbox == pytest.approx(bbox)

    def test_a_rotated_grid_has_a_rotated_outline(self, raster: Raster) -> None:
        found = read(raster("a.tif", crs="EPSG:32633", transform=Affine(100, 30, 500_000, 20, -100, 5_000_000)))
        assert found.projection["proj:transform"] == [100, 30, 500_000, 20, -100, 5_000_000]
        assert found.footprint and len(found.footprint.geometry["coordinates"][0]) == 5
        assert found.projection["proj:geometry"]["coordinates"][0][0] == [500_300, 4_999_000]

    def test_a_system_without_a_code_is_written_out(self, raster: Raster) -> None:
        found = read(
            raster("a.tif", crs="+proj=laea +lat_0=12.5 +lon_0=3 +datum=WGS84", transform=Affine(9, 0, 0, 0, -9, 0))
        )
        assert found.projection["proj:code"] is None
        assert found.projection["proj:wkt2"].startswith("PROJCRS[")

    def test_without_a_system_it_has_a_grid_and_no_place(self, raster: Raster) -> None:
        found = read(raster("a.tif", crs=None))
        assert found.footprint is None
        assert found.projection["proj:bbox"] == pytest.approx([10, 49, 11.2, 50])
        assert found.remarks[0].what == "a.tif has no coordinate system."
        assert found.media_type == "image/tiff"

    def test_without_a_georeference_it_has_neither(self, raster: Raster) -> None:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        found = read(raster("a.tif", crs=None, transform=Affine.identity()))
        assert found.footprint is None
        assert found.projection == {"proj:shape": [10, 12]}
        assert found.remarks[0].what == "a.tif has no georeference."

    def test_a_local_system_is_nowhere_on_the_globe(self, raster: Raster) -> None:
        found = read(raster("a.tif", crs='LOCAL_CS["field",UNIT["metre",1]]', transform=Affine(1, 0, 0, 0, -1, 9)))
        assert found.footprint is None
        assert found.remarks[0].what == "a.tif cannot be placed on the globe."

    def test_ground_control_points(self, folder: Path) -> None:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        points = [
            GroundControlPoint(row, column, 10 + column / 12, 50 - row / 10) for row in (0, 10) for column in (0, 12)
        ]
        with rasterio.open(folder / "a.tif", "w", driver="GTiff", count=1, height=10, width=12, dtype="uint8") as file:
            file.gcps = (points, CRS.from_epsg(4326))
        found = read(folder / "a.tif")
        assert found.footprint and found.footprint.bbox == (10.0, 49.0, 11.0, 50.0)

    def test_the_layout_is_in_the_media_type(self, raster: Raster) -> None:
        large = np.zeros((600, 600), "uint8")
        assert read(raster("a.tif", large, driver="COG")).media_type == COG
        assert read(raster("b.tif", large)).media_type == GEOTIFF


class TestBands:
    def test_statistics_are_numpys(self, raster: Raster) -> None:
        values = np.random.default_rng(1).normal(5, 2, (700, 900)).astype("float32")
        values[:100] = np.nan
        found = band(raster("a.tif", values, nodata=np.nan, tiled=True, blockxsize=256, blockysize=256))["statistics"]
        known = values[100:].astype("float64")
        assert found["mean"] == pytest.approx(known.mean())
        assert found["stddev"] == pytest.approx(known.std())
        assert (found["minimum"], found["maximum"]) == (known.min(), known.max())
        assert found["valid_percent"] == pytest.approx(600 / 7)

    @pytest.mark.parametrize("interleave", ["pixel", "band"])
    def test_every_block_counts_once(self, raster: Raster, monkeypatch: pytest.MonkeyPatch, interleave: str) -> None:
        monkeypatch.setattr(rasters, "BLOCK", 5000)
        values = np.random.default_rng(2).integers(0, 1000, (3, 301, 257), "uint16")
        path = raster("a.tif", values, interleave=interleave, tiled=True, blockxsize=64, blockysize=32)
        for number in range(3):
            found = band(path, number)["statistics"]
            assert found["mean"] == pytest.approx(values[number].mean())
            assert found["valid_percent"] == 100

    @pytest.mark.parametrize(
        ("nodata", "written"), [(math.nan, "nan"), (-math.inf, "-inf"), (-9999.0, -9999), (0.5, 0.5), (None, None)]
    )
    def test_no_data(self, raster: Raster, nodata: float | None, written: object) -> None:
        assert band(raster("a.tif", nodata=nodata)).get("nodata") == written

    def test_only_missing_values(self, raster: Raster) -> None:
        found = band(raster("a.tif", np.full((4, 4), np.nan, "float32"), nodata=np.nan))
        assert found["statistics"] == {"valid_percent": 0.0}

    def test_an_alpha_band_masks_the_others(self, raster: Raster) -> None:
        values = np.full((4, 4, 4), 100, "uint8")
        values[:, 0] = 0
        path = raster("a.tif", values, photometric="RGB", alpha="YES")
        assert [each["name"] for each in read(path).asset["bands"]] == ["red", "green", "blue", "alpha"]
        assert band(path)["statistics"]["valid_percent"] == 75

    def test_names_units_scales(self, raster: Raster) -> None:
        path = raster("a.tif", np.ones((2, 4, 4), "int16"))
        with rasterio.open(path, "r+") as file:
            file.descriptions = ("ndvi", None)
            file.units = ("1", "")
            file.scales, file.offsets = (0.1, 1.0), (5.0, 0.0)
        first, second = read(path).asset["bands"]
        assert (first["name"], first["unit"], first["raster:scale"], first["raster:offset"]) == ("ndvi", "1", 0.1, 5.0)
        assert second["name"] == "band-2" and "raster:scale" not in second

    @pytest.mark.parametrize(
        ("kind", "written"), [("int8", "int8"), ("uint16", "uint16"), ("float64", "float64"), ("complex64", "cfloat32")]
    )
    def test_data_types(self, raster: Raster, kind: str, written: str) -> None:
        found = band(raster("a.tif", np.ones((4, 4), kind)))
        assert found["data_type"] == written
        assert ("statistics" in found) == (kind != "complex64")


class TestTime:
    def test_from_its_tags(self, raster: Raster) -> None:
        found = read(raster("a.tif", tags={"TIFFTAG_DATETIME": "2020:06:01 10:00:00"}))
        assert found.span and found.span.start.isoformat() == "2020-06-01T10:00:00+00:00"

    def test_none(self, raster: Raster) -> None:
        assert read(raster("a.tif")).span is None


class TestDamage:
    def test_a_truncated_file(self, raster: Raster) -> None:
        path = raster("a.tif")
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(InvalidInput, match="breaks off"):
            read(path)

    def test_a_damaged_tile(self, raster: Raster) -> None:
        path = raster("a.tif", np.random.default_rng(0).random((64, 64)), compress="deflate")
        content = bytearray(path.read_bytes())
        first = directories(path)[0].first
        content[first : first + 100] = b"\xff" * 100
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=r"a\.tif (cannot be read as a raster|is a damaged TIFF)"):
            read(path)

    def test_no_other_driver_may_open_it(self, raster: Raster, folder: Path) -> None:
        secret = raster("secret.tif")
        source = f"<SimpleSource><SourceFilename>{secret}</SourceFilename></SimpleSource>"
        (folder / "vrt.tif").write_text(
            f'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand band="1">{source}</VRTRasterBand></VRTDataset>'
        )
        with pytest.raises(InvalidInput):
            read(folder / "vrt.tif")

    def test_sidecars_are_not_read(self, raster: Raster, folder: Path) -> None:
        path = raster("a.tif")
        (folder / "a.tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><Description>forged</Description></PAMRasterBand></PAMDataset>'
        )
        assert band(path)["name"] == "band-1"


def test_grib_has_its_units_as_written(shared: Path) -> None:
    found = rasters.read(shared / "samples" / "era5_2mt_2019-03_uk.grib", Kind.GRIB)
    (only,) = found.asset["bands"]
    assert (only["name"], only["unit"]) == ("2T", "K")
    assert 260 < only["statistics"]["mean"] < 290
    assert found.media_type == "application/wmo-GRIB1"
    assert found.span and (found.span.start.day, found.span.end.day, found.span.end.hour) == (1, 31, 23)


def test_a_real_radar_scene(shared: Path) -> None:
    path = shared / "samples" / "s1_grd_T10TES_vv_float32_cog.tif"
    found = read(path)
    with rasterio.open(path) as file:
        values = np.ma.masked_invalid(file.read(1, masked=True).astype("float64"))
    statistics = found.asset["bands"][0]["statistics"]
    assert statistics["mean"] == pytest.approx(values.mean())
    assert statistics["stddev"] == pytest.approx(values.std())
    assert found.span and found.span.start.date().isoformat() == "2020-01-06"
