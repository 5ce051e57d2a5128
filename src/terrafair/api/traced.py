"""The span of each request: the outermost layer, there only while traces are on."""

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from terrafair import tracing
from terrafair.tracing import Name

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
UNTOLD = ("/health", "/metrics", "/static/")
"""Asked for again and again, by programs that want to know nothing else."""


class Traced:
    """Goes on with the client's trace where there is one, by W3C Trace Context."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or scope["path"].startswith(UNTOLD):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        shown = Headers(scope=scope).get("traceparent")
        about = {"http.request.method": method, "url.scheme": scope["scheme"]}
        with tracing.span(Name.REQUEST, about, parent=shown) as span:
            # Not unbound: see the reception.
            structlog.contextvars.bind_contextvars(trace=tracing.trace())

            async def noted(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = int(message["status"])
                    request = Headers(raw=list(message["headers"])).get("x-request-id", "")
                    span.note({"http.response.status_code": status, "terrafair.request": request})
                    if status >= 500:
                        span.fail(str(status))
                await send(message)

            try:
                await self._app(scope, receive, noted)
            finally:
                _name(span, method, route(scope))


def route(scope: Scope) -> str:
    """The pattern of the route that answered; empty where none did. A path itself may hold anything."""
    found = getattr(scope.get("route"), "path", "")
    mounted = str(scope.get("root_path", "")).lstrip("/").partition("/")[0]
    return f"/{mounted}{found}" if mounted and found else str(found)


def _name(span: tracing.Span, method: str, path: str) -> None:
    word = "HTTP" if method == "_OTHER" else method
    span.rename(f"{word} {path}".strip())
    if path:
        span.note({"http.route": path})
