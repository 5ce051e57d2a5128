"""`/jobs`: what was executed, how it goes, what it gave."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from terrafair.api.negotiation import Document, MachineRoute, address, base_of, forms, html, link, whole
from terrafair.api.processes import aliases, openapi, order, results, status
from terrafair.api.processes.order import Preference
from terrafair.api.processes.results import Wish
from terrafair.api.processes.routes import Services, accepted, ended_badly, job_response, run, wish_of
from terrafair.catalogue.query import parse_time
from terrafair.errors import InvalidInput, NotFound
from terrafair.execution.job import Job, State
from terrafair.execution.jobs import Selection

LIMIT, MOST = 10, 1000
LOG_LINES = 1000
DEEPEST = 10_000
"""How far `page` leads; `next` links lead on."""
DISMISS_SECONDS = 5.0


def router(services: Services) -> APIRouter:
    """The routes; the pages of the same paths are the portal's."""
    routes = APIRouter(tags=["jobs"], route_class=MachineRoute)
    routes.include_router(aliases.router(services, done))
    _watching(routes, services)
    _extras(routes, services)

    @routes.post("/jobs", status_code=201, summary="Execute the process that the body names", openapi_extra=openapi.JOB)
    async def create(request: Request) -> Response:
        """`process` is an id or the address of one of this platform's processes; all else as in an execution."""
        document = order.parse(await request.body(), request.headers.get("content-type", ""))
        wanted = order.read(document)
        if not wanted.process:
            raise InvalidInput("The job names no process.", remedy="Give `process` its address.", where="process")
        found = await asyncio.to_thread(services.processes.get, wanted.process)
        preference = Preference.read(request.headers.getlist("prefer"))
        if wanted.held:
            resolution, values = await asyncio.to_thread(services.executions.prepare, found, wanted)
            job = await asyncio.to_thread(services.executions.submit, found, wanted, resolution, values)
            return accepted(job, base_of(request), Preference())
        if preference.wait is None and wanted.mode != "sync":
            wanted = replace(wanted, mode="async")
        return await run(services, request, found, wanted)

    @routes.patch("/jobs/{jobID}", summary="Change a job that waits to be let go", openapi_extra=openapi.PATCH)
    async def amend(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        """One that was made with `status: create`; any other is locked."""
        wanted = order.read(order.parse(await request.body(), request.headers.get("content-type", "")))
        job = await asyncio.to_thread(services.executions.job, jobID)
        job = await asyncio.to_thread(services.executions.amend, job, wanted)
        return JSONResponse(status.status(job, base_of(request)))

    @routes.post("/jobs/{jobID}/results", status_code=201, summary="Let a job go that waits for it")
    def release(jobID: str, request: Request) -> Response:  # noqa: N803
        job = services.executions.release(services.executions.job(jobID))
        return accepted(job, base_of(request), Preference())

    @routes.delete("/jobs/{jobID}", summary="Dismiss a job, or remove its results")
    async def dismiss(jobID: str, request: Request) -> JSONResponse:  # noqa: N803 - the standard's name
        job = await asyncio.to_thread(services.executions.job, jobID)
        prefix = job.results.prefix
        job = await asyncio.to_thread(services.executions.dismiss, jobID)
        job = await services.executions.wait(job, DISMISS_SECONDS)
        if prefix and job.state is State.DISMISSED:
            await asyncio.to_thread(services.objects.delete, prefix)
        document = status.status(job, base_of(request))
        return JSONResponse(document)

    return routes


def _watching(routes: APIRouter, services: Services) -> None:
    @routes.get("/jobs", summary="Jobs, newest first")
    def listing(request: Request) -> JSONResponse:
        """Filters: type, processID, status, datetime, minDuration, maxDuration; pages by `limit` and `next` links.

        `page` counts pages from 0, for clients that do not follow links.
        """
        html(request)
        limit = whole(request.query_params, "limit", LIMIT, MOST)
        wanted = selection(request)
        before = request.query_params.get("before", "")
        skipped = 0 if before else whole(request.query_params, "page", 0, DEEPEST // limit, 0) * limit
        found = services.executions.select(wanted, skipped + limit + 1, before) if _asks_processes(request) else []
        found = found[skipped:]
        base = base_of(request)
        links = forms(request, "Jobs")
        if len(found) > limit:
            following = address(request, before=found[limit - 1].id, limit=limit, page=None)
            links.append(link(following, "next"))
        return JSONResponse({"jobs": [status.status(job, base) for job in found[:limit]], "links": links})

    @routes.get("/jobs/{jobID}", summary="How a job goes")
    def one(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        html(request)
        return JSONResponse(status.status(services.executions.job(jobID), base_of(request)))

    @routes.get("/jobs/{jobID}/results", summary="What a job gave")
    def give(jobID: str, request: Request) -> Response:  # noqa: N803
        job = done(services, jobID)
        delivery = job.request.delivery
        chosen = delivery.get("outputs")
        if asked := _several(request, "outputs"):
            chosen = dict.fromkeys(asked, "")
            known = [product.name for product in results.products(job, services.objects, base_of(request))]
            results.check_names(asked, known)
        preference = Preference.read(request.headers.getlist("prefer"))
        wish = replace(wish_of(request, delivery.get("response", ""), chosen), returned=preference.returned)
        return job_response(services, job, wish, base_of(request))

    @routes.get("/jobs/{jobID}/results/{outputID}", summary="One output of a job")
    def output(jobID: str, outputID: str, request: Request) -> Response:  # noqa: N803
        job = done(services, jobID)
        found = results.products(job, services.objects, base_of(request))
        wish = Wish("raw", {outputID: "value"})
        return results.response([results.one(found, outputID)], wish, services.objects)


def done(services: Services, id: str) -> Job:  # noqa: A002 - the field's word
    """A job that has results; raises what is said of one that has none."""
    job = services.executions.job(id)
    if job.state is State.SUCCESSFUL:
        return job
    if job.state in {State.FAILED, State.DISMISSED}:
        raise ended_badly(job)
    what = f"Job {job.id} has no results yet: it is {job.state.value}."
    raise NotFound(what, remedy="Ask for its status until it has ended.", where="jobID", code="result-not-ready")


def _extras(routes: APIRouter, services: Services) -> None:
    @routes.get("/jobs/{jobID}/inputs", summary="The values that a job was given")
    def inputs(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        job = services.executions.job(jobID)
        document: Document = {
            "inputs": services.executions.inputs(job),
            "outputs": {name: {"transmissionMode": mode or "value"} for name, mode in _wanted(job).items()},
            "links": [*forms(request, page=False), link(status.url(job.id, base_of(request)), "up")],
        }
        if job.request.kind == "experiment":
            document["experiment"] = job.request.subject
        return JSONResponse(document)

    @routes.get("/jobs/{jobID}/logs", summary="A job's log")
    def logs(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        limit = whole(request.query_params, "limit", LOG_LINES, 100_000)
        since = whole(request.query_params, "since", 0, 10**12, 0)
        lines = services.executions.log(jobID, since, limit)
        links = forms(request, page=False)
        if len(lines) == limit:
            links.append(link(address(request, since=lines[-1]["line"] + 1, limit=limit), "next"))
        return JSONResponse({"logs": lines, "links": links})

    @routes.get("/jobs/{jobID}/metrics", summary="What a job took")
    def metrics(jobID: str, request: Request) -> JSONResponse:  # noqa: N803
        job = services.executions.job(jobID)
        stored = sum(asset.size for asset in job.results.assets)
        document = {**asdict(job.usage), "seconds": job.seconds, "restarts": job.restarts, "result_bytes": stored}
        return JSONResponse({**document, "links": forms(request, page=False)})

    @routes.get("/jobs/{jobID}/provenance", summary="How a result came about (RO-Crate; PROV with ?profile=prov)")
    def provenance(jobID: str, request: Request) -> Response:  # noqa: N803
        job = services.executions.job(jobID)
        if not job.results.crate:
            what = f"Job {job.id} has no provenance yet: it is {job.state.value}."
            raise NotFound(what, where="jobID", code="result-not-ready")
        prov = request.query_params.get("profile") == "prov"
        key = f"{job.results.prefix.rstrip('/')}/prov.json" if prov else job.results.crate
        content = services.objects.open(key)
        kind = "application/json" if prov else "application/ld+json"
        return StreamingResponse(content.chunks, media_type=kind)


def _wanted(job: Job) -> dict[str, str]:
    return dict(job.request.delivery.get("outputs") or {})


def selection(request: Request) -> Selection:
    """The filters of a job list; raises `InvalidInput` naming the parameter."""
    states: list[str] = []
    for word in _several(request, "status"):
        if word.lower() not in {*State, *aliases.STATES}:
            raise InvalidInput(
                f"There is no status {word[:40]!r}.", remedy=f"Known: {', '.join(State)}.", where="status"
            )
        states.extend(aliases.STATES.get(word.lower(), (word.lower(),)) or ["none"])
    moment = request.query_params.get("datetime", "")
    seconds = (_seconds(request, "minDuration"), _seconds(request, "maxDuration"))
    created = parse_time(moment) if moment else ("", "")
    processes = [*_several(request, "processID"), *_several(request, "process")]
    return Selection(tuple(states), tuple(map(order.last, processes)), created, seconds)


def _asks_processes(request: Request) -> bool:
    kinds = _several(request, "type")
    return not kinds or "process" in kinds


def _several(request: Request, name: str) -> list[str]:
    """`a=1,2` and `a=1&a=2` are the same."""
    return [part for text in request.query_params.getlist(name) for part in text.split(",") if part]


def _seconds(request: Request, name: str) -> float | None:
    given: list[Any] = _several(request, name)
    if not given:
        return None
    try:
        number = float(given[0])
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e12:
        raise InvalidInput(f"{name} is {given[0][:40]!r}.", "It takes seconds.", where=name)
    return number
