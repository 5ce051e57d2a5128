"""CORS as the openEO API demands it: any page may ask, since every right comes with a bearer token, never a cookie."""

from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
            headers = [*HEADERS, *PREFLIGHT, (b"access-control-allow-methods", methods)]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
            return

        async def added(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *HEADERS]
            await send(message)

        await self._app(scope, receive, added)

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
