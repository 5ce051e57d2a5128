"""CORS as the openEO API demands it: any page may ask, since every right comes with a bearer token, never a cookie."""

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from terrafair.api.cross_origin import adding, preflight

HEADERS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"Link, Location, OpenEO-Costs, OpenEO-Identifier"),
)
PREFLIGHT = (
    (b"access-control-allow-headers", b"Authorization, Content-Type"),
    (b"access-control-max-age", b"600"),
    (b"content-type", b"application/json"),
)


class CrossOrigin:
    """Adds the headers to every answer, and answers `OPTIONS` itself."""

    def __init__(self, app: ASGIApp, routes: list[BaseRoute]) -> None:
        self._app = app
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "OPTIONS":
            methods = ", ".join(["OPTIONS", *self._methods(scope)]).encode()
            await preflight(send, (*HEADERS, *PREFLIGHT, (b"access-control-allow-methods", methods)))
            return
        await self._app(scope, receive, adding(send, HEADERS))

    def _methods(self, scope: Scope) -> list[str]:
        """The methods of the endpoint; all where there is no such endpoint, which the request itself will say."""
        found = {
            method
            for route in self._routes
            if isinstance(route, Route) and route.matches({**scope})[0] is not Match.NONE
            for method in route.methods or ()
        }
        order = ("GET", "POST", "PATCH", "PUT", "DELETE")
        return [method for method in order if method in found or not found]
