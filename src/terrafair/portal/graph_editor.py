"""Develop: openEO process graphs, built from blocks or written, checked at each change, run on a selection."""

import json
import math
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile

from terrafair.development.single import LARGEST
from terrafair.development.texts import Opened
from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.portal.page import STATIC, Pages
from terrafair.portal.text_editor import FORM, Shelf, place_of, query
from terrafair.workflows.openeo import process_of
from terrafair.workflows.openeo_selection import Selection, selected

PAGE = "/develop/graph"
Document = dict[str, Any]
SIDES = ("west", "south", "east", "north")
EMPTY = '{\n  "process_graph": {}\n}\n'


class Graphs(Protocol):
    """What the page asks of the platform's openEO side."""

    def check(self, process: Mapping[str, Any], base: str) -> tuple[list[Problem], list[Problem], Document]:
        """Problems, warnings, and `{loaded, results}` in bytes as far as they are known."""
        ...

    def own(self) -> list[str]:
        """Names of one's user-defined processes."""
        ...

    def one(self, name: str) -> Mapping[str, Any]:
        """One of them."""
        ...

    def keep(self, name: str, process: Mapping[str, Any]) -> None:
        """Store one; raises for names and processes that cannot be."""
        ...

    def run(self, process: Mapping[str, Any], title: str, base: str) -> str:
        """Submit it as a batch job and start it; gives the job's id."""
        ...

    def collections(self) -> list[tuple[str, str]]:
        """(id, title) of what can be loaded."""
        ...


def router(
    pages: Pages, graphs: Graphs, shelf: Shelf, quote_: Callable[[str], Document], rows: Callable[[], list[Document]]
) -> APIRouter:
    """`/develop/graph`."""
    routes = pages.router()

    def page(request: Request, text: str, typed: Document, problems: list[Problem] | None = None) -> Response:
        base = str(request.base_url).rstrip("/")
        looked = _looked(graphs, text, base)
        own = [] if not _signed(graphs) else graphs.own()
        known = [row for row in rows() if str(row.get("type")).lower() == "openeo"]
        content: Document = {"text": text, "typed": typed, "problems": problems or [], "looked": looked, "own": own}
        content |= {"rows": known, "collections": graphs.collections(), "cost": quote_("process-graph"), "sides": SIDES}
        content |= {"editor": (STATIC / "vendor/openeo.min.js").exists(), "query": typed.get("query", "")}
        return pages.show(request, "graph_editor.html", content, status=400 if problems else 200, drawn=True)

    @routes.get(PAGE)
    def graph(request: Request) -> Response:
        place = place_of(request.query_params)
        if place.origin == "graph":
            text = json.dumps(graphs.one(place.id), indent=2, ensure_ascii=False)
            opened = Opened(text, "graph.json", place.id)
        else:
            opened = shelf.open(place) if place.origin else Opened(EMPTY, "graph.json", "")
        return page(request, opened.text, {"title": opened.title, "name": "", "query": query(place)})

    @routes.post(PAGE)
    async def act(request: Request) -> Response:
        async with request.form(max_part_size=FORM, max_files=2) as form:
            typed: Document = {name: str(form.get(name) or "").strip()[:200] for name in TYPED}
            text = str(form.get("text") or "").replace("\r\n", "\n")
            handed = form.get("file")
            if isinstance(handed, UploadFile) and handed.filename:
                text = (await handed.read(LARGEST * 4 + 1)).decode("utf-8", "replace")
        return await run_in_threadpool(_act, request, text, typed)

    def _act(request: Request, text: str, typed: Document) -> Response:
        base = f"{str(request.base_url).rstrip('/')}/openeo"
        try:
            process = read(text)
            if typed["action"] == "download":
                headers = {"Content-Disposition": 'attachment; filename="graph.json"'}
                return Response(text, media_type="application/json", headers=headers)
            if typed["action"] == "keep":
                graphs.keep(typed["name"], process)
                return RedirectResponse(f"{PAGE}?origin=graph&id={quote(typed['name'], safe='')}", 303)
            if typed["action"] == "run":
                job = graphs.run(selected(process, selection(typed)), typed["title"], base)
                return RedirectResponse(f"/results/{quote(job)}", 303)
        except TerrafairError as error:
            return page(request, text if len(text) <= LARGEST else EMPTY, typed, list(error.problems))
        return page(request, text, typed)

    @routes.post(f"{PAGE}/check")
    async def check(request: Request) -> Response:
        async with request.form(max_part_size=FORM) as form:
            text = str(form.get("text") or "")
        return JSONResponse(await run_in_threadpool(_looked, graphs, text, str(request.base_url).rstrip("/")))

    return routes


TYPED = ("action", "name", "title", "query", "start", "end", "collection", *SIDES)


def read(text: str) -> Mapping[str, Any]:
    """The process in a text; raises `InvalidInput` with the line for what is none."""
    if len(text) > LARGEST:
        what = f"The graph has {len(text):,} characters."
        raise InvalidInput(
            what, f"At most {LARGEST:,} are edited here.", "Send it to /openeo/jobs.", "text", "too-large"
        )
    try:
        document = json.loads(text)
    except ValueError as fault:
        raise InvalidInput(f"It is no JSON: {fault}.", remedy="Mend the text there.", where="text") from None
    except RecursionError:
        raise InvalidInput("It is nested too deeply.", where="text") from None
    if not isinstance(document, dict):
        raise InvalidInput("It is no JSON object.", remedy='A graph is {"process_graph": {...}}.', where="text")
    process = process_of(document)
    if not isinstance(process.get("process_graph"), dict):
        raise InvalidInput("`process_graph` is no object.", remedy="It holds nodes by their names.", where="text")
    return process


def selection(typed: Mapping[str, str]) -> Selection:
    """What was chosen to run on; raises `InvalidInput` for half an area, what is no number, or no date."""
    given = {side: typed.get(side, "") for side in SIDES}
    box: dict[str, float] | None = None
    if any(given.values()):
        try:
            box = {side: float(text) for side, text in given.items()}
        except ValueError:
            what = "The area needs four numbers: west, south, east, north."
            raise InvalidInput(what, remedy="Fill in all of them in degrees, or none.", where="area") from None
        if not all(map(math.isfinite, box.values())) or box["south"] > box["north"]:
            raise InvalidInput("The area's south lies north of its north, or it has no end.", where="area")
    for side, name in (("start", "From"), ("end", "Until")):
        if text := typed.get(side, ""):
            try:
                date.fromisoformat(text[:10])
            except ValueError:
                raise InvalidInput(
                    f"{name} {text[:40]!r} is no date.", remedy="Write 2024-05-31.", where=side
                ) from None
    return Selection(box, typed.get("start", ""), typed.get("end", ""), typed.get("collection", ""))


def _signed(graphs: Graphs) -> bool:
    try:
        graphs.own()
    except TerrafairError:
        return False
    return True


def _looked(graphs: Graphs, text: str, base: str) -> Document:
    """Problems with their nodes, and what it will load, as JSON."""
    about: Document = {"loaded": None, "results": None}
    process: Mapping[str, Any] = {}
    warnings: list[Problem] = []
    try:
        process = read(text)
        if not process["process_graph"]:
            wrong = [Problem("The graph has no nodes yet.", "", "Add a process.", "", "graph-empty")]
        else:
            wrong, warnings, about = graphs.check(process, f"{base}/openeo")
    except TerrafairError as fault:
        wrong = list(fault.problems)
    nodes = process.get("process_graph", {})
    told = [("error", each) for each in wrong] + [("warning", each) for each in warnings]
    return {"findings": [_told(weight, problem, nodes) for weight, problem in told], **about}


def _told(weight: str, problem: Problem, nodes: Mapping[str, Any]) -> Document:
    first = problem.where.replace("/", ".").partition(".")[0]
    node = problem.where if problem.where in nodes else first if first in nodes else ""
    parts = (problem.what, problem.why, problem.remedy)
    return {"severity": weight, "node": node, "where": problem.where, "text": " ".join(filter(None, parts))}
