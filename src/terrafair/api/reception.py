"""Where every request comes in: it gets an id, an asker and a place in the rates, before any route sees it."""

import re
import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Protocol
from urllib.parse import parse_qs, quote

import structlog
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from terrafair.api.actors import VISITOR, Actors
from terrafair.api.cross_origin import SAFE, foreign
from terrafair.api.problems import answer
from terrafair.api.rates import Pace, Rate
from terrafair.errors import Refused, TerrafairError
from terrafair.events import Asked, Event
from terrafair.identity.access import Scope as Allowed
from terrafair.identity.asking import Asker, asking
from terrafair.identity.person import NotSignedIn, absent
from terrafair.identity.sessions import COOKIE, Session, guarded

OWN_ANSWERS = "/openeo"
"""An interface that says by itself, in its own words, that a token does not hold."""
OPEN = (f"{OWN_ANSWERS}/", "/account/", "/tiles/")
"""Paths at which visitors may ask by other methods than GET, and whose routes check by themselves."""
QUESTIONS = ("/search", "/aggregate", "/api/estimate")
SIGN_IN = "/account/sign-in"
GUESSABLE = ("/account/sign-in", "/openeo/credentials/basic")
PASSED = "/workspaces/"
"""What people's own servers answer, which guard their own forms; each key that is pressed there is no audit matter."""
WORKSPACES = "127.0.0.2"
"""Where requests of programs in workspaces come from: the right of whoever sits at this machine is not theirs."""
TYPING = "/draft"
"""End of paths that keep what is being typed: nothing has been asked for yet."""
FORM_BYTES = 1_000_000
USUAL, GUESSES = (100, 1000), (0.5, 30)
"""Requests a second, and at once."""
PROJECT_COOKIE = "terrafair_project"
FORWARDED = ("forwarded", "x-forwarded-for", "x-real-ip")
_KINDS = {"jobs": "job", "projects": "project"}
_NAMED = re.compile(r"/(jobs|projects)/([A-Za-z0-9._-]{1,64})(?=/|$)")
_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


class Reception:
    """The outermost layer of the application."""

    def __init__(
        self,
        app: ASGIApp,
        actors: Actors,
        note: Callable[[Event], None],
        usual: Pace | None = None,
        guesses: Pace | None = None,
        interrupted: "Keeper | None" = None,
    ) -> None:
        """`note` keeps what was asked for in the audit trail, `interrupted` a form that came after the session."""
        self._interrupted = interrupted
        self._app = app
        self._note = note
        self._actors = actors
        self._usual = usual or Rate(*USUAL)
        self._guesses = guesses or Rate(*GUESSES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request = given if _ID.fullmatch(given) else secrets.token_hex(8)
        address = scope["client"][0] if scope.get("client") else ""
        # Not unbound at the end: the server says last what broke, and each request is a task with bindings of its own.
        about = _about(scope["path"], request)
        structlog.contextvars.bind_contextvars(**about)
        who: Asker = VISITOR
        refuse: ASGIApp
        try:
            who = await self._asker(scope, headers)
            who = replace(who, address=address, request=request, project=_project(headers, who))
            if who.project:
                structlog.contextvars.bind_contextvars(**{"project": who.project, **about})
            self._pace(scope["path"], who)
            _check_change(scope, who)
            passed = scope["path"].startswith(PASSED)
            if who.csrf and not passed and scope.get("method", "GET") not in SAFE:
                receive = await _check_form(who, headers, receive)
        except TerrafairError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
                return
            refuse = answer(error, scope["path"])
            if isinstance(error, NotSignedIn) and self._interrupted and self._interrupted.takes(scope):
                refuse = self._interrupted
            # Who asks is known to what makes a page of it, unless that is what failed.
            scope.setdefault("state", {})["asker"] = who
            with asking(replace(VISITOR, address=address, request=request)):
                await refuse(scope, receive, _marked(send, request))
            return
        scope.setdefault("state", {})["asker"] = who
        # What stays open for long asks again: its session may have ended meanwhile.
        scope["state"]["again"] = partial(self._asker, scope, headers)
        with asking(who):
            unnoted = passed or scope.get("method", "GET") in SAFE or scope["path"].endswith(TYPING)
            noted = send if unnoted else self._noted(scope, send)
            await self._app(scope, receive, _led(scope, headers, _marked(noted, request)))

    def _noted(self, scope: Scope, send: Send) -> Send:
        """Every change that is asked for is in the audit trail before its answer is out, refused ones included.

        Where the trail cannot be written the log has it: to withhold the answer would undo nothing.
        """

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                asked = Asked(scope["path"][:200], scope["method"], message["status"])
                try:
                    await run_in_threadpool(self._note, asked)
                except TerrafairError as fault:
                    missed = {"path": asked.thing, "method": asked.method, "status": asked.status}
                    structlog.get_logger().warning("audit.missed", **missed, reason=str(fault)[:500])
            await send(message)

        return noted

    async def _asker(self, scope: Scope, headers: Headers) -> Asker:
        authorization = headers.get("authorization", "")
        cookies = headers.get("cookie")
        cookie = cookie_parser(cookies).get(COOKIE, "") if cookies and COOKIE in cookies else ""
        if scope["path"].startswith(PASSED):
            # JupyterLab shows its own server's token; who may reach that server the session says alone.
            authorization = ""
        own = scope["path"].startswith(OWN_ANSWERS)
        if own:
            # Pages of any origin may ask there, so a browser's cookie says nothing.
            cookie = ""
        elif foreign(headers) and not authorization:
            # Neither a cookie nor the right of whoever sits at this machine is meant for another site's page.
            return VISITOR
        # One that has to ask another machine must not hold everybody up.
        found = self._actors.known(cookie, authorization) if self._actors.near else None
        if found is None:
            try:
                found = await run_in_threadpool(self._actors.find, cookie, authorization)
            except NotSignedIn:
                if not own:
                    raise
                return VISITOR
        scopes = found.actor.scopes
        if own and scopes is not None and scope.get("method", "GET") not in SAFE and Allowed.RUN not in scopes:
            # Its routes know people, not what their tokens are for.
            return VISITOR
        address = scope["client"][0] if scope.get("client") else ""
        passed_on = address == WORKSPACES or any(name in headers for name in FORWARDED)
        if found.profile is None and found.actor.operator and passed_on:
            # Somebody else's request, passed on by a proxy or a workspace on this machine.
            return VISITOR
        return found

    def _pace(self, path: str, who: Asker) -> None:
        if who.actor.operator:
            return
        name = who.actor.person or who.address
        wait = self._guesses.wait(who.address) if path in GUESSABLE else self._usual.wait(name)
        if wait:
            raise TooMany("Too many requests.", f"The next one is welcome in {ceil(wait)} seconds.", "Ask less often.")


class Keeper(Protocol):
    """Takes what a page's form sends once its person is signed in no more."""

    def takes(self, scope: Scope) -> bool:
        """Whether it is such a form."""
        ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        ...


class TooMany(Refused):
    """Somebody asks more often than they may."""

    code = "too-many-requests"


def _check_change(scope: Scope, who: Asker) -> None:
    """Refuse changes by visitors, and by tokens that only read, whatever a route forgets to ask."""
    path, actor = scope["path"], who.actor
    if scope.get("method", "GET") in SAFE or path.startswith(OPEN) or path.endswith(QUESTIONS):
        return
    if not actor.person and not actor.operator:
        raise absent()
    if actor.scopes is not None and actor.scopes <= {Allowed.READ} and path != "/api/tokens":
        raise Refused("The token only reads.", remedy="Make one with the scope 'run'.")


def _project(headers: Headers, who: Asker) -> str:
    """Where new things go: as a program says, or as the person has chosen in the header of the pages."""
    if named := headers.get("x-terrafair-project", ""):
        return named[:64]
    chosen = cookie_parser(headers.get("cookie", "")).get(PROJECT_COOKIE, "")
    return chosen if chosen in who.actor.roles else ""


async def _check_form(who: Asker, headers: Headers, receive: Receive) -> Receive:
    """Refuse a change that a page of somebody else may have made this browser ask for.

    What counts is the session's token in a header or a form's field, or the browser's word that the page is ours
    (`Sec-Fetch-Site`, which no page can set). Gives how to receive the request from here on.
    """
    if headers.get("sec-fetch-site") == "same-origin":
        return receive
    token, again = headers.get("x-csrf-token", ""), receive
    if not token and headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        body, again = await _read(receive)
        token = (parse_qs(body.decode("utf-8", "replace")).get("csrf") or [""])[0]
    if not guarded(Session("", "", who.csrf), token):
        raise Refused(
            "The request does not carry this session's token.",
            "Another site's page may have sent it.",
            "Load the page again; programs use an `Authorization` header, or send `X-CSRF-Token`.",
            code="csrf",
        )
    return again


async def _read(receive: Receive) -> tuple[bytes, Receive]:
    body, more = b"", True
    while more and len(body) <= FORM_BYTES:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": more}

    return body, again


def _about(path: str, request: str) -> dict[str, str]:
    """What each line that is logged meanwhile tells: the request's id, and the job and project that its path names."""
    named = {_KINDS[found[1]]: found[2] for found in _NAMED.finditer(path)}
    return {"request": request, **named}


def _marked(send: Send, request: str) -> Send:
    """Give the request's id back."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).setdefault("X-Request-Id", request)
        await send(message)

    return marked


def _led(scope: Scope, headers: Headers, send: Send) -> Send:
    """Lead people who look at a page that needs a sign-in to the sign-in, instead of telling them about it."""
    if scope.get("method") != "GET" or "text/html" not in headers.get("accept", ""):
        return send
    if scope["path"].startswith(("/api", OWN_ANSWERS, "/account")):
        return send
    led = False

    async def to_sign_in(message: Message) -> None:
        nonlocal led
        if message["type"] == "http.response.start" and message["status"] == 401:
            led = True
            query = scope["query_string"].decode("latin-1")
            path = scope["path"] + (f"?{query}" if query else "")
            reply: Response = RedirectResponse(f"{SIGN_IN}?next={quote(path, safe='')}", 303)
            await reply(scope, _nothing, send)
        elif not led:
            await send(message)

    return to_sign_in


async def _nothing() -> Message:
    return {"type": "http.disconnect"}
