"""The table, exhaustively: every actor, action, thing and visibility, against rules written down a second time."""

from itertools import product

import pytest

from terrafair.errors import Refused
from terrafair.identity.access import (
    NOBODY,
    Action,
    Actor,
    Kind,
    Role,
    Scope,
    Standing,
    Thing,
    Visibility,
    may,
    require,
    standing,
)

ACTORS = {
    "nobody": NOBODY,
    "visitor": Actor("stranger"),
    "neighbour": Actor("neighbour", {"other": Role.OWNER}, frozenset({"home"})),
    "viewer": Actor("viewer", {"home": Role.VIEWER}),
    "member": Actor("member", {"home": Role.MEMBER}),
    "author": Actor("author", {"home": Role.MEMBER}),
    "former author": Actor("author", {"home": Role.VIEWER}),
    "author who left": Actor("author"),
    "owner": Actor("owner", {"home": Role.OWNER}),
    "operator": Actor("root", operator=True),
}
WORK = {Kind.JOB, Kind.WORKFLOW, Kind.DRAFT, Kind.WORKSPACE, Kind.BUCKET}


def things() -> list[Thing]:
    return [Thing(kind, "home", "author", visibility) for kind, visibility in product(Kind, Visibility)]


def inside(name: str) -> bool:
    return name in {"viewer", "member", "author", "former author", "owner"}


def reads(name: str, thing: Thing) -> bool:
    if thing.kind is Kind.ALLOCATION:
        # Its sums are every project member's business, whatever is private in the project.
        return name in {"owner", "viewer", "member", "author", "former author"}
    match thing.visibility:
        case Visibility.PUBLIC:
            return True
        case Visibility.COMMUNITY:
            return inside(name) or name == "neighbour"
        case Visibility.PROJECT:
            return inside(name)
        case Visibility.PRIVATE:
            return name == "author" or (thing.kind is Kind.PROJECT and name == "owner")


def allowed(name: str, action: Action, thing: Thing) -> bool:  # noqa: PLR0911 - one case after the other
    if name == "operator":
        return True
    if thing.kind is Kind.PLATFORM:
        return False
    if action is Action.READ:
        return reads(name, thing)
    own = name == "author" or (name == "owner" and thing.visibility is not Visibility.PRIVATE)
    signed_in = name != "nobody"
    if thing.kind is Kind.BUCKET and action is Action.CREATE:
        return name == "owner" and thing.visibility is not Visibility.PRIVATE
    if thing.kind is Kind.BUCKET and action in {Action.CHANGE, Action.SHARE}:
        return name in {"member", "author", "owner"}
    if thing.kind in WORK:
        if action in {Action.CREATE, Action.PUBLISH}:
            return name in {"member", "author", "owner"}
        return own and action in {Action.CHANGE, Action.DELETE, Action.SHARE}
    if thing.kind is Kind.PROJECT:
        if action is Action.CREATE:
            return signed_in
        return name == "owner" and action in {Action.CHANGE, Action.DELETE, Action.SHARE, Action.MANAGE}
    if thing.kind is Kind.ALLOCATION:
        return action is Action.REQUEST and name == "owner"
    if action is Action.CREATE:
        return signed_in
    return name == "owner" and action in {Action.CHANGE, Action.DELETE, Action.MANAGE}


@pytest.mark.parametrize("name", ACTORS)
def test_every_actor_action_thing_and_visibility(name: str) -> None:
    wrong = []
    for action, thing in product(Action, things()):
        if thing.visibility is Visibility.PRIVATE and thing.kind in {Kind.ALLOCATION, Kind.COMMUNITY}:
            # Neither is ever private.
            continue
        if may(ACTORS[name], action, thing) != allowed(name, action, thing):
            wrong.append((action.value, thing.kind.value, thing.visibility.value, allowed(name, action, thing)))
    assert not wrong


@pytest.mark.parametrize("action", Action)
def test_another_project_gives_nothing(action: Action) -> None:
    owner = Actor("owner", {"other": Role.OWNER})
    for thing in things():
        if thing.visibility is not Visibility.PUBLIC and not (
            action is Action.CREATE and thing.kind in {Kind.PROJECT, Kind.COMMUNITY}
        ):
            assert not may(owner, action, thing), (action, thing)


def test_scopes_only_take_away() -> None:
    for action, thing in product(Action, things()):
        for name, actor in ACTORS.items():
            scoped = Actor(actor.person, actor.roles, actor.neighbours, actor.operator, frozenset({Scope.READ}))
            assert may(scoped, action, thing) == (action is Action.READ and may(actor, action, thing)), name


def test_nobody_is_author_of_what_has_none() -> None:
    assert standing(Actor("", {"home": Role.MEMBER}), Thing(Kind.JOB, "home")) is Standing.MEMBER


@pytest.mark.parametrize(
    ("actor", "action", "said"),
    [
        (NOBODY, Action.CREATE, "Sign in first"),
        (Actor("x"), Action.CREATE, "a member of its project; you are somebody who has signed in"),
        (Actor("x", {"home": Role.OWNER}, scopes=frozenset()), Action.CREATE, "scope 'run'"),
        (Actor("x", {"home": Role.OWNER}), Action.GRANT, "the platform's operator"),
    ],
)
def test_a_refusal_says_what_would_help(actor: Actor, action: Action, said: str) -> None:
    with pytest.raises(Refused, match=said.replace("(", r"\(")):
        require(actor, action, Thing(Kind.JOB, "home"))


def test_what_is_allowed_passes() -> None:
    require(ACTORS["member"], Action.CREATE, Thing(Kind.JOB, "home"))
