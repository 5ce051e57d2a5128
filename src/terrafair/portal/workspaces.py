"""Develop: one's workspaces, and how a new one is opened."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from terrafair.errors import TerrafairError
from terrafair.identity.asking import actor, asker
from terrafair.identity.credits import shown
from terrafair.identity.person import absent
from terrafair.portal.page import Pages
from terrafair.workspaces.workspace import Seed, State
from terrafair.workspaces.workspaces import INSTALL, Workspaces

PAGE = "/develop/workspaces"


def router(pages: Pages, workspaces: Workspaces, lacking: Sequence[str] = ()) -> APIRouter:
    """`/develop/workspaces`; `lacking`: what keeps them from being offered here."""
    routes = pages.router()

    def show(request: Request, chosen: dict[str, Any], problems: Sequence[Any] = ()) -> Response:
        offer = workspaces.offer
        content = {
            "lacking": lacking,
            "install": INSTALL,
            "chosen": chosen,
            "problems": problems,
            "rows": workspaces.listing(actor()),
            "sizes": [(each, shown(offer.cost(each, 1))) for each in offer.profiles],
            "hours": [hours for hours in (1, 2, 4, 8, 12, 24, 48) if hours <= offer.hours] or [offer.hours],
            "roles": sorted(actor().roles),
            "free": workspaces.free(actor()),
        }
        return pages.show(request, "workspaces.html", content, status=400 if problems else 200)

    @routes.get(PAGE)
    def listing(request: Request, kind: str = "", id: str = "") -> Response:  # noqa: A002 - the field's word
        if not lacking and not actor().person:
            raise absent()
        return show(request, {"kind": kind, "id": id, "project": asker().project or actor().person, "hours": 4})

    @routes.post(PAGE)
    def begin(
        request: Request,
        project: str = Form(""),
        profile: str = Form(""),
        hours: int = Form(0),
        kind: str = Form(""),
        id: str = Form(""),  # noqa: A002
    ) -> Response:
        named = project or asker().project or actor().person
        try:
            found = workspaces.open(actor(), named, profile=profile, hours=hours, seed=Seed(kind, id))
        except TerrafairError as error:
            chosen = {"kind": kind, "id": id, "project": named, "profile": profile, "hours": hours}
            return show(request, chosen, error.problems)
        return RedirectResponse(f"{PAGE}/{found.id}", 303)

    @routes.get(PAGE + "/{id}")
    def one(request: Request, id: str, stay: str = "") -> Response:  # noqa: A002
        found = workspaces.get(actor(), id)
        if found.state is State.RUNNING and not stay:
            return RedirectResponse(found.address, 303)
        profile = next((each for each in workspaces.offer.profiles if each.name == found.profile), None)
        return pages.show(request, "workspace.html", {"workspace": found, "profile": profile})

    @routes.post(PAGE + "/{id}/close")
    def close(id: str) -> Response:  # noqa: A002
        found = workspaces.close(actor(), id)
        return RedirectResponse(f"{PAGE}/{found.id}?stay=yes", 303)

    return routes
