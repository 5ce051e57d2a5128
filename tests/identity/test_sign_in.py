"""Signing in: the certified local provider, a second one by settings alone, and the rules of GitHub."""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import sqlalchemy as sa

from terrafair.database import transaction
from terrafair.errors import NotFound, Unreachable
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.oidc_provider import LocalProvider, available
from terrafair.identity.person import NotSignedIn
from terrafair.identity.providers import read
from terrafair.identity.sign_in import TABLE, Departure, SignIn, SignInRefused, local_path

from .issuers import GitHub, Issuer, serving

CALLBACK = "http://127.0.0.1:40001/callback"


def made(engine: sa.Engine, providers: dict[str, Any]) -> SignIn:
    parties = read(providers)
    return SignIn(engine, parties, OidcTokens(tuple(party.provider for party in parties)))


def walk(url: str, person: str = "") -> dict[str, str]:
    """What a browser brings back from the provider, choosing a person where it is asked to."""
    with httpx2.Client(timeout=30) as browser:
        reply = browser.get(url)
        for _ in range(8):
            target = reply.headers.get("location", "")
            if target.startswith(CALLBACK):
                return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
            if reply.is_redirect:
                reply = browser.get(reply.url.join(target))
            else:
                assert person in reply.text
                reply = browser.post(reply.url, data={"person": person})
    raise AssertionError(reply.text)


@pytest.fixture(scope="module")
def local() -> Iterator[LocalProvider]:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    with LocalProvider() as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    with serving(made.answer) as made.url:
        yield made


@pytest.fixture
def desk(engine: sa.Engine, local: LocalProvider) -> SignIn:
    return made(engine, {"local": {"issuer": local.issuer, "client": local.client}})


@dataclass
class Second:
    """The second issuer, and a relying party that knows it by its settings."""

    issuer: Issuer
    desk: SignIn

    def arrive(self) -> Any:
        departure = self.desk.depart("institute", CALLBACK)
        return self.desk.arrive(walk(departure.url), departure.browser)


@pytest.fixture
def second(engine: sa.Engine, issuer: Issuer) -> Second:
    names = {"name": "display_name", "email": "mail", "github": "accounts.github"}
    settings = {"issuer": issuer.url, "client": "platform", "secret": "s3cret", "claims": names}
    return Second(issuer, made(engine, {"institute": settings}))


def test_ada_signs_in_at_the_certified_provider(desk: SignIn, local: LocalProvider) -> None:
    departure = desk.depart("local", CALLBACK, "/run?x=1")
    arrival = desk.arrive(walk(departure.url, "ada"), departure.browser)
    assert arrival.profile.subject == f"{local.issuer}#ada"
    assert (arrival.profile.name, arrival.next, arrival.provider) == ("Ada Demo", "/run?x=1", "local")
    # The provider has not checked the address: it must not open invitations.
    assert arrival.profile.email == ""
    assert arrival.id_token.count(".") == 2


def test_signing_out_reaches_the_provider(desk: SignIn) -> None:
    departure = desk.depart("local", CALLBACK)
    arrival = desk.arrive(walk(departure.url, "ada"), departure.browser)
    address = desk.departure_from("local", arrival.id_token, "http://127.0.0.1:40001/")
    assert "id_token_hint=" in address
    assert "/session/end" in address


def test_a_wrong_verifier(desk: SignIn, engine: sa.Engine) -> None:
    departure = desk.depart("local", CALLBACK)
    answer = walk(departure.url, "ada")
    with transaction(engine) as connection:
        connection.execute(TABLE.update().values(verifier="x" * 43))
    with pytest.raises(SignInRefused, match="does not accept the code"):
        desk.arrive(answer, departure.browser)


def test_a_replayed_answer_and_a_replayed_code(desk: SignIn) -> None:
    departure = desk.depart("local", CALLBACK)
    answer = walk(departure.url, "ada")
    desk.arrive(answer, departure.browser)
    with pytest.raises(SignInRefused, match="used, or took too long"):
        desk.arrive(answer, departure.browser)
    again = desk.depart("local", CALLBACK)
    state = parse_qs(urlsplit(again.url).query)["state"][0]
    with pytest.raises(SignInRefused, match="does not accept the code"):
        desk.arrive({**answer, "state": state}, again.browser)


@pytest.mark.parametrize("browser", ["", "another"])
def test_an_answer_to_somebody_elses_browser(desk: SignIn, browser: str) -> None:
    departure = desk.depart("local", CALLBACK)
    with pytest.raises(SignInRefused, match="another browser"):
        desk.arrive(walk(departure.url, "ada"), browser)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"state": "unknown"}, "used, or took too long"),
        ({"iss": "https://evil.example"}, "another provider"),
        ({"error": "access_denied"}, "did not sign you in"),
        ({"code": ""}, "sent no code"),
        ({"code": "guessed"}, "does not accept the code"),
    ],
)
def test_wrong_answers(second: Second, changes: dict[str, str], what: str) -> None:
    departure = second.desk.depart("institute", CALLBACK)
    with pytest.raises(SignInRefused, match=what):
        second.desk.arrive({**walk(departure.url), **changes}, departure.browser)


def test_a_second_issuer_by_settings_alone(second: Second) -> None:
    second.issuer.claims = {"display_name": "Lin Wu", "sid": "s-1"}
    second.issuer.userinfo = {"mail": "Lin@Example.org", "accounts": {"github": "linwu"}}
    arrival = second.arrive()
    assert (arrival.profile.name, arrival.profile.email, arrival.profile.github) == (
        "Lin Wu", "lin@example.org", "linwu",
    )  # fmt: skip
    assert arrival.profile.subject == f"{second.issuer.url}#42"
    assert arrival.session == "s-1"


def test_what_userinfo_says_of_somebody_else_does_not_count(second: Second) -> None:
    second.issuer.userinfo = {"sub": "43", "mail": "eve@example.org"}
    assert second.arrive().profile.email == ""


@pytest.mark.parametrize(
    "claims",
    [{"nonce": "another"}, {"nonce": None}],
)
def test_an_id_token_of_another_sign_in(second: Second, claims: dict[str, Any]) -> None:
    second.issuer.claims = claims
    with pytest.raises(SignInRefused, match="another sign-in"):
        second.arrive()


@pytest.mark.parametrize(
    "claims",
    [{"exp": 1_700_000_000}, {"exp": None}, {"aud": "another"}, {"iss": "https://evil.example"}, {"sub": None}],
)
def test_id_tokens_that_do_not_hold(second: Second, claims: dict[str, Any]) -> None:
    second.issuer.claims = claims
    with pytest.raises(NotSignedIn) as refused:
        second.arrive()
    assert refused.value.problem.code == "token-invalid"


def test_a_rotated_key_is_picked_up(second: Second, monkeypatch: pytest.MonkeyPatch) -> None:
    second.arrive()
    monkeypatch.setattr("terrafair.identity.oidc.AGAIN_SECONDS", 0.0)
    second.issuer.rotate()
    assert second.arrive().profile.subject.endswith("#42")


def test_a_key_that_is_not_published(second: Second) -> None:
    second.issuer.rotate()
    second.issuer.published.clear()
    with pytest.raises(NotSignedIn):
        second.arrive()


@pytest.mark.parametrize("shift", [-20, 20])
def test_a_clock_a_little_off_is_forgiven(second: Second, shift: int) -> None:
    second.issuer.shift = shift
    assert second.arrive().profile.subject.endswith("#42")


@pytest.mark.parametrize("claims", [{"exp": -120}, {"nbf": 120}, {"iat": 120}])
def test_a_clock_two_minutes_off_is_not(second: Second, claims: dict[str, int]) -> None:
    second.issuer.claims = {name: int(time.time()) + shift for name, shift in claims.items()}
    with pytest.raises(NotSignedIn):
        second.arrive()


EVENT = {"http://schemas.openid.net/event/backchannel-logout": {}}


def test_back_channel_logout(second: Second) -> None:
    token = second.issuer.token(events=EVENT, sid="s-1", exp=None)
    provider, session, person = second.desk.ended_elsewhere(token)
    assert (provider, session) == ("institute", "s-1")
    assert re.fullmatch(r"u[0-9a-f]{20}", person)


@pytest.mark.parametrize(
    "claims",
    [
        {"events": EVENT, "nonce": "n"},
        {"events": {}},
        {"events": EVENT, "aud": "another"},
        {"events": EVENT, "iat": 1_700_000_000},
        {"events": EVENT, "iss": "https://evil.example"},
    ],
)
def test_logout_tokens_that_do_not_hold(second: Second, claims: dict[str, Any]) -> None:
    with pytest.raises(SignInRefused):
        second.desk.ended_elsewhere(second.issuer.token(sid="s-1", **claims))


@pytest.fixture
def hub(engine: sa.Engine) -> Iterator[tuple[GitHub, SignIn]]:
    github = GitHub()
    with serving(github.answer) as github.url:
        settings = {
            "protocol": "github", "issuer": github.url, "api": github.url, "client": github.client,
            "secret": github.secret,
        }  # fmt: skip
        yield github, made(engine, {"github": settings})


def test_github(hub: tuple[GitHub, SignIn]) -> None:
    github, desk = hub
    departure = desk.depart("github", CALLBACK)
    assert "nonce" not in departure.url
    profile = desk.arrive(walk(departure.url), departure.browser).profile
    assert (profile.subject, profile.github, profile.name, profile.email) == (
        f"{github.url}#583231", "octocat", "Octo Cat", "",
    )  # fmt: skip
    assert desk.departure_from("github", "", "/") == ""


def _github_with(engine: sa.Engine, github: GitHub, **changes: str) -> tuple[SignIn, Departure]:
    settings = {"protocol": "github", "issuer": github.url, "api": github.url, "client": github.client, **changes}
    desk = made(engine, {"github": settings})
    return desk, desk.depart("github", CALLBACK)


def test_github_refuses(hub: tuple[GitHub, SignIn], engine: sa.Engine) -> None:
    github, desk = hub
    wrong, departure = _github_with(engine, github, secret="another")
    with pytest.raises(SignInRefused, match="incorrect_client_credentials"):
        wrong.arrive(walk(departure.url), departure.browser)
    departure = desk.depart("github", CALLBACK)
    answer = walk(departure.url)
    desk.arrive(answer, departure.browser)
    again = desk.depart("github", CALLBACK)
    state = parse_qs(urlsplit(again.url).query)["state"][0]
    with pytest.raises(SignInRefused, match="incorrect or expired"):
        desk.arrive({**answer, "state": state}, again.browser)


def test_a_provider_that_is_gone(engine: sa.Engine, issuer: Issuer) -> None:
    desk = made(engine, {"gone": {"issuer": "http://127.0.0.1:9", "client": "platform"}})
    with pytest.raises(Unreachable):
        desk.depart("gone", CALLBACK)
    with pytest.raises(NotFound, match="no provider"):
        desk.depart("unknown", CALLBACK)


@pytest.mark.parametrize("path", ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\nb"])
def test_nobody_is_sent_elsewhere_after_signing_in(path: str) -> None:
    assert local_path(path) == "/"
