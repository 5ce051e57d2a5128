"""Our tiles of real files beside rio-tiler's: the same pixels at the same places."""

from pathlib import Path

import numpy as np
import pytest
from rio_tiler.io import Reader

from terrafair.data.tiles.mercator import HALF, Tile, metres
from terrafair.data.tiles.rasters import Rasters
from terrafair.data.tiles.style import Style

# Warnings of rio-tiler about files without overviews, and of the libraries below it.
pytestmark = pytest.mark.filterwarnings("ignore")
FILES = {
    "s2_tci_34R_cog.tif": (9, 11, 13),
    "s1_grd_T10TES_vv_float32_cog.tif": (8, 10, 12),
    "landcover_chesapeake_uint8_colormap_cog.tif": (12, 14, 16),
    "landsat8_greenland_b_uint16_cog.tif": (8, 9, 11),
    "landsat8_montreal_rgb_uint16_cog.tif": (7, 9),
    "landsat7_bahamas_rgb_striped.tif": (6, 8),
}


def around(bounds: "tuple[float, float, float, float]", z: int) -> list[Tile]:
    """Some tiles of a zoom level over an area in degrees: its middle and its corners."""
    west, south, east, north = bounds
    side = 2 * HALF / 2**z
    found = []
    for across in (0.02, 0.5, 0.98):
        for down in (0.02, 0.5, 0.98):
            x, y = metres(west + across * (east - west), south + down * (north - south))
            found.append(Tile(z, int((x + HALF) // side), int((HALF - y) // side)))
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("name", FILES)
def test_the_same_pixels(shared: Path, name: str) -> None:
    path = str(shared / "samples" / name)
    rasters = Rasters()
    compared = 0
    with Reader(path) as reader:
        count = reader.dataset.count
        bands = (1, 2, 3) if count >= 3 else (1,)
        for z in FILES[name]:
            for tile in around(reader.get_geographic_bounds("EPSG:4326"), z):
                if not reader.tile_exists(tile.x, tile.y, tile.z):
                    continue
                ours, _ = rasters.tile(path, tile, Style(bands=bands, resampling="nearest"))
                theirs = reader.tile(
                    tile.x, tile.y, tile.z, indexes=bands, resampling_method="nearest", reproject_method="nearest"
                )
                if ours is None:
                    assert not (theirs.mask > 0).any()
                    continue
                valid = np.ones(theirs.mask.shape, bool) if ours.valid is None else ours.valid
                # Gaps agree but for a seam of a pixel at their edges.
                assert (valid != (theirs.mask > 0)).mean() < 0.02, (name, tile)
                both = valid & (theirs.mask > 0)
                if both.sum() < 500:
                    continue
                compared += 1
                one, two = ours.values[:, both].astype(float), np.asarray(theirs.data)[:, both].astype(float)
                spread = max(float(np.std(two)), 1.0)
                # GDAL may take another overview or the neighbour of a pixel; a shift of the picture would show at once.
                assert np.median(np.abs(one - two)) <= 0.25 * spread, (name, tile)
                assert spread == 1.0 or _alignment(ours.values[0], theirs.data[0], both) == (0, 0), (name, tile)
    assert compared >= 3


@pytest.mark.parametrize("name", ["s1_grd_T10TES_vv_float32_cog.tif", "landcover_chesapeake_uint8_colormap_cog.tif"])
def test_at_full_resolution_pixel_by_pixel(shared: Path, name: str) -> None:
    """Where the map is finer than the data there is one right pixel at every place."""
    path = str(shared / "samples" / name)
    with Reader(path) as reader:
        zoom = reader.maxzoom + 1
        tile = around(reader.get_geographic_bounds("EPSG:4326"), zoom)[4]
        theirs = reader.tile(tile.x, tile.y, tile.z, resampling_method="nearest", reproject_method="nearest")
    ours, _ = Rasters().tile(path, tile, Style(resampling="nearest"))
    assert ours is not None
    both = (theirs.mask > 0) & (True if ours.valid is None else ours.valid)
    # GDAL warps to within an eighth of a pixel: at borders between two it may take the other one.
    assert (ours.values[0][both] == np.asarray(theirs.data)[0][both]).mean() > 0.93


def test_bent_geometry_goes_through_rio_tiler(tmp_path: Path) -> None:
    """A rotated raster is drawn, and where it lies."""
    import rasterio
    from affine import Affine

    path = tmp_path / "rotated.tif"
    transform = Affine.translation(500_000, 5_300_000) @ Affine.rotation(30) @ Affine.scale(100, -100)
    profile = {"driver": "GTiff", "width": 200, "height": 200, "count": 1, "dtype": "float32", "crs": "EPSG:32632"}
    with rasterio.open(path, "w", transform=transform, **profile) as out:
        out.write(np.arange(40_000, dtype="float32").reshape(1, 200, 200))
    with Reader(str(path)) as reader:
        west, south, east, north = reader.get_geographic_bounds("EPSG:4326")
    x, y = metres((west + east) / 2, (south + north) / 2)
    side = 2 * HALF / 2**11
    tile = Tile(11, int((x + HALF) // side), int((HALF - y) // side))
    found, _ = Rasters().tile(str(path), tile, Style())
    assert found is not None and found.valid is not None and found.valid.any()


def _alignment(
    ours: "np.ndarray[tuple[int, ...], np.dtype[np.generic]]", theirs: object, both: object
) -> tuple[int, int]:
    """The shift of our pixels, in pixels, at which they are most like theirs."""
    second = np.asarray(theirs)[np.asarray(both)].astype(float)
    shifts = [(down, across) for down in (-2, 0, 2) for across in (-2, 0, 2)]
    with np.errstate(invalid="ignore"):
        alike = [
            float(np.corrcoef(np.roll(ours.astype(float), shift, (0, 1))[np.asarray(both)], second)[0, 1])
            for shift in shifts
        ]
    # One value all over is like itself wherever it is moved.
    return shifts[int(np.nanargmax(alike))] if np.isfinite(alike).any() else (0, 0)
