"""Wires the pages; part of the composition root."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from terrafair import identity_parts
from terrafair.api import problems
from terrafair.api.shapes import resolution, verdict
from terrafair.catalogue.records import Kind
from terrafair.development.activity import Activity
from terrafair.development.changes import Changes
from terrafair.development.releases import Releases
from terrafair.execution.job import State
from terrafair.execution.levels import Ran, levels, ran
from terrafair.execution.quote import Quotes
from terrafair.identity.access import Action
from terrafair.identity.allocations import Allocations
from terrafair.identity.projects import Projects
from terrafair.operations.doctor import Finding, examine
from terrafair.operations.intake import ReadOnly
from terrafair.operations.scrub import Scrub
from terrafair.portal import activity, manual, pages, publish, readable, results_view
from terrafair.portal.administration import Works
from terrafair.portal.amend_form import Amending
from terrafair.portal.amending import admitting
from terrafair.portal.backend import PortalBackend
from terrafair.portal.kept import Kept
from terrafair.portal.link_check import LinkCheck
from terrafair.portal.page import Pages
from terrafair.portal.publish_form import Describing
from terrafair.portal.publish_walk import Walks
from terrafair.portal.results_source import JobResults
from terrafair.portal.standing import Standings
from terrafair.publishing.form import Form
from terrafair.publishing.store import Store

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts
    from terrafair.interfaces import Services
    from terrafair.publishing.publisher import Publisher
    from terrafair.publishing.standins.embedded import ForgeAccess

LOOKED_SECONDS = 60.0
JOBS_MEASURED = 10_000


@dataclass(frozen=True, slots=True)
class Targets:
    """Implements `portal.backend.Targets`."""

    parts: "Parts"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all targets."""
        return self.parts.delegation.names

    def verdict(self, name: str, id: str, kind: str) -> dict[str, Any]:  # noqa: A002 - the field's word
        """Whether one would run something."""
        return verdict(self.parts.delegation.delegate(self.parts.resolver.resolve(id, kind or None), name))


@dataclass(frozen=True, slots=True)
class Deployed:
    """Processes that people deployed here, as the pages ask about what is published."""

    processes: Any

    def rows(self) -> list[dict[str, Any]]:
        """Each with its verdict."""
        return [verdict(found.resolution) | self._named(found) for found in self.processes.deployments()]

    def explain(self, id: str) -> dict[str, Any]:  # noqa: A002 - the field's word
        """What one comes down to; raises `NotFound`."""
        found = self.processes.get(id)
        return resolution(found.resolution) | self._named(found) | {"description": found.description}

    def _named(self, found: Any) -> dict[str, Any]:
        return {"id": found.id, "kind": "process", "title": found.title, "workflow": ""}


@dataclass(slots=True)
class Looked:
    """Looks at the machine's parts once a minute at the most."""

    look: Callable[[], Sequence[Finding]]
    _kept: tuple[float, Sequence[Finding]] = field(default=(-LOOKED_SECONDS, ()))

    def __call__(self) -> Sequence[Finding]:
        """What was seen."""
        if time.monotonic() - self._kept[0] >= LOOKED_SECONDS or not self._kept[1]:
            self._kept = (time.monotonic(), self.look())
        return self._kept[1]


def install(
    app: "FastAPI",
    parts: "Parts",
    services: "Services",
    publisher: "Publisher",
    forge: "ForgeAccess | None",
    stack: ExitStack,
) -> Pages:
    """All pages, and the layer in front of everything; gives their common frame."""
    warning = "" if parts.sandbox.isolated else f"Jobs run without isolation. {parts.sandbox.reason}"
    engine = services.engine
    allocations, kept = Allocations(engine), Kept(engine)
    deployed = Deployed(services.processes)

    def explain(id: str, kind: str) -> dict[str, Any]:  # noqa: A002
        if kind == "process":
            return deployed.explain(id)
        return resolution(parts.resolver.resolve(id, kind or None))

    backend = PortalBackend(
        lambda: [*services.verdicts.table(), *deployed.rows()],
        explain,
        services.runs,
        Quotes(engine, identity_parts.budget(parts), allocations).ask,
        Targets(parts),
    )
    banner = app.state.read_only.banner
    standing = Standings(Projects(engine), allocations)
    frame = Pages(pages.Surroundings(lambda: parts.catalogue.commit, warning, problems.status_of, banner, standing))
    app.include_router(results_view.router(JobResults(services.runs, parts.painters.paint), frame))
    app.include_router(pages.router(parts.catalogue, backend, backend, frame, kept, LinkCheck(parts.web.get)))

    def sync() -> None:
        parts.catalogue.sync(parts.catalogue.source, parts.catalogue.branch)
        publisher.seen(parts.catalogue_files())

    amending = _amending(parts, services, publisher)
    publishing = publish.Publishing(
        Describing(publisher, Store(engine), kept),
        Form(lambda: parts.rules.store, parts.catalogue_files),
        Walks(publisher),
        admitting(services.jobs.admit, amending),
        lambda: services.runs.listing(status="successful", limit=200),
        sync,
        forge.forge if forge else None,
        amending,
    )
    app.include_router(publish.router(frame, publishing))
    changes = Changes(parts.repositories, parts.objects, services.jobs.get)
    development = Activity(services.jobs, Releases(engine), services.processes, changes)
    app.include_router(activity.router(frame, development))
    identity_parts.install(app, parts, engine, _works(parts, services, sync, app.state.read_only), frame, kept, stack)
    app.mount("/static", pages.static())
    manual.mount(app)
    readable.install(app, frame)
    return frame


def _amending(parts: "Parts", services: "Services", publisher: "Publisher") -> Amending:
    return Amending(publisher, Store(services.engine), Kept(services.engine), parts.catalogue_files)


def admits(parts: "Parts", services: "Services", publisher: "Publisher") -> Callable[[str, Action], None]:
    """The rights to publications of jobs, and to changes of entries."""
    return admitting(services.jobs.admit, _amending(parts, services, publisher))


def _works(parts: "Parts", services: "Services", sync: Callable[[], None], read_only: ReadOnly) -> Works:
    catalogue, jobs = parts.catalogue, services.all_jobs

    def about() -> dict[str, Any]:
        kinds = {kind.value: sum(1 for _ in catalogue.records(kind.value)) for kind in Kind}
        return {
            "source": catalogue.source,
            "branch": catalogue.branch,
            "commit": catalogue.commit,
            "synced": catalogue.synced_at,
            "kinds": {kind: count for kind, count in kinds.items() if count},
        }

    def oldest() -> str:
        waiting = jobs.listing(state=State.ACCEPTED.value, limit=JOBS_MEASURED)
        return waiting[-1].created if waiting else ""

    def engines() -> list[Ran]:
        limits = parts.limits
        each = f"at most {limits.seconds / 3600:g} h and {limits.memory / 2**30:.1f} GiB a job"
        return ran([kind.value for kind in parts.engines], jobs.listing(limit=JOBS_MEASURED), each)

    return Works(
        jobs.states,
        oldest,
        lambda: levels(jobs.listing(limit=JOBS_MEASURED)),
        about,
        sync,
        Looked(lambda: examine(parts.config, parts.sandbox)),
        engines,
        parts.delegation.overview,
        read_only.state,
        lambda on, by, reason: read_only.set(on=on, by=by, reason=reason),
        Scrub(services.engine, parts.objects).report,
    )
