"""What comes out as a picture, and what is refused."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from PIL import Image

from terrafair.data.tiles.mercator import HALF, Tile, degrees, fitting_zoom, metres
from terrafair.data.tiles.painter import Painter
from terrafair.data.tiles.style import Style
from terrafair.errors import InvalidInput


def tile_at(longitude: float, latitude: float, z: int) -> Tile:
    x, y = metres(longitude, latitude)
    side = 2 * HALF / 2**z
    return Tile(z, int((x + HALF) // side), int((HALF - y) // side))


def picture(drawn: tuple[bytes, str]) -> Any:
    image = Image.open(io.BytesIO(drawn[0]))
    image.load()
    return image


@pytest.fixture
def ramp(tmp_path: Path) -> str:
    """Degrees 10 to 20 east and north; each pixel holds its longitude, the western half of the last row is empty."""
    path = tmp_path / "ramp.tif"
    values = np.tile(np.arange(10, 20, 0.1, dtype="float32"), (100, 1))
    values[-1, :50] = -9999
    profile = {"driver": "GTiff", "width": 100, "height": 100, "count": 1, "dtype": "float32", "nodata": -9999}
    with rasterio.open(path, "w", crs="EPSG:4326", transform=Affine(0.1, 0, 10, 0, -0.1, 20), **profile) as out:
        out.write(values, 1)
    return str(path)


def test_values_are_where_they_belong(ramp: str) -> None:
    tile = tile_at(15, 15, 8)
    image = picture(Painter().tile(ramp, tile, Style(rescale=((10, 20),), resampling="nearest")))
    grey = np.asarray(image.convert("RGBA"))
    west, south, east, north = tile.bounds
    for column in (0, 100, 255):
        longitude, _ = degrees(west + (column + 0.5) * (east - west) / 256, (south + north) / 2)
        assert abs(int(grey[128, column, 0]) - (longitude - 10) / 10 * 255) < 4
    assert (grey[..., 3] == 255).all()


def test_gaps_are_see_through_and_beside_is_empty(ramp: str) -> None:
    edge = np.asarray(picture(Painter().tile(ramp, tile_at(12, 10.02, 10), Style())).convert("RGBA"))
    assert (edge[..., 3] == 0).any() and (edge[..., 3] == 255).any()
    away = np.asarray(picture(Painter().tile(ramp, tile_at(-100, -40, 6), Style())).convert("RGBA"))
    assert (away[..., 3] == 0).all()


@pytest.mark.parametrize(("format_", "kind"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
@pytest.mark.parametrize("name", ["viridis", "ndvi_r", ""])
def test_formats_and_colours(ramp: str, format_: str, kind: str, name: str) -> None:
    image = picture(Painter().tile(ramp, tile_at(15, 15, 6), Style(format=format_, ramp=name, size=512)))
    assert (image.format, image.size) == (kind, (512, 512))


def test_a_colour_table_is_the_files_own(shared: Path) -> None:
    path = str(shared / "samples/landcover_chesapeake_uint8_colormap_cog.tif")
    painter = Painter()
    west, south, east, north = painter.about(path, Style())["bounds"]
    image = picture(painter.tile(path, tile_at((west + east) / 2, (south + north) / 2, 15), Style()))
    with rasterio.open(path) as handle:
        known = {tuple(colour[:3]) for colour in handle.colormap(1).values()}
    drawn = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    assert {tuple(int(part) for part in pixel[:3]) for pixel in drawn[drawn[:, 3] > 0][::97]} <= known


@pytest.mark.parametrize(
    "name", ["ostia_20170605.nc", "s3_olci_highroc_sns_chl.zarr", "s2_ndvi_timeseries_slovenia.nc"]
)
def test_real_cubes(shared: Path, name: str) -> None:
    path, painter = str(shared / "samples" / name), Painter()
    about = painter.about(path, Style(ramp="thermal"))
    west, south, east, north = about["bounds"]
    assert about["kind"] == "cube" and about["legend"][0]["colour"].startswith("#")
    assert -181 <= west < east <= 361 and -90.1 <= south < north <= 90.1
    middle = tile_at((west + east) / 2 - 0.1 if west >= -180 and east <= 180 else 9.9, min((south + north) / 2, 60), 8)
    image = np.asarray(picture(painter.tile(path, middle, Style(ramp="thermal"))).convert("RGBA"))
    assert image.shape == (256, 256, 4)
    json.dumps(about, allow_nan=False)


def cube(path: Path, count: int = 1000) -> xr.Dataset:
    time = np.datetime64("2015-01-01", "ns") + np.arange(count) * np.timedelta64(1, "D")
    values = np.arange(count, dtype="float32")[:, None, None] + np.array([[0, 100], [200, 300]], "float32")
    values[min(3, count - 1), 0, 0] = np.nan
    dataset = xr.Dataset(
        {"t": (("time", "lat", "lon"), values, {"units": "K"})}, {"time": time, "lat": [10.0, 9.0], "lon": [20.0, 21.0]}
    )
    dataset.to_netcdf(path)
    return dataset


def test_longitudes_from_zero(tmp_path: Path) -> None:
    """A cube from 0 to 360 is drawn west of Greenwich, too, without a gap at its seam."""
    path = tmp_path / "round.nc"
    longitudes, latitudes = np.arange(0.5, 360), np.arange(89.5, -90, -1.0)
    values = np.broadcast_to(longitudes.astype("float32"), (180, 360))
    xr.Dataset({"t": (("lat", "lon"), values)}, {"lat": latitudes, "lon": longitudes}).to_netcdf(path)
    style = Style(rescale=((0, 360),), resampling="nearest")
    world = np.asarray(picture(Painter().tile(str(path), Tile(0, 0, 0), style)).convert("RGBA"))
    assert (world[128, :, 3] == 255).all()
    assert abs(int(world[128, 64, 0]) - 270 / 360 * 255) < 3 and abs(int(world[128, 192, 0]) - 90 / 360 * 255) < 3


def test_a_series_at_a_point(tmp_path: Path) -> None:
    path = tmp_path / "cube.nc"
    dataset = cube(path)
    found = Painter().series(str(path), "t", point=(20.9, 9.1))
    assert found["values"] == [float(value) for value in dataset.t[:, 1, 1].values]
    assert (found["unit"], found["times"][1], found["cell"]) == ("K", "2015-01-02T00:00:00", [1, 1])
    assert Painter().series(str(path), "", point=(20, 10))["values"][3] is None


def test_a_series_over_an_area(tmp_path: Path) -> None:
    path = tmp_path / "cube.nc"
    dataset = cube(path, 5)
    area = {"type": "Polygon", "coordinates": [[[19.4, 8.4], [21.6, 8.4], [21.6, 10.6], [19.4, 10.6], [19.4, 8.4]]]}
    found = Painter().series(str(path), "t", area=area)
    assert np.allclose(found["values"], dataset.t.mean(("lat", "lon")).values)
    assert np.allclose(found["deviations"], dataset.t.std(("lat", "lon")).values)
    assert found["share"] == [1, 1, 1, 0.75, 1] and found["cells"] == 4


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"point": (0.0, 0.0)}, "beside the data"),
        ({"point": (20.0, 100.0)}, "no place"),
        ({"area": {"type": "Point", "coordinates": [20, 10]}}, "valid polygon"),
        ({"area": {"type": "Polygon"}}, "no GeoJSON"),
        ({"area": {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 0]]]}}, "beside the data"),
    ],
)
def test_wrong_series(tmp_path: Path, wish: dict[str, Any], said: str) -> None:
    path = tmp_path / "cube.nc"
    cube(path, 3)
    with pytest.raises(InvalidInput, match=said):
        Painter().series(str(path), "t", **wish)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"format": "gif"}, "format"),
        ({"ramp": "rainbow"}, "colour map"),
        ({"bands": "1,2"}, "One or three"),
        ({"bands": "x"}, "does not parse"),
        ({"rescale": "5,1"}, "low < high"),
        ({"rescale": "5"}, "does not parse"),
        ({"size": "9999"}, "size"),
        ({"index": "time:x"}, "does not parse"),
        ({"resampling": "cubic"}, "resampling"),
    ],
)
def test_wrong_styles(query: dict[str, str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Style.read(query)


def test_wrong_wishes_of_a_file(ramp: str, tmp_path: Path) -> None:
    painter, tile = Painter(), Tile(0, 0, 0)
    with pytest.raises(InvalidInput, match="no band 4"):
        painter.tile(ramp, tile, Style(bands=(4,)))
    path = tmp_path / "cube.nc"
    cube(path, 3)
    with pytest.raises(InvalidInput, match="no variable 'salt'"):
        painter.tile(str(path), tile, Style(variable="salt"))
    with pytest.raises(InvalidInput, match="no place 9"):
        painter.tile(str(path), tile, Style(index=(("time", 9),)))
    with pytest.raises(InvalidInput, match="no dimension 'depth'"):
        painter.tile(str(path), tile, Style(index=(("depth", 0),)))


@pytest.mark.parametrize("content", [b"", b"II*\0" + b"\xff" * 40, b"<VRTDataset/>", b"hello"])
def test_what_is_no_raster(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file.tif"
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        Painter().tile(str(path), Tile(0, 0, 0), Style())


@pytest.mark.parametrize("place", [(-1, 0, 0), (25, 0, 0), (1, 2, 0), (1, 0, -1)])
def test_tiles_that_are_not_there(place: tuple[int, int, int]) -> None:
    with pytest.raises(InvalidInput):
        Tile(*place)


def test_zoom_levels() -> None:
    assert [fitting_zoom(metres) for metres in (156_543, 10, 1e9, 1e-9)] == [0, 14, 0, 24]


def test_a_raster_tells_its_values_at_a_place(ramp: str) -> None:
    found = Painter().series(ramp, "", point=(12.34, 15.0))
    assert found["values"] == [pytest.approx(12.3, abs=1e-5)] and found["times"] == ["band 1"]
    assert Painter().series(ramp, "", point=(12.34, 10.05))["values"] == [None]
    with pytest.raises(InvalidInput, match="beside the data"):
        Painter().series(ramp, "", point=(50.0, 15.0))


def test_categories_are_told_with_their_colours(tmp_path: Path) -> None:
    path = tmp_path / "classes.tif"
    values = np.repeat(np.array([1, 1, 1, 7], "uint8"), 25)[None].repeat(100, 0)
    profile = {"driver": "GTiff", "width": 100, "height": 100, "count": 1, "dtype": "uint8", "crs": "EPSG:4326"}
    with rasterio.open(path, "w", transform=Affine(0.1, 0, 10, 0, -0.1, 20), **profile) as out:
        out.write(values, 1)
        out.write_colormap(1, {1: (255, 0, 0, 255), 7: (0, 128, 0, 255)})
    assert Painter().about(str(path), Style())["classes"] == [
        {"value": 1, "colour": "#ff0000", "share": 0.75},
        {"value": 7, "colour": "#008000", "share": 0.25},
    ]


def test_a_cube_without_a_place_is_described_and_pictured(tmp_path: Path) -> None:
    path, painter = tmp_path / "odd.nc", Painter()
    xr.Dataset({"t": (("y", "x"), np.eye(20))}).to_netcdf(path)
    assert painter.about(str(path), Style())["bounds"] is None
    assert painter.preview(str(path), Style()).startswith(b"\x89PNG")
    with pytest.raises(InvalidInput, match="does not say where"):
        painter.tile(str(path), Tile(0, 0, 0), Style())


def test_why_a_tile_is_empty(ramp: str) -> None:
    _, note = Painter().tile(ramp, tile_at(-100, -40, 6), Style())
    assert note == "The data does not reach here." and Painter().tile(ramp, tile_at(15, 15, 8), Style())[1] == ""
