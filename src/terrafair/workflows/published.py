"""Reads the input values that an experiment published."""

from collections.abc import Mapping
from typing import Any

from terrafair.errors import InvalidInput, NotFound, Problem, TerrafairError
from terrafair.workflows.content import Format, decode, load, sniff
from terrafair.workflows.documents import Documents
from terrafair.workflows.entry import Entry, links
from terrafair.workflows.references import is_repository, locate

REMEDY = "Publish a YAML file with `parameters:` and a value for each input."
HOLDERS = ("parameters", "inputs", "arguments")
"""Keys below which files keep the values."""


def published_values(entry: Entry, documents: Documents) -> tuple[dict[str, Any], list[Problem]]:
    """The values behind an experiment's `input` links, and what is wrong with the files."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    found = list(links(entry, "input", "inputs", "configuration"))
    for link in found:
        try:
            values |= _read(link["href"], entry, documents)
        except TerrafairError as error:
            problems.extend(_told(problem, link["href"], error) for problem in error.problems)
    if not found:
        what = "The experiment links to no input file."
        problems.append(Problem(what, "", REMEDY, entry.path, "input-file-missing"))
    return values, problems


def _read(href: str, entry: Entry, documents: Documents) -> dict[str, Any]:
    if is_repository(locate(href)) and "://" in href:
        what = "The input link leads to a repository, not to a file of values."
        raise InvalidInput(what, "It is typed as YAML.", REMEDY, href, "input-is-repository")
    content = documents.fetch(href, entry).content
    return values_of(content, href)


def values_of(content: bytes, where: str = "") -> dict[str, Any]:
    """The values in a file: `parameters:`, `inputs:`, a list of name and value, or the mapping itself.

    Raises `InvalidInput` saying what the file is instead.
    """
    match sniff(content):
        case Format.EMPTY:
            raise InvalidInput("The input file is empty.", "", REMEDY, where, "input-empty")
        case Format.PARAMETERS | Format.CONDA:
            document = load(decode(content), where)
            return _values(document, where)
        case Format.STAC:
            what = "The input link leads to a STAC document, not to values."
            why = "It does not say which input of the workflow takes the data."
            raise InvalidInput(what, why, REMEDY, where, "input-is-collection")
        case Format.PROSE | Format.REQUIREMENTS:
            _parses(content, where)
            raise InvalidInput("The input file holds text, and no values.", "", REMEDY, where, "input-prose")
        case other:
            raise InvalidInput(f"The input file is a {other.value}.", "", REMEDY, where, "input-unreadable")


def _parses(content: bytes, where: str) -> None:
    try:
        load(decode(content), where)
    except InvalidInput as error:
        if b":" in content:
            what = f"The input file does not parse. {error.problem.what}"
            raise InvalidInput(what, "", REMEDY, where, "input-unreadable") from None


def _values(document: Any, where: str) -> dict[str, Any]:
    if isinstance(document, list):
        return _listed(document, where)
    for name in HOLDERS:
        if name in document:
            inner = document[name]
            if isinstance(inner, list):
                return _listed(inner, where)
            if isinstance(inner, Mapping):
                return {str(key): value for key, value in inner.items()}
            if inner is None:
                return {}
    ignored = ("$", "@")
    return {str(key): value for key, value in document.items() if not str(key).startswith(ignored)}


def _listed(entries: list[Any], where: str) -> dict[str, Any]:
    """`[{name: x, value: 1}]`, `[{x: 1}]` or `[{id: x, value: 1}]`."""
    values: dict[str, Any] = {}
    for entry in entries:
        if not isinstance(entry, Mapping):
            what = f"The input file lists {str(entry)[:60]!r} without a name."
            raise InvalidInput(what, "", REMEDY, where, "input-unreadable")
        name = entry.get("name") or entry.get("id")
        if name and ("value" in entry or "default" in entry):
            values[str(name)] = entry.get("value", entry.get("default"))
        elif not name:
            values |= {str(key): value for key, value in entry.items()}
    return values


def _told(problem: Problem, href: str, error: TerrafairError) -> Problem:
    if problem.code.startswith("input-"):
        return problem
    gone = isinstance(error, NotFound)
    if problem.code == "link-to-repository":
        what = "The input link leads to a repository, not to a file of values."
        return Problem(what, "", REMEDY, href, "input-is-repository")
    what = f"The input file cannot be {'found' if gone else 'reached'}."
    remedy = REMEDY if gone else "Try again later, or publish it beside the record."
    return Problem(
        what, f"{problem.what} {problem.why}".strip(), remedy, href, "input-not-found" if gone else "input-unreachable"
    )
