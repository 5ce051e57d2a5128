"""Finds the executable document behind a workflow's links, wherever its author has put it."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urldefrag, urlsplit

from terrafair.errors import InvalidInput, NotFound, Problem, TerrafairError
from terrafair.workflows import cwl
from terrafair.workflows.command import command_of
from terrafair.workflows.content import Format, decode, load, sniff
from terrafair.workflows.documents import Documents, Fetched
from terrafair.workflows.entry import Entry, links, properties, related, text
from terrafair.workflows.references import is_mutable, is_repository, locate
from terrafair.workflows.workflow import Application, CodeLocation, WorkflowType

RELATIONS = ("application", "process_graph", "jupyter-notebook", "related", "git", "vcs", "download")
"""Relations that lead to code, the most telling first."""
_HINTS = (
    ("notebook", WorkflowType.NOTEBOOK),
    ("ipynb", WorkflowType.NOTEBOOK),
    ("argo", WorkflowType.ARGO),
    ("openeo", WorkflowType.OPENEO),
    ("process_graph", WorkflowType.OPENEO),
    ("process-graph", WorkflowType.OPENEO),
    ("cwl", WorkflowType.CWL),
    ("mlflow", WorkflowType.MLFLOW),
)
FORMATS = {
    Format.OPENEO: WorkflowType.OPENEO,
    Format.CWL: WorkflowType.CWL,
    Format.NOTEBOOK: WorkflowType.NOTEBOOK,
    Format.ARGO: WorkflowType.ARGO,
    Format.MLFLOW: WorkflowType.MLFLOW,
}
"""What a document is -> the workflow type that it makes."""
_ARCHIVE = re.compile(r"(^|\.)(zenodo\.org|doi\.org|figshare\.com|osf\.io|dataverse\.\w+)$")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A link that may lead to the code."""

    entry: Entry
    href: str
    relation: str
    hint: WorkflowType = WorkflowType.UNKNOWN
    """By media type, extension or the record's `application:type`; only its content decides."""
    link: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Found:
    """What the search came to."""

    type: WorkflowType = WorkflowType.UNKNOWN
    application: Application | None = None
    candidate: Candidate | None = None
    reasons: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)


def find(entries: Sequence[Entry], documents: Documents) -> Found:
    """The application of an experiment and its workflow; without one, the reasons of the best candidates."""
    found = Found()
    tried = list(candidates(entries))
    names = [*(entry.id for entry in entries), *(name for entry in entries for name in related(entry, "experiments"))]
    for candidate in tried:
        if candidate.relation == "related" and found.reasons:
            # Something more telling has failed; a document that is merely related must not stand in for it silently.
            hint = next((each.hint for each in tried if each.hint is not WorkflowType.UNKNOWN), WorkflowType.UNKNOWN)
            if hint is not WorkflowType.OPENEO:
                continue
        try:
            application, remarks = read(candidate, documents, names)
        except TerrafairError as error:
            # What is wrong with the repository does not matter beside a broken link to the document in it.
            if not (found.reasons and candidate.relation in {"git", "vcs", "download"}):
                _note(found, candidate, error)
            continue
        if application is None:
            continue
        kept = found.reasons if candidate.relation != "related" else []
        return Found(application.type, application, candidate, [], [*map(_passed, kept), *found.remarks, *remarks])
    found.type = next((each.hint for each in tried if each.hint is not WorkflowType.UNKNOWN), WorkflowType.UNKNOWN)
    if not found.reasons:
        found.reasons.append(_nothing(entries))
    return found


def candidates(entries: Sequence[Entry]) -> Iterator[Candidate]:
    """Every link that may lead to code, best first, each address once."""
    seen: set[str] = set()
    # What an experiment says itself, of one run, stands before what its workflow says of all.
    order = [(relation, (entries[0],)) for relation in RELATIONS[:3]] if entries else []
    for relation, owners in [*order, *((relation, entries) for relation in RELATIONS)]:
        for entry in owners:
            said = text(entry, "application:type") or next((text(each, "application:type") for each in entries), "")
            for link in links(entry, relation):
                href = link["href"].strip()
                if relation == "related" and not _external_json(href, link):
                    continue
                if href.removesuffix(".git") not in seen:
                    seen.add(href.removesuffix(".git"))
                    yield Candidate(entry, href, relation, _hint(relation, link, href, said, entry), link)


def _hint(relation: str, link: Mapping[str, Any], href: str, said: str, entry: Entry) -> WorkflowType:
    path = urlsplit(href).path
    suffix = PurePosixPath(path).suffix.lower()
    for clue in (str(link.get("type", "")), suffix, relation, said):
        for word, kind in _HINTS:
            if word in clue.lower():
                return kind
    if relation == "related" and any("editor.openeo.org" in each["href"] for each in links(entry)):
        return WorkflowType.OPENEO
    if relation in {"git", "vcs", "download"} and is_repository(locate(href)):
        return WorkflowType.COMMAND
    return WorkflowType.UNKNOWN


def _external_json(href: str, link: Mapping[str, Any]) -> bool:
    path = urlsplit(href).path.lower()
    return "://" in href and path.endswith((".json", ".cwl")) and "html" not in str(link.get("type", ""))


def read(
    candidate: Candidate, documents: Documents, names: Sequence[str] = ()
) -> tuple[Application | None, list[Problem]]:
    """The application behind one link and what is odd about it; None where the link leads to something else.

    Raises the error tree's errors, each in words for the record's author.
    """
    address, fragment = urldefrag(candidate.href)
    location = locate(address)
    if archive := _archive(address):
        raise InvalidInput(*archive, where=address, code="code-archive")
    if is_repository(location):
        return _of_repository(candidate, location, documents)
    fetched = documents.fetch(address, candidate.entry, *names)
    remarks = _odd(fetched, address)
    form = sniff(fetched.content)
    if form is Format.PACKAGE:
        fetched = _unit(fetched, candidate.entry, documents)
        form = sniff(fetched.content)
    kind = FORMATS.get(form)
    if kind is None:
        if candidate.relation == "related":
            return None, []
        raise _no_application(candidate, form, fetched.content)
    return application_of(kind, fetched.location, fetched.content, fragment), remarks


def application_of(kind: WorkflowType, location: CodeLocation, content: bytes, fragment: str = "") -> Application:
    """The application in a document."""
    entry = ""
    if kind is WorkflowType.CWL:
        try:
            document = load(decode(content))
        except InvalidInput:
            document = {}
        entry = cwl.entry_of(document, fragment) if isinstance(document, Mapping) else ""
    elif kind is WorkflowType.NOTEBOOK:
        entry = location.path
    return Application(kind, location, content, entry, hashlib.sha256(content).hexdigest())


def _archive(href: str) -> tuple[str, str, str] | None:
    host, path = (urlsplit(href).hostname or "").lower(), urlsplit(href).path.lower()
    if _ARCHIVE.search(host) or path.endswith((".zip", ".tar.gz", ".tgz", ".tar")):
        what = "The link to the code leads to an archive or a landing page."
        return what, "Nothing in it says what to run.", "Link a git repository (rel `vcs`), or the document that runs."
    return None


def _of_repository(
    candidate: Candidate, location: CodeLocation, documents: Documents
) -> tuple[Application | None, list[Problem]]:
    command = command_of(candidate.link, properties(candidate.entry))
    if candidate.hint is WorkflowType.NOTEBOOK and not command:
        return _only_notebook(candidate, *documents.open(location), documents)
    if not command:
        raise _no_command(candidate, location, documents)
    opened, _ = documents.open(location)
    application = Application(WorkflowType.COMMAND, opened, b"", command, "")
    return application, _mutable(opened, candidate.href)


def _only_notebook(
    candidate: Candidate, opened: CodeLocation, files: Mapping[str, str], documents: Documents
) -> tuple[Application, list[Problem]]:
    notebooks = sorted(path for path in files if path.endswith(".ipynb") and ".ipynb_checkpoints" not in path)
    place = candidate.href
    if len(notebooks) != 1:
        code = "notebook-ambiguous" if notebooks else "notebook-missing"
        listed = ", ".join(notebooks[:5]) + (" ..." if len(notebooks) > 5 else "")
        what = f"The application is a folder with {len(notebooks)} notebooks{': ' + listed if listed else ''}."
        raise InvalidInput(what, "Only one can be run.", "Link the notebook itself.", place, code)
    content = documents.read(opened, notebooks[0])
    location = CodeLocation(opened.url, opened.repository, opened.reference, opened.commit, notebooks[0])
    what = f"The link leads to a folder; its only notebook {notebooks[0]} was taken."
    remark = Problem(what, remedy="Link the notebook itself.", where=place, code="link-to-folder")
    return application_of(WorkflowType.NOTEBOOK, location, content), [remark, *_mutable(location, place)]


def _no_command(candidate: Candidate, location: CodeLocation, documents: Documents) -> InvalidInput:
    what = "The code is a whole repository, and the record does not say which command to run in it."
    holds = ""
    try:
        _, files = documents.open(location)
    except TerrafairError as error:
        holds = f" It could not be looked into: {error.problem.what}"
    else:
        runnable = sorted(path for path in files if path.endswith((".ipynb", ".cwl")))
        holds = f" It holds {', '.join(runnable[:4])}." if runnable else ""
    remedy = "Add `application:command`, e.g. 'python main.py {input} --to {outputs}', or link the document that runs."
    return InvalidInput(
        what, f"A repository alone cannot be executed.{holds}", remedy, candidate.href, "command-missing"
    )


def _unit(fetched: Fetched, entry: Entry, documents: Documents) -> Fetched:
    """The CWL inside an OGC application package (`executionUnit`)."""
    document = load(decode(fetched.content))
    units = document.get("executionUnit") or []
    for unit in units if isinstance(units, list) else [units]:
        if isinstance(unit, Mapping):
            inner = unit.get("unit") or unit.get("value")
            if isinstance(inner, Mapping):
                return Fetched(json.dumps(inner).encode(), fetched.location, fetched.copied)
            if isinstance(unit.get("href"), str):
                return documents.fetch(unit["href"], entry)
    what = "The application package has no execution unit that could run."
    raise InvalidInput(what, remedy="Give `executionUnit` a CWL by value or `href`.", code="unit-missing")


def _no_application(candidate: Candidate, form: Format, content: bytes) -> InvalidInput:
    why = ""
    if form in {Format.PROSE, Format.EMPTY, Format.REQUIREMENTS} and content.strip():
        try:
            load(decode(content))
        except InvalidInput as error:
            why = error.problem.what
    what = f"The {candidate.relation} link leads to no workflow: it is a {form.value}."
    remedy = "Link the process graph, CWL document or notebook itself."
    return InvalidInput(what, why, remedy, candidate.href, "application-unreadable")


def _note(found: Found, candidate: Candidate, error: TerrafairError) -> None:
    problem = error.problem
    if problem.code in {"unreachable", "not-found", "link-to-repository", "refused"}:
        gone = isinstance(error, NotFound)
        code = "code-missing" if gone else "code-unreachable"
        what = f"The code cannot be {'found' if gone else 'reached'}."
        remedy = "Correct the link in the record." if gone else "Try again later, or let the operator mirror it."
        problem = Problem(what, _without_place(problem), remedy, candidate.href, code)
    if problem not in found.reasons:
        found.reasons.append(problem)


def _without_place(problem: Problem) -> str:
    return f"{problem.what} {problem.why}".strip()


def _passed(problem: Problem) -> Problem:
    return Problem(f"Passed over: {problem.what}", problem.why, problem.remedy, problem.where, problem.code)


def _nothing(entries: Sequence[Entry]) -> Problem:
    names = " and ".join(entry.id for entry in entries)
    what = f"The records {names} link to no code." if len(entries) > 1 else f"The record {names} links to no code."
    remedy = "Add a link with rel `application` to the process graph, CWL document or notebook."
    return Problem(what, "", remedy, entries[-1].path, "application-missing")


def _odd(fetched: Fetched, href: str) -> list[Problem]:
    if fetched.copied:
        what = "Its address does not answer; the operator's copy was read."
        return [Problem(what, remedy="Publish it where it lasts.", where=href, code="document-copied")]
    return _mutable(fetched.location, href)


def _mutable(location: CodeLocation, href: str) -> list[Problem]:
    if not is_mutable(location):
        return []
    what = f"The link names {location.reference or 'no commit'}, which may change; it is {location.commit[:12]} today."
    return [Problem(what, "", "Link a commit or a release.", href, "reference-mutable")]
