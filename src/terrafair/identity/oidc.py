"""Access tokens of OpenID Connect providers: JWTs checked against the provider's published keys (RFC 9068)."""

import ipaddress
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx2

from terrafair.errors import InvalidInput, Unreachable
from terrafair.identity.person import Person, invalid

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with the provider's private key; never `none`, never one made with a key that is public."""
KEPT_SECONDS = 3600.0
"""Keys are read again after this, or sooner when a token names one that is not among them."""
AGAIN_SECONDS = 10.0
"""At most this often, whatever tokens say."""
LEEWAY_SECONDS = 30
DOCUMENT_BYTES = 1_000_000

Fetch = Callable[[str], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Provider:
    """An OpenID Connect provider that this platform trusts."""

    id: str
    """In `oidc/ID/TOKEN`."""
    issuer: str
    """Without a slash at its end."""
    client: str
    """The client id that openEO clients use by default; tokens must be meant for it."""
    title: str = ""
    audience: str = ""
    """What tokens for our APIs are meant for, where it is not the client id."""

    def __post_init__(self) -> None:
        """Refuse issuers whose keys somebody on the way could replace."""
        parts = urlsplit(self.issuer)
        if parts.scheme != "https" and not (parts.scheme == "http" and loopback(parts.hostname or "")):
            raise InvalidInput(f"The issuer {self.issuer!r} of {self.id} is not https.", remedy="Mend `issuers`.")
        if self.issuer.endswith("/") or parts.query or parts.fragment:
            raise InvalidInput(
                f"The issuer {self.issuer!r} of {self.id} has more than a path.", remedy="Mend `issuers`."
            )
        if not self.id.isalnum() or not self.client:
            raise InvalidInput(f"The provider {self.id!r} needs a plain id and an entry in the setting clients.")


@dataclass(slots=True)
class _Keys:
    document: Mapping[str, Any]
    read: float


@dataclass(slots=True)
class OidcTokens:
    """Checks tokens of the trusted providers."""

    providers: tuple[Provider, ...]
    fetch: Fetch = field(default_factory=lambda: fetch)
    signed_out: Callable[[str], str] = lambda _: ""
    """When the person of an id has last ended everything (RFC 3339); empty: never."""
    _keys: dict[str, _Keys] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def person(self, provider: str, token: str) -> Person:
        """The person that a token speaks of.

        Raises `NotSignedIn` when it does not hold, `Unreachable` when the provider's keys cannot be had.
        """
        trusted = next((each for each in self.providers if each.id == provider), None)
        if trusted is None:
            raise invalid(f"The provider {provider[:40]!r} is not known here.")
        claims = self.claims(trusted, token, trusted.audience or trusted.client)
        name = next((str(claims[key]) for key in ("name", "preferred_username", "email") if claims.get(key)), "")
        found = Person(f"{trusted.issuer}#{claims['sub']}", name[:200], float(claims["exp"]) + LEEWAY_SECONDS)
        ended, made = self.signed_out(found.id), claims.get("iat")
        if ended and not (isinstance(made, int | float) and made > datetime.fromisoformat(ended).timestamp()):
            raise invalid("Its person has signed out since it was made.")
        return found

    def claims(self, trusted: Provider, token: str, audience: str, *, expires: bool = True) -> Mapping[str, Any]:
        """The claims of a token that holds and is meant for `audience`; raises `NotSignedIn` or `Unreachable`."""
        from joserfc import jwt
        from joserfc.errors import JoseError
        from joserfc.jwk import KeySet

        registry = jwt.JWTClaimsRegistry(
            leeway=LEEWAY_SECONDS,
            iss={"essential": True, "value": trusted.issuer},
            # A back-channel logout token may name a session instead, and ends by its time of issue.
            sub={"essential": expires},
            exp={"essential": expires},
        )
        for again in (False, True):
            keys = self._read_keys(trusted, again=again)
            try:
                decoded = jwt.decode(token, KeySet.import_key_set(keys), algorithms=list(ALGORITHMS))  # type: ignore[arg-type]
            except (JoseError, ValueError, KeyError, TypeError) as fault:
                # A key may be newer than our copy; everything else fails the second time too.
                if again:
                    raise invalid(str(fault)[:200]) from None
                continue
            try:
                registry.validate(decoded.claims)
            except (JoseError, ValueError, TypeError) as fault:
                raise invalid(str(fault)[:200]) from None
            if not _meant_for(audience, decoded.claims):
                raise invalid(f"It is not meant for {audience}.")
            return decoded.claims
        raise invalid()

    def about(self, trusted: Provider) -> Mapping[str, Any]:
        """What the provider says of itself (OpenID Connect Discovery); raises `Unreachable`."""
        about = self.fetch(f"{trusted.issuer}/.well-known/openid-configuration")
        if about.get("issuer") != trusted.issuer:
            what = f"The provider at {trusted.issuer} says that it is {about.get('issuer')!r}."
            raise Unreachable(what, "Its tokens cannot be trusted.", "Mend the settings of the provider.")
        return about

    def _read_keys(self, trusted: Provider, *, again: bool) -> Mapping[str, Any]:
        with self._lock:
            kept = self._keys.get(trusted.id)
            age = time.monotonic() - kept.read if kept else 0.0
            if kept and age < (AGAIN_SECONDS if again else KEPT_SECONDS):
                return kept.document
            about = self.about(trusted)
            document = self.fetch(str(about.get("jwks_uri", "")))
            self._keys[trusted.id] = _Keys(document, time.monotonic())
            return document


def fetch(url: str) -> Mapping[str, Any]:
    """A small JSON object of a provider that the operator trusts; raises `Unreachable`."""
    try:
        reply = httpx2.get(url, timeout=10, trust_env=False)
        document = json.loads(reply.content) if reply.status_code == httpx2.codes.OK else None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as fault:
        raise Unreachable(f"The identity provider does not answer at {url}.", str(fault)[:200]) from None
    if not isinstance(document, dict) or len(reply.content) > DOCUMENT_BYTES:
        raise Unreachable(f"The identity provider answers {reply.status_code} at {url}.", "It gives no JSON object.")
    return document


def _meant_for(client: str, claims: Mapping[str, Any]) -> bool:
    """Audience, or the client that asked for it where the provider puts itself as audience (Keycloak)."""
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    return client in audiences or client in (claims.get("azp"), claims.get("client_id"))


def loopback(host: str) -> bool:
    """Whether a host is this machine, by a name or address that cannot mean another."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
