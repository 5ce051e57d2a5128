"""The pages about projects: members, groups, invitations, allocations and what was used: `/projects`."""

from collections.abc import Callable
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from terrafair.errors import TerrafairError
from terrafair.identity.access import Action, Kind, Role, Thing, may
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import actor, asker
from terrafair.identity.credits import MilliCredits
from terrafair.identity.person import absent
from terrafair.identity.projects import Projects
from terrafair.portal.desk import Desk


def router(desk: Desk, projects: Projects, allocations: Allocations, changed: Callable[[], None]) -> APIRouter:
    """The pages; `changed` is called when roles have."""
    routes = APIRouter(prefix="/projects", include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("")
    def listing(request: Request) -> Response:
        if not actor().person and not actor().operator:
            return RedirectResponse("/account/sign-in?next=/projects", 303)
        return desk.show(request, "projects.html", {"rows": projects.listing(actor())})

    @routes.post("")
    def create(
        request: Request, id: Annotated[str, Form()], title: Annotated[str, Form()] = "",  # noqa: A002
        description: Annotated[str, Form()] = "",
    ) -> Response:  # fmt: skip
        return attempt(request, id, lambda: projects.create(actor(), id, title, description))

    @routes.get("/join/{secret}")
    def join(request: Request, secret: str) -> Response:
        if asker().profile is None:
            return RedirectResponse(f"/account/sign-in?next=/projects/join/{secret}", 303)
        return desk.show(request, "join.html", {"secret": secret})

    @routes.post("/join/{secret}")
    def accept(request: Request, secret: str) -> Response:
        profile = asker().profile
        if profile is None:
            raise absent()
        try:
            project = projects.accept(profile, secret)
        except TerrafairError as error:
            return desk.problem(request, error)
        changed()
        return RedirectResponse(f"/projects/{project}", 303)

    @routes.get("/{id}")
    def get(request: Request, id: str) -> Response:  # noqa: A002 - the field's word
        return show(request, id)

    @routes.post("/{id}/invitations")
    def invite(
        request: Request,
        id: str,
        who: Annotated[str, Form()],
        role: Annotated[Role, Form()] = Role.MEMBER,
    ) -> Response:
        email, github = (who, "") if "@" in who.strip()[1:] else ("", who)
        try:
            secret = projects.invite(actor(), id, role, email=email, github=github)
        except TerrafairError as error:
            return desk.problem(request, error)
        return show(request, id, invitation=f"{str(request.base_url).rstrip('/')}/projects/join/{secret}")

    @routes.post("/{id}/members/{person}")
    def set_role(request: Request, id: str, person: str, role: Annotated[str, Form()]) -> Response:  # noqa: A002
        wanted = Role(role) if role in list(Role) else None
        return attempt(request, id, lambda: projects.set_role(actor(), id, person, wanted))

    @routes.post("/{id}/groups")
    def set_group(
        request: Request,
        id: str,
        name: Annotated[str, Form()],
        people: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        return attempt(request, id, lambda: projects.set_group(actor(), id, name, people or []))

    @routes.post("/{id}/allocations")
    def request_allocation(
        request: Request, id: str, credits: Annotated[float, Form()], start: Annotated[date, Form()],  # noqa: A002
        end: Annotated[date, Form()], note: Annotated[str, Form()] = "",
    ) -> Response:  # fmt: skip
        amount = MilliCredits(round(min(max(credits, 0), 1e12) * 1000))
        return attempt(request, id, lambda: allocations.request(actor(), id, amount, start, end, note=note))

    def attempt(request: Request, id: str, change: Callable[[], Any]) -> Response:  # noqa: A002
        try:
            change()
        except TerrafairError as error:
            return desk.problem(request, error)
        changed()
        return RedirectResponse(f"/projects/{id}", 303)

    def show(request: Request, id: str, *, invitation: str = "") -> Response:  # noqa: A002
        who = actor()
        content = {
            "project": projects.get(who, id),
            "members": projects.members(who, id),
            "groups": projects.groups(who, id),
            "allocations": allocations.listing(who, id),
            "usage": [row for row in allocations.usage(who) if row.project == id],
            "managing": may(who, Action.MANAGE, Thing(Kind.PROJECT, id)),
            "roles": list(Role),
            "invitation": invitation,
        }
        return desk.show(request, "project.html", content)

    return routes
