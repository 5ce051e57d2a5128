"""Parses openEO process graphs into frozen values, and says everything that is wrong with them at once."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import InvalidInput, InvalidInputs, Problem

NODE_LIMIT = 5000
DEPTH_LIMIT = 50
BYTE_LIMIT = 20 * 2**20
ELEMENT_LIMIT = 2_000_000
NAME_LIMIT = 150
_LARGE = "graph-too-large"
_PLAIN = frozenset({int, float, str, bool, type(None)})
CALLS = 50_000
"""Nodes of a graph with those of all user-defined processes that it calls, and that these call."""

_UNDER_CONDITION = frozenset({"x", "index", "label", "element", "context"})
_DATA = frozenset({"data", "context"})
CALLBACKS: Mapping[tuple[str, str], frozenset[str]] = {
    **{
        (process, "reducer"): _DATA
        for process in (
            "aggregate_spatial",
            "aggregate_spatial_window",
            "aggregate_temporal",
            "aggregate_temporal_period",
            "reduce_dimension",
            "reduce_spatial",
        )
    },
    **{
        (process, "process"): _DATA
        for process in ("apply_dimension", "apply_neighborhood", "apply_polygon", "chunk_polygon")
    },
    ("apply", "process"): frozenset({"x", "context"}),
    ("array_apply", "process"): _UNDER_CONDITION,
    ("array_filter", "condition"): _UNDER_CONDITION,
    ("count", "condition"): _UNDER_CONDITION,
    ("filter_labels", "condition"): frozenset({"value", "context"}),
    ("merge_cubes", "overlap_resolver"): frozenset({"x", "y", "context"}),
    ("load_collection", "properties"): frozenset({"value"}),
    ("load_stac", "properties"): frozenset({"value"}),
    ("fit_curve", "function"): frozenset({"x", "parameters"}),
    ("predict_curve", "function"): frozenset({"x", "parameters"}),
}
"""(process, argument) -> the parameters that a callback in it may use."""
_ANY_CALLBACK = frozenset().union(*CALLBACKS.values())


@dataclass(frozen=True, slots=True)
class NodeReference:
    """`{"from_node": ...}`."""

    id: str


@dataclass(frozen=True, slots=True)
class ParameterReference:
    """`{"from_parameter": ...}`."""

    name: str


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter that a user-defined process declares."""

    name: str
    required: bool = True
    default: Any = None
    schema: Any = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """One call of a process."""

    id: str
    process: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Values, with `NodeReference`, `ParameterReference` and `Graph` (a callback) in the places of theirs."""
    namespace: str = ""
    """`user`, a URL, or empty."""
    result: bool = False


@dataclass(frozen=True, slots=True)
class Graph:
    """A process graph whose references hold."""

    nodes: Mapping[str, Node]
    """By id, each node after those that it refers to."""
    results: tuple[str, ...]
    """Nodes flagged `result`, then those that nothing refers to."""
    parameters: tuple[Parameter, ...] = ()
    id: str = ""

    def uses(self, process: str) -> bool:
        """Tell whether a process is called here or in a callback."""
        return any(node.process == process for node in self.walk())

    def walk(self) -> Iterator[Node]:
        """Give all nodes, those of callbacks included."""
        for node in self.nodes.values():
            yield node
            for part in _graphs(node.arguments):
                yield from part.walk()


def check_calls(count: int) -> None:
    """Raise `InvalidInput` where user-defined processes that call each other add up to too much."""
    if count > CALLS:
        what = f"The graph calls more than {CALLS} processes, with those of its user-defined processes."
        raise InvalidInput(what, "Each of them calls several others.", "Take a process less.", code=_LARGE)


def read(content: bytes | str, known: Sequence[str] = ()) -> Graph:
    """Parse a JSON document; see `parse`."""
    if len(content) > BYTE_LIMIT:
        raise InvalidInput(f"The process graph has {len(content)} bytes; the limit is {BYTE_LIMIT}.", code=_LARGE)
    try:
        return parse(json.loads(content), known)
    except UnicodeDecodeError as fault:
        raise InvalidInput("The process graph is not UTF-8 text.", str(fault)) from None
    except ValueError as fault:
        raise InvalidInput(f"The process graph is not valid JSON: {fault}.", remedy="Check its syntax.") from None
    except RecursionError:
        raise InvalidInput(f"The process graph is nested more than {DEPTH_LIMIT} levels deep.") from None


def parse(document: Any, known: Sequence[str] = ()) -> Graph:
    """Parse a bare mapping of nodes, `{"process_graph": ...}`, `{"process": ...}` or a user-defined process.

    `known` are parameters that have values although the document does not declare them. Raises `InvalidInputs` with
    every problem.
    """
    reader = _Reader()
    body, described = _body(document)
    parameters = reader.parameters(described.get("parameters"))
    names = {parameter.name for parameter in parameters} | set(known)
    identifier = described.get("id")
    graph = reader.graph(body, names, parameters, identifier if isinstance(identifier, str) else "")
    if reader.problems or graph is None:
        raise InvalidInputs(reader.problems)
    return graph


def _body(document: Any) -> tuple[Any, Mapping[str, Any]]:
    """The mapping of nodes, and the description around it."""
    for _ in range(3):
        if not isinstance(document, Mapping):
            break
        if isinstance(document.get("process_graph"), Mapping) and "process_id" not in document["process_graph"]:
            return document["process_graph"], document
        if isinstance(document.get("process"), Mapping) and "process_id" not in document["process"]:
            document = document["process"]
            continue
        if document and all(_is_node(node) for node in document.values()):
            return document, {}
        break
    found = f"with the keys {', '.join(map(str, list(document)[:8]))}" if isinstance(document, Mapping) else ""
    raise InvalidInput(
        f"The document is no process graph; it is {_kind(document)} {found}".strip() + ".",
        "A process graph maps node ids to objects with `process_id` and `arguments`.",
        'Give that mapping, or put it under "process_graph".',
        code="graph-missing",
    )


def _is_node(value: Any) -> bool:
    return isinstance(value, Mapping) and "process_id" in value


class _Reader:
    """Walks a document once and collects problems."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._count = 0
        self._elements = 0

    def parameters(self, declared: Any) -> tuple[Parameter, ...]:
        if declared is None:
            return ()
        if not isinstance(declared, list):
            self._add("`parameters` is not a list.", "", "Write a list of objects with `name` and `schema`.")
            return ()
        found = []
        for number, entry in enumerate(declared):
            if not isinstance(entry, Mapping) or not isinstance(entry.get("name"), str):
                self._add(
                    f"Parameter {number} has no name.", "", "Give each parameter a `name`.", f"parameters/{number}"
                )
                continue
            optional = bool(entry.get("optional")) or "default" in entry
            text = str(entry.get("description") or "")
            found.append(Parameter(entry["name"], not optional, entry.get("default"), entry.get("schema"), text))
        return tuple(found)

    def graph(
        self, body: Any, names: set[str], parameters: tuple[Parameter, ...] = (), identifier: str = "", depth: int = 0,
        within: str = "",
    ) -> Graph | None:  # fmt: skip
        if depth > DEPTH_LIMIT:
            self._add(f"Callbacks are nested more than {DEPTH_LIMIT} levels deep.", where=within, code=_LARGE)
            return None
        if not isinstance(body, Mapping) or not body:
            self._add("The process graph has no nodes.", remedy="Add a node with `process_id`.", where=within)
            return None
        self._count += len(body)
        if self._count > NODE_LIMIT:
            self._add(f"The process graph has more than {NODE_LIMIT} nodes.", where=within, code=_LARGE)
            return None
        nodes: dict[str, Node] = {}
        for key, value in body.items():
            if (node := self._node(str(key), value, body, names, depth, within)) is not None:
                nodes[node.id] = node
        ordered = self._order(nodes, within)
        if ordered is None:
            return None
        return Graph(ordered, self._results(ordered, depth, within), parameters, identifier)

    def _node(
        self, key: str, value: Any, body: Mapping[str, Any], names: set[str], depth: int, within: str
    ) -> Node | None:
        where = f"{within}{key}"
        if not isinstance(value, Mapping):
            self._add(f"The node is {_kind(value)}.", "A node is an object with `process_id`.", where=where)
            return None
        if len(key) > NAME_LIMIT:
            what = f"The id of the node has {len(key)} letters."
            self._add(what, "Outputs are named for it.", f"{NAME_LIMIT} are enough.", f"{where[:50]}...", _LARGE)
            return None
        process = value.get("process_id")
        if not isinstance(process, str) or not process:
            self._add("The node names no process.", remedy="Add `process_id`.", where=where, code="process-missing")
            return None
        arguments = value.get("arguments", {})
        if not isinstance(arguments, Mapping):
            what = f"`arguments` of {process} is {_kind(arguments)}."
            self._add(what, "Arguments are named.", "Write an object: argument name -> value.", where)
            return None
        parsed = {
            str(name): self._value(argument, _Place(process, str(name), f"{where}/{name}", body, names, depth))
            for name, argument in arguments.items()
        }
        namespace = value.get("namespace")
        return Node(key, process, parsed, str(namespace or ""), value.get("result") is True)

    def _items(self, value: list[Any], place: "_Place", level: int) -> list[Any]:
        if is_plain(value) and self._elements + len(value) <= ELEMENT_LIMIT:
            self._elements += len(value)
            return list(value)
        return [self._value(each, place, level + 1) for each in value]

    def _value(self, value: Any, place: "_Place", level: int = 0) -> Any:
        self._elements += 1
        if self._elements > ELEMENT_LIMIT:
            if self._elements == ELEMENT_LIMIT + 1:
                self._add(
                    f"The arguments hold more than {ELEMENT_LIMIT} values.", "", "Load them.", place.where, _LARGE
                )
            return None
        if level > DEPTH_LIMIT:
            self._add(f"The argument is nested more than {DEPTH_LIMIT} levels deep.", where=place.where, code=_LARGE)
            return None
        if isinstance(value, list):
            return self._items(value, place, level)
        if not isinstance(value, Mapping):
            return value
        if set(value) == {"from_node"}:
            return self._from_node(value["from_node"], place)
        if set(value) == {"from_parameter"}:
            return self._from_parameter(value["from_parameter"], place)
        if set(value) == {"from_argument"}:
            # The name of version 0.4, still in use.
            old = value["from_argument"]
            known = old in place.names or old not in place.body
            return self._from_parameter(old, place) if known else self._from_node(old, place)
        if isinstance(value.get("process_graph"), Mapping):
            return self._callback(value["process_graph"], place)
        if value and all(_is_node(each) for each in value.values()):
            return self._callback(value, place)
        return {str(key): self._value(each, place, level + 1) for key, each in value.items()}

    def _from_node(self, name: Any, place: "_Place") -> NodeReference:
        if str(name) not in place.body:
            near = difflib.get_close_matches(str(name), [str(key) for key in place.body], 3)
            remedy = (
                f"Did you mean {', '.join(near)}?" if near else f"Nodes: {', '.join(map(str, list(place.body)[:20]))}."
            )
            what = f"{place.process} takes its {place.argument} from the node {name!r}, which does not exist here."
            why = "References reach nodes of the same process graph only."
            self._add(what, why, remedy, place.where, "node-unknown")
        return NodeReference(str(name))

    def _from_parameter(self, name: Any, place: "_Place") -> ParameterReference:
        if name not in place.names:
            near = difflib.get_close_matches(str(name), place.names, 3)
            known = ", ".join(sorted(place.names)) or "none"
            remedy = f"Did you mean {', '.join(near)}?" if near else f"Known parameters: {known}."
            what = f"{place.process} takes its {place.argument} from the parameter {name!r}, which nobody defines."
            self._add(what, "", remedy + " Declare it, or give its value.", place.where, "parameter-unknown")
        return ParameterReference(str(name))

    def _callback(self, body: Any, place: "_Place") -> Graph | None:
        own = CALLBACKS.get((place.process, place.argument), _ANY_CALLBACK)
        return self.graph(body, place.names | own, depth=place.depth + 1, within=f"{place.where}/")

    def _order(self, nodes: Mapping[str, Node], within: str) -> dict[str, Node] | None:
        """Each node after those that it needs, in the document's order where that is free."""
        ordered: dict[str, Node] = {}
        for start in nodes:
            path: list[str] = []
            pending = [(start, iter(needs(nodes[start])))]
            path.append(start)
            while pending and start not in ordered:
                current, waiting = pending[-1]
                following = next((each for each in waiting if each in nodes and each not in ordered), None)
                if following is None:
                    ordered[current] = nodes[current]
                    pending.pop()
                    path.pop()
                elif following in path:
                    circle = " -> ".join([*path[path.index(following) :], following])
                    what = f"The nodes wait for each other: {circle}."
                    self._add(what, "A process graph has no cycles.", "Break the cycle.", within + following, "cycle")
                    return None
                else:
                    path.append(following)
                    pending.append((following, iter(needs(nodes[following]))))
        return ordered

    def _results(self, nodes: Mapping[str, Node], depth: int, within: str) -> tuple[str, ...]:
        flagged = [name for name, node in nodes.items() if node.result]
        used = {need for node in nodes.values() for need in needs(node)}
        loose = [name for name in nodes if name not in used and name not in flagged]
        if not depth:
            return (*flagged, *loose)
        candidates = flagged or loose
        if len(candidates) != 1:
            listed = ", ".join(candidates) or "none"
            what = f"The callback has {len(candidates)} result nodes: {listed}."
            self._add(what, "A callback gives one value.", "Flag one node with `result`: true.", within.rstrip("/"))
        return tuple(candidates)

    def _add(self, what: str, why: str = "", remedy: str = "", where: str = "", code: str = "graph-invalid") -> None:
        self.problems.append(Problem(what, why, remedy, where, code))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the document a value stands."""

    process: str
    argument: str
    where: str
    body: Mapping[str, Any]
    names: set[str]
    depth: int


def is_plain(values: list[Any]) -> bool:
    """Whether a list holds numbers, texts, truth values and nulls only; such ones need no walk of their own."""
    return _PLAIN.issuperset(map(type, values))


def needs(node: Node) -> Iterator[str]:
    """The nodes that a node refers to; callbacks see their own nodes only."""
    stack: list[Any] = list(reversed(list(node.arguments.values())))
    while stack:
        value = stack.pop()
        if isinstance(value, NodeReference):
            yield value.id
        elif isinstance(value, list):
            stack.extend(() if is_plain(value) else reversed(value))
        elif isinstance(value, Mapping):
            stack.extend(reversed(list(value.values())))


def _graphs(value: Any) -> Iterator[Graph]:
    if isinstance(value, Graph):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _graphs(each)
    elif isinstance(value, list) and not is_plain(value):
        for each in value:
            yield from _graphs(each)


def _kind(value: Any) -> str:
    """A value's JSON type, with its article."""
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
