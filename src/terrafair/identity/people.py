"""The people of a platform: known by (issuer, subject), with the names that their provider last gave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.identity.access import Actor, Role, Scope
from terrafair.identity.person import Person

TABLE = sa.table(
    "people",
    *(sa.column(name, sa.String) for name in ("id", "subject", "name", "email", "github", "created", "seen")),
    sa.column("operator", sa.Boolean),
)
MEMBERS = sa.table("members", *(sa.column(name, sa.String) for name in ("project", "person", "role")))
COMMUNITY_PROJECTS = sa.table("community_projects", *(sa.column(name, sa.String) for name in ("community", "project")))


@dataclass(frozen=True, slots=True)
class Profile:
    """A person as the platform knows them."""

    id: str
    subject: str
    """`ISSUER#SUB`."""
    name: str
    email: str = ""
    github: str = ""
    operator: bool = False


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Which claims of a provider's tokens say what; providers differ."""

    name: str = "name"
    email: str = "email"
    github: str = "github_login"
    groups: str = "groups"

    def profile(self, subject: str, claims: Mapping[str, Any]) -> Profile:
        """What the claims say; an e-mail address counts only where the provider has checked it."""
        verified = claims.get("email_verified", True) is not False
        email = _text(claims, self.email).lower() if verified else ""
        name = _text(claims, self.name) or _text(claims, "preferred_username") or email
        return Profile(Person(subject).id, subject, name[:200], email[:200], _text(claims, self.github)[:200])


class People:
    """Everybody who has signed in."""

    def __init__(self, engine: sa.Engine, operators: Iterable[str] = ()) -> None:
        self._engine = engine
        self._operators = frozenset(name.lower() for name in operators)

    def seen(self, profile: Profile) -> Profile:
        """Note that a person has signed in, with the names of today."""
        names = {name.lower() for name in (profile.subject, profile.email, f"github:{profile.github}") if name}
        operator = bool(names & self._operators)
        values = {"name": profile.name, "email": profile.email, "github": profile.github, "operator": operator}
        with transaction(self._engine) as connection:
            known = connection.execute(sa.select(TABLE.c.id).where(TABLE.c.id == profile.id)).one_or_none()
            moment = events.now()
            if known is None:
                connection.execute(
                    TABLE.insert().values(id=profile.id, subject=profile.subject, created=moment, seen=moment, **values)
                )
            else:
                connection.execute(TABLE.update().where(TABLE.c.id == profile.id).values(seen=moment, **values))
        return self.get(profile.id)

    def get(self, id: str) -> Profile:  # noqa: A002 - the field's word
        """One person; raises `NotFound`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"Nobody here has the id {id[:60]!r}.", where="person")
        return _profile(row)

    def listing(self) -> list[Profile]:
        """Everybody, by name."""
        with reading(self._engine) as connection:
            return [_profile(row) for row in connection.execute(sa.select(TABLE).order_by(TABLE.c.name, TABLE.c.id))]

    def actor(self, id: str, scopes: frozenset[Scope] | None = None) -> Actor:  # noqa: A002
        """The person with roles and neighbours, as `access.may` wants it."""
        own = sa.select(MEMBERS.c.project).where(MEMBERS.c.person == id)
        shared = sa.select(COMMUNITY_PROJECTS.c.community).where(COMMUNITY_PROJECTS.c.project.in_(own))
        neighbours = sa.select(COMMUNITY_PROJECTS.c.project).where(COMMUNITY_PROJECTS.c.community.in_(shared))
        with reading(self._engine) as connection:
            person = connection.execute(sa.select(TABLE.c.operator).where(TABLE.c.id == id)).one_or_none()
            rows = connection.execute(sa.select(MEMBERS).where(MEMBERS.c.person == id))
            roles = {row.project: Role(row.role) for row in rows}
            others = frozenset(connection.execute(neighbours).scalars())
        return Actor(id, roles, others - roles.keys(), bool(person and person.operator), scopes)


def _profile(row: "sa.Row[Any]") -> Profile:
    return Profile(row.id, row.subject, row.name, row.email, row.github, bool(row.operator))


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim by its name, or by a dotted path into nested ones."""
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value.strip() if isinstance(value, str) else ""
