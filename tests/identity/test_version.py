"""Who somebody is, is remembered no longer than it holds, whichever process changed it."""

import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.api.actors import VISITOR, Actors
from terrafair.config import Config
from terrafair.identity.access import Role, Scope
from terrafair.identity.person import NotSignedIn
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.sessions import Sessions
from terrafair.identity.version import Version
from terrafair.openeo_parts import authenticator

from .conftest import Town


class Clock:
    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def seconds(self) -> float:
        return self().timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def actors(engine: sa.Engine, town: Town, clock: Clock, tmp_path: Path) -> Actors:
    version = Version(engine)
    personal, sessions = PersonalTokens(engine, clock), Sessions(engine, now=clock)
    known = authenticator(Config(home=tmp_path), engine)
    return Actors(
        town.people, town.projects, sessions, personal, known, VISITOR, version.now, version.near, clock.seconds
    )


def token(actors: Actors, town: Town, name: str = "ben", **life: float) -> str:
    secret, _ = actors.personal.issue(town.id(name), "test", list(Scope), timedelta(**(life or {"hours": 1})))
    header = f"Bearer {secret}"
    # A use is noted once a day, which is no change of rights; the first find also makes the home project.
    actors.find("", header)
    actors.find("", header)
    return header


def test_what_has_not_changed_is_remembered(actors: Actors, town: Town) -> None:
    header = token(actors, town)
    assert actors.known("", header) is actors.find("", header)
    assert actors.known("", header + "x") is None


def test_each_change_is_seen_at_once(actors: Actors, town: Town, engine: sa.Engine) -> None:
    header, ada, ben = token(actors, town), town.actor("ada"), town.id("ben")
    town.projects.set_role(ada, "glaciers", ben, Role.VIEWER)
    assert actors.known("", header) is None
    assert actors.find("", header).actor.roles["glaciers"] is Role.VIEWER
    town.projects.set_role(ada, "glaciers", ben, None)
    assert "glaciers" not in actors.find("", header).actor.roles
    (mine,) = actors.personal.listing(ben)
    actors.personal.revoke(ben, mine.id)
    with pytest.raises(NotSignedIn):
        actors.find("", header)
    cookie = actors.sessions.begin(ben, "local")
    assert actors.find(cookie, "").actor.person == ben
    actors.sessions.end(cookie)
    assert actors.find(cookie, "") is VISITOR


def test_what_ends_by_time_ends(actors: Actors, town: Town, clock: Clock) -> None:
    header = token(actors, town, seconds=20)
    cookie = actors.sessions.begin(town.id("ben"), "local")
    assert actors.find(cookie, "").actor.person
    clock.ahead = timedelta(seconds=21)
    assert actors.known("", header) is None
    with pytest.raises(NotSignedIn):
        actors.find("", header)
    clock.ahead = timedelta(hours=8, minutes=1)
    assert actors.find(cookie, "") is VISITOR


def test_a_change_in_another_process_is_seen(actors: Actors, town: Town, engine: sa.Engine) -> None:
    header = token(actors, town)
    assert actors.known("", header)
    script = """
import sys, sqlalchemy as sa
from terrafair.database import open_engine, transaction
engine = open_engine(sys.argv[1])
with transaction(engine) as connection:
    gone = sa.text("DELETE FROM members WHERE person = :person AND project = 'glaciers'")
    connection.execute(gone, {"person": sys.argv[2]})
"""
    subprocess.run([sys.executable, "-c", script, str(engine.url), town.id("ben")], check=True, timeout=60)
    assert actors.known("", header) is None
    assert "glaciers" not in actors.find("", header).actor.roles


def test_a_change_while_one_looks_is_not_missed(actors: Actors, town: Town) -> None:
    header = token(actors, town)
    actors.forget()
    whole = town.people.whole

    class Slow:
        def __getattr__(self, name: str) -> object:
            return getattr(town.people, name)

        def whole(self, id: str, scopes: frozenset[Scope] | None = None) -> object:
            found = whole(id, scopes)
            town.projects.set_role(town.actor("ada"), "glaciers", town.id("ben"), Role.VIEWER)
            return found

    actors.people = Slow()  # type: ignore[assignment]
    assert actors.find("", header).actor.roles["glaciers"] is Role.MEMBER
    assert actors.known("", header) is None


def test_asking_costs_little(engine: sa.Engine) -> None:
    version = Version(engine)
    assert version.near == (engine.dialect.name == "sqlite")
    rounds = []
    for _ in range(20):
        begun = time.perf_counter()
        version.now()
        rounds.append(time.perf_counter() - begun)
    # PostgreSQL is asked over the network.
    assert min(rounds) < (0.001 if engine.dialect.name == "sqlite" else 0.02)
