"""Cubes to Zarr and to references: stored numbers, attributes, encodings of time and grid mappings stay."""

import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import netCDF4
import numpy as np
import pytest
import rasterio
import xarray as xr
import zarr

from terrafair.data import netcdf, virtual, zarr_store
from terrafair.data.cf_checks import check_cf
from terrafair.data.chunking import CHUNK, SHARD, plan
from terrafair.data.classify import Kind, classify
from terrafair.data.conversion import Made
from terrafair.data.cube_source import opened
from terrafair.data.geozarr_checks import check_place
from terrafair.data.zarr_checks import check_store, check_zip
from terrafair.errors import InvalidInput

RAW = {"decode_cf": False}
# Zarr's consolidated metadata and texts, and xarray's calendars, warn; nothing here is about that.
pytestmark = pytest.mark.filterwarnings("ignore")


def cube(path: Path, version: str = "NETCDF4") -> Path:
    """Packed values, a grid mapping, bounds, a flag, text, times in a calendar, and a value for no data."""
    random = np.random.default_rng(3)
    with netCDF4.Dataset(path, "w", format=version) as file:
        file.Conventions, file.title = "CF-1.8", "Schneehöhe"
        for name, size in (("time", None), ("y", 300), ("x", 400), ("nv", 2), ("letters", 5)):
            file.createDimension(name, size)
        time = file.createVariable("time", "f8", ("time",))
        time.units, time.calendar, time.bounds = "days since 2001-01-01", "noleap", "time_bnds"
        time[:] = [0, 31, 59.5]
        file.createVariable("time_bnds", "f8", ("time", "nv"))[:] = [[0, 31], [31, 59], [59, 90]]
        for name, step in (("y", -10.0), ("x", 10.0)):
            axis = file.createVariable(name, "f8", (name,))
            axis.units, axis.standard_name = "m", f"projection_{name}_coordinate"
            axis[:] = 500_000 + step * np.arange(len(axis))
        mapping = file.createVariable("crs", "i4")
        mapping.grid_mapping_name = "transverse_mercator"
        mapping.longitude_of_central_meridian, mapping.latitude_of_projection_origin = 15.0, 0.0
        mapping.scale_factor_at_central_meridian, mapping.semi_major_axis = 0.9996, 6378137.0
        mapping.false_easting, mapping.false_northing, mapping.inverse_flattening = 500_000.0, 0.0, 298.257223563
        snow = file.createVariable("snow", "i2", ("time", "y", "x"), fill_value=-32767)
        snow.scale_factor, snow.add_offset, snow.grid_mapping, snow.units = 0.01, 10.0, "crs", "m"
        snow.coordinates, snow.valid_range = "lat lon", np.array([-100, 100], dtype="i2")
        snow.set_auto_maskandscale(False)
        values = random.integers(-1000, 1000, (3, 300, 400)).astype("i2")
        values[1, :20] = -32767
        snow[:] = values
        for name in ("lat", "lon"):
            place = file.createVariable(name, "f4", ("y", "x"))
            place.units = f"degrees_{'north' if name == 'lat' else 'east'}"
            place[:] = random.random((300, 400))
        flag = file.createVariable("flag", "i1", ("y", "x"))
        flag.flag_values, flag.flag_meanings = np.array([0, 1, 2], dtype="i1"), "land sea lake"
        flag[:] = random.integers(0, 3, (300, 400))
        station = file.createVariable("station", "S1", ("time", "letters"))
        station[:] = netCDF4.stringtochar(np.array(["Wien", "Graz", "Linz"], dtype="S5"))
    return path


def convert(path: Path, folder: Path, form: str, kind: Kind | None = None) -> Made:
    made = netcdf.write(path, kind or classify(path), folder / "made", zarr=form, address=str(folder / "made.nc"))
    assert made.problems == ()
    assert not [each for each in folder.iterdir() if each.name.startswith(".")]
    return made


def reread(made: Made, **options: Any) -> xr.Dataset:
    path = made.files[0]
    store: Any = zarr.storage.ZipStore(path, mode="r") if path.suffix == ".zip" else path
    with xr.open_dataset(store, engine="zarr", consolidated=True, **options) as dataset:
        return dataset.load()


@pytest.fixture(params=["NETCDF4", "NETCDF3_CLASSIC", "NETCDF3_64BIT_OFFSET", "NETCDF3_64BIT_DATA"])
def source(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return cube(tmp_path / "snow.nc", request.param)


@pytest.mark.parametrize("form", ["v2", "v3"])
def test_stored_numbers_and_attributes_stay(source: Path, tmp_path: Path, form: str) -> None:
    made = convert(source, tmp_path, form)
    before, after = xr.open_dataset(source, **RAW).load(), reread(made, **RAW)
    assert set(before.variables) == set(after.variables)
    for name in set(before.variables) - {"station"}:
        assert before[name].dtype == after[name].dtype, name
        assert before[name].values.tobytes() == after[name].values.tobytes(), name
    assert after["snow"].attrs["grid_mapping"] == "crs" and after["snow"].attrs["valid_range"] == [-100, 100]
    assert after["snow"].attrs["_FillValue"] == -32767 and after["snow"].attrs["scale_factor"] == 0.01
    assert after["time"].attrs["calendar"] == "noleap" and after["time"].attrs["units"] == "days since 2001-01-01"
    assert after["crs"].attrs["grid_mapping_name"] == "transverse_mercator"
    assert after.attrs["title"] == "Schneehöhe"


@pytest.mark.parametrize("form", ["v2", "v3"])
def test_decoded_it_is_the_same_dataset(source: Path, tmp_path: Path, form: str) -> None:
    before, after = xr.open_dataset(source).load(), reread(convert(source, tmp_path, form))
    xr.testing.assert_equal(before.drop_vars("station"), after.drop_vars("station"))
    assert np.isnan(after["snow"].values[1, :20]).all()
    assert after["station"].values.tolist() == ["Wien", "Graz", "Linz"]


def test_version_3_has_shards_names_and_consolidated_metadata(tmp_path: Path) -> None:
    path = tmp_path / "large.nc"
    with netCDF4.Dataset(path, "w") as file:
        for name, size in (("time", 40), ("y", 1200), ("x", 1100)):
            file.createDimension(name, size)
        data = file.createVariable("data", "f4", ("time", "y", "x"), chunksizes=(1, 300, 275))
        data[:] = np.random.default_rng(1).random((40, 1200, 1100)).astype("f4")
    made = convert(path, tmp_path, "v3")
    document = json.loads((made.files[0] / "zarr.json").read_text())
    array = document["consolidated_metadata"]["metadata"]["data"]
    assert array["dimension_names"] == ["time", "y", "x"]
    shard = array["codecs"][0]
    assert shard["name"] == "sharding_indexed" and shard["configuration"]["chunk_shape"] == [1, 300, 275]
    files = [each for each in (made.files[0] / "data").rglob("*") if each.is_file()]
    assert len(files) <= 8
    # A plain reader without our pipeline.
    with xr.open_dataset(path) as before:
        assert (zarr.open_array(made.files[0] / "data", mode="r")[:] == before["data"].values).all()


def test_version_2_is_one_zip_that_readers_can_seek_in(tmp_path: Path) -> None:
    made = convert(cube(tmp_path / "snow.nc"), tmp_path, "v2")
    assert made.files[0].name == "made.zarr.zip" and check_zip(made.files[0]) == ()
    with zipfile.ZipFile(made.files[0]) as archive:
        names = [entry.filename for entry in archive.infolist()]
        assert {".zgroup", ".zattrs", ".zmetadata"} <= set(names) and not archive.testzip()
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in archive.infolist())
    assert made.facts["made.zarr.zip"].properties["cube:variables"]["snow"]["unit"] == "m"


def test_unwritten_reals_get_a_value_for_no_data(tmp_path: Path) -> None:
    path = tmp_path / "holes.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("x", 10)
        file.createVariable("data", "f4", ("x",))[:5] = 1.5
    for form in ("v2", "v3"):
        (tmp_path / form).mkdir()
        made = convert(path, tmp_path / form, form)
        assert "fill-set" in {remark.code for remark in made.remarks}
        values = reread(made)["data"].values
        assert (values[:5] == 1.5).all() and np.isnan(values[5:]).all()


def test_groups_become_groups(tmp_path: Path) -> None:
    path = tmp_path / "groups.nc"
    with netCDF4.Dataset(path, "w") as file:
        group = file.createGroup("PRODUCT")
        group.createDimension("x", 3)
        group.createVariable("no2", "f4", ("x",))[:] = [1, 2, 3]
        group.createGroup("SUPPORT").createVariable("scale", "f8")[:] = 4.5
    made = convert(path, tmp_path, "")
    assert made.form == "zarr-3" and made.remarks[0].code == "not-virtual"
    with xr.open_datatree(made.files[0], engine="zarr") as tree:
        assert tree["PRODUCT/no2"].values.tolist() == [1, 2, 3] and float(tree["PRODUCT/SUPPORT/scale"]) == 4.5


def test_a_netcdf_is_kept_and_reads_like_zarr(source: Path, tmp_path: Path) -> None:
    made = convert(source, tmp_path, "")
    if made.form == "zarr-3":
        # kerchunk does not read the 64-bit-data flavour; then the answer says so.
        with source.open("rb") as file:
            assert file.read(4) == b"CDF\x05" and made.remarks[0].code == "not-virtual"
        return
    assert made.form == "netcdf-references" and made.files[0].read_bytes() == source.read_bytes()
    with xr.open_dataset(str(made.files[1]), engine="kerchunk", chunks=None) as after:
        before = xr.open_dataset(source)
        for name in ("snow", "time", "x", "lat", "flag"):
            assert np.array_equal(before[name], after[name], equal_nan=name == "snow"), name
        assert after["snow"].encoding.get("grid_mapping", after["snow"].attrs.get("grid_mapping")) == "crs"


def test_references_move_with_one_line(tmp_path: Path) -> None:
    source = cube(tmp_path / "snow.nc", "NETCDF3_CLASSIC")
    made = convert(source, tmp_path, "")
    document = json.loads(made.files[1].read_text())
    assert document["templates"] == {"u": str(tmp_path / "made.nc")}
    assert str(tmp_path) not in json.dumps(document["refs"])
    elsewhere = tmp_path / "elsewhere.nc"
    made.files[0].rename(elsewhere)
    with virtual.open_virtual(virtual.rebased(document, str(elsewhere)), elsewhere) as dataset:
        assert dataset["time"].values.tolist() == [0, 31, 59.5]


def test_references_that_read_something_else_are_seen(tmp_path: Path) -> None:
    source = cube(tmp_path / "snow.nc", "NETCDF3_CLASSIC")
    document = virtual.references(source, Kind.NETCDF, str(source))
    for key, value in document["refs"].items():
        if key.startswith("lat/0"):
            value[1] += 4
    with opened(source, Kind.NETCDF) as groups:
        found = virtual.check_virtual(document, source, groups, "snow.nc")
    assert [problem.what for problem in found] == ["snow.nc reads other values of lat."]


def test_grib(shared: Path, tmp_path: Path) -> None:
    source = shared / "samples" / "era5_2mt_2019-03_uk.grib"
    after = reread(convert(source, tmp_path, ""))
    assert after["2T"].dims == ("time", "latitude", "longitude") and after["2T"].attrs["units"] == "K"
    assert str(after["time"].values[[0, -1]].astype("datetime64[h]").tolist()[1]) == "2019-03-31 23:00:00"
    with rasterio.Env(GRIB_NORMALIZE_UNITS="NO"), rasterio.open(source) as file:
        assert (file.read() == after["2T"].values).all()
        assert after["latitude"].values[0] == file.xy(0, 0)[1] and after["longitude"].values[-1] == file.xy(0, 48)[0]
    (tmp_path / "cut.grib").write_bytes(source.read_bytes()[:-100])
    with pytest.raises(InvalidInput, match=r"cut\.grib breaks off"):
        netcdf.write(tmp_path / "cut.grib", Kind.GRIB, tmp_path / "cut", zarr="", address="")


def test_every_real_cube_stays_the_same(shared: Path, tmp_path: Path) -> None:
    samples = [*shared.glob("samples/*.nc"), *shared.glob("samples/*.cdf"), *shared.glob("samples/*.zarr")]
    assert len(samples) >= 9
    for path in samples:
        engine = "zarr" if path.suffix == ".zarr" else "netcdf4"
        before = xr.open_dataset(path, engine=engine, **RAW).load()
        for form in ("v2", "v3"):
            folder = tmp_path / f"{path.stem}-{form}"
            folder.mkdir()
            after = reread(convert(path, folder, form), **RAW)
            xr.testing.assert_equal(before, after)
            for name, variable in before.variables.items():
                kept = {key for key in variable.attrs if key not in {"_FillValue", "missing_value"}}
                assert kept <= set(after[name].attrs), (path, name)


def test_a_zarr_of_the_asked_version_is_kept(shared: Path, tmp_path: Path) -> None:
    source = shared / "samples" / "s3_olci_highroc_sns_chl.zarr"
    kept = convert(source, tmp_path, "")
    assert kept.kept and kept.form == "zarr-2"
    (tmp_path / "three").mkdir()
    three = convert(source, tmp_path / "three", "v3")
    assert not three.kept
    (tmp_path / "again").mkdir()
    assert convert(three.files[0], tmp_path / "again", "v3").kept
    (tmp_path / "zip").mkdir()
    packed = convert(three.files[0], tmp_path / "zip", "v2")
    (tmp_path / "zip2").mkdir()
    assert convert(packed.files[0], tmp_path / "zip2", "", Kind.ARCHIVE).kept
    xr.testing.assert_equal(reread(packed), reread(three))


def test_a_store_without_consolidated_metadata_is_written_anew(tmp_path: Path) -> None:
    store = tmp_path / "plain.zarr"
    xr.Dataset({"a": ("x", np.arange(5))}).to_zarr(store, consolidated=False, zarr_format=2)
    made = convert(store, tmp_path, "")
    assert not made.kept and made.form == "zarr-3"


def test_dates_as_a_type_become_numbers_that_every_reader_knows(tmp_path: Path) -> None:
    dates = np.array(["2020-02-29", "NaT", "2021-01-01T12:00"], dtype="M8[s]")
    group = zarr.open_group(tmp_path / "dates.zarr", mode="w", zarr_format=2)
    array = group.create_array("when", shape=(3,), dtype=dates.dtype, attributes={"_ARRAY_DIMENSIONS": ["n"]})
    array[:] = dates
    zarr.consolidate_metadata(group.store)
    for form in ("", "v2"):
        (tmp_path / f"made{form}").mkdir()
        after = reread(convert(tmp_path / "dates.zarr", tmp_path / f"made{form}", form))
        assert np.array_equal(after["when"].values.astype("M8[s]"), dates, equal_nan=True)


def test_lists_of_any_length_and_records_are_refused(tmp_path: Path) -> None:
    with netCDF4.Dataset(tmp_path / "lists.nc", "w") as file:
        file.createDimension("x", 2)
        lists = file.createVariable("v", file.createVLType(np.int32, "list"), ("x",))
        lists[0], lists[1] = np.array([1, 2], dtype="i4"), np.array([3], dtype="i4")
    with netCDF4.Dataset(tmp_path / "records.nc", "w") as file:
        file.createDimension("x", 2)
        record = file.createCompoundType(np.dtype([("a", "f4"), ("b", "i4")]), "record")
        file.createVariable("v", record, ("x",))
    for name in ("lists", "records"):
        with pytest.raises(InvalidInput, match=r"lists of any length|is of the type"):
            netcdf.write(tmp_path / f"{name}.nc", Kind.HDF5, tmp_path / "made", zarr="v3", address="")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["lists.nc", "records.nc"]


@pytest.mark.parametrize("version", ["NETCDF4", "NETCDF3_CLASSIC"])
def test_what_breaks_off_is_refused(tmp_path: Path, version: str) -> None:
    path = cube(tmp_path / "cut.nc", version)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for form in ("", "v3"):
        with pytest.raises(InvalidInput, match=r"cut\.nc"):
            netcdf.write(path, classify(path), tmp_path / "made", zarr=form, address="")
    assert [each.name for each in tmp_path.iterdir()] == ["cut.nc"]


def test_hdf5_without_dimensions_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "plain.h5", "w") as file:
        file["values"] = np.arange(10)
    with pytest.raises(InvalidInput, match="HDF5 without the dimensions of NetCDF"):
        netcdf.write(tmp_path / "plain.h5", Kind.HDF5, tmp_path / "made", zarr="v3", address="")


def test_zips_that_are_no_store_say_what_they_are(tmp_path: Path) -> None:
    def packed(name: str, entries: dict[str, bytes]) -> Path:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for key, content in entries.items():
                archive.writestr(key, content)
        return tmp_path / name

    with pytest.raises(InvalidInput, match=r"no data file. It packs 2 files \(a.shp, a.dbf|It packs 2 files"):
        zarr_store.check_zipped_source(packed("shape.zip", {"a.shp": b"1", "a.dbf": b"2"}))
    with pytest.raises(InvalidInput, match="lies in a folder of the archive"):
        zarr_store.check_zipped_source(packed("deep.zip", {"cube.zarr/.zgroup": b"{}"}))
    secret = packed("secret.zip", {"a.tif": b"x"})
    content = bytearray(secret.read_bytes())
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + at] |= 1
    secret.write_bytes(content)
    with pytest.raises(InvalidInput, match="encrypted zip"):
        zarr_store.check_zipped_source(secret)
    secret.write_bytes(secret.read_bytes()[:20])
    with pytest.raises(InvalidInput, match="cannot be opened"):
        zarr_store.check_zipped_source(secret)


def test_the_checks_see_what_is_wrong(tmp_path: Path) -> None:
    source = cube(tmp_path / "snow.nc")
    store = convert(source, tmp_path, "v3").files[0]
    with opened(source, Kind.HDF5) as groups:
        assert check_store(store, groups, "snow") == ()
        document = json.loads((store / "zarr.json").read_text())
        arrays = document["consolidated_metadata"]["metadata"]
        del arrays["flag"]
        arrays["snow"]["dimension_names"] = ["a", "b", "c"]
        arrays["lat"]["shape"] = [1, 1]
        del arrays["crs"]["attributes"]["grid_mapping_name"]
        (store / "zarr.json").write_text(json.dumps(document))
        found = " ".join(problem.what for problem in check_store(store, groups, "snow"))
        for words in (
            "lacks the array flag",
            "names its axes ['a', 'b', 'c']",
            "has the shape [1, 1]",
            "lost the attribute",
        ):
            assert words in found
        (store / "zarr.json").write_text("{}")
        assert "no consolidated metadata" in check_store(store, groups, "snow")[0].what
    deflated = tmp_path / "deflated.zip"
    with zipfile.ZipFile(deflated, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("cube/.zgroup", "{}" * 100)
    words = [problem.what for problem in check_zip(deflated)]
    assert "root" in words[0] and "deflates" in words[1]


def test_cf_findings_name_variable_rule_and_way_out(tmp_path: Path) -> None:
    path = tmp_path / "odd.nc"
    with netCDF4.Dataset(path, "w") as file:
        file.createDimension("lat", 2)
        file.createVariable("lat", "f4", ("lat",))[:] = [1, 2]
        data = file.createVariable("data", "i2", ("lat",))
        data.grid_mapping, data.coordinates, data.standard_name = "nowhere", "lat lon", "Sea Level!"
        data.flag_values, data.flag_meanings = np.array([1, 2], dtype="i2"), "one"
        time = file.createVariable("time", "f8")
        time.units, time.calendar = "days since 2001-02-30", "mayan"
    with opened(path, Kind.HDF5) as groups:
        found = {problem.what: problem for problem in check_cf(groups, "odd.nc")}
    wanted = ["follows CF", "lat is a coordinate without units", "grid mapping nowhere", "names lon as its coordinates"]
    wanted += ["standard name 'Sea Level!'", "2 flag_values and 1 flag_meanings", "calendar 'mayan'"]
    for words in wanted:
        problem = next(each for what, each in found.items() if words in what)
        assert problem.why.startswith("CF conventions, section") and problem.remedy and problem.where == "odd.nc"
    with opened(cube(tmp_path / "snow.nc"), Kind.HDF5) as groups:
        assert check_cf(groups, "snow.nc") == ()


def test_data_without_a_place_are_found(tmp_path: Path) -> None:
    with opened(cube(tmp_path / "snow.nc"), Kind.HDF5) as groups:
        assert [each.what for each in check_place(groups, "snow.nc")] == [
            "flag: on projected axes without a grid_mapping."
        ]
    axes = {"y": ("y", [1.0, 2.0], {"units": "degrees_north"}), "x": ("x", [1.0, 2.0], {"units": "degrees_east"})}
    data = {"good": (("y", "x"), np.ones((2, 2))), "lost": (("a", "b"), np.ones((2, 2)))}
    xr.Dataset(data, axes).to_netcdf(tmp_path / "axes.nc")
    with opened(tmp_path / "axes.nc", Kind.HDF5) as groups:
        found = check_place(groups, "axes.nc")
    assert [problem.what for problem in found] == ["lost: no axes with a place on the globe."]
    assert found[0].remedy and found[0].code == "geozarr"


@pytest.mark.parametrize(
    "shape", [(), (5,), (0, 7), (40, 1200, 1100), (100_000, 3), (1, 1, 50_000_000), (365, 24, 90, 180)]
)
@pytest.mark.parametrize("itemsize", [1, 8])
def test_plans_fit_their_bounds(shape: tuple[int, ...], itemsize: int) -> None:
    cut = plan(shape, itemsize)
    assert len(cut.chunks) == len(shape) and all(each >= 1 for each in cut.chunks)
    assert np.prod(cut.chunks, dtype=float) * itemsize <= CHUNK
    if cut.shards:
        assert all(shard % chunk == 0 for shard, chunk in zip(cut.shards, cut.chunks, strict=True))
        assert np.prod(cut.shards, dtype=float) * itemsize <= SHARD
    assert plan(shape, itemsize, sharded=False).shards is None


def test_the_source_s_own_chunks_are_kept_where_they_serve() -> None:
    assert plan((100, 1000, 1000), 4, (1, 500, 500)).chunks == (1, 500, 500)
    assert plan((100, 1000, 1000), 4, (1, 2, 2)).chunks != (1, 2, 2)
    assert plan((100, 1000, 1000), 4, (100, 1000, 1000)).chunks != (100, 1000, 1000)


def test_the_pipeline_in_rust_is_used(tmp_path: Path) -> None:
    with zarr_store.pipeline():
        made = zarr.create_array(tmp_path / "a.zarr", shape=(4,), dtype="f4")
        assert type(made.async_array.codec_pipeline).__module__.startswith("zarrs")
