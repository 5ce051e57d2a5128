"""Pages for people whom a layer in front of the routes turns away; a form that they sent comes back with it.

Those layers - origins, sizes, rates, a session's token, read-only times - answer programs in the one shape of
errors, and know no pages. A browser gets its answer through here, and what was typed stands on it, to be sent again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fastapi import Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from terrafair.portal.interrupted import FORMS, ours
from terrafair.portal.page import Pages
from terrafair.portal.readable import looked_at, page_of

PROBLEM = b"application/problem+json"
TYPED = 2**20
"""Bytes of a form that come back; nobody types more."""
DRAINED = 2**26
"""Bytes of a form too large that are read on: a browser that cannot end its sentence hears no answer."""
Fields = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Sent:
    """A form that was not taken."""

    fields: Fields
    files: bool = False
    """Whether there were files, which a page cannot give back."""


@dataclass(slots=True)
class _Overheard:
    """The body of a request, as far as somebody has read it."""

    receive: Receive
    body: list[bytes] = field(default_factory=list)
    size: int = 0
    ended: bool = False

    async def __call__(self) -> Message:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            self.ended = True
            return message
        part = message.get("body", b"")
        self.size += len(part)
        if self.size <= TYPED:
            self.body.append(part)
        else:
            self.body.clear()
        self.ended = self.ended or not message.get("more_body", False)
        return message

    async def to_the_end(self, limit: int) -> None:
        while not self.ended and self.size <= limit:
            await self()

    @property
    def whole(self) -> bytes | None:
        return b"".join(self.body) if self.ended and self.size <= TYPED else None


class TurnedAway:
    """Outside of every layer that refuses."""

    def __init__(self, app: ASGIApp, pages: Pages) -> None:
        self._app = app
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; what is no refusal, or is for programs, passes as it is."""
        if scope["type"] != "http" or not looked_at(Request(scope)):
            await self._app(scope, receive, send)
            return
        heard = _Overheard(receive)
        start: Message = {}
        said: list[bytes] = []

        async def kept(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _refuses(message):
                start = message
            elif not start:
                await send(message)
            else:
                said.append(message.get("body", b""))
                if not message.get("more_body"):
                    reply = await self._page(scope, heard, start, b"".join(said))
                    await reply(scope, receive, send)

        await self._app(scope, heard, kept)

    async def _page(self, scope: Scope, heard: _Overheard, start: Message, said: bytes) -> Response:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in start["headers"]}
        plain = Response(said, start["status"], headers)
        request = Request(scope)
        try:
            sent = await _sent(request, heard, start["status"]) if request.method == "POST" else None
            page = await run_in_threadpool(page_of, request, plain, self._pages, sent)
        except Exception:
            # What makes the layers refuse (a database that is away) may break the page too: the answer still holds.
            return plain
        for name in ("x-request-id", "set-cookie"):
            if name in headers:
                page.headers[name] = headers[name]
        return page


def _refuses(message: Message) -> bool:
    kind = next((value for name, value in message.get("headers", ()) if name.lower() == b"content-type"), b"")
    return bool(message["status"] >= 400 and kind.startswith(PROBLEM))


async def _sent(request: Request, heard: _Overheard, status: int) -> Sent | None:
    """The form, where a page of this platform has sent it; what another site made up nobody is asked to send."""
    if not request.headers.get("content-type", "").startswith(FORMS):
        return None
    await heard.to_the_end(DRAINED if status == 413 else TYPED)
    body = heard.whole
    if body is None or not ours(request.headers):
        return None

    async def again() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    try:
        async with Request(request.scope, again).form(max_files=100, max_fields=1000) as given:
            pairs = given.multi_items()
            files = any(isinstance(each, UploadFile) and each.filename for _, each in pairs)
            fields: dict[str, list[str]] = {}
            for name, each in pairs:
                if isinstance(each, str) and name != "csrf":
                    fields.setdefault(name, []).append(each)
    except HTTPException:
        return None
    return Sent(fields, files)
