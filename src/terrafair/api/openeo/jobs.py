"""Batch jobs: `/jobs`."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from terrafair.api.openeo import job_log
from terrafair.api.openeo.asking import PAGE, Document, Limit, Offset, base, body, page_links, signed_in
from terrafair.api.openeo.batch import BatchJob, BatchJobs
from terrafair.api.openeo.submission import LEVELS, level_of
from terrafair.execution.job import Job
from terrafair.identity.person import Authenticator, Person

Estimate = Callable[[Person, BatchJob, str], Document]


def router(batch: BatchJobs, estimate: Estimate, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    person = signed_in(authenticator)
    Who = Annotated[Person, Depends(person)]  # noqa: N806 - a type
    Body = Annotated[Document, Depends(body)]  # noqa: N806

    @routes.get("/jobs")
    def listing(request: Request, who: Who, limit: Limit = None, offset: Offset = 0) -> Document:
        """All, newest first."""
        most = min(limit or PAGE, PAGE)
        found = batch.listing(who, most + 1, offset)
        shown = [each.document(base(request), whole=False) for each in found[:most]]
        return {"jobs": shown, "links": page_links(request, most, offset, len(found) > most)}

    @routes.post("/jobs", status_code=201)
    def create(request: Request, who: Who, document: Body) -> Response:
        """Keep a submission."""
        kept = batch.create(who, document)
        headers = {"Location": f"{base(request)}/jobs/{kept.id}", "OpenEO-Identifier": kept.id}
        return Response(status_code=201, headers=headers)

    @routes.get("/jobs/{job_id}")
    def one(job_id: str, request: Request, who: Who) -> Document:
        """One, with its process."""
        return batch.get(who, job_id).document(base(request), whole=True)

    @routes.patch("/jobs/{job_id}", status_code=204)
    def change(job_id: str, who: Who, document: Body) -> Response:
        """Change it while it neither waits nor runs."""
        batch.change(who, job_id, document)
        return Response(status_code=204)

    @routes.delete("/jobs/{job_id}", status_code=204)
    def delete(job_id: str, who: Who) -> Response:
        """End and forget it."""
        batch.delete(who, job_id)
        return Response(status_code=204)

    @routes.get("/jobs/{job_id}/estimate")
    def cost(job_id: str, request: Request, who: Who) -> Document:
        """What it will take at most."""
        return estimate(who, batch.get(who, job_id), base(request))

    @routes.get("/jobs/{job_id}/logs")
    def logs(
        job_id: str, request: Request, who: Who, offset: str = "", level: str = "debug", limit: Limit = None
    ) -> Document:
        """What it has said."""
        found = batch.get(who, job_id)
        least = max(level_of(level), found.submission.log_level, key=LEVELS.index)
        return log_page(batch, found.job, request, offset, least, limit)

    return routes


def log_page(
    batch: BatchJobs, job: Job | None, request: Request, offset: str, level: str, limit: int | None
) -> Document:
    """A page of a run's log; empty before its first run."""
    if job is None:
        return {"level": level, "logs": [], "links": []}
    lines = lambda since, count: batch.jobs.log(job.id, since, count)  # noqa: E731
    found, more = job_log.page(lines, run=job.id, after=offset, level=level, limit=limit)
    links = []
    if more and found:
        following = request.url.include_query_params(offset=found[-1]["id"])
        links.append({"rel": "next", "href": str(following), "type": "application/json"})
    return {"level": level, "logs": found, "links": links}
