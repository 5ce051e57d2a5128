"""The operator's page: catalogue, engines, queue, service levels, allocations, people and what happened: `/admin`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from terrafair import events
from terrafair.database import reading
from terrafair.errors import TerrafairError
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.allocation import Approved, Happening, Rejected
from terrafair.identity.allocations import Allocations
from terrafair.identity.asking import actor, asker
from terrafair.identity.credits import MilliCredits
from terrafair.identity.people import People
from terrafair.portal.desk import Desk

LAST_EVENTS = 100


@dataclass(frozen=True, slots=True)
class Works:
    """What the page asks of the running platform."""

    states: Callable[[], dict[str, int]]
    """The number of jobs in each state."""
    oldest: Callable[[], str]
    """When the job was accepted that waits longest; empty: none waits."""
    levels: Callable[[], list[Any]]
    """What jobs were like, as `execution.levels` measures it."""
    catalogue: Callable[[], Mapping[str, Any]]
    """`source`, `branch`, `commit`, `synced`, and `kinds`: how many records there are of each."""
    sync: Callable[[], None]
    """Bring the catalogue up to date."""
    parts: Callable[[], Sequence[Any]]
    """What the machine provides: `part`, `works`, `says`."""
    engines: Callable[[], Sequence[Any]]
    """The types of workflow that run here, as parts."""
    targets: Callable[[], Sequence[Mapping[str, Any]]]
    """Platforms elsewhere."""
    read_only: Callable[[], Mapping[str, Any]]
    """`{on, since, by, reason}`."""
    close: Callable[[bool, str, str], object]
    """Begin or end that changes are refused: whether, by whom, why."""
    scrub: Callable[[], Mapping[str, Any]]
    """What the last look at stored results found: `{look, damaged}`."""


def router(desk: Desk, people: People, allocations: Allocations, engine: sa.Engine, works: Works) -> APIRouter:
    """The page and its buttons."""
    routes = desk.pages.router("/admin")

    @routes.get("")
    def overview(request: Request) -> Response:
        require(actor(), Action.READ, Thing(Kind.PLATFORM))
        with reading(engine) as connection:
            trail = events.latest(connection, LAST_EVENTS)
        known = people.listing()
        content: dict[str, Any] = {
            "people": known,
            "owners": {each.id: each.name or each.email for each in known},
            "allocations": allocations.listing(actor()),
            "trail": trail,
            "states": works.states(),
            "oldest": works.oldest(),
            "levels": works.levels(),
            "catalogue": works.catalogue(),
            "parts": works.parts(),
            "engines": works.engines(),
            "targets": works.targets(),
            "read_only": works.read_only(),
            "scrub": works.scrub(),
        }
        return desk.show(request, "admin.html", content)

    @routes.post("/sync")
    def sync(request: Request) -> Response:
        require(actor(), Action.CHANGE, Thing(Kind.PLATFORM))
        try:
            works.sync()
        except TerrafairError as error:
            return desk.problem(request, error, 502)
        return RedirectResponse("/admin", 303)

    @routes.post("/read-only")
    def close(on: Annotated[str, Form()], reason: Annotated[str, Form()] = "") -> Response:
        require(actor(), Action.CHANGE, Thing(Kind.PLATFORM))
        works.close(on == "yes", asker().name or actor().person, reason)
        return RedirectResponse("/admin#durability", 303)

    @routes.post("/allocations/{id}")
    def decide(
        id: str, decision: Annotated[str, Form()], reference: Annotated[str, Form()] = "",  # noqa: A002
        credits: Annotated[str, Form()] = "",  # noqa: A002
    ) -> Response:  # fmt: skip
        allocations.decide(actor(), id, _happening(decision, reference, credits))
        return RedirectResponse("/admin", 303)

    return routes


def _happening(decision: str, text: str, credits: str) -> Happening:  # noqa: A002 - the field's word
    if decision != "approve":
        return Rejected(text)
    amount = float(credits) if credits.replace(".", "", 1).isdecimal() else 0.0
    return Approved(text, MilliCredits(round(min(amount, 1e12) * 1000)) or None)
