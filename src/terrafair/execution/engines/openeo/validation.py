"""Checks a process graph without running it: every problem at once, for /validation, forms and job creation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import Problem, TerrafairError
from terrafair.execution.engines.openeo import sources
from terrafair.execution.engines.openeo.evaluate import Definitions, unknown_process
from terrafair.execution.engines.openeo.graph import Graph, parse
from terrafair.execution.engines.openeo.registry import processes


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a graph."""

    collections: Callable[[str], Mapping[str, Any] | None] = lambda _: None
    """Collection id -> its STAC document with `cube:dimensions`, or None."""
    definitions: Mapping[str, Any] = field(default_factory=dict)
    """User-defined processes: id, or URL of the namespace -> their document."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Values of parameters."""


def validate(document: Any, context: Context = Context()) -> list[Problem]:
    """Every problem of a graph, each with node id, argument, what, why and remedy; `codes.name_of` names its error."""
    definitions = Definitions(context.definitions)
    try:
        graph = parse(document, tuple(context.values))
        return _calls(graph, definitions)
    except TerrafairError as fault:
        return list(fault.problems)


def _calls(graph: Graph, definitions: Definitions) -> list[Problem]:
    library = processes()
    problems = []
    for where, node in sources.calls(graph, definitions):
        if definitions.find(node.process, node.namespace) is None and node.process not in library:
            fault = unknown_process(node.process, library).problem
            problems.append(Problem(fault.what, fault.why, fault.remedy, where, fault.code))
    return problems
