"""Data whose pixels each say where they lie: on the map, as series, over areas."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from terrafair.data.tiles import series
from terrafair.data.tiles.cubes import Cubes
from terrafair.data.tiles.mercator import Tile, degrees
from terrafair.data.tiles.painter import Painter
from terrafair.data.tiles.style import Style
from terrafair.errors import InvalidInput

ROWS, COLUMNS = 160, 120


def field(longitude: Any, latitude: Any) -> Any:
    """What is measured at a place, for all places and the whole turn."""
    return np.sin(np.radians(longitude) * 3) * 10 + latitude


def places(east: float, north: float) -> tuple[Any, Any]:
    """Of a swath that flies to the south-west, bent, with pixels that grow towards its edges."""
    down, across = np.mgrid[0:ROWS, 0:COLUMNS]
    across = (across - COLUMNS / 2) / COLUMNS
    across = across + across**3
    latitude = north - down * 0.05 - across * 1.5
    longitude = east + across * 8 - down * 0.01
    return (longitude + 180) % 360 - 180, latitude


def written(path: Path, east: float, north: float = 50.0, *, gap: bool = False) -> str:
    longitude, latitude = places(east, north)
    values = np.stack([field(longitude, latitude), field(longitude, latitude) + 100]).astype("float32")
    if gap:
        longitude[40:60], latitude[40:60] = np.nan, np.nan
    coordinates = {"lat": (("line", "pixel"), latitude), "lon": (("line", "pixel"), longitude)}
    cube = xr.Dataset(
        {"heat": (("time", "line", "pixel"), values), "flag": (("line", "pixel"), np.ones((ROWS, COLUMNS), "uint8"))},
        {**coordinates, "time": np.array(["2024-01-01", "2024-02-01"], "datetime64[ns]")},
    )
    cube["lat"].attrs, cube["lon"].attrs = {"units": "degrees_north"}, {"units": "degrees_east"}
    cube.to_netcdf(path)
    return str(path)


def around(path: str, longitude: float, latitude: float, z: int) -> tuple[Tile, Any, Any, Any]:
    """The tile at a place: itself, its pixels, and their longitudes and latitudes."""
    n = 2**z
    x = int((longitude % 360 + 180) % 360 / 360 * n)
    y = int((1 - np.arcsinh(np.tan(np.radians(latitude))) / np.pi) / 2 * n)
    tile = Tile(z, x, y)
    west, _, east, north = tile.bounds
    steps = (np.arange(256) + 0.5) * (east - west) / 256
    there = [[degrees(west + each, north - other) for each in steps[::16]] for other in steps[::16]]
    lon, lat = np.moveaxis(np.array(there), -1, 0)
    found = Cubes().tile(path, tile, Style(variable="heat", resampling="nearest"))
    assert found is not None
    shown = np.where(True if found.valid is None else found.valid, found.values[0].astype(float), np.nan)
    return tile, shown[::16, ::16], lon, lat


@pytest.mark.parametrize("east", [10.0, 179.5, -179.0])
@pytest.mark.parametrize("z", [5, 7])
def test_each_pixel_of_a_tile_shows_what_was_measured_there(tmp_path: Path, east: float, z: int) -> None:
    path = written(tmp_path / "swath.nc", east)
    _, shown, lon, lat = around(path, east, 46.0, z)
    known = np.isfinite(shown)
    assert known.sum() > 20
    # A pixel is 0.05 degrees high and up to 0.15 wide, along which the field changes by 0.5 a degree at the most.
    assert np.abs(shown - field(lon, lat))[known].max() < 0.12
    if z == 7:
        assert known.all(), "there are no holes between pixels"


def test_where_there_is_no_pixel_nothing_is_shown(tmp_path: Path) -> None:
    path = written(tmp_path / "swath.nc", 10.0, gap=True)
    _, shown, lon, lat = around(path, 10.0, 47.5, 6)
    assert 0 < np.isfinite(shown).sum() < shown.size
    known = np.isfinite(shown)
    assert np.abs(shown - field(lon, lat))[known].max() < 0.12


def test_series_at_a_pixel_and_over_an_area(tmp_path: Path) -> None:
    path, cubes = written(tmp_path / "swath.nc", 10.0), Cubes()
    longitude, latitude = places(10.0, 50.0)
    for row, column in ((3, 5), (80, 60), (150, 110)):
        place = float(longitude[row, column]), float(latitude[row, column])
        found = series.at_point(cubes, path, "heat", *place)
        assert found["times"] == ["2024-01-01T00:00:00", "2024-02-01T00:00:00"]
        assert found["values"] == pytest.approx([field(*place), field(*place) + 100], abs=0.12)
    ring = [[9, 45], [10, 45], [10, 46], [9, 46], [9, 45]]
    found = series.over_area(cubes, path, "heat", {"type": "Polygon", "coordinates": [ring]})
    inside = (longitude > 9) & (longitude < 10) & (latitude > 45) & (latitude < 46)
    assert found["cells"] == inside.sum()
    assert found["values"][0] == pytest.approx(field(longitude, latitude)[inside].mean(), abs=1e-4)
    with pytest.raises(InvalidInput, match="lies beside"):
        series.at_point(cubes, path, "heat", -60.0, 10.0)
    far = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}
    with pytest.raises(InvalidInput, match="No pixel's centre"):
        series.over_area(cubes, path, "heat", far)


def test_whole_numbers_and_what_is_told(tmp_path: Path) -> None:
    path, painter = written(tmp_path / "swath.nc", 179.5), Painter()
    about = painter.about(path, Style(variable="flag"))
    west, south, east, north = about["bounds"]
    assert 170 < west < 180 < east < 190 and south < 43 and north > 49
    assert about["note"] and about["variables"] == ["heat", "flag"]
    assert about["histograms"][0]["minimum"] == about["histograms"][0]["maximum"] == 1
    assert painter.preview(path, Style(variable="flag")).startswith(b"\x89PNG")


def test_latitudes_that_are_not_evenly_spaced(tmp_path: Path) -> None:
    latitude = np.degrees(np.arcsin(np.linspace(-0.98, 0.98, 60)))
    longitude = np.arange(0, 360, 3.0)
    values = field(*np.meshgrid(longitude, latitude)).astype("float32")
    cube = xr.Dataset({"heat": (("lat", "lon"), values)}, {"lat": latitude, "lon": longitude})
    cube.to_netcdf(tmp_path / "gauss.nc")
    found = series.at_point(Cubes(), str(tmp_path / "gauss.nc"), "heat", 30.0, float(latitude[40]))
    assert found["values"] == pytest.approx([float(values[40, 10])])


def test_a_real_swath_lies_where_it_says(shared: Path) -> None:
    """OLCI level 2: each pixel is found again at its own latitude and longitude."""
    path, cubes = str(shared / "samples/s3_olci_l2_c2rcc_sns.nc"), Cubes()
    with xr.open_dataset(path, decode_timedelta=False) as cube:
        values, lon, lat = (cube[name].values for name in ("rtoa_1", "lon", "lat"))
    for row in range(1, 99, 12):
        for column in range(1, 99, 12):
            found = series.at_point(cubes, path, "rtoa_1", float(lon[row, column]), float(lat[row, column]))
            near = values[row - 1 : row + 2, column - 1 : column + 2]
            assert np.abs(near - found["values"][0]).min() < 1e-6
