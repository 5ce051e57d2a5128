"""Counts the bytes of data that leave, for the project whose data they are: one layer over all routes."""

import re
from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from terrafair.execution.egress import Source

COUNTED = (
    (Source.JOB, re.compile(r"/(?:api|tiles)/jobs/([^/]+)/")),
    (Source.JOB, re.compile(r"/jobs/([^/]+)/(?:results|outputs)(?:/|$)")),
    (Source.BATCH, re.compile(r"/openeo/results/([^/]+)/")),
)
"""Beginnings of addresses that give data of jobs."""
_STATES = re.compile(r"/api/jobs/[^/]+/(?!files/)")
"""What is said about a job is none of its data."""

Count = Callable[[Source, str, int], None]


class Metered:
    """The layer; only what is really sent counts, and only of answers that give something."""

    def __init__(self, app: ASGIApp, count: Count) -> None:
        self._app = app
        self._count = count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        found = whose(scope["path"]) if scope["type"] == "http" and scope["method"] != "HEAD" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        given, size = False, 0

        async def metered(message: Message) -> None:
            nonlocal given, size
            await send(message)
            if message["type"] == "http.response.start":
                given = 200 <= message["status"] < 300
            elif given:
                size += len(message.get("body", b""))

        try:
            await self._app(scope, receive, metered)
        finally:
            if size:
                self._count(*found, size)


def whose(path: str) -> tuple[Source, str] | None:
    """Of what an address gives data; None: it gives none."""
    if _STATES.match(path):
        return None
    return next(((source, match[1]) for source, pattern in COUNTED if (match := pattern.match(path))), None)
