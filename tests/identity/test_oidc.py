"""Tokens of OpenID Connect providers: right ones and every way in which one can be wrong."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from terrafair.errors import InvalidInput, Unreachable
from terrafair.identity.oidc import OidcTokens, Provider
from terrafair.identity.person import NotSignedIn, Person

ISSUER = "https://id.example/realms/eo"
CLIENT = "terrafair"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}, private=True)
OTHER = RSAKey.generate_key(2048, {"kid": "two", "use": "sig", "alg": "RS256"}, private=True)


class Site:
    """A provider's two documents."""

    def __init__(self, *keys: RSAKey) -> None:
        self.keys = list(keys)
        self.issuer = ISSUER
        self.asked: list[str] = []

    def __call__(self, url: str) -> Mapping[str, Any]:
        self.asked.append(url)
        if url.endswith("/.well-known/openid-configuration"):
            return {"issuer": self.issuer, "jwks_uri": f"{ISSUER}/keys"}
        return {"keys": [key.as_dict(private=False) for key in self.keys]}


def token(key: Any = KEY, algorithm: str = "RS256", **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "ada", "aud": CLIENT, "exp": now + 60, "iat": now, "name": "Ada", **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key, algorithms=[algorithm])


def checker(site: Site | None = None) -> OidcTokens:
    return OidcTokens((Provider("eo", ISSUER, CLIENT),), site or Site(KEY))


def test_a_token_that_holds() -> None:
    assert checker().person("eo", token()) == Person(f"{ISSUER}#ada", "Ada")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["account", CLIENT]},
        {"aud": "account", "azp": CLIENT},
        {"aud": None, "client_id": CLIENT},
        {"name": None},
    ],
)
def test_other_forms_that_hold(changes: dict[str, Any]) -> None:
    assert checker().person("eo", token(**changes)).subject == f"{ISSUER}#ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"aud": "another"},
        {"aud": None},
        {"aud": ["another"], "azp": "another"},
        {"exp": int(time.time()) - 120},
        {"exp": None},
        {"nbf": int(time.time()) + 3600},
    ],
)
def test_wrong_claims(changes: dict[str, Any]) -> None:
    with pytest.raises(NotSignedIn) as refused:
        checker().person("eo", token(**changes))
    assert refused.value.problem.code == "token-invalid"


def test_signatures_of_others() -> None:
    with pytest.raises(NotSignedIn):
        checker().person("eo", token(OTHER))
    forged = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
    with pytest.raises(NotSignedIn):
        checker().person("eo", token(forged))


def test_algorithms_that_need_no_secret() -> None:
    head, body, _ = token().split(".")
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).rstrip(b"=").decode()
    with pytest.raises(NotSignedIn):
        checker().person("eo", f"{none}.{body}.")
    # The public key as a shared secret.
    shared = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "one"}).encode()).rstrip(b"=").decode()
    mark = hmac.digest(KEY.as_pem(private=False), f"{shared}.{body}".encode(), "sha256")
    with pytest.raises(NotSignedIn):
        checker().person("eo", f"{shared}.{body}.{base64.urlsafe_b64encode(mark).rstrip(b'=').decode()}")
    with pytest.raises(NotSignedIn):
        checker().person("eo", f"{head}.{body}.")


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "....", "e30.e30.e30", "x" * 10_000, "ä.ö.ü"])
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(NotSignedIn):
        checker().person("eo", text)


def test_a_new_key_is_found_and_keys_are_not_asked_for_without_end() -> None:
    site = Site(KEY)
    checking = checker(site)
    checking.person("eo", token())
    assert len(site.asked) == 2
    site.keys.append(OTHER)
    for _ in range(5):
        with pytest.raises(NotSignedIn):
            # Asked for a moment ago: not again for every token that somebody makes up.
            checking.person("eo", token(OTHER))
    assert len(site.asked) == 2
    checking._keys["eo"].read -= 60
    assert checking.person("eo", token(OTHER)).name == "Ada"


def test_a_provider_that_says_that_it_is_another() -> None:
    site = Site(KEY)
    site.issuer = "https://other.example"
    with pytest.raises(Unreachable, match="says that it is"):
        checker(site).person("eo", token())
    with pytest.raises(NotSignedIn):
        checker().person("unknown", token())


@pytest.mark.parametrize(
    ("name", "issuer", "client"),
    [
        ("eo", "http://id.example", CLIENT),
        ("eo", "ftp://id.example", CLIENT),
        ("eo", "https://id.example/", CLIENT),
        ("eo", "https://id.example?x=1", CLIENT),
        ("a/b", ISSUER, CLIENT),
        ("", ISSUER, CLIENT),
        ("eo", ISSUER, ""),
        ("eo", "http://127.0.0.1.evil.example", CLIENT),
    ],
)
def test_settings_that_cannot_be_trusted(name: str, issuer: str, client: str) -> None:
    with pytest.raises(InvalidInput):
        Provider(name, issuer, client)


def test_a_provider_on_this_machine() -> None:
    assert Provider("local", "http://127.0.0.1:8081", CLIENT).issuer
    assert Provider("local", "http://localhost:8081", CLIENT).issuer
