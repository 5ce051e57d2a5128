"""Routes about projects: members, groups, invitations, communities."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair.api.account import signed_in
from terrafair.identity.access import Role
from terrafair.identity.asking import actor
from terrafair.identity.projects import Projects

Document = dict[str, Any]


class NewProject(BaseModel):
    """The body of `POST /api/projects`, and of `POST /api/communities`."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(max_length=63)
    title: str = Field("", max_length=200)
    description: str = Field("", max_length=10_000)
    url: str = Field("", max_length=500)


class Invitation(BaseModel):
    """The body of `POST /api/projects/{id}/invitations`."""

    model_config = ConfigDict(extra="forbid")

    role: Role = Role.MEMBER
    email: str = Field("", max_length=200)
    github: str = Field("", max_length=100)


class Acceptance(BaseModel):
    """The body of `POST /api/invitations/accept`."""

    model_config = ConfigDict(extra="forbid")

    secret: str = Field(max_length=200)


class Standing(BaseModel):
    """The body of `PUT /api/projects/{id}/members/{person}`."""

    model_config = ConfigDict(extra="forbid")

    role: Role


class Group(BaseModel):
    """The body of `PUT /api/projects/{id}/groups/{name}`."""

    model_config = ConfigDict(extra="forbid")

    people: list[str] = Field(max_length=10_000)


def router(projects: Projects, changed: Callable[[], None]) -> APIRouter:
    """`/api/projects`, `/api/invitations`, `/api/communities`; `changed` is called when roles have."""
    routes = APIRouter(prefix="/api", tags=["projects"])

    @routes.get("/projects")
    def listing() -> list[Document]:
        """Those that one sees."""
        return [asdict(project) for project in projects.listing(actor())]

    @routes.post("/projects", status_code=201)
    def create(wanted: NewProject) -> Document:
        """A new project, whose owner one is."""
        made = projects.create(actor(), wanted.id, wanted.title, wanted.description)
        changed()
        return asdict(made)

    @routes.get("/projects/{id}")
    def get(id: str) -> Document:  # noqa: A002 - the field's word
        """One with its members and groups."""
        who = actor()
        members = [asdict(member) for member in projects.members(who, id)]
        return {**asdict(projects.get(who, id)), "members": members, "groups": projects.groups(who, id)}

    @routes.post("/projects/{id}/invitations", status_code=201)
    def invite(id: str, wanted: Invitation) -> Document:  # noqa: A002
        """An invitation for one person; its secret is shown this once."""
        secret = projects.invite(actor(), id, wanted.role, email=wanted.email, github=wanted.github)
        return {"secret": secret, "link": f"/projects/join/{secret}"}

    @routes.post("/invitations/accept")
    def accept(answer: Acceptance) -> Document:
        """Join by an invitation."""
        project = projects.accept(signed_in(), answer.secret)
        changed()
        return {"project": project}

    _people(routes, projects, changed)
    _communities(routes, projects, changed)
    return routes


def _people(routes: APIRouter, projects: Projects, changed: Callable[[], None]) -> None:
    @routes.put("/projects/{id}/members/{person}", status_code=204)
    def set_role(id: str, person: str, wanted: Standing) -> Response:  # noqa: A002
        """Give a member another role."""
        projects.set_role(actor(), id, person, wanted.role)
        changed()
        return Response(status_code=204)

    @routes.delete("/projects/{id}/members/{person}", status_code=204)
    def remove(id: str, person: str) -> Response:  # noqa: A002
        """Take a member out, or leave."""
        projects.set_role(actor(), id, person, None)
        changed()
        return Response(status_code=204)

    @routes.put("/projects/{id}/groups/{name}", status_code=204)
    def set_group(id: str, name: str, wanted: Group) -> Response:  # noqa: A002
        """Who is in a group; nobody: it is gone."""
        projects.set_group(actor(), id, name, wanted.people)
        return Response(status_code=204)


def _communities(routes: APIRouter, projects: Projects, changed: Callable[[], None]) -> None:
    @routes.get("/communities")
    def communities() -> list[Document]:
        """All of them."""
        return [asdict(community) for community in projects.communities()]

    @routes.post("/communities", status_code=201)
    def found(wanted: NewProject) -> Document:
        """A new one, without projects."""
        return asdict(projects.found_community(actor(), wanted.id, wanted.title, wanted.url))

    @routes.put("/communities/{id}/projects/{project}", status_code=204)
    def join(id: str, project: str) -> Response:  # noqa: A002
        """Bring a project in."""
        projects.join_community(actor(), id, project)
        changed()
        return Response(status_code=204)

    @routes.delete("/communities/{id}/projects/{project}", status_code=204)
    def leave(id: str, project: str) -> Response:  # noqa: A002
        """Take a project out."""
        projects.join_community(actor(), id, project, join=False)
        changed()
        return Response(status_code=204)
