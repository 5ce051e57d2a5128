"""What stands behind a loader decides how much it reads; the values do not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import xarray as xr
from rasterio.transform import Affine

from terrafair.execution.engines.openeo import pushdown, sources
from terrafair.execution.engines.openeo.evaluate import Environment, Evaluator
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.udps import Definitions

from .conftest import call, node, parameter, reducer
from .rasters import collection

SIZE = 2048
BOX = {"west": 600000, "south": 5099000, "east": 600500, "north": 5099500, "crs": 32633}
NEAR = {"process_graph": {"k": {**call("add", x=parameter("x"), y=1), "result": True}}}
FOREIGN = {"process_graph": {"k": {**call("run_udf", data=parameter("x"), udf="", runtime="Python"), "result": True}}}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dates of two bands, tiled and without compression, so that bytes can be told from pixels."""
    folder = tmp_path_factory.mktemp("scene")
    small = np.ones((2, 4, 4), np.uint16)
    path = collection(folder, ["2024-05-03T10:00:00Z", "2024-06-12T10:00:00Z"], {"B04": small, "B08": small})
    values = np.arange(SIZE * SIZE, dtype=np.uint32).reshape(SIZE, SIZE) % 4000
    for number in range(2):
        for shift, name in enumerate(("B04", "B08")):
            with rasterio.open(
                folder / f"i{number}/{name}.tif", "w", driver="GTiff", width=SIZE, height=SIZE, count=1, dtype="uint16",
                crs="EPSG:32633", transform=Affine(10, 0, 600000, 0, -10, 5100000), tiled=True, blockxsize=256,
                blockysize=256,
            ) as file:  # fmt: skip
                file.write((values + 1000 * shift + number).astype(np.uint16), 1)
    return path


def read_bytes() -> int:
    """Bytes that this process has read so far, from the disk or the system's cache."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("rchar")).split()[1])


def value(document: Any, scene: Path) -> tuple[xr.DataArray, int]:
    graph = parse(document, ("area",))
    environment = Environment({"scene": str(scene)})
    found = Evaluator(processes(), environment=environment).run(graph, {"area": BOX})[graph.results[0]]
    before = read_bytes()
    return found.compute(scheduler="synchronous"), read_bytes() - before


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system counts no bytes")
@pytest.mark.parametrize("extent", [BOX, parameter("area")])
def test_filters_behind_the_loader_decide_what_is_read(scene: Path, extent: Any) -> None:
    ndvi = call("ndvi", data=node("load"), red="B04", nir="B08")
    late = {
        "load": call("load_stac", url="scene"),
        "ndvi": ndvi,
        "plus": call("apply", data=node("ndvi"), process=NEAR),
        "mean": call("reduce_dimension", data=node("plus"), dimension="t", reducer=reducer("mean")),
        "cut": call("filter_bbox", data=node("mean"), extent=extent),
    }
    early = {
        **late,
        "load": call("load_stac", url="scene", spatial_extent=extent),
        "cut": call("reduce_dimension", data=node("plus"), dimension="t", reducer=reducer("mean")),
    }
    del early["mean"]
    # First the one that may read modules of Python as well.
    value(early, scene)
    two, little = value(early, scene)
    one, much = value(late, scene)
    xr.testing.assert_equal(one, two)
    assert one.sizes == {"y": 50, "x": 50}
    whole = 4 * SIZE * SIZE * 2
    assert much <= little * 1.5
    assert much < whole / 20


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="the system counts no bytes")
def test_bands_and_dates_that_nobody_uses_are_not_read(scene: Path) -> None:
    document = {
        "load": call("load_stac", url="scene"),
        "time": call("filter_temporal", data=node("load"), extent=["2024-06-01", "2024-07-01"]),
        "bands": call("filter_bands", data=node("time"), bands=["B08"]),
        "cut": call("filter_bbox", data=node("bands"), extent=BOX),
    }
    found, much = value(document, scene)
    everything, more = value({"load": call("load_stac", url="scene"), "cut": {**document["cut"], "arguments": {
        "data": node("load"), "extent": BOX}}}, scene)  # fmt: skip
    xr.testing.assert_equal(found, everything.sel(t=["2024-06-12T10:00:00"], bands=["B08"]))
    assert much < more / 3


def graph_of(*nodes: dict[str, Any], **more: dict[str, Any]) -> Any:
    """The loader, and the nodes behind it in a row."""
    named = {f"n{number}": each for number, each in enumerate(nodes)}
    return parse({"load": call("load_stac", url="scene"), **named, **more}, ("area",))


CUT = call("filter_bbox", data=node("n0"), extent=BOX)


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (graph_of(call("filter_bbox", data=node("load"), extent=BOX)), True),
        (graph_of(call("apply", data=node("load"), process=NEAR), CUT), True),
        (graph_of(call("apply", data=node("load"), process=FOREIGN), CUT), False),
        (graph_of(call("apply_kernel", data=node("load"), kernel=[[1]]), CUT), False),
        (graph_of(call("resample_spatial", data=node("load"), resolution=20), CUT), False),
        (graph_of(call("reduce_dimension", data=node("load"), dimension="x", reducer=reducer("mean")), CUT), False),
        (graph_of(call("reduce_dimension", data=node("load"), dimension="t", reducer=reducer("mean")), CUT), True),
        (
            graph_of(call("ndvi", data=node("load")), CUT, s=call("save_result", data=node("load"), format="JSON")),
            False,
        ),
        (graph_of({**call("ndvi", data=node("load")), "result": True}, CUT), False),
        (graph_of(call("ndvi", data=node("load")), CUT, b=call("filter_bbox", data=node("load"), extent={})), False),
        (graph_of({**call("ndvi", data=node("load")), "namespace": "https://p.example/ndvi"}, CUT), False),
        (graph_of(call("ndvi", data=node("load"))), False),
        (graph_of(call("mask", data=node("load"), mask=node("load")), CUT), True),
    ],
)
def test_only_what_keeps_to_its_pixel_may_stand_between(graph: Any, expected: bool) -> None:
    assert (pushdown.cut(graph, "load", "spatial") is not None) is expected


def test_staging_asks_for_no_more_than_the_filters() -> None:
    dates = ["2024-06-01", "2024-07-01"]
    graph = graph_of(
        call("filter_temporal", data=node("load"), extent=dates),
        call("filter_bbox", data=node("n0"), extent=parameter("area")),
    )
    (need,) = sources.find(graph, {"area": BOX}, Definitions({})).needs
    assert (need.spatial, need.temporal, need.cut) == (BOX, dates, "n0")
    wrong = graph_of(call("filter_bbox", data=node("load"), extent={"west": 3}))
    (need,) = sources.find(wrong, {}, Definitions({})).needs
    assert (need.spatial, need.cut) == (None, "")
