"""Tiles of real cubes beside other people's: rio-tiler's reader of xarray, and GDAL's warp for what it cannot read."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.warp
import xarray as xr
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import from_bounds

from terrafair.data.tiles.cubes import Cubes
from terrafair.data.tiles.mercator import HALF, Tile, metres
from terrafair.data.tiles.sampling import Picked
from terrafair.data.tiles.style import Style

# Warnings of rio-tiler about grids without overviews, and of the libraries below it.
pytestmark = pytest.mark.filterwarnings("ignore")
pytest.importorskip("rioxarray", reason="rio-tiler reads cubes by rioxarray, of the group test")
SLICES = {
    "ostia first day": ("ostia_monthly.nc", "surface_temperature", 0),
    "ostia a later day": ("ostia_monthly.nc", "surface_temperature", 31),
    "ostia last day": ("ostia_monthly.nc", "surface_temperature", -1),
    "ostia daily, world": ("ostia_20170605.nc", "analysed_sst", 0),
    "olci first": ("s3_olci_highroc_sns_chl.zarr", "conc_chl", 0),
    "olci fourth": ("s3_olci_highroc_sns_chl.zarr", "kd489", 3),
    "olci last but one": ("s3_olci_highroc_sns_chl.zarr", "conc_chl", -2),
}
PLACES = {
    "ostia_monthly.nc": [(1, 10, 0), (2, -20, 1), (3, 60, -1), (5, 100.2, 2.2), (7, -140, -3), (4, 170, 0)],
    "ostia_20170605.nc": [(1, 10, 40), (3, -20, 45), (4, -60, -40), (6, 150.2, -30.2), (8, 5.0, 54.0), (2, 170, 10)],
    "s3_olci_highroc_sns_chl.zarr": [(6, 2.5, 51.4), (8, 2.3, 51.4), (10, 2.9, 51.5), (11, 2.2, 51.3), (13, 2.6, 51.3)],
}


def opened(path: Path) -> Any:
    return xr.open_zarr(path, chunks=None) if path.suffix == ".zarr" else xr.open_dataset(path)


def for_rio_tiler(path: Path, variable: str, position: int) -> Any:
    """The slice as its reader wants it: x and y, a reference system, longitudes from -180."""
    array = opened(path)[variable].isel(time=position)
    names = {str(name): ("x" if str(name).startswith("lon") else "y") for name in array.dims}
    array = array.rename(names)
    array = array.assign_coords(x=(array.x.astype("float64") + 180) % 360 - 180, y=array.y.astype("float64"))
    return array.sortby("x").sortby("y", ascending=False).drop_attrs().rio.write_crs("EPSG:4326")


def at(z: int, longitude: float, latitude: float) -> Tile:
    x, y = metres(longitude, latitude)
    side = 2 * HALF / 2**z
    return Tile(z, int((x + HALF) // side), int((HALF - y) // side))


def valid(found: Picked) -> "NDArray[np.bool_]":
    drawn = np.ones(found.values.shape[1:], bool) if found.valid is None else found.valid
    return drawn & np.isfinite(found.values[0].astype(float))


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_has_the_same_pixels(shared: Path, name: str) -> None:
    """At each place the very value that rio-tiler finds; at borders between two cells it may take the other one."""
    from rio_tiler.io import XarrayReader

    file, variable, position = SLICES[name]
    path, cubes, compared = shared / "samples" / file, Cubes(), 0
    with XarrayReader(for_rio_tiler(path, variable, position)) as reader:
        for z, longitude, latitude in PLACES[file]:
            tile = at(z, longitude, latitude)
            style = Style(variable=variable, index=(("time", position),), resampling="nearest")
            ours = cubes.tile(str(path), tile, style)
            theirs = reader.tile(tile.x, tile.y, z, resampling_method="nearest", reproject_method="nearest")
            assert ours is not None, tile
            seen = np.asarray(theirs.mask > 0) & np.isfinite(np.asarray(theirs.data[0], float))
            assert (valid(ours) != seen).mean() < 0.03, (tile, "gaps and coasts lie elsewhere")
            both = valid(ours) & seen
            if both.sum() < 300:
                continue
            compared += 1
            one, two = ours.values[0].astype(float), np.asarray(theirs.data[0], float)
            same = np.isclose(one, two, rtol=1e-6)
            assert same[both].mean() > 0.9 or coarse(z, file), (tile, same[both].mean())
            spread = max(float(two[both].std()), 1e-6)
            assert np.median(np.abs(one - two)[both]) <= 0.05 * spread, tile
            assert np.percentile(np.abs(one - two)[both], 99) <= 3 * spread, tile
    assert compared >= 4, compared


def coarse(z: int, file: str) -> bool:
    """Where a pixel of the map covers several cells, each side picks one of them."""
    cell = {"ostia_monthly.nc": 0.83, "ostia_20170605.nc": 0.25, "s3_olci_highroc_sns_chl.zarr": 0.0025}[file]
    return 360 / 2**z / 256 > 0.7 * cell


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (0, -1)])
def test_a_picture_that_is_shifted_would_be_found(shared: Path, shift: tuple[int, int]) -> None:
    """The comparison can fail: a third of a cell further east or north is told apart."""
    from rio_tiler.io import XarrayReader

    path = shared / "samples/s3_olci_highroc_sns_chl.zarr"
    tile = at(13, 2.6, 51.3)
    cells = 8  # pixels of this zoom: a third of a cell of the data
    ours = Cubes().tile(str(path), tile, Style(variable="conc_chl", index=(("time", 3),), resampling="nearest"))
    with XarrayReader(for_rio_tiler(path, "conc_chl", 3)) as reader:
        theirs = np.asarray(reader.tile(tile.x, tile.y, 13, reproject_method="nearest").data[0], float)
    assert ours is not None
    moved = np.roll(ours.values[0].astype(float), (shift[0] * cells, shift[1] * cells), (0, 1))
    known = np.isfinite(moved) & np.isfinite(theirs)
    assert np.isclose(moved, theirs)[known].mean() < 0.75


@pytest.mark.parametrize("variable", ["rtoa_1", "conc_chl", "quality_flags"])
def test_a_swath_lies_where_gdal_warps_it(shared: Path, variable: str) -> None:
    """rio-tiler reads no pixels that each have their own place: GDAL's warp by geolocation arrays judges instead."""
    path = shared / "samples/s3_olci_l2_c2rcc_sns.nc"
    with xr.open_dataset(path, decode_timedelta=False) as cube:
        data = cube[variable].values.astype("float64")
        places = np.stack([cube["lon"].values, cube["lat"].values])
    cubes, compared = Cubes(), 0
    middle = float(places[0].mean()), float(places[1].mean())
    for z in (9, 10, 11, 12):
        tile = at(z, *middle)
        ours = cubes.tile(str(path), tile, Style(variable=variable, resampling="nearest"))
        theirs = np.full((256, 256), np.nan)
        rasterio.warp.reproject(
            data,
            theirs,
            src_crs=CRS.from_epsg(4326),
            src_geoloc_array=places,
            src_nodata=np.nan,
            dst_crs=CRS.from_epsg(3857),
            dst_transform=from_bounds(*tile.bounds, 256, 256),
            dst_nodata=np.nan,
        )
        assert ours is not None
        both = valid(ours) & np.isfinite(theirs)
        if both.sum() < 300:
            continue
        compared += 1
        one = ours.values[0].astype(float)
        # Each side has its own nearest pixel; the other one is at most a neighbour away.
        near = np.stack([np.roll(theirs, (down, across), (0, 1)) for down in moves(z) for across in moves(z)])
        assert np.isclose(near, one, rtol=1e-6).any(axis=0)[both].mean() > 0.9, (z, variable)
        spread = max(float(theirs[both].std()), 1e-9)
        assert np.median(np.abs(one - theirs)[both]) <= 0.25 * spread, z
    assert compared >= 3, compared


def moves(z: int) -> range:
    """As many pixels of the map as are half a pixel of the swath (300 m, wider across it)."""
    most = max(round(300 / (2 * HALF / 2**z / 256) / 0.62), 1)
    return range(-most, most + 1)
