"""How to sign in, and what is known of who has: `/credentials`, `/me`."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Request

from terrafair.api.openeo.asking import Document, signed_in
from terrafair.api.openeo.user_files import UserFiles
from terrafair.identity.embedded import EmbeddedAuthenticator
from terrafair.identity.oidc import Provider
from terrafair.identity.person import Person

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = ("authorization_code+pkce", f"{DEVICE}+pkce", "refresh_token")


def router(authenticator: EmbeddedAuthenticator, files: UserFiles, used: Callable[[Person], Document]) -> APIRouter:
    """The routes; `used` gives what a person's runs have taken."""
    routes = APIRouter()
    person = signed_in(authenticator)

    if authenticator.oidc.providers:

        @routes.get("/credentials/oidc")
        def oidc() -> Document:
            """The OpenID Connect providers, with clients that need no secret."""
            return {"providers": providers(authenticator.oidc.providers)}

    @routes.get("/credentials/basic")
    def basic(request: Request) -> Document:
        """A token for name and password."""
        origin = urlsplit(request.headers.get("origin", "")).netloc
        foreign = bool(request.headers.get("origin")) and origin != request.headers.get("host")
        return {"access_token": authenticator.sign_in(request.headers.get("authorization", ""), foreign=foreign)}

    @routes.get("/me")
    def me(who: Annotated[Person, Depends(person)]) -> Document:
        """Who is asking, and what they have left."""
        free = max(files.quota - files.used(who), 0)
        return {
            "user_id": who.id,
            "name": who.name or who.id,
            "storage": {"free": free, "quota": files.quota},
            "budget": None,
            "usage": used(who),
            "links": [],
        }

    return routes


def providers(known: Sequence[Provider]) -> list[dict[str, Any]]:
    """As openEO lists them."""
    return [
        {
            "id": each.id,
            "issuer": each.issuer,
            "title": each.title or each.id,
            "scopes": ["openid", "profile", "email", "offline_access"],
            "default_clients": [{"id": each.client, "grant_types": list(GRANTS), "redirect_urls": []}],
        }
        for each in known
    ]
