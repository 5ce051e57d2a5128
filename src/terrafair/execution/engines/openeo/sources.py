"""What a graph loads, found without running it: references with the area, time and bands that they are wanted for."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.execution.engines.openeo import instants, pushdown
from terrafair.execution.engines.openeo.area import Box
from terrafair.execution.engines.openeo.evaluate import CALL_LIMIT
from terrafair.execution.engines.openeo.graph import (
    CALLBACKS,
    Graph,
    Node,
    NodeReference,
    ParameterReference,
    check_calls,
    is_plain,
)
from terrafair.execution.engines.openeo.udps import Definitions

LOADERS: Mapping[str, tuple[str, str]] = {
    "load_collection": ("id", "collection"),
    "load_stac": ("url", "stac"),
    "load_url": ("url", "file"),
    "load_uploaded_files": ("paths", "file"),
    "run_udf": ("udf", "code"),
}
"""Process -> the argument with the reference, and how it is staged."""


class _Unknown:
    """A value that only the run will tell."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN = _Unknown()


@dataclass(frozen=True, slots=True)
class Need:
    """One reference at one place of the graph."""

    reference: str
    way: str
    """`collection`, `stac`, `file` or `code`."""
    where: str
    """The node, with the user-defined processes around it."""
    spatial: Any = None
    """A bounding box or GeoJSON as written; None: everything."""
    temporal: Any = None
    bands: tuple[str, ...] = ()
    cut: str = ""
    """The filter that area or time come from, where the loader itself names none."""


@dataclass(slots=True)
class Found:
    """All needs of a graph, and the places whose reference is not known before the run."""

    needs: list[Need] = field(default_factory=list)
    computed: list[Problem] = field(default_factory=list)
    calls: int = 0
    """Nodes seen so far."""


def find(graph: Graph, values: Mapping[str, Any], definitions: Definitions) -> Found:
    """Walk a graph with its callbacks and user-defined processes, following parameters to their values."""
    found = Found()
    defaults = {each.name: each.default for each in graph.parameters if not each.required}
    _walk(graph, {**defaults, **values}, definitions, (), found)
    return found


def calls(graph: Graph, definitions: Definitions) -> Iterator[tuple[str, Node]]:
    """Every call with the place where it stands, inside callbacks and user-defined processes too.

    Raises `InvalidInput` for a user-defined process that cannot be parsed or calls itself, and for too many calls.
    """
    for number, each in enumerate(_calls(graph, definitions, ())):
        check_calls(number)
        yield each


def _calls(graph: Graph, definitions: Definitions, path: tuple[str, ...]) -> Iterator[tuple[str, Node]]:
    if len(path) > CALL_LIMIT:
        what = f"User-defined processes call each other more than {CALL_LIMIT} levels deep: {path[-1]}."
        raise InvalidInput(what, "It most likely calls itself.", code="process-recursion")
    for node in graph.walk():
        where = "/".join((*path, node.id))
        yield where, node
        definition = definitions.find(node.process, node.namespace)
        if definition is not None:
            yield from _calls(definition, definitions, (*path, node.id))


def _walk(
    graph: Graph, bound: Mapping[str, Any], definitions: Definitions, path: tuple[str, ...], found: Found
) -> None:
    if len(path) > CALL_LIMIT:
        return
    for node in graph.nodes.values():
        found.calls += 1
        check_calls(found.calls)
        arguments = {name: _literal(value, graph, bound) for name, value in node.arguments.items()}
        definition = definitions.find(node.process, node.namespace)
        if definition is not None:
            defaults = {each.name: each.default for each in definition.parameters if not each.required}
            _walk(definition, {**defaults, **arguments}, definitions, (*path, node.id), found)
        elif node.process in LOADERS:
            later, cut = _later(graph, node, arguments, bound)
            _add(node, {**arguments, **later}, "/".join((*path, node.id)), found, "/".join((*path, cut)) if cut else "")
        for name, callback in _callbacks(node.arguments):
            own = CALLBACKS.get((node.process, name), frozenset({"x", "y", "data", "value", "context"}))
            _walk(callback, {**bound, **dict.fromkeys(own, UNKNOWN)}, definitions, (*path, node.id), found)


def _later(
    graph: Graph, node: Node, arguments: Mapping[str, Any], bound: Mapping[str, Any]
) -> tuple[dict[str, Any], str]:
    """Extents that the loader does not name, but filters behind it; and one of those."""
    found: dict[str, Any] = {}
    by = ""
    for facet, check in (("spatial", Box.of), ("temporal", instants.interval)):
        name = f"{facet}_extent"
        if node.process not in pushdown.LOADERS or arguments.get(name) is not None:
            continue
        cut = pushdown.cut(graph, node.id, facet)
        extent = None if cut is None else _known(_literal(cut.extent, graph, bound))
        try:
            if cut is not None and extent is not None and check(extent):
                found[name], by = extent, cut.node
        except TerrafairError:
            # The filter itself will say what is wrong with it.
            continue
    return found, by


def _add(node: Node, arguments: Mapping[str, Any], where: str, found: Found, cut: str = "") -> None:
    argument, way = LOADERS[node.process]
    value = arguments.get(argument)
    if way == "code" and not _is_address(value):
        return
    for reference in value if isinstance(value, list) else [value]:
        if isinstance(reference, str) and reference:
            spatial, temporal = (_known(arguments.get(name)) for name in ("spatial_extent", "temporal_extent"))
            bands = _known(arguments.get("bands"))
            names = tuple(map(str, bands)) if isinstance(bands, list) else ()
            found.needs.append(Need(reference, way, where, spatial, temporal, names, cut))
        elif _has_unknown(reference):
            what = f"The {argument} of {node.process} is computed by the graph."
            why = "Data is staged before the graph runs, so its address must be known by then."
            found.computed.append(
                Problem(what, why, "Write it into the graph or a parameter.", where, "source-computed")
            )
        elif argument in arguments:
            what = f"The {argument} of {node.process} is {reference!r}, not a text."
            found.computed.append(Problem(what, "", "", where, "argument-type"))


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and "\n" not in value.strip() and value.strip().startswith(
        ("http://", "https://", "s3://", "file://", "/")
    )  # fmt: skip


def _literal(value: Any, graph: Graph, bound: Mapping[str, Any]) -> Any:
    if isinstance(value, ParameterReference):
        return bound.get(value.name, UNKNOWN)
    if isinstance(value, NodeReference):
        return _computed(graph.nodes[value.id], graph, bound)
    if isinstance(value, list):
        return value if is_plain(value) else [_literal(each, graph, bound) for each in value]
    if isinstance(value, dict):
        return {key: _literal(each, graph, bound) for key, each in value.items()}
    return UNKNOWN if isinstance(value, Graph) else value


def _computed(node: Node, graph: Graph, bound: Mapping[str, Any]) -> Any:
    """The value of a node that only puts texts and dates together; everything else waits for the run."""
    from terrafair.execution.engines.openeo.processes import dates, math, texts

    own: Mapping[str, Callable[..., Any]] = {
        "constant": math.constant,
        "text_concat": texts.text_concat,
        "date_shift": dates.date_shift,
    }
    if node.process not in own or node.namespace:
        return UNKNOWN
    arguments = {name: _literal(value, graph, bound) for name, value in node.arguments.items()}
    if _has_unknown(arguments):
        return UNKNOWN
    try:
        return own[node.process](**arguments)
    except (TerrafairError, TypeError, ValueError, OverflowError):
        # The run will say what is wrong with it.
        return UNKNOWN


def _has_unknown(value: Any) -> bool:
    if isinstance(value, list):
        return any(_has_unknown(each) for each in value)
    if isinstance(value, Mapping):
        return any(_has_unknown(each) for each in value.values())
    return value is UNKNOWN


def _known(value: Any) -> Any:
    return None if _has_unknown(value) else value


def _callbacks(arguments: Mapping[str, Any]) -> Iterator[tuple[str, Graph]]:
    for name, value in arguments.items():
        stack = [value]
        while stack:
            each = stack.pop()
            if isinstance(each, Graph):
                yield name, each
            elif isinstance(each, dict):
                stack.extend(each.values())
            elif isinstance(each, list):
                stack.extend(each)
