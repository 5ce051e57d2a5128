"""Routes about oneself: who is asking, and their personal tokens."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from terrafair.identity.access import Scope
from terrafair.identity.asking import asker
from terrafair.identity.people import Profile
from terrafair.identity.person import absent
from terrafair.identity.personal_tokens import PersonalToken, PersonalTokens
from terrafair.identity.providers import Protocol, RelyingParty

Document = dict[str, Any]


class NewToken(BaseModel):
    """The body of `POST /api/tokens`."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200)
    scopes: list[Scope] = Field(min_length=1)
    days: int = Field(90, ge=1, le=366)
    login: bool = False
    """Whether it stands for a sign-in and ends with it."""


def router(tokens: PersonalTokens, parties: Sequence[RelyingParty], changed: Callable[[], None]) -> APIRouter:
    """`/api/me`, `/api/providers`, `/api/tokens`; `changed` is called when a token ends."""
    routes = APIRouter(prefix="/api", tags=["account"])

    @routes.get("/me")
    def me() -> Document:
        """Who is asking, with their projects and what their token allows."""
        who = asker()
        scopes = who.actor.scopes
        return {
            "id": who.actor.person,
            "name": who.name,
            "email": who.profile.email if who.profile else "",
            "github": who.profile.github if who.profile else "",
            "operator": who.actor.operator,
            "projects": {name: role.value for name, role in sorted(who.actor.roles.items())},
            "scopes": None if scopes is None else sorted(scopes),
        }

    @routes.get("/providers")
    def providers() -> list[Document]:
        """Where programs can sign people in by OpenID Connect, with the client to name there."""
        return [
            {"id": party.id, "title": party.title, "issuer": party.provider.issuer, "client": party.provider.client}
            for party in parties
            if party.protocol is Protocol.OIDC
        ]

    @routes.get("/tokens")
    def listing() -> list[Document]:
        """One's personal tokens, without their secrets."""
        return [document(token) for token in tokens.listing(signed_in().id)]

    @routes.post("/tokens", status_code=201)
    def issue(wanted: NewToken) -> Document:
        """A new token; `token` is shown this once. A token makes none that may do more than itself."""
        mine = signed_in()
        limit = asker().actor.scopes
        scopes = [scope for scope in wanted.scopes if limit is None or scope in limit]
        secret, token = tokens.issue(mine.id, wanted.name, scopes, timedelta(days=wanted.days), login=wanted.login)
        return {**document(token), "token": secret}

    @routes.delete("/tokens/{id}", status_code=204)
    def revoke(request: Request, id: str) -> Response:  # noqa: A002 - the field's word
        """End one; `this` is the one that the request is made with."""
        mine = signed_in()
        if id == "this":
            id = tokens.find(request.headers.get("authorization", "").rpartition(" ")[2]).id  # noqa: A001
        tokens.revoke(mine.id, id)
        changed()
        return Response(status_code=204)

    return routes


def signed_in() -> Profile:
    """The person who asks; raises `NotSignedIn`."""
    profile = asker().profile
    if profile is None:
        raise absent()
    return profile


def document(token: PersonalToken) -> Document:
    """As the API shows it."""
    return {**asdict(token), "scopes": sorted(token.scopes)}
