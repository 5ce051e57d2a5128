"""Checks a process graph without running it, by carrying what is known of values from node to node.

`validate` gives the problems that keep a graph from running; `review` also what is odd, and an estimate.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from terrafair.errors import Problem, TerrafairError
from terrafair.execution.engines.openeo import fitting, propagation
from terrafair.execution.engines.openeo.abstract import ANY, Cube, Items, Some, cube_of, describe, nearest
from terrafair.execution.engines.openeo.call import Call, Report, check_bands
from terrafair.execution.engines.openeo.definition import Definition, definitions
from terrafair.execution.engines.openeo.evaluate import (
    CALL_LIMIT,
    IGNORED,
    OLD_NAMES,
    Process,
    bind_parameters,
    unknown_process,
)
from terrafair.execution.engines.openeo.graph import (
    CALLBACKS,
    Graph,
    Node,
    NodeReference,
    Parameter,
    ParameterReference,
    check_calls,
    is_plain,
    needs,
    parse,
)
from terrafair.execution.engines.openeo.processes.udfs import RUNTIMES
from terrafair.execution.engines.openeo.registry import elementwise, processes
from terrafair.execution.engines.openeo.save import FORMATS, NAMES
from terrafair.execution.engines.openeo.sizes import with_sizes
from terrafair.execution.engines.openeo.udps import Definitions

LOADED_LIMIT = 2 * 2**40
"""Bytes that one graph may load by default."""
_SIDE_EFFECTS = frozenset(
    {"save_result", "inspect", "save_ml_model", "export_workspace", "export_collection", "stac_modify"}
)


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a graph."""

    collections: Callable[[str], Mapping[str, Any] | None] | None = None
    """Collection id -> its STAC document with `cube:dimensions`; None where it is not known which there are."""
    definitions: Mapping[str, Any] = field(default_factory=dict)
    """User-defined processes: id, or URL of the namespace -> their document."""
    fetch: Callable[[str, str], Mapping[str, Any] | None] | None = None
    """Process id and URL of the namespace -> the definition there."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values of parameters."""
    byte_limit: int = LOADED_LIMIT


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a graph will cost, as far as its data are described."""

    loaded: int | None
    """Bytes of all that is loaded, uncompressed; None: not known."""
    results: int | None
    """Bytes of the results."""
    nodes: int
    """Calls, those in callbacks and user-defined processes included."""


@dataclass(frozen=True, slots=True)
class Review:
    """All that the check found."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()
    estimate: Estimate | None = None


def validate(document: Any, context: Context = Context()) -> list[Problem]:
    """Every problem of a graph, each with node id, argument, what, why and remedy; `codes.name_of` names its error."""
    return list(review(document, context).problems)


def review(document: Any, context: Context = Context()) -> Review:
    """Check a graph: a bare mapping of nodes, a process with parameters, or one of those as JSON text."""
    try:
        if isinstance(document, bytes | str):
            from terrafair.execution.engines.openeo.graph import read

            graph = read(document, tuple(context.values))
        else:
            graph = parse(document, tuple(context.values))
    except TerrafairError as fault:
        return Review(fault.problems)
    checker = _Checker(context)
    try:
        results = checker.top(graph)
    except TerrafairError as fault:
        return Review((*checker.problems, *fault.problems), tuple(checker.warnings))
    estimate = Estimate(checker.loaded, _bytes(results), checker.count)
    if estimate.loaded is not None and estimate.loaded > context.byte_limit:
        what = f"The graph loads about {_size(estimate.loaded)}."
        why = f"The limit is {_size(context.byte_limit)}."
        remedy = "Choose a smaller area, fewer bands or a shorter time."
        checker.problems.append(Problem(what, why, remedy, "", "estimate-too-large"))
    return Review(tuple(checker.problems), tuple(checker.warnings), estimate)


def _bytes(results: list[Any]) -> int | None:
    sizes = [value.bytes if isinstance(value, Cube) else 0 for value in results]
    return None if None in sizes else sum(size for size in sizes if size is not None)


def _size(count: int) -> str:
    unit = min(int(math.log(max(count, 1), 1024)), 4)
    return f"{count / 1024**unit:.1f} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[unit]}"


@dataclass(slots=True)
class _Scope:
    """One graph with what is known of its parameters and results."""

    graph: Graph
    parameters: Mapping[str, Any]
    path: tuple[str, ...] = ()
    results: dict[str, Any] = field(default_factory=dict)


class _Checker:
    """Walks graphs in the order of evaluation and collects what it finds."""

    def __init__(self, context: Context) -> None:
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.loaded: int | None = 0
        self.count = 0
        self._context = context
        self._library: Mapping[str, Process] = processes()
        self._known: Mapping[str, Definition] = definitions()
        self._documents = dict(context.definitions)
        self._definitions = Definitions(self._documents)

    def top(self, graph: Graph) -> list[Any]:
        scope = _Scope(graph, {**{p.name: _of_parameter(p) for p in graph.parameters}, **self._context.values})
        self._walk(scope)
        self._check_results(graph)
        return [self._left(scope, name) for name in graph.results]

    def _left(self, scope: _Scope, name: str) -> Any:
        """What a result node leaves behind: save_result leaves the cube that it is given."""
        node = scope.graph.nodes[name]
        if node.process == "save_result" and not node.namespace and "data" in node.arguments:
            return self._value(scope, node.arguments["data"])
        return scope.results.get(name, ANY)

    def _walk(self, scope: _Scope) -> None:
        for node in scope.graph.nodes.values():
            self.count += 1
            check_calls(self.count)
            scope.results[node.id] = self._node(scope, node)

    def _check_results(self, graph: Graph) -> None:
        flagged = [node.id for node in graph.nodes.values() if node.result]
        used = {need for node in graph.nodes.values() for need in needs(node)}
        ends = [node.id for node in graph.nodes.values() if node.id not in used]
        if not flagged and len(ends) > 1 and not all(graph.nodes[end].process in _SIDE_EFFECTS for end in ends):
            what = f"No node is the result, and {len(ends)} nodes could be: {', '.join(ends[:10])}."
            why = "A process graph says which value it gives."
            self.problems.append(Problem(what, why, 'Flag one node with "result": true.', ends[0], "result-missing"))
            return
        reached = self._reached(
            graph, [*flagged, *(e for e in ends if graph.nodes[e].process in _SIDE_EFFECTS)] or ends
        )
        for name in graph.nodes:
            if name not in reached:
                what = f"The node {name} ({graph.nodes[name].process}) leads to no result."
                remedy = "Use its value, save it, or remove the node."
                self.warnings.append(Problem(what, "It is computed for nothing.", remedy, name, "node-unreachable"))

    def _reached(self, graph: Graph, ends: list[str]) -> set[str]:
        reached: set[str] = set()
        pending = list(ends)
        while pending:
            name = pending.pop()
            if name not in reached:
                reached.add(name)
                pending.extend(needs(graph.nodes[name]))
        return reached

    # Nodes

    def _node(self, scope: _Scope, node: Node) -> Any:
        where = "/".join((*scope.path, node.id))
        arguments = {name: self._value(scope, value) for name, value in node.arguments.items()}
        graph = self._definition(node)
        if graph is not None:
            return self._user_defined(graph, node, arguments, scope, where)
        if "://" in node.namespace:
            what = f"The process {node.process} of {node.namespace} could not be found."
            remedy = "Publish its definition where it can be read, or put it into the graph."
            self.problems.append(Problem(what, "", remedy, where, "process-unsupported"))
            return ANY
        if node.process not in self._library or node.process not in self._known:
            fault = unknown_process(node.process, self._library).problem
            self.problems.append(Problem(fault.what, fault.why, fault.remedy, where, fault.code))
            return ANY
        return self._predefined(node, arguments, scope, where)

    def _predefined(self, node: Node, given: dict[str, Any], scope: _Scope, where: str) -> Any:
        definition, process = self._known[node.process], self._library[node.process]
        arguments = {OLD_NAMES.get((node.process, name), name): value for name, value in given.items()}

        def report(
            what: str, why: str = "", remedy: str = "", argument: str = "", code: str = "argument-value"
        ) -> None:
            self.problems.append(Problem(what, why, remedy, f"{where}/{argument}" if argument else where, code))

        self._check_names(definition, process, arguments, where)
        inside = {
            name: self._callback(node, name, value, arguments, scope)
            for name, value in arguments.items()
            if isinstance(value, Graph)
        }  # fmt: skip
        for name, value in arguments.items():
            argument = definition.argument(name)
            if isinstance(value, Items) and process.elementwise:
                # Back-ends compute with arrays of pixels as with single ones.
                continue
            if argument is not None and (reason := fitting.misfit(argument, value)):
                what = f"{node.process} gets {describe(value)} as `{name}`."
                remedy = 'Write it as {"process_graph": {...}}.' if "a process" in reason else ""
                report(what, reason, remedy, name, "argument-type")
        if node.process in {"load_collection", "load_stac"}:
            return self._loaded_cube(node.process, arguments, where)
        if node.process == "save_result":
            self._check_format(arguments, where)
        if node.process == "run_udf":
            _check_runtime(arguments, report)
        call = Call(node.process, arguments, report, inside)
        if node.process not in propagation.RULES and elementwise(node.process):
            found = propagation.ELEMENTWISE(call)
            return found if isinstance(found, Items) else propagation.of_type(definition.returns)
        return propagation.result(call, definition.returns)

    def _check_names(self, definition: Definition, process: Process, arguments: Mapping[str, Any], where: str) -> None:
        known = [argument.name for argument in definition.arguments]
        strange = [name for name, value in arguments.items() if name not in known and value is not None]
        # The library is laxer than the specification here and there; who checks a graph wants to know.
        needed = {*process.required, *(each.name for each in definition.arguments if not each.optional)}
        missing = [name for name in known if name in needed and name not in arguments]
        for name in missing:
            near = next((each for each in strange if nearest(name, [each]).startswith("Did") or len(strange) == 1), "")
            remedy = f"Rename {near} to {name}." if near else f"It takes: {', '.join(known) or 'nothing'}."
            what = f"{definition.name} needs the argument {name!r}."
            self.problems.append(Problem(what, "", remedy, f"{where}/{name}", "argument-missing"))
            if near:
                strange.remove(near)
        free = [name for name in known if name not in arguments]
        for name in strange:
            if name in IGNORED:
                continue
            hint = nearest(name, free)
            what = f"{definition.name} has no argument {name!r}."
            problem = Problem(what, "", hint or "Leave it out.", f"{where}/{name}", "argument-unknown")
            # Back-ends have arguments of their own; only what looks misspelt is held against a graph.
            (self.problems if hint.startswith("Did") else self.warnings).append(problem)

    def _check_format(self, arguments: Mapping[str, Any], where: str) -> None:
        form = arguments.get("format")
        if isinstance(form, str) and form and form.lower() not in FORMATS:
            what = f"save_result: the format {form!r} is not known."
            remedy = nearest(form, NAMES.split(", "))
            self.problems.append(Problem(what, f"Known: {NAMES}.", remedy, f"{where}/format", "format-unsupported"))

    def _loaded_cube(self, process: str, arguments: Mapping[str, Any], where: str) -> Cube:
        name = "id" if process == "load_collection" else "url"
        reference = arguments.get(name)
        document = None
        if isinstance(reference, str) and self._context.collections is not None:
            document = self._context.collections(reference)
            if document is None and process == "load_collection":
                what = f"The collection {reference!r} is not on this platform."
                why = "A graph names collections by ids that each back-end chooses for itself."
                remedy = "Give the data through load_stac, or let the operator register the collection."
                self.problems.append(Problem(what, why, remedy, f"{where}/id", "collection-unknown"))
        if document is None:
            self.loaded = None
            return Cube()
        cube = with_sizes(cube_of(document), document, arguments)
        own = next(iter(cube.of_kind("bands")), None)
        wanted = arguments.get("bands")
        if own is not None and isinstance(wanted, list) and not any(isinstance(b, Some | Items) for b in wanted):

            def report(what: str, why: str = "", remedy: str = "", argument: str = "", code: str = "") -> None:
                self.problems.append(Problem(what, why, remedy, f"{where}/{argument}", code))

            check_bands(Call(process, arguments, report, {}), own, wanted, "bands")
            cube = cube.changed(own, replace(own, labels=tuple(wanted)))
        self.loaded = None if self.loaded is None or cube.bytes is None else self.loaded + cube.bytes
        return cube

    # Callbacks and user-defined processes

    def _callback(self, node: Node, argument: str, graph: Graph, arguments: Mapping[str, Any], scope: _Scope) -> Any:
        inner = {**scope.parameters, **self._handed(node.process, argument, arguments)}
        within = _Scope(graph, inner, (*scope.path, node.id, argument))
        self._walk(within)
        return within.results.get(graph.results[0], ANY) if graph.results else ANY

    def _handed(self, process: str, argument: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """What the parameters of a callback are."""
        names = CALLBACKS.get((process, argument), frozenset({"x", "y", "data", "value", "index", "label", "context"}))
        found: dict[str, Any] = dict.fromkeys(names, ANY)
        found["context"] = arguments.get("context", ANY)
        if "index" in found:
            found["index"] = Some("number")
        if "parameters" in found:
            found["parameters"] = Items()
        if process in {"apply", "merge_cubes"}:
            found.update(dict.fromkeys({"x", "y"} & names, Some("number")))
        if "data" in names and process not in {"apply_neighborhood", "apply_polygon", "chunk_polygon"}:
            found["data"] = self._values_along(process, arguments)
        return found

    def _values_along(self, process: str, arguments: Mapping[str, Any]) -> Items:
        cube, name = arguments.get("data"), arguments.get("dimension")
        if process not in {"reduce_dimension", "apply_dimension"} or not isinstance(cube, Cube):
            return Items()
        along = cube.find(name)
        if along is None:
            return Items()
        labels = along.labels
        if labels is not None and along.aliases:
            labels = (*labels, *along.aliases) if along.kind == "bands" else labels
        return Items(labels if along.kind == "bands" else None, along.count)

    def _definition(self, node: Node) -> Graph | None:
        found = self._definitions.find(node.process, node.namespace)
        if found is None and "://" in node.namespace and self._context.fetch is not None:
            document = self._context.fetch(node.process, node.namespace)
            if document is not None:
                self._documents[node.namespace.rstrip("/")] = document
                found = self._definitions.find(node.process, node.namespace)
        return found

    def _user_defined(self, graph: Graph, node: Node, arguments: Mapping[str, Any], scope: _Scope, where: str) -> Any:
        if len(scope.path) >= CALL_LIMIT:
            what = f"User-defined processes call each other more than {CALL_LIMIT} levels deep: {node.process}."
            problem = Problem(what, "It most likely calls itself.", "", where, "process-recursion")
            if problem.code not in {each.code for each in self.problems}:
                self.problems.append(problem)
            return ANY
        try:
            bound = bind_parameters(
                graph.parameters, {n: v for n, v in arguments.items() if n not in IGNORED}, node.process
            )
        except TerrafairError as fault:
            self.problems += [replace(each, where=f"{where}/{each.where}") for each in fault.problems]
            return ANY
        inner = _Scope(graph, bound, (*scope.path, node.id))
        self._walk(inner)
        return inner.results.get(graph.results[0], ANY)

    def _value(self, scope: _Scope, value: Any) -> Any:
        if isinstance(value, NodeReference):
            return scope.results.get(value.id, ANY)
        if isinstance(value, ParameterReference):
            return scope.parameters.get(value.name, ANY)
        if isinstance(value, list):
            return value if is_plain(value) else [self._value(scope, each) for each in value]
        if isinstance(value, Mapping):
            return {key: self._value(scope, each) for key, each in value.items()}
        return value


def _check_runtime(arguments: Mapping[str, Any], report: Report) -> None:
    runtime = arguments.get("runtime")
    if isinstance(runtime, str) and runtime.lower() not in RUNTIMES:
        what = f"run_udf: the runtime {runtime!r} is not here."
        report(what, "", "Write the code for the runtime Python.", "runtime", "udf-runtime")


def _of_parameter(parameter: Parameter) -> Any:
    """What is known of a parameter that has no value yet."""
    schema = parameter.schema
    if not isinstance(schema, Mapping):
        return ANY
    if schema.get("subtype") in {"datacube", "raster-cube", "vector-cube"}:
        return Cube()
    kind = schema.get("type")
    kind = "number" if kind == "integer" else kind
    # Optional ones may be null.
    known = parameter.required and kind in {"number", "boolean", "string", "array"}
    return Some(str(kind)) if known else ANY
