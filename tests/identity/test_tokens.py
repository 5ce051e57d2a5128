"""Local accounts and the tokens that they get."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.database import migrate, open_engine
from terrafair.errors import InvalidInput
from terrafair.identity import passwords
from terrafair.identity.person import NotSignedIn, Person
from terrafair.identity.tokens import Tokens

from ..databases import control_database

ADA = Person("local#ada", "ada")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    yield engine
    engine.dispose()


def test_a_token_is_its_persons_until_its_time_is_over(engine: sa.Engine) -> None:
    moments = [datetime(2026, 1, 1, tzinfo=UTC)]
    tokens = Tokens(engine, timedelta(hours=1), lambda: moments[0])
    token, other = tokens.issue(ADA), tokens.issue(Person("local#grace", "grace"))
    assert tokens.person(token) == ADA and tokens.person(other).name == "grace"
    moments[0] += timedelta(minutes=59)
    assert tokens.person(token) == ADA
    moments[0] += timedelta(minutes=1)
    with pytest.raises(NotSignedIn, match="not valid"):
        tokens.person(token)
    # Dead ones are forgotten.
    moments[0] += timedelta(seconds=1)
    tokens.issue(ADA)
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM access_tokens")).scalar() == 1


def test_tokens_are_kept_as_hashes_only(engine: sa.Engine) -> None:
    token = Tokens(engine).issue(ADA)
    with engine.connect() as connection:
        assert token not in str(connection.execute(sa.text("SELECT * FROM access_tokens")).all())


@pytest.mark.parametrize("token", ["", "x", "\ud800", "x" * 100_000])
def test_others_tokens(engine: sa.Engine, token: str) -> None:
    with pytest.raises(NotSignedIn):
        Tokens(engine).person(token)


def test_passwords() -> None:
    accounts = {"ada": passwords.digest("häßlich"), "grace": passwords.digest("")}
    passwords.check(accounts)
    assert passwords.matches(accounts, "ada", "häßlich") and passwords.matches(accounts, "grace", "")
    for name, password in (("ada", "hasslich"), ("ada", ""), ("nobody", "häßlich"), ("ada", "häßlich" + "x" * 5000)):
        assert not passwords.matches(accounts, name, password)
    assert passwords.digest("x") != passwords.digest("x")


@pytest.mark.parametrize("kept", ["", "secret", "scrypt:", "scrypt:00:11", f"md5:{'0' * 32}:{'0' * 64}"])
def test_settings_that_hold_no_digest(kept: str) -> None:
    with pytest.raises(InvalidInput, match="accounts"):
        passwords.check({"ada": kept})


def test_a_person_is_issuer_and_subject() -> None:
    assert Person("a#b", "one").id == Person("a#b", "other").id != Person("a#c").id
    assert Person("a#b").id.isalnum()
