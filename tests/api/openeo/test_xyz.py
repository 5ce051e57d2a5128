"""Tiles: where they lie, and the graph that computes a block of them."""

import json
import math
from typing import Any

import pyproj
import pytest

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.xyz import DEEPEST, Block, Look, block_process

LOAD = {"id": "x", "spatial_extent": {"west": 10, "south": 47, "east": 12, "north": 49}, "temporal_extent": None}
GRAPH: dict[str, Any] = {
    "load": {"process_id": "load_collection", "arguments": LOAD},
    "side": {"process_id": "load_collection", "arguments": {"id": "unused", "spatial_extent": None}},
    "ndvi": {"process_id": "ndvi", "arguments": {"data": {"from_node": "load"}}},
    "other": {"process_id": "save_result", "arguments": {"data": {"from_node": "side"}, "format": "GTiff"}},
    "save": {
        "process_id": "save_result",
        "arguments": {"data": {"from_node": "ndvi"}, "format": "PNG"},
        "result": True,
    },
}


def made(graph: dict[str, Any], block: Block) -> dict[str, Any] | None:
    return block_process({"process_graph": graph}, block, Look())


@pytest.mark.parametrize(
    ("z", "x", "y"), [(0, 0, 0), (1, 1, 0), (5, 17, 11), (14, 8712, 5689), (DEEPEST, 0, 2**22 - 1)]
)
def test_bounds_agree_with_proj(z: int, x: int, y: int) -> None:
    block = Block.around(z, x, y)
    assert (x, y) in list(block.tiles()) and len(list(block.tiles())) == block.count**2
    to_degrees = pyproj.Transformer.from_crs(3857, 4326, always_xy=True)
    west, south, east, north = block.bounds
    degrees = block.degrees()
    expected = (*to_degrees.transform(west, south), *to_degrees.transform(east, north))
    assert (degrees["west"], degrees["south"], degrees["east"], degrees["north"]) == pytest.approx(expected, abs=1e-6)
    assert math.isclose((east - west) / block.count / 256, block.resolution)


@pytest.mark.parametrize(
    ("z", "x", "y"), [(-1, 0, 0), (0, 1, 0), (3, 8, 0), (3, 0, 8), (DEEPEST + 1, 0, 0), (2, -1, 0)]
)
def test_tiles_that_are_not_there(z: int, x: int, y: int) -> None:
    with pytest.raises(OpenEOFault):
        Block.around(z, x, y)


def test_what_is_shown_is_computed_and_nothing_else() -> None:
    before = json.dumps(GRAPH)
    process = made(GRAPH, Block.around(8, 136, 88))
    assert process is not None and json.dumps(GRAPH) == before
    nodes = process["process_graph"]
    assert set(nodes) == {"load", "ndvi", "tile:resample_spatial", "tile:filter_bbox", "tile:save_result"}
    assert [name for name, node in nodes.items() if node.get("result")] == ["tile:save_result"]
    assert nodes["tile:resample_spatial"]["arguments"]["data"] == {"from_node": "ndvi"}
    area = nodes["load"]["arguments"]["spatial_extent"]
    assert 10 <= area["west"] < area["east"] <= 12 and 47 <= area["south"] < area["north"] <= 49


def test_where_nothing_is_loaded_nothing_is_computed() -> None:
    assert made(GRAPH, Block.around(8, 0, 0)) is None


@pytest.mark.parametrize(
    "extent",
    [
        {"west": 600000, "south": 5e6, "east": 7e5, "north": 5.1e6, "crs": 32632},
        {"type": "Polygon", "coordinates": []},
        {"from_parameter": "spatial_extent"},
        {"from_node": "area"},
    ],
)
def test_areas_that_the_graph_decides_on_stay(extent: Any) -> None:
    graph = {"load": {"process_id": "load_stac", "arguments": {"url": "x", "spatial_extent": extent}, "result": True}}
    process = made(graph, Block.around(3, 4, 2))
    assert process is not None
    assert process["process_graph"]["load"]["arguments"]["spatial_extent"] == extent
    given = {each["name"]: each["default"] for each in process["parameters"]}
    assert (given["x"], given["y"], given["z"]) == (4, 0, 3) and given["spatial_extent"]["west"] < 0.1


@pytest.mark.parametrize(
    "graph",
    [
        {"a": {"process_id": "load_stac"}},
        {"a": {"process_id": "load_stac", "result": True}, "b": {"process_id": "load_stac", "result": True}},
        {"a": {"process_id": "save_result", "arguments": {"data": {"from_node": "a"}}, "result": True}},
        {"a": {"process_id": "save_result", "arguments": {"data": {"from_node": "b"}}, "result": True}},
        {"a": {"process_id": "save_result", "arguments": None, "result": True}},
        {"a": 3},
    ],
)
def test_graphs_without_one_thing_to_show(graph: Any) -> None:
    with pytest.raises(OpenEOFault):
        made(graph, Block.around(0, 0, 0))
