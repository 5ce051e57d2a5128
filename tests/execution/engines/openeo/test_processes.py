"""Processes beside the official cases, against numpy on small cubes: values, labels, and wrong inputs."""

import math
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.engines.openeo import dimensions, periods
from terrafair.execution.engines.openeo.evaluate import Environment, Evaluator, compute
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.load import load_url
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.save import Results

DATES = np.array(["2023-01-05", "2023-01-20", "2023-02-03", "2023-04-01"], "datetime64[ns]")


def cube(seed: int = 1, *, size: int = 12, kind: Any = np.float32, gaps: bool = True) -> xr.DataArray:
    random = np.random.default_rng(seed)
    values = random.integers(1, 100, (len(DATES), 2, size, size)).astype(kind)
    if gaps and np.dtype(kind).kind == "f":
        values[random.random(values.shape) < 0.2] = np.nan
    system = {"type": "spatial", "reference_system": "EPSG:32633"}
    coords = {
        "t": dimensions.coordinate("t", DATES, {"type": "temporal"}),
        "bands": dimensions.coordinate("bands", ["B04", "B08"], {"type": "bands"}),
        "y": dimensions.coordinate("y", 5100000 - 5 - 10.0 * np.arange(size), {**system, "axis": "y"}),
        "x": dimensions.coordinate("x", 500000 + 5 + 10.0 * np.arange(size), {**system, "axis": "x"}),
    }
    return xr.DataArray(da.from_array(values, chunks=(1, 2, 5, 7)), dims=("t", "bands", "y", "x"), coords=coords)


def run(process: str, /, environment: Environment | None = None, **arguments: Any) -> Any:
    """One call; what is no JSON goes in as a parameter."""
    plain = {k: v for k, v in arguments.items() if not isinstance(v, xr.DataArray) and type(v).__name__ != "Model"}
    values = {k: v for k, v in arguments.items() if k not in plain}
    written = {**plain, **{name: {"from_parameter": name} for name in values}}
    graph = parse({"n": {"process_id": process, "arguments": written, "result": True}}, tuple(values))
    return Evaluator(processes(), environment=environment).run(graph, values)["n"]


def callback(process: str, **arguments: Any) -> dict[str, Any]:
    own = arguments or {"data": {"from_parameter": "data"}}
    return {"process_graph": {"c": {"process_id": process, "arguments": own, "result": True}}}


def square(west: float, north: float, size: float) -> list[list[float]]:
    east, south = west + size, north - size
    return [[west, north], [east, north], [east, south], [west, south], [west, north]]


def polygons(*rings: list[list[float]]) -> dict[str, Any]:
    features = [
        {"type": "Feature", "properties": {"n": n}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for n, ring in enumerate(rings)
    ]
    crs = {"type": "name", "properties": {"name": "EPSG:32633"}}
    return {"type": "FeatureCollection", "features": features, "crs": crs}


FIELDS = polygons(square(500000, 5100000, 30), square(500060, 5099950, 40))


# Aggregation


def test_each_interval_has_a_callback_of_its_own() -> None:
    """Other back-ends keep a callback's results by node and give the first interval's value twice."""
    data = xr.DataArray(
        np.array([1.0, 2.0, 3.0, 4.0], np.float32), dims=("t",),
        coords={"t": dimensions.coordinate("t", DATES, {"type": "temporal"})},
    )  # fmt: skip
    intervals = [["2023-01-01", "2023-02-01"], ["2023-02-01", "2023-05-01"]]
    found = run("aggregate_temporal", data=data, intervals=intervals, reducer=callback("mean"))
    assert found.values.tolist() == [1.5, 3.5]


def test_an_interval_without_dates_is_what_the_reducer_makes_of_nothing() -> None:
    intervals = [["2023-01-01", "2023-02-01"], ["2023-03-01", "2023-04-01"]]
    counted = run("aggregate_temporal", data=cube(), intervals=intervals, reducer=callback("count"))
    assert counted.isel(t=1).values.max() == 0
    mean = run("aggregate_temporal", data=cube(), intervals=intervals, reducer=callback("mean"))
    assert np.isnan(mean.isel(t=1).values).all()


@pytest.mark.filterwarnings("ignore:.*empty slice")
def test_months_are_means_of_their_dates() -> None:
    data = cube()
    found = run("aggregate_temporal_period", data=data, period="month", reducer=callback("mean"))
    assert dimensions.labels(found, "t") == ["2023-01", "2023-02", "2023-03", "2023-04"]
    with np.errstate(all="ignore"):
        expected = np.nanmean(data.values[:2].astype(np.float64), 0)
    np.testing.assert_allclose(found.values[0], expected, rtol=1e-6)
    assert np.isnan(found.values[2]).all()


@pytest.mark.parametrize("period", periods.PERIODS)
def test_a_period_begins_at_or_before_its_dates(period: str) -> None:
    for moment in DATES:
        start = periods.start(periods.label(moment, period), period)
        assert start <= moment
        assert periods.label(start, period) == periods.label(moment, period)


@pytest.mark.parametrize(("reducer", "numpy"), [
    ("mean", np.nanmean), ("sum", np.nansum), ("min", np.nanmin), ("max", np.nanmax), ("median", np.nanmedian),
    ("sd", lambda v, axis: np.nanstd(v, axis, ddof=1)), ("variance", lambda v, axis: np.nanvar(v, axis, ddof=1)),
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:.*slice|Degrees of freedom")
def test_zones_against_numpy(reducer: str, numpy: Any) -> None:
    data = cube()
    found = run("aggregate_spatial", data=data, geometries=FIELDS, reducer=callback(reducer))
    assert found.dims == ("geometry", "t", "bands")
    parts = (data.values[..., :3, :3], data.values[..., 5:9, 6:10])
    for number, part in enumerate(parts):
        flat = part.reshape(*part.shape[:2], -1).astype(np.float64)
        np.testing.assert_allclose(found.values[number], numpy(flat, axis=-1), rtol=1e-6)


def test_zones_with_counts_and_without_pixels() -> None:
    fields = polygons(square(500000, 5100000, 30), square(900000, 5100000, 30))
    found = run("aggregate_spatial", data=cube(), geometries=fields, reducer=callback("mean"), target_dimension="what")
    assert dimensions.labels(found, "what") == ["value", "total_count", "valid_count"]
    assert (found.sel(what="total_count").values[0] == 9).all()
    expected = np.isfinite(cube().values[..., :3, :3]).sum((-1, -2))
    np.testing.assert_array_equal(found.sel(what="valid_count").values[0], expected)
    assert np.isnan(found.sel(what="value").values[1]).all()


def test_windows_are_padded_or_trimmed_at_the_side_that_is_asked() -> None:
    data = cube(gaps=False)
    padded = run("aggregate_spatial_window", data=data, reducer=callback("sum"), size=[5, 4])
    assert padded.shape == (4, 2, 3, 3)
    np.testing.assert_allclose(padded.values[..., 0, 0], data.values[..., :4, :5].sum((-1, -2)))
    np.testing.assert_allclose(padded.values[..., 0, 2], data.values[..., :4, 10:].sum((-1, -2)))
    assert padded.x.values[0] == data.x.values[:5].mean()
    trimmed = run(
        "aggregate_spatial_window",
        data=data,
        reducer=callback("sum"),
        size=[5, 4],
        boundary="trim",
        align="lower-right",
    )
    assert trimmed.shape == (4, 2, 3, 2)
    np.testing.assert_allclose(trimmed.values[..., -1, -1], data.values[..., -4:, -5:].sum((-1, -2)))


# Neighbourhoods and polygons


def test_neighbourhoods_have_margins_of_no_data_and_lose_them() -> None:
    code = (
        "def apply_datacube(cube, context):\n"
        "    array = cube.get_array()\n"
        "    assert array.sizes['x'] == 9 and array.sizes['y'] == 9\n"
        "    cube.set_array(array + 1)\n"
        "    return cube\n"
    )
    process = callback("run_udf", data={"from_parameter": "data"}, udf=code, runtime="Python")
    size = [{"dimension": axis, "value": 5, "unit": "px"} for axis in "xy"]
    overlap = [{"dimension": axis, "value": 2, "unit": "px"} for axis in "xy"]
    found = run("apply_neighborhood", data=cube(), process=process, size=size, overlap=overlap)
    np.testing.assert_array_equal(found.values, cube().values + 1)


def test_neighbourhoods_by_calendar_month() -> None:
    inner = {"process_id": "cumsum", "arguments": {"data": {"from_parameter": "data"}}, "result": True}
    size = [{"dimension": "x", "value": 1}, {"dimension": "y", "value": 1}, {"dimension": "t", "value": "month"}]
    data = cube(gaps=False)
    found = run("apply_neighborhood", data=data, process={"process_graph": {"c": inner}}, size=size)
    np.testing.assert_allclose(found.values[1], data.values[:2].sum(0))
    np.testing.assert_allclose(found.values[2], data.values[2])


def test_polygons_are_worked_on_one_by_one() -> None:
    code = "def apply_datacube(cube, context):\n    return cube.get_array() * 0 + cube.get_array().sizes['x']\n"
    process = callback("run_udf", data={"from_parameter": "data"}, udf=code, runtime="Python")
    found = run("apply_polygon", data=cube(gaps=False), geometries=FIELDS, process=process)
    assert set(np.unique(found.values[..., :3, :3])) == {3}
    assert set(np.unique(found.values[..., 5:9, 6:10])) == {4}
    assert np.isfinite(found.values).sum() == 4 * 2 * (9 + 16)
    both = polygons(square(500000, 5100000, 30), square(500000, 5100000, 60))
    with pytest.raises(InvalidInput, match="more than one polygon"):
        run("apply_polygon", data=cube(), geometries=both, process=process)


# Shape


def test_flatten_and_unflatten_are_inverse() -> None:
    data = cube(gaps=False)
    flat = run("flatten_dimensions", data=data, dimensions=["bands", "t"], target_dimension="layer")
    assert dimensions.labels(flat, "layer")[:2] == ["B04~2023-01-05T00:00:00Z", "B04~2023-01-20T00:00:00Z"]
    back = run("unflatten_dimension", data=flat, dimension="layer", target_dimensions=["bands", "t"])
    np.testing.assert_array_equal(back.transpose("t", "bands", "y", "x").values, data.values)
    with pytest.raises(TerrafairError, match="already"):
        run("flatten_dimensions", data=data, dimensions=["bands"], target_dimension="t")


def test_merging_another_grid_resamples_it() -> None:
    data = cube(gaps=False)
    coarse = run("resample_spatial", data=data, resolution=20, method="near")
    renamed = run("rename_labels", data=coarse, dimension="bands", source=["B04", "B08"], target=["a", "b"])
    found = run("merge_cubes", cube1=data, cube2=renamed)
    assert dimensions.labels(found, "bands") == ["B04", "B08", "a", "b"]
    assert found.sizes["x"] == data.sizes["x"]


def test_nearest_valid_dates() -> None:
    data = cube()
    data = data.copy(data=data.values)
    data.values[2] = np.nan
    target = data.isel(t=[2])
    nearest = run("resample_cube_temporal", data=data, target=target)
    assert np.isnan(nearest.values).all()
    valid = run("resample_cube_temporal", data=data, target=target, valid_within=15)
    np.testing.assert_array_equal(valid.values[0], data.values[1])


# Numbers


def test_integers_do_not_overflow() -> None:
    data = cube(kind=np.uint16)
    data = data.copy(data=data.values + np.uint16(60000))
    total = run("reduce_dimension", data=data, dimension="t", reducer=callback("sum"))
    np.testing.assert_allclose(total.values, data.values.astype(np.int64).sum(0), rtol=1e-7)
    inner = callback("subtract", x=1, y={"from_parameter": "x"})
    np.testing.assert_allclose(run("apply", data=data, process=inner).values, 1 - data.values.astype(np.int64))


def test_slabs_give_what_whole_blocks_give(monkeypatch: pytest.MonkeyPatch) -> None:
    from terrafair.execution.engines.openeo import blocks

    data = cube()
    whole = run("reduce_dimension", data=data, dimension="t", reducer=callback("median")).values
    sorted_whole = run("apply_dimension", data=data, dimension="t", process=callback("sort")).values
    monkeypatch.setattr(blocks, "SLAB", 64)
    np.testing.assert_array_equal(run("reduce_dimension", data=data, dimension="t", reducer=callback("median")), whole)
    np.testing.assert_array_equal(
        run("apply_dimension", data=data, dimension="t", process=callback("sort")), sorted_whole
    )


def test_curves_are_found_again() -> None:
    """A yearly wave: linear in its parameters, over dates."""
    days = np.arange(0, 730, 15)
    moments = (np.datetime64("2021-01-01", "ns") + days.astype("timedelta64[D]")).astype("datetime64[ns]")
    seconds = (moments - np.datetime64("1970-01-01", "ns")) / np.timedelta64(1, "s")
    wave = 2 * math.pi / 31557600
    series = 0.4 + 0.2 * np.cos(wave * seconds) - 0.1 * np.sin(wave * seconds)
    values = np.repeat(series[:, None], 3, 1)
    values[::4, 1] = np.nan
    values[5:, 2] = np.nan
    values[2:, 2] = np.nan
    coords = {"t": dimensions.coordinate("t", moments, {"type": "temporal"})}
    data = xr.DataArray(values, dims=("t", "x"), coords=coords)
    element = {"process_id": "array_element", "arguments": {"data": {"from_parameter": "parameters"}}}
    nodes: dict[str, Any] = {f"p{n}": {**element, "arguments": {**element["arguments"], "index": n}} for n in range(3)}
    nodes["w"] = {"process_id": "multiply", "arguments": {"x": {"from_parameter": "x"}, "y": wave}}
    for name, process, parameter in (("c", "cos", "p1"), ("s", "sin", "p2")):
        nodes[f"{name}w"] = {"process_id": process, "arguments": {"x": {"from_node": "w"}}}
        product = {"x": {"from_node": f"{name}w"}, "y": {"from_node": parameter}}
        nodes[name] = {"process_id": "multiply", "arguments": product}
    nodes["a"] = {"process_id": "add", "arguments": {"x": {"from_node": "c"}, "y": {"from_node": "s"}}}
    nodes["r"] = {"process_id": "add", "arguments": {"x": {"from_node": "a"}, "y": {"from_node": "p0"}}, "result": True}
    function = {"process_graph": nodes}
    fit = callback("fit_curve", data={"from_parameter": "data"}, parameters=[1, 1, 1], function=function)
    fitted = run("apply_dimension", data=data, dimension="t", process=fit)
    np.testing.assert_allclose(fitted.values[:, 0], [0.4, 0.2, -0.1], atol=1e-6)
    np.testing.assert_allclose(fitted.values[:, 1], [0.4, 0.2, -0.1], atol=1e-6)
    assert np.isnan(fitted.values[:, 2]).all()
    labels = ["2023-01-01", "2023-07-01"]
    predicted = run("predict_curve", parameters=fitted, function=function, dimension="t", labels=labels)
    assert dimensions.labels(predicted, "t") == ["2023-01-01T00:00:00Z", "2023-07-01T00:00:00Z"]
    at = (np.array(labels, "datetime64[s]").astype(np.int64)).astype(float)
    expected = 0.4 + 0.2 * np.cos(wave * at) - 0.1 * np.sin(wave * at)
    np.testing.assert_allclose(predicted.values[:, 0], expected, atol=1e-6)


def test_anomalies_of_a_whole_climatology() -> None:
    data = cube(gaps=False)
    normals = run("climatological_normal", data=data, period="climatology-period", climatology_period=[2023, 2023])
    found = run("anomaly", data=data, normals=normals, period="climatology-period")
    np.testing.assert_allclose(found.values, data.values - data.values.mean(0), rtol=1e-5, atol=1e-4)


def test_times_of_day() -> None:
    assert run("date_between", x="12:00:00", min="06:00:00", max="12:00:00") is True
    assert run("date_between", x="12:00:00", min="06:00:00", max="12:00:00", exclude_max=True) is False


# Clouds and radar


def test_clouds_grow() -> None:
    classes = np.full((1, 1, 41, 41), 4, np.uint8)
    classes[0, 0, 20, 20] = 9
    data = cube(size=41).isel(t=[0], bands=[0]).copy(data=classes)
    found = run("to_scl_dilation_mask", data=data, kernel1_size=5, kernel2_size=11)
    inside = np.hypot(*np.meshgrid(np.arange(-20, 21), np.arange(-20, 21))) <= 5.5
    np.testing.assert_array_equal(found.values[0, 0].astype(bool), inside)


def test_ready_data_passes_and_more_is_refused() -> None:
    said: list[str] = []
    environment = Environment(say=lambda message, _: said.append(message))
    data = cube()
    assert run("sar_backscatter", environment, data=data, coefficient="sigma0-ellipsoid") is data
    assert "analysis-ready" in said[0]
    with pytest.raises(InvalidInput, match="local_incidence_angle"):
        run("sar_backscatter", environment, data=data, local_incidence_angle=True)


# Vectors


def test_buffers_are_in_metres_also_on_degrees() -> None:
    point = {"type": "Point", "coordinates": [15.0, 46.0]}
    grown = run("vector_buffer", geometries=point, distance=100)
    projected = run("vector_reproject", data=grown, projection=32633)
    assert projected.geometry.values[0].area == pytest.approx(math.pi * 1e4, rel=0.01)
    with pytest.raises(InvalidInput, match="0"):
        run("vector_buffer", geometries=point, distance=0)


def test_points_in_polygons() -> None:
    regular = run("vector_to_regular_points", data=FIELDS, distance=10, group=False)
    assert regular.sizes["geometry"] == 9 + 16
    random = run("vector_to_random_points", data=FIELDS, geometry_count=7, seed=3)
    again = run("vector_to_random_points", data=FIELDS, geometry_count=7, seed=3)
    assert [len(each.geoms) for each in random.geometry.values] == [7, 7]
    assert all(a.equals(b) for a, b in zip(random.geometry.values, again.geometry.values, strict=True))
    with pytest.raises(TerrafairError, match="too few"):
        run("vector_to_random_points", data=FIELDS, total_count=1)


def test_vectors_filter_and_burn() -> None:
    vector = run("load_geojson", data=FIELDS, properties=["n"])
    near = run("filter_vector", data=vector, geometries=polygons(square(500000, 5100000, 5)))
    assert near.attrs["properties"] == [{"n": 0}]
    burnt = run("vector_to_raster", data=vector, target=cube())
    assert (burnt.values[0, :3, :3] == 0).all() and (burnt.values[0, 5:9, 6:10] == 1).all()
    assert np.isfinite(burnt.values).sum() == 25


def test_geoparquet_there_and_back(tmp_path: Path) -> None:
    geopandas = pytest.importorskip("geopandas")
    results = Results(tmp_path)
    zones = run("aggregate_spatial", data=cube(), geometries=FIELDS, reducer=callback("mean"))
    results.save(zones, "GeoParquet", {}, "zones")
    table = geopandas.read_parquet(tmp_path / "zones.parquet")
    assert list(table.columns) == ["n", "t", "B04", "B08", "geometry"]
    assert len(table) == 2 * len(DATES) and table.crs.to_epsg() == 32633
    np.testing.assert_allclose(table["B08"].to_numpy(), zones.values[..., 1].reshape(-1), rtol=1e-6)
    loaded = load_url(Environment({"u": str(tmp_path / "zones.parquet")}), "u")
    assert dimensions.labels(loaded, "properties") == ["n", "B04", "B08"]


# Models


# Bounds


@pytest.mark.parametrize(("process", "arguments"), [
    ("array_create", {"data": [1], "repeat": 10**9}),
    ("text_concat", {"data": ["a" * 10**6] * 11}),
])  # fmt: skip
def test_arrays_and_texts_are_bounded(process: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="limit"):
        compute({"n": {"process_id": process, "arguments": arguments, "result": True}})
