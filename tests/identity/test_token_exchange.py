"""A person's token exchanged for one of a target (RFC 8693), with a provider over real HTTP that keeps to the rules."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import Unreachable
from terrafair.identity.access import Actor
from terrafair.identity.asking import Asker, asking
from terrafair.identity.oidc import OidcTokens, Provider
from terrafair.identity.providers import RelyingParty
from terrafair.identity.token_exchange import ACCESS, GRANT, ExchangeRefused, TokenExchange

from .issuers import Reply, serving


@dataclass
class Clock:
    moment: float = 1_000.0

    def __call__(self) -> float:
        return self.moment


@dataclass
class Issuer:
    """Exchanges `person-NAME` for `NAME-at-AUDIENCE`, to the client `terrafair` with its secret alone."""

    url: str = ""
    seen: list[dict[str, str]] = field(default_factory=list)
    answer: dict[str, Any] = field(default_factory=dict)
    """Members that replace what it would answer."""
    status: int = 200

    def __call__(self, method: str, path: str, given: dict[str, str], _: str) -> Reply:
        if path.endswith("/.well-known/openid-configuration"):
            return self._json(200, {"issuer": self.url, "token_endpoint": f"{self.url}/token"})
        self.seen.append(given)
        if self.status != 200:
            return self._json(self.status, {})
        if method != "POST" or (given.get("client_id"), given.get("client_secret")) != ("terrafair", "hidden"):
            return self._json(401, {"error": "invalid_client"})
        number = len(self.seen)
        if given["grant_type"] == "refresh_token":
            good = given["refresh_token"].startswith("again-")
            name = given["refresh_token"].removeprefix("again-")
        else:
            right = (given["grant_type"], given["subject_token_type"]) == (GRANT, ACCESS)
            good = right and given["subject_token"].startswith("person-")
            name = given["subject_token"].removeprefix("person-")
        if not good:
            return self._json(400, {"error": "invalid_grant", "error_description": "Not for this one."})
        token = f"{name}-at-{given.get('audience') or given.get('resource') or 'same'}-{number}"
        found = {"access_token": token, "issued_token_type": ACCESS, "token_type": "Bearer", "expires_in": 600}
        return self._json(200, {**found, **self.answer})

    def _json(self, status: int, document: Any) -> Reply:
        return status, {"Content-Type": "application/json"}, json.dumps(document).encode()


@dataclass
class World:
    issuer: Issuer
    exchange: TokenExchange
    clock: Clock

    def ask(self, name: str = "ada", token: str = "", target: str = "b") -> str:
        with asking(Asker(Actor(name), token=token, provider="iam" if token else "")):
            return self.exchange(target)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    issuer, clock = Issuer(), Clock()
    with serving(issuer) as url:
        issuer.url = url
        party = RelyingParty(Provider("iam", url, "terrafair"), "hidden")
        audiences = {"b": "platform-b", "c": "https://c.example.org"}
        yield World(issuer, TokenExchange(audiences, (party,), OidcTokens((party.provider,)), folder, clock), clock)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path / "exchanged") as found:
        yield found


def test_the_request_is_the_standards(there: World) -> None:
    assert there.ask(token="person-ada") == "ada-at-platform-b-1"
    assert there.issuer.seen[0] == {
        "grant_type": GRANT, "subject_token": "person-ada", "subject_token_type": ACCESS,
        "requested_token_type": ACCESS, "audience": "platform-b", "client_id": "terrafair", "client_secret": "hidden",
    }  # fmt: skip
    assert there.ask(token="person-ada", target="c").startswith("ada-at-https://c.example.org")
    assert "audience" not in there.issuer.seen[1]


def test_what_was_given_is_kept_for_the_persons_jobs_alone(there: World) -> None:
    given = there.ask(token="person-ada")
    assert there.ask() == given
    assert there.ask(token="person-ada") == given
    assert len(there.issuer.seen) == 1
    assert there.ask("dee") == ""
    assert there.ask("") == ""
    assert there.ask(token="person-ada", target="elsewhere") == ""
    assert there.ask("dee", "person-dee").startswith("dee-at-")
    files = list(there.exchange.folder.iterdir())
    assert len(files) == 2
    for path in (*files, there.exchange.folder):
        assert stat.S_IMODE(path.stat().st_mode) & 0o077 == 0
    assert "person-ada" not in "".join(path.read_text() for path in files)


def test_a_newer_sign_in_is_exchanged_anew(there: World) -> None:
    first = there.ask(token="person-ada")
    assert there.ask(token="person-ada2") != first


def test_a_token_that_has_ended_is_renewed_or_the_job_is_told(there: World) -> None:
    there.issuer.answer = {"refresh_token": "again-ada"}
    first = there.ask(token="person-ada")
    there.clock.moment += 580
    second = there.ask()
    assert second == "ada-at-same-2" != first
    assert there.issuer.seen[1]["grant_type"] == "refresh_token"
    assert there.ask() == second
    there.issuer.answer = {}
    there.ask("dee", "person-dee")
    there.clock.moment += 601
    with pytest.raises(ExchangeRefused, match="has ended"):
        there.ask("dee")


def test_what_the_provider_says_no_to(there: World) -> None:
    with pytest.raises(ExchangeRefused, match="Not for this one"):
        there.ask(token="stolen")
    there.issuer.answer = {"token_type": "N_A"}
    with pytest.raises(Unreachable, match="no bearer token"):
        there.ask(token="person-ada")
    there.issuer.answer, there.issuer.status = {}, 503
    with pytest.raises(Unreachable):
        there.ask(token="person-ada")


def test_a_damaged_file_is_none(there: World) -> None:
    there.ask(token="person-ada")
    next(there.exchange.folder.iterdir()).write_text("{")
    assert there.ask() == ""
