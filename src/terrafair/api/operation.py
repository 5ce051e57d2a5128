"""Switches and reports for operators: `/api/operation`."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.asking import actor, asker

PLATFORM = Thing(Kind.PLATFORM)


class Wish(BaseModel):
    """Whether changes are to be refused."""

    on: bool
    reason: str = Field("", max_length=500)


def router(
    state: Callable[[], dict[str, Any]], change: Callable[..., dict[str, Any]], scrub: Callable[[], dict[str, Any]]
) -> APIRouter:
    """Read-only mode, and what the last look at stored results found."""
    routes = APIRouter(prefix="/api/operation", tags=["operations"])

    @routes.get("/read-only")
    def shown() -> dict[str, Any]:
        """Whether changes are refused: `{on, since, by, reason}`."""
        require(actor(), Action.READ, PLATFORM)
        return state()

    @routes.put("/read-only")
    def switch(wish: Wish) -> dict[str, Any]:
        """Refuse all changes, or take them again; what runs goes on."""
        require(actor(), Action.CHANGE, PLATFORM)
        return change(on=wish.on, by=asker().name or actor().person, reason=wish.reason)

    @routes.get("/scrub")
    def found() -> dict[str, Any]:
        """What the last look at stored results by checksum found: `{look, damaged: [{key, job, kind, says}]}`."""
        require(actor(), Action.READ, PLATFORM)
        return scrub()

    return routes
