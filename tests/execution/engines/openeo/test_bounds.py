"""Graphs that would take forever or all memory are refused, with the bound in the message."""

import json
from collections.abc import Mapping
from typing import Any

import dask.array as da
import numpy as np
import pytest
import xarray as xr

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.engines.openeo import rasters, sources
from terrafair.execution.engines.openeo.evaluate import compute
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.udps import Definitions
from terrafair.execution.engines.openeo.validation import Context, validate

from .conftest import call, node, parameter, reducer

SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [0, 80], [80, 80], [80, 0], [0, 0]]]}
LONG = {"process_graph": {"x": {**call("array_create", data=[parameter("x")], repeat=1_000_000), "result": True}}}


def chain(first: dict[str, Any], process: str, **arguments: Any) -> dict[str, Any]:
    """Nodes that each take the one before twice."""
    found = {"a0": first}
    for number in range(1, 40):
        before = node(f"a{number - 1}")
        taken = {name: [before, before] if each is Ellipsis else before for name, each in arguments.items()}
        found[f"a{number}"] = call(process, **taken)
    return found


@pytest.fixture
def cube() -> xr.DataArray:
    from rasterio.crs import CRS
    from rasterio.transform import Affine

    frame = rasters.Frame(CRS.from_epsg(32633), Affine(10, 0, 600000, 0, -10, 5100000), 20, 20)
    moments = [np.datetime64("2020-01-01", "ns"), np.datetime64("2020-01-06", "ns")]
    return rasters.assemble(da.ones((2, 1, 20, 20), dtype="f4"), frame, ["B04"], moments)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ({"a": call("array_create", data=[1], repeat=10**9)}, "would have 1000000000 elements"),
        (
            chain(call("array_create", data=[1], repeat=1000), "array_concat", array1=0, array2=0),
            "The limit is 1000000",
        ),
        (chain(call("array_create", data=[1]), "array_append", data=0, value=0), "The limit is 2000000"),
        (chain(call("text_concat", data=["x" * 1000]), "text_concat", data=...), "The limit is 10000000"),
        (chain(call("constant", x=[1]), "constant", x=...), "Do not put an array into itself"),
        (
            {"b": call("array_create", data=[1], repeat=3), "a": call("array_apply", data=node("b"), process=LONG)},
            "more than 2000000 elements",
        ),
        ({"a": call("quantiles", data=[1, 2], q=10**9)}, "more than 10000"),
        ({"a": call("vector_to_random_points", data=SQUARE, total_count=10**9)}, "more than 100000"),
        ({"a": call("date_shift", date="2020-01-01", value=10**12, unit="year")}, "between the years 1 and 9999"),
        ({"a": call("date_shift", date="2020-01-01", value=10**12, unit="day")}, "between the years 1 and 9999"),
        ({"a": call("resample_spatial", data=parameter("c"), resolution=1e-6)}, "Choose a coarser resolution"),
        (
            {"a": call("aggregate_spatial_window", data=parameter("c"), reducer=reducer("mean"), size=[10**9, 10**9])},
            "much larger than the cube: 20 x 20",
        ),
    ],
)
def test_values_that_grow_without_end(graph: Any, message: str, cube: xr.DataArray) -> None:
    with pytest.raises(TerrafairError, match=r".") as caught:
        compute(graph, {"c": cube})
    assert message in str(caught.value)


def test_processes_that_call_each_other_a_billion_times() -> None:
    last = {**call("add", x=1, y=1), "result": True}
    udps: dict[str, Any] = {"u12": {"process_graph": {"r": last}}}
    for number in range(12):
        calls = {f"n{each}": call(f"u{number + 1}") for each in range(6)}
        udps[f"u{number}"] = {"process_graph": {**calls, "r": last}}
    document = {"a": call("u0")}
    (problem,) = validate(json.dumps({"process_graph": document}).encode(), Context(definitions=udps))
    assert "more than 50000 processes" in problem.what
    with pytest.raises(InvalidInput, match="more than 50000 processes"):
        list(sources.calls(parse(document), Definitions(udps)))


def test_hours_without_dates_cost_nothing(cube: xr.DataArray) -> None:
    graph = {"a": call("aggregate_temporal_period", data=parameter("c"), period="hour", reducer=reducer("mean"))}
    found: Mapping[str, Any] = compute(graph, {"c": cube})
    assert found["a"].sizes["t"] == 5 * 24 + 1
    assert float(found["a"].isel(t=-1).mean()) == 1
    assert np.isnan(found["a"].isel(t=5)).all()


def test_rounding_beyond_all_digits() -> None:
    assert compute({"a": call("round", x=1.5, p=10**9)})["a"] == 1.5
    assert compute({"a": call("round", x=1.5, p=-(10**9))})["a"] == 0


def test_seasons_bear_the_year_they_begin_in() -> None:
    from terrafair.execution.engines.openeo import periods

    assert periods.label(np.datetime64("2024-02-29", "ns"), "season") == "2023-djf"
    assert periods.label(np.datetime64("2023-12-01", "ns"), "season") == "2023-djf"
    assert periods.label(np.datetime64("2024-04-30", "ns"), "tropical-season") == "2023-ndjfma"
    for text, period in (("2023-djf", "season"), ("2024-mam", "season"), ("2023-ndjfma", "tropical-season")):
        assert periods.label(periods.start(text, period), period) == text


def test_a_graph_is_counted_also_where_nobody_checked_it() -> None:
    last = {**call("add", x=1, y=1), "result": True}
    udps: dict[str, Any] = {"u12": {"process_graph": {"r": last}}}
    for number in range(12):
        calls = {f"n{each}": call(f"u{number + 1}") for each in range(6)}
        udps[f"u{number}"] = {"process_graph": {**calls, "r": last}}
    with pytest.raises(InvalidInput, match="more than 50000 processes"):
        compute({"a": call("u0")}, udps=udps)


@pytest.mark.parametrize("border", [0, 2.5, "replicate", "reflect", "reflect_pixel", "wrap"])
def test_large_kernels_give_what_small_ones_would(cube: xr.DataArray, border: Any) -> None:
    from scipy import ndimage

    random = np.random.default_rng(1)
    data = cube.copy(data=random.normal(size=cube.shape).astype(np.float32))
    kernel = random.normal(size=(33, 35))
    modes = {"replicate": "nearest", "reflect": "reflect", "reflect_pixel": "mirror", "wrap": "wrap"}
    mode: Any = modes.get(str(border), "constant")
    graph = {"a": call("apply_kernel", data=parameter("c"), kernel=kernel.tolist(), factor=0.5, border=border)}
    found = compute(graph, {"c": data})["a"].values
    fill = 0 if isinstance(border, str) else border
    expected = 0.5 * ndimage.correlate(data.values[1, 0].astype(float), kernel, mode=mode, cval=fill)
    np.testing.assert_allclose(found[1, 0], expected, rtol=1e-4, atol=1e-4)


def test_a_kernel_of_a_thousand_by_a_thousand(cube: xr.DataArray) -> None:
    kernel = np.ones((1001, 1001)).tolist()
    found = compute({"a": call("apply_kernel", data=parameter("c"), kernel=kernel)}, {"c": cube})["a"].values
    np.testing.assert_allclose(found, 400, rtol=1e-6)
    with pytest.raises(InvalidInput, match="The limit is"):
        compute({"a": call("apply_kernel", data=parameter("c"), kernel=np.ones((1201, 1201)).tolist())}, {"c": cube})


def test_a_large_table_is_checked_at_once(cube: xr.DataArray) -> None:
    from time import process_time

    kernel = [[1.5] * 601] * 601
    graph = {"a": {**call("apply_kernel", data=parameter("d"), kernel=kernel), "result": True}}
    parameters = [{"name": "d", "schema": {"type": "object", "subtype": "datacube"}}]
    document = json.dumps({"parameters": parameters, "process_graph": graph}).encode()
    started = process_time()
    assert validate(document, Context()) == []
    assert process_time() - started < 2


def test_names_and_dimensions_have_bounds(cube: xr.DataArray) -> None:
    with pytest.raises(TerrafairError, match="The id of the node has 1000 letters"):
        compute({"a" * 1000: call("add", x=1, y=1)})
    graph: dict[str, Any] = {"d0": call("add_dimension", data=parameter("c"), name="d0", label="a")}
    for number in range(1, 60):
        graph[f"d{number}"] = call("add_dimension", data=node(f"d{number - 1}"), name=f"d{number}", label="a")
    with pytest.raises(InvalidInput, match="The cube has 32 dimensions"):
        compute(graph, {"c": cube})


def test_powers_beyond_all_floats_are_infinite() -> None:
    assert compute({"a": call("power", base=10**200, p=10**200)})["a"] == float("inf")
    assert compute({"a": call("power", base=-(10**200), p=3)})["a"] == float("-inf")
