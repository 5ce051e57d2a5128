"""Everything that can be executed here as one list: built in, published in the catalogue, or deployed by people."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from terrafair.errors import Conflict, InvalidInput, InvalidInputs, NotExecutable, NotFound, TerrafairError
from terrafair.workflows.builtins import BUILTINS
from terrafair.workflows.deployments import Deployment, Deployments, duplicated, immutable
from terrafair.workflows.described import described
from terrafair.workflows.entry import Entry, properties, related, text
from terrafair.workflows.package import Package
from terrafair.workflows.process import Process, inputs_of, outputs_of
from terrafair.workflows.table import Table
from terrafair.workflows.workflow import Resolution

BAD_DOCUMENT = frozenset({"cwl-invalid", "cwl-syntax", "cwl-entry", "application-unreadable", "cwl-import"})
"""Reasons that are faults of the document itself, wherever it would run."""


class Records(Protocol):
    """The catalogue's records of workflows."""

    def record(self, kind: str, id: str) -> Entry | None:  # noqa: A002 - the field's word
        """One record."""
        ...

    def records(self, kind: str) -> Iterable[Entry]:
        """All of a kind."""
        ...

    def nearest(self, kinds: tuple[str, ...], id: str) -> list[str]:  # noqa: A002
        """Ids that look like one."""
        ...


class Processes:
    """The list of processes; what runs is decided by the resolver."""

    def __init__(
        self,
        records: Records,
        table: Table,
        deployments: Deployments,
        resolve_file: Callable[[bytes, str, str], Resolution],
    ) -> None:
        self._records = records
        self._table = table
        self._deployments = deployments
        self._resolve_file = resolve_file
        self._own = {name: describe() for name, (describe, _) in BUILTINS.items()}
        self._deployed: dict[tuple[str, int], Process] = {}

    def listing(self) -> list[Process]:
        """All processes: the built-in ones, the catalogue's runnable workflows, deployed ones."""
        published = [
            self._published(found)
            for (kind, _), found in self._table.rows().items()
            if kind == "workflow" and found.executable
        ]
        return [*self._own.values(), *published, *self.deployments()]

    def get(self, id: str) -> Process:  # noqa: A002 - the field's word
        """One process; raises `NotFound`, with the reasons where a workflow of that id cannot run here."""
        if id in self._own:
            return self._own[id]
        if deployment := self._deployments.get(id):
            return self._process(deployment)
        try:
            found = self._table.get("workflow", id)
        except TerrafairError:
            raise self._unknown(id) from None
        if not found.executable:
            first = found.reasons[0]
            what = f"The workflow {id[:100]!r} is no process here: it cannot run on this platform."
            raise NotFound(what, str(first), f"GET /api/experiments/{id} has every reason.", id, "no-such-process")
        return self._published(found)

    def experiment(self, process: Process, id: str) -> Resolution:  # noqa: A002
        """A published preset of a process; raises `NotFound`, `InvalidInput` or `NotExecutable`."""
        try:
            found = self._table.get("experiment", id)
        except NotFound as error:
            near = ", ".join(process.experiments[:5])
            remedy = f"Of this process: {near}." if near else "This process has none."
            raise NotFound(error.problem.what, "", remedy, "experiment", "unknown-id") from None
        if found.workflow != process.record or not process.record:
            what = f"The experiment {id[:100]!r} is one of {found.workflow or 'no workflow'}, not of {process.id}."
            raise InvalidInput(what, where="experiment")
        if not found.executable:
            raise NotExecutable(found.reasons, f"{id} is not executable here.")
        return found

    def of_experiment(self, id: str) -> Process:  # noqa: A002
        """The process whose preset an experiment is; one without a workflow of its own stands for itself."""
        found = self._table.get("experiment", id)
        if not found.executable:
            raise NotExecutable(found.reasons, f"{id} is not executable here.")
        try:
            return self.get(found.workflow)
        except NotFound:
            # The workflow alone cannot run (the experiment brings the code): it is executed as it was published.
            return self._published(found)

    def deployed(self, id: str) -> str:  # noqa: A002
        """What a job names to run a deployed process; empty: there is none of that id."""
        found = self._deployments.get(id)
        return self._deployments.reference(found) if found else ""

    def deployments(self) -> list[Process]:
        """What people deployed here."""
        return [self._process(deployment) for deployment in self._deployments.listing()]

    def deploy(self, package: Package, project: str = "", author: str = "") -> Process:
        """Add a process of somebody's.

        Raises `Conflict` when the id is taken, `InvalidInputs` for a document that is wrong, `NotExecutable`.
        """
        self._free(package.id)
        self._judge(package)
        return self._process(self._deployments.deploy(package, project, author))

    def owner(self, id: str) -> tuple[str, str]:  # noqa: A002
        """Project and author of a deployed process; raises `NotFound`, or `Refused` for what nobody can change."""
        self._ours(id)
        found = self._deployments.get(id)
        return (found.project, found.author) if found else ("", "")

    def replace(self, package: Package) -> Process:
        """Put a new revision in the place of a deployed process."""
        self._ours(package.id)
        self._judge(package)
        return self._process(self._deployments.replace(package))

    def undeploy(self, id: str) -> None:  # noqa: A002
        """Take a deployed process away."""
        self._ours(id)
        self._deployments.undeploy(id)

    def package(self, id: str) -> tuple[bytes, str]:  # noqa: A002
        """The document that runs and its media type; raises `NotFound` for processes that have none."""
        process = self.get(id)
        if deployment := self._deployments.get(id):
            return self._deployments.content(deployment), deployment.media_type
        application = process.resolution.application
        if application is None or not application.content:
            raise NotFound(f"The process {id!r} has no document.", where="processID", code="no-such-process")
        return application.content, process.media_type

    def _free(self, id: str) -> None:  # noqa: A002
        if id in self._own or self._deployments.get(id):
            raise duplicated(id)
        if self._records.record("workflow", id):
            problem = duplicated(id).problem
            raise Conflict(
                problem.what, "The catalogue has a workflow of that id.", problem.remedy, "id", "duplicated-process"
            )

    def _ours(self, id: str) -> None:  # noqa: A002
        if self._deployments.get(id):
            return
        if id in self._own:
            raise immutable(id, "It is part of the platform.")
        if self._records.record("workflow", id):
            raise immutable(id, "It is published in the Open Science Catalog.")
        raise self._unknown(id)

    def _judge(self, package: Package) -> None:
        """Refuse what could never run, with every reason."""
        resolution = self._resolve_file(package.content, f"{package.id}.cwl", package.entry)
        if wrong := [reason for reason in resolution.reasons if reason.code in BAD_DOCUMENT]:
            raise InvalidInputs(wrong, "The CWL document is not valid.")
        if resolution.reasons:
            raise NotExecutable(resolution.reasons, f"The process {package.id} cannot run on this platform.")

    def _published(self, found: Resolution) -> Process:
        entry = self._records.record(found.kind, found.id)
        digest = found.application.digest if found.application else ""
        words = properties(entry).get("keywords") if entry else None
        presets = self._presets(found.id) if found.kind == "workflow" else []
        return Process(
            found.id,
            (text(entry, "version") if entry else "") or digest[:12] or "1.0.0",
            found,
            inputs_of(found),
            outputs_of(found),
            found.title,
            text(entry, "description") if entry else "",
            tuple(word for word in words if isinstance(word, str)) if isinstance(words, list) else (),
            record=found.workflow,
            experiments=tuple(presets),
            media_type=_MEDIA_TYPES.get(found.type.value, "application/octet-stream"),
            digest=digest,
        )

    def _presets(self, workflow: str) -> list[str]:
        """By what the records say: whether each can run costs more to know, and is said when it is executed."""
        return [
            entry.id
            for entry in self._records.records("experiment")
            if workflow in {text(entry, "osc:workflow"), *related(entry, "workflows")}
        ]

    def _process(self, deployment: Deployment) -> Process:
        key = (deployment.id, deployment.revision)
        if key not in self._deployed:
            content = self._deployments.content(deployment)
            found = self._resolve_file(content, f"{deployment.id}.cwl", deployment.entry)
            found = replace(found, inputs=described(found.inputs, deployment.inputs))
            if len(self._deployed) > 500:
                self._deployed.clear()
            self._deployed[key] = Process(
                deployment.id,
                deployment.version or str(deployment.revision),
                found,
                inputs_of(found),
                outputs_of(found),
                deployment.title or deployment.id,
                deployment.description,
                deployment.keywords,
                file=self._deployments.reference(deployment),
                mutable=deployment.mutable,
                media_type=deployment.media_type,
                digest=deployment.digest,
            )
        return self._deployed[key]

    def _unknown(self, id: str) -> NotFound:  # noqa: A002
        near = self._records.nearest(("workflow",), id[:200])
        remedy = f"Did you mean {' or '.join(near)}?" if near else "GET /processes lists them."
        return NotFound(f"There is no process {id[:100]!r}.", "", remedy, "processID", "no-such-process")


_MEDIA_TYPES = {
    "openeo": "application/json",
    "cwl": "application/cwl+yaml",
    "notebook": "application/x-ipynb+json",
}
