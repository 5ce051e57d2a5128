"""Makes a process whole for its run: every user-defined process that it uses, and the person's files by their places.

A job's document holds all of it, so that what ran is what the provenance shows, whatever is changed or deleted later.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.api.openeo import bounds
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.published import Published
from terrafair.api.openeo.user_files import UserFiles
from terrafair.api.openeo.user_processes import UserProcesses
from terrafair.errors import NotFound, Problem, TerrafairError
from terrafair.identity.person import Person
from terrafair.workflows.definitions import keys_of

OSC = "osc"
"""The namespace of the catalogue's workflows."""
_PERSON = re.compile(r"u[0-9a-f]{20}")
_EXPORT = re.compile(r"/openeo/processes/([^/?#]+)(?:/([^/?#]+))?$")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Assembled:
    """A process that needs nothing else."""

    document: Document
    """`process_graph`, `parameters` and `definitions`."""
    problems: tuple[Problem, ...]
    """User-defined processes that cannot be had."""

    @property
    def definitions(self) -> Mapping[str, Any]:
        """By `workflows.definitions.keys_of`."""
        found: Mapping[str, Any] = self.document["definitions"]
        return found


@dataclass(frozen=True, slots=True)
class Assembly:
    """Finds what processes name."""

    processes: UserProcesses
    published: Published
    files: UserFiles
    predefined: frozenset[str]
    results: Callable[[str, Person | None, str], str | None] = lambda address, person, base: None  # noqa: ARG005
    """Address, who asks and the API's own address -> where a job's results lie; None: it leads elsewhere."""

    def assemble(self, process: Mapping[str, Any], person: Person | None, base: str) -> Assembled:
        """The whole process; `base` is the address of this API. Raises `OpenEOFault` beyond the bounds."""
        owner = person.id if person else ""
        graph = self._rewritten(process["process_graph"], "", base, self._place_of(person, base))
        whole = {name: process[name] for name in ("id", "summary", "parameters", "returns") if process.get(name)}
        whole["process_graph"] = graph
        found: Document = {}
        problems: list[Problem] = []
        todo, missing = [whole], set[str]()
        while todo:
            for name, namespace in bounds.calls(todo.pop()):
                keys = keys_of(name, namespace)
                if any(key in found for key in keys) or keys[-1] in missing:
                    continue
                try:
                    located = self._find(name, namespace, owner, base)
                except OpenEOFault:
                    raise
                except TerrafairError as fault:
                    missing.add(keys[-1])
                    problems.append(_missing(name, namespace, fault))
                    continue
                if located is None:
                    missing.add(keys[-1])
                    continue
                key, definition = located
                bounds.check(definition)
                found[key] = definition
                todo.append(definition)
                if len(found) > bounds.DEFINITIONS:
                    what = f"It uses more than {bounds.DEFINITIONS} user-defined processes."
                    raise OpenEOFault("ProcessGraphComplexity", what)
        bounds.expanded(whole, found)
        return Assembled({**whole, "definitions": found}, tuple(problems))

    def namespace(self, namespace: str, id: str) -> Mapping[str, Any]:  # noqa: A002 - the field's word
        """A process that everybody may read: of the catalogue, or of a person; raises `NotFound`."""
        if namespace == OSC:
            return self.published.workflow(id)
        found = self.processes.find(namespace, id)
        if found is None or not found.public:
            raise NotFound(f"There is no public process {id[:80]!r} in {namespace[:80]!r}.")
        return found.document

    def _find(self, name: str, namespace: str, owner: str, base: str) -> tuple[str, Document] | None:
        """Key and definition of a call; None for what is predefined, or what nobody knows."""
        if namespace == "backend":
            return None
        if not namespace or namespace == "user":
            own = self.processes.find(owner, name) if owner else None
            if own is None:
                if namespace and name not in self.predefined:
                    raise NotFound(f"You have no process {name!r}.")
                return None
            return name, self._prepared(own.document, "", base)
        if namespace.startswith("osc://"):
            definition = self.published.workflow(namespace.removeprefix("osc://"))
            return namespace, self._prepared(definition, "", base)
        return self._at(name, namespace, base)

    def _at(self, name: str, namespace: str, base: str) -> tuple[str, Document]:
        keys = keys_of(name, namespace)
        fault: TerrafairError = NotFound(f"There is nothing at {namespace}.")
        for key in keys:
            try:
                # Our own addresses lie in the private network that fetches may not reach.
                own = _EXPORT.search(key) if key.startswith(f"{base}/processes/") else None
                if own and not own[2]:
                    continue
                definition = self.namespace(own[1], own[2]) if own else self.published.at(key)
            except TerrafairError as error:
                fault = error
                continue
            return key, self._prepared(definition, own[1] if own and own[1] != OSC else "", base)
        raise fault

    def _prepared(self, process: Mapping[str, Any], other: str, base: str) -> Document:
        """Without what only readers need; what another person calls their own is looked for among theirs."""
        kept = {name: process[name] for name in ("id", "parameters", "returns") if process.get(name)}
        return {**kept, "process_graph": self._rewritten(process["process_graph"], other, base, lambda _: None)}

    def _place_of(self, person: Person | None, base: str) -> Callable[[str], str | None]:
        def place(text: str) -> str | None:
            if "://" in text:
                return self.results(text, person, base)
            return self.files.reference(person, text) if person else None

        return place

    def _rewritten(self, value: Any, other: str, base: str, file_of: Callable[[str], str | None]) -> Any:
        """The graph with namespaces as addresses, and the person's files as references."""
        if isinstance(value, list):
            return [self._rewritten(each, other, base, file_of) for each in value]
        if not isinstance(value, Mapping):
            return value
        changed = {str(key): self._rewritten(each, other, base, file_of) for key, each in value.items()}
        name, namespace = changed.get("process_id"), changed.get("namespace")
        if not isinstance(name, str):
            return changed
        if isinstance(namespace, str) and namespace not in {"", "user", "backend"} and "://" not in namespace:
            if _PERSON.fullmatch(namespace):
                changed["namespace"] = f"{base}/processes/{namespace}"
            else:
                changed["namespace"] = f"osc://{name if namespace == OSC else namespace}"
        elif other and namespace in (None, "", "user") and name not in self.predefined:
            changed["namespace"] = f"{base}/processes/{other}"
        arguments = changed.get("arguments")
        if isinstance(arguments, dict):
            _place_files(name, arguments, file_of)
        return changed


def _place_files(process: str, arguments: Document, file_of: Callable[[str], str | None]) -> None:
    """Give files and results by where they lie."""
    address = arguments.get("url")
    if process in {"load_stac", "load_url"} and isinstance(address, str) and "://" in address:
        arguments["url"] = file_of(address) or address
    if process == "load_uploaded_files" and isinstance(arguments.get("paths"), list):
        arguments["paths"] = [
            (file_of(path) or path) if isinstance(path, str) and "://" not in path else path
            for path in arguments["paths"]
        ]
    code = arguments.get("udf")
    if process == "run_udf" and isinstance(code, str) and len(code) < 500 and "\n" not in code and "://" not in code:
        arguments["udf"] = file_of(code) or code


def _missing(process: str, namespace: str, fault: TerrafairError) -> Problem:
    what = f"The process {process!r} is not available in the namespace {namespace!r}."
    return Problem(what, str(fault.problem), "Publish it where it can be read.", "", "process-definition-missing")
