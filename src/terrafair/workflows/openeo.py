"""Reads openEO process graphs and user-defined processes (UDPs) as far as inputs and references go."""

from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.workflows.workflow import InputSpec

Graph = Mapping[str, Mapping[str, Any]]
SUBTYPES = {"uri": "uri", "date-time": "date-time", "date": "date"}


def process_of(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The process of a document: `{process_graph}`, a UDP, `{process: {process_graph}}` or a bare graph."""
    inner = document.get("process")
    if isinstance(inner, Mapping) and "process_graph" in inner:
        return inner
    return document if "process_graph" in document else {"process_graph": document}


def inputs(document: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """The parameters, declared ones first, then those that the graph uses without declaring them."""
    process = process_of(document)
    declared = [entry for entry in process.get("parameters") or () if isinstance(entry, Mapping) and "name" in entry]
    specs = {str(entry["name"]): _spec(entry) for entry in declared}
    for name in free_parameters(process["process_graph"]):
        specs.setdefault(name, InputSpec(name))
    return tuple(specs.values())


def _spec(entry: Mapping[str, Any]) -> InputSpec:
    schema = entry.get("schema")
    # Several schemas are alternatives.
    merged = {"anyOf": [_plain(part) for part in schema]} if isinstance(schema, list) else _plain(schema or {})
    optional = bool(entry.get("optional")) or "default" in entry
    return InputSpec(
        name=str(entry["name"]),
        schema=merged,
        required=not optional,
        default=entry.get("default"),
        description=str(entry.get("description", "")),
    )


def _plain(schema: Any) -> dict[str, Any]:
    """JSON Schema without what openEO adds and validators would not know."""
    if not isinstance(schema, Mapping):
        return {}
    plain = {key: value for key, value in schema.items() if key not in {"subtype", "dimensions", "deprecated"}}
    for name in ("properties", "patternProperties"):
        if isinstance(plain.get(name), Mapping):
            plain[name] = {key: _plain(value) for key, value in plain[name].items()}
    for name in ("items", "additionalProperties"):
        if isinstance(plain.get(name), Mapping):
            plain[name] = _plain(plain[name])
    for name in ("anyOf", "oneOf", "allOf"):
        if isinstance(plain.get(name), list):
            plain[name] = [_plain(value) for value in plain[name]]
    if schema.get("subtype") in {"datacube", "raster-cube", "vector-cube"}:
        return {}
    return plain


def free_parameters(graph: Any) -> list[str]:
    """Parameters that a graph uses and no callback around them defines, in order of appearance."""
    found: dict[str, None] = {}

    def look(value: Any, bound: frozenset[str]) -> None:
        if isinstance(value, Mapping):
            if set(value) == {"from_parameter"}:
                name = str(value["from_parameter"])
                if name not in bound:
                    found.setdefault(name)
            elif "process_graph" in value and isinstance(value["process_graph"], Mapping):
                look(value["process_graph"], bound | CALLBACK_PARAMETERS)
            else:
                for part in value.values():
                    look(part, bound)
        elif isinstance(value, list):
            for part in value:
                look(part, bound)

    look(graph, frozenset())
    return list(found)


CALLBACK_PARAMETERS = frozenset(
    {"x", "y", "data", "value", "label", "labels", "context", "index", "accumulator", "date", "parameters", "fid"}
)
"""Names that the processes of the standard pass into their callbacks."""


def namespaces(graph: Any) -> Iterator[tuple[str, str]]:
    """(process id, namespace) of every node that calls a process from elsewhere, callbacks included."""
    if isinstance(graph, Mapping):
        namespace = graph.get("namespace")
        if "process_id" in graph and isinstance(namespace, str) and namespace not in {"", "backend"}:
            yield str(graph["process_id"]), namespace
        for part in graph.values():
            yield from namespaces(part)
    elif isinstance(graph, list):
        for part in graph:
            yield from namespaces(part)
