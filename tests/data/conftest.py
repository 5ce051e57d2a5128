"""Files of all kinds, and their descriptions checked against the STAC schemas."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine

from terrafair.data.describe import describe
from terrafair.data.description import Description, Order

from ..conftest import SHARED
from . import stac

Raster = Callable[..., Path]
Described = Callable[..., Description]

EUROPE = Affine(0.1, 0, 10, 0, -0.1, 50)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The results of a job."""
    path = tmp_path / "outputs"
    path.mkdir()
    return path


@pytest.fixture
def raster(folder: Path) -> Raster:
    """Write a GeoTIFF into the results; ten rows of twelve values in degrees unless told otherwise."""

    def write(name: str, values: npt.NDArray[Any] | None = None, **options: Any) -> Path:
        given = np.arange(120, dtype="float32").reshape(10, 12) if values is None else values
        bands = given[None] if given.ndim == 2 else given
        tags = options.pop("tags", {})
        profile = {"driver": "GTiff", "crs": "EPSG:4326", "transform": EUROPE, "dtype": bands.dtype, **options}
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.open(path, "w", count=len(bands), height=bands.shape[1], width=bands.shape[2], **profile) as file:
            if tags:
                file.update_tags(**tags)
            file.write(bands)
        return path

    return write


@pytest.fixture
def described(folder: Path) -> Described:
    """Describe the results; every document is valid."""

    def run(**facts: Any) -> Description:
        found = describe(Order(str(folder), "run", **{"created": "2026-01-02T03:04:05Z", **facts}))
        store = SHARED / "data" / "schemas"
        for document in (found.collection, *found.items):
            stac.check(document, store if store.is_dir() else None)
        assert Description.read(found.document()) == found
        return found

    return run


def cube(*, calendar: str = "", days: int = 4, **coordinates: Any) -> xr.Dataset:
    """Some days of five by six temperatures, as stored: times are numbers."""
    values = np.random.default_rng(0).random((days, 5, 6)) * 30 + 270
    units = {"units": "days since 2000-02-28", **({"calendar": calendar} if calendar else {})}
    known: dict[str, Any] = {
        "time": ("time", np.arange(days), units),
        "lat": ("lat", np.linspace(50, 46, 5), {"units": "degrees_north"}),
        "lon": ("lon", np.linspace(10, 15, 6), {"units": "degrees_east"}),
    }
    variable = (("time", "lat", "lon"), values, {"units": "K", "long_name": "temperature"})
    return xr.Dataset({"sst": variable}, {**known, **coordinates})
