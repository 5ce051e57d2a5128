"""Fetches the user-defined processes (UDPs) that openEO graphs call by namespace."""

from collections.abc import Mapping, Sequence
from typing import Any

from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.workflows.content import Format, decode, load, sniff
from terrafair.workflows.documents import Documents
from terrafair.workflows.entry import Entry, links
from terrafair.workflows.openeo import namespaces, process_of

DEPTH = 5
"""UDPs that call UDPs that call ..."""


def definitions(
    document: Mapping[str, Any], entries: Sequence[Entry], documents: Documents
) -> tuple[dict[str, Any], list[Problem]]:
    """Address and process id -> definition, for all that a graph calls, and those that cannot be had.

    A document may bring definitions along, under `definitions` and by the same keys.
    """
    brought = document.get("definitions")
    found: dict[str, Any] = dict(brought) if isinstance(brought, Mapping) else {}
    problems: dict[str, Problem] = {}
    todo = [process_of(each)["process_graph"] for each in (document, *found.values())]
    for _ in range(DEPTH):
        wanted = {pair for graph in todo for pair in namespaces(graph)}
        todo = []
        for process, namespace in sorted(wanted):
            keys = keys_of(process, namespace)
            if any(key in found for key in keys) or keys[-1] in problems:
                continue
            try:
                href, definition = _fetch(process, namespace, entries, documents)
            except TerrafairError as error:
                problems[keys[-1]] = _missing(process, namespace, error)
                continue
            found[href if href in keys else keys[-1]] = definition
            found.setdefault(process, definition)
            todo.append(process_of(definition)["process_graph"])
        if not todo:
            break
    return found, list(problems.values())


def keys_of(process: str, namespace: str) -> tuple[str, ...]:
    """Where the definition of a call may be kept: an address may be that of one process, or of many."""
    return (namespace, f"{namespace.rstrip('/')}/{process}") if "://" in namespace else (process,)


def _fetch(
    process: str, namespace: str, entries: Sequence[Entry], documents: Documents
) -> tuple[str, Mapping[str, Any]]:
    names = [entry.id for entry in entries]
    hrefs = [namespace] if "://" in namespace else []
    if hrefs and not namespace.split("?", maxsplit=1)[0].endswith(".json"):
        hrefs.append(f"{namespace.rstrip('/')}/{process}")
    hrefs += [link["href"] for entry in entries for link in links(entry) if _names(link["href"], process)]
    error: TerrafairError = InvalidInput(f"No record links to a definition of {process!r}.")
    for href in dict.fromkeys(hrefs):
        try:
            content = documents.fetch(href, entries[0] if entries else None, *names).content
        except TerrafairError as fault:
            error = fault
            continue
        document = load(decode(content), href) if sniff(content) is Format.OPENEO else None
        if isinstance(document, Mapping) and "process_graph" in process_of(document):
            return href, document
        error = InvalidInput(f"{href} holds no process definition.")
    raise error


def _names(href: str, process: str) -> bool:
    return href.split("?", maxsplit=1)[0].rpartition("/")[2] == f"{process}.json"


def _missing(process: str, namespace: str, error: TerrafairError) -> Problem:
    what = f"The user-defined process {process!r} ({namespace}) cannot be read."
    remedy = "Publish its definition where it lasts, and link it from the workflow's record."
    return Problem(what, str(error.problem), remedy, namespace, "process-definition-missing")
