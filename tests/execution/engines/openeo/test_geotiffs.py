"""Cloud-optimised files: overviews made from blocks are those that GDAL makes, gaps and odd sizes included."""

import warnings
from pathlib import Path

import dask.array as da
import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.io import MemoryFile
from rasterio.transform import Affine

from terrafair.execution.engines.openeo import dimensions, images
from terrafair.execution.engines.openeo.geotiffs import halved


def raster(height: int, width: int, kind: str, chunks: tuple[int, int] | None) -> xr.DataArray:
    values = np.random.default_rng(1).normal(size=(2, height, width)).astype(kind)
    if kind.startswith("float"):
        values[0, 3:200, 5:300] = np.nan
        values[1, 7, 7] = np.nan
    data = values if chunks is None else da.from_array(values, chunks=(1, *chunks))
    system = {"type": "spatial", "reference_system": "EPSG:32633"}
    coords = {
        "bands": dimensions.coordinate("bands", ["a", "b"], {"type": "bands"}),
        "y": dimensions.coordinate("y", 5_000_000 - 10.0 * np.arange(height), {**system, "axis": "y"}),
        "x": dimensions.coordinate("x", 500_000 + 10.0 * np.arange(width), {**system, "axis": "x"}),
    }
    return xr.DataArray(data, dims=("bands", "y", "x"), coords=coords)


def of_gdal(values: np.ndarray, factor: int) -> np.ndarray:
    """The overview that GDAL builds of one band."""
    profile = {"driver": "GTiff", "width": values.shape[1], "height": values.shape[0], "count": 1,
               "dtype": values.dtype, "nodata": np.nan, "transform": Affine(10, 0, 0, 0, -10, 0)}  # fmt: skip
    with MemoryFile() as memory:
        with memory.open(**profile) as file:
            file.write(values, 1)
            file.build_overviews([factor], rasterio.enums.Resampling.average)
        with memory.open(overview_level=0) as file:
            found: np.ndarray = file.read(1)
            return found


@pytest.mark.parametrize(
    ("height", "width", "kind", "chunks"),
    [
        (1200, 1400, "float32", (500, 512)),
        (1200, 1400, "float64", None),
        (1201, 1399, "float32", (500, 511)),
        (1200, 1400, "int16", (500, 512)),
        (300, 200, "float32", None),
    ],
)
@pytest.mark.filterwarnings("ignore:.*georeferenc")
def test_overviews(tmp_path: Path, height: int, width: int, kind: str, chunks: tuple[int, int] | None) -> None:
    data = raster(height, width, kind, chunks)
    written = images.write(data, tmp_path, "result", "tif", {})
    assert [path.name for path in tmp_path.iterdir()] == list(written.values())
    path = tmp_path / "result.tif"
    with rasterio.open(path) as file:
        np.testing.assert_array_equal(file.read(), np.asarray(data.values))
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        factors = file.overviews(1)
    assert factors == ([2, 4] if max(height, width) > 512 else [])
    for level, factor in enumerate(factors):
        with rasterio.open(path, overview_level=level) as file:
            found = file.read(1)
        if kind.startswith("float") and factor == 2:
            np.testing.assert_allclose(found, of_gdal(np.asarray(data.values[0]), 2), rtol=1e-5, atol=1e-6)


def test_halves_are_means_of_what_is_known() -> None:
    pixels = np.array([[1, 3, np.nan, np.nan], [5, 7, np.nan, np.nan], [1, np.nan, 2, 4], [np.nan, np.nan, 6, np.nan]])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(halved(pixels), [[4, np.nan], [1, 4]])
