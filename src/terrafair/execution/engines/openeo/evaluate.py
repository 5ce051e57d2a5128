"""Evaluates process graphs: lazily, in a fixed order, every callback in a scope of its own."""

import collections
import difflib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import InvalidInput, InvalidInputs, Problem, TerrafairError, WorkflowFailed
from terrafair.execution.engines.openeo import emptiness, pushdown
from terrafair.execution.engines.openeo.graph import (
    Graph,
    Node,
    NodeReference,
    Parameter,
    ParameterReference,
    is_plain,
    needs,
    parse,
)
from terrafair.execution.engines.openeo.udps import Definitions
from terrafair.execution.engines.openeo.values import Stack, bounded, describe, is_block, json_type

CALL_LIMIT = 20
IGNORED = frozenset({"featureflags", "context"})
"""Arguments of the wild that change nothing."""
OLD_NAMES = {
    ("vector_buffer", "geometry"): "geometries",
    ("apply_polygon", "polygons"): "geometries",
    ("apply_polygon", "chunks"): "geometries",
}
"""(process, argument) of earlier versions -> its name now."""
_NUMBERS = {"number", "integer"}
_CALLBACKS = frozenset({"process", "reducer", "condition", "function"})


@dataclass(frozen=True, slots=True)
class Process:
    """A predefined process."""

    name: str
    function: Callable[..., Any]
    required: tuple[str, ...]
    optional: tuple[str, ...]
    wants_environment: bool = False
    """Whether it is given the environment: sources, results, log."""
    elementwise: bool = False
    """Whether arrays of pixels may stand for single values; it is then applied to each of their elements."""

    @classmethod
    def of(cls, name: str, function: Callable[..., Any], *, elementwise: bool = False) -> "Process":
        """Read the parameters from the function's signature."""
        parameters = list(inspect.signature(function).parameters.values())
        named = [parameter for parameter in parameters if parameter.name != "environment"]
        return cls(
            name,
            function,
            tuple(parameter.name for parameter in named if parameter.default is parameter.empty),
            tuple(parameter.name for parameter in named if parameter.default is not parameter.empty),
            len(named) != len(parameters),
            elementwise,
        )


@dataclass(slots=True)
class Environment:
    """What reaches out of the graph; processes that ask for `environment` get it."""

    sources: Mapping[str, str] = field(default_factory=dict)
    """Reference as written -> local path."""
    results: Any = None
    """`save.Results`; None: nothing can be saved."""
    say: Callable[[str, str], None] = lambda message, level: None  # noqa: ARG005
    """Takes message and level."""
    progress: Callable[[int, int, str], None] = lambda done, total, node: None  # noqa: ARG005
    check: Callable[[], None] = lambda: None
    """Raises `Cancelled` when somebody asked for the end."""
    strict: bool = True
    """Refuse what the specification refuses, also where published graphs rely on it and the meaning is plain."""
    node: str = ""
    """The top-level node under evaluation; outputs are named for it."""
    emptied: list[str] = field(default_factory=list)
    """Why cubes became empty, in the order of evaluation."""
    around: Any = None
    """The bounding box that all use of the next loader's data is cut to; None: unknown."""


@dataclass(slots=True)
class Scope:
    """One evaluation of one graph; its results live and die with it."""

    graph: Graph
    parameters: Mapping[str, Any]
    results: dict[str, Any] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    """The user-defined processes and callbacks around it."""


class Callback:
    """A process graph given as an argument; every call evaluates it afresh."""

    def __init__(self, evaluator: "Evaluator", graph: Graph, outer: Scope, where: str) -> None:
        self._evaluator = evaluator
        # Not the scope: its results are cubes, and one of them is what the callback is being applied to.
        self._parameters = outer.parameters
        self._path = (*outer.path, where)
        self.graph = graph

    def __call__(self, **arguments: Any) -> Any:
        """Evaluate with these parameters over those of the surrounding scope."""
        scope = Scope(self.graph, {**self._parameters, **arguments}, {}, self._path)
        return self._evaluator.value(scope, self.graph.results[0])

    def __getstate__(self) -> dict[str, Any]:
        """To other processes go the parameters that it names: others may be whole cubes."""
        named = set(_parameters_of(self.graph))
        kept = {name: value for name, value in self._parameters.items() if name in named}
        return {"_evaluator": self._evaluator, "_parameters": kept, "_path": self._path, "graph": self.graph}

    def uses(self, process: str) -> bool:
        """Tell whether the process is called anywhere in it."""
        return self.graph.uses(process)


class Evaluator:
    """Runs graphs with a library of processes."""

    def __init__(
        self,
        processes: Mapping[str, Process],
        definitions: Definitions | None = None,
        environment: Environment | None = None,
    ) -> None:
        self._processes = processes
        self._definitions = definitions or Definitions({})
        self.environment = environment or Environment()

    def __reduce__(self) -> tuple[Any, ...]:
        """Callbacks travel to other processes without what reaches out of the graph."""
        known = Environment(self.environment.sources, strict=self.environment.strict)
        return Evaluator, (self._processes, self._definitions, known)

    def run(self, graph: Graph, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Evaluate all result nodes of a graph: node id -> value.

        Raises `InvalidInputs` for parameters that are missing or of the wrong type, `InvalidInput` naming the node for
        what a process refuses, `WorkflowFailed` where it breaks.
        """
        scope = Scope(graph, bind_parameters(graph.parameters, values or {}, ""))
        total = len(graph.nodes)
        for number, name in enumerate(graph.nodes):
            self.environment.node = name
            self.environment.progress(number, total, name)
            self.value(scope, name)
        return {name: scope.results[name] for name in graph.results}

    def value(self, scope: Scope, name: str) -> Any:
        """The value of a node, computed once in its scope."""
        # An explicit stack: long chains of nodes must not exhaust Python's.
        pending = [name]
        while pending:
            current = scope.graph.nodes[pending[-1]]
            if current.id in scope.results:
                pending.pop()
                continue
            missing = [need for need in needs(current) if need not in scope.results]
            if missing:
                pending.extend(missing)
                continue
            self.environment.check()
            scope.results[current.id] = self._call(scope, current)
            pending.pop()
        return scope.results[name]

    def _call(self, scope: Scope, node: Node) -> Any:
        where = "/".join((*scope.path, node.id))
        arguments = {name: self._argument(scope, value, f"{where}/{name}") for name, value in node.arguments.items()}
        definition = self._definitions.find(node.process, node.namespace)
        try:
            if definition is not None:
                return self._call_definition(definition, node, arguments, scope, where)
            if "://" in node.namespace:
                raise InvalidInput(
                    f"The process {node.process} of {node.namespace} is not known here.",
                    remedy="Publish its definition where it can be read.",
                    code="process-unsupported",
                )
            process = self._processes.get(node.process)
            if process is None:
                raise unknown_process(node.process, self._processes)
            return self._call_process(process, node, arguments, scope, where)
        except InvalidInputs as fault:
            raise InvalidInputs([_placed(problem, node, where) for problem in fault.problems]) from fault
        except TerrafairError as fault:
            problem = _placed(fault.problem, node, where)
            raise type(fault)(problem.what, problem.why, problem.remedy, problem.where, problem.code) from fault
        except RecursionError:
            raise InvalidInput(f"{node.process} is nested too deeply.", where=where) from None
        except MemoryError as fault:
            what = f"{node.process} needs more memory than the job may take."
            remedy = "Choose a smaller area or time, or ask for a larger limit."
            raise WorkflowFailed(what, "", remedy, where, "memory-exhausted") from fault
        except (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError) as fault:
            text = str(fault) or type(fault).__name__
            raise WorkflowFailed(f"{node.process} failed: {text}", where=where, code="process-failed") from fault

    def _call_process(self, process: Process, node: Node, arguments: dict[str, Any], scope: Scope, where: str) -> Any:
        bound = bind(process, arguments, self.environment)
        if process.wants_environment:
            bound["environment"] = self.environment
        if process.elementwise and any(isinstance(value, Stack) for value in bound.values()):
            return _elementwise(process, bound)
        if process.name in pushdown.LOADERS:
            later = pushdown.cut(scope.graph, node.id, "spatial")
            self.environment.around = later and self._argument(scope, later.extent, where)
        found = bounded(process.function(**bound))
        if why := emptiness.reason(where, process.name, arguments, found):
            self.environment.emptied.append(why)
        return found

    def _call_definition(
        self, definition: Graph, node: Node, arguments: dict[str, Any], scope: Scope, where: str
    ) -> Any:
        if len(scope.path) >= CALL_LIMIT:
            what = f"User-defined processes call each other more than {CALL_LIMIT} levels deep: {node.process}."
            raise InvalidInput(what, "It most likely calls itself.", code="process-recursion")
        inner = Scope(definition, bind_parameters(definition.parameters, arguments, node.process), {}, (where,))
        inner.path = (*scope.path, node.id)
        for name in definition.nodes:
            self.value(inner, name)
        return inner.results[definition.results[0]]

    def _argument(self, scope: Scope, value: Any, where: str) -> Any:
        if isinstance(value, NodeReference):
            return scope.results[value.id]
        if isinstance(value, ParameterReference):
            if value.name not in scope.parameters:
                what = f"The parameter {value.name!r} has no value."
                raise InvalidInput(what, remedy="Give it one.", where=where, code="parameter-missing")
            return scope.parameters[value.name]
        if isinstance(value, Graph):
            return Callback(self, value, scope, where)
        if isinstance(value, list):
            return list(value) if is_plain(value) else [self._argument(scope, each, where) for each in value]
        if isinstance(value, dict):
            return {key: self._argument(scope, each, where) for key, each in value.items()}
        return value


def _parameters_of(value: Any) -> Iterator[str]:
    """Names of the parameters that a graph refers to, at any depth."""
    if isinstance(value, ParameterReference):
        yield value.name
    elif isinstance(value, Graph):
        for node in value.nodes.values():
            yield from _parameters_of(node.arguments)
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _parameters_of(each)
    elif isinstance(value, list) and not is_plain(value):
        for each in value:
            yield from _parameters_of(each)


def _elementwise(process: Process, bound: dict[str, Any]) -> Any:
    """Stacks and single values side by side: the values go along, as their axes are the last."""
    stacks = [value for value in bound.values() if isinstance(value, Stack)]
    values = {name: value.values if isinstance(value, Stack) else value for name, value in bound.items()}
    found = process.function(**values)
    return Stack(found, stacks[0].labels) if is_block(found) and len(found) == len(stacks[0]) else found


def bind(process: Process, arguments: Mapping[str, Any], environment: Environment) -> dict[str, Any]:
    """Match arguments with the process's parameters; raises `InvalidInputs` for those that are missing or misnamed."""
    known = (*process.required, *process.optional)
    missing = [name for name in process.required if name not in arguments]
    strange = [name for name in arguments if name not in known and arguments[name] is not None]
    problems = []
    if renamed := {name: OLD_NAMES[process.name, name] for name in strange if (process.name, name) in OLD_NAMES}:
        return bind(process, {renamed.get(name, name): value for name, value in arguments.items()}, environment)
    callbacks = [name for name in strange if isinstance(arguments[name], Callback)]
    if len(missing) == len(callbacks) == 1 and missing[0] in _CALLBACKS:
        what = f"{process.name} calls its argument {callbacks[0]!r} {missing[0]!r}; it is taken for that."
        environment.say(what, "warning")
        return bind(
            process,
            {**{k: v for k, v in arguments.items() if k != callbacks[0]}, missing[0]: arguments[callbacks[0]]},
            environment,
        )
    for name in missing:
        near = difflib.get_close_matches(name, strange, 1, 0.5)
        remedy = f"Rename {near[0]} to {name}." if near else f"It takes: {', '.join(known)}."
        what = f"{process.name} needs the argument {name!r}."
        problems.append(Problem(what, "", remedy, name, "argument-missing"))
    if problems:
        raise InvalidInputs(problems)
    for name in strange:
        if name not in IGNORED:
            environment.say(f"{process.name} has no argument {name!r}; it is ignored.", "warning")
    return {name: value for name, value in arguments.items() if name in known}


def bind_parameters(parameters: tuple[Parameter, ...], values: Mapping[str, Any], process: str) -> dict[str, Any]:
    """Values for the parameters of a user-defined process, with defaults; raises `InvalidInputs`."""
    problems = []
    bound = dict(values) if not process else {}
    known = {parameter.name for parameter in parameters}
    owner = process or "The process graph"
    for name in values if process and parameters else ():
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            remedy = f"Did you mean {near[0]}?" if near else f"It takes: {', '.join(sorted(known))}."
            problems.append(Problem(f"{owner} has no parameter {name!r}.", "", remedy, name, "argument-unknown"))
        bound[name] = values[name]
    for parameter in parameters:
        if parameter.name in values:
            bound[parameter.name] = values[parameter.name]
            problems.extend(_type_problem(parameter, values[parameter.name], owner))
        elif parameter.required:
            what = f"{owner} needs the parameter {parameter.name!r}."
            problems.append(Problem(what, parameter.description, "", parameter.name, "parameter-missing"))
        else:
            bound[parameter.name] = parameter.default
    if process and not parameters:
        bound = dict(values)
    if problems:
        raise InvalidInputs(problems)
    return bound


def _type_problem(parameter: Parameter, value: Any, owner: str) -> list[Problem]:
    """Check the JSON type that a parameter's schema asks for; values that are no JSON pass."""
    schemas = parameter.schema if isinstance(parameter.schema, list) else [parameter.schema]
    wanted: set[str] = set()
    for schema in schemas:
        kinds = schema.get("type") if isinstance(schema, Mapping) else None
        if kinds is None:
            return []
        wanted.update(kinds if isinstance(kinds, list) else [kinds])
    found = json_type(value)
    if found is None or found in wanted or (found in _NUMBERS and "number" in wanted):
        return []
    if value is None and not parameter.required:
        return []
    what = f"The parameter {parameter.name!r} of {owner} is {describe(value)}."
    why = f"It takes {' or '.join(sorted(wanted))}."
    return [Problem(what, why, "", parameter.name, "parameter-type")]


def unknown_process(name: str, known: Mapping[str, Any]) -> InvalidInput:
    """The error for a process that nobody knows, with those that are named alike."""
    near = difflib.get_close_matches(name, known, 3)
    return InvalidInput(
        f"The process {name!r} is not known here.",
        remedy=f"Did you mean {', '.join(near)}?" if near else "Choose another, or define it as a process of your own.",
        code="process-unsupported",
    )


def _placed(problem: Problem, node: Node, where: str) -> Problem:
    """A problem with the node it arose at; inner nodes have told theirs already."""
    if problem.where.startswith(where):
        return problem
    at = f"{where}/{problem.where}" if problem.where and problem.where in node.arguments else where
    at = f"{where}/{problem.where}" if problem.where and problem.code == "argument-missing" else at
    return Problem(problem.what, problem.why, problem.remedy, at, problem.code)


def compute(
    document: Any, values: Mapping[str, Any] | None = None, udps: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Evaluate a graph in this process, without a sandbox and without data to load: result node -> value.

    For graphs of our own and for tests; other people's graphs go through `engine.OpenEOEngine`.
    """
    from terrafair.execution.engines.openeo import sources
    from terrafair.execution.engines.openeo.registry import processes

    graph, definitions = parse(document, tuple(values or ())), Definitions(udps or {})
    # Written out, a few processes that call each other come to billions of calls.
    collections.deque(sources.calls(graph, definitions), maxlen=0)
    return Evaluator(processes(), definitions).run(graph, values)
