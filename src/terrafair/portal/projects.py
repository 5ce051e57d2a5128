"""The pages about projects: members, groups, invitations, allocations and what was used: `/projects`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from terrafair.errors import TerrafairError
from terrafair.identity.access import Action, Kind, Role, Thing, may
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import actor, asker
from terrafair.identity.credits import MilliCredits
from terrafair.identity.person import absent
from terrafair.identity.projects import Projects
from terrafair.identity.sign_in import local_path
from terrafair.portal.desk import Desk

CURRENT = "terrafair_project"
"""Cookie that names the project that somebody works in."""
YEAR = 365 * 86_400


@dataclass(frozen=True, slots=True)
class Rooms:
    """What the pages stand on."""

    desk: Desk
    projects: Projects
    allocations: Allocations
    changed: Callable[[], None]
    """Called when roles have changed."""

    def attempt(self, id: str, change: Callable[[], Any]) -> Response:  # noqa: A002
        """Change something of a project, and show the project."""
        change()
        self.changed()
        return RedirectResponse(f"/projects/{id}", 303)

    def show(self, request: Request, id: str, *, invitation: str = "") -> Response:  # noqa: A002
        """One project."""
        who = actor()
        usage = [row for row in self.allocations.usage(who) if row.project == id]
        months = {
            month: sum(row.spent for row in usage if row.month == month) for month in sorted({r.month for r in usage})
        }
        content = {
            "project": self.projects.get(who, id),
            "members": self.projects.members(who, id),
            "groups": self.projects.groups(who, id),
            "allocations": self.allocations.listing(who, id),
            "usage": usage,
            "months": months,
            "managing": may(who, Action.MANAGE, Thing(Kind.PROJECT, id)),
            "roles": list(Role),
            "invitation": invitation,
        }
        return self.desk.show(request, "project.html", content)


def router(desk: Desk, projects: Projects, allocations: Allocations, changed: Callable[[], None]) -> APIRouter:
    """The pages; `changed` is called when roles have."""
    routes = desk.pages.router("/projects")
    rooms = Rooms(desk, projects, allocations, changed)
    _joining(routes, rooms)
    _managing(routes, rooms)

    @routes.get("")
    def listing(request: Request) -> Response:
        if not actor().person and not actor().operator:
            return RedirectResponse("/account/sign-in?next=/projects", 303)
        return desk.show(request, "projects.html", {"rows": projects.listing(actor())})

    @routes.post("")
    def create(
        name: Annotated[str, Form(alias="id")],
        title: Annotated[str, Form()] = "",
        description: Annotated[str, Form()] = "",
    ) -> Response:
        return rooms.attempt(name, lambda: projects.create(actor(), name, title, description))

    @routes.post("/current")
    def choose(request: Request, project: Annotated[str, Form()], next: Annotated[str, Form()] = "/") -> Response:  # noqa: A002
        """The project that new jobs belong to, as the header of the pages says it."""
        found = projects.get(actor(), project)
        reply = RedirectResponse(local_path(next), 303)
        secure = request.url.scheme == "https"
        reply.set_cookie(CURRENT, found.id, max_age=YEAR, path="/", httponly=True, samesite="lax", secure=secure)
        return reply

    @routes.get("/{id}")
    def get(request: Request, id: str) -> Response:  # noqa: A002 - the field's word
        return rooms.show(request, id)

    return routes


def _joining(routes: APIRouter, rooms: Rooms) -> None:
    @routes.get("/join/{secret}")
    def join(request: Request, secret: str) -> Response:
        profile = asker().profile
        if profile is None:
            return RedirectResponse(f"/account/sign-in?next=/projects/join/{quote(secret, safe='')}", 303)
        content: dict[str, Any] = {"secret": secret, "problems": ()}
        try:
            content["project"], content["role"] = rooms.projects.invitation(profile, secret)
        except TerrafairError as error:
            content["problems"] = error.problems
        return rooms.desk.show(request, "join.html", content)

    @routes.post("/join/{secret}")
    def accept(request: Request, secret: str) -> Response:
        profile = asker().profile
        if profile is None:
            raise absent()
        try:
            project = rooms.projects.accept(profile, secret)
        except TerrafairError as error:
            return rooms.desk.problem(request, error)
        rooms.changed()
        return RedirectResponse(f"/projects/{project}", 303)


def _managing(routes: APIRouter, rooms: Rooms) -> None:
    projects = rooms.projects

    @routes.post("/{project}/invitations")
    def invite(
        request: Request, project: str, who: Annotated[str, Form()], role: Annotated[Role, Form()] = Role.MEMBER
    ) -> Response:
        email, github = (who, "") if "@" in who.strip()[1:] else ("", who)
        secret = projects.invite(actor(), project, role, email=email, github=github)
        link = f"{str(request.base_url).rstrip('/')}/projects/join/{secret}"
        return rooms.show(request, project, invitation=link)

    @routes.post("/{project}/members/{person}")
    def set_role(project: str, person: str, role: Annotated[str, Form()]) -> Response:
        wanted = Role(role) if role in list(Role) else None
        return rooms.attempt(project, lambda: projects.set_role(actor(), project, person, wanted))

    @routes.post("/{project}/groups")
    def set_group(
        project: str,
        name: Annotated[str, Form()],
        people: Annotated[list[str] | None, Form()] = None,
    ) -> Response:
        return rooms.attempt(project, lambda: projects.set_group(actor(), project, name, people or []))

    @routes.post("/{project}/allocations")
    def ask(
        project: str,
        amount: Annotated[float, Form(alias="credits", allow_inf_nan=False)],
        start: Annotated[date, Form()],
        end: Annotated[date, Form()],
        note: Annotated[str, Form()] = "",
    ) -> Response:
        asked = MilliCredits(round(min(max(amount, 0), 1e12) * 1000))
        allocations = rooms.allocations
        return rooms.attempt(project, lambda: allocations.request(actor(), project, asked, start, end, note=note))
