"""NetCDF-3 files that break off: the library reads zeros and says nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from terrafair.data.netcdf3 import check_whole
from terrafair.errors import InvalidInput

from .conftest import cube


@pytest.mark.parametrize("form", ["NETCDF3_CLASSIC", "NETCDF3_64BIT"])
@pytest.mark.parametrize("unlimited", [[], ["time"]])
def test_whole_and_truncated(tmp_path: Path, form: str, unlimited: list[str]) -> None:
    path = tmp_path / "a.nc"
    dataset: Any = cube().assign(flag=("time", np.arange(4, dtype="int8")))
    dataset.to_netcdf(path, format=form, engine="netcdf4", unlimited_dims=unlimited)
    check_whole(path)
    content = path.read_bytes()
    path.write_bytes(content[:-4])
    with pytest.raises(InvalidInput, match=r"a\.nc breaks off"):
        check_whole(path)
    path.write_bytes(content[:100])
    with pytest.raises(InvalidInput, match=r"a\.nc is a damaged NetCDF-3 file"):
        check_whole(path)


def test_one_record_variable_has_no_padding(tmp_path: Path) -> None:
    path = tmp_path / "a.nc"
    xr.Dataset({"x": ("t", np.arange(5, dtype="int8"))}).to_netcdf(
        path, format="NETCDF3_CLASSIC", engine="netcdf4", unlimited_dims=["t"]
    )
    check_whole(path)


def test_cdf_5(tmp_path: Path) -> None:
    import netCDF4

    path = tmp_path / "a.nc"
    with netCDF4.Dataset(path, "w", format="NETCDF3_64BIT_DATA") as file:
        file.title = "wide"
        file.createDimension("x", 10)
        file.createVariable("v", "u8", ("x",))[:] = np.arange(10, dtype="u8")
    check_whole(path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(InvalidInput, match="breaks off"):
        check_whole(path)


def test_no_variables(tmp_path: Path) -> None:
    xr.Dataset(attrs={"title": "nothing"}).to_netcdf(tmp_path / "a.nc", format="NETCDF3_CLASSIC", engine="netcdf4")
    check_whole(tmp_path / "a.nc")


@pytest.mark.parametrize(
    "tail", [b"", b"\0\0\0\0", b"\xff" * 60, b"\0\0\0\0\0\0\0\x0a\xff\xff\xff\xff", b"\0\0\0\0\0\0\0\x63\0\0\0\1"]
)
def test_damaged_headers(tmp_path: Path, tail: bytes) -> None:
    (tmp_path / "a.nc").write_bytes(b"CDF\x01" + tail)
    with pytest.raises(InvalidInput, match="damaged"):
        check_whole(tmp_path / "a.nc")


@pytest.mark.parametrize("name", ["ostia_20170605.nc", "noaa_coads_climatology.cdf"])
def test_real_files(shared: Path, name: str, tmp_path: Path) -> None:
    path = shared / "samples" / name
    check_whole(path)
    (tmp_path / "cut.nc").write_bytes(path.read_bytes()[:-4])
    with pytest.raises(InvalidInput, match="breaks off"):
        check_whole(tmp_path / "cut.nc")
