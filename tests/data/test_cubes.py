"""Data cubes described from themselves."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import xarray as xr

from terrafair.data import cubes, variables
from terrafair.data.classify import classify
from terrafair.data.facts import Facts
from terrafair.data.variables import NETCDF_FILL, blocks
from terrafair.errors import InvalidInput

from .conftest import cube


def read(path: Path) -> Facts:
    return cubes.read(path, classify(path))


def written(folder: Path, dataset: xr.Dataset, **options: Any) -> Facts:
    dataset.to_netcdf(folder / "cube.nc", **options)
    return read(folder / "cube.nc")


class TestPlace:
    def test_cells_have_a_width(self, folder: Path) -> None:
        found = written(folder, cube())
        assert found.footprint and found.footprint.bbox == (9.5, 45.5, 15.5, 50.5)
        assert found.projection["proj:code"] == "EPSG:4326"
        assert found.projection["proj:shape"] == [5, 6]
        assert found.projection["proj:transform"] == [1, 0, 9.5, 0, -1, 50.5]

    @pytest.mark.parametrize(
        ("longitudes", "bbox"),
        [
            (np.linspace(350, 355, 6), (-10.5, -4.5)),
            (np.linspace(0, 300, 6), (-180.0, 180.0)),
            (np.linspace(-150, 150, 6), (-180.0, 180.0)),
            (np.linspace(177, 182, 6), (176.5, -177.5)),
        ],
    )
    def test_longitudes_of_all_kinds(self, folder: Path, longitudes: Any, bbox: tuple[float, float]) -> None:
        found = written(folder, cube(lon=("lon", longitudes, {"units": "degrees_east"})))
        assert found.footprint
        assert (found.footprint.bbox[0], found.footprint.bbox[2]) == pytest.approx(bbox)

    def test_bounds_say_where_cells_end(self, folder: Path) -> None:
        edges = np.array([40, 44, 47, 49, 50, 51.0])
        dataset = cube(lat=("lat", (edges[1:] + edges[:-1]) / 2, {"units": "degrees_north", "bounds": "lat_bnds"}))
        dataset["lat_bnds"] = (("lat", "bnds"), np.column_stack([edges[:-1], edges[1:]]))
        found = written(folder, dataset)
        assert found.footprint and (found.footprint.bbox[1], found.footprint.bbox[3]) == (40, 51)
        assert "proj:transform" not in found.projection
        assert "lat_bnds" not in [each["name"] for each in found.asset["bands"]]

    def test_the_poles_are_the_end(self, folder: Path) -> None:
        found = written(folder, cube(lat=("lat", np.linspace(90, -90, 5), {"units": "degrees_north"})))
        assert found.footprint and (found.footprint.bbox[1], found.footprint.bbox[3]) == (-90, 90)
        assert found.properties["cube:dimensions"]["lat"]["extent"] == [-90, 90]

    def test_a_grid_mapping(self, folder: Path) -> None:
        dataset = cube().rename(lat="y", lon="x")
        dataset = dataset.assign_coords(
            x=("x", np.arange(6) * 100.0 + 500_000, {"standard_name": "projection_x_coordinate", "units": "m"}),
            y=("y", 5_000_000 - np.arange(5) * 100.0, {"standard_name": "projection_y_coordinate", "units": "m"}),
        )
        dataset["crs"] = ((), 0, {"spatial_ref": "EPSG:32633"})
        dataset["sst"].attrs["grid_mapping"] = "crs"
        found = written(folder, dataset)
        assert found.projection["proj:code"] == "EPSG:32633"
        assert found.footprint and found.footprint.bbox[0] == pytest.approx(15.0, abs=0.01)
        assert found.properties["cube:dimensions"]["x"]["reference_system"] == 32633

    def test_a_swath(self, folder: Path) -> None:
        rows, columns = np.meshgrid(np.arange(20.0), np.arange(30.0), indexing="ij")
        dataset = xr.Dataset(
            {"v": (("r", "c"), rows)},
            {
                "lon": (("r", "c"), 179.0 + columns / 10, {"units": "degrees_east"}),
                "lat": (("r", "c"), rows / 10 + columns / 20, {"units": "degrees_north"}),
            },
        )
        found = written(folder, dataset)
        assert found.footprint and found.footprint.bbox == pytest.approx((179.0, 0.0, -178.1, 3.35))
        assert found.projection == {}

    def test_stations(self, folder: Path) -> None:
        dataset = xr.Dataset(
            {"v": ("station", [1.0, 2.0])},
            {
                "lon": ("station", [10.0, 12.0], {"units": "degrees_east"}),
                "lat": ("station", [1.0, 2.0], {"units": "degrees_north"}),
            },
        )
        found = written(folder, dataset)
        assert found.footprint and found.footprint.bbox == (10, 1, 12, 2)

    def test_announced_by_attributes(self, folder: Path) -> None:
        names = ("lon_min", "lat_min", "lon_max", "lat_max")
        attributes = {f"geospatial_{name}": value for name, value in zip(names, (1.0, 2.0, 3.0, 4.0), strict=True)}
        found = written(folder, xr.Dataset({"v": ("n", [1.0])}, attrs=attributes))
        assert found.footprint and found.footprint.bbox == (1, 2, 3, 4)

    def test_nowhere(self, folder: Path) -> None:
        found = written(folder, xr.Dataset({"v": ("n", [1.0])}))
        assert found.footprint is None
        assert found.remarks[0].what == "cube.nc does not say where it lies."

    def test_a_single_cell_is_a_point(self, folder: Path) -> None:
        found = written(folder, cube().isel(lat=[0], lon=[0]))
        assert found.footprint and found.footprint.geometry["type"] == "Point"

    def test_coordinates_that_are_missing_place_nothing(self, folder: Path) -> None:
        found = written(folder, cube(lat=("lat", [50, np.nan, 48, 47, 46], {"units": "degrees_north"})))
        assert found.footprint is None


class TestTime:
    @pytest.mark.parametrize(
        ("calendar", "form", "end"),
        [
            ("standard", "NETCDF4", datetime(2000, 3, 2, tzinfo=UTC)),
            ("standard", "NETCDF3_CLASSIC", datetime(2000, 3, 2, tzinfo=UTC)),
            ("noleap", "NETCDF3_CLASSIC", datetime(2000, 3, 3, tzinfo=UTC)),
            ("360_day", "NETCDF3_64BIT", datetime(2000, 3, 1, tzinfo=UTC)),
            ("julian", "NETCDF4", datetime(2000, 3, 2, tzinfo=UTC)),
        ],
    )
    def test_calendars(self, folder: Path, calendar: str, form: str, end: datetime) -> None:
        found = written(folder, cube(calendar=calendar), format=form)
        assert found.span and (found.span.start, found.span.end) == (datetime(2000, 2, 28, tzinfo=UTC), end)
        assert found.properties["cube:dimensions"]["time"]["type"] == "temporal"

    def test_a_regular_step(self, folder: Path) -> None:
        found = written(folder, cube()).properties["cube:dimensions"]["time"]
        assert found["step"] == "P1D"
        assert found["extent"] == ["2000-02-28T00:00:00Z", "2000-03-02T00:00:00Z"]
        assert len(found["values"]) == 4

    def test_an_irregular_one(self, folder: Path) -> None:
        times = ("time", [0.0, 1.5, 2, 9], {"units": "days since 2000-01-01"})
        assert written(folder, cube(time=times)).properties["cube:dimensions"]["time"]["step"] is None

    def test_years_before_datetime64(self, folder: Path) -> None:
        times = ("time", np.arange(4), {"units": "days since 0850-01-01"})
        found = written(folder, cube(time=times))
        assert found.span and found.span.start.year == 850

    @pytest.mark.parametrize("units", ["months since 2000-01-01", "days since the flood", "seconds since 9999-99-99"])
    def test_what_cannot_be_decoded_is_told(self, folder: Path, units: str) -> None:
        found = written(folder, cube(time=("time", np.arange(4), {"units": units})))
        assert found.span is None
        assert found.remarks[-1].what == "The time of cube.nc cannot be decoded."
        assert found.properties["cube:dimensions"]["time"]["type"] == "other"
        assert found.footprint is not None

    def test_from_attributes(self, folder: Path) -> None:
        dataset = (
            cube()
            .isel(time=0, drop=True)
            .assign_attrs(time_coverage_start="2020-01-01", time_coverage_end="2020-02-01")
        )
        found = written(folder, dataset)
        assert found.span and (found.span.start.month, found.span.end.month) == (1, 2)


class TestVariables:
    def test_statistics_are_numpys(self, folder: Path) -> None:
        dataset = cube()
        dataset["sst"][0] = np.nan
        (found,) = written(folder, dataset).asset["bands"]
        known = dataset.sst.values[1:]
        assert found["statistics"]["mean"] == pytest.approx(known.mean())
        assert found["statistics"]["stddev"] == pytest.approx(known.std())
        assert found["statistics"]["valid_percent"] == 75
        assert (found["unit"], found["description"], found["data_type"]) == ("K", "temperature", "float64")

    def test_packed_values(self, folder: Path) -> None:
        packing = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 270.0, "_FillValue": -999}
        (found,) = written(folder, cube(), encoding={"sst": packing}).asset["bands"]
        assert (found["data_type"], found["nodata"], found["raster:scale"], found["raster:offset"]) == (
            "int16",
            -999,
            0.5,
            270,
        )
        assert 270 <= found["statistics"]["minimum"] <= found["statistics"]["maximum"] <= 300

    def test_unsigned_values_in_signed_storage(self, folder: Path) -> None:
        with netCDF4.Dataset(folder / "a.nc", "w", format="NETCDF3_CLASSIC") as file:
            file.createDimension("x", 2)
            variable = file.createVariable("v", "i1", ("x",))
            variable.set_auto_mask(False)
            variable.setncattr("_Unsigned", "true")
            variable[:] = np.array([-1, 1], "i1")
        (found,) = read(folder / "a.nc").asset["bands"]
        assert found["data_type"] == "uint8"
        assert found["statistics"]["maximum"] == 255

    def test_values_that_nobody_wrote(self, folder: Path) -> None:
        with netCDF4.Dataset(folder / "a.nc", "w") as file:
            file.createDimension("x", 4)
            file.createVariable("v", "f8", ("x",))[:2] = [1.0, 3.0]
        (found,) = read(folder / "a.nc").asset["bands"]
        assert found["statistics"]["maximum"] == 3.0
        assert found["nodata"] == NETCDF_FILL

    def test_only_missing_values(self, folder: Path) -> None:
        (found,) = written(folder, cube() * np.nan).asset["bands"]
        assert found["statistics"] == {"valid_percent": 0.0}

    def test_texts_have_no_statistics(self, folder: Path) -> None:
        (found,) = written(folder, xr.Dataset({"s": ("n", np.array(["a", "b"], dtype=object))})).asset["bands"]
        assert found == {"name": "s", "data_type": "other"}

    def test_dimensions_and_variables(self, folder: Path) -> None:
        dataset = cube(
            quality=("time", np.arange(4)), depth=("depth", [5.0, 10.0, 50.0], {"units": "m", "positive": "down"})
        )
        dataset["profile"] = (("depth", "band"), np.ones((3, 2)))
        properties = written(folder, dataset).properties
        dimensions = properties["cube:dimensions"]
        assert dimensions["lon"] == {
            "type": "spatial", "axis": "x", "extent": [9.5, 15.5], "step": 1.0, "reference_system": 4326,
        }  # fmt: skip
        assert dimensions["depth"]["axis"] == "z" and dimensions["depth"]["values"] == [5, 10, 50]
        assert dimensions["band"] == {"type": "count", "extent": [0, 1]}
        kinds = {name: each["type"] for name, each in properties["cube:variables"].items()}
        assert kinds == {"sst": "data", "profile": "data", "quality": "auxiliary"}

    def test_blocks_are_whole_chunks_and_cover_everything_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(variables, "BLOCK", 100)
        seen = np.zeros((7, 11, 13), int)
        for block in blocks(seen.shape, (2, 5, 4)):
            seen[block] += 1
            assert all(part.start % chunk == 0 for part, chunk in zip(block, (2, 5, 4), strict=True))
        assert (seen == 1).all()

    @pytest.mark.parametrize(("shape", "number"), [((), 1), ((0, 5), 0), ((3,), 1)])
    def test_blocks_of_odd_shapes(self, shape: tuple[int, ...], number: int) -> None:
        assert len(list(blocks(shape, None))) == number


class TestFormats:
    @pytest.mark.parametrize(("form", "consolidated"), [(2, True), (2, False), (3, False)])
    def test_zarr(self, folder: Path, form: int, consolidated: bool) -> None:
        xr.decode_cf(cube()).to_zarr(folder / "cube.zarr", zarr_format=form, consolidated=consolidated)
        found = read(folder / "cube.zarr")
        assert found.footprint and found.footprint.bbox == (9.5, 45.5, 15.5, 50.5)
        assert found.span and found.span.end == datetime(2000, 3, 2, tzinfo=UTC)
        assert found.media_type == "application/vnd+zarr"

    def test_the_group_that_holds_the_data(self, folder: Path) -> None:
        xr.Dataset(attrs={"title": "Sulphur"}).to_netcdf(folder / "a.nc")
        cube().to_netcdf(folder / "a.nc", group="PRODUCT", mode="a")
        found = read(folder / "a.nc")
        assert found.properties["title"] == "Sulphur"
        assert [each["name"] for each in found.asset["bands"]] == ["sst"]

    def test_plain_hdf5_is_a_file_only(self, folder: Path) -> None:
        with h5py.File(folder / "a.h5", "w") as file:
            file["a"] = np.arange(5)
        found = read(folder / "a.h5")
        assert found.media_type == "application/x-hdf5"
        assert found.asset == {} and "without the dimensions of NetCDF" in found.remarks[0].what


class TestDamage:
    def test_a_truncated_file(self, folder: Path) -> None:
        cube().to_netcdf(folder / "a.nc")
        content = (folder / "a.nc").read_bytes()
        (folder / "a.nc").write_bytes(content[: len(content) // 2])
        with pytest.raises(InvalidInput, match=r"a\.nc cannot be read as a data cube"):
            read(folder / "a.nc")

    def test_a_truncated_netcdf_3_file(self, folder: Path) -> None:
        cube().to_netcdf(folder / "a.nc", format="NETCDF3_CLASSIC")
        (folder / "a.nc").write_bytes((folder / "a.nc").read_bytes()[:-8])
        with pytest.raises(InvalidInput, match=r"a\.nc breaks off"):
            read(folder / "a.nc")

    def test_a_damaged_chunk(self, folder: Path) -> None:
        cube().to_zarr(folder / "a.zarr", zarr_format=2)
        (folder / "a.zarr" / "sst" / "0.0.0").write_bytes(b"no chunk")
        with pytest.raises(InvalidInput, match=r"a\.zarr cannot be read"):
            read(folder / "a.zarr")

    def test_nothing_in_it(self, folder: Path) -> None:
        xr.Dataset().to_netcdf(folder / "a.nc", format="NETCDF3_CLASSIC")
        with pytest.raises(InvalidInput, match="holds no variable"):
            read(folder / "a.nc")

    def test_links_out_of_a_store(self, folder: Path) -> None:
        cube().to_zarr(folder / "a.zarr", zarr_format=2)
        (folder / "a.zarr" / "sst" / "9.9.9").symlink_to("/etc/hostname")
        with pytest.raises(InvalidInput, match="holds a link that leads out of it"):
            read(folder / "a.zarr")

    def test_a_link_to_itself(self, folder: Path) -> None:
        cube().to_zarr(folder / "a.zarr", zarr_format=2)
        (folder / "a.zarr" / "loop").symlink_to("loop")
        with pytest.raises(InvalidInput, match="holds a link"):
            read(folder / "a.zarr")


@pytest.mark.parametrize(
    ("name", "variable", "bbox", "start", "end"),
    [
        ("ostia_monthly.nc", "surface_temperature", (-180, -5.28, 180, 4.72), "2006-04-16", "2010-09-16"),
        ("E1_north_america.nc", "air_temperature", (-135.94, 14.38, -44.06, 60.63), "1860-06-01", "2099-06-01"),
        ("gridmet_tmmx_20190121.nc", "air_temperature", (-124.79, 25.05, -67.04, 49.42), "2019-01-21", "2019-01-21"),
        ("s2_ndvi_timeseries_slovenia.nc", "ndvi", (14.55, 45.87, 14.56, 45.88), "2015-07-11", "2017-12-22"),
        ("s3_olci_highroc_sns_chl.zarr", "conc_chl", (1.75, 50.88, 3.25, 51.88), "2017-01-16", "2017-01-30"),
        ("ostia_20170605.nc", "analysed_sst", (-180, -90, 180, 90), "2017-06-05", "2017-06-05"),
    ],
)
def test_real_cubes(shared: Path, name: str, variable: str, bbox: tuple[float, ...], start: str, end: str) -> None:
    path = shared / "samples" / name
    found = read(path)
    assert found.footprint and found.footprint.bbox == pytest.approx(bbox, abs=0.01)
    assert found.span
    assert (found.span.start.date().isoformat(), found.span.end.date().isoformat()) == (start, end)
    statistics = next(each["statistics"] for each in found.asset["bands"] if each["name"] == variable)
    with xr.open_dataset(path, engine="zarr" if path.is_dir() else None, chunks=None) as dataset:
        values = dataset[variable].values.astype("float64")
    assert statistics["mean"] == pytest.approx(np.nanmean(values), rel=1e-6)
    assert statistics["valid_percent"] == pytest.approx(100 * np.isfinite(values).mean())
