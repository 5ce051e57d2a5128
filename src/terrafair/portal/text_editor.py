"""Develop: texts of workflows - CWL, YAML, JSON, Python, notebooks - edited, checked, drawn, registered."""

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from terrafair.data.views.notebook import cells
from terrafair.development import new, single
from terrafair.development.cwl_words import words
from terrafair.development.drawing import draw
from terrafair.development.findings import Finding, Report
from terrafair.development.texts import Opened, Place
from terrafair.errors import InvalidInput, TerrafairError
from terrafair.portal import results_notebook
from terrafair.portal.page import STATIC, Pages
from terrafair.portal.words import NEW_TEXT
from terrafair.web import Web
from terrafair.workflows.content import load

PAGE = "/develop/text"
PARTS = ("origin", "id", "file", "ref", "name", "license", "author")
FORM = 12 * 2**20
Document = dict[str, Any]


class Shelf(Protocol):
    """What texts are opened from; `development.texts.Texts` is one."""

    def sources(self) -> Sequence[Any]:
        """Linked repositories."""
        ...

    def open(self, place: Place) -> Opened:
        """A text."""
        ...

    def beside(self, place: Place) -> Callable[[Path], None] | None:
        """What writes the files beside it."""
        ...

    def commits(self, place: Place) -> bool:
        """Whether its texts can be committed here."""
        ...

    def commit(self, place: Place, text: str, base: str, message: str) -> str:
        """Keeps a text in its linked repository; gives the commit's id."""
        ...


Register = Callable[[str], str]
"""Deploys a CWL document; gives the id of the process."""


def place_of(given: Any) -> Place:
    """From a query or a form."""
    return Place(**{name: str(given.get(name) or "").strip()[:500] for name in PARTS})


def query(place: Place, **other: str) -> str:
    """As an address has it."""
    parts = asdict(place) | other
    return urlencode({name: value for name, value in parts.items() if value})


def router(pages: Pages, shelf: Shelf, web: Web, register: Register, rows: Callable[[], list[Document]]) -> APIRouter:
    """`/develop/text`, `/develop/notebook` and `/develop/new`."""
    routes = pages.router()

    def page(
        request: Request, place: Place, opened: Opened, problems: Sequence[Any] = (), message: str = ""
    ) -> Response:
        content: Document = {"place": place, "opened": opened, "problems": problems, "query": query(place)}
        content |= {
            "commits": shelf.commits(place),
            "message": message,
            "kept": request.query_params.get("kept", "")[:40],
        }
        content |= _looked(opened.text, opened.file, web, _beside(shelf, place))
        content |= {"editor": (STATIC / "vendor/ace.js").exists(), "largest": single.LARGEST}
        content |= {"addresses": {path: query(place, file=path) for path in opened.files}}
        return pages.show(request, "text_editor.html", content, status=400 if problems else 200)

    @routes.get(PAGE)
    def text(request: Request) -> Response:
        place = place_of(request.query_params)
        if place.origin:
            return page(request, place, shelf.open(place))
        if place.file:
            return page(request, place, Opened("", place.file, NEW_TEXT))
        known = [row for row in rows() if row.get("type") in {"CWL", "cwl", "openeo", "notebook", "mlflow"}]
        content = {"sources": shelf.sources(), "rows": known, "templates": tuple(new.KINDS)}
        return pages.show(request, "text_editors.html", content)

    @routes.post(PAGE)
    async def act(request: Request) -> Response:
        async with request.form(max_part_size=FORM, max_files=1) as form:
            place, action = place_of(form), str(form.get("action") or "check")
            given = str(form.get("text") or "").replace("\r\n", "\n")
            base, message = str(form.get("commit") or "")[:64], str(form.get("message") or "")[:4000]
        opened = Opened(given, place.file or "untitled.yaml", place.name or place.id or place.file, base)
        return await run_in_threadpool(_act, request, place, opened, action, message)

    def _act(request: Request, place: Place, opened: Opened, action: str, message: str) -> Response:
        try:
            single.admit(opened.text, opened.file)
            if action == "download":
                name = quote(PurePosixPath(opened.file).name)
                headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
                return Response(opened.text, media_type="text/plain; charset=utf-8", headers=headers)
            if action == "register":
                return RedirectResponse(f"/run/process/{quote(register(opened.text), safe='')}", 303)
            if action == "commit":
                made = shelf.commit(place, opened.text, opened.commit, message)
                return RedirectResponse(f"{PAGE}?{query(place, kept=made)}", 303)
        except TerrafairError as error:
            return page(request, place, opened, error.problems, message)
        return page(request, place, opened, (), message)

    @routes.post(f"{PAGE}/check")
    async def check(request: Request) -> Response:
        async with request.form(max_part_size=FORM, max_files=1) as form:
            place, given = place_of(form), str(form.get("text") or "").replace("\r\n", "\n")
        looked = await run_in_threadpool(lambda: _looked(given, place.file, web, _beside(shelf, place)))
        report = looked.pop("report")
        found: Document = {"verdict": report.verdict.value, "findings": [each.document() for each in report.findings]}
        return JSONResponse({**found, **looked})

    _schema(routes)
    _notebooks(routes, pages, shelf, web)
    _new(routes, pages)
    return routes


def _schema(routes: APIRouter) -> None:
    @routes.get(f"{PAGE}/words")
    def help_(request: Request) -> Response:
        plain, packed = _help()
        headers = {"Cache-Control": "private, max-age=3600", "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(packed, media_type="application/json", headers={**headers, "Content-Encoding": "gzip"})
        return Response(plain, media_type="application/json", headers=headers)


@lru_cache(maxsize=1)
def _help() -> tuple[bytes, bytes]:
    """The words as JSON, and packed: a fifth of the transfer; they hold nothing of a person's own."""
    plain = json.dumps(words()).encode()
    return plain, gzip.compress(plain, mtime=0)


def _beside(shelf: Shelf, place: Place) -> Callable[[Path], None] | None:
    try:
        return shelf.beside(place) if place.origin else None
    except TerrafairError:
        # The repository is away: the text is checked alone.
        return None


def _looked(text: str, file: str, web: Web, beside: Callable[[Path], None] | None) -> Document:
    """`report`, and the picture where there is one."""
    try:
        report = single.check(text, file, web, beside)
    except TerrafairError as fault:
        found = [Finding.of(problem, file[:80]) for problem in fault.problems]
        return {"report": Report.of(found, file[:80]), "kind": "text", "svg": "", "words": ()}
    kind, about = single.kind_of(text, file), Document(svg="", words=())
    if kind == "cwl":
        try:
            drawn = draw(load(text, file))
            about = {"svg": drawn.svg, "words": drawn.words}
        except TerrafairError:
            pass
    return {"report": report, "kind": kind, **about}


def _notebooks(routes: APIRouter, pages: Pages, shelf: Shelf, web: Web) -> None:
    @routes.get("/develop/notebook")
    def notebook(request: Request) -> Response:
        place = place_of(request.query_params)
        opened = shelf.open(place)
        document = load(opened.text, opened.file)
        given = document.get("cells") if isinstance(document, dict) else None
        if not isinstance(given, list):
            raise InvalidInput(f"{opened.file} is no notebook: it has no cells.", where="file")
        report = _looked(opened.text, opened.file, web, _beside(shelf, place))["report"]
        shown = []
        for number, cell in enumerate(given[:400], 1):
            about = cell if isinstance(cell, dict) else {}
            meta = about.get("metadata")
            tags = meta.get("tags") if isinstance(meta, dict) else ()
            parts = results_notebook.parts(cells_of(about))
            own = [each for each in report.findings if each.place == f"cell {number}"]
            marked = isinstance(tags, list) and "parameters" in tags
            shown.append({"number": number, "parts": parts, "parameters": marked, "findings": own})
        loose = [each for each in report.findings if not each.place.startswith("cell ")]
        content = {"opened": opened, "cells": shown, "loose": loose, "report": report, "place": place}
        content |= {"query": query(place), "runs": place.origin in {"workflow", "experiment", "process"}}
        return pages.show(request, "notebook_page.html", content)


def cells_of(cell: Document) -> list[Document]:
    """The parts of one cell, as the results' page reads them from a file."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = Path(folder) / "cell.ipynb"
        path.write_text(json.dumps({"cells": [cell]}), "utf-8")
        return cells(path)


def _new(routes: APIRouter, pages: Pages) -> None:
    def form(request: Request, place: Place, problems: Sequence[Any] = ()) -> Response:
        content = {"place": place, "problems": problems, "kinds": new.KINDS, "licences": new.LICENCES}
        return pages.show(request, "new_workflow.html", content, status=400 if problems else 200)

    @routes.get("/develop/new")
    def blank(request: Request) -> Response:
        return form(request, place_of(request.query_params))

    @routes.post("/develop/new")
    async def make(request: Request) -> Response:
        async with request.form() as given:
            place, action = place_of(given), str(given.get("action") or "zip")
        place = replace(place, origin="template", file="", ref="")
        try:
            made = await run_in_threadpool(new.files, place.id, place.name, place.author, place.license)
        except TerrafairError as error:
            return await run_in_threadpool(form, request, place, error.problems)
        if action == "edit":
            target = "/develop/graph" if place.id == "openeo" else PAGE
            return RedirectResponse(f"{target}?{query(place)}", 303)
        headers = {"Content-Disposition": f'attachment; filename="{place.name}.zip"'}
        return Response(new.zipped(place.name, made), media_type="application/zip", headers=headers)
