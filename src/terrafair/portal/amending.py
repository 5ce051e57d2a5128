"""Publish: a change of an entry that was not published from here - describe, check, see the difference, propose."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from terrafair.errors import Conflict, InvalidInput, NotFound, Problem
from terrafair.identity.access import Action, Kind, Thing, may, require
from terrafair.identity.asking import actor
from terrafair.portal.amend_form import Amended, Amending, page, was_text
from terrafair.portal.interrupted import left
from terrafair.portal.page import Pages
from terrafair.portal.publish_form import Texts
from terrafair.portal.publish_walk import Walks
from terrafair.portal.words import AMEND_STEPS
from terrafair.publishing import amendment, form
from terrafair.publishing.links import path
from terrafair.publishing.publication import PREFIX

Document = dict[str, Any]
KINDS = {"product": "products", "experiment": "experiments", "workflow": "workflows"}
EDIT = "/publish/edit/{kind}/{id}"
DIFF_LINES = 4000


def admitting(admit: Callable[[str, Action], None], amending: Amending) -> Callable[[str, Action], None]:
    """The rights to publications of jobs, and to those of changed entries: whoever may publish may propose one."""

    def admitted(name: str, action: Action) -> None:
        if not name.startswith(PREFIX):
            return admit(name, action)
        entry = amendment.entry_of(name)
        if entry is None:
            raise NotFound(f"There is no publication {name[:80]!r}.")
        _publishes()
        return amending.free(amending.publication(*entry)) if action is Action.PUBLISH else None

    return admitted


def _publishes() -> None:
    """Raise, unless the asker may publish in a project of theirs."""
    who = actor()
    things = [Thing(Kind.DRAFT, project) for project in who.projects] or [Thing(Kind.DRAFT)]
    if not any(may(who, Action.PUBLISH, thing) for thing in things):
        require(who, Action.PUBLISH, things[0])


@dataclass(frozen=True, slots=True)
class Editing:
    """What the pages stand on."""

    amending: Amending
    form: form.Form
    walks: Walks
    elsewhere: Callable[[str], str]
    """Entry -> the job whose publication made it here; empty: none."""
    jobs: Callable[[], list[Document]]
    """Successful jobs that the asker sees, newest first."""

    def kind(self, kind: str) -> str:
        """The folder of a kind that can be changed."""
        if kind not in KINDS:
            raise NotFound(f"{kind[:40]!r} is not published from here.")
        _publishes()
        return KINDS[kind]


def install(routes: APIRouter, pages: Pages, editing: Editing) -> None:
    """`/publish/edit/...`; before the pages of jobs, whose addresses would take these."""
    _describing(routes, pages, editing)
    _reviewing(routes, pages, editing)


def _describing(routes: APIRouter, pages: Pages, editing: Editing) -> None:
    amending = editing.amending

    @routes.get(EDIT)
    def edit(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        """An entry is edited where it was published from; else the record itself is."""
        folder = editing.kind(kind)
        job = editing.elsewhere(path(folder, id))
        if job:
            return RedirectResponse(f"/publish/{quote(job)}", 303)
        behind = left(request, amending.kept, request.url.path)
        amended = amending.read(folder, id, before=behind)
        status = 409 if amended.clashes else 200
        return _form(pages, request, editing, amended, came_back=behind is not None, status=status)

    @routes.post(EDIT)
    async def save(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        typed = await _typed(request)
        return await run_in_threadpool(_saved, pages, request, editing, (editing.kind(kind), id), typed)

    @routes.post(EDIT + "/draft")
    async def keep(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        typed = await _typed(request)
        return await run_in_threadpool(_kept, editing, (editing.kind(kind), id), typed)


async def _typed(request: Request) -> dict[str, list[str]]:
    async with request.form(max_files=0, max_fields=2000) as given:
        return {name: [str(each) for each in given.getlist(name)] for name in given}


def _saved(pages: Pages, request: Request, editing: Editing, entry: tuple[str, str], typed: Texts) -> Response:
    amending, here = editing.amending, page(*entry)
    if "start-anew" in typed:
        amending.forget(*entry)
        return RedirectResponse(quote(here), 303)
    amended = amending.read(*entry, typed)
    if typed.get("seen", [""])[-1] != amended.stamp:
        return _form(pages, request, editing, amended, elsewhere=True, status=409)
    later = "later" in typed
    if amended.problems or later or not amended.fields:
        # Kept all the same: nothing that was typed is lost by closing the page now.
        try:
            amending.keep(*entry, typed)
        except InvalidInput as error:
            return _form(pages, request, editing, amended, loose=error.problems, status=400)
        if later:
            return RedirectResponse("/publish", 303)
        status = 409 if amended.clashes else 400
        return _form(pages, request, editing, amended, stamp=amending.stamp(*entry), status=status)
    amending.hand_in(amended)
    return RedirectResponse(f"{quote(here)}/review", 303)


def _kept(editing: Editing, entry: tuple[str, str], typed: Texts) -> Response:
    """What a change in the form leads to, for the script beside it."""
    amending = editing.amending
    if typed.get("seen", [""])[-1] != amending.stamp(*entry):
        raise Conflict(
            "This change was edited in another tab, or by somebody else, since you opened it.",
            "What you type here is in this form alone.",
            "Press the button below: it is kept, and checked against what is there now.",
            code="changed-meanwhile",
        )
    amended = amending.read(*entry, typed)
    stamp = amending.keep(*entry, typed)
    beside, loose = amended.beside()
    return JSONResponse(
        {
            "seen": stamp,
            "problems": {name: [_words(each) for each in problems] for name, problems in beside.items()},
            "loose": [_words(problem) for problem in loose],
            "warnings": [_words(form.told(problem)) for problem in amended.prepared.warnings],
            "count": len(amended.problems),
        }
    )


def _words(problem: Problem) -> str:
    return " ".join(part for part in (problem.what, problem.why, problem.remedy) if part)


def _form(
    pages: Pages,
    request: Request,
    editing: Editing,
    amended: Amended,
    *,
    loose: tuple[Problem, ...] = (),
    stamp: str = "",
    elsewhere: bool = False,
    came_back: bool = False,
    status: int = 200,
) -> Response:
    beside, others = amended.beside()
    content: Document = {
        "amended": amended,
        "word": amended.kind.removesuffix("s"),
        "address": page(amended.kind, amended.id),
        "questions": editing.form.asked(amendment.FIELDS[amended.kind], amended.texts, beside),
        "loose": [*map(form.told, loose), *others],
        # From here on, what the record says now is known to whoever sends the form.
        "was": was_text(amended.now),
        "stamp": stamp or amended.stamp,
        "elsewhere": elsewhere,
        "came_back": came_back,
        "sent": status == 400,
        "jobs": editing.jobs() if amended.kind != "workflows" else [],
        "steps": AMEND_STEPS,
        "at": 1,
    }
    return pages.show(request, "publish/edit.html", content, status=status)


def _reviewing(routes: APIRouter, pages: Pages, editing: Editing) -> None:
    amending = editing.amending

    @routes.get(EDIT + "/review")
    def review(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        folder = editing.kind(kind)
        publication = amending.publication(folder, id)
        if publication is None:
            return RedirectResponse(quote(page(folder, id)), 303)
        diff = amending.publisher.diff(publication)
        if not diff and publication.next.value in {"check", "test"}:
            # The record has moved on, or a rule is broken by now: the form tells.
            return RedirectResponse(quote(page(folder, id)), 303)
        lines = diff.split("\n") if diff else []
        content: Document = {
            "kind": kind,
            "id": id,
            "address": page(folder, id),
            "publication": publication,
            "title": publication.answers.get("product_title") or id,
            "lines": [(_tone(line), line) for line in lines[:DIFF_LINES]],
            "files": sum(line.startswith("+++ ") for line in lines),
            "begins": publication.next.value in {"check", "test"},
            "follow": f"/publish/{quote(publication.job, safe='')}/follow",
            "steps": AMEND_STEPS,
            "at": 2,
        }
        return pages.show(request, "publish/amended.html", content)

    @routes.post(EDIT + "/go")
    def go(kind: str, id: str) -> Response:  # noqa: A002
        publication = amending.publication(editing.kind(kind), id)
        if publication is None:
            raise NotFound("No change of this entry has been handed in.", remedy="Describe it first.")
        amending.free(publication)
        editing.walks.begin(publication.id)
        return RedirectResponse(f"/publish/{quote(publication.job, safe='')}/follow", 303)


def _tone(line: str) -> str:
    """How a line of a diff is shown."""
    if line.startswith(("--- ", "+++ ")):
        return "file"
    return {"+": "added", "-": "removed", "@": "where"}.get(line[:1], "")
