"""An area, a time and a collection for a process graph: into its parameters, else into what it loads."""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

LOADING = ("load_collection", "load_stac")


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen; None and empty: as the graph says."""

    box: Mapping[str, float] | None = None
    """`west`, `south`, `east`, `north` in degrees."""
    start: str = ""
    end: str = ""
    collection: str = ""


def selected(process: Mapping[str, Any], chosen: Selection) -> dict[str, Any]:
    """The process with all of it; the one given stays as it is."""
    found: dict[str, Any] = copy.deepcopy(dict(process))
    values: dict[str, Any] = {}
    if chosen.box:
        values["spatial_extent"] = dict(chosen.box)
    if chosen.start or chosen.end:
        values["temporal_extent"] = [chosen.start or None, chosen.end or None]
    for node in _loading(found.get("process_graph")):
        arguments = node.setdefault("arguments", {})
        wanted = dict(values)
        if chosen.collection:
            wanted["id" if node["process_id"] == "load_collection" else "url"] = chosen.collection
        for name, value in wanted.items():
            _put(found, arguments, name, value)
    return found


def _loading(graph: Any) -> Iterator[dict[str, Any]]:
    for node in graph.values() if isinstance(graph, Mapping) else ():
        if isinstance(node, dict) and node.get("process_id") in LOADING and isinstance(node.get("arguments", {}), dict):
            yield node


def _put(process: dict[str, Any], arguments: dict[str, Any], name: str, value: Any) -> None:
    given = arguments.get(name)
    if isinstance(given, Mapping) and set(given) == {"from_parameter"}:
        declared = process.get("parameters")
        entries = declared if isinstance(declared, list) else []
        for entry in entries:
            if isinstance(entry, dict) and entry.get("name") == given["from_parameter"]:
                entry |= {"optional": True, "default": value}
                return
    arguments[name] = value
