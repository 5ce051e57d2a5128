"""Wires the editors of the portal; part of the composition root."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terrafair import identity_parts
from terrafair.api.openeo.batch import BatchJobs
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.process_graphs import keep
from terrafair.api.openeo.submission import process_of
from terrafair.development.links import Links
from terrafair.development.texts import Texts
from terrafair.errors import InvalidInput, NotFound, Problem
from terrafair.execution.jobs import own
from terrafair.execution.quote import Quotes
from terrafair.identity.access import Action, Kind, Thing, Visibility, require
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import asker
from terrafair.identity.person import Person, absent
from terrafair.openeo_parts import batch_jobs
from terrafair.portal import graph_editor, text_editor
from terrafair.portal.page import Pages
from terrafair.workflows import package

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts
    from terrafair.interfaces import Services

OPERATOR = Person("terrafair#operator", "the operator")
"""Owns what is stored on a platform whose only user sits at the machine."""
LISTED = 2000


@dataclass(frozen=True, slots=True)
class Graphs:
    """Implements `portal.graph_editor.Graphs`."""

    batch: BatchJobs
    datasets: Any

    def check(self, process: Mapping[str, Any], base: str) -> tuple[list[Problem], list[Problem], dict[str, Any]]:
        """By the platform's static validator, with one's own processes."""
        try:
            assembled = self.batch.assembly.assemble(process_of(process), self._perhaps(), base)
        except OpenEOFault as fault:
            return [Problem(str(fault))], [], {"loaded": None, "results": None}
        found = self.batch.validate(assembled)
        size = found.estimate
        about = {"loaded": size.loaded if size else None, "results": size.results if size else None}
        return list(found.problems), list(found.warnings), about

    def own(self) -> list[str]:
        """Names of one's user-defined processes."""
        return [each.id for each in self.batch.assembly.processes.listing(self._person(), LISTED)]

    def one(self, name: str) -> Mapping[str, Any]:
        """One of them."""
        try:
            return self.batch.assembly.processes.get(self._person(), name).document
        except OpenEOFault as fault:
            what = f"You have no process {name[:80]!r}."
            raise NotFound(what, str(fault), "The graph editor lists yours under Open.", "id") from None

    def keep(self, name: str, process: Mapping[str, Any]) -> None:
        """Store one."""
        try:
            keep(self.batch.assembly, self._person(), name, process)
        except OpenEOFault as fault:
            raise InvalidInput(str(fault), where="name") from None

    def run(self, process: Mapping[str, Any], title: str, base: str) -> str:
        """Submit and start it."""
        person = self._person()
        try:
            kept = self.batch.create(person, {"process": dict(process), "title": title or "process-graph"})
            self.batch.start(person, kept.id, base)
        except OpenEOFault as fault:
            raise InvalidInput(str(fault), where="text") from None
        return str(self.batch.shelf.get(person, kept.id).document["job"])

    def collections(self) -> list[tuple[str, str]]:
        """What `load_collection` takes here."""
        ids = self.datasets.ids()[:LISTED]
        return [(str(each["id"]), str(each.get("title") or each["id"])) for each in self.datasets.listed(ids)]

    def _perhaps(self) -> Person | None:
        who = asker()
        if who.profile is not None:
            return Person(who.profile.subject, who.name)
        return OPERATOR if who.actor.operator else None

    def _person(self) -> Person:
        if (found := self._perhaps()) is None:
            raise absent()
        return found


def install(app: "FastAPI", parts: "Parts", services: "Services", frame: Pages) -> None:
    """The pages of the editors."""
    engine = services.engine
    writable = parts.config.editor_repositories
    shelf = Texts(Links(engine), parts.repositories, services.processes, parts.resolver, writable)

    def register(text: str) -> str:
        mine = own(asker())
        require(asker().actor, Action.CREATE, Thing(Kind.WORKFLOW, mine.project, mine.author, Visibility.PUBLIC))
        web: Any = parts.web
        wanted = package.read(text.encode(), package.CWL_YAML, web)
        processes = services.processes
        if processes.deployed(wanted.id):
            project, author = processes.owner(wanted.id)
            require(asker().actor, Action.CHANGE, Thing(Kind.WORKFLOW, project, author, Visibility.PUBLIC))
            return str(processes.replace(wanted).id)
        return str(processes.deploy(wanted, mine.project, mine.author).id)

    quotes = Quotes(engine, identity_parts.budget(parts), Allocations(engine))
    graphs = Graphs(
        batch_jobs(parts, engine, services.all_jobs, services.runs, services.verdicts.table), parts.datasets
    )
    rows = services.verdicts.table
    app.include_router(text_editor.router(frame, shelf, parts.web, register, rows))
    app.include_router(graph_editor.router(frame, graphs, shelf, quotes.ask, rows))
