"""A control database with three people and two projects."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine
from terrafair.identity.access import Actor, Role
from terrafair.identity.people import ClaimNames, People, Profile
from terrafair.identity.projects import Projects

from ..databases import control_database

ISSUER = "https://issuer.example"


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


@dataclass
class Town:
    """Ada owns `glaciers` with Ben as a member and Cy as a viewer; Dee owns `forests`; Eve operates."""

    people: People
    projects: Projects
    profiles: dict[str, Profile]

    def actor(self, name: str) -> Actor:
        return self.people.actor(self.profiles[name].id)

    def id(self, name: str) -> str:
        return self.profiles[name].id


@pytest.fixture
def town(engine: sa.Engine) -> Town:
    people = People(engine, operators=[f"{ISSUER}#eve"])
    profiles = {}
    for name in ("ada", "ben", "cy", "dee", "eve"):
        claims = {"name": name.title(), "email": f"{name}@example.org", "github_login": f"{name}-hub"}
        profiles[name] = people.seen(ClaimNames().profile(f"{ISSUER}#{name}", claims))
    found = Town(people, Projects(engine), profiles)
    found.projects.create(found.actor("ada"), "glaciers", "Glaciers")
    found.projects.create(found.actor("dee"), "forests", "Forests")
    for name, role in (("ben", Role.MEMBER), ("cy", Role.VIEWER)):
        secret = found.projects.invite(found.actor("ada"), "glaciers", role, email=f"{name}@example.org")
        found.projects.accept(profiles[name], secret)
    return found
