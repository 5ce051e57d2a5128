"""Signing in and out, and the page about oneself: `/account`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from terrafair.data.project_buckets import ProjectBuckets, bucket_of, environment
from terrafair.errors import TerrafairError, Unreachable
from terrafair.identity.access import Scope
from terrafair.identity.asking import actor, asker
from terrafair.identity.people import People, Profile
from terrafair.identity.person import absent
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.sessions import COOKIE, Sessions
from terrafair.identity.sign_in import SignIn, local_path
from terrafair.portal.desk import Desk
from terrafair.portal.interrupted import COOKIE as KEPT
from terrafair.portal.kept import Kept

TRIP = "terrafair_sign_in"
"""Cookie of a browser that is at a provider."""
TRIP_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Signing:
    """What signing in and out takes."""

    sign_in: SignIn
    sessions: Sessions
    people: People
    sign_out: Callable[[str], None]
    """Ends all that a person's sign-ins gave."""


def router(desk: Desk, signing: Signing, tokens: PersonalTokens, buckets: ProjectBuckets, kept: Kept) -> APIRouter:
    """The pages; `kept` has the forms that were sent after a session had ended."""
    routes = desk.pages.router("/account")
    _coming(routes, desk, signing)
    _going(routes, signing)

    @routes.get("")
    def account(request: Request) -> Response:
        if asker().profile is None:
            return RedirectResponse("/account/sign-in", 303)
        return _account(request, "")

    @routes.post("/tokens")
    def issue(
        request: Request, name: Annotated[str, Form()], scopes: Annotated[list[Scope], Form()],
        days: Annotated[int, Form()] = 90,
    ) -> Response:  # fmt: skip
        # More days than a timedelta holds are as wrong as 400.
        secret, _ = tokens.issue(_person().id, name, scopes, timedelta(days=min(max(days, 0), 10**6)))
        return _account(request, secret)

    @routes.post("/tokens/{id}/revoke")
    def revoke(id: str) -> Response:  # noqa: A002 - the field's word
        tokens.revoke(_person().id, id)
        return RedirectResponse("/account", 303)

    @routes.post("/keys")
    def mint(
        request: Request, project: Annotated[str, Form()], hours: Annotated[float, Form(allow_inf_nan=False)] = 1.0,
        write: Annotated[bool, Form()] = False,
    ) -> Response:  # fmt: skip
        identity = signing.sessions.find(request.cookies.get(COOKIE, ""))
        lifetime = timedelta(hours=min(max(hours, 0), 1e6))
        minted = buckets.mint(
            actor(), project, write=write, lifetime=lifetime, identity=identity.id_token if identity else ""
        )
        return _account(request, "", keys=environment(minted))

    @routes.post("/keys/{id}/end")
    def end(request: Request, id: str) -> Response:  # noqa: A002
        try:
            buckets.end(_person().id, id)
        except TerrafairError as error:
            return desk.problem(request, error)
        return RedirectResponse("/account", 303)

    @routes.get("/kept")
    def again(request: Request) -> Response:
        """What was sent after the session had ended, to be sent again with one press."""
        draft = kept.found(request.cookies.get(KEPT, "")) if request.cookies.get(KEPT) else None
        return desk.show(request, "kept.html", {"draft": draft})

    def _account(request: Request, secret: str, keys: Mapping[str, str] | None = None) -> Response:
        content = {"tokens": tokens.listing(_person().id), "secret": secret, "scopes": list(Scope), "keys": keys}
        held = [(each, bucket_of(each.project)) for each in buckets.listing(_person().id)]
        return desk.show(request, "account.html", {**content, "held": held})

    return routes


def _person() -> Profile:
    profile = asker().profile
    if profile is None:
        raise absent()
    return profile


def _coming(routes: APIRouter, desk: Desk, signing: Signing) -> None:
    @routes.get("/sign-in")
    def choose(request: Request, next: str = "/account", ended: str = "") -> Response:  # noqa: A002 - the web's word
        content = {"providers": list(signing.sign_in.parties.values()), "next": local_path(next), "ended": bool(ended)}
        return desk.show(request, "sign_in.html", content)

    @routes.get("/sign-in/{provider}")
    def depart(request: Request, provider: str, next: str = "/account") -> Response:  # noqa: A002
        try:
            departure = signing.sign_in.depart(provider, _callback(request), next)
        except TerrafairError as error:
            return desk.problem(request, error, 502 if isinstance(error, Unreachable) else 404)
        reply = RedirectResponse(departure.url, 303)
        reply.set_cookie(TRIP, departure.browser, max_age=TRIP_SECONDS, path="/account", **_kept(request))
        return reply

    @routes.get("/callback")
    def arrive(request: Request) -> Response:
        try:
            arrival = signing.sign_in.arrive(dict(request.query_params), request.cookies.get(TRIP, ""))
        except TerrafairError as error:
            reply = desk.problem(request, error, 502 if isinstance(error, Unreachable) else 403)
            reply.delete_cookie(TRIP, path="/account")
            return reply
        person = signing.people.seen(arrival.profile)
        cookie = signing.sessions.begin(
            person.id, arrival.provider, provider_session=arrival.session, id_token=arrival.id_token,
            old=request.cookies.get(COOKIE, ""),
        )  # fmt: skip
        reply = RedirectResponse(arrival.next, 303)
        reply.delete_cookie(TRIP, path="/account")
        reply.set_cookie(COOKIE, cookie, max_age=7 * 86_400, path="/", **_kept(request))
        return reply


def _going(routes: APIRouter, signing: Signing) -> None:
    @routes.post("/sign-out")
    def leave(request: Request) -> Response:
        cookie = request.cookies.get(COOKIE, "")
        session = signing.sessions.find(cookie)
        home, place = str(request.base_url), ""
        if session is not None:
            signing.sign_out(session.person)
            try:
                place = signing.sign_in.departure_from(session.provider, session.id_token, home)
            except TerrafairError:
                # The provider is away: the person is signed out here all the same.
                place = ""
        reply = RedirectResponse(place or "/", 303)
        reply.delete_cookie(COOKIE, path="/")
        return reply

    @routes.post("/back-channel")
    def back_channel(logout_token: Annotated[str, Form()]) -> Response:
        """OpenID Connect Back-Channel Logout 1.0."""
        try:
            provider, session, person = signing.sign_in.ended_elsewhere(logout_token)
        except TerrafairError as error:
            return Response(str(error), 400, headers={"Cache-Control": "no-store"})
        ended = signing.sessions.end_at_provider(provider, session=session, person=person)
        if person and not session:
            # All of the person's sessions there: whatever they gave ends here, too.
            for each in ended:
                signing.sign_out(each)
        return Response(status_code=200, headers={"Cache-Control": "no-store"})


def _callback(request: Request) -> str:
    return f"{str(request.base_url).rstrip('/')}/account/callback"


def _kept(request: Request) -> dict[str, Any]:
    return {"httponly": True, "samesite": "lax", "secure": request.url.scheme == "https"}
