"""Geometry that is not simple: the antimeridian, poles, rotation, ground control points, grids far from their tiles."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.control import GroundControlPoint
from rio_tiler.io import Reader

from terrafair.data.tiles.cubes import Cubes
from terrafair.data.tiles.mercator import HALF, Tile, degrees, metres
from terrafair.data.tiles.rasters import Rasters
from terrafair.data.tiles.style import Style

pytestmark = pytest.mark.filterwarnings("ignore")
SIZE = 400


def values() -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Rises by one to the right, by a thousand down: each pixel is known by its value."""
    return (np.arange(SIZE)[None, :] + 1000 * np.arange(SIZE)[:, None]).astype("float32")


def raster(path: Path, crs: str, transform: Affine, gcps: "list[GroundControlPoint] | None" = None) -> str:
    profile = {"driver": "GTiff", "width": SIZE, "height": SIZE, "count": 1, "dtype": "float32", "nodata": -1.0}
    where = {"gcps": gcps, "crs": crs} if gcps else {"crs": crs, "transform": transform}
    with rasterio.open(path, "w", **profile, **where) as out:
        out.write(values(), 1)
    return str(path)


def cases(folder: Path) -> dict[str, str]:
    corners = [(0, 0, 11.0, 47.0), (0, SIZE, 11.5, 47.05), (SIZE, 0, 10.95, 46.6), (SIZE, SIZE, 11.45, 46.65)]
    points = [GroundControlPoint(row, column, x, y) for row, column, x, y in corners]
    turned = Affine.translation(600_000, 5_200_000) @ Affine.rotation(25) @ Affine.scale(100, -100)
    return {
        "antimeridian": raster(folder / "a.tif", "EPSG:32601", Affine(1000, 0, 100_000, 0, -1000, 7_000_000)),
        "north pole": raster(folder / "n.tif", "EPSG:3413", Affine(8000, 0, -1_600_000, 0, -8000, 1_600_000)),
        "south pole": raster(folder / "s.tif", "EPSG:3031", Affine(8000, 0, -1_600_000, 0, -8000, 1_600_000)),
        "rotated": raster(folder / "r.tif", "EPSG:32632", turned),
        "ground control points": raster(folder / "g.tif", "EPSG:4326", Affine.identity(), points),
        "high north": raster(folder / "h.tif", "EPSG:32633", Affine(500, 0, 400_000, 0, -500, 9_000_000)),
    }


PLACES = {
    "antimeridian": [(179.0, 61.5), (-179.0, 61.5), (-179.9, 61.0)],
    "north pole": [(-45.0, 84.0), (100.0, 80.0), (-179.5, 80.0)],
    "south pole": [(10.0, -84.0), (-100.0, -80.0), (179.5, -80.0)],
    "rotated": [(10.42, 46.95), (10.5, 46.8)],
    "ground control points": [(11.2, 46.85), (11.4, 46.7)],
    "high north": [(14.0, 80.5), (17.0, 80.0)],
}


def tile_at(longitude: float, latitude: float, z: int) -> Tile:
    x, y = metres(longitude, latitude)
    side = 2 * HALF / 2**z
    return Tile(z, int((x + HALF) // side), int((HALF - y) // side))


@pytest.mark.parametrize("name", PLACES)
def test_as_rio_tiler_draws_it(tmp_path: Path, name: str) -> None:
    path = cases(tmp_path)[name]
    zooms = (2, 4, 6) if "pole" in name or name == "antimeridian" else (6, 9, 11)
    seen = 0
    with Reader(path) as reader:
        for longitude, latitude in PLACES[name]:
            for z in zooms:
                tile = tile_at(longitude, latitude, z)
                ours, _ = Rasters().tile(path, tile, Style(resampling="nearest"))
                try:
                    theirs = reader.tile(tile.x, tile.y, z, resampling_method="nearest", reproject_method="nearest")
                except Exception:  # it finds some tiles outside that are not
                    continue
                if ours is None:
                    assert (theirs.mask > 0).mean() < 0.01, (tile, "there is data, and we draw none")
                    continue
                valid = np.ones((256, 256), bool) if ours.valid is None else ours.valid
                both = valid & (theirs.mask > 0)
                # Across the antimeridian rio-tiler may draw one side alone; what both draw is the same.
                assert both.sum() or name == "antimeridian" or not (theirs.mask > 0).any()
                if both.sum() < 200:
                    continue
                seen += 1
                one, two = ours.values[0][both].astype(float), np.asarray(theirs.data[0])[both].astype(float)
                rows, columns = np.abs(one // 1000 - two // 1000), np.abs(one % 1000 - two % 1000)
                # GDAL warps to an eighth of its pixel; where the map is coarse, ours and its are apart by its pixel.
                apart = 2.5 + 0.5 * max(np.median(np.abs(np.diff(one[:200] % 1000))), 1)
                assert np.percentile(np.hypot(rows, columns), 95) <= apart, (tile, np.percentile(rows, 95))
    assert seen >= 2, seen


def utm_cube(path: Path) -> str:
    x, y = 600_000 + 1000 * (np.arange(200) + 0.5), 5_300_000 - 1000 * (np.arange(200) + 0.5)
    cube = xr.Dataset({"t": (("y", "x"), values()[:200, :200])}, {"y": y, "x": x})
    cube["crs"] = ((), 0, {"crs_wkt": rasterio.crs.CRS.from_epsg(32632).to_wkt()})
    cube["t"].attrs["grid_mapping"] = "crs"
    cube.to_netcdf(path)
    return str(path)


@pytest.mark.parametrize("z", range(13))
def test_a_cube_in_utm_is_drawn_at_every_zoom(tmp_path: Path, z: int) -> None:
    """Each pixel that is drawn holds the value of the place that it stands for, whole world or part of it."""
    from pyproj import Transformer

    path, cubes = utm_cube(tmp_path / "utm.nc"), Cubes()
    tile = tile_at(11.5, 46.9, z)
    found = cubes.tile(path, tile, Style(resampling="nearest"))
    assert found is not None and (found.valid is None or found.valid.any())
    west, south, east, north = tile.bounds
    change = Transformer.from_crs("EPSG:4326", "EPSG:32632", always_xy=True)
    drawn = np.argwhere(np.ones((256, 256), bool) if found.valid is None else found.valid)
    for row, column in drawn[:: max(len(drawn) // 25, 1)]:
        place = degrees(west + (column + 0.5) * (east - west) / 256, north - (row + 0.5) * (north - south) / 256)
        x, y = change.transform(*place)
        expected = ((x - 600_000) / 1000, (5_300_000 - y) / 1000)
        value = float(found.values[0][row, column])
        assert abs(value % 1000 + 0.5 - expected[0]) <= 0.8 and abs(value // 1000 + 0.5 - expected[1]) <= 0.8


@pytest.mark.parametrize("place", [(-170.0, 10.0), (100.0, -46.9), (191.5, 46.9), (11.5, -46.9)])
@pytest.mark.parametrize("z", [1, 3, 5])
def test_what_lies_elsewhere_is_not_drawn_there(tmp_path: Path, place: tuple[float, float], z: int) -> None:
    """A projection gives places at the other end of the world, too: they are not the data's."""
    found = Cubes().tile(utm_cube(tmp_path / "utm.nc"), tile_at((place[0] + 180) % 360 - 180, place[1], z), Style())
    here = tile_at(11.5, 46.9, z) == tile_at((place[0] + 180) % 360 - 180, place[1], z)
    assert here or found is None or not (found.valid is None or found.valid.any())


def test_a_cube_at_the_pole(tmp_path: Path) -> None:
    x = -2_000_000 + 10_000 * (np.arange(SIZE) + 0.5)
    cube = xr.Dataset({"ice": (("y", "x"), values())}, {"y": -x, "x": x})
    cube["crs"] = ((), 0, {"crs_wkt": rasterio.crs.CRS.from_epsg(3413).to_wkt()})
    cube["ice"].attrs["grid_mapping"] = "crs"
    path = tmp_path / "pole.nc"
    cube.to_netcdf(path)
    for longitude in (-170.0, -45.0, 10.0, 179.0):
        for z in (0, 2, 4):
            found = Cubes().tile(str(path), tile_at(longitude, 80, z), Style())
            assert found is not None and (found.valid is None or found.valid.any()), (longitude, z)


def test_what_is_measured_comes_before_flags_of_its_quality(tmp_path: Path) -> None:
    axes = {"lat": np.arange(45, 47, 0.5), "lon": np.arange(5, 8, 0.5)}
    flags = (("lat", "lon"), np.zeros((4, 6), np.uint8), {"flag_masks": [1, 2], "flag_meanings": "land cloud"})
    measured = (("lat", "lon"), np.ones((4, 6), np.float32))
    cube = xr.Dataset({"a_flags": flags, "chl": measured, "b_flags": flags, "tsm": measured}, axes)
    cube.to_netcdf(tmp_path / "ocean.nc")
    assert Cubes().variables(str(tmp_path / "ocean.nc")) == ["chl", "tsm", "a_flags", "b_flags"]
