"""Reads an experiment or workflow down to what would run, or to every reason why it cannot run here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from terrafair.errors import InvalidInput, NotFound, Problem, TerrafairError
from terrafair.repositories import Repositories
from terrafair.web import Web
from terrafair.workflows import command, cwl, mlflow, notebook, openeo
from terrafair.workflows.application import FORMATS, Found, application_of, find
from terrafair.workflows.check import unmet
from terrafair.workflows.content import decode, load, sniff
from terrafair.workflows.definitions import definitions
from terrafair.workflows.documents import Documents
from terrafair.workflows.entry import Entry, links, properties, related, text
from terrafair.workflows.published import published_values
from terrafair.workflows.surroundings import NEEDED, environment_of
from terrafair.workflows.workflow import CodeLocation, EnvironmentSpec, InputSpec, Resolution, WorkflowType

KINDS = ("experiment", "workflow")
Check = Callable[[Resolution], tuple[Problem, ...]]


class Records(Protocol):
    """The catalogue, as much of it as the resolver asks for."""

    @property
    def commit(self) -> str:
        """The state that is indexed."""
        ...

    def record(self, kind: str, id: str) -> Entry | None:  # noqa: A002 - the field's word
        """One record."""
        ...

    def records(self, kind: str) -> Iterable[Entry]:
        """All of a kind."""
        ...

    def nearest(self, kinds: Iterable[str], id: str) -> list[str]:  # noqa: A002
        """The ids that look most like one."""
        ...

    def read(self, path: str) -> bytes | None:
        """A file of the catalogue."""
        ...


class Resolver:
    """Reads records; documents are fetched anew for each question."""

    def __init__(
        self, catalogue: Records, repositories: Repositories, web: Web, copies: Path | None, check: Check
    ) -> None:
        self._catalogue = catalogue
        self._repositories = repositories
        self._web = web
        self._copies = copies
        self._check = check

    def resolve(self, id: str, kind: str | None = None) -> Resolution:  # noqa: A002
        """What an id comes down to; an experiment is looked for before a workflow.

        Raises `NotFound` with the nearest ids.
        """
        kinds = (kind,) if kind else KINDS
        for each in kinds:
            if each not in KINDS:
                what = f"A {each} cannot be run."
                raise InvalidInput(what, remedy="Give the id of an experiment or a workflow.", where="kind")
            if entry := self._catalogue.record(each, id):
                return self._resolve(each, entry, self._documents())
        raise self._unknown(id, kinds)

    def table(self) -> Iterator[Resolution]:
        """Every experiment and workflow with its verdict; none fails the table."""
        documents = self._documents()
        for kind in KINDS:
            for entry in self._catalogue.records(kind):
                try:
                    yield self._resolve(kind, entry, documents)
                except Exception as fault:
                    what = f"The record could not be read: {fault}"
                    remedy = "Report it with the record's id; it is this platform's fault."
                    problem = Problem(what, type(fault).__name__, remedy, entry.path, "internal")
                    yield Resolution(entry.id, kind, entry.title, reasons=(problem,))

    def resolve_file(self, content: bytes, name: str, fragment: str = "") -> Resolution:
        """What a workflow file comes down to that somebody brings along; `fragment` names the process in it."""
        form = sniff(content)
        kind = FORMATS.get(form)
        if kind is None:
            reason = _not_a_workflow(content, name, form.value)
            return Resolution(name, "file", name, reasons=(reason,))
        found = Found(kind, application_of(kind, CodeLocation(name, path=name), content, fragment))
        draft = _Draft(name, "file", name, name, found)
        draft.read_inputs({})
        if kind is WorkflowType.OPENEO:
            draft.read_definitions((), self._documents())
        return self._judged(draft)

    def document(self, address: str) -> bytes:
        """A published document by its address, from the web or a repository; raises as `Documents.fetch` does."""
        return self._documents().fetch(address, None).content

    def _documents(self) -> Documents:
        return Documents(self._catalogue, self._repositories, self._web, self._copies)

    def _resolve(self, kind: str, entry: Entry, documents: Documents) -> Resolution:
        workflow, reasons = (entry, []) if kind == "workflow" else self._workflow(entry)
        entries = [each for each in (entry, workflow) if each is not None]
        if len(entries) == 2 and entries[0] is entries[1]:
            entries = entries[:1]
        draft = _Draft(entry.id, kind, entry.title, workflow.id if workflow else "", find(entries, documents))
        draft.reasons += reasons
        draft.experiment = kind == "experiment"
        values, wrong = published_values(entry, documents) if draft.experiment else ({}, [])
        draft.read_inputs(values)
        draft.weigh_inputs(wrong)
        draft.weigh_environment(*environment_of(entries, draft.found, documents))
        draft.read_images(entries)
        draft.read_definitions(entries, documents)
        draft.configuration |= _outputs(entries)
        draft.platforms = _platforms(entries)
        draft.products = self._products(entry) if draft.experiment else ()
        draft.project = _project(entries)
        return self._judged(draft)

    def _workflow(self, entry: Entry) -> tuple[Entry | None, list[Problem]]:
        named = text(entry, "osc:workflow")
        names = [*([named] if named else []), *related(entry, "workflows")]
        for name in dict.fromkeys(names):
            if found := self._catalogue.record("workflow", name):
                return found, []
        if any(links(entry, "application", "process_graph")):
            return None, []
        what = f"The workflow {names[0]!r} is not in the catalogue." if names else "The experiment names no workflow."
        near = self._catalogue.nearest(("workflow",), names[0]) if names else []
        remedy = f"Did you mean {near[0]}?" if near else "Set `osc:workflow` to the id of a workflow."
        return None, [Problem(what, "", remedy, entry.path, "workflow-missing")]

    def _products(self, entry: Entry) -> tuple[str, ...]:
        said = properties(entry).get("osc:product")
        names = [said] if isinstance(said, str) else [str(each) for each in said] if isinstance(said, list) else []
        names += related(entry, "products", "child", "related", "product", "result")
        if not names:
            names = [
                product.id for product in self._catalogue.records("product")
                if entry.id in (text(product, "osc:experiment"), product.document.get("osc:experiment"))
            ]  # fmt: skip
        return tuple(dict.fromkeys(name for name in names if name))

    def _judged(self, draft: "_Draft") -> Resolution:
        resolution = draft.resolution(self._catalogue.commit)
        if resolution.application is None or resolution.reasons:
            return resolution
        if resolution.type is WorkflowType.ARGO:
            return resolution
        return replace(resolution, reasons=tuple(self._check(resolution)))

    def _unknown(self, id: str, kinds: Sequence[str]) -> NotFound:  # noqa: A002
        near = self._catalogue.nearest(kinds, id)
        others = [kind for kind in ("product", "project", "variable", "theme", "mission") if self._has(kind, id)]
        if others:
            what, why = f"{id} is a {others[0]}.", "Only experiments and workflows can be run."
        else:
            why = "" if self._catalogue.commit else "There is no catalogue here yet."
            what = f"There is no {' or '.join(kinds)} {id!r}."
        if near:
            remedy = f"Did you mean {' or '.join(near)}?"
        elif not self._catalogue.commit:
            remedy = "Bring one in: `terrafair catalogue sync URL_OR_PATH`."
        else:
            remedy = "See `terrafair experiments` for those that there are."
        if id.startswith("demo-"):
            remedy += " The demo's catalogue comes back with `terrafair catalogue sync demo`."
        return NotFound(what, why, remedy, id, "unknown-id")

    def _has(self, kind: str, id: str) -> bool:  # noqa: A002
        return self._catalogue.record(kind, id) is not None


@dataclass(slots=True)
class _Draft:
    """A resolution in the making."""

    id: str
    kind: str
    title: str
    workflow: str
    found: Found
    experiment: bool = False
    inputs: tuple[InputSpec, ...] = ()
    values: dict[str, Any] = field(default_factory=dict)
    configuration: dict[str, Any] = field(default_factory=dict)
    environment: EnvironmentSpec = field(default_factory=EnvironmentSpec)
    products: tuple[str, ...] = ()
    project: str = ""
    platforms: tuple[str, ...] = ()
    reasons: list[Problem] = field(default_factory=list)
    remarks: list[Problem] = field(default_factory=list)

    def read_inputs(self, values: Mapping[str, Any]) -> None:
        """The inputs that the application declares."""
        self.values = dict(values)
        application = self.found.application
        if application is None:
            return
        if application.type is WorkflowType.COMMAND:
            self.inputs = command.inputs(application.entry, values)
            return
        try:
            document = load(decode(application.content), application.location.url)
            if not isinstance(document, Mapping):
                return
            match application.type:
                case WorkflowType.OPENEO:
                    self.inputs = openeo.inputs(document)
                case WorkflowType.CWL:
                    self.inputs = cwl.inputs(document, application.entry)
                case WorkflowType.NOTEBOOK:
                    self.inputs = notebook.inputs(document)
                case WorkflowType.MLFLOW:
                    self.inputs = mlflow.inputs(document)
                case _:
                    return
        except (TerrafairError, AttributeError, KeyError, TypeError) as fault:
            # The engine's own check says what is wrong with the document, in its own words.
            self.remarks.append(Problem(f"The inputs cannot be read: {fault}", code="inputs-unreadable"))

    def weigh_inputs(self, wrong: Sequence[Problem]) -> None:
        """A bad input file stops a run only where its values are needed."""
        missing = unmet(self.inputs, self.values) if self.experiment else []
        if self.found.application is None or missing:
            self.reasons += wrong
        else:
            self.remarks += wrong
        for spec in missing:
            what = f"The workflow needs the input {spec.name!r}, and the experiment publishes no value for it."
            remedy = f"Add {spec.name} to the experiment's input file."
            self.reasons.append(Problem(what, spec.title or spec.description, remedy, spec.name, "input-required"))
        known = {spec.name for spec in self.inputs}
        for name in self.values if known else ():
            if name not in known:
                what = f"The experiment gives {name!r}, which is no input of the workflow; it is left out."
                remedy = f"The workflow's inputs: {', '.join(sorted(known))}."
                self.remarks.append(Problem(what, "", remedy, name, "input-unknown"))

    def weigh_environment(self, spec: EnvironmentSpec, wrong: Sequence[Problem]) -> None:
        """A bad environment file stops a run only where the environment is built from it, and nothing stands in."""
        kind = self.found.application.type if self.found.application else self.found.type
        self.environment = spec
        if kind in NEEDED or kind is WorkflowType.UNKNOWN:
            if spec.kind == "container" and spec.requirements:
                # Notebooks and commands run in a Python environment; the file names both.
                self.environment = replace(spec, kind="python")
            stops = spec.kind == "unknown" and self.experiment
            kept = wrong if self.experiment or self.found.application else []
            (self.reasons if stops else self.remarks).extend(kept)
            return
        self.remarks += [problem for problem in wrong if problem.code != "environment-missing"]
        if kind is WorkflowType.OPENEO:
            self.environment = replace(spec, kind="platform")

    def read_images(self, entries: Sequence[Entry]) -> None:
        """The images of a CWL document by their digests: the document at a commit may name them by tag.

        What the experiment's own environment says of one run stands before the workflow's links.
        """
        if self.found.application is None or self.found.application.type is not WorkflowType.CWL:
            return
        linked = (link["href"].strip() for entry in entries for link in links(entry, "container"))
        said = dict.fromkeys(each.removeprefix("docker://") for each in (self.environment.image, *linked))
        images: dict[str, str] = {}
        for name, mark, digest in (each.partition("@") for each in said):
            if mark and images.setdefault(name, digest) != digest:
                what = f"The records name two digests of the image {name}; it runs as {images[name]}."
                remedy = "Publish the workflow's new version under its own id, with its own link."
                self.remarks.append(Problem(what, f"The other is {digest}.", remedy, name, "image-digests-differ"))
        if images:
            self.configuration["images"] = [f"{name}@{digest}" for name, digest in images.items()]

    def read_definitions(self, entries: Sequence[Entry], documents: Documents) -> None:
        """The user-defined processes of an openEO graph."""
        application = self.found.application
        if application is None or application.type is not WorkflowType.OPENEO:
            return
        try:
            document = load(decode(application.content), application.location.url)
            found, problems = definitions(document, entries, documents)
        except (TerrafairError, AttributeError, KeyError, TypeError, RecursionError):
            return
        if found:
            self.configuration["udps"] = found
        self.reasons += problems

    def resolution(self, commit: str) -> Resolution:
        """The value that all this comes to."""
        application = self.found.application
        kind = application.type if application else self.found.type
        reasons = [*self.found.reasons, *self.reasons]
        remarks = [*self.found.remarks, *self.remarks]
        if kind is WorkflowType.ARGO:
            # Whether its code and inputs can be read does not matter while no engine takes them.
            remarks = [*remarks, *reasons]
            reasons = [self._unsupported()]
        return Resolution(
            id=self.id,
            kind=self.kind,
            title=self.title,
            workflow=self.workflow,
            type=kind,
            application=application,
            inputs=self.inputs,
            values=self.values,
            configuration=self.configuration,
            environment=self.environment,
            products=self.products,
            project=self.project,
            catalogue_commit=commit,
            reasons=tuple(dict.fromkeys(reasons)),
            remarks=tuple(dict.fromkeys(remarks)),
        )

    def _unsupported(self) -> Problem:
        elsewhere = f" It runs on {', '.join(self.platforms)}." if self.platforms else ""
        what = "The application is an Argo workflow, and this platform has no engine for it."
        remedy = "Publish it as a CWL application package as well, or run it where it was made."
        why = f"It needs a Kubernetes cluster with Argo.{elsewhere}"
        return Problem(what, why, remedy, "application:type", "type-unsupported")


def _not_a_workflow(content: bytes, name: str, form: str) -> Problem:
    why = ""
    if name.endswith((".json", ".ipynb", ".cwl", ".yaml", ".yml")):
        try:
            load(decode(content), name)
        except InvalidInput as error:
            why = error.problem.what
    remedy = "Bring an openEO process graph, a CWL document or a notebook."
    return Problem(f"{name} is no workflow: it is a {form}.", why, remedy, name, "application-unreadable")


def _outputs(entries: Sequence[Entry]) -> dict[str, Any]:
    for entry in entries:
        if declared := properties(entry).get("application:outputs"):
            return {"outputs": declared}
    return {}


def _platforms(entries: Sequence[Entry]) -> tuple[str, ...]:
    relations = ("application-originating-platform", "application-platform")
    return tuple(dict.fromkeys(link["href"] for entry in entries for link in links(entry, *relations)))


def _project(entries: Sequence[Entry]) -> str:
    for entry in entries:
        if project := text(entry, "osc:project"):
            return project
        if projects := related(entry, "projects"):
            return projects[0]
    return ""
