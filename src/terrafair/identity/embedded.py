"""The authenticator of the embedded default: local accounts with tokens of our own, and trusted providers."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from terrafair.identity import passwords
from terrafair.identity.asking import asker
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.person import NotSignedIn, Person, absent, invalid, strange
from terrafair.identity.tokens import Tokens

DEMO = "demo"
"""Name and password of the account that a platform has when only its own machine can reach it."""
LOCAL = "local"
"""The issuer of local accounts."""
HEADER_CHARACTERS = 16_384


@dataclass(frozen=True, slots=True)
class EmbeddedAuthenticator:
    """Implements `Authenticator`."""

    accounts: Mapping[str, str]
    """Name -> digest as `passwords.digest` makes it."""
    tokens: Tokens
    oidc: OidcTokens
    well_known: frozenset[str] = frozenset()
    """Accounts whose password everybody knows: pages of other origins must not use a person's browser for them."""

    def person(self, authorization: str) -> Person:
        """By `Bearer basic//TOKEN` or `Bearer oidc/PROVIDER/TOKEN`, and whoever the platform has found out already."""
        if authorization and (profile := asker().profile):
            return Person(profile.subject, profile.name)
        scheme, _, credentials = authorization.strip().partition(" ")
        if not scheme or len(authorization) > HEADER_CHARACTERS:
            raise absent() if not scheme else invalid("It is too long.")
        if scheme.lower() != "bearer":
            raise strange(scheme)
        method, provider, token = ([*credentials.strip().split("/", 2), "", ""])[:3]
        if not token:
            raise invalid("A token of openEO looks like `basic//TOKEN` or `oidc/PROVIDER/TOKEN`.")
        if method == "basic" and not provider:
            return self.tokens.person(token)
        if method == "oidc":
            return self.oidc.person(provider, token)
        raise strange(f"{method}/{provider}")

    def sign_in(self, authorization: str, *, foreign: bool = False) -> str:
        """A token for `Basic NAME:PASSWORD` (RFC 7617); `foreign`: a page of another origin asks.

        Raises `NotSignedIn` (`credentials-invalid`).
        """
        scheme, _, encoded = authorization.strip().partition(" ")
        if not scheme:
            raise absent()
        if scheme.lower() != "basic":
            raise strange(scheme)
        try:
            name, mark, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
        except (binascii.Error, UnicodeDecodeError, ValueError):
            name, mark, password = "", "", ""
        if not mark or not passwords.matches(self.accounts, name, password):
            raise NotSignedIn("Name or password is wrong.", code="credentials-invalid")
        if foreign and name in self.well_known:
            why = "Everybody knows the password of the demo account."
            raise NotSignedIn("A page of another origin may not use it.", why, code="credentials-invalid")
        return self.tokens.issue(Person(f"{LOCAL}#{name}", name))
