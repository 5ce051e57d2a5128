"""The runs of batch jobs and what they left: `/jobs/{job_id}/results`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo import job_log
from terrafair.api.openeo.asking import Document, base, signed_in
from terrafair.api.openeo.batch import BatchJobs
from terrafair.api.openeo.delivery import streamed
from terrafair.api.openeo.faults import OpenEOFault, code_of
from terrafair.api.openeo.results import JobResults, thing
from terrafair.api.sending import sent
from terrafair.execution.job import Job
from terrafair.identity.person import Authenticator, Person

GEOJSON = "application/geo+json"


def router(batch: BatchJobs, results: JobResults, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    person = signed_in(authenticator)
    Who = Annotated[Person, Depends(person)]  # noqa: N806 - a type

    @routes.get("/jobs/{job_id}/results")
    def result(job_id: str, request: Request, who: Who, partial: str = "false") -> Response:
        """Links to its files."""
        found = batch.get(who, job_id)
        if found.status == "error" and found.job is not None and not _is_true(partial):
            return JSONResponse(failure_of(found.job), 424)
        if found.status != "finished" and not _is_true(partial):
            raise OpenEOFault("JobNotStarted" if found.status == "created" else "JobNotFinished")
        as_item = GEOJSON in request.headers.get("accept", "")
        show = results.item if as_item else results.collection
        headers = {"OpenEO-Costs": "0"}
        kind = GEOJSON if as_item else "application/json"
        return JSONResponse(show(found, base(request)), headers=headers, media_type=kind)

    @routes.post("/jobs/{job_id}/results", status_code=202)
    def start(job_id: str, request: Request, who: Who) -> Response:
        """Hand it to the workers."""
        batch.start(who, job_id, base(request))
        return Response(status_code=202)

    @routes.delete("/jobs/{job_id}/results", status_code=204)
    def stop(job_id: str, who: Who) -> Response:
        """End its run."""
        batch.stop(who, job_id)
        return Response(status_code=204)

    @routes.api_route("/results/{job_id}/{ticket}/{name:path}", methods=["GET", "HEAD"], include_in_schema=False)
    async def file(job_id: str, ticket: str, name: str, request: Request) -> Response:
        """One file, for a link that was given out."""
        found = await run_in_threadpool(batch.get, None, job_id)
        results.signer.check(thing(found.kept), ticket)
        if name == "collection.json":
            # With the same absolute links as the person was given.
            return JSONResponse(await run_in_threadpool(results.collection, found, base(request)))
        return await run_in_threadpool(
            sent,
            results.objects,
            results.key(found, name),
            streamed(name),
            wanted=request.headers.get("range", ""),
            only_head=request.method == "HEAD",
        )

    return routes


def failure_of(job: Job) -> Document:
    """The last error of a failed run, as a log entry."""
    message = "\n".join(str(problem) for problem in job.problems) or job.message or "The job failed."
    code = code_of(job.problems[0]) if job.problems else "Internal"
    return job_log.failure(job.id, message, code)


def _is_true(text: str) -> bool:
    return text.lower() in {"true", "1", ""}
