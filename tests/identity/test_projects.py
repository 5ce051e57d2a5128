"""People, projects, groups, communities and invitations on a real database."""

import pytest
import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import Conflict, InvalidInput, NotFound, Refused
from terrafair.identity.access import NOBODY, Action, Actor, Kind, Role, Thing, Visibility, may
from terrafair.identity.people import ClaimNames
from terrafair.identity.projects import visible

from .conftest import ISSUER, Town


def test_a_person_is_issuer_and_subject(town: Town) -> None:
    renamed = town.people.seen(ClaimNames().profile(f"{ISSUER}#ada", {"name": "Ada L.", "email": "new@example.org"}))
    assert renamed.id == town.id("ada") and renamed.name == "Ada L."
    other = town.people.seen(ClaimNames().profile("https://other.example#ada", {"name": "Ada"}))
    assert other.id != renamed.id
    assert town.people.actor(other.id).roles == {}


def test_claims_have_other_names_elsewhere() -> None:
    names = ClaimNames(name="display", email="mail", github="identities.github")
    claims = {"display": "Ada", "mail": "ADA@example.org", "identities": {"github": "ada"}}
    assert names.profile("i#a", claims).email == "ada@example.org"
    assert names.profile("i#a", claims).github == "ada"
    assert names.profile("i#a", {**claims, "email_verified": False}).email == ""
    assert names.profile("i#a", {"display": 7, "preferred_username": "ada"}).name == "ada"


def test_operators_are_named_in_the_settings(town: Town) -> None:
    assert town.actor("eve").operator and not town.actor("ada").operator


def test_members_see_and_others_do_not(town: Town) -> None:
    assert [project.id for project in town.projects.listing(town.actor("cy"))] == ["glaciers"]
    assert [project.id for project in town.projects.listing(town.actor("eve"))] == ["forests", "glaciers"]
    assert town.projects.listing(NOBODY) == []
    with pytest.raises(NotFound):
        town.projects.get(town.actor("dee"), "glaciers")
    names = [member.name for member in town.projects.members(town.actor("cy"), "glaciers")]
    assert names == ["Ada", "Ben", "Cy"]


def test_roles_change_and_an_owner_stays(town: Town) -> None:
    ada = town.actor("ada")
    town.projects.set_role(ada, "glaciers", town.id("ben"), Role.OWNER)
    town.projects.set_role(ada, "glaciers", town.id("ada"), Role.VIEWER)
    with pytest.raises(Conflict, match="without an owner"):
        town.projects.set_role(town.actor("ben"), "glaciers", town.id("ben"), None)
    with pytest.raises(Refused):
        town.projects.set_role(town.actor("ada"), "glaciers", town.id("cy"), Role.OWNER)
    town.projects.set_role(town.actor("cy"), "glaciers", town.id("cy"), None)
    assert town.actor("cy").roles == {}
    with pytest.raises(NotFound, match="no member"):
        town.projects.set_role(town.actor("ben"), "glaciers", town.id("dee"), Role.MEMBER)


def test_an_invitation_is_for_one_person_once(town: Town) -> None:
    secret = town.projects.invite(town.actor("ada"), "glaciers", Role.MEMBER, github="@Dee-Hub")
    with pytest.raises(Refused, match="somebody else"):
        town.projects.accept(town.profiles["ben"], secret)
    assert town.projects.accept(town.profiles["dee"], secret) == "glaciers"
    assert town.actor("dee").roles == {"forests": Role.OWNER, "glaciers": Role.MEMBER}
    with pytest.raises(Conflict, match="used"):
        town.projects.accept(town.profiles["dee"], secret)
    with pytest.raises(NotFound):
        town.projects.accept(town.profiles["dee"], "guessed")
    with pytest.raises(Refused):
        town.projects.invite(town.actor("ben"), "glaciers", Role.OWNER, github="x")
    with pytest.raises(NotFound):
        town.projects.invite(town.actor("dee"), "nowhere", Role.OWNER, github="x")


@pytest.mark.parametrize("wrong", [{}, {"email": "no-address"}, {"email": "a@b.c", "github": "x"}])
def test_wrong_invitations(town: Town, wrong: dict[str, str]) -> None:
    with pytest.raises(InvalidInput):
        town.projects.invite(town.actor("ada"), "glaciers", Role.MEMBER, **wrong)


def test_an_invitation_tells_what_it_offers_to_its_person_alone(town: Town) -> None:
    secret = town.projects.invite(town.actor("ada"), "glaciers", Role.VIEWER, email="dee@example.org")
    assert town.projects.invitation(town.profiles["dee"], secret) == ("Glaciers", "viewer")
    assert "glaciers" not in town.actor("dee").roles
    with pytest.raises(Refused, match="somebody else"):
        town.projects.invitation(town.profiles["ada"], secret)
    with pytest.raises(NotFound):
        town.projects.invitation(town.profiles["dee"], "of-nobody")
    town.projects.accept(town.profiles["dee"], secret)
    with pytest.raises(Conflict):
        town.projects.invitation(town.profiles["dee"], secret)


def test_an_invitation_does_not_lower_a_role(town: Town) -> None:
    secret = town.projects.invite(town.actor("ada"), "glaciers", Role.VIEWER, email="ada@example.org")
    town.projects.accept(town.profiles["ada"], secret)
    assert town.actor("ada").roles["glaciers"] is Role.OWNER


@pytest.mark.parametrize("wrong", ["", "A", "-a", "a-", "a" * 64, "../x", "a b", "ä"])
def test_wrong_ids(town: Town, wrong: str) -> None:
    with pytest.raises(InvalidInput):
        town.projects.create(town.actor("ada"), wrong, "x")


def test_a_taken_id(town: Town) -> None:
    with pytest.raises(Conflict):
        town.projects.create(town.actor("dee"), "glaciers", "Mine")
    with pytest.raises(Refused, match="Sign in"):
        town.projects.create(NOBODY, "new", "New")


def test_groups(town: Town) -> None:
    ada = town.actor("ada")
    town.projects.set_group(ada, "glaciers", "field", [town.id("ben"), town.id("ben"), town.id("cy")])
    assert town.projects.groups(ada, "glaciers") == {"field": tuple(sorted([town.id("ben"), town.id("cy")]))}
    town.projects.set_role(ada, "glaciers", town.id("cy"), None)
    assert town.projects.groups(ada, "glaciers") == {"field": (town.id("ben"),)}
    town.projects.set_group(ada, "glaciers", "field", [])
    assert town.projects.groups(ada, "glaciers") == {}
    with pytest.raises(InvalidInput, match="no member"):
        town.projects.set_group(ada, "glaciers", "field", [town.id("dee")])
    with pytest.raises(Refused):
        town.projects.set_group(town.actor("ben"), "glaciers", "field", [])


def test_communities_make_neighbours(town: Town) -> None:
    projects = town.projects
    projects.found_community(town.actor("ada"), "cold", "Cold places", "https://talk.example")
    projects.join_community(town.actor("ada"), "cold", "glaciers")
    with pytest.raises(Refused, match="founder"):
        projects.join_community(town.actor("dee"), "cold", "forests")
    secret = projects.invite(town.actor("dee"), "forests", Role.OWNER, email="ada@example.org")
    projects.accept(town.profiles["ada"], secret)
    projects.join_community(town.actor("ada"), "cold", "forests")
    assert town.actor("dee").neighbours == {"glaciers"}
    shared = Thing(Kind.WORKFLOW, "glaciers", town.id("ben"), Visibility.COMMUNITY)
    assert may(town.actor("dee"), Action.READ, shared)
    assert not may(town.actor("dee"), Action.CHANGE, shared)
    (community,) = projects.communities()
    assert community.projects == ("forests", "glaciers")
    projects.join_community(town.actor("dee"), "cold", "forests", join=False)
    assert town.actor("dee").neighbours == frozenset()
    with pytest.raises(InvalidInput):
        projects.found_community(town.actor("ada"), "x", "X", "http://talk.example")
    with pytest.raises(Conflict):
        projects.found_community(town.actor("ada"), "cold", "X")
    with pytest.raises(NotFound):
        projects.join_community(town.actor("ada"), "warm", "glaciers")


def test_the_sql_condition_is_the_table(town: Town, engine: sa.Engine) -> None:
    """What a listing shows is exactly what `may` allows, for every actor."""
    things = [
        Thing(Kind.JOB, project, town.id(author), visibility)
        for project in ("glaciers", "forests", "")
        for author in ("ada", "ben", "cy", "dee")
        for visibility in Visibility
    ]
    table = sa.table("things", *(sa.column(name, sa.String) for name in ("number", "project", "author", "visibility")))
    town.projects.found_community(town.actor("dee"), "green", "Green")
    town.projects.join_community(town.actor("dee"), "green", "forests")
    secret = town.projects.invite(town.actor("ada"), "glaciers", Role.OWNER, email="dee@example.org")
    town.projects.accept(town.profiles["dee"], secret)
    town.projects.join_community(town.actor("dee"), "green", "glaciers")
    with transaction(engine) as connection:
        connection.execute(sa.text("CREATE TABLE things (number TEXT, project TEXT, author TEXT, visibility TEXT)"))
        for number, thing in enumerate(things):
            connection.execute(
                table.insert().values(
                    number=str(number), project=thing.project, author=thing.author, visibility=thing.visibility.value
                )
            )
    actors = [town.actor(name) for name in town.profiles] + [NOBODY, Actor("stranger")]
    for actor in actors:
        condition = visible(actor, table.c.project, table.c.author, table.c.visibility)
        with reading(engine) as connection:
            shown = set(connection.execute(sa.select(table.c.number).where(condition)).scalars())
        assert shown == {str(number) for number, thing in enumerate(things) if may(actor, Action.READ, thing)}
