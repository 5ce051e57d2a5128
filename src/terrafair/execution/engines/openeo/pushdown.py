"""What a loader may leave away: the area and time that every path from it is cut to later on.

Between the loader and the filter only processes may stand that look at no other pixel or date than their own. The
filter itself still runs, so that a hint that was too wide changes nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from terrafair.execution.engines.openeo.graph import Graph, Node, NodeReference

LOADERS = frozenset({"load_collection", "load_stac"})
_FILTERS = {"spatial": "filter_bbox", "temporal": "filter_temporal"}
_BOTH = frozenset({"filter_bands", "ndvi", "apply", "mask_polygon", "filter_spatial"})
_KEEPING = {
    "spatial": (_BOTH - {"filter_spatial"})
    | {"filter_temporal", "filter_labels", "aggregate_temporal", "aggregate_temporal_period", "rename_labels", "mask"}
    | {"merge_cubes", "add_dimension", "drop_dimension", "reduce_dimension", "apply_dimension"},
    "temporal": _BOTH | {"filter_bbox", "aggregate_spatial", "resample_spatial", "reduce_dimension"},
}
"""Facet -> processes that keep to their own pixel, or date. Rasters that `mask` and `merge_cubes` warp need neighbours,
which is why loaders leave a margin around the area."""
_ALONG = {
    "spatial": frozenset({"t", "time", "temporal", "bands", "band", "spectral"}),
    "temporal": frozenset({"bands", "band", "spectral", "x", "y"}),
}
"""Facet -> dimensions along which a reducer may work."""
_FOREIGN = frozenset({"run_udf", "load_collection", "load_stac"})
"""In callbacks these may look anywhere."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What all use of a loader's data is cut to."""

    extent: Any
    """As written, parameters not resolved."""
    node: str
    """The filter, or one of several that ask for the same."""


def cut(graph: Graph, loader: str, facet: str) -> Cut | None:
    """The one extent that all paths from a loader are cut to; None where there is no such.

    `facet` is spatial or temporal.
    """
    consumers = _consumers(graph)
    found: list[Cut] = []
    pending, seen = [loader], set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in graph.results or not consumers.get(name):
            return None
        for node, argument in consumers[name]:
            if node.process == _FILTERS[facet] and argument == "data" and not node.namespace:
                found.append(Cut(node.arguments.get("extent"), node.id))
            elif _keeps(node, facet):
                pending.append(node.id)
            else:
                return None
    if not found or any(each.extent != found[0].extent for each in found) or [*_references(found[0].extent)]:
        return None
    return found[0]


def _consumers(graph: Graph) -> dict[str, list[tuple[Node, str]]]:
    consumers: dict[str, list[tuple[Node, str]]] = {}
    for node in graph.nodes.values():
        for argument, value in node.arguments.items():
            for name in _references(value):
                consumers.setdefault(name, []).append((node, argument))
    return consumers


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, NodeReference):
        yield value.id
    elif isinstance(value, dict):
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def _keeps(node: Node, facet: str) -> bool:
    if node.namespace or node.process not in _KEEPING[facet]:
        return False
    callbacks = [value for value in node.arguments.values() if isinstance(value, Graph)]
    if any(part.uses(process) for part in callbacks for process in _FOREIGN):
        return False
    if node.process in {"reduce_dimension", "apply_dimension"}:
        along = (node.arguments.get("dimension"), node.arguments.get("target_dimension", node.arguments["dimension"]))
        return all(isinstance(each, str) and each in _ALONG[facet] for each in along)
    return True
