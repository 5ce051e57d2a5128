"""Two rasters: values, masks and grids, block by block."""

import tracemalloc
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.errors import NotGeoreferencedWarning
from rasterio.transform import Affine

from terrafair.execution.comparison.assets import SAME
from terrafair.execution.comparison.findings import Match, Tolerance

from .files import UTM, ramp, tif, verdict


class TestEqual:
    def test_the_same_bytes(self, tmp_path: Path) -> None:
        found = verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", ramp()))
        assert found.match is Match.IDENTICAL
        assert found.sizes[0] == found.sizes[1] and found.digests[0] == found.digests[1]

    def test_the_time_of_making_does_not_count(self, tmp_path: Path) -> None:
        old = tif(tmp_path / "a.tif", ramp(), {"TIFFTAG_DATETIME": "2020:01:01 00:00:00", "TIFFTAG_SOFTWARE": "x"})
        new = tif(tmp_path / "b.tif", ramp(), {"TIFFTAG_DATETIME": "2026:01:01 00:00:00", "TIFFTAG_SOFTWARE": "y"})
        found = verdict(old, new)
        assert found.match is Match.EQUAL
        assert found.remarks == (SAME,)

    @pytest.mark.parametrize(
        "options",
        [
            {"compress": "deflate"},
            {"tiled": True, "blockxsize": 16, "blockysize": 16},
            {"driver": "COG"},
            {"BIGTIFF": "YES"},
        ],
    )
    def test_neither_does_the_layout(self, tmp_path: Path, options: dict[str, Any]) -> None:
        assert verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", ramp(), **options)).match is Match.EQUAL

    def test_values_within_the_tolerance(self, tmp_path: Path) -> None:
        new = ramp("float64") * (1 + 1e-7)
        found = verdict(tif(tmp_path / "a.tif", ramp("float64")), tif(tmp_path / "b.tif", new))
        assert found.match is Match.EQUAL
        assert found.remarks == ("The largest difference is 1.19e-05.",)

    def test_a_wider_type_is_a_remark(self, tmp_path: Path) -> None:
        found = verdict(tif(tmp_path / "a.tif", ramp("uint8")), tif(tmp_path / "b.tif", ramp("int16")))
        assert found.match is Match.EQUAL
        assert "The data type is uint8 in the expected file and int16 in the new one." in found.remarks

    def test_another_value_for_no_data_is_a_remark(self, tmp_path: Path) -> None:
        old, new = ramp(), ramp()
        old[3, 3], new[3, 3] = -9999, np.nan
        found = verdict(tif(tmp_path / "a.tif", old, nodata=-9999), tif(tmp_path / "b.tif", new, nodata=np.nan))
        assert found.match is Match.EQUAL
        assert "The value for no data is -9999 and nan." in found.remarks

    def test_missing_values_are_equal(self, tmp_path: Path) -> None:
        old, new = ramp(), ramp()
        old[0], new[0] = np.nan, np.nan
        new[1, 1] += 1e-7
        found = verdict(tif(tmp_path / "a.tif", old), tif(tmp_path / "b.tif", new, compress="lzw"))
        assert found.match is Match.EQUAL

    def test_packed_values_are_compared_unpacked(self, tmp_path: Path) -> None:
        old, new = tif(tmp_path / "a.tif", ramp("int16")), tif(tmp_path / "b.tif", ramp("float64") * 0.1)
        with rasterio.open(old, "r+") as file:
            file.scales, file.offsets = (0.1,), (0.0,)
        found = verdict(old, new)
        assert found.match is Match.EQUAL
        assert any("packed" in remark for remark in found.remarks)

    def test_a_grid_may_differ_by_rounding(self, tmp_path: Path) -> None:
        new = tif(tmp_path / "b.tif", ramp(), transform=UTM @ Affine.translation(1e-9, 0))
        assert verdict(tif(tmp_path / "a.tif", ramp()), new).match is Match.EQUAL

    def test_one_system_in_two_spellings(self, tmp_path: Path) -> None:
        new = tif(tmp_path / "b.tif", ramp(), crs="+proj=utm +zone=33 +datum=WGS84 +units=m +no_defs")
        assert verdict(tif(tmp_path / "a.tif", ramp()), new).match is Match.EQUAL

    def test_pictures_have_no_grid(self, tmp_path: Path) -> None:
        values = ramp("uint8")
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        for name, level in (("a.png", 1), ("b.png", 9)):
            with rasterio.open(
                tmp_path / name, "w", driver="PNG", width=10, height=12, count=1, dtype="uint8", ZLEVEL=level
            ) as file:
                file.write(values, 1)
        assert verdict(tmp_path / "a.png", tmp_path / "b.png").match in {Match.EQUAL, Match.IDENTICAL}


class TestDifferent:
    def test_it_says_which_band_how_many_how_much_and_where(self, tmp_path: Path) -> None:
        old, new = np.stack([ramp(), ramp()]), np.stack([ramp(), ramp()])
        new[1, 2:4, 5:7] += 0.5
        a, b = tif(tmp_path / "a.tif", old), tif(tmp_path / "b.tif", new)
        for path in (a, b):
            with rasterio.open(path, "r+") as file:
                file.descriptions = ("red", "nir")
        found = verdict(a, b)
        (difference,) = found.differences
        assert found.match is Match.DIFFERENT
        assert difference.where == "band 2 (nir)"
        assert (difference.count, difference.compared, difference.largest) == (4, 120, 0.5)
        assert difference.bbox == (500_050, 4_999_960, 500_070, 4_999_980)
        assert difference.crs == "EPSG:32633"
        assert difference.examples[0] == "row 2, column 5 (500055, 4999975): 25 expected, 25.5 found"
        assert found.where.startswith("band 2 (nir): 4 of 120 values differ by up to 0.5")

    def test_whole_numbers_have_no_tolerance(self, tmp_path: Path) -> None:
        new = ramp("int32")
        new[0, 0] += 1
        found = verdict(
            tif(tmp_path / "a.tif", ramp("int32")), tif(tmp_path / "b.tif", new), Tolerance(absolute=10, relative=1)
        )
        assert found.match is Match.DIFFERENT

    def test_a_value_that_is_missing(self, tmp_path: Path) -> None:
        new = ramp()
        new[5, 5] = np.nan
        found = verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", new, nodata=np.nan))
        assert "1 have a value in the expected file only" in found.differences[0].what
        assert "no value found" in found.differences[0].examples[0]

    @pytest.mark.parametrize(
        ("options", "where"),
        [
            ({"transform": Affine(10, 0, 500_010, 0, -10, 5_000_000)}, "transform"),
            ({"transform": Affine(10.1, 0, 500_000, 0, -10.1, 5_000_000)}, "transform"),
            ({"transform": Affine(10, 0, 500_000, 0, 10, 4_999_880)}, "transform"),
            ({"crs": "EPSG:32632"}, "crs"),
            ({"crs": None}, "crs"),
        ],
    )
    def test_another_grid(self, tmp_path: Path, options: dict[str, Any], where: str) -> None:
        found = verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", ramp(), **options))
        assert found.match is Match.DIFFERENT
        assert [each.where for each in found.differences] == [where]
        assert "expected" in found.differences[0].what

    def test_another_size_and_number_of_bands(self, tmp_path: Path) -> None:
        found = verdict(tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", np.stack([ramp()[:6]] * 2)))
        assert [each.where for each in found.differences][:2] == ["shape", "bands"]
        assert found.differences[0].what == "12 rows x 10 columns expected, 6 x 10 found"


class TestUnreadable:
    @pytest.mark.parametrize("tags", [{}, {"TITLE": "its directory comes after its data"}])
    def test_a_truncated_file(self, tmp_path: Path, tags: dict[str, str]) -> None:
        old = tif(tmp_path / "a.tif", ramp(), tags)
        (tmp_path / "b.tif").write_bytes(old.read_bytes()[:-100])
        found = verdict(old, tmp_path / "b.tif")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("the new file cannot be read: b.tif breaks off")

    def test_a_damaged_file_and_which_side_it_is(self, tmp_path: Path) -> None:
        new = tif(tmp_path / "b.tif", ramp())
        (tmp_path / "a.tif").write_bytes(b"II*\0" + b"\xff" * 100)
        found = verdict(tmp_path / "a.tif", new)
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("the expected file cannot be read:")
        assert str(tmp_path) not in found.reason

    def test_a_virtual_dataset_opens_no_other_file(self, tmp_path: Path) -> None:
        secret = tif(tmp_path / "secret.tif", ramp())
        source = f"<SimpleSource><SourceFilename>{secret}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>"
        for name in ("a.tif", "b.tif"):
            (tmp_path / name).write_text(
                f'<VRTDataset rasterXSize="10" rasterYSize="12"><!--{name}-->'
                '<VRTRasterBand dataType="Float32" band="1">'
                f"{source}</VRTRasterBand></VRTDataset>"
            )
        found = verdict(tmp_path / "a.tif", tmp_path / "b.tif")
        assert found.kind == "text"
        assert found.match is Match.DIFFERENT

    def test_sidecars_do_not_count(self, tmp_path: Path) -> None:
        old, new = tif(tmp_path / "a.tif", ramp()), tif(tmp_path / "b.tif", ramp(), compress="lzw")
        (tmp_path / "b.tif.aux.xml").write_text(
            '<PAMDataset><PAMRasterBand band="1"><NoDataValue>5</NoDataValue></PAMRasterBand></PAMDataset>'
        )
        assert verdict(old, new).match is Match.EQUAL


def test_memory_stays_bounded(tmp_path: Path) -> None:
    """Two rasters of 256 MB each are compared in a fraction of that."""
    options = {"compress": "lzw", "tiled": True, "blockxsize": 1024, "blockysize": 1024, "sparse_ok": True}
    profile = {"driver": "GTiff", "count": 1, "width": 8_000, "height": 8_000, "dtype": "float32", **options}
    for name, value in (("a.tif", 1.0), ("b.tif", 2.0)):
        with rasterio.open(tmp_path / name, "w", crs="EPSG:32633", transform=UTM, **profile) as file:
            block = np.full((1024, 1024), value, "float32")
            file.write(block, 1, window=rasterio.windows.Window(4096, 4096, 1024, 1024))
    tracemalloc.start()
    try:
        found = verdict(tmp_path / "a.tif", tmp_path / "b.tif")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found.differences[0].count == 1024 * 1024
    assert peak < 200e6
