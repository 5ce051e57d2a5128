"""The ASGI application: every interface of the platform on one address."""

import threading
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import structlog
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

from terrafair import (
    __version__,
    development_parts,
    editors_parts,
    identity_parts,
    operations_parts,
    portal_parts,
    publishing_parts,
    tracing,
    workspaces_parts,
)
from terrafair.api import catalogue, files, jobs, problems, products, publications, targets, tiles
from terrafair.api.cross_origin import CrossOrigin
from terrafair.api.features import application as features
from terrafair.api.features import openapi as features_openapi
from terrafair.api.guard import Secured, guard
from terrafair.api.openeo.capabilities import well_known
from terrafair.api.runs import Runs
from terrafair.api.stac import application as stac_application
from terrafair.api.stac import openapi as stac_openapi
from terrafair.api.stac import service as stac_service
from terrafair.api.traced import Traced
from terrafair.api.verdicts import Verdicts
from terrafair.data.tiles.cache import TileCache
from terrafair.database import open_engine
from terrafair.execution.job import JobRequest
from terrafair.execution.jobs import Jobs
from terrafair.execution.pairing import Pairing
from terrafair.execution.queue import DurableQueue
from terrafair.identity.asking import actor
from terrafair.openeo_parts import openeo
from terrafair.portal.turned_away import TurnedAway
from terrafair.publishing.store import Store
from terrafair.workflows.check import bind

if TYPE_CHECKING:
    from terrafair.app import Parts
    from terrafair.publishing.standins.embedded import ArchiveAccess, ForgeAccess

CATALOGUE_WATCH_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Services:
    """What several interfaces share."""

    engine: Any
    """Of the control database."""
    jobs: Jobs
    """Whoever asks sees their own alone."""
    all_jobs: Jobs
    processes: Any
    runs: Runs
    verdicts: Verdicts


def build(
    parts: "Parts", stack: ExitStack, forge: "ForgeAccess | None" = None, archive: "ArchiveAccess | None" = None
) -> FastAPI:
    """All of it; what has to be closed again goes onto the stack."""
    services = _services(parts, stack)
    about = "Find, run and reproduce open Earth science."
    app = FastAPI(title="terrafair", version=__version__, description=about, docs_url=None, redoc_url=None)
    guard(app, parts.config.host)
    problems.install(app)
    operations_parts.admit_changes(app, parts, services.engine)
    _own(parts, app, services, stack)
    _standards(parts, app, services.engine, services.jobs, services.processes, stack)
    publisher = publishing_parts.publisher(parts, services.engine, services.jobs.get, forge, archive)
    app.include_router(
        publications.router(
            publisher,
            Store(services.engine),
            forge.forge if forge else None,
            portal_parts.admits(parts, services, publisher),
        )
    )
    development_parts.install(app, parts, services.engine, services.jobs, services.all_jobs, stack)
    _stac(parts, app, stack)
    frame = portal_parts.install(app, parts, services, publisher, forge, stack)
    workspaces_parts.install(app, parts, services, frame, stack)
    editors_parts.install(app, parts, services, frame)
    _openeo(parts, app, services)
    operations_parts.install(app, parts, services.engine, stack, frame, services.all_jobs.get)
    app.add_middleware(TurnedAway, pages=frame)
    app.add_middleware(CrossOrigin)
    app.add_middleware(Secured)
    if tracing.on():
        app.add_middleware(Traced)
    app.state.warm = services.verdicts.table
    return app


def _services(parts: "Parts", stack: ExitStack) -> Services:
    engine = open_engine(parts.config.database_url)
    stack.callback(engine.dispose)
    queue = DurableQueue(parts.config.database_url)
    stack.callback(queue.close)
    budget, folder = identity_parts.budget(parts), parts.config.home / "jobs"
    bell = parts.bell
    room = operations_parts.room(parts).check
    stored, own = (
        Jobs(engine, queue, folder, budget, guarded=it, announce=bell.ring, room=room) for it in (False, True)
    )
    parts.admission = identity_parts.admission(parts, engine, stored.get)
    processes = parts.processes(engine)
    locate = _Located(processes)
    pairing = Pairing(parts.objects, parts.sandbox, parts.config.home / "comparisons")
    delegate, beside = parts.delegation.delegate, parts.bucket_inputs
    runs = Runs(own, parts.resolve, bind, parts.objects, locate, delegate, pairing, parts.admit, beside)
    verdicts = Verdicts(parts.table)
    return Services(engine, own, stored, processes, runs, verdicts)


@dataclass(frozen=True, slots=True)
class _Located:
    """Finds a deployed process by its id, as one runs a published workflow."""

    processes: Any

    def __call__(self, request: JobRequest) -> JobRequest:
        if request.file or request.kind not in {"", "process"}:
            return request
        file = self.processes.deployed(request.subject)
        return replace(request, kind="process", file=file, process=request.subject) if file else request


def _own(parts: "Parts", app: FastAPI, services: Services, stack: ExitStack) -> None:
    """`/api` and `/tiles`."""
    locate, runs = _Located(services.processes), services.runs
    app.include_router(catalogue.router(parts.catalogue, parts.resolver, services.verdicts))
    app.include_router(jobs.router(runs))
    app.include_router(files.router(runs))
    app.include_router(products.router(parts.product, parts.stager, parts.objects, parts.admit))
    app.include_router(targets.router(parts.delegation, lambda name: parts.resolve(locate(JobRequest(name, "")))))
    stack.callback(parts.painters.close)
    cache = TileCache(parts.config.home / "tiles")
    app.include_router(tiles.router(parts.painters.paint, lambda _, job, name: runs.located(job, name), cache))


def _stac(parts: "Parts", app: FastAPI, stack: ExitStack) -> None:
    """`/stac` and `/features`."""
    service = stac_service.Service(
        parts.items, may_write=lambda _: actor().operator, belongs_elsewhere=parts.shelves.owner
    )
    stac_application.mount(app, "/stac", stac_application.application(service))
    stac_application.mount(app, "/features", features.application(parts.shelves.features))
    app.state.descriptions["/stac"] = partial(stac_openapi.document, "/stac", __version__)
    app.state.descriptions["/features"] = partial(features_openapi.description, "/features", __version__)
    stack.callback(parts.shelves.close)
    if parts.seat:
        return
    ended = threading.Event()
    stack.callback(ended.set)
    threading.Thread(target=_follow_catalogue, args=(parts, ended), name="products", daemon=True).start()


def _openeo(parts: "Parts", app: FastAPI, services: Services) -> None:
    """`/openeo` and the place where its clients look first."""
    inner = openeo(parts, services.engine, services.all_jobs, services.runs, services.verdicts.table)
    app.mount("/openeo", inner)
    app.state.descriptions["/openeo"] = inner.openapi

    @app.get("/.well-known/openeo", include_in_schema=False)
    def versions(request: Request) -> JSONResponse:
        """Where openEO clients find the API."""
        document = well_known(f"{str(request.base_url).rstrip('/')}/openeo")
        return JSONResponse(document, headers={"Access-Control-Allow-Origin": "*"})


def _follow_catalogue(parts: "Parts", ended: threading.Event) -> None:
    """Show the products of each state of the catalogue, which another process may bring in."""
    while True:
        try:
            _, faults = parts.shelves.mirror_products()
            for fault in faults:
                structlog.get_logger().warning("products.refused", reason=fault[:500])
        except Exception as fault:
            # The catalogue is being written, or the store is away: the next turn may find it well.
            structlog.get_logger().warning("products.failed", reason=str(fault)[:500])
        if ended.wait(CATALOGUE_WATCH_SECONDS):
            return


def _standards(parts: "Parts", app: FastAPI, engine: Any, jobs: Any, processes: Any, stack: ExitStack) -> None:
    """The OGC interfaces at the root, the landing page, and the calls back to those who subscribe to jobs."""
    from terrafair.api import landing
    from terrafair.api.capabilities import Capabilities
    from terrafair.api.guard import BODY_LIMIT
    from terrafair.api.html import Pages
    from terrafair.api.processes import callback, routes
    from terrafair.api.processes import jobs as job_routes
    from terrafair.api.processes.executions import Executions
    from terrafair.api.processes.inputs import Inputs
    from terrafair.api.records import routes as records
    from terrafair.execution.callbacks import Callbacks

    pages, config = Pages(), parts.config
    web: Any = parts.web
    executions = Executions(processes, jobs, Inputs(web, parts.objects, parts.admit, parts.bucket_inputs), web.admit)
    services = routes.Services(processes, executions, parts.objects, web, pages)
    app.include_router(routes.router(services))
    app.include_router(job_routes.router(services))
    app.include_router(records.router(parts.catalogue, services, pages))
    isolation = parts.sandbox.reason if parts.sandbox.isolated else ""
    able = Capabilities(parts.engines, parts.limits, config.workers, BODY_LIMIT, isolation, parts.delegation.names)
    app.include_router(landing.router(app, landing.CONFORMANCE, able.document, pages))
    if parts.seat:
        return
    callbacks = Callbacks(engine, web, callback.document(executions, parts.objects, lambda: app.state.url))
    callbacks.start()
    stack.callback(callbacks.stop)
