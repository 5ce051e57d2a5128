"""The layout of TIFF files: whole or truncated, cloud-optimised or not."""

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from terrafair.data.tiff import check_whole, directories, is_cloud_optimised
from terrafair.errors import InvalidInput

from .conftest import Raster

LARGE = np.random.default_rng(0).integers(0, 255, (1200, 1100), "uint8")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"BIGTIFF": "YES"},
        {"ENDIANNESS": "BIG"},
        {"tiled": True, "blockxsize": 256, "blockysize": 256},
        {"compress": "deflate"},
        {"sparse_ok": True},
    ],
)
def test_a_whole_file_passes_and_a_truncated_one_does_not(raster: Raster, options: dict[str, Any]) -> None:
    path = raster("a.tif", LARGE, **options)
    found = directories(path)
    check_whole(path, found)
    assert (found[0].width, found[0].height) == (1100, 1200)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InvalidInput, match=r"a\.tif (breaks off|is a damaged TIFF)"):
        check_whole(path, directories(path))


def test_cut_off_tags_are_noticed(raster: Raster) -> None:
    path = raster("a.tif", tags={"TITLE": "x" * 100})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InvalidInput):
        check_whole(path, directories(path))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"driver": "COG"}, True),
        ({"driver": "COG", "COMPRESS": "LZW", "BLOCKSIZE": 256}, True),
        ({"driver": "COG", "OVERVIEWS": "NONE"}, False),
        ({"tiled": True, "blockxsize": 256, "blockysize": 256}, False),
        ({}, False),
    ],
)
def test_cloud_optimised(raster: Raster, options: dict[str, Any], expected: bool) -> None:
    assert is_cloud_optimised(directories(raster("a.tif", LARGE, **options))) is expected


def test_overviews_added_later_make_no_cog(raster: Raster) -> None:
    path = raster("a.tif", LARGE, tiled=True, blockxsize=256, blockysize=256)
    with rasterio.open(path, "r+") as file:
        file.build_overviews([2, 4])
    assert not is_cloud_optimised(directories(path))


def test_a_small_image_needs_neither_tiles_nor_overviews(raster: Raster) -> None:
    assert is_cloud_optimised(directories(raster("a.tif")))


@pytest.mark.parametrize(
    "name", ["s2_tci_34R_cog.tif", "landsat8_greenland_b_uint16_cog.tif", "s1_grd_T10TES_vv_float32_cog.tif"]
)
def test_real_cogs(shared: Path, name: str) -> None:
    assert is_cloud_optimised(directories(shared / "samples" / name))


def test_a_real_file_that_is_none(shared: Path) -> None:
    assert not is_cloud_optimised(directories(shared / "samples" / "landsat7_bahamas_rgb_striped.tif"))


@pytest.mark.parametrize(
    "content",
    [
        b"II*\0",
        b"II*\0" + struct.pack("<I", 8),
        b"II*\0" + struct.pack("<IH", 8, 65_535) + bytes(100),
        b"II*\0" + struct.pack("<IH", 8, 0) + struct.pack("<I", 8),
        b"II*\0" + struct.pack("<IHHHII", 8, 1, 256, 4, 2**31, 8) + bytes(4),
        b"MM\0+" + bytes(12),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.tif").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"a\.tif is a damaged TIFF"):
        directories(tmp_path / "a.tif")
