"""People, and the port that tells who is behind a request."""

import hashlib
from dataclasses import dataclass, field
from typing import Protocol

from terrafair.errors import Refused


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who has signed in."""

    subject: str
    """Issuer and the issuer's own id of the person, `ISSUER#SUB`: the two stay when names and addresses change."""
    name: str = ""
    """For people to read."""
    until: float | None = field(default=None, compare=False)
    """When what they showed ends, in seconds of the epoch; None: not known."""

    @property
    def id(self) -> str:
        """The same person as a word that URLs and paths can hold."""
        return "u" + hashlib.sha256(self.subject.encode()).hexdigest()[:20]


class NotSignedIn(Refused):
    """Nobody has said who they are, or what they said does not hold."""

    code = "authentication-required"


class Authenticator(Protocol):
    """Tells who is asking."""

    def person(self, authorization: str) -> Person:
        """The person behind an `Authorization` header.

        Raises `NotSignedIn` with the code `authentication-required`, `authentication-scheme` or `token-invalid`.
        """
        ...


def absent() -> NotSignedIn:
    """The request carries no credentials."""
    return NotSignedIn(
        "Nobody is signed in.",
        "This needs a bearer token.",
        "Sign in first: `terrafair login`, or a personal token from the page /account.",
    )


def invalid(why: str = "") -> NotSignedIn:
    """The token does not hold."""
    return NotSignedIn("The token is not valid.", why, "Sign in again.", code="token-invalid")


def strange(scheme: str) -> NotSignedIn:
    """A way of signing in that is not offered here."""
    what = f"Signing in by {scheme[:40]!r} is not offered here."
    return NotSignedIn(
        what, remedy="`/credentials/basic` and `/credentials/oidc` say how.", code="authentication-scheme"
    )
