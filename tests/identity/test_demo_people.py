"""The demo's people: with credits of their own, and the same after each start."""

import socket
from pathlib import Path

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.identity import ledger
from terrafair.identity.access import Actor
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import MilliCredits
from terrafair.identity.demo_people import CREDITS, keep_port, last_port, sponsor
from terrafair.identity.oidc_provider import PEOPLE
from terrafair.identity.person import Person

ISSUER = "http://127.0.0.1:9"


def test_each_has_one_allocation_however_often_it_starts(engine: sa.Engine) -> None:
    sponsor(engine, ISSUER, PEOPLE)
    ada = Person(f"{ISSUER}#ada").id
    with transaction(engine) as connection:
        assert ledger.reserve(connection, ada, "j1", MilliCredits(5)).free == CREDITS - 5
    sponsor(engine, ISSUER, PEOPLE)
    accounts = Allocations(engine).listing(Actor(operator=True))
    assert sorted(each.allocation.project for each in accounts) == sorted(
        Person(f"{ISSUER}#{each.id}").id for each in PEOPLE
    )
    with reading(engine) as connection:
        ledger.verify(connection)


def test_the_port_stays_where_it_can(tmp_path: Path) -> None:
    place = tmp_path / "port"
    assert last_port(place) == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        keep_port(place, f"http://127.0.0.1:{port}")
        assert last_port(place) == 0, "somebody listens there"
    assert last_port(place) == port
    place.write_text("no number")
    assert last_port(place) == 0
    place.write_text("99999")
    assert last_port(place) == 0
