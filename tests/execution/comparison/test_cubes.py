"""Two cubes: groups, coordinates, variables, packing, calendars."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import xarray as xr

from terrafair.execution.comparison.assets import SAME
from terrafair.execution.comparison.findings import Match

from .files import verdict


def cube(**changes: Any) -> xr.Dataset:
    """Four days of five by six values."""
    values = np.arange(120, dtype="float64").reshape(4, 5, 6)
    dataset = xr.Dataset(
        {"sst": (("time", "lat", "lon"), values, {"units": "K"})},
        {
            "time": np.array(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-04"], "datetime64[ns]"),
            "lat": ("lat", np.linspace(50, 46, 5), {"units": "degrees_north"}),
            "lon": ("lon", np.linspace(10, 15, 6), {"units": "degrees_east"}),
        },
        {"history": "made"},
    )
    return dataset.assign(**changes) if changes else dataset


def pair(folder: Path, old: xr.Dataset, new: xr.Dataset, **encoding: Any) -> tuple[Path, Path]:
    old.to_netcdf(folder / "a.nc")
    new.to_netcdf(folder / "b.nc", encoding=encoding or None)
    return folder / "a.nc", folder / "b.nc"


class TestEqual:
    def test_attributes_such_as_the_history_do_not_count(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, cube(), cube().assign_attrs(history="made again", date_created="now")))
        assert found.match is Match.EQUAL
        assert found.remarks == (SAME,)

    def test_neither_does_the_order_of_variables(self, tmp_path: Path) -> None:
        old = cube(b=("lat", np.arange(5.0)), a=("lat", np.ones(5)))
        assert verdict(*pair(tmp_path, old, old[["a", "b", "sst"]])).match is Match.EQUAL

    def test_neither_does_the_format(self, tmp_path: Path) -> None:
        cube().to_netcdf(tmp_path / "a.nc", format="NETCDF3_64BIT", engine="scipy")
        cube().to_netcdf(tmp_path / "b.nc")
        assert verdict(tmp_path / "a.nc", tmp_path / "b.nc").match is Match.EQUAL

    def test_netcdf_and_zarr_compare(self, tmp_path: Path) -> None:
        cube().to_netcdf(tmp_path / "a.nc")
        cube().to_zarr(tmp_path / "b.zarr", zarr_format=3, consolidated=False)
        assert verdict(tmp_path / "a.nc", tmp_path / "b.zarr").match is Match.EQUAL

    def test_zarr_of_both_formats(self, tmp_path: Path) -> None:
        cube().to_zarr(tmp_path / "a.zarr", zarr_format=2)
        cube().to_zarr(tmp_path / "b.zarr", zarr_format=3, consolidated=False)
        assert verdict(tmp_path / "a.zarr", tmp_path / "b.zarr").match is Match.EQUAL

    def test_chunks_do_not_count(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, cube(), cube(), sst={"chunksizes": (4, 1, 1), "zlib": True}))
        assert found.match is Match.EQUAL

    def test_packed_values_are_compared_unpacked(self, tmp_path: Path) -> None:
        packing = {"dtype": "int16", "scale_factor": 0.5, "add_offset": 10.0, "_FillValue": -1}
        found = verdict(*pair(tmp_path, cube(), cube(), sst=packing))
        assert found.match is Match.EQUAL
        assert "sst is packed with another scale or offset; it was compared unpacked." in found.remarks

    def test_a_narrower_type_is_a_remark(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, cube(), cube(sst=cube().sst.astype("float32"))))
        assert found.match is Match.EQUAL
        assert "The data type of sst is float64 in the expected file and float32 in the new one." in found.remarks

    def test_missing_values_whatever_stands_for_them(self, tmp_path: Path) -> None:
        old = cube()
        old["sst"][0, 0] = np.nan
        assert verdict(*pair(tmp_path, old, old, sst={"_FillValue": -9999.0})).match is Match.EQUAL

    @pytest.mark.parametrize("calendar", ["360_day", "noleap", "julian"])
    def test_model_calendars(self, tmp_path: Path, calendar: str) -> None:
        days = ("time", np.arange(4), {"units": "days since 2000-02-28", "calendar": calendar})
        old = cube().assign_coords(time=days)
        found = verdict(*pair(tmp_path, old, old.assign_attrs(history="again")))
        assert found.match is Match.EQUAL


class TestDifferent:
    def test_it_says_which_variable_how_much_and_where(self, tmp_path: Path) -> None:
        new = cube()
        new["sst"][2, 1:3, 4] += 0.25
        found = verdict(*pair(tmp_path, cube(), new))
        (difference,) = found.differences
        assert found.match is Match.DIFFERENT
        assert (difference.where, difference.count, difference.largest) == ("variable sst", 2, 0.25)
        assert difference.examples[0] == (
            "time=2020-01-03T00:00:00.000000000, lat=49, lon=14: 70 expected, 70.25 found"
        )
        assert difference.bbox == (14.0, 48.0, 14.0, 49.0)

    def test_coordinates_come_first(self, tmp_path: Path) -> None:
        new = cube().assign_coords(lon=cube().lon + 1)
        new["sst"][0, 0, 0] = -1
        found = verdict(*pair(tmp_path, cube(), new))
        assert [each.where for each in found.differences] == ["coordinate lon", "variable sst"]

    def test_dates(self, tmp_path: Path) -> None:
        new = cube().assign_coords(time=cube().time + np.timedelta64(1, "D"))
        found = verdict(*pair(tmp_path, cube(), new))
        assert found.differences[0].where == "coordinate time"
        assert "4 of 4 values differ" in found.differences[0].what

    def test_one_calendar_is_not_another(self, tmp_path: Path) -> None:
        days = {"units": "days since 2000-02-28"}
        old, new = (
            cube().assign_coords(time=("time", np.arange(4), {**days, "calendar": calendar}))
            for calendar in ("360_day", "noleap")
        )
        found = verdict(*pair(tmp_path, old, new))
        assert found.match is Match.DIFFERENT
        assert found.differences[0].where == "coordinate time"

    def test_missing_and_additional_variables_in_a_fixed_order(self, tmp_path: Path) -> None:
        old = cube(b=("lat", np.ones(5)), a=("lat", np.ones(5)))
        new = cube(d=("lat", np.ones(5)), c=("lat", np.ones(5)))
        found = verdict(*pair(tmp_path, old, new))
        assert [(each.where, each.what) for each in found.differences] == [
            ("variable a", "missing in the new file"),
            ("variable b", "missing in the new file"),
            ("variable c", "only in the new file"),
            ("variable d", "only in the new file"),
        ]

    def test_another_length(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, cube(), cube().isel(time=slice(3))))
        assert {each.where for each in found.differences} == {"coordinate time", "variable sst"}
        assert "4 x 5 x 6 values along (time, lat, lon) expected, 3 x 5 x 6 found" in [
            each.what for each in found.differences
        ]

    def test_transposed_dimensions(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, cube(), cube().transpose("lat", "lon", "time")))
        assert found.differences[0].what == "dimensions (time, lat, lon) expected, (lat, lon, time) found"

    def test_groups(self, tmp_path: Path) -> None:
        for name, shift in (("a.nc", 0.0), ("b.nc", 1.0)):
            cube().to_netcdf(tmp_path / name)
            cube(sst=cube().sst + shift).to_netcdf(tmp_path / name, group="product", mode="a")
        found = verdict(tmp_path / "a.nc", tmp_path / "b.nc")
        assert [each.where for each in found.differences] == ["variable product/sst"]

    def test_texts(self, tmp_path: Path) -> None:
        old = xr.Dataset({"name": ("n", np.array(["a", "bb"], dtype=object))})
        new = xr.Dataset({"name": ("n", np.array(["a", "cc"], dtype=object))})
        found = verdict(*pair(tmp_path, old, new))
        assert found.differences[0].examples == ("n[1]: bb expected, cc found",)

    def test_scalars(self, tmp_path: Path) -> None:
        found = verdict(*pair(tmp_path, xr.Dataset({"x": 1.0}), xr.Dataset({"x": 2.0})))
        assert found.differences[0].examples == ("the value: 1 expected, 2 found",)

    def test_plain_hdf5(self, tmp_path: Path) -> None:
        for name, value in (("a.h5", 1), ("b.h5", 2)):
            with h5py.File(tmp_path / name, "w") as file:
                file["group/values"] = np.full(3, value)
        found = verdict(tmp_path / "a.h5", tmp_path / "b.h5")
        assert found.differences[0].count == 3


class TestUnreadable:
    def test_a_truncated_netcdf_3_file(self, tmp_path: Path) -> None:
        cube().to_netcdf(tmp_path / "a.nc", format="NETCDF3_CLASSIC", engine="scipy")
        (tmp_path / "b.nc").write_bytes((tmp_path / "a.nc").read_bytes()[:-100])
        found = verdict(tmp_path / "a.nc", tmp_path / "b.nc")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("the new file cannot be read: b.nc breaks off")

    def test_a_truncated_netcdf_4_file(self, tmp_path: Path) -> None:
        cube().to_netcdf(tmp_path / "a.nc")
        content = (tmp_path / "a.nc").read_bytes()
        (tmp_path / "b.nc").write_bytes(content[: len(content) // 2])
        found = verdict(tmp_path / "b.nc", tmp_path / "a.nc")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("the expected file cannot be read:")

    def test_a_zarr_store_with_a_damaged_chunk(self, tmp_path: Path) -> None:
        for name in ("a.zarr", "b.zarr"):
            cube().to_zarr(tmp_path / name, zarr_format=2)
        (tmp_path / "b.zarr" / "sst" / "0.0.0").write_bytes(b"no chunk")
        found = verdict(tmp_path / "a.zarr", tmp_path / "b.zarr")
        assert found.match is Match.NOT_COMPARABLE
        assert "Reading sst fails" in found.reason


def test_real_data_compare_with_themselves(shared: Path, tmp_path: Path) -> None:
    path = shared / "samples" / "ostia_monthly.nc"
    with xr.open_dataset(path, decode_cf=False) as dataset:
        dataset.load()
        dataset["surface_temperature"][0, 0, 0] += 1
        dataset.to_netcdf(tmp_path / "changed.nc")
    found = verdict(path, tmp_path / "changed.nc")
    assert [(each.where, each.count) for each in found.differences] == [("variable surface_temperature", 1)]
