"""Keeps other web pages from using a person's browser against the platform on their own machine."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response

from terrafair.api.problems import answer
from terrafair.errors import Refused

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
OPEN = "/openeo"
"""An interface for pages of any origin: rights there come with a bearer token, which no browser sends by itself."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
}
PAGE_POLICY = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'"


def guard(app: FastAPI, host: str) -> None:
    """Refuse foreign host names (DNS rebinding) and changes asked for by other origins; add security headers."""
    names = LOOPBACK if host in LOOPBACK else frozenset()

    @app.middleware("http")
    async def check(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        asked = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        if names and asked not in names:
            refusal = Refused(f"This platform is not {asked!r}.", "It answers on this machine only.")
            return answer(refusal, request.url.path)
        origin = request.headers.get("origin")
        guarded = request.method not in SAFE and not request.url.path.startswith(f"{OPEN}/")
        if guarded and origin and urlsplit(origin).netloc != request.headers.get("host"):
            return answer(Refused(f"A page of {origin} may not change things here."), request.url.path)
        reply = await proceed(request)
        for name, value in HEADERS.items():
            reply.headers.setdefault(name, value)
        if request.url.path not in {"/docs", "/redoc"}:
            reply.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
        return reply
