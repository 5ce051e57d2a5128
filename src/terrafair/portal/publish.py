"""Publish: choose a result, describe it, check, archive, pull request, follow the review - each step is a page."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from terrafair.errors import Conflict, NotFound, Refused, TerrafairError
from terrafair.identity.access import Action, Kind, Thing, may, require
from terrafair.identity.asking import actor
from terrafair.portal.amend_form import Amending, page
from terrafair.portal.amending import Editing, install
from terrafair.portal.interrupted import left
from terrafair.portal.page import Pages
from terrafair.portal.publish_form import Described, Describing, differing, place
from terrafair.portal.publish_walk import Walks
from terrafair.portal.words import AMEND_STEPS, PUBLISH_STEPS
from terrafair.publishing import form
from terrafair.publishing.amendment import entry_of
from terrafair.publishing.links import path
from terrafair.publishing.publication import Publication, State

Document = dict[str, Any]
REACHED = {
    State.DRAFT: 1, State.CHECKED: 3, State.ARCHIVED: 4, State.TESTING: 4, State.TESTED: 4, State.PROPOSED: 5,
    State.DECLINED: 5, State.MERGED: 6, State.PUBLISHED: 7,
}  # fmt: skip
TOLD = {
    State.DRAFT: "being described",
    State.CHECKED: "complete and valid",
    State.ARCHIVED: "its data are archived",
    State.TESTING: "its check at the testing repository runs",
    State.TESTED: "its check at the testing repository is green",
    State.PROPOSED: "under review by the catalogue's reviewers",
    State.DECLINED: "declined by the reviewers",
    State.MERGED: "merged; the next sync brings it into this catalogue",
    State.PUBLISHED: "published: the catalogue has it",
}
DIFF_LINES = 4000


class Forge(Protocol):
    """The embedded stand-in for GitHub, where the person at this platform is the reviewer."""

    def merge(self, name: str, number: int, login: str) -> Any:
        """Merge a pull request."""
        ...


@dataclass(frozen=True, slots=True)
class Publishing:
    """What the pages stand on."""

    describing: Describing
    form: form.Form
    walks: Walks
    admit: Callable[[str, Action], None]
    """Raises for a job whose results the asker may not see, or not publish."""
    jobs: Callable[[], list[Document]]
    """Successful jobs that the asker sees, newest first."""
    sync: Callable[[], None]
    """Bring the catalogue up to date, and mark what it now has."""
    forge: Forge | None = None
    amending: Amending | None = None
    """Changes of entries that were not published from here."""

    def maker(self, entry: str) -> str:
        """The job whose publication made an entry; of a workflow, which each of its experiments names, the newest."""
        made = (each.job for each in self.listing() if entry in each.entries and not each.amends)
        return next(made, "")

    def found(self, job: str, action: Action = Action.READ) -> Publication:
        """A publication that the asker may look at, or work on."""
        self.admit(job, action)
        publication = self.describing.publication(job)
        if publication is None:
            raise NotFound("Nothing of this job is being published yet.", remedy="Describe it first.", where="job")
        return publication

    def listing(self) -> Iterator[Publication]:
        """Those that the asker sees, newest first."""
        for publication in self.describing.store.listing(limit=500):
            try:
                self.admit(publication.job, Action.READ)
            except TerrafairError:
                continue
            yield publication


def router(pages: Pages, publishing: Publishing) -> APIRouter:
    """`/publish` and what lies below it."""
    routes = pages.router()
    _choosing(routes, pages, publishing)
    if publishing.amending is not None:
        editing = Editing(publishing.amending, publishing.form, publishing.walks, publishing.maker, publishing.jobs)
        install(routes, pages, editing)
    _describing(routes, pages, publishing)
    _reviewing(routes, pages, publishing)
    _following(routes, pages, publishing)
    return routes


def _choosing(routes: APIRouter, pages: Pages, publishing: Publishing) -> None:
    @routes.get("/publish")
    def choose(request: Request) -> Response:
        begun = list(publishing.listing())
        taken = {publication.job for publication in begun}
        fresh = [job for job in publishing.jobs() if job["id"] not in taken]
        rows = [_row(publication) for publication in begun]
        content = {"rows": rows, "jobs": fresh, "steps": PUBLISH_STEPS, "at": 0}
        return pages.show(request, "publish/choose.html", content)

    @routes.get("/publish/terms/{kind}")
    def terms(kind: str) -> Response:
        if kind not in {*form.TERMS.values(), "licences"}:
            raise NotFound(f"There is no vocabulary {kind[:40]!r}.")
        headers = {"Cache-Control": "private, max-age=300"}
        return JSONResponse(publishing.form.terms(kind), headers=headers)


def _row(publication: Publication) -> Document:
    title = publication.answers.get("product_title") or publication.answers.get("product") or publication.job
    return {
        "publication": publication,
        "title": title,
        "told": TOLD[publication.state],
        "href": place(publication, publication.job),
    }


def _describing(routes: APIRouter, pages: Pages, publishing: Publishing) -> None:
    describing = publishing.describing

    @routes.get("/publish/{job}")
    def describe(request: Request, job: str) -> Response:
        if entry := entry_of(job):
            return RedirectResponse(quote(page(*entry)), 303)
        publishing.admit(job, Action.PUBLISH)
        behind = left(request, describing.kept, request.url.path)
        ids = {name: [text] for name in ("product", "experiment") if (text := request.query_params.get(name, ""))}
        described = describing.read(job, ids) if ids else describing.read(job, before=behind)
        return _form(pages, request, publishing, described, came_back=behind is not None)

    @routes.post("/publish/{job}")
    async def save(request: Request, job: str) -> Response:
        typed = await _typed(request)
        return await run_in_threadpool(_saved, pages, request, publishing, job, typed)

    @routes.post("/publish/{job}/draft")
    async def keep(request: Request, job: str) -> Response:
        typed = await _typed(request)
        return await run_in_threadpool(_kept, publishing, job, typed)


async def _typed(request: Request) -> dict[str, list[str]]:
    async with request.form(max_files=0, max_fields=2000) as given:
        return {name: [str(each) for each in given.getlist(name)] for name in given}


def _saved(pages: Pages, request: Request, publishing: Publishing, job: str, typed: dict[str, list[str]]) -> Response:
    publishing.admit(job, Action.PUBLISH)
    describing = publishing.describing
    if "start-anew" in typed:
        describing.forget(job)
        return RedirectResponse(f"/publish/{quote(job)}", 303)
    if typed.get("seen", [""])[-1] != describing.stamp(job):
        theirs = differing(describing.read(job), typed)
        described = describing.read(job, typed)
        return _form(pages, request, publishing, described, theirs=theirs, status=409)
    described = describing.read(job, typed)
    if described.problems:
        # Kept all the same: nothing that was typed is lost by closing the page now.
        describing.keep(job, typed)
        later = "later" in typed
        if later:
            return RedirectResponse("/publish", 303)
        described = describing.read(job, typed)
        return _form(pages, request, publishing, described, status=400)
    describing.hand_in(job, described.given)
    return RedirectResponse("/publish" if "later" in typed else f"/publish/{quote(job)}/review", 303)


def _kept(publishing: Publishing, job: str, typed: dict[str, list[str]]) -> Response:
    """What a change in the form leads to, for the script beside it."""
    publishing.admit(job, Action.PUBLISH)
    describing = publishing.describing
    if typed.get("seen", [""])[-1] != describing.stamp(job):
        raise Conflict(
            "This description was changed in another tab, or by somebody else of the project, since you opened it.",
            "What you type here is in this form alone.",
            "Press the button below: both versions are shown.",
            code="changed-meanwhile",
        )
    stamp = describing.keep(job, typed)
    described = describing.read(job, typed)
    groups, loose = publishing.form.groups(described.texts, described.problems)
    beside = {each.name: [_words(problem) for problem in each.problems] for _, all_ in groups for each in all_}
    return JSONResponse(
        {
            "seen": stamp,
            "problems": {name: said for name, said in beside.items() if said},
            "loose": [_words(problem) for problem in loose],
            "warnings": [_words(form.told(problem)) for problem in described.warnings],
            "count": len(described.problems),
        }
    )


def _words(problem: Any) -> str:
    return " ".join(part for part in (problem.what, problem.why, problem.remedy) if part)


def _form(
    pages: Pages,
    request: Request,
    publishing: Publishing,
    described: Described,
    *,
    theirs: list[tuple[str, str]] | None = None,
    came_back: bool = False,
    status: int = 200,
) -> Response:
    groups, loose = publishing.form.groups(described.texts, described.problems)
    content: Document = {
        "job": described.job,
        "described": described,
        "groups": groups,
        "loose": loose,
        "theirs": theirs,
        "added": form.ADDED,
        "new_project": any(named in described.texts for named in form.ADDED)
        or any(problem.where == "project" for problem in described.problems),
        "came_back": came_back,
        "sent": status == 400,
        "steps": PUBLISH_STEPS,
        "at": 1,
    }
    return pages.show(request, "publish/describe.html", content, status=status)


def _reviewing(routes: APIRouter, pages: Pages, publishing: Publishing) -> None:
    @routes.get("/publish/{job}/review")
    def review(request: Request, job: str) -> Response:
        if entry := entry_of(job):
            return RedirectResponse(f"{quote(page(*entry))}/review", 303)
        publication = publishing.found(job)
        # What was handed in, not what stands in somebody's form: the next button publishes it.
        described = publishing.describing.read(job, {})
        draft = described.prepared.draft
        if described.problems or draft is None:
            return RedirectResponse(f"/publish/{quote(job)}", 303)
        lines = draft.diff().split("\n") if draft.files else []
        content: Document = {
            "job": job,
            "publication": publication,
            "row": _row(publication),
            "entries": [(kind, name, path(kind, name)) for kind, name in draft.entries],
            "files": [(name, draft.before[name] is None) for name in sorted(draft.files)],
            "lines": [(_tone(line), line) for line in lines[:DIFF_LINES]],
            "left": max(0, len(lines) - DIFF_LINES),
            "warnings": [form.told(problem) for problem in described.warnings],
            "begins": publication.state in {State.DRAFT, State.CHECKED},
            "steps": PUBLISH_STEPS,
            "at": 2,
        }
        return pages.show(request, "publish/review.html", content)

    @routes.post("/publish/{job}/go")
    def go(job: str) -> Response:
        publication = publishing.found(job, Action.PUBLISH)
        publishing.walks.begin(publication.id)
        return RedirectResponse(f"/publish/{quote(job)}/follow", 303)


def _reached(publication: Publication) -> int:
    """The step that it stands at; a change of an entry archives nothing."""
    at = REACHED[publication.state]
    return at - 1 if publication.amends and at > PUBLISH_STEPS.index("Archive") else at


def _tone(line: str) -> str:
    """How a line of a diff is shown."""
    if line.startswith(("--- ", "+++ ")):
        return "file"
    return {"+": "added", "-": "removed", "@": "where"}.get(line[:1], "")


def _following(routes: APIRouter, pages: Pages, publishing: Publishing) -> None:
    @routes.get("/publish/{job}/follow")
    def follow(request: Request, job: str) -> Response:
        publication = publishing.found(job)
        moving = publishing.walks.moving(publication.id)
        merges = publishing.forge is not None and may(actor(), Action.GRANT, Thing(Kind.PLATFORM))
        content: Document = {
            "job": job,
            "publication": publication,
            "row": _row(publication),
            "moving": moving,
            "said": publishing.walks.said(publication.id),
            "problems": [form.told(problem) for problem in publication.problems],
            "merges": merges,
            "syncs": may(actor(), Action.CHANGE, Thing(Kind.PLATFORM)),
            "pages": [_page(entry) for entry in publication.entries],
            "steps": AMEND_STEPS if publication.amends else PUBLISH_STEPS,
            "at": _reached(publication),
        }
        return pages.show(request, "publish/follow.html", content)

    @routes.post("/publish/{job}/merge")
    def merge(job: str) -> Response:
        publication = publishing.found(job, Action.PUBLISH)
        require(actor(), Action.GRANT, Thing(Kind.PLATFORM))
        pull = publication.production
        if publishing.forge is None:
            raise Refused("Only the catalogue's reviewers merge.", "This platform publishes to GitHub itself.")
        if pull is None:
            raise Conflict("There is no pull request yet.", f"The publication is {publication.state.value}.")
        if pull.state == "open":
            publishing.forge.merge(pull.repository, pull.number, pull.repository.partition("/")[0])
        publishing.describing.publisher.advance(publication.id)
        return RedirectResponse(f"/publish/{quote(job)}/follow", 303)

    @routes.post("/publish/{job}/sync")
    def sync(job: str) -> Response:
        publishing.found(job, Action.PUBLISH)
        require(actor(), Action.CHANGE, Thing(Kind.PLATFORM))
        publishing.sync()
        return RedirectResponse(f"/publish/{quote(job)}/follow", 303)


def _page(entry: str) -> tuple[str, str, str]:
    """(kind, id, address) of an entry's page here."""
    folder, name = entry.split("/")[:2]
    kind = {"eo-missions": "mission"}.get(folder, folder.removesuffix("s"))
    return kind, name, f"/find/{kind}/{quote(name, safe='')}"
