"""Who may do what: one pure table that everything else asks.

    may(actor, action, thing)

An actor *stands* to a thing in one way, the closest that holds: a stranger, a visitor who has signed in, somebody of a
community that the thing is shared with, a viewer, member or owner of its project, its author, the operator. The table
gives for each action and kind of thing how close one must stand.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from terrafair.errors import Refused
from terrafair.identity.person import NotSignedIn


class Standing(IntEnum):
    """How close an actor stands to a thing; each includes those before it."""

    STRANGER = 0
    """Has not signed in."""
    VISITOR = 1
    """Has signed in."""
    COMMUNITY = 2
    """Belongs to a project of a community that the thing's project is in, too."""
    VIEWER = 3
    MEMBER = 4
    AUTHOR = 5
    """Made the thing, and is still a member of its project."""
    OWNER = 6
    """Of the project."""
    OPERATOR = 7
    """Of the platform."""


class Role(StrEnum):
    """In a project."""

    VIEWER = "viewer"
    MEMBER = "member"
    OWNER = "owner"


class Visibility(StrEnum):
    """Who sees a thing."""

    PRIVATE = "private"
    """Its author."""
    PROJECT = "project"
    COMMUNITY = "community"
    PUBLIC = "public"


class Kind(StrEnum):
    """What can be acted on."""

    JOB = "job"
    BUCKET = "bucket"
    WORKFLOW = "workflow"
    DRAFT = "draft"
    WORKSPACE = "workspace"
    PROJECT = "project"
    ALLOCATION = "allocation"
    COMMUNITY = "community"
    PLATFORM = "platform"
    """Settings, audit trail, queue, other people's accounts."""


class Action(StrEnum):
    """What can be done."""

    READ = "read"
    CREATE = "create"
    """A thing of that kind in a project; running a workflow creates a job."""
    CHANGE = "change"
    """Its content and state; for a job that is to cancel it."""
    DELETE = "delete"
    SHARE = "share"
    """Change who sees it."""
    PUBLISH = "publish"
    """Into the Open Science Catalog."""
    MANAGE = "manage"
    """Members, groups and invitations of a project or a community."""
    REQUEST = "request"
    """Ask for an allocation."""
    GRANT = "grant"
    """Approve, change or end an allocation."""


class Scope(StrEnum):
    """What a token may be used for."""

    READ = "read"
    RUN = "run"
    PUBLISH = "publish"
    MANAGE = "manage"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who is asking, with all that the table needs to know of them."""

    person: str = ""
    """Id of the person; empty: nobody has signed in."""
    roles: Mapping[str, Role] = field(default_factory=dict)
    """Project id -> role in it."""
    neighbours: frozenset[str] = frozenset()
    """Projects that share a community with one of the actor's own."""
    operator: bool = False
    scopes: frozenset[Scope] | None = None
    """What the token allows; None: everything that its person may."""

    @property
    def projects(self) -> tuple[str, ...]:
        """Those that the actor has a role in, sorted."""
        return tuple(sorted(self.roles))


NOBODY = Actor()


@dataclass(frozen=True, slots=True)
class Thing:
    """What is acted on."""

    kind: Kind
    project: str = ""
    """Id of the project that it belongs to; for a project its own id."""
    author: str = ""
    """Id of the person who made it."""
    visibility: Visibility = Visibility.PROJECT


_SEES = {
    Visibility.PRIVATE: Standing.AUTHOR,
    Visibility.PROJECT: Standing.VIEWER,
    Visibility.COMMUNITY: Standing.COMMUNITY,
    Visibility.PUBLIC: Standing.STRANGER,
}
_WORK: Mapping[Action, Standing] = {
    Action.CREATE: Standing.MEMBER,
    Action.CHANGE: Standing.AUTHOR,
    Action.DELETE: Standing.AUTHOR,
    Action.SHARE: Standing.AUTHOR,
    Action.PUBLISH: Standing.MEMBER,
}
_NEEDED: Mapping[Kind, Mapping[Action, Standing]] = {
    **dict.fromkeys((Kind.JOB, Kind.WORKFLOW, Kind.DRAFT, Kind.WORKSPACE), _WORK),
    Kind.BUCKET: {
        **_WORK,
        Action.CHANGE: Standing.MEMBER,
        # Who reads an object can hand it on; a link does so in the open, with an end.
        Action.SHARE: Standing.MEMBER,
        Action.CREATE: Standing.OWNER,
    },
    Kind.PROJECT: {
        Action.CREATE: Standing.VISITOR,
        Action.CHANGE: Standing.OWNER,
        Action.DELETE: Standing.OWNER,
        Action.SHARE: Standing.OWNER,
        Action.MANAGE: Standing.OWNER,
    },
    Kind.ALLOCATION: {
        Action.READ: Standing.VIEWER,
        Action.REQUEST: Standing.OWNER,
        Action.GRANT: Standing.OPERATOR,
        Action.CHANGE: Standing.OPERATOR,
    },
    Kind.COMMUNITY: {
        Action.CREATE: Standing.VISITOR,
        Action.CHANGE: Standing.OWNER,
        Action.DELETE: Standing.OWNER,
        Action.MANAGE: Standing.OWNER,
    },
    Kind.PLATFORM: dict.fromkeys(Action, Standing.OPERATOR),
}
"""Kind -> action -> how close one must stand; an action that is not there is nobody's but the operator's."""
_SCOPES: Mapping[Action, Scope] = {
    Action.READ: Scope.READ,
    Action.CREATE: Scope.RUN,
    Action.CHANGE: Scope.RUN,
    Action.DELETE: Scope.RUN,
    Action.PUBLISH: Scope.PUBLISH,
    Action.SHARE: Scope.MANAGE,
    Action.MANAGE: Scope.MANAGE,
    Action.REQUEST: Scope.MANAGE,
    Action.GRANT: Scope.MANAGE,
}
_ROLES = {Role.VIEWER: Standing.VIEWER, Role.MEMBER: Standing.MEMBER, Role.OWNER: Standing.OWNER}


def standing(actor: Actor, thing: Thing) -> Standing:
    """How close the actor stands; a private thing is nearer to its author than to the project's owner."""
    if actor.operator:
        return Standing.OPERATOR
    role = actor.roles.get(thing.project) if thing.project else None
    if role is not None:
        found = _ROLES[role]
        own = bool(actor.person) and actor.person == thing.author
        if own and found >= Standing.MEMBER:
            return max(found, Standing.AUTHOR)
        if thing.visibility is Visibility.PRIVATE and thing.author and thing.kind is not Kind.PROJECT:
            # Its cost is the owner's business, its content is not.
            return min(found, Standing.MEMBER)
        return found
    if thing.project and thing.project in actor.neighbours:
        return Standing.COMMUNITY
    return Standing.VISITOR if actor.person else Standing.STRANGER


def needed(action: Action, thing: Thing) -> Standing:
    """How close one must stand."""
    table = _NEEDED[thing.kind]
    if action is Action.READ and action not in table:
        return _SEES[thing.visibility]
    return table.get(action, Standing.OPERATOR)


def may(actor: Actor, action: Action, thing: Thing) -> bool:
    """Whether the actor may do it."""
    if actor.scopes is not None and _SCOPES[action] not in actor.scopes:
        return False
    return standing(actor, thing) >= needed(action, thing)


def require(actor: Actor, action: Action, thing: Thing) -> None:
    """Raise `Refused` with what would help, unless the actor may do it."""
    if may(actor, action, thing):
        return
    what = f"You may not {action} this {thing.kind}."
    if actor.scopes is not None and _SCOPES[action] not in actor.scopes:
        scopes = ", ".join(sorted(actor.scopes)) or "nothing"
        raise Refused(what, f"The token allows {scopes}.", f"Make one with the scope '{_SCOPES[action]}'.")
    if not actor.person and not actor.operator:
        raise NotSignedIn(what, "Nobody is signed in.", "Sign in first, here or with `terrafair login`.")
    close = needed(action, thing)
    why = f"It takes {_WORDS[close]}; you are {_WORDS[standing(actor, thing)]}."
    raise Refused(what, why, "Ask an owner of the project." if close < Standing.OPERATOR else "Ask the operator.")


_WORDS = {
    Standing.STRANGER: "nobody in particular",
    Standing.VISITOR: "somebody who has signed in",
    Standing.COMMUNITY: "somebody of its community",
    Standing.VIEWER: "a viewer of its project",
    Standing.MEMBER: "a member of its project",
    Standing.AUTHOR: "its author",
    Standing.OWNER: "an owner of its project",
    Standing.OPERATOR: "the platform's operator",
}
