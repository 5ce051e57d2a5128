"""UDFs, and the published variability map with its user-defined process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from .conftest import Run, call, node, parameter, save
from .rasters import collection

URL = (
    "https://openeo.dataspace.copernicus.eu/openeo/1.1/processes/u:6391851f-9042-4108-8b2a-3dd2e8a9dd0b/variability_map"
)


@pytest.fixture(scope="module")
def published(samples: Path) -> Path:
    return samples.parent / "published-workflows/openeo-variability-map"


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, Any, Any]:
    """A scene over the published field, with a date before and one after."""
    from rasterio.transform import Affine
    from rasterio.warp import transform

    (x,), (y,) = transform("EPSG:4326", "EPSG:32631", [5.1690], [51.2515])
    corner = Affine(10, 0, round(x, -1), 0, -10, round(y, -1))
    random = np.random.default_rng(1)
    red = random.integers(300, 900, (3, 70, 80)).astype(np.uint16)
    nir = random.integers(2500, 4500, (3, 70, 80)).astype(np.uint16)
    dates = ["2025-04-28T10:50:00Z", "2025-05-01T10:50:00Z", "2025-05-03T10:50:00Z"]
    path = collection(tmp_path / "s2", dates, {"B04": red, "B08": nir}, [corner] * 3)
    return path, red, nir


def expected(path: Path, red: Any, nir: Any, outputs: Path) -> tuple[Any, Any]:
    """The published steps with plain numpy, on the cube's own grid."""
    with rasterio.open(outputs) as image, rasterio.open(path.parent / "i1/B04.tif") as source:
        found = image.read(1)
        column, row = (round(v) for v in ~source.transform @ (image.transform.c, image.transform.f))
    cut = slice(row, row + found.shape[0]), slice(column, column + found.shape[1])
    one, two = nir[1][cut].astype(np.float32), red[1][cut].astype(np.float32)
    index = (one - two) / (one + two)
    return found, index


@pytest.mark.parametrize("cell", ["earthcode_mtr_demo_cell27.json", "earthcode_lps2025_demo_cell21.json"])
@pytest.mark.parametrize("key", [URL, "variability_map"])
def test_the_published_variability_map(
    started: Run, published: Path, scene: tuple[Path, Any, Any], cell: str, key: str
) -> None:
    path, red, nir = scene
    udp = json.loads((published / "earthcode_mtr_demo_cell13.json").read_text())
    graph = json.loads((published / cell).read_text())
    done, outputs = started(graph, {}, udps={key: udp}, collections={"SENTINEL2_L2A": str(path)})
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.outcome.problems
    if not cell.endswith("cell27.json"):
        assert list(done.outcome.outputs) == ["variabilitymap1"]
        assert done.outcome.outputs["variabilitymap1"].endswith(".nc")
        return
    found, index = expected(path, red, nir, outputs / done.outcome.outputs["saveresult1"])
    inside = ~np.isin(found, [0, 6])
    assert 0.3 < inside.mean() < 0.95
    middle = np.median(index[inside])
    bins = np.concatenate([[0], np.arange(0.85, 1.25, 0.1) * middle, [255]])
    np.testing.assert_array_equal(found[inside], np.digitize(index[inside], bins).astype(float))


def test_the_process_itself_with_values(started: Run, published: Path, scene: tuple[Path, Any, Any]) -> None:
    udp = json.loads((published / "earthcode_mtr_demo_cell13.json").read_text())
    extent = {"type": "Polygon", "coordinates": [[[5.17, 51.25], [5.171, 51.2487], [5.178, 51.2468], [5.17, 51.25]]]}
    values = {"date": "2025-05-01", "spatial_extent": extent}
    done, _ = started(udp, values, collections={"SENTINEL2_L2A": str(scene[0])})
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems


UDF_ARRAY = """
import xarray
def apply_datacube(cube: xarray.DataArray, context: dict) -> xarray.DataArray:
    print("dimensions", cube.dims)
    return cube * context["factor"]
"""
UDF_SERIES = """
import pandas as pd
from openeo.udf import inspect
def apply_timeseries(series: pd.Series, context: dict) -> pd.Series:
    return series.rolling(2, min_periods=1).sum()
"""
UDF_DATA = """
from openeo.udf.udf_data import UdfData
from openeo.udf.xarraydatacube import XarrayDataCube
def apply_udf_data(data: UdfData):
    cube = data.get_datacube_list()[0].get_array()
    data.set_datacube_list([XarrayDataCube(cube.max("t", skipna=True))])
"""


@pytest.fixture
def series(tmp_path: Path) -> tuple[Path, Any]:
    values = np.arange(1, 4 * 3 * 2 + 1, dtype=np.float32).reshape(4, 3, 2)
    dates = [f"2024-01-0{day}T00:00:00Z" for day in range(1, 5)]
    return collection(tmp_path / "series", dates, {"B04": values}), values


def graph_of(path: Path, process: str, udf: str, **more: Any) -> dict[str, Any]:
    call_udf = call("run_udf", data=parameter("x" if process == "apply" else "data"), udf=udf, runtime="Python", **more)
    callback = {"process_graph": {"u": {**call_udf, "result": True}}}
    extra = {} if process == "apply" else {"dimension": "t"}
    name = "reducer" if process == "reduce_dimension" else "process"
    return {
        "load": call("load_stac", url=str(path)),
        "work": call(process, data=node("load"), **{name: callback}, **extra),
        "save": save("work"),
    }


@pytest.mark.parametrize(
    ("process", "udf", "function"),
    [
        ("apply", UDF_ARRAY, lambda v: v * 3),
        ("apply_dimension", UDF_ARRAY, lambda v: v * 3),
        ("apply_dimension", UDF_SERIES, lambda v: v + np.concatenate([v[:1] * 0, v[:-1]])),
        ("reduce_dimension", UDF_DATA, lambda v: v.max(0)),
    ],
)
def test_every_form(started: Run, series: tuple[Path, Any], process: str, udf: str, function: Any) -> None:
    import xarray as xr

    done, outputs = started(graph_of(series[0], process, udf, context={"factor": 3}))
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.outcome.problems
    with xr.open_dataset(outputs / "save.nc") as result:
        np.testing.assert_allclose(result["B04"].values, function(series[1]))
    if udf is UDF_ARRAY:
        assert "dimensions ('t', 'bands', 'y', 'x')" in done.log


@pytest.mark.parametrize(
    ("udf", "message"),
    [
        ("def apply_datacube(cube, context):\n    return 1 / 0\n", "raised ZeroDivisionError: division by zero Line 2"),
        ("def apply_datacube(cube, context):\n    return None\n", "gives nothing"),
        ("def something(cube):\n    return cube\n", "It defines: something"),
        ("def apply_datacube(cube:\n  x", "no valid Python"),
        ("import no_such_module\ndef apply_datacube(c): pass\n", "no_such_module"),
        ("def apply_datacube(cube, context):\n    return bytearray(10**15)\n", "needs more memory than the job may"),
        ("import sys\nsys.exit(3)\n", "sys.exit|SystemExit"),
        ("def apply_datacube(cube, context):\n    return cube.get_array().isel(x=[0])\n", "along x; the cube has 2"),
    ],
)
def test_udfs_that_fail(started: Run, series: tuple[Path, Any], udf: str, message: str) -> None:
    import re

    done, _ = started(graph_of(series[0], "apply_dimension", udf))
    assert re.search(message, done.problem), done.problem
    assert done.problem.startswith("work/"), done.problem
    assert "Traceback" not in done.stderr
