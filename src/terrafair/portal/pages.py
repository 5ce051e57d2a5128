"""The pages: what people do in a browser, rendered on the server and complete without JavaScript."""

from typing import Protocol

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from terrafair.portal import comparing, find, results, run
from terrafair.portal.kept import Kept
from terrafair.portal.link_check import LinkCheck
from terrafair.portal.page import STATIC, Pages, Static, Surroundings
from terrafair.portal.patterns import EXAMPLES

__all__ = ["Surroundings", "router", "static"]


def static() -> Static:
    """Style sheet, scripts and fetched browser files."""
    return Static(directory=STATIC)


class Watching(results.Watching, comparing.Comparing, Protocol):
    """What the pages about jobs ask."""


def router(
    catalogue: find.Finding,
    running: run.Running,
    watching: Watching,
    pages: Pages,
    kept: Kept,
    checks: LinkCheck | None = None,
) -> APIRouter:
    """The start page and four of the five words: `/find`, `/develop`, `/run`, `/results`; `publish` has the fifth."""
    routes = pages.router()

    @routes.get("/")
    def start() -> Response:
        return RedirectResponse("/find")

    @routes.get("/develop")
    def develop(request: Request) -> Response:
        return pages.show(request, "develop.html", {})

    @routes.get("/patterns")
    def patterns(request: Request) -> Response:
        return pages.show(request, "patterns.html", EXAMPLES, drawn=True)

    @routes.get("/jobs")
    def jobs() -> Response:
        return RedirectResponse("/results", 308)

    routes.include_router(comparing.router(pages, watching))

    @routes.get("/jobs/{id}")
    def job(id: str) -> Response:  # noqa: A002 - the field's word
        return RedirectResponse(f"/results/{id}", 308)

    routes.include_router(find.router(pages, catalogue, checks))
    routes.include_router(run.router(pages, running, kept))
    routes.include_router(results.router(pages, watching))
    return routes
