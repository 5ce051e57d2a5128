"""Run: what is published and whether it runs here, and the form that runs it."""

import asyncio
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile

from terrafair.errors import InvalidInput, NotFound, Problem, TerrafairError
from terrafair.portal import forms
from terrafair.portal.interrupted import left
from terrafair.portal.kept import Kept
from terrafair.portal.page import Pages

Document = dict[str, Any]
UPLOAD_LIMIT = 2 * 1024**3
BLOCK = 2**20
PART_LIMIT = 16 * 2**20
"""Bytes of one text in the form; what is larger is a file."""
FILE_MARK = "file:"


class Running(Protocol):
    """What the pages ask about experiments and workflows; the documents of `/api/experiments`."""

    def experiments(self) -> list[Document]:
        """Every one with its verdict, and every process that people deployed here."""
        ...

    def explain(self, id: str, kind: str) -> Document:  # noqa: A002
        """What one comes down to."""
        ...

    def run(
        self,
        id: str,  # noqa: A002
        kind: str,
        inputs: Mapping[str, Any],
        *,
        reproduce: bool = False,
        target: str = "",
    ) -> str:
        """Accept a job, here or at a target; gives its id."""
        ...

    def estimate(self, id: str) -> Document:  # noqa: A002
        """What a run is expected to cost at the most, in milli-credits, and what the project has left."""
        ...

    def targets(self) -> tuple[str, ...]:
        """Platforms elsewhere that jobs can run on."""
        ...

    def verdict(self, target: str, id: str, kind: str) -> Document:  # noqa: A002
        """Whether one of them would run it, with the reasons if not."""
        ...

    def upload(self, path: Path, name: str, digest: str) -> str:
        """Keep a file; gives its reference."""
        ...

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...


def router(pages: Pages, running: Running, kept: Kept) -> APIRouter:
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
        behind = left(request, kept, request.url.path)
        typed = {name: list(texts) for name, texts in behind.fields.items()} if behind else None
        form = Sheet(found, forms.fields(found["inputs"], values, typed), again=again, came_back=behind is not None)
        return _form(pages, request, running, form if typed is None else form.ticked(typed))

    @routes.get("/run/{kind}/{id}/where")
    def where(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        found = running.explain(id, _kind(kind))
        rows = [(name, running.verdict(name, id, kind)) for name in running.targets()]
        return pages.show(request, "where.html", {"entry": found, "rows": rows})

    @routes.post("/run/{kind}/{id}")
    async def start(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        _check_length(request)
        found = await asyncio.to_thread(running.explain, id, _kind(kind))
        async with request.form(max_files=100, max_fields=1000, max_part_size=PART_LIMIT) as given:
            typed = {name: [str(each) for each in given.getlist(name) if isinstance(each, str)] for name in given}
            problems = await _uploads(running, given, typed)
        values, wrong = forms.read(found["inputs"], found["values"], typed)
        problems += wrong
        form = Sheet(found, []).ticked(typed)
        if not problems:
            try:
                job = await asyncio.to_thread(
                    running.run, id, kind, values, reproduce=form.reproduce, target=form.target
                )
                return RedirectResponse(f"/results/{quote(job)}", status_code=303)
            except TerrafairError as error:
                # Whatever it is: the form comes back with it, and nothing that was typed is lost.
                problems = list(error.problems)
        form = replace(form, fields=forms.fields(found["inputs"], found["values"], typed, problems), problems=problems)
        return await run_in_threadpool(_form, pages, request, running, form)

    return routes


@dataclass(frozen=True, slots=True)
class Sheet:
    """The form of one entry as it is shown."""

    entry: Document
    fields: list[forms.Field]
    problems: Sequence[Problem] = ()
    again: str = ""
    """The job whose inputs it holds."""
    reproduce: bool = False
    target: str = ""
    came_back: bool = False
    """Whether it was sent after the session had ended."""

    def ticked(self, typed: Mapping[str, list[str]]) -> "Sheet":
        """With what was chosen beside the inputs."""
        target = (typed.get("target") or [""])[-1]
        return replace(self, reproduce=bool(typed.get("reproduce")), target=target)


def _check_length(request: Request) -> None:
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > UPLOAD_LIMIT + PART_LIMIT:
        raise InvalidInput(
            f"The form holds {int(length) / 2**30:.1f} GiB.",
            "A file may have 2 GiB.",
            "Go back - your form is as you left it -, put the file into S3, and name its URL.",
            code="too-large",
        )


def _kind(kind: str) -> str:
    if kind not in {"experiment", "workflow", "process"}:
        raise NotFound(f"{kind!r} does not run.", remedy="Experiments, workflows and processes do.")
    return kind


def _words(row: Document) -> str:
    return f"{row['id']} {row['title']} {row['type']}".casefold()


def _form(pages: Pages, request: Request, running: Running, form: Sheet) -> Response:
    found = form.entry
    names = [field.name for field in form.fields]
    targets = running.targets()
    content: Document = {
        "form": form,
        "entry": found,
        "fields": form.fields,
        "problems": form.problems,
        "loose": [problem for problem in form.problems if not forms.owner_of(problem.where, names)],
        "again": form.again,
        "reproduce": form.reproduce,
        "targets": targets,
        "runs": found["executable"] or bool(targets),
        "estimate": running.estimate(found["id"]) if found["executable"] or targets else None,
    }
    drawn = any(field.control in {*forms.BOXES, "geometry"} for field in form.fields)
    return pages.show(request, "entry.html", content, status=400 if form.problems else 200, drawn=drawn)


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
