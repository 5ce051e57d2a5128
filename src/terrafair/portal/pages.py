"""The pages: what people do in a browser, rendered on the server and complete without JavaScript."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates

from terrafair import __version__
from terrafair.errors import InvalidInput

HERE = Path(__file__).parent
KINDS = ("product", "project", "workflow", "experiment", "variable", "mission", "theme")
Document = dict[str, Any]


class Backend(Protocol):
    """What the pages ask of the platform; the same documents that `/api` gives."""

    def find(self, text: str, kind: str) -> Document:
        """Search all kinds."""
        ...

    def experiments(self) -> list[Document]:
        """Every experiment and workflow with its verdict."""
        ...

    def explain(self, id: str, kind: str) -> Document:  # noqa: A002
        """What one comes down to."""
        ...

    def run(self, id: str, kind: str) -> str:  # noqa: A002
        """Accept a job; gives its id."""
        ...

    def jobs(self) -> list[Document]:
        """Newest first."""
        ...

    def job(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...

    def log(self, id: str) -> list[Document]:  # noqa: A002
        """Its log's lines."""
        ...

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        ...

    def cancel(self, id: str) -> None:  # noqa: A002
        """End it."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every page shows beside its own content."""

    commit: Callable[[], str]
    """The catalogue's commit."""
    warning: str
    """Shown on every page, e.g. that isolation is missing."""


def static() -> StaticFiles:
    """Style sheet, icon and fetched browser files."""
    return StaticFiles(directory=HERE / "static")


def router(backend: Backend, surroundings: Surroundings) -> APIRouter:
    """`/find`, `/run`, `/jobs` and the start page."""
    templates = Jinja2Templates(HERE / "templates")
    live = (HERE / "static/vendor/htmx.min.js").exists()
    routes = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

    def page(request: Request, name: str, here: str, content: Mapping[str, Any]) -> Response:
        shown = {"here": here, "live": live, "version": __version__, "warning": surroundings.warning}
        shown |= {"commit": surroundings.commit()[:12], "url": str(request.base_url).rstrip("/")}
        return templates.TemplateResponse(request, name, {**shown, **content})

    @routes.get("/")
    def start() -> Response:
        return RedirectResponse("/run")

    @routes.get("/find")
    def find(request: Request, text: str = "", kind: str = "") -> Response:
        content: Document = {"text": text, "kind": kind, "kinds": KINDS, "found": None, "problem": ""}
        if text or kind:
            try:
                content["found"] = backend.find(text, kind)
            except InvalidInput as error:
                content["problem"] = str(error)
        return page(request, "find.html", "/find", content)

    @routes.get("/run")
    def run(request: Request) -> Response:
        return page(request, "run.html", "/run", {"rows": backend.experiments()})

    @routes.get("/run/{kind}/{id}")
    def entry(request: Request, kind: str, id: str) -> Response:  # noqa: A002
        return page(request, "entry.html", "/run", {"entry": backend.explain(id, kind)})

    @routes.post("/run/{kind}/{id}")
    def start_job(kind: str, id: str) -> Response:  # noqa: A002
        return RedirectResponse(f"/jobs/{backend.run(id, kind)}", status_code=303)

    @routes.get("/jobs")
    def jobs(request: Request) -> Response:
        return page(request, "jobs.html", "/jobs", {"rows": backend.jobs()})

    @routes.get("/jobs/{id}")
    def job(request: Request, id: str) -> Response:  # noqa: A002
        found = backend.job(id)
        ended = found["status"] in {"successful", "failed", "dismissed"}
        content = {"job": found, "ended": ended, "log": backend.log(id), "results": backend.results(id)}
        return page(request, "job.html", "/jobs", content)

    @routes.post("/jobs/{id}/cancel")
    def cancel(id: str) -> Response:  # noqa: A002
        backend.cancel(id)
        return RedirectResponse(f"/jobs/{id}", status_code=303)

    return routes
