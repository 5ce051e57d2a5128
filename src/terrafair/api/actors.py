"""Finds out who is asking from a session's cookie or a bearer token; what it finds is kept for some seconds."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from terrafair.errors import NotFound
from terrafair.identity.access import NOBODY, Actor, Scope
from terrafair.identity.asking import Asker
from terrafair.identity.embedded import EmbeddedAuthenticator
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person, invalid
from terrafair.identity.personal_tokens import MARK, PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.sessions import Sessions

KEPT_SECONDS = 3.0
"""A role that is taken away ends this much later at the latest."""
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
    now: Callable[[], float] = time.monotonic
    _kept: dict[tuple[str, str], tuple[float, Asker]] = field(default_factory=dict)

    def known(self, cookie: str, authorization: str) -> Asker | None:
        """Who it is, where that is remembered: the quick way for pages with many parts."""
        if not cookie and not authorization:
            return self.anonymous
        kept = self._kept.get((cookie, authorization))
        return kept[1] if kept and kept[0] > self.now() else None

    def find(self, cookie: str, authorization: str) -> Asker:
        """Who it is; raises `NotSignedIn` for credentials that do not hold. A cookie that has ended is nobody's."""
        if remembered := self.known(cookie, authorization):
            return remembered
        found = self._by_token(authorization) if authorization else self._by_cookie(cookie)
        if len(self._kept) >= MOST_KEPT:
            self._kept.clear()
        self._kept[cookie, authorization] = (self.now() + KEPT_SECONDS, found)
        return found

    def forget(self) -> None:
        """Look again for everybody, since a role, a token or a session has changed."""
        self._kept.clear()

    def _by_cookie(self, cookie: str) -> Asker:
        session = self.sessions.find(cookie)
        if session is None:
            return self.anonymous
        return self._asker(self.people.get(session.person), csrf=session.csrf)

    def _by_token(self, authorization: str) -> Asker:
        if len(authorization) > HEADER_CHARACTERS:
            raise invalid("It is too long.")
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() == "bearer" and token.startswith(MARK):
            personal = self.personal.find(token)
            return self._asker(self.people.get(personal.person), personal.scopes)
        if scheme.lower() == "bearer" and "/" not in token and token.count(".") == 2:
            provider = self._issuer(token)
            found = self._asker(self._seen(self.authenticator.oidc.person(provider, token)))
            return replace(found, token=token, provider=provider)
        found = self._asker(self._seen(self.authenticator.person(authorization)))
        method, _, rest = token.partition("/")
        provider, _, token = rest.partition("/")
        return replace(found, token=token, provider=provider) if method == "oidc" else found

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

    def _seen(self, person: Person) -> Profile:
        try:
            # What the provider said at a sign-in is more than an access token says.
            return self.people.get(person.id)
        except NotFound:
            return self.people.seen(Profile(person.id, person.subject, person.name))

    def _asker(self, profile: Profile, scopes: frozenset[Scope] | None = None, *, csrf: str = "") -> Asker:
        actor = self.people.actor(profile.id, scopes)
        if profile.id not in actor.roles:
            self.projects.make_home(profile)
            actor = self.people.actor(profile.id, scopes)
        return Asker(actor, profile, csrf)
