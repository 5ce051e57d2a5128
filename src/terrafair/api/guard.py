"""Keeps other web pages from using a person's browser against the platform, and hostile bodies from its routes."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
from fastapi import FastAPI
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from terrafair.api.cross_origin import SAFE, foreign, welcome
from terrafair.api.openeo.faults import of_request as of_openeo
from terrafair.api.problems import answer
from terrafair.errors import InvalidInput, Refused, TerrafairError

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN = "/openeo"
"""An interface for pages of any origin: rights there come with a bearer token, which no browser sends by itself."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}
PAGE_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"
BODY_LIMIT = 16 * 2**20
"""Bytes of one request; what is larger is uploaded as a file and named by its address."""
DEPTH_LIMIT = 100
"""Levels of objects and lists in one JSON body."""
STREAMED = ("/api/uploads", "/openeo/files/", "/run/", "/workspaces/")
"""Routes that take files of any size and read them as they come."""
_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_TEXTS = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


def guard(app: FastAPI, host: str) -> None:
    """Refuse foreign host names (DNS rebinding), changes asked for by other origins, and bodies no route can take."""
    app.add_middleware(Bodies, limit=BODY_LIMIT, streamed=STREAMED)
    app.add_middleware(Doorkeeper, names=LOOPBACK if host in LOOPBACK else frozenset())


class Doorkeeper:
    """Host names and origins."""

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        if refusal:
            await refused(refusal, scope["path"])(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    def _refusal(self, method: str, path: str, headers: Headers) -> Refused | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        try:
            asked = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            asked = host
        if self._names and asked not in self._names:
            return Refused(f"This platform is not {asked!r}.", "It answers on this machine only.")
        if foreign(headers) and not welcome(method, path, headers) and not path.startswith(f"{OPEN}/"):
            return Refused(f"A page of {origin} may not change things here.")
        return None


class Secured:
    """The headers that tell a browser what it may do; outside of all layers, since each of them answers, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", PAGE_POLICY)
            await send(message)

        await self._app(scope, receive, secured if scope["type"] == "http" else send)


class Bodies:
    """Reads the body of a request within its limits; JSON has to be JSON as the standard says (no NaN), and shallow."""

    def __init__(self, app: ASGIApp, limit: int = BODY_LIMIT, streamed: Iterable[str] = ()) -> None:
        self._app = app
        self._limit = limit
        self._streamed = tuple(streamed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["method"] in SAFE or scope["path"].startswith(self._streamed):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            body = await self._read(headers, receive)
            if "json" in headers.get("content-type", ""):
                check_json(body)
        except TerrafairError as error:
            await refused(error, scope["path"])(scope, receive, send)
            return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, again, send)

    async def _read(self, headers: Mapping[str, str], receive: Receive) -> bytes:
        announced = headers.get("content-length", "")
        if announced.isdigit() and int(announced) > self._limit:
            raise too_large(self._limit)
        chunks: list[bytes] = []
        size = 0
        while True:
            message: Any = await receive()
            if message["type"] == "http.disconnect":
                return b"".join(chunks)
            chunks.append(message.get("body", b""))
            size += len(chunks[-1])
            if size > self._limit:
                raise too_large(self._limit)
            if not message.get("more_body"):
                return b"".join(chunks)


def refused(error: TerrafairError, path: str) -> JSONResponse:
    """The error in the form that clients of the interface read."""
    return of_openeo(error) if path.startswith(f"{OPEN}/") else answer(error, path)


def too_large(limit: int) -> InvalidInput:
    """The error for a body over the limit."""
    return InvalidInput(
        f"The request is larger than {limit // 2**20} MiB.",
        remedy="Upload data as a file (POST /api/uploads) and name its reference.",
        code="too-large",
    )


def check_json(body: bytes) -> None:
    """Raise `InvalidInput` for a body that is no JSON, or nested so deeply that some later reader would give up."""
    if not body.strip():
        return
    if body.count(b"[") + body.count(b"{") > DEPTH_LIMIT and depth(body) > DEPTH_LIMIT:
        raise InvalidInput(f"The body is nested more than {DEPTH_LIMIT} levels deep.", where="body", code="too-deep")
    try:
        orjson.loads(body)
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(
            f"The body is not valid JSON: {fault}.", "NaN and Infinity are no JSON.", where="body", code="invalid-json"
        ) from None


def depth(body: bytes) -> int:
    """Levels of nesting, counted no further than one over the limit."""
    left = _TEXTS.sub(b"", body).translate(_TO_BRACKETS, _NO_BRACKETS)
    for level in range(DEPTH_LIMIT + 1):
        if not left:
            return level
        shorter = left.replace(b"[]", b"")
        if len(shorter) == len(left):
            # Unbalanced: no JSON, as the parser will say.
            return level
        left = shorter
    return DEPTH_LIMIT + 1
