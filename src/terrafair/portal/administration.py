"""The operator's page: people, allocations to decide, the queue and what happened: `/admin`."""

from collections.abc import Callable
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from terrafair import events
from terrafair.database import reading
from terrafair.errors import TerrafairError
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.allocation import Approved, Happening, Rejected
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import actor
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People
from terrafair.portal.desk import Desk

LAST_EVENTS = 100


def router(
    desk: Desk, people: People, allocations: Allocations, engine: sa.Engine, waiting: Callable[[], dict[str, int]]
) -> APIRouter:
    """The page; `waiting` gives the number of jobs in each state."""
    routes = APIRouter(prefix="/admin", include_in_schema=False, default_response_class=HTMLResponse)

    @routes.get("")
    def overview(request: Request) -> Response:
        require(actor(), Action.READ, Thing(Kind.PLATFORM))
        with reading(engine) as connection:
            trail = events.latest(connection, LAST_EVENTS)
        content: dict[str, Any] = {
            "people": people.listing(),
            "allocations": allocations.listing(actor()),
            "trail": trail,
            "states": waiting(),
        }
        return desk.show(request, "admin.html", content)

    @routes.post("/allocations/{id}")
    def decide(
        request: Request, id: str, decision: Annotated[str, Form()], reference: Annotated[str, Form()] = "",  # noqa: A002
        credits: Annotated[str, Form()] = "",  # noqa: A002
    ) -> Response:  # fmt: skip
        try:
            allocations.decide(actor(), id, _happening(decision, reference, credits))
        except TerrafairError as error:
            return desk.problem(request, error)
        return RedirectResponse("/admin", 303)

    return routes


def _happening(decision: str, text: str, credits: str) -> Happening:  # noqa: A002 - the field's word
    if decision != "approve":
        return Rejected(text)
    amount = float(credits) if credits.replace(".", "", 1).isdecimal() else 0.0
    return Approved(text, MilliCredits(round(min(amount, 1e12) * 1000)) or None)
