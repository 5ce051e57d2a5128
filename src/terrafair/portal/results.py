"""Results: the jobs, what they say while they run, and what they made - as tables, texts, pictures and maps."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response, StreamingResponse

from terrafair.errors import InvalidInput, NotFound, Problem
from terrafair.portal import views
from terrafair.portal.page import Pages

Document = dict[str, Any]
STATES = ("accepted", "running", "successful", "failed", "dismissed")
ENDED = frozenset(STATES[2:])
LINES = 500
"""Of a log on a page; the stream gives the rest."""
BATCH = 1000
POLL_SECONDS = 0.3
LISTED = 200
RAMPS = ("grey", "viridis", "magma", "inferno", "ndvi", "water", "thermal", "ice", "balance")


class Watching(Protocol):
    """What the pages ask about jobs; the documents of `/api/jobs`."""

    def jobs(self, status: str, subject: str, limit: int) -> list[Document]:
        """Newest first."""
        ...

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...

    def log(self, id: str, since: int, limit: int) -> Document:  # noqa: A002
        """`{lines, next, job}`."""
        ...

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        ...

    def content(self, id: str, name: str, limit: int) -> bytes:  # noqa: A002
        """The beginning of one file."""
        ...

    def reproduction(self, id: str) -> Document | None:  # noqa: A002
        """How it compares with what was published, where that was asked for."""
        ...

    def cancel(self, id: str) -> None:  # noqa: A002
        """End it."""
        ...


def router(pages: Pages, watching: Watching) -> APIRouter:
    """`/results` and what lies below."""
    routes = pages.router()

    @routes.get("/results")
    def jobs(request: Request, status: str = "", subject: str = "") -> Response:
        subject = subject.strip()
        content: Document = {"status": status, "subject": subject, "states": STATES, "rows": [], "problem": None}
        code = 200
        try:
            content["rows"] = watching.jobs(status, subject, LISTED)
        except InvalidInput as error:
            content["problem"], code = error.problem, 400
        return pages.show(request, "results.html", content, status=code)

    @routes.get("/results/{id}")
    def job(request: Request, id: str) -> Response:  # noqa: A002
        return pages.show(request, "job.html", _job(watching, id))

    @routes.post("/results/{id}/cancel")
    def cancel(id: str) -> Response:  # noqa: A002
        watching.cancel(id)
        return RedirectResponse(f"/results/{quote(id)}", status_code=303)

    @routes.get("/results/{id}/log")
    async def log(request: Request, id: str, since: int = 0) -> Response:  # noqa: A002
        last = request.headers.get("last-event-id", "")
        start = int(last) if last.isdecimal() else max(since, 0)
        await asyncio.to_thread(watching.job, id)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(_events(watching, id, start), media_type="text/event-stream", headers=headers)

    @routes.get("/results/{id}/map")
    def drawn(request: Request, id: str, file: str = "") -> Response:  # noqa: A002
        layers = [row for row in _files(watching, id) if row["layer"]]
        if file and file not in [row["name"] for row in layers]:
            raise NotFound(f"Job {id} has no layer {file!r}.", remedy="Its page lists its files.", where="file")
        content = {"job": watching.job(id), "layers": layers, "file": file, "ramps": RAMPS, "tab": "map"}
        content["config"] = _config(id, layers)
        return pages.show(request, "map.html", content, drawn=True)

    @routes.get("/results/{id}/files/{name:path}")
    def file(request: Request, id: str, name: str) -> Response:  # noqa: A002
        row = next((row for row in _files(watching, id) if row["name"] == name), None)
        if row is None:
            raise NotFound(f"Job {id} has no file {name!r}.", remedy="Its page lists its files.", where="name")
        content = {"job": watching.job(id), "file": row, **_view(watching, id, row)}
        return pages.show(request, "file.html", content)

    return routes


def _files(watching: Watching, id: str) -> list[Document]:  # noqa: A002
    found = watching.results(id)
    return views.gathered(found["files"]) if found else []


def _job(watching: Watching, id: str) -> Document:  # noqa: A002
    page = watching.log(id, 0, LINES)
    job = page["job"]
    files = _files(watching, id) if job["status"] in ENDED else []
    kind = job["kind"] if job["kind"] in {"experiment", "workflow"} else ""
    again = f"/run/{kind}/{quote(job['subject'], safe='')}?from={quote(id)}" if kind else ""
    return {
        "job": job,
        "ended": job["status"] in ENDED,
        "log": page["lines"],
        "next": page["next"],
        "files": files,
        "layers": [row for row in files if row["layer"]],
        "provenance": _provenance(watching, id, files),
        "reproduction": watching.reproduction(id) if job["status"] == "successful" else None,
        "again": again,
        "entry": f"/find/{kind}/{quote(job['subject'], safe='')}" if kind else "",
        "tab": "overview",
    }


def _config(id: str, layers: list[Document]) -> str:  # noqa: A002
    """What the map's script needs to know, as JSON."""
    rows = [
        {
            "name": row["name"],
            "layer": row["layer"],
            "tiles": f"/tiles/jobs/{quote(id)}/{quote(row['name'])}",
            "href": f"/api/jobs/{quote(id)}/files/{quote(row['name'])}",
        }
        for row in layers
    ]
    return json.dumps(rows).replace("<", "\\u003c")


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


def _provenance(watching: Watching, id: str, files: list[Document]) -> list[tuple[str, str]]:  # noqa: A002
    """The main facts of the RO-Crate: what ran, on what, made by whom."""
    if not any(row["name"] == "ro-crate-metadata.json" for row in files):
        return []
    try:
        graph = json.loads(watching.content(id, "ro-crate-metadata.json", views.LARGEST))["@graph"]
        parts = {part["@id"]: part for part in graph}
    except (ValueError, KeyError, TypeError):
        return []
    rows = []
    for part in parts.values():
        kinds = part.get("@type", [])
        if "CreateAction" in kinds and part.get("name"):
            rows.append(("Action", str(part["name"])))
            for relation, word in (("instrument", "Ran"), ("object", "Used"), ("result", "Made")):
                rows += [(word, name) for name in _names(part.get(relation), parts)[:12]]
            break
    return rows


def _names(value: Any, parts: Mapping[str, Document]) -> list[str]:
    entries = value if isinstance(value, list) else [value]
    names = []
    for entry in entries:
        if isinstance(entry, dict) and "@id" in entry:
            part = parts.get(entry["@id"], {})
            name, shown = str(part.get("name") or entry["@id"]), part.get("value")
            names.append(f"{name} = {shown}"[:300] if shown is not None else name[:300])
    return names


def _view(watching: Watching, id: str, row: Document) -> Document:  # noqa: A002
    """What the page of one file shows."""
    name = row["name"]
    view = views.view_of(name)
    content: Document = {"view": view, "problem": None}
    if view in {"table", "notebook", "text"}:
        raw = watching.content(id, name, views.LARGEST)
        cut = row["size"] > views.LARGEST
        try:
            match view:
                case "table":
                    content["rows"] = views.table(raw, name)
                case "notebook":
                    content["parts"] = views.notebook(raw)
                case _:
                    content["text"] = views.text(raw, name)
        except (ValueError, RecursionError) as fault:
            why = "Only its first 8 MB were read." if cut else str(fault)[:200]
            content |= {"view": "", "problem": Problem(f"{name} cannot be shown.", why, "Download it.")}
    if view == "layer":
        content["description"] = _described(watching, id, name)
    return content


def _described(watching: Watching, id: str, name: str) -> str:  # noqa: A002
    """What the platform found in a file when it described it, as JSON; empty: nothing."""
    found = watching.results(id) or {}
    for file in found.get("files", ()):
        if not file["name"].endswith(".json") or file["size"] > views.LARGEST or not file["name"].startswith("items/"):
            continue
        try:
            item = json.loads(watching.content(id, file["name"], views.LARGEST))
        except ValueError:
            continue
        for asset in (item.get("assets") or {}).values():
            if str(asset.get("href", "")).endswith(f"/{name}"):
                kept = {key: value for key, value in item.get("properties", {}).items() if key.startswith("cube:")}
                return json.dumps({**asset, **kept}, indent=2)
    return ""
