"""Real series and fields: what the engine computes is what plain numpy computes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from .conftest import Run, call, node, reducer, save

pytestmark = pytest.mark.filterwarnings("ignore")


def months(path: Path, function: Any) -> Any:
    with xr.open_dataset(path) as source:
        values, times = source["ndvi"].values, source["time"].values
    own = times.astype("datetime64[M]")
    wanted = np.arange(own.min(), own.max() + 1)
    shape = values.shape[1:]
    return np.stack([function(values[own == m], 0) if (own == m).any() else np.full(shape, np.nan) for m in wanted])


@pytest.mark.parametrize(("name", "function"), [("mean", np.nanmean), ("median", np.nanmedian), ("max", np.nanmax)])
def test_monthly_composite(run: Run, samples: Path, name: str, function: Any) -> None:
    path = samples / "s2_ndvi_timeseries_slovenia.nc"
    graph = {
        "load": call("load_url", url=str(path), format="netCDF"),
        "ndvi": call("filter_bands", data=node("load"), bands=["ndvi"]),
        "months": call("aggregate_temporal_period", data=node("ndvi"), period="month", reducer=reducer(name)),
        "save": save("months"),
    }
    done, outputs = run(graph, {}, samples)
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.outcome.problems
    expected = months(path, function)
    with xr.open_dataset(outputs / done.outcome.outputs["save"]) as result:
        assert result["ndvi"].dims == ("t", "y", "x")
        np.testing.assert_allclose(result["ndvi"].values, expected, rtol=1e-6, atol=1e-7)
        assert result["t"].values[0] == "2015-07"
        assert "32633" in result["spatial_ref"].attrs["spatial_ref"]


def fields(samples: Path, band: str) -> Any:
    values = []
    for day in (5, 6, 7):
        with xr.open_dataset(samples / f"ostia_2017060{day}.nc") as source:
            values.append(source[band].values[0].astype(np.float64))
    return np.stack(values)


def test_mean_sea_surface_temperature_anomaly(run: Run, samples: Path) -> None:
    paths = [str(samples / f"ostia_2017060{day}.nc") for day in (5, 6, 7)]
    subtract = {"s": {**call("subtract", x={"from_parameter": "x"}, y=288.15), "result": True}}
    graph = {
        "load": call("load_uploaded_files", paths=paths, format="netCDF"),
        "sst": call("filter_bands", data=node("load"), bands=["analysed_sst"]),
        "mean": call("reduce_dimension", data=node("sst"), dimension="time", reducer=reducer("mean")),
        "anomaly": call("apply", data=node("mean"), process={"process_graph": subtract}),
        "own": call("filter_bands", data=node("load"), bands=["sst_anomaly"]),
        "owned": call("reduce_dimension", data=node("own"), dimension="t", reducer=reducer("mean")),
        "first": save("anomaly"),
        "second": save("owned", "GTiff"),
    }
    done, outputs = run(graph, {}, samples)
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems
    assert set(done.outcome.outputs) == {"first", "second"}
    with xr.open_dataset(outputs / "first.nc") as result:
        expected = np.nanmean(fields(samples, "analysed_sst"), 0) - 288.15
        np.testing.assert_allclose(result["analysed_sst"].values, expected, rtol=0, atol=5e-5)
        assert result["analysed_sst"].dtype == np.float32
    import rasterio

    with rasterio.open(outputs / "second.tif") as image:
        found = np.nanmean(fields(samples, "sst_anomaly"), 0)
        np.testing.assert_allclose(image.read(1), found[::-1], rtol=0, atol=1e-6)
        assert image.crs.to_epsg() == 4326
        assert image.bounds.top > image.bounds.bottom


def test_three_loads_merged_and_the_global_mean(run: Run, samples: Path) -> None:
    graph: dict[str, Any] = {
        f"day{day}": call("load_url", url=f"file://{samples}/ostia_2017060{day}.nc", format="NetCDF")
        for day in (5, 6, 7)
    }
    graph["two"] = call("merge_cubes", cube1=node("day5"), cube2=node("day6"))
    graph["three"] = call("merge_cubes", cube1=node("two"), cube2=node("day7"))
    graph["band"] = call("filter_bands", data=node("three"), bands=["sst_anomaly"])
    graph["mean"] = call("reduce_dimension", data=node("band"), dimension="t", reducer=reducer("mean"))
    graph["global"] = {**call("reduce_spatial", data=node("mean"), reducer=reducer("mean")), "result": True}
    done, outputs = run(graph, {}, samples)
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems
    with xr.open_dataset(outputs / done.outcome.outputs["global"]) as result:
        expected = np.nanmean(np.nanmean(fields(samples, "sst_anomaly"), 0))
        np.testing.assert_allclose(float(result["sst_anomaly"]), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        "E1_north_america.nc",
        "ostia_monthly.nc",
        "gridmet_tmmx_20190121.nc",
        "noaa_coads_climatology.cdf",
        "ta_Amon_CESM2_historical_r1i1p1f1_gn_185001-201412.nc",
        "s3_olci_highroc_sns_chl.zarr",
        "s3_olci_l2_c2rcc_sns.nc",
        "era5_2mt_2019-03_uk.grib",
        "landsat7_bahamas_rgb_striped.tif",
        "s1_grd_T10TES_vv_float32_cog.tif",
    ],
)
def test_every_sample_loads(samples: Path, name: str) -> None:
    from terrafair.execution.engines.openeo import read

    cube = read.cube_of(samples / name, name)
    assert cube.chunks
    assert {"x", "y", "bands"} <= set(cube.dims)
    part = cube.isel({d: slice(0, 3) for d in cube.dims})
    assert part.compute().notnull().size
