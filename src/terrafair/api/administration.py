"""Routes for operators: people and the audit trail."""

import json
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
from fastapi import APIRouter
from fastapi.responses import Response

from terrafair import events
from terrafair.database import reading
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.asking import actor
from terrafair.identity.people import People

PLATFORM = Thing(Kind.PLATFORM)


def router(people: People, engine: sa.Engine) -> APIRouter:
    """`/api/people` and `/api/audit`."""
    routes = APIRouter(prefix="/api", tags=["operations"])

    @routes.get("/people")
    def listing() -> list[dict[str, Any]]:
        """Everybody who has signed in."""
        require(actor(), Action.READ, PLATFORM)
        return [asdict(profile) for profile in people.listing()]

    @routes.get("/audit", response_model=None)
    def audit(since: int = 0, limit: int = 1000) -> Response:
        """Who did what to which thing when and from where, as JSON lines, oldest first."""
        require(actor(), Action.READ, PLATFORM)
        with reading(engine) as connection:
            entries = events.trail(connection, since, min(max(limit, 1), 100_000))
        text = "".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries)
        return Response(text, media_type="application/x-ndjson")

    return routes
