"""Routes about workspaces."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair.identity.asking import actor, asker
from terrafair.identity.credits import shown
from terrafair.workspaces.workspace import Seed, Workspace
from terrafair.workspaces.workspaces import Workspaces

Document = dict[str, Any]


class NewWorkspace(BaseModel):
    """The body of `POST /api/workspaces`."""

    model_config = ConfigDict(extra="forbid")

    project: str = Field("", max_length=64)
    profile: str = Field("", max_length=40)
    hours: int = Field(0, ge=0, le=1000)
    kind: str = Field("", max_length=40)
    """What it opens on: `product`, `experiment`, `workflow`, `job`."""
    id: str = Field("", max_length=300)


def router(workspaces: Workspaces) -> APIRouter:
    """`/api/workspaces`."""
    routes = APIRouter(prefix="/api/workspaces", tags=["workspaces"])

    @routes.get("")
    def listing() -> list[Document]:
        """One's workspaces, newest first."""
        return [document(each) for each in workspaces.listing(actor())]

    @routes.get("/profiles")
    def profiles() -> list[Document]:
        """The sizes that there are, with the most that an hour may cost."""
        offer = workspaces.offer
        return [
            {"name": each.name, "title": each.title, "cores": each.cores, "memory": each.memory,
             "credits": shown(offer.cost(each, 1))}
            for each in offer.profiles
        ]  # fmt: skip

    @routes.post("", status_code=201)
    def begin(response: Response, wanted: NewWorkspace) -> Document:
        """Open one's workspace in a project; the one that is open is given again."""
        who = asker()
        project = wanted.project or who.project or who.actor.person
        found = workspaces.open(
            who.actor, project, profile=wanted.profile, hours=wanted.hours, seed=Seed(wanted.kind, wanted.id)
        )
        response.headers["Location"] = f"/api/workspaces/{found.id}"
        return document(found)

    @routes.get("/{id}")
    def one(id: str) -> Document:  # noqa: A002 - the field's word
        """One of them."""
        return document(workspaces.get(actor(), id))

    @routes.delete("/{id}")
    def end(id: str) -> Document:  # noqa: A002
        """Close it; its files stay."""
        return document(workspaces.close(actor(), id))

    return routes


def document(workspace: Workspace) -> Document:
    """As JSON."""
    return {
        "id": workspace.id,
        "project": workspace.project,
        "profile": workspace.profile,
        "hours": workspace.hours,
        "status": workspace.state.value,
        "created": workspace.created,
        "started": workspace.started,
        "ended": workspace.ended,
        "reason": workspace.reason,
        "seed": {"kind": workspace.seed.kind, "id": workspace.seed.id},
        "href": workspace.address,
    }
