"""What a process may be at most, so that no graph holds up the server: checked by plain counting, before all else."""

from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.execution.engines.openeo.graph import is_plain
from terrafair.workflows.definitions import keys_of

NODES = 2_000
VALUES = 400_000
"""Numbers, texts and containers in one document; polygons count too."""
DEPTH = 60
STRANGE = 50
"""References that lead nowhere: each one's remedy is looked for among all names."""
CALLS = 20_000
"""Nodes once every user-defined process has been put in the place of its calls."""
DEFINITIONS = 200
"""User-defined processes that one process uses, directly or not."""


def check(process: Mapping[str, Any]) -> None:
    """Raise `OpenEOFault` for a document beyond the bounds."""
    nodes = strange = 0
    count = 0
    for value, depth, known in _walk(process):
        count += 1 + (len(value) if isinstance(value, list) and is_plain(value) else 0)
        if count > VALUES:
            raise _too_complex(f"It has more than {VALUES} values.", "Upload large data as a file and load it.")
        if depth > DEPTH:
            raise _too_complex(f"It is nested more than {DEPTH} levels deep.")
        if isinstance(value, Mapping):
            if "process_id" in value:
                nodes += 1
            if "from_node" in value and not _is_known(value["from_node"], known):
                strange += 1
        if nodes > NODES:
            raise _too_complex(f"It has more than {NODES} nodes.")
        if strange > STRANGE:
            raise OpenEOFault("ProcessGraphInvalid", f"More than {STRANGE} of its references lead to no node.")


def expanded(process: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]]) -> int:
    """How many calls a process comes to with all its user-defined ones written out.

    `definitions` are kept as `workflows.definitions.keys_of` says. Raises `OpenEOFault` beyond `CALLS`, or where one
    calls itself.
    """
    sizes: dict[str, int] = {}
    # An explicit stack: definitions may call each other in long chains.
    todo: list[tuple[str, Mapping[str, Any], bool]] = [("", process, False)]
    entered: set[str] = set()
    while todo:
        key, document, done = todo.pop()
        if key in sizes:
            continue
        count, inner = 0, []
        for name, namespace in calls(document):
            count += 1
            inner += [found for found in keys_of(name, namespace) if found in definitions][:1]
        if done:
            sizes[key] = count + sum(sizes[each] for each in inner)
            if sizes[key] > CALLS:
                raise _too_complex(f"With its user-defined processes it has more than {CALLS} calls.")
            entered.discard(key)
            continue
        entered.add(key)
        todo.append((key, document, True))
        for each in dict.fromkeys(inner):
            if each in entered:
                raise _too_complex(f"The user-defined process {each!r} calls itself.")
            if each not in sizes:
                todo.append((each, definitions[each], False))
    return sizes[""]


def calls(process: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Process and namespace of each call in a process, callbacks included."""
    for value, _, _ in _walk(process.get("process_graph", {})):
        if isinstance(value, Mapping) and isinstance(value.get("process_id"), str):
            namespace = value.get("namespace")
            yield value["process_id"], namespace if isinstance(namespace, str) else ""


def _walk(value: Any) -> Iterator[tuple[Any, int, Mapping[str, Any] | None]]:
    """Every value with its depth and the nodes that it may refer to; lists of plain values as one."""
    stack: list[tuple[Any, int, Mapping[str, Any] | None]] = [(value, 0, None)]
    while stack:
        current, depth, known = stack.pop()
        yield current, depth, known
        if isinstance(current, Mapping):
            graph = current.get("process_graph")
            for name, part in current.items():
                inner = part if name == "process_graph" and isinstance(graph, Mapping) else known
                stack.append((part, depth + 1, inner))
        elif isinstance(current, list) and not is_plain(current):
            stack.extend((part, depth + 1, known) for part in current)


def _is_known(name: Any, known: Mapping[str, Any] | None) -> bool:
    return known is None or (isinstance(name, str | int) and str(name) in known)


def _too_complex(why: str, remedy: str = "") -> OpenEOFault:
    return OpenEOFault("ProcessGraphComplexity", f"{why} {remedy}".strip())
