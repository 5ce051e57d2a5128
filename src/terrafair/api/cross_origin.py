"""What pages of other sites may ask for: what is open to everybody, and it is answered as a visitor is."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OPEN = re.compile(
    r"/(?:stac|features|records|processes|tiles)(?:/.*)?|/(?:conformance|capabilities|api|openapi\.json|health)?"
)
_QUESTION = re.compile(r"/stac/(?:collections/[^/]+/)?(?:search|aggregate)|/tiles/jobs/.*/area")
"""POSTs that change nothing."""
_ALLOWED = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Link, Location, ETag, Content-Crs, Preference-Applied, X-Request-Id"),
)
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-allow-headers", b"Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match"),
    (b"access-control-max-age", b"600"),
)
Pairs = tuple[tuple[bytes, bytes], ...]
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def foreign(headers: Mapping[str, str]) -> bool:
    """Whether a page of another site has a browser send this."""
    origin = headers.get("origin")
    if not origin:
        return False
    try:
        return urlsplit(origin).netloc != headers.get("host", "")
    except ValueError:
        return True


def welcome(method: str, path: str, headers: Mapping[str, str]) -> bool:
    """Whether a page of another site may send this: questions, and changes for which it shows a token of its own.

    A browser adds cookies by itself, and this machine's address is no secret; a token it does not add.
    """
    if method in SAFE:
        return True
    return bool(_QUESTION.fullmatch(path) or (_OPEN.fullmatch(path) and headers.get("authorization")))


class CrossOrigin:
    """Lets every page read the answers of open routes, and answers browsers that ask whether it may.

    The headers are always the same, so that caches may keep the answers for everybody. They let no page read what a
    browser's cookie opens: with `*` no browser shows an answer to a request that carried one.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or not _OPEN.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope):
            await preflight(send, (*_ALLOWED, *_PREFLIGHT))
            return
        await self._app(scope, receive, adding(send, _ALLOWED))


async def preflight(send: Send, headers: Pairs) -> None:
    """Tell a browser what it may ask for."""
    await send({"type": "http.response.start", "status": 204, "headers": [*headers]})
    await send({"type": "http.response.body", "body": b""})


def adding(send: Send, headers: Pairs) -> Send:
    """Send an answer with these headers too."""

    async def added(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *headers]
        await send(message)

    return added
