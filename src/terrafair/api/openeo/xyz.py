"""XYZ tiles: which ground a tile covers, what a service may be set to, and the graph that computes a block of tiles.

Tiles are of the Web Mercator scheme (EPSG:3857, 256 pixels); a block is a square of tiles that one run computes.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.api.openeo.faults import OpenEOFault

TYPE = "xyz"
SIZE = 256
"""Pixels of a tile's side."""
BLOCK = 4
"""Tiles of a block's side."""
DEEPEST = 22
OVERSAMPLING = 2
"""The run's pixels are this much finer than the tiles': they do not lie on the tiles' grid exactly."""
HALO = 8
"""Pixels around a block that are loaded too, for processes that look at neighbours."""
EARTH = 6378137.0
LOADERS = frozenset({"load_collection", "load_stac"})

ABOUT: dict[str, Any] = {
    "title": "XYZ tiles",
    "description": (
        "PNG tiles in Web Mercator, computed where they are looked at. One band is shown in grey, three as red, green "
        "and blue; of several dates the last. No-data is transparent. Areas that the graph loads are restricted to the "
        "tiles."
    ),
    "configuration": {
        "minimum": {
            "type": "number", "description": "Shown in black.", "required": False, "default": 0,
        },
        "maximum": {
            "type": "number", "description": "Shown in white.", "required": False, "default": 255,
        },
        "resampling": {
            "type": "string", "description": "How pixels are warped.", "required": False, "default": "near",
            "enum": ["near", "bilinear", "cubic", "average", "mode"],
        },
    },
    "process_parameters": [
        {"name": "x", "description": "Column of the block's first tile.", "schema": {"type": "integer"}},
        {"name": "y", "description": "Row of the block's first tile.", "schema": {"type": "integer"}},
        {"name": "z", "description": "Zoom level.", "schema": {"type": "integer"}},
        {
            "name": "spatial_extent",
            "description": "The area of the block in degrees.",
            "schema": {"type": "object", "subtype": "bounding-box"},
        },
    ],
    "links": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How values become colours."""

    minimum: float = 0.0
    maximum: float = 255.0
    resampling: str = "near"

    @classmethod
    def read(cls, given: Any) -> "Look":
        """From a service's configuration; raises `OpenEOFault`."""
        if given is None:
            return cls()
        if not isinstance(given, Mapping):
            raise OpenEOFault("RequestInvalid", reason="`configuration` is no object.")
        for name in given:
            if name not in ABOUT["configuration"]:
                raise OpenEOFault("ServiceConfigUnsupported", parameter=name)
        minimum, maximum = (_number(given, name, getattr(cls(), name)) for name in ("minimum", "maximum"))
        if minimum >= maximum:
            raise OpenEOFault("ServiceConfigInvalid", parameter="maximum", reason="it is not above the minimum.")
        resampling = given.get("resampling", "near")
        if resampling not in ABOUT["configuration"]["resampling"]["enum"]:
            raise OpenEOFault("ServiceConfigInvalid", parameter="resampling", reason=f"{resampling!r} is not known.")
        return cls(minimum, maximum, resampling)


@dataclass(frozen=True, slots=True)
class Block:
    """A square of tiles."""

    z: int
    x: int
    """Column of its first tile; rows are counted from the north."""
    y: int
    count: int
    """Tiles of its side."""

    @classmethod
    def around(cls, z: int, x: int, y: int) -> "Block":
        """The block that a tile belongs to; raises `OpenEOFault` for a tile that is not there."""
        if not (0 <= z <= DEEPEST and 0 <= x < 2**z and 0 <= y < 2**z):
            raise OpenEOFault("NotFound")
        count = min(BLOCK, 2**z)
        return cls(z, x - x % count, y - y % count, count)

    @property
    def resolution(self) -> float:
        """Metres of a tile's pixel at the equator."""
        return float(2 * math.pi * EARTH / SIZE / 2**self.z)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in EPSG:3857."""
        side, half = self.resolution * SIZE, math.pi * EARTH
        west, north = self.x * side - half, half - self.y * side
        return west, north - self.count * side, west + self.count * side, north

    def degrees(self, halo: float = 0.0) -> dict[str, float]:
        """The same in degrees, with so many pixels around it."""
        west, south, east, north = self.bounds
        more = halo * self.resolution
        return {
            "west": max(math.degrees((west - more) / EARTH), -180.0),
            "south": max(_latitude(south - more), -85.06),
            "east": min(math.degrees((east + more) / EARTH), 180.0),
            "north": min(_latitude(north + more), 85.06),
        }

    def tiles(self) -> Iterator[tuple[int, int]]:
        """Columns and rows of its tiles."""
        for row in range(self.count):
            for column in range(self.count):
                yield self.x + column, self.y + row


def block_process(process: Mapping[str, Any], block: Block, look: Look) -> dict[str, Any] | None:
    """The process that computes a block as one GeoTIFF for each date; None: nothing that it loads lies there."""
    graph: Mapping[str, Any] = process["process_graph"]
    end = _result(graph)
    nodes = {name: dict(graph[name]) for name in _ancestors(graph, end)}
    for node in nodes.values():
        node.pop("result", None)
        if node.get("process_id") in LOADERS and not node.get("namespace") and not _restrict(node, block):
            return None
    west, south, east, north = block.bounds
    extent = {"west": west, "south": south, "east": east, "north": north, "crs": 3857}
    warp = {"resolution": block.resolution / OVERSAMPLING, "projection": 3857, "method": look.resampling}
    steps = (
        ("resample_spatial", {"data": {"from_node": end}, **warp}),
        ("filter_bbox", {"data": {"from_node": "tile:resample_spatial"}, "extent": extent}),
        ("save_result", {"data": {"from_node": "tile:filter_bbox"}, "format": "GTiff"}),
    )
    for name, arguments in steps:
        nodes[f"tile:{name}"] = {"process_id": name, "namespace": "backend", "arguments": arguments}
    nodes["tile:save_result"]["result"] = True
    return {**process, "process_graph": nodes, "parameters": _parameters(process, block)}


def _result(graph: Mapping[str, Any]) -> str:
    """The node whose value is shown: what save_result is given."""
    flagged = [name for name, node in graph.items() if isinstance(node, Mapping) and node.get("result")]
    if len(flagged) != 1:
        raise OpenEOFault("ProcessGraphInvalid", f"{len(flagged)} nodes are flagged as result, not one.")
    end = flagged[0]
    while graph[end].get("process_id") == "save_result":
        data = (graph[end].get("arguments") or {}).get("data")
        following = data.get("from_node") if isinstance(data, Mapping) else None
        if following not in graph or following == end:
            raise OpenEOFault("ProcessGraphInvalid", "save_result takes its data from no node.")
        end = str(following)
    return end


def _ancestors(graph: Mapping[str, Any], end: str) -> list[str]:
    """A node and all that it needs: other results are not computed for a map."""
    needed, todo = {end}, [end]
    while todo:
        for name in _references((graph[todo.pop()] or {}).get("arguments")):
            if name in graph and name not in needed:
                needed.add(name)
                todo.append(name)
    return [name for name in graph if name in needed]


def _references(value: Any) -> Iterator[str]:
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, Mapping):
            if isinstance(each.get("from_node"), str):
                yield each["from_node"]
            # A callback refers to nodes of its own.
            stack.extend(part for name, part in each.items() if name != "process_graph")
        elif isinstance(each, list):
            stack.extend(each)


def _restrict(node: dict[str, Any], block: Block) -> bool:
    """Load what the block needs and no more; whether there is anything."""
    arguments = dict(node.get("arguments") or {})
    wanted, given = block.degrees(HALO), arguments.get("spatial_extent")
    if given is None:
        area = wanted
    elif _is_box(given):
        area = {
            "west": max(wanted["west"], given["west"]), "south": max(wanted["south"], given["south"]),
            "east": min(wanted["east"], given["east"]), "north": min(wanted["north"], given["north"]),
        }  # fmt: skip
        if area["west"] >= area["east"] or area["south"] >= area["north"]:
            return False
    else:
        # Polygons, other reference systems, parameters: as the graph says.
        return True
    node["arguments"] = {**arguments, "spatial_extent": area}
    return True


def _is_box(value: Any) -> bool:
    if not isinstance(value, Mapping) or value.get("crs") not in (None, 4326, "EPSG:4326"):
        return False
    sides = [value.get(name) for name in ("west", "south", "east", "north")]
    return all(isinstance(side, int | float) for side in sides) and value["west"] < value["east"]


def _parameters(process: Mapping[str, Any], block: Block) -> list[dict[str, Any]]:
    """The process's own, and those that a service hands in."""
    values = {"x": block.x, "y": block.y, "z": block.z, "spatial_extent": block.degrees(HALO)}
    own = [each for each in process.get("parameters") or () if each.get("name") not in values]
    given = [
        {"name": name, "description": "", "schema": {}, "optional": True, "default": value}
        for name, value in values.items()
    ]
    return [*own, *given]


def _latitude(y: float) -> float:
    return math.degrees(2 * math.atan(math.exp(y / EARTH)) - math.pi / 2)


def _number(given: Mapping[str, Any], name: str, default: float) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise OpenEOFault("ServiceConfigInvalid", parameter=name, reason="it is no number.")
    return float(value)
