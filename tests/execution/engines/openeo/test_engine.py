"""The openEO engine as the platform calls it: contract, demo graph, results, staging, one clear message per fault."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr

from terrafair.data.selection import Selection
from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.command import Limits
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.task import JobFolder, Task
from terrafair.workflows.workflow import Resolution

from ..contract import EngineContract, execute
from .conftest import Run, call, node, parameter, reducer, resolution, save
from .rasters import collection

DATES = ["2024-05-03T10:00:00.000Z", "2024-05-13T10:00:00.000Z", "2024-06-12T10:00:00.000Z"]
MakeEngine = Callable[..., OpenEOEngine]


@pytest.fixture
def red() -> Any:
    values = np.random.default_rng(3).integers(1, 4000, (3, 30, 40)).astype(np.uint16)
    values[0, :5] = 0
    return values


@pytest.fixture
def scene(tmp_path: Path, red: Any) -> str:
    return str(collection(tmp_path / "s2", DATES, {"B04": red, "B08": red + np.uint16(1000)}))


@pytest.fixture
def engine(make_engine: MakeEngine) -> OpenEOEngine:
    return make_engine()


class TestContract(EngineContract):
    @pytest.fixture
    def values(self, scene: str) -> dict[str, Any]:
        return {"collection": scene, "factor": 2}

    @pytest.fixture
    def resolution(self) -> Resolution:
        double = {"m": {**call("multiply", x=parameter("x"), y=parameter("factor")), "result": True}}
        graph = {
            "load": call("load_stac", url=parameter("collection"), bands=["red"]),
            "mean": call("reduce_dimension", data=node("load"), dimension="t", reducer=reducer("mean")),
            "double": call("apply", data=node("mean"), process={"process_graph": double}),
            "save": save("double", "GTiff"),
        }
        declared = [
            {"name": "collection", "schema": {"type": "string", "format": "uri"}},
            {"name": "factor", "schema": {"type": "number"}},
        ]
        return resolution({"process_graph": graph, "parameters": declared})


def test_the_demo_graph_equals_numpy(run: Run, tmp_path: Path) -> None:
    import terrafair.demo
    from terrafair.demo import dataset, scene

    season = scene.build_season()
    dataset.write(tmp_path / "data", season)
    graph = json.loads((Path(terrafair.demo.__file__).parent / "workflows/ndvi/graph.json").read_text())
    extent = {"west": scene.WEST, "south": scene.NORTH - 1000, "east": scene.WEST + 1500, "north": scene.NORTH}
    values = {
        "collection": str(tmp_path / "data/collection.json"),
        "spatial_extent": {**extent, "crs": scene.EPSG},
        "temporal_extent": ["2024-04-01", "2024-10-01"],
    }
    done, outputs = run(graph, values)
    assert done.outcome, done.stderr
    assert done.outcome.successful, done.outcome.problems
    with rasterio.open(outputs / done.outcome.outputs["save"]) as image:
        found = image.read(1)
        assert image.driver == "GTiff"
        assert image.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    layers = []
    for image in season.images:
        numbers = {name: image.bands[name][:100, :150].astype(np.float32) for name in ("B04", "B08")}
        one, two = (np.where(v == 0, np.nan, v) * np.float32(0.0001) - np.float32(0.1) for v in numbers.values())
        classes = image.classes[:100, :150]
        layers.append(np.where((classes < 4) | (classes > 7), np.nan, (two - one) / (two + one)))
    with pytest.warns(RuntimeWarning) if np.isnan(layers).all(0).any() else _nothing():
        np.testing.assert_allclose(found, np.nanmedian(layers, 0), rtol=1e-5, atol=1e-6)


def _nothing() -> Any:
    import contextlib

    return contextlib.nullcontext()


def test_intervals_are_reduced_each_on_its_own(started: Run, tmp_path: Path) -> None:
    values = np.broadcast_to(np.arange(1, 5, dtype=np.uint8)[:, None, None], (4, 2, 2))
    path = collection(tmp_path / "days", [f"2024-01-0{day}T00:00:00Z" for day in range(1, 5)], {"B04": values})
    spans = [["2024-01-01", "2024-01-03"], ["2024-01-03", "2024-01-05"], ["2024-02-01", "2024-02-03"]]
    graph = {
        "load": call("load_stac", url=str(path)),
        "spans": call("aggregate_temporal", data=node("load"), intervals=spans, reducer=reducer("mean")),
        "one": save("spans"),
        "two": save("spans", "JSON"),
        "three": save("spans", "CSV"),
        "four": save("spans", "GTiff"),
        "five": save("spans", "Zarr"),
    }
    done, outputs = started(graph)
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems
    with xr.open_dataset(outputs / "one.nc") as result:
        np.testing.assert_array_equal(result["B04"].values[:, 0, 0], [1.5, 3.5, np.nan])
        assert str(result["t"].values[1])[:10] == "2024-01-03"
    document = json.loads((outputs / "two.json").read_text())
    assert document["dims"] == ["t", "bands", "y", "x"]
    assert document["data"][2][0][0] == [None, None]
    assert (outputs / "three.csv").read_text().splitlines()[1].endswith(",1.5")
    assert set(done.outcome.outputs) >= {"one", "two", "three", "five"}
    assert sum(name.startswith("four_2024") for name in done.outcome.outputs) == 3


def test_results_without_save_result(run: Run, scene: str) -> None:
    graph = {
        "load": call("load_stac", url=scene, bands=["B04"]),
        "labels": call("dimension_labels", data=node("load"), dimension="bands"),
        "sum": call("add", x=1, y=2),
    }
    done, outputs = run({**graph, "load": {**graph["load"], "result": True}})
    assert done.outcome
    assert done.outcome.outputs == {"load": "load.nc"}
    done, outputs = run(graph)
    assert done.outcome
    assert done.outcome.outputs == {"labels": "labels.json", "sum": "sum.json"}
    assert json.loads((outputs / "sum.json").read_text()) == 3
    assert json.loads((outputs / "labels.json").read_text()) == ["B04"]


def test_numbers_are_as_stored(run: Run, scene: str, red: Any) -> None:
    done, outputs = run({"load": {**call("load_stac", url=scene, bands=["red"]), "result": True}})
    assert done.outcome
    with xr.open_dataset(outputs / "load.nc") as result:
        np.testing.assert_array_equal(result["B04"].values, np.where(red == 0, np.nan, red))


def test_the_stac_of_saved_results_names_their_bands(run: Run, scene: str) -> None:
    from terrafair.data.describe import describe
    from terrafair.data.description import Order

    named = call("add_dimension", data=node("ndvi"), name="bands", label="ndvi", type="bands")
    graph = {
        "load": call("load_stac", url=scene),
        "ndvi": call("ndvi", data=node("load"), red="B04", nir="B08"),
        "one": call("reduce_dimension", data=node("ndvi"), dimension="t", reducer=MEAN),
        "named": {**named, "arguments": {**named["arguments"], "data": node("one")}},
        "two": call("filter_temporal", data=node("load"), extent=["2024-06-01", "2024-07-01"]),
        **{f"{name}_{form}": save(name, form) for name in ("named", "two") for form in ("GTiff", "netCDF", "Zarr")},
    }
    done, outputs = run(graph)
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems
    found = describe(Order(str(outputs), "run", created="2026-01-02T03:04:05Z"))
    seen: dict[str, set[str]] = {}
    for item in found.items:
        for asset in item["assets"].values():
            names = {band.get("name") for band in asset.get("bands", [])} | {*asset.get("cube:variables", {})}
            names |= {*item["properties"].get("cube:variables", {})} if not asset.get("bands") else set()
            seen[asset["href"].rpartition("/")[2]] = names
    assert {name for name in seen if name.startswith("named")} == {
        "named_GTiff.tif",
        "named_netCDF.nc",
        "named_Zarr.zarr",
    }
    assert all("ndvi" in names for name, names in seen.items() if name.startswith("named")), seen
    assert all({"B04", "B08"} <= names for name, names in seen.items() if name.startswith("two")), seen


def test_collections_extents_and_properties(run: Run, scene: str, red: Any) -> None:
    clear = {"c": {**call("lt", x=parameter("value"), y=15), "result": True}}
    extent = {"west": 650000, "south": 5679900, "east": 650100, "north": 5680000, "crs": 32631}
    loading = call(
        "load_collection",
        id="S2",
        spatial_extent=extent,
        temporal_extent=["2024-05-01", "2024-06-01"],
        bands=["B04"],
        properties={"eo:cloud_cover": {"process_graph": clear}},
    )
    done, outputs = run({"load": loading, "save": save("load")}, collections={"S2": scene})
    assert done.outcome
    assert done.outcome.successful, done.outcome.problems
    with xr.open_dataset(outputs / "save.nc") as result:
        np.testing.assert_array_equal(result["B04"].values, np.where(red == 0, np.nan, red)[:2, :10, :10])


class RememberingStager:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[tuple[str, Selection | None]] = []

    def file(self, reference: str, into: Path) -> Path:
        self.asked.append((reference, None))
        return self.path

    def stac(self, reference: str, into: Path, selection: Selection | None = None) -> Path:
        self.asked.append((reference, selection))
        return self.path


def test_only_the_wanted_part_is_staged(tmp_path: Path) -> None:
    stager = RememberingStager(tmp_path)
    inner = {
        "load": call("load_stac", url=parameter("u"), temporal_extent=[parameter("d"), parameter("d")], bands=["B04"]),
        "more": call("load_stac", url=parameter("u"), temporal_extent=["2024-05-01", "2024-05-02"], bands=["B08"]),
        "files": call("load_uploaded_files", paths=["/data/a.nc", "/data/b.nc"], format="netCDF"),
        "m": {**call("merge_cubes", cube1=node("load"), cube2=node("more")), "result": True},
    }
    graph = {
        "day": call("date_shift", date="2024-05-03", value=1, unit="day"),
        "udp": {**call("mine", u="https://x.example/c.json", d=node("day")), "namespace": "https://p.example/mine"},
        "save": save("udp"),
    }
    made = resolution(graph, udps={"https://p.example/mine": {"id": "mine", "process_graph": inner}})
    engine = OpenEOEngine(stager, {}.get)
    assert engine.check(made) == []
    engine.prepare(made, {}, JobFolder(tmp_path / "j"), Limits(), lambda _: None)
    wanted = Selection(None, "2024-05-01", "2024-05-05", ("B04", "B08"))
    assert stager.asked == [("https://x.example/c.json", wanted), ("/data/a.nc", None), ("/data/b.nc", None)]
    task = Task.read(tmp_path / "j/task.json")
    assert set(task.sources) == {"https://x.example/c.json", "/data/a.nc", "/data/b.nc"}


MEAN = reducer("mean")
ASIDE = {"west": 5.19, "south": 51.29, "east": 5.2, "north": 51.3}
NEVER = {"process_graph": {"n": {**call("eq", x=parameter("value"), y="B99"), "result": True}}}
LOAD = {"url": "{scene}"}


@pytest.mark.parametrize(
    ("graph", "code", "message"),
    [
        ({"a": call("add", x=node("b"), y=1), "b": call("add", x=node("a"), y=1)}, "cycle", "a -> b -> a"),
        ({"a": call("multply", x=1, y=1)}, "process-unsupported", "Did you mean multiply"),
        ({"a": call("add", x=1)}, "argument-missing", "add needs the argument 'y'"),
        ({"a": call("load_collection", id="SENTINEL2_L2A")}, "collection-unknown", "load_stac"),
        ({"a": call("add", x=node("zz"), y=1)}, "node-unknown", "zz"),
        ({"a": {**call("x"), "namespace": "https://p.example/x"}}, "process-unsupported", "could not be found"),
        ([1], "graph-missing", "a list"),
    ],
)
def test_faults_that_are_seen_before_the_run(
    engine: OpenEOEngine, tmp_path: Path, graph: Any, code: str, message: str
) -> None:
    made = Resolution("g", "workflow", type=engine.type, application=resolution(json.dumps(graph).encode()).application)
    (problem,) = engine.check(made)
    assert problem.code == code
    assert message in str(problem)
    with pytest.raises(InvalidInput, match=code and ".") as caught:
        engine.prepare(made, {}, JobFolder(tmp_path / "j"), Limits(), lambda _: None)
    assert caught.value.problems == (problem,)


def mean_of(**arguments: Any) -> dict[str, Any]:
    return {"mean": call("reduce_dimension", **{"data": node("load"), "dimension": "t", "reducer": MEAN, **arguments})}


@pytest.mark.parametrize(
    ("more", "where", "message"),
    [
        (mean_of(dimension="tt"), "mean", "no dimension 'tt'"),
        (mean_of(data=3), "mean", "the number 3, not a data cube"),
        (mean_of(reducer="mean"), "mean", "not a process"),
        (
            {"b": call("filter_bands", data=node("load"), bands=["B03"])},
            "b",
            "filter_bands at node 'b' asked for B03; the data has B04, B08",
        ),
        ({"b": call("filter_temporal", data=node("load"), extent=["2024-13-01", None])}, "b", "no date"),
        ({"b": call("filter_bbox", data=node("load"), extent={"west": 1})}, "b", "lacks south"),
        (
            {"b": call("filter_bbox", data=node("load"), extent=ASIDE)},
            "b",
            "filter_bbox at node 'b' asked for west 5.19, south 51.29, east 5.2, north 51.3; the data has y from 567",
        ),
        (
            {"b": call("filter_temporal", data=node("load"), extent=["2024-05-03T11:00:00Z", "2024-05-04"])},
            "b",
            "asked for 2024-05-03T11:00:00Z, 2024-05-04; the data has 2024-05-03T10:00:00Z",
        ),
        (
            {"b": call("filter_labels", data=node("load"), dimension="bands", condition=NEVER)},
            "b",
            "filter_labels at node 'b' asked for labels that meet its condition; the data has B04, B08",
        ),
        ({"b": call("mask_polygon", data=node("load"), mask={"type": "Polygn"})}, "b", "geometry"),
        ({"b": call("save_result", data=node("load"), format="HDF7")}, "b", "'HDF7' is not known"),
        ({"b": call("save_result", data=node("load"), format="PNG")}, "b", "2 bands"),
        ({"b": call("apply_kernel", data=node("load"), kernel=[[1, 2]])}, "b", "odd sizes"),
        ({"b": call("merge_cubes", cube1=node("load"), cube2=node("load"))}, "b", "overlap_resolver"),
        ({"b": call("resample_spatial", data=node("load"), projection=123456)}, "b", "is not known"),
    ],
)
def test_faults_of_the_run(run: Run, scene: str, more: dict[str, Any], where: str, message: str) -> None:
    done, _ = run({"load": call("load_stac", url=scene), **more})
    assert message in done.problem
    assert done.problem.startswith(where)
    assert done.status == 1
    assert not done.stderr


@pytest.mark.parametrize(
    ("process", "extent", "message"),
    [
        ("filter_bbox", {"west": 1, "south": 1, "east": 2, "north": 2}, "3 items; bbox (1.0, 1.0, 2.0, 2.0)"),
        ("filter_temporal", ["2023-01-01", "2023-02-01"], "3 items; bbox None, time 2023-01-01/2023-02-01"),
    ],
)
def test_a_filter_that_no_item_passes_is_named_before_anything_is_staged(
    run: Run, scene: str, process: str, extent: Any, message: str
) -> None:
    graph = {"load": call("load_stac", url=scene), "b": call(process, data=node("load"), extent=extent)}
    with pytest.raises(InvalidInput) as caught:
        run({**graph, "save": save("b")})
    assert message in str(caught.value)
    assert caught.value.problem.where == "b"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tif", b"II*\0broken"),
        ("a.nc", b"\x89HDF\r\n\x1a\nbroken"),
        ("a.nc", b"CDF\x01zz"),
        ("a.bin", b"what"),
        ("b.tif", b""),
    ],
)
def test_unreadable_files(run: Run, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    done, _ = run({"load": call("load_url", url=str(tmp_path / name), format="GTiff")})
    assert f"{tmp_path / name} cannot be read" in done.problem


def test_a_damaged_asset_is_named(run: Run, scene: str) -> None:
    path = Path(scene).parent / "i1/B08.tif"
    path.write_bytes(path.read_bytes()[:300])
    done, _ = run({"load": call("load_stac", url=scene), "save": save("load")})
    assert "B08.tif cannot be read" in done.problem


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": "two"}, "the text 'two'"),
        ({"n": [1]}, "an array"),
        ({}, "required input 'n'"),
        ({"m": 1}, "no input 'm'"),
    ],
)
def test_wrong_values(engine: OpenEOEngine, tmp_path: Path, values: dict[str, Any], message: str) -> None:
    document = {
        "process_graph": {"a": call("add", x=parameter("n"), y=1)},
        "parameters": [{"name": "n", "schema": {"type": "number"}}],
    }
    with pytest.raises(InvalidInput, match=message):
        execute(engine, resolution(document), values, tmp_path / "j")


def test_missing_sources(engine: OpenEOEngine, tmp_path: Path) -> None:
    graph = {"load": call("load_url", url=str(tmp_path / "none.nc"), format="netCDF")}
    with pytest.raises(TerrafairError, match=r"none\.nc"):
        execute(engine, resolution(graph), {}, tmp_path / "j")
    computed = {
        "n": call("dimension_labels", data=1, dimension="t"),
        "load": call("load_url", url=node("n"), format="x"),
    }
    with pytest.raises(InvalidInput, match="computed by the graph"):
        execute(engine, resolution(computed), {}, tmp_path / "k")
