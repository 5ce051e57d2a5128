"""Paths and words by which clients of older and other servers (ADES, Weaver) ask for the same things."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response

from terrafair.api.negotiation import Document, MachineRoute, base_of, forms, link
from terrafair.api.processes import openapi, results, status
from terrafair.api.processes.results import Wish
from terrafair.api.processes.routes import Services
from terrafair.execution.job import Job, State

STATES = {
    "succeeded": (State.SUCCESSFUL,),
    "success": (State.SUCCESSFUL,),
    "queued": (State.ACCEPTED,),
    "created": (),
    "pending": (State.ACCEPTED,),
    "started": (State.RUNNING,),
    "finished": (State.SUCCESSFUL, State.FAILED, State.DISMISSED),
}
"""Words for states that `/jobs?status=` takes beside the standard's, in any case."""


def router(services: Services, done: Callable[[Services, str], Job]) -> APIRouter:
    """Routes that answer as those of the standard do; `done` gives a job that has results."""
    routes = APIRouter(tags=["jobs"], route_class=MachineRoute)
    _below_processes(routes)
    _of_jobs(routes, services, done)
    return routes


def _below_processes(routes: APIRouter) -> None:
    """`/processes/ID/jobs...`: the jobs of one process; the method and the body go along."""

    @routes.get("/processes/{processID}/jobs", summary="Jobs of a process")
    def listing(processID: str, request: Request) -> RedirectResponse:  # noqa: N803 - the standard's name
        query = f"&{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"{base_of(request)}/jobs?processID={quote(processID, safe='')}{query}", 307)

    @routes.post("/processes/{processID}/jobs", summary="Execute a process", openapi_extra=openapi.EXECUTE)
    def execute(processID: str, request: Request) -> RedirectResponse:  # noqa: N803
        return RedirectResponse(f"{base_of(request)}/processes/{quote(processID, safe='')}/execution", 307)

    @routes.get("/processes/{processID}/jobs/{rest:path}", summary="A job of a process, and all below it")
    def below(processID: str, rest: str, request: Request) -> RedirectResponse:  # noqa: ARG001, N803
        return _to_job(request, rest)

    @routes.delete("/processes/{processID}/jobs/{rest:path}", summary="Dismiss a job of a process")
    def dismiss(processID: str, rest: str, request: Request) -> RedirectResponse:  # noqa: ARG001, N803
        return _to_job(request, rest)


def _to_job(request: Request, rest: str) -> RedirectResponse:
    query = f"?{request.url.query}" if request.url.query else ""
    return RedirectResponse(f"{base_of(request)}/jobs/{quote(rest, safe='/')}{query}", 307)


def _of_jobs(routes: APIRouter, services: Services, done: Callable[[Services, str], Job]) -> None:
    @routes.get("/jobs/{jobID}/outputs", summary="What a job gave, below `outputs`")
    def outputs(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        """A mapping of names; `schema=OLD` and `schema=OGC+strict` give a listing with ids."""
        job = done(services, jobID)
        found = results.products(job, services.objects, base_of(request))
        members: Any = results.inline(found, Wish(), services.objects)
        asked = request.query_params.get("schema", "").replace(" ", "+").lower()
        if asked.endswith("strict") or asked == "old":
            members = [_listed(name, value) for name, value in members.items()]
        links = [*forms(request, page=False), link(status.url(job.id, base_of(request)), "up")]
        return JSONResponse({"outputs": members, "links": links})

    @routes.get("/jobs/{jobID}/outputs/{outputID}", summary="One output of a job")
    def output(jobID: str, outputID: str, request: Request) -> RedirectResponse:  # noqa: N803
        return _to_job(request, f"{jobID}/results/{outputID}")

    @routes.get("/jobs/{jobID}/exceptions", summary="Why a job failed, as texts")
    def exceptions(jobID: str) -> JSONResponse:  # noqa: N803
        return JSONResponse([str(problem) for problem in services.executions.job(jobID).problems])

    @routes.get("/jobs/{jobID}/statistics", summary="What a job took")
    def statistics(jobID: str, request: Request) -> Response:  # noqa: N803
        return _to_job(request, f"{jobID}/metrics")

    @routes.get("/jobs/{jobID}/prov", summary="How a result came about, as PROV")
    def prov(jobID: str, request: Request) -> Response:  # noqa: N803
        return RedirectResponse(f"{base_of(request)}/jobs/{quote(jobID, safe='')}/provenance?profile=prov", 307)


def _listed(name: str, value: Any) -> Document:
    linked = isinstance(value, dict) and ("href" in value or "value" in value)
    return {"id": name, **(value if linked else {"value": value})}
