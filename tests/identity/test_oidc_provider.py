"""The local identity provider as a process: who may reach it, and what its tokens say."""

import base64
import hashlib
import re
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import httpx2
import pytest

from terrafair.errors import InvalidInput, Unreachable
from terrafair.identity.oidc import OidcTokens, Provider
from terrafair.identity.oidc_provider import PEOPLE, LocalProvider, available

CALLBACK = "http://127.0.0.1:40001/callback"


@pytest.fixture(scope="module")
def provider() -> Iterator[LocalProvider]:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    with LocalProvider() as running:
        yield running


def sign_in(provider: LocalProvider, person: str, verifier: str, challenge_of: str) -> httpx2.Response:
    """The authorization code flow in a browser without scripts; gives the answer to the exchange."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(challenge_of.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "client_id": provider.client, "response_type": "code", "scope": "openid profile", "redirect_uri": CALLBACK,
        "code_challenge": challenge, "code_challenge_method": "S256", "state": "s",
    }  # fmt: skip
    with httpx2.Client(base_url=provider.issuer, timeout=30) as browser:
        reply = browser.get("/auth", params=asked)
        for _ in range(8):
            if reply.is_redirect and reply.headers["location"].startswith(CALLBACK):
                break
            if reply.is_redirect:
                reply = browser.get(reply.headers["location"])
            else:
                assert all(each.name in reply.text for each in PEOPLE)
                reply = browser.post(reply.url, data={"person": person})
        code = re.search(r"[?&]code=([^&]+)", reply.headers["location"])
        assert code and "state=s" in reply.headers["location"]
        form = {"grant_type": "authorization_code", "code": code[1], "redirect_uri": CALLBACK}
        return browser.post("/token", data={**form, "client_id": provider.client, "code_verifier": verifier})


def token(provider: LocalProvider) -> str:
    verifier = secrets.token_urlsafe(40)
    return str(sign_in(provider, "ada", verifier, verifier).json()["access_token"])


def test_a_person_signs_in_in_the_browser(provider: LocalProvider) -> None:
    verifier = secrets.token_urlsafe(40)
    reply = sign_in(provider, "ada", verifier, verifier)
    assert reply.status_code == 200, reply.text
    tokens = OidcTokens((Provider("local", provider.issuer, provider.client),))
    person = tokens.person("local", reply.json()["access_token"])
    assert (person.subject, person.name) == (f"{provider.issuer}#ada", "Ada Demo")


def test_a_stolen_code_is_worth_nothing(provider: LocalProvider) -> None:
    reply = sign_in(provider, "ada", secrets.token_urlsafe(40), secrets.token_urlsafe(40))
    assert (reply.status_code, reply.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"code_challenge": ""},
        {"response_type": "token"},
    ],
)
def test_wrong_requests_lead_nowhere(provider: LocalProvider, changes: dict[str, Any]) -> None:
    asked = {
        "client_id": provider.client, "response_type": "code", "scope": "openid", "redirect_uri": CALLBACK,
        "code_challenge": "x" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    reply = httpx2.get(f"{provider.issuer}/auth", params={**asked, **changes})
    assert "/interaction/" not in reply.headers.get("location", "")
    assert "evil.example" not in reply.headers.get("location", "")


def test_strangers_are_not_among_the_people(provider: LocalProvider) -> None:
    assert httpx2.post(f"{provider.issuer}/interaction/none", data={"person": "ada"}).status_code == 400


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.4", "id.example", ""])
def test_it_is_never_reachable_from_elsewhere(host: str) -> None:
    with pytest.raises(InvalidInput, match="cannot listen"):
        LocalProvider(host=host)


def test_without_its_packages_it_says_what_to_do(tmp_path: Any) -> None:
    with pytest.raises(Unreachable, match="make assets"), LocalProvider(modules=tmp_path):
        pass


def test_it_ends_with_its_block() -> None:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    with LocalProvider() as running:
        issuer = running.issuer
    with pytest.raises(httpx2.TransportError):
        httpx2.get(f"{issuer}/.well-known/openid-configuration")


def test_killed_it_is_there_again_and_its_tokens_hold() -> None:
    if not available():
        pytest.skip("the local identity provider is not installed: make assets")
    ended = threading.Event()
    with LocalProvider() as running:
        known = OidcTokens((Provider("local", running.issuer, running.client),))
        watch = threading.Thread(target=running.keep, args=(ended,))
        watch.start()
        try:
            issuer = running.issuer
            before = token(running)
            assert known.person("local", before).name == "Ada Demo"
            assert running._process is not None
            running._process.kill()
            running._process.wait()
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with suppress(httpx2.TransportError):
                    httpx2.get(f"{issuer}/.well-known/openid-configuration")
                    break
                time.sleep(0.1)
            assert running.issuer == issuer
            fresh = OidcTokens((Provider("local", issuer, running.client),))
            for each in (known, fresh):
                assert {each.person("local", token(running)).name, each.person("local", before).name} == {"Ada Demo"}
        finally:
            ended.set()
            watch.join()
