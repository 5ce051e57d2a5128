"""Projects with their members and groups, and the communities that span them."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import Conflict, InvalidInput, NotFound, Refused
from terrafair.identity.access import Action, Actor, Kind, Role, Scope, Thing, Visibility, may, require
from terrafair.identity.people import COMMUNITY_PROJECTS, MEMBERS, Profile
from terrafair.identity.people import TABLE as PEOPLE

PROJECTS = sa.table("projects", *(sa.column(name, sa.String) for name in ("id", "title", "description", "created")))
GROUPS = sa.table("project_groups", *(sa.column(name, sa.String) for name in ("project", "name", "person")))
COMMUNITIES = sa.table("communities", *(sa.column(name, sa.String) for name in ("id", "title", "url", "owner")))
INVITATIONS = sa.table(
    "invitations",
    *(
        sa.column(name, sa.String)
        for name in ("hash", "project", "role", "email", "github", "by", "created", "expires", "used")
    ),
)
INVITED_FOR = timedelta(days=14)
_HOME = re.compile(r"u[0-9a-f]{20}")
_ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Project:
    """People who work together, and what belongs to them."""

    id: str
    """As in URLs and bucket names."""
    title: str
    description: str = ""

    @property
    def thing(self) -> Thing:
        """For `access.may`."""
        return Thing(Kind.PROJECT, self.id)


@dataclass(frozen=True, slots=True)
class Member:
    """One person in a project."""

    person: str
    name: str
    role: Role


@dataclass(frozen=True, slots=True)
class Community:
    """Projects that share."""

    id: str
    title: str
    url: str = ""
    """Where they talk."""
    projects: tuple[str, ...] = ()


class Projects:
    """All projects of one platform; every call says who asks."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def create(self, actor: Actor, id: str, title: str, description: str = "") -> Project:  # noqa: A002
        """A new project with its first owner."""
        require(actor, Action.CREATE, Thing(Kind.PROJECT))
        project = Project(_checked(id), title.strip() or id, description.strip())
        if _HOME.fullmatch(id):
            raise InvalidInput(f"{id!r} looks like the id of a person.", remedy="Choose another id.", where="id")
        with transaction(self._engine) as connection:
            if connection.execute(sa.select(PROJECTS.c.id).where(PROJECTS.c.id == id)).first():
                raise Conflict(f"There is a project {id!r} already.", remedy="Choose another id.", where="id")
            connection.execute(
                PROJECTS.insert().values(
                    id=project.id, title=project.title, description=project.description, created=events.now()
                )
            )
            if actor.person:
                connection.execute(MEMBERS.insert().values(project=id, person=actor.person, role=Role.OWNER.value))
        return project

    def make_home(self, profile: Profile) -> None:
        """The project of one person alone, for what they do without naming another; a second call changes nothing."""
        with transaction(self._engine) as connection:
            if connection.execute(sa.select(PROJECTS.c.id).where(PROJECTS.c.id == profile.id)).first():
                return
            title = f"{profile.name or profile.id} (own)"
            connection.execute(
                PROJECTS.insert().values(id=profile.id, title=title, description="", created=events.now())
            )
            connection.execute(MEMBERS.insert().values(project=profile.id, person=profile.id, role=Role.OWNER.value))

    def get(self, actor: Actor, id: str) -> Project:  # noqa: A002
        """One project; raises `NotFound` for one that the actor may not see, too: ids tell nothing."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(PROJECTS).where(PROJECTS.c.id == id)).one_or_none()
        if row is None or not may(actor, Action.READ, Thing(Kind.PROJECT, id)):
            raise NotFound(f"There is no project {id[:80]!r}.", remedy="`terrafair projects` lists yours.")
        return Project(row.id, row.title, row.description)

    def listing(self, actor: Actor) -> list[Project]:
        """Those that the actor sees, by title."""
        query = sa.select(PROJECTS).order_by(PROJECTS.c.title)
        query = query if actor.operator else query.where(PROJECTS.c.id.in_(actor.projects))
        with reading(self._engine) as connection:
            return [Project(row.id, row.title, row.description) for row in connection.execute(query)]

    def members(self, actor: Actor, id: str) -> list[Member]:  # noqa: A002
        """Owners first."""
        self.get(actor, id)
        query = sa.select(MEMBERS, PEOPLE.c.name).join(PEOPLE, PEOPLE.c.id == MEMBERS.c.person)
        with reading(self._engine) as connection:
            rows = connection.execute(query.where(MEMBERS.c.project == id)).all()
        found = [Member(row.person, row.name, Role(row.role)) for row in rows]
        order = [Role.OWNER, Role.MEMBER, Role.VIEWER]
        return sorted(found, key=lambda member: (order.index(member.role), member.name.casefold()))

    def set_role(self, actor: Actor, id: str, person: str, role: Role | None) -> None:  # noqa: A002
        """Give a member another role, or none; a project keeps an owner. People may leave by themselves."""
        project = self.get(actor, id)
        if not (role is None and person == actor.person):
            require(actor, Action.MANAGE, project.thing)
        with transaction(self._engine) as connection:
            here = sa.and_(MEMBERS.c.project == id, MEMBERS.c.person == person)
            if connection.execute(sa.select(MEMBERS).where(here)).first() is None:
                raise NotFound(f"{person[:60]!r} is no member of {id}.", remedy="Invite them.", where="person")
            if role is None:
                connection.execute(MEMBERS.delete().where(here))
                connection.execute(GROUPS.delete().where(GROUPS.c.project == id, GROUPS.c.person == person))
            else:
                connection.execute(MEMBERS.update().where(here).values(role=role.value))
            self._keep_owner(connection, id)

    def invite(self, actor: Actor, id: str, role: Role, *, email: str = "", github: str = "") -> str:  # noqa: A002
        """An invitation's secret, for its link; it holds for one person and fourteen days."""
        require(actor, Action.MANAGE, self.get(actor, id).thing)
        email, github = email.strip().lower(), github.strip().lstrip("@").lower()
        if bool(email) == bool(github) or (email and not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", email)):
            raise InvalidInput(
                f"The invitation goes to {email or github!r}.", "It takes an e-mail address or a GitHub login."
            )
        secret = secrets.token_urlsafe(24)
        moment = datetime.now(UTC)
        with transaction(self._engine) as connection:
            connection.execute(
                INVITATIONS.insert().values(
                    hash=_hash(secret), project=id, role=role.value, email=email, github=github, by=actor.person,
                    created=_text(moment), expires=_text(moment + INVITED_FOR), used="",
                )
            )  # fmt: skip
        return secret

    def invitation(self, profile: Profile, secret: str) -> tuple[str, str]:
        """(title of the project, role) that an invitation offers this person; raises as `accept` does."""
        with reading(self._engine) as connection:
            found = _invitation(connection, profile, secret)
            title = connection.execute(sa.select(PROJECTS.c.title).where(PROJECTS.c.id == found.project)).scalar()
        return str(title or found.project), str(found.role)

    def accept(self, profile: Profile, secret: str) -> str:
        """Join by an invitation; gives the project. Raises `Refused` for somebody else's, `Conflict` for a used one."""
        with transaction(self._engine) as connection:
            found = _invitation(connection, profile, secret)
            connection.execute(
                INVITATIONS.update().where(INVITATIONS.c.hash == found.hash).values(used=_text(datetime.now(UTC)))
            )
            here = sa.and_(MEMBERS.c.project == found.project, MEMBERS.c.person == profile.id)
            if connection.execute(sa.select(MEMBERS).where(here)).first() is None:
                connection.execute(MEMBERS.insert().values(project=found.project, person=profile.id, role=found.role))
        return str(found.project)

    def set_group(self, actor: Actor, id: str, name: str, people: Iterable[str]) -> None:  # noqa: A002
        """Who is in a group of the project; nobody: the group is gone."""
        project = self.get(actor, id)
        require(actor, Action.MANAGE, project.thing)
        wanted = list(dict.fromkeys(people))
        known = {member.person for member in self.members(actor, id)}
        if strangers := [person for person in wanted if person not in known]:
            raise InvalidInput(f"{strangers[0][:60]!r} is no member of {id}.", remedy="Invite them first.")
        with transaction(self._engine) as connection:
            connection.execute(GROUPS.delete().where(GROUPS.c.project == id, GROUPS.c.name == _checked(name)))
            for person in wanted:
                connection.execute(GROUPS.insert().values(project=id, name=name, person=person))

    def groups(self, actor: Actor, id: str) -> dict[str, tuple[str, ...]]:  # noqa: A002
        """Group -> people."""
        self.get(actor, id)
        found: dict[str, list[str]] = {}
        with reading(self._engine) as connection:
            query = sa.select(GROUPS).where(GROUPS.c.project == id).order_by(GROUPS.c.name, GROUPS.c.person)
            for row in connection.execute(query):
                found.setdefault(row.name, []).append(row.person)
        return {name: tuple(people) for name, people in found.items()}

    def found_community(self, actor: Actor, id: str, title: str, url: str = "") -> Community:  # noqa: A002
        """A new community, without projects."""
        require(actor, Action.CREATE, Thing(Kind.COMMUNITY))
        if url and not url.startswith("https://"):
            raise InvalidInput(f"The community's link is {url[:100]!r}.", "It takes an https address.", where="url")
        with transaction(self._engine) as connection:
            if connection.execute(sa.select(COMMUNITIES.c.id).where(COMMUNITIES.c.id == _checked(id))).first():
                raise Conflict(f"There is a community {id!r} already.", where="id")
            connection.execute(COMMUNITIES.insert().values(id=id, title=title or id, url=url, owner=actor.person))
        return Community(id, title or id, url)

    def join_community(self, actor: Actor, id: str, project: str, *, join: bool = True) -> None:  # noqa: A002
        """A project enters or leaves a community: its owner's decision, and entering the community's owner's too."""
        require(actor, Action.MANAGE, self.get(actor, project).thing)
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(COMMUNITIES).where(COMMUNITIES.c.id == id)).one_or_none()
            if row is None:
                raise NotFound(f"There is no community {id[:80]!r}.", where="community")
            here = sa.and_(COMMUNITY_PROJECTS.c.community == id, COMMUNITY_PROJECTS.c.project == project)
            connection.execute(COMMUNITY_PROJECTS.delete().where(here))
            if join:
                if not actor.operator and row.owner != actor.person:
                    raise Refused(f"You may not bring a project into {id}.", "Its founder may.", "Ask them.")
                connection.execute(COMMUNITY_PROJECTS.insert().values(community=id, project=project))

    def communities(self) -> list[Community]:
        """All of them: what is shared in them is another matter."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(COMMUNITIES).order_by(COMMUNITIES.c.title)).all()
            pairs = connection.execute(sa.select(COMMUNITY_PROJECTS).order_by(COMMUNITY_PROJECTS.c.project)).all()
        return [
            Community(row.id, row.title, row.url, tuple(pair.project for pair in pairs if pair.community == row.id))
            for row in rows
        ]

    def _keep_owner(self, connection: sa.Connection, id: str) -> None:  # noqa: A002
        query = sa.select(MEMBERS).where(MEMBERS.c.project == id, MEMBERS.c.role == Role.OWNER.value)
        if connection.execute(query).first() is None:
            raise Conflict(f"{id} would be without an owner.", remedy="Make somebody else an owner first.")


def visible(actor: Actor, project: Any, author: Any, visibility: Any) -> Any:
    """The SQL condition under which `may(actor, READ, ...)` holds, for columns of a table of things."""
    if actor.scopes is not None and Scope.READ not in actor.scopes:
        return sa.false()
    if actor.operator:
        return sa.true()
    public = visibility == Visibility.PUBLIC.value
    mine = project.in_(actor.projects)
    near = project.in_([*actor.projects, *sorted(actor.neighbours)])
    working = [name for name, role in actor.roles.items() if role is not Role.VIEWER]
    own = sa.and_(author == actor.person, project.in_(working)) if actor.person else sa.false()
    return sa.or_(
        public,
        sa.and_(visibility == Visibility.PROJECT.value, mine),
        sa.and_(visibility == Visibility.COMMUNITY.value, near),
        sa.and_(visibility == Visibility.PRIVATE.value, own),
    )


def _checked(id: str) -> str:  # noqa: A002
    if not _ID.fullmatch(id):
        raise InvalidInput(f"{id[:80]!r} is no id.", "An id has 1 to 63 of a-z, 0-9 and inner hyphens.", where="id")
    return id


def _invitation(connection: sa.Connection, profile: Profile, secret: str) -> Any:
    """The row of one that holds for this person."""
    found = connection.execute(sa.select(INVITATIONS).where(INVITATIONS.c.hash == _hash(secret))).one_or_none()
    if found is None:
        raise NotFound("There is no such invitation.", remedy="Ask for a new one.")
    if found.used or found.expires < _text(datetime.now(UTC)):
        raise Conflict("The invitation is used or its time is over.", remedy="Ask for a new one.")
    if (found.email and found.email != profile.email.lower()) or (
        found.github and found.github != profile.github.lower()
    ):
        meant = found.email or f"@{found.github}"
        raise Refused("The invitation is for somebody else.", f"It is for {meant}.", "Sign in as them.")
    return found


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
