"""Finds the environment of code: the record's own file, the kernel's, else a file beside the code."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from terrafair.errors import NotFound, Problem, TerrafairError
from terrafair.workflows.application import Found
from terrafair.workflows.documents import Documents
from terrafair.workflows.entry import Entry, links, properties
from terrafair.workflows.environment import FILES, REMEDY, kernel_python, read_environment
from terrafair.workflows.references import is_repository, locate
from terrafair.workflows.workflow import EnvironmentSpec, WorkflowType

NEEDED = frozenset({WorkflowType.NOTEBOOK, WorkflowType.COMMAND, WorkflowType.MLFLOW})
"""Types whose engine builds the published environment; openEO and CWL bring their own."""


def environment_of(
    entries: Sequence[Entry], found: Found, documents: Documents
) -> tuple[EnvironmentSpec, list[Problem]]:
    """The first file that names software, and what is wrong with those before it."""
    kernel, kernel_file = kernel_python(*_kernels(entries, found))
    problems: list[Problem] = []
    spec = None
    for entry, href in _linked(entries, kernel_file):
        spec, wrong = _read(href, entry, documents)
        problems.extend(wrong)
        if spec is not None:
            break
    if spec is None:
        spec = _beside(found, documents)
    if spec is None:
        if not problems and any(links(entry, "input", "environment") for entry in entries):
            what = "The records name no environment for the code."
            problems.append(Problem(what, "", REMEDY, entries[0].path, "environment-missing"))
        return EnvironmentSpec("unknown", kernel), problems
    if not spec.python and spec.kind == "python":
        spec = replace(spec, python=kernel)
    return spec, problems


def _kernels(entries: Sequence[Entry], found: Found) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        yield properties(entry)
        yield from links(entry)
    application = found.application
    if application is not None and application.type is WorkflowType.NOTEBOOK:
        try:
            metadata = json.loads(application.content).get("metadata")
        except (ValueError, AttributeError):
            return
        if isinstance(metadata, Mapping):
            yield metadata


def _linked(entries: Sequence[Entry], kernel_file: str) -> Iterator[tuple[Entry, str]]:
    for entry in entries:
        for link in links(entry, "environment"):
            yield entry, link["href"]
    if kernel_file:
        yield entries[-1], kernel_file


def _read(href: str, entry: Entry, documents: Documents) -> tuple[EnvironmentSpec | None, list[Problem]]:
    location = locate(href)
    if "://" in href and is_repository(location):
        found = _in_repository(href, documents)
        if found is not None:
            return found, []
        what = "The environment link leads to a repository without an environment file that could be read."
        return None, [Problem(what, "It is typed as YAML.", REMEDY, href, "environment-is-repository")]
    try:
        content = documents.fetch(href, entry).content
    except TerrafairError as error:
        gone = isinstance(error, NotFound)
        code = "environment-not-found" if gone else "environment-unreachable"
        what = f"The environment file cannot be {'found' if gone else 'reached'}."
        why = f"{error.problem.what} {error.problem.why}".strip()
        remedy = REMEDY if gone else "Try again later, or publish it beside the record."
        return None, [Problem(what, why, remedy, href, code)]
    spec, problems = read_environment(content, href)
    return (None if problems else spec), list(problems)


def _in_repository(href: str, documents: Documents) -> EnvironmentSpec | None:
    """A link to a repository means the environment file at its root."""
    try:
        location, files = documents.open(locate(href))
        for name in FILES:
            path = f"{location.path}/{name}".lstrip("/")
            if path in files:
                spec, problems = read_environment(documents.read(location, path), f"{href}#{path}")
                if not problems:
                    return spec
    except TerrafairError:
        return None
    return None


def _beside(found: Found, documents: Documents) -> EnvironmentSpec | None:
    """An environment file in the application's folder, or at the root of its repository."""
    application = found.application
    if application is None or not application.location.repository or application.type not in NEEDED:
        return None
    location = replace(application.location, path="")
    folder = str(PurePosixPath(application.location.path or ".").parent) if application.content else "."
    try:
        location, files = documents.open(location)
        for place in dict.fromkeys((folder, ".")):
            for name in FILES:
                path = str(PurePosixPath(place) / name)
                if path in files:
                    spec, problems = read_environment(documents.read(location, path), f"{location.repository}#{path}")
                    if not problems:
                        return spec
    except TerrafairError:
        return None
    return None
