"""The openEO API as one ASGI application, to be mounted at `/openeo`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from terrafair.api.openeo import (
    capabilities,
    collections,
    credentials,
    faults,
    files,
    job_results,
    jobs,
    process_graphs,
    processes,
    services,
    synchronous,
)
from terrafair.api.openeo.asking import Document
from terrafair.api.openeo.assembly import Assembled
from terrafair.api.openeo.batch import BatchJob, BatchJobs, Check
from terrafair.api.openeo.cross_origin import CrossOrigin
from terrafair.api.openeo.datasets import Datasets
from terrafair.api.openeo.results import JobResults
from terrafair.api.openeo.shelf import Shelf
from terrafair.api.openeo.synchronous import Synchronous
from terrafair.api.openeo.tiles import Tiles
from terrafair.api.openeo.user_files import UserFiles
from terrafair.errors import InvalidInputs
from terrafair.execution.engines.openeo.validation import LOADED_LIMIT, Context, Review, review
from terrafair.identity.embedded import EmbeddedAuthenticator
from terrafair.identity.person import Person
from terrafair.workflows.openeo import free_parameters

PATH = "/openeo"


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes stand on."""

    authenticator: EmbeddedAuthenticator
    datasets: Datasets
    batch: BatchJobs
    results: JobResults
    files: UserFiles
    shelf: Shelf
    """Secondary services."""
    tiles: Tiles
    synchronous_seconds: float
    job_seconds: float
    """The most that one run may take."""


def application(parts: Services) -> FastAPI:
    """All routes with errors, CORS and bounds."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    faults.install(app)
    who, batch = parts.authenticator, parts.batch
    check = validation(parts.datasets)
    known: list[BaseRoute] = []
    for router in (
        capabilities.router(known),
        credentials.router(who, parts.files, lambda person: usage(batch, person)),
        collections.router(parts.datasets, who),
        processes.router(batch.assembly, who),
        process_graphs.router(batch.assembly, check, who),
        synchronous.router(Synchronous(batch, parts.synchronous_seconds), who),
        jobs.router(batch, lambda *asked: estimate(parts, *asked), who),
        job_results.router(batch, parts.results, who),
        files.router(parts.files, who),
        services.router(parts.shelf, parts.tiles, who),
    ):
        app.include_router(router)
        known.extend(router.routes)
    app.add_middleware(CrossOrigin, routes=known)
    return app


def validation(datasets: Datasets) -> Check:
    """The check of assembled processes against this platform's processes and collections."""

    def check(assembled: Assembled, byte_limit: int = LOADED_LIMIT) -> Review:
        context = Context(datasets.measured, assembled.definitions, byte_limit=byte_limit)
        found = review(declared(assembled.document), context)
        # A process that could not be had has been told already.
        told = {"process-unsupported"} if assembled.problems else set()
        rest = tuple(problem for problem in found.problems if problem.code not in told)
        return replace(found, problems=(*assembled.problems, *rest))

    return check


def declared(process: Mapping[str, Any]) -> Mapping[str, Any]:
    """With a declaration of every parameter: those that nobody has declared are no error before the run."""
    known = [each for each in process.get("parameters") or () if isinstance(each, Mapping)]
    names = {each.get("name") for each in known}
    free = [name for name in free_parameters(process["process_graph"]) if name not in names]
    more = [{"name": name, "description": "", "schema": {}} for name in free]
    return {**process, "parameters": [*known, *more]}


def usage(batch: BatchJobs, person: Person) -> Document:
    """What the last runs of a person's batch jobs have taken together."""
    runs = [each.job for each in batch.listing(person, 10_000, 0) if each.job]
    seconds = sum(job.usage.cpu_seconds for job in runs)
    return {"jobs": len(runs), "cpu": {"value": round(seconds, 2), "unit": "cpu-seconds"}}


def estimate(parts: Services, person: Person, batch: BatchJob, here: str) -> Document:
    """The upper limit of what a job takes: computing has no price here, and no run exceeds the platform's limit."""
    assembled = parts.batch.assembly.assemble(batch.submission.process, person, here)
    found = parts.batch.validate(assembled)
    if found.problems:
        raise InvalidInputs(found.problems)
    size = found.estimate.results if found.estimate else None
    about = {"costs": 0, "duration": f"PT{round(parts.job_seconds)}S", "downloads_included": None}
    return about if size is None else {**about, "size": size}
