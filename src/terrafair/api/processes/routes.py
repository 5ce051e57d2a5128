"""`/processes`: list, describe, execute, deploy."""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from terrafair.api.html import Pages
from terrafair.api.negotiation import JSON, Document, address, base_of, forms, html, link, whole
from terrafair.api.processes import describe, openapi, order, results, status
from terrafair.api.processes.executions import SYNC_SECONDS, Executions
from terrafair.api.processes.order import Order, Preference
from terrafair.api.processes.results import Product, Wish
from terrafair.data.objects import ObjectStore
from terrafair.errors import Cancelled, InvalidInputs
from terrafair.execution.job import Job, State
from terrafair.execution.jobs import own
from terrafair.identity.access import Action, Kind, Thing, Visibility, require
from terrafair.identity.asking import asker
from terrafair.web import Web
from terrafair.workflows import package
from terrafair.workflows.process import Process
from terrafair.workflows.processes import Processes

LIST_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes about processes and their jobs need."""

    processes: Processes
    executions: Executions
    objects: ObjectStore
    web: Web
    pages: Pages


def router(services: Services) -> APIRouter:
    """The routes."""
    routes = APIRouter(tags=["processes"])
    _reading(routes, services)
    _deploying(routes, services)

    @routes.post("/processes/{processID}/execution", summary="Execute a process", openapi_extra=openapi.EXECUTE)
    async def execute(processID: str, request: Request) -> Response:  # noqa: N803 - the standard's name
        """Run it; `Prefer: respond-async` gives a job to watch, else the results are waited for."""
        body = await request.body()
        document = order.parse(body, request.headers.get("content-type", ""))
        found = await asyncio.to_thread(services.processes.get, processID)
        return await run(services, request, found, order.read(document))

    return routes


def _reading(routes: APIRouter, services: Services) -> None:
    @routes.get("/processes", summary="What can be executed here")
    def listing(request: Request) -> Response:
        limit = whole(request.query_params, "limit", LIST_LIMIT, LIST_LIMIT)
        offset = whole(request.query_params, "offset", 0, 10**9, 0)
        page = html(request)
        base = base_of(request)
        found = services.processes.listing()
        document: Document = {
            "processes": [describe.summary(each, base) for each in found[offset : offset + limit]],
            "links": [*forms(request, "Processes"), *_paging(request, offset, limit, len(found))],
        }
        return services.pages.render(request, "processes", document) if page else JSONResponse(document)

    @routes.get("/processes/{processID}", summary="A process with its inputs and outputs")
    def one(processID: str, request: Request) -> Response:  # noqa: N803
        page = html(request)
        document = describe.description(services.processes.get(processID), base_of(request))
        return services.pages.render(request, "process", document) if page else JSONResponse(document)

    @routes.get("/processes/{processID}/package", summary="The document that runs")
    def content(processID: str, request: Request) -> Response:  # noqa: N803
        code, kind = services.processes.package(processID)
        if "ogcapppkg" in request.headers.get("accept", ""):
            process = describe.description(services.processes.get(processID), base_of(request))
            unit = {"mediaType": kind, "value": code.decode("utf-8", "replace")}
            wrapped = {"processDescription": {"process": process}, "executionUnit": unit}
            return JSONResponse(wrapped, media_type=package.PACKAGE)
        headers = {"Content-Security-Policy": results.SANDBOXED}
        return Response(code, media_type=kind, headers=headers)


def _paging(request: Request, offset: int, limit: int, total: int) -> list[Document]:
    links = []
    if offset + limit < total:
        links.append(link(address(request, offset=offset + limit, limit=limit), "next", JSON))
    if offset:
        links.append(link(address(request, offset=max(offset - limit, 0), limit=limit), "prev", JSON))
    return links


def _deploying(routes: APIRouter, services: Services) -> None:
    async def read(request: Request, id: str = "") -> package.Package:  # noqa: A002
        body = await request.body()
        kind = request.headers.get("content-type", "")
        wanted = request.query_params.get("w", "")
        return await asyncio.to_thread(package.read, body, kind, services.web, wanted, id)

    def admit(id: str, action: Action) -> None:  # noqa: A002 - the field's word
        require(asker().actor, action, _thing(*services.processes.owner(id)))

    @routes.post("/processes", status_code=201, summary="Deploy a process", openapi_extra=openapi.DEPLOY)
    async def deploy(request: Request) -> Response:
        """From CWL (YAML or JSON) or an OGC application package; `w` names the process in it that runs.

        It belongs to the project that the asker works in. Everybody may run it; its author, the owners of its project
        and the operator may replace it and take it away.
        """
        mine = own(asker())
        require(asker().actor, Action.CREATE, _thing(mine.project, mine.author))
        wanted = await read(request)
        process = await asyncio.to_thread(services.processes.deploy, wanted, mine.project, mine.author)
        base = base_of(request)
        headers = {"Location": base + describe.path(process.id)}
        return JSONResponse(describe.summary(process, base), 201, headers=headers)

    @routes.put("/processes/{processID}", status_code=204, summary="Replace a process", openapi_extra=openapi.DEPLOY)
    async def replace(processID: str, request: Request) -> Response:  # noqa: N803
        # Whether there is one to replace is said before what is wrong with the body.
        await asyncio.to_thread(admit, processID, Action.CHANGE)
        wanted = await read(request, processID)
        await asyncio.to_thread(services.processes.replace, wanted)
        return Response(status_code=204)

    @routes.delete("/processes/{processID}", status_code=204, summary="Undeploy a process")
    def undeploy(processID: str) -> Response:  # noqa: N803
        admit(processID, Action.DELETE)
        services.processes.undeploy(processID)
        return Response(status_code=204)


def _thing(project: str, author: str) -> Thing:
    return Thing(Kind.WORKFLOW, project, author, Visibility.PUBLIC)


async def run(services: Services, request: Request, process: Process, wanted: Order) -> Response:
    """Execute as the request asks for it."""
    preference = Preference.read(request.headers.getlist("prefer"))
    executions = services.executions
    resolution, values = await _prepared(services, process, wanted)
    wish = replace(wish_of(request, wanted.response, wanted.outputs), returned=preference.returned, single_raw=True)
    asynchronous = preference.asynchronous or (wanted.mode == "async" and preference.wait is None)
    if process.immediate and not asynchronous and not wanted.subscriber:
        found = await executions.immediately(resolution, values)
        return _applied(results.response(found, wish, services.objects), preference, sync=True)
    job = await asyncio.to_thread(executions.submit, process, wanted, resolution, values)
    seconds = preference.wait if preference.wait is not None else 0.0 if asynchronous else SYNC_SECONDS
    job = await executions.wait(job, seconds)
    if asynchronous and preference.wait is None:
        return accepted(job, base_of(request), preference)
    if job.state is State.SUCCESSFUL:
        answer = await asyncio.to_thread(job_response, services, job, wish, base_of(request))
        answer.headers["Link"] = _monitor(answer, job, base_of(request))
        return _applied(answer, preference, sync=True)
    if job.state in {State.FAILED, State.DISMISSED}:
        raise ended_badly(job)
    return accepted(job, base_of(request), preference)


async def _prepared(services: Services, process: Process, wanted: Order) -> tuple[Any, dict[str, Any]]:
    """Values that can be checked without asking anybody are checked at once, others in a thread."""
    plain = not any(isinstance(value, (dict, list)) for value in wanted.inputs.values())
    if process.immediate and plain and not wanted.subscriber:
        return services.executions.prepare(process, wanted)
    return await asyncio.to_thread(services.executions.prepare, process, wanted)


def wish_of(request: Request, response: str, outputs: Any) -> Wish:
    """How this request wants the results."""
    return Wish(response, outputs, parts="multipart/" in request.headers.get("accept", ""))


def job_response(services: Services, job: Job, wish: Wish, base: str) -> Response:
    """The results of a job that has ended well."""
    found: list[Product] = results.products(job, services.objects, base)
    return results.response(found, wish, services.objects)


def accepted(job: Job, base: str, preference: Preference) -> Response:
    """A job to watch."""
    headers = {"Location": status.url(job.id, base)}
    if preference.asynchronous:
        headers["Preference-Applied"] = "respond-async"
    return JSONResponse(status.status(job, base), 201, headers=headers)


def ended_badly(job: Job) -> Exception:
    """The error for a job that has no results."""
    if job.state is State.DISMISSED:
        return Cancelled(f"Job {job.id} was dismissed.", where="jobID")
    return InvalidInputs(job.problems, f"Job {job.id} failed.", "job-failed")


def _monitor(answer: Response, job: Job, base: str) -> str:
    own = answer.headers.get("link")
    return ", ".join(filter(None, (own, f'<{status.url(job.id, base)}>; rel="monitor"; type="application/json"')))


def _applied(answer: Response, preference: Preference, *, sync: bool) -> Response:
    applied = []
    if sync and preference.wait is not None:
        applied.append(f"wait={preference.wait:g}")
    if preference.returned:
        applied.append(f"return={preference.returned}")
    if applied:
        answer.headers["Preference-Applied"] = ", ".join(applied)
    return answer
