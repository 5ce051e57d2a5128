"""The people of a platform: known by (issuer, subject), with the names that their provider last gave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.identity.access import Actor, Role, Scope
from terrafair.identity.person import Person

TABLE = sa.table(
    "people",
    *(
        sa.column(name, sa.String)
        for name in ("id", "subject", "name", "email", "github", "created", "seen", "signed_out")
    ),
    sa.column("operator", sa.Boolean),
)
MEMBERS = sa.table("members", *(sa.column(name, sa.String) for name in ("project", "person", "role")))
COMMUNITY_PROJECTS = sa.table("community_projects", *(sa.column(name, sa.String) for name in ("community", "project")))


_ID = sa.bindparam("id", type_=sa.String)
_PERSON = sa.select(TABLE).where(TABLE.c.id == _ID)
_ROLES = sa.select(MEMBERS.c.project, MEMBERS.c.role).where(MEMBERS.c.person == _ID)
_OWN = sa.select(MEMBERS.c.project).where(MEMBERS.c.person == _ID)
_SHARED = sa.select(COMMUNITY_PROJECTS.c.community).where(COMMUNITY_PROJECTS.c.project.in_(_OWN))
_NEIGHBOURS = sa.select(COMMUNITY_PROJECTS.c.project).where(COMMUNITY_PROJECTS.c.community.in_(_SHARED))
"""Made once: to build them takes as long as to ask."""


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
    signed_out: str = ""
    """When the person last ended everything (RFC 3339); empty: never."""


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
        return self.whole(id, scopes)[1]

    def whole(self, id: str, scopes: frozenset[Scope] | None = None) -> tuple[Profile | None, Actor]:  # noqa: A002
        """The person and the actor that they are, of one moment; no profile: nobody has that id."""
        with reading(self._engine) as connection:
            person = connection.execute(_PERSON, {"id": id}).one_or_none()
            roles = {row.project: Role(row.role) for row in connection.execute(_ROLES, {"id": id})}
            others = frozenset(connection.execute(_NEIGHBOURS, {"id": id}).scalars())
        actor = Actor(id, roles, others - roles.keys(), bool(person and person.operator), scopes)
        return _profile(person) if person else None, actor

    def signed_out(self, id: str) -> str:  # noqa: A002
        """When a person has last ended everything; empty: never, or nobody of that id."""
        with reading(self._engine) as connection:
            return str(connection.execute(sa.select(TABLE.c.signed_out).where(TABLE.c.id == id)).scalar() or "")

    def sign_out(self, id: str, moment: datetime) -> None:  # noqa: A002
        """From here on, tokens that a provider made before are not taken."""
        with transaction(self._engine) as connection:
            text = moment.astimezone(UTC).isoformat(timespec="seconds")
            connection.execute(TABLE.update().where(TABLE.c.id == id).values(signed_out=text))


def _profile(row: "sa.Row[Any]") -> Profile:
    return Profile(row.id, row.subject, row.name, row.email, row.github, bool(row.operator), row.signed_out)


def _text(claims: Mapping[str, Any], name: str) -> str:
    """A claim by its name, or by a dotted path into nested ones."""
    value: Any = claims.get(name)
    if value is None:
        value = claims
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return value.strip() if isinstance(value, str) else ""
