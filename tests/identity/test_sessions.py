"""Sessions and personal tokens: their ends, their rotation, and that only hashes are kept."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from terrafair.database import reading
from terrafair.errors import InvalidInput, NotFound
from terrafair.identity.access import Scope
from terrafair.identity.person import NotSignedIn
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.sessions import Sessions, guarded


class Clock:
    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.time

    def pass_by(self, **amount: float) -> None:
        self.time += timedelta(**amount)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sessions(engine: sa.Engine, clock: Clock) -> Sessions:
    return Sessions(engine, now=clock)


def test_a_session_lives_while_it_is_used(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.begin("ada", "local")
    for _ in range(10):
        clock.pass_by(hours=7)
        assert sessions.find(cookie) is not None
    clock.pass_by(hours=9)
    assert sessions.find(cookie) is None


def test_a_session_ends_for_good(sessions: Sessions, clock: Clock) -> None:
    cookie = sessions.begin("ada", "local")
    for _ in range(24 * 7):
        assert sessions.find(cookie) is not None
        clock.pass_by(hours=1)
    assert sessions.find(cookie) is None


def test_signing_in_changes_the_cookie(sessions: Sessions) -> None:
    planted = sessions.begin("eve", "local")
    mine = sessions.begin("ada", "local", old=planted)
    assert sessions.find(planted) is None
    found = sessions.find(mine)
    assert found is not None and found.person == "ada"


def test_ends(sessions: Sessions) -> None:
    one, two, three = (sessions.begin("ada", "local", provider_session=name) for name in "abc")
    sessions.end(one)
    assert sessions.end_at_provider("local", session="b") == {"ada"}
    assert sessions.end_at_provider("other", session="c") == frozenset()
    assert sessions.find(three) is not None
    assert sessions.end_at_provider("local", person="ada") == {"ada"}
    sessions.begin("ada", "local")
    assert sessions.end_all("ada") == 1
    assert [sessions.find(cookie) for cookie in (one, two, three, "", "guessed")] == [None] * 5


def test_forms_are_guarded(sessions: Sessions) -> None:
    one, two = sessions.find(sessions.begin("ada", "x")), sessions.find(sessions.begin("ada", "x"))
    assert one is not None and two is not None
    assert guarded(one, one.csrf) and not guarded(one, two.csrf) and not guarded(one, "") and not guarded(one, "ü")


def test_no_secret_is_kept(sessions: Sessions, engine: sa.Engine) -> None:
    cookie = sessions.begin("ada", "local")
    secret, _ = PersonalTokens(engine).issue("ada", "script", ["read"], timedelta(days=1))
    with reading(engine) as connection:
        for name in ("sessions", "personal_tokens"):
            rows = str(connection.execute(sa.text(f"SELECT * FROM {name}")).all())
            assert cookie not in rows and secret not in rows


def test_personal_tokens(engine: sa.Engine, clock: Clock) -> None:
    tokens = PersonalTokens(engine, clock)
    secret, told = tokens.issue("ada", " script ", ["run", "read", "run"], timedelta(days=30))
    assert secret.startswith("tfp_") and told.name == "script" and not told.used
    found = tokens.find(secret)
    assert (found.person, found.scopes) == ("ada", {Scope.READ, Scope.RUN})
    assert tokens.listing("ada")[0].used == "2026-01-01" and tokens.listing("ben") == []
    with pytest.raises(NotFound):
        tokens.revoke("ben", told.id)
    clock.pass_by(days=31)
    with pytest.raises(NotSignedIn, match="over"):
        tokens.find(secret)
    tokens.revoke("ada", told.id)
    assert tokens.listing("ada") == []


@pytest.mark.parametrize(
    ("name", "scopes", "days"),
    [("x", [], 1), ("x", ["root"], 1), ("x", ["read"], 0), ("x", ["read"], 5000), (" ", ["read"], 1)],
)
def test_wrong_tokens(engine: sa.Engine, name: str, scopes: list[str], days: int) -> None:
    with pytest.raises(InvalidInput):
        PersonalTokens(engine).issue("ada", name, scopes, timedelta(days=days))
