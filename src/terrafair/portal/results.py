"""Jobs: the list, and the page of each with its steps, log, use of the machine, cost and provenance: `/results`."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from terrafair.errors import InvalidInput
from terrafair.portal import lineage, metric_chart, usage_chart
from terrafair.portal.page import Pages
from terrafair.portal.results_files import listed

Document = dict[str, Any]
STATES = ("accepted", "running", "successful", "failed", "dismissed")
ENDED = frozenset(STATES[2:])
LINES = 500
"""Of a log on a page; the stream gives the rest."""
BATCH = 1000
POLL_SECONDS = 0.3
LISTED = 100
FILTERS = ("status", "type", "project", "text", "after", "until", "subject", "before")
CRATE = "ro-crate-metadata.json"
CRATE_LIMIT = 16 * 2**20


class Watching(Protocol):
    """What the pages ask about jobs; the documents of `/api/jobs`."""

    def jobs(self, wanted: Mapping[str, str], limit: int) -> list[Document]:
        """Newest first; `wanted` has some of `FILTERS`."""
        ...

    def known(self) -> Document:
        """`{types, projects}` to choose from."""
        ...

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...

    def record(self, id: str) -> Document:  # noqa: A002
        """`{steps, samples, usage, cost}`."""
        ...

    def log(self, id: str, since: int, limit: int) -> Document:  # noqa: A002
        """`{lines, next, job}`."""
        ...

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        ...

    def content(self, id: str, name: str, limit: int) -> bytes:  # noqa: A002
        """The beginning of one file that the platform has written."""
        ...

    def reproduction(self, id: str) -> Document | None:  # noqa: A002
        """How it compares with what was published, where that was asked for."""
        ...

    def cancel(self, id: str) -> None:  # noqa: A002
        """End it."""
        ...

    def again(self, id: str) -> str:  # noqa: A002
        """Accept it once more, with the same code and inputs; gives the new job's id."""
        ...


def router(pages: Pages, watching: Watching) -> APIRouter:
    """`/results` and what lies below."""
    routes = pages.router()

    @routes.get("/results")
    def jobs(request: Request) -> Response:
        wanted = {name: request.query_params.get(name, "").strip() for name in FILTERS}
        content = _list(watching, {name: value for name, value in wanted.items() if value})
        return pages.show(request, "results.html", content, status=400 if content["problem"] else 200)

    @routes.get("/results/{id}")
    def job(request: Request, id: str, since: int = 0) -> Response:  # noqa: A002
        return pages.show(request, "job.html", _job(watching, id, max(since, 0)))

    @routes.post("/results/{id}/cancel")
    def cancel(id: str) -> Response:  # noqa: A002
        watching.cancel(id)
        return RedirectResponse(f"/results/{quote(id)}", status_code=303)

    @routes.post("/results/{id}/again")
    def again(id: str) -> Response:  # noqa: A002
        return RedirectResponse(f"/results/{quote(watching.again(id))}", status_code=303)

    @routes.get("/results/{id}/log")
    async def log(request: Request, id: str, since: int = 0) -> Response:  # noqa: A002
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isdecimal() else max(since, 0)
        await asyncio.to_thread(watching.job, id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(watching, id, start), media_type="text/event-stream", headers=headers)

    @routes.get("/results/{id}/map")
    def drawn(id: str, file: str = "") -> Response:  # noqa: A002 - an address that people may have kept
        query = f"?{urlencode({'layer': file})}" if file else ""
        return RedirectResponse(f"/results/{quote(id)}/view{query}", 308)

    @routes.get("/results/{id}/files/{name:path}")
    def file(id: str, name: str) -> Response:  # noqa: A002 - likewise
        return RedirectResponse(f"/results/{quote(id)}/view/{quote(name)}", 308)

    return routes


def _list(watching: Watching, wanted: dict[str, str]) -> Document:
    content: Document = {"wanted": wanted, "states": STATES, "rows": [], "problem": None, "more": ""}
    content |= watching.known()
    try:
        content["rows"] = watching.jobs(wanted, LISTED)
    except InvalidInput as error:
        content["problem"] = error.problem
    if len(content["rows"]) == LISTED:
        content["more"] = urlencode({**wanted, "before": content["rows"][-1]["id"]})
    content["filtered"] = bool(set(wanted) - {"before"})
    return content


def _job(watching: Watching, id: str, since: int) -> Document:  # noqa: A002
    page = watching.log(id, since, LINES)
    job = page["job"]
    ended = job["status"] in ENDED
    found = watching.results(id) if ended else None
    files = listed(id, found["files"]) if found else []
    record = watching.record(id)
    kind = job["kind"] if job["kind"] in {"experiment", "workflow"} else ""
    entry = f"/find/{kind}/{quote(job['subject'], safe='')}" if kind else ""
    return {
        "job": job,
        "ended": ended,
        "log": page["lines"],
        "since": since,
        "before": max(since - LINES, 0),
        "next": page["next"],
        "record": record,
        "charts": usage_chart.charts(record["samples"]),
        "tracked": metric_chart.tracked(record.get("tracked") or ()),
        "files": [file for file in files if file.data],
        "layers": [file for file in files if file.on_map],
        "lineage": lineage.drawing(_crate(watching, id, files), job, entry, files),
        "reproduction": watching.reproduction(id) if job["status"] == "successful" else None,
        "repeats": ended and job["kind"] not in {"build", "builtin"},
        "again": f"/run/{kind}/{quote(job['subject'], safe='')}?from={quote(id)}" if kind else "",
        "others": _others(watching, job) if ended else [],
        "entry": entry,
        "tab": "overview",
    }


def _others(watching: Watching, job: Document) -> list[Document]:
    """Ended runs of the same, to compare with."""
    found = watching.jobs({"subject": job["subject"]}, 20)
    return [other for other in found if other["id"] != job["id"] and other["status"] in ENDED][:10]


def _crate(watching: Watching, id: str, files: list[Any]) -> Any:  # noqa: A002
    """The run's RO-Crate; None where there is none, or none that can be read."""
    if not any(file.name == CRATE and file.size <= CRATE_LIMIT for file in files):
        return None
    try:
        return json.loads(watching.content(id, CRATE, CRATE_LIMIT))
    except (ValueError, RecursionError):
        return None


async def _events(watching: Watching, id: str, start: int) -> AsyncIterator[str]:  # noqa: A002
    """Lines as events whose ids are the number of the line to go on with; a browser that lost us says that number."""
    since = start
    while True:
        page = await asyncio.to_thread(watching.log, id, since, BATCH)
        for line in page["lines"]:
            since = line["line"] + 1
            yield f"id: {since}\ndata: {json.dumps(line)}\n\n"
        if not page["lines"]:
            if page["job"]["status"] in ENDED:
                yield f"event: ended\ndata: {json.dumps({'status': page['job']['status']})}\n\n"
                return
            yield ": waiting\n\n"
            await asyncio.sleep(POLL_SECONDS)
