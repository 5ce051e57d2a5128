"""Signing in with a browser: authorization code with PKCE, state and nonce (RFC 6749, 7636, 9700; OpenID Connect Core).

What must survive the way to the provider and back is kept here on the server, under a hash of the state, for one use.
The browser that set out carries a cookie of its own, so that nobody can be made to finish somebody else's sign-in.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import httpx2
import sqlalchemy as sa
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from terrafair.database import transaction
from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.people import Profile
from terrafair.identity.person import Person
from terrafair.identity.providers import Protocol, RelyingParty

TABLE = sa.table(
    "sign_ins",
    *(
        sa.column(name, sa.String)
        for name in ("hash", "browser", "provider", "verifier", "nonce", "redirect", "next", "expires")
    ),
)
TIME = timedelta(minutes=10)
ANSWER_BYTES = 1_000_000


class SignInRefused(Refused):
    """The provider, or what came back from it, does not let this person in."""

    code = "sign-in-refused"


@dataclass(frozen=True, slots=True)
class Departure:
    """The browser goes to the provider."""

    url: str
    browser: str
    """Value of the cookie that it must bring back."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """The browser is back, and who sits before it is known."""

    profile: Profile
    provider: str
    next: str
    """Path on this platform to go on with."""
    id_token: str = ""
    session: str = ""
    """The provider's id of its own session (`sid`)."""


class SignIn:
    """The relying party."""

    def __init__(
        self,
        engine: sa.Engine,
        parties: tuple[RelyingParty, ...],
        tokens: OidcTokens,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._tokens = tokens
        self._now = now
        self.parties = {party.id: party for party in parties}

    def depart(self, provider: str, redirect: str, next: str = "/") -> Departure:  # noqa: A002 - the web's word
        """Set out for a provider; `redirect` is our callback's absolute address."""
        party = self._party(provider)
        state, browser, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(4))
        moment = self._now()
        with transaction(self._engine) as connection:
            connection.execute(TABLE.delete().where(TABLE.c.expires < _text(moment)))
            connection.execute(
                TABLE.insert().values(
                    hash=_hash(state),
                    browser=_hash(browser),
                    provider=provider,
                    verifier=verifier,
                    nonce=nonce,
                    redirect=redirect,
                    next=local_path(next),
                    expires=_text(moment + TIME),
                )
            )
        endpoint, more = f"{party.provider.issuer}/login/oauth/authorize", {}
        if party.protocol is Protocol.OIDC:
            endpoint, more = str(self._tokens.about(party.provider)["authorization_endpoint"]), {"nonce": nonce}
        url = prepare_grant_uri(
            endpoint,
            party.provider.client,
            "code",
            redirect_uri=redirect,
            scope=" ".join(party.scopes),
            state=state,
            code_challenge=create_s256_code_challenge(verifier),
            code_challenge_method="S256",
            **more,
        )
        return Departure(str(url), browser)

    def arrive(self, answer: Mapping[str, str], browser: str) -> Arrival:
        """Take the provider's answer (the query of our callback) and the browser's cookie.

        Raises `SignInRefused` for whatever does not hold, `Unreachable` when the provider does not answer.
        """
        started = self._take(answer.get("state", ""), browser)
        party = self._party(started.provider)
        if error := answer.get("error"):
            why = answer.get("error_description") or error
            raise SignInRefused(f"{party.title} did not sign you in.", why[:300], "Try again.")
        if (issuer := answer.get("iss")) and issuer.rstrip("/") != party.provider.issuer:
            raise SignInRefused("The answer comes from another provider.", issuer[:200], "Try again.")
        if not answer.get("code"):
            raise SignInRefused(f"{party.title} sent no code.", remedy="Try again.")
        if party.protocol is Protocol.GITHUB:
            return Arrival(self._github(party, started, answer["code"]), party.id, started.next)
        return self._openid(party, started, answer["code"])

    def departure_from(self, provider: str, id_token: str, home: str) -> str:
        """Where a browser goes to end the provider's session, too; empty when the provider offers nothing."""
        party = self.parties.get(provider)
        if party is None or party.protocol is not Protocol.OIDC:
            return ""
        endpoint = str(self._tokens.about(party.provider).get("end_session_endpoint", ""))
        hint = {"id_token_hint": id_token} if id_token else {"client_id": party.provider.client}
        return f"{endpoint}?{urlencode({**hint, 'post_logout_redirect_uri': home})}" if endpoint else ""

    def ended_elsewhere(self, logout_token: str) -> tuple[str, str, str]:
        """(provider, session, person) that a back-channel logout token ends; raises `SignInRefused`.

        OpenID Connect Back-Channel Logout 1.0, section 2.6.
        """
        for party in self.parties.values():
            if party.protocol is not Protocol.OIDC:
                continue
            try:
                claims = self._tokens.claims(party.provider, logout_token, party.provider.client, expires=False)
            except Refused:
                continue
            events = claims.get("events")
            event = "http://schemas.openid.net/event/backchannel-logout"
            fresh = isinstance(claims.get("iat"), int) and abs(self._now().timestamp() - claims["iat"]) < 600
            if isinstance(events, Mapping) and event in events and "nonce" not in claims and fresh:
                subject = str(claims.get("sub") or "")
                person = Person(f"{party.provider.issuer}#{subject}").id if subject else ""
                return party.id, str(claims.get("sid") or ""), person
        raise SignInRefused("The logout token does not hold.")

    def _party(self, provider: str) -> RelyingParty:
        try:
            return self.parties[provider]
        except KeyError:
            known = ", ".join(self.parties) or "none is set up"
            raise NotFound(f"There is no provider {provider[:40]!r}.", remedy=f"Known: {known}.") from None

    def _take(self, state: str, browser: str) -> Any:
        """What was noted at departure; a second arrival with the same state finds nothing."""
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.hash == _hash(state))).one_or_none()
            connection.execute(TABLE.delete().where(TABLE.c.hash == _hash(state)))
        if row is None or row.expires <= _text(self._now()):
            raise SignInRefused("This sign-in is used, or took too long.", remedy="Sign in again.")
        if not hmac.compare_digest(row.browser, _hash(browser)):
            raise SignInRefused("This sign-in was begun in another browser.", remedy="Sign in again.")
        return row

    def _openid(self, party: RelyingParty, started: Any, code: str) -> Arrival:
        about = self._tokens.about(party.provider)
        answer = _exchange(str(about["token_endpoint"]), party, started, code)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise SignInRefused(f"{party.title} sent no ID token.", remedy="Ask for the scope `openid`.")
        claims = dict(self._tokens.claims(party.provider, id_token, party.provider.client))
        if not hmac.compare_digest(str(claims.get("nonce", "")), started.nonce):
            raise SignInRefused("The ID token was made for another sign-in.", remedy="Sign in again.")
        userinfo = about.get("userinfo_endpoint")
        if isinstance(userinfo, str) and isinstance(answer.get("access_token"), str):
            more = _get(userinfo, answer["access_token"])
            # Another subject would be another person's data (OpenID Connect Core, section 5.3.2).
            claims = {**more, **claims} if more.get("sub") == claims["sub"] else claims
        profile = party.claims.profile(f"{party.provider.issuer}#{claims['sub']}", claims)
        return Arrival(profile, party.id, started.next, id_token, str(claims.get("sid") or ""))

    def _github(self, party: RelyingParty, started: Any, code: str) -> Profile:
        answer = _exchange(f"{party.provider.issuer}/login/oauth/access_token", party, started, code)
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise SignInRefused("GitHub sent no token.", str(answer.get("error_description", ""))[:200], "Try again.")
        user = _get(f"{party.api}/user", token)
        if not isinstance(user.get("id"), int):
            raise Unreachable("GitHub does not say who this is.")
        name = str(user.get("name") or user.get("login") or "")
        subject = f"{party.provider.issuer}#{user['id']}"
        email = str(user.get("email") or "").lower()
        return Profile(Person(subject).id, subject, name[:200], email[:200], str(user.get("login") or ""))


def local_path(path: str) -> str:
    """The path, where it stays on this platform; else the start page."""
    plain = path.startswith("/") and not path.startswith("//") and "\\" not in path and path.isprintable()
    return path if plain and len(path) < 2000 else "/"


def _exchange(endpoint: str, party: RelyingParty, started: Any, code: str) -> dict[str, Any]:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": started.redirect,
        "code_verifier": started.verifier,
        "client_id": party.provider.client,
    }
    if party.secret:
        form["client_secret"] = party.secret
    answer = ask("POST", endpoint, data=form, headers={"Accept": "application/json"})
    if "error" in answer:
        why = str(answer.get("error_description") or answer["error"])[:300]
        raise SignInRefused(f"{party.title} does not accept the code.", why, "Sign in again.")
    return answer


def _get(url: str, token: str) -> dict[str, Any]:
    return ask("GET", url, headers={"Authorization": f"Bearer {token}", "Accept": "application/json"})


def ask(method: str, url: str, **options: Any) -> dict[str, Any]:
    """One JSON object from a provider that the operator trusts."""
    try:
        reply = httpx2.request(method, url, timeout=10, trust_env=False, **options)
        document = json.loads(reply.content) if len(reply.content) <= ANSWER_BYTES else None
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as fault:
        raise Unreachable("The identity provider does not answer.", str(fault)[:200], "Try again later.") from None
    if not isinstance(document, dict):
        raise Unreachable(f"The identity provider answers {reply.status_code}, and nothing that can be read.")
    if reply.status_code >= httpx2.codes.INTERNAL_SERVER_ERROR:
        raise Unreachable(f"The identity provider answers {reply.status_code}.", remedy="Try again later.")
    if reply.is_error and "error" not in document:
        raise InvalidInput(f"The identity provider answers {reply.status_code}.")
    return document


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
