"""Refuses changes while the platform is read-only, and uploads while its disk has no room."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from terrafair.api.cross_origin import SAFE
from terrafair.api.guard import STREAMED, refused
from terrafair.errors import TerrafairError

READS = ("/search", "/aggregate", "/api/estimate", "/openeo/validation")
"""Ends of paths at which a POST only asks."""
OWN = ("/account/sign-", "/workspaces/", "/tiles/", "/admin/read-only", "/api/operation/")
"""Beginnings of paths that stay open: sessions, people's own servers, pictures, and the way back."""


class Intake:
    """Between the reception, which knows who asks, and the routes."""

    def __init__(
        self,
        app: ASGIApp,
        closed: Callable[[], TerrafairError | None],
        full: Callable[[], TerrafairError | None],
    ) -> None:
        """`closed` tells why nothing is changed, `full` why nothing is uploaded; None: it is taken."""
        self._app = app
        self._closed = closed
        self._full = full

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        path = scope.get("path", "")
        if scope["type"] != "http" or scope["method"] in SAFE or path.endswith(READS) or path.startswith(OWN):
            await self._app(scope, receive, send)
            return
        error = await run_in_threadpool(self._why, path, scope["method"])
        if error is None:
            await self._app(scope, receive, send)
            return
        await refused(error, path)(scope, receive, send)

    def _why(self, path: str, method: str) -> TerrafairError | None:
        uploads = path.startswith(STREAMED) and method != "DELETE"
        return self._closed() or (self._full() if uploads else None)
