"""The people of the local provider: who they are stays from start to start, and what they may spend.

So that the demo shows an estimate, a reservation and a charge, each of them has an allocation like a sponsor's.
"""

import contextlib
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from terrafair.identity.access import Actor
from terrafair.identity.allocation import Approved
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.oidc_provider import DemoPerson
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person
from terrafair.identity.projects import Projects

CREDITS = MilliCredits(100_000)
PERIOD = timedelta(days=365)
REFERENCE = "NoR-demo"


def last_port(place: Path) -> int:
    """The port that the provider had, where it is free; else 0. With another one, everybody would be somebody else."""
    with contextlib.suppress(OSError, ValueError, OverflowError), socket.socket() as trial:
        port = int(place.read_text("ascii"))
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(("127.0.0.1", port))
        return port
    return 0


def keep_port(place: Path, issuer: str) -> None:
    """Remember where the provider is."""
    place.write_text(str(urlsplit(issuer).port or 0), "ascii")


def sponsor(engine: sa.Engine, issuer: str, people: Iterable[DemoPerson]) -> None:
    """Give each person who has none an allocation for their own project."""
    known, projects, allocations = People(engine), Projects(engine), Allocations(engine)
    operator, today = Actor(operator=True), datetime.now(UTC).date()
    for each in people:
        subject = f"{issuer}#{each.id}"
        profile = known.seen(Profile(Person(subject).id, subject, each.name, each.email))
        projects.make_home(profile)
        if allocations.listing(operator, profile.id):
            continue
        asked = allocations.request(
            operator, profile.id, CREDITS, today, today + PERIOD, sponsor="terrafair's demo", note="Of the demo."
        )
        allocations.decide(operator, asked.id, Approved(REFERENCE))
