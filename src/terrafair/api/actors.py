"""Finds out who is asking from a session's cookie or a bearer token.

What it finds is remembered while the version of `identity.version` stays: a role, a session or a token that ends in any
process ends here with the next request. What ends by time ends by its own clock.
"""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime

from terrafair.errors import NotFound
from terrafair.identity.access import NOBODY, Actor, Scope
from terrafair.identity.asking import Asker
from terrafair.identity.embedded import EmbeddedAuthenticator
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person, invalid
from terrafair.identity.personal_tokens import MARK, PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.sessions import Sessions

KEPT_SECONDS = 60.0
"""After this it is looked up again whatever the version says, so that a session's last use is noted."""
MOST_KEPT = 10_000
HEADER_CHARACTERS = 16_384
OPERATOR = Asker(Actor(operator=True))
VISITOR = Asker(NOBODY)


@dataclass(slots=True)
class Actors:
    """Everybody who can ask."""

    people: People
    projects: Projects
    sessions: Sessions
    personal: PersonalTokens
    authenticator: EmbeddedAuthenticator
    anonymous: Asker = VISITOR
    """Who it is that shows nothing."""
    version: Callable[[], int] = lambda: 0
    """Grows whenever somebody's rights, sessions or tokens change."""
    near: bool = True
    """Whether asking for the version takes so little that it may be done on the event loop."""
    now: Callable[[], float] = time.time
    _kept: dict[tuple[str, str], tuple[float, int, Asker]] = field(default_factory=dict)

    def known(self, cookie: str, authorization: str) -> Asker | None:
        """Who it is, where that is remembered and nothing has changed since."""
        if not cookie and not authorization:
            return self.anonymous
        kept = self._kept.get((cookie, authorization))
        return kept[2] if kept and kept[0] > self.now() and kept[1] == self.version() else None

    def find(self, cookie: str, authorization: str) -> Asker:
        """Who it is; raises `NotSignedIn` for credentials that do not hold. A cookie that has ended is nobody's."""
        if remembered := self.known(cookie, authorization):
            return remembered
        # Before looking: what changes meanwhile makes what is found here old at once.
        version = self.version()
        found, until = self._by_token(authorization) if authorization else self._by_cookie(cookie)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        latest = self.now() + KEPT_SECONDS
        self._kept[cookie, authorization] = (min(latest, until or latest), version, found)
        return found

    def forget(self) -> None:
        """Look again for everybody."""
        self._kept.clear()

    def _by_cookie(self, cookie: str) -> tuple[Asker, float | None]:
        session = self.sessions.find(cookie)
        if session is None:
            return self.anonymous, None
        asker = self._asker(session.person, csrf=session.csrf)
        return asker, session.ends.timestamp() if session.ends else None

    def _by_token(self, authorization: str) -> tuple[Asker, float | None]:
        if len(authorization) > HEADER_CHARACTERS:
            raise invalid("It is too long.")
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and token.startswith(MARK):
            personal = self.personal.find(token)
            return self._asker(personal.person, personal.scopes), datetime.fromisoformat(personal.expires).timestamp()
        if scheme.lower() == "bearer" and "/" not in token and token.count(".") == 2:
            provider = self._issuer(token)
            person = self.authenticator.oidc.person(provider, token)
            found, until = self._seen(person), person.until
            return replace(found, token=token, provider=provider), until
        person = self.authenticator.person(authorization)
        found, until = self._seen(person), person.until
        method, _, rest = token.partition("/")
        provider, _, token = rest.partition("/")
        return (replace(found, token=token, provider=provider) if method == "oidc" else found), until

    def _issuer(self, token: str) -> str:
        """The provider that a token names; whether it is its token is checked after this."""
        try:
            body = token.split(".")[1]
            issuer = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["iss"]
        except (ValueError, KeyError, TypeError):
            raise invalid("It is no JSON Web Token.") from None
        for provider in self.authenticator.oidc.providers:
            if provider.issuer == issuer:
                return provider.id
        raise invalid("Its issuer is not trusted here.")

    def _seen(self, person: Person) -> Asker:
        try:
            # What the provider said at a sign-in is more than an access token says.
            return self._asker(person.id)
        except NotFound:
            self.people.seen(Profile(person.id, person.subject, person.name))
            return self._asker(person.id)

    def _asker(self, id: str, scopes: frozenset[Scope] | None = None, *, csrf: str = "") -> Asker:  # noqa: A002
        profile, actor = self.people.whole(id, scopes)
        if profile is None:
            raise NotFound(f"Nobody here has the id {id[:60]!r}.", where="person")
        if id not in actor.roles:
            self.projects.make_home(profile)
            profile, actor = self.people.whole(id, scopes)
        return Asker(actor, profile, csrf)
