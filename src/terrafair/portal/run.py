"""Run: what is published and whether it runs here, and the form that runs it."""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import FormData, UploadFile

from terrafair.errors import InvalidInput, NotExecutable, NotFound, Problem, TerrafairError
from terrafair.portal import forms
from terrafair.portal.page import Pages

Document = dict[str, Any]
UPLOAD_LIMIT = 2 * 1024**3
BLOCK = 2**20
FILE_MARK = "file:"


class Running(Protocol):
    """What the pages ask about experiments and workflows; the documents of `/api/experiments`."""

    def experiments(self) -> list[Document]:
        """Every one with its verdict."""
        ...

    def explain(self, id: str, kind: str) -> Document:  # noqa: A002
        """What one comes down to."""
        ...

    def run(self, id: str, kind: str, inputs: Mapping[str, Any], *, reproduce: bool = False) -> str:  # noqa: A002
        """Accept a job; gives its id."""
        ...

    def upload(self, path: Path, name: str, digest: str) -> str:
        """Keep a file; gives its reference."""
        ...

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...


def router(pages: Pages, running: Running) -> APIRouter:
    """`/run` and `/run/{kind}/{id}`."""
    routes = pages.router()

    @routes.get("/run")
    def table(request: Request, text: str = "") -> Response:
        words = text.casefold().split()
        rows = [row for row in running.experiments() if all(word in _words(row) for word in words)]
        return pages.show(request, "run.html", {"rows": rows, "text": text})

    @routes.get("/run/{kind}/{id}")
    def entry(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        found = running.explain(id, _kind(kind))
        values = dict(found["values"])
        again = request.query_params.get("from", "")
        if again:
            values |= running.job(again)["inputs"]
        return _form(pages, request, found, forms.fields(found["inputs"], values), again=again)

    @routes.post("/run/{kind}/{id}")
    async def start(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        found = await asyncio.to_thread(running.explain, id, _kind(kind))
        async with request.form(max_files=100, max_fields=1000) as given:
            typed = {name: [str(each) for each in given.getlist(name) if isinstance(each, str)] for name in given}
            problems = await _uploads(running, given, typed)
        values, wrong = forms.read(found["inputs"], found["values"], typed)
        problems += wrong
        reproduce = bool(typed.get("reproduce"))
        if not problems:
            try:
                job = await asyncio.to_thread(running.run, id, kind, values, reproduce=reproduce)
                return RedirectResponse(f"/results/{quote(job)}", status_code=303)
            except NotExecutable:
                raise
            except InvalidInput as error:
                problems = list(error.problems)
        fields = forms.fields(found["inputs"], found["values"], typed, problems)
        return _form(pages, request, found, fields, problems, reproduce=reproduce)

    return routes


def _kind(kind: str) -> str:
    if kind not in {"experiment", "workflow"}:
        raise NotFound(f"{kind!r} does not run.", remedy="Experiments and workflows do.")
    return kind


def _words(row: Document) -> str:
    return f"{row['id']} {row['title']} {row['type']}".casefold()


def _form(
    pages: Pages,
    request: Request,
    found: Document,
    fields: list[forms.Field],
    problems: list[Problem] | None = None,
    *,
    again: str = "",
    reproduce: bool = False,
) -> Response:
    names = [field.name for field in fields]
    loose = [problem for problem in problems or () if not forms.owner_of(problem.where, names)]
    content: Document = {"entry": found, "fields": fields, "loose": loose, "problems": problems or [], "again": again}
    content["reproduce"] = reproduce
    drawn = any(field.control in {"box", "boxlist", "boxtext"} for field in fields)
    status = 400 if problems else 200
    return pages.show(request, "entry.html", content, status=status, drawn=drawn)


async def _uploads(running: Running, given: FormData, typed: dict[str, list[str]]) -> list[Problem]:
    """Keep each file that came along, and put its reference where the form has its text: it survives a mistake."""
    problems = []
    for name, each in given.multi_items():
        if not isinstance(each, UploadFile) or not each.filename or not name.startswith(FILE_MARK):
            continue
        field = name.removeprefix(FILE_MARK)
        try:
            typed[f"{forms.MARK}{field}"] = [await _kept(running, each)]
        except TerrafairError as error:
            problem = error.problem
            problems.append(Problem(problem.what, problem.why, problem.remedy, field, problem.code))
    return problems


async def _kept(running: Running, upload: UploadFile) -> str:
    plain = PurePosixPath((upload.filename or "").replace("\\", "/")).name
    if not plain or plain in {".", ".."} or len(plain) > 200:
        raise InvalidInput(f"{plain[:60]!r} is no file name.")
    with tempfile.TemporaryDirectory() as folder:
        path, size, digest = Path(folder) / "upload", 0, hashlib.sha256()
        with path.open("wb") as out:
            while block := await upload.read(BLOCK):
                size += len(block)
                if size > UPLOAD_LIMIT:
                    raise InvalidInput("The file is larger than 2 GiB.", remedy="Put it into S3 and name its URL.")
                digest.update(block)
                out.write(block)
        return await asyncio.to_thread(running.upload, path, plain, digest.hexdigest())
