"""Passes what is asked below `/workspaces` on to the hub and the servers, for those whose servers they are.

The platform's session says who somebody is; it is not passed on, since what answers is a person's own program. Neither
may such a program set the platform's cookies.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx2
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import Receive, Scope, Send

from terrafair.api.problems import answer
from terrafair.errors import NotFound, TerrafairError, Unreachable
from terrafair.identity.access import Actor
from terrafair.identity.asking import actor
from terrafair.identity.person import NotSignedIn, absent
from terrafair.workspaces.orders import ROUTES
from terrafair.workspaces.proof import HEADER, prove

PREFIX = "/workspaces"
PAGE = "/develop/workspaces"
HUB = (
    "/workspaces/hub/platform-login",
    "/workspaces/hub/login",
    "/workspaces/hub/api/oauth2/",
    "/workspaces/hub/static/",
    "/workspaces/hub/logo",
)
"""All of the hub that people need; the rest of its pages would offer what the platform does."""
OWN = "terrafair_"
"""Beginning of the names of the platform's cookies."""
HOP = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
     "upgrade", "content-length", "authorization", "cookie", HEADER.lower()}
)  # fmt: skip
BEYOND = frozenset({"service-worker-allowed", "clear-site-data"})
"""Headers by which an answer would reach the platform's own pages, which have the same origin."""
WEBSOCKET = frozenset({"sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions",
                       "sec-websocket-protocol", "origin", "host"})  # fmt: skip
ADMITTED_SECONDS = 2.0
"""How long a websocket may pass on after its session has ended."""
TIMEOUT = httpx2.Timeout(None, connect=10)


class Passing:
    """An ASGI application."""

    def __init__(self, folder: Path, secret: Callable[[], str], admits: Callable[[Actor, str, str], bool]) -> None:
        """`admits` says whether somebody may reach a person's server in a project."""
        self._folder = folder
        self._secret = secret
        self._admits = admits
        self._http: httpx2.AsyncClient | None = None
        self._table: tuple[int, dict[str, str]] = (0, {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or one websocket."""
        path = scope["path"] if scope["path"].startswith(PREFIX) else PREFIX + scope["path"]
        try:
            proof = self._admit(path)
            if proof is None:
                await RedirectResponse(PAGE, 303)(scope, receive, send)
                return
            target = self._target(path)
            if scope["type"] == "websocket":
                await self._websocket(scope, receive, send, target + path)
            elif scope["type"] == "http":
                await self._pass(scope, receive, send, (target + path, proof))
        except TerrafairError as error:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008})
            else:
                await answer(error, path)(scope, receive, send)

    def _admit(self, path: str) -> str | None:
        """What proves to the hub who it is; empty for a server, None where people have no business."""
        who = actor()
        if not who.person:
            raise absent()
        parts = unquote(path).split("/")
        if len(parts) > 4 and parts[2] == "user":
            if not self._admits(who, parts[3], parts[4]):
                raise NotFound("There is no such workspace of yours.", remedy=f"Yours: {PAGE}.", where="workspace")
            return ""
        return prove(self._secret(), who.person) if path.startswith(HUB) else None

    def _target(self, path: str) -> str:
        routes = self._routes()
        best = max((spec for spec in routes if f"{path}/".startswith(spec)), key=len, default="")
        if not best or (path.startswith(f"{PREFIX}/user/") and "/user/" not in best):
            raise NotFound("This workspace is not open.", remedy=f"Open it: {PAGE}.", where="workspace")
        return routes[best].rstrip("/")

    def _routes(self) -> dict[str, str]:
        file = self._folder / ROUTES
        try:
            written = file.stat().st_mtime_ns
            if written != self._table[0]:
                table = json.loads(file.read_text("utf-8"))
                self._table = written, {spec: each["target"] for spec, each in table.items()}
        except (OSError, ValueError):
            return {}
        return self._table[1]

    async def _pass(self, scope: Scope, receive: Receive, send: Send, way: tuple[str, str]) -> None:
        if self._http is None:
            self._http = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False, limits=httpx2.Limits(max_connections=500))
        url, proof = way
        headers = Headers(scope=scope)
        sent = [*_kept(headers), ("cookie", _cookies(headers)), *((HEADER, proof) for _ in range(bool(proof)))]
        body = _body(receive) if scope["method"] not in {"GET", "HEAD"} else None
        if body is not None and "content-length" in headers:
            sent.append(("content-length", headers["content-length"]))
        request = self._http.build_request(scope["method"], _address(url, scope), headers=sent, content=body)
        try:
            reply = await self._http.send(request, stream=True)
        except httpx2.TransportError as fault:
            raise Unreachable("The workspace does not answer.", str(fault), "Look again in a moment.") from None
        try:
            given = [(name, value) for name, value in reply.headers.multi_items() if name.lower() in {"content-length"}
                     or (name.lower() not in HOP and not _ours(name, value))]  # fmt: skip
            pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in given]
            await send({"type": "http.response.start", "status": reply.status_code, "headers": pairs})
            with suppress(httpx2.TransportError):
                async for block in reply.aiter_raw():
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await reply.aclose()

    async def _websocket(self, scope: Scope, receive: Receive, send: Send, url: str) -> None:
        from websockets.asyncio.client import connect
        from websockets.exceptions import WebSocketException

        headers = Headers(scope=scope)
        sent = [each for each in _kept(headers) if each[0] not in WEBSOCKET]
        sent.append(("Cookie", _cookies(headers)))
        address = _address("ws" + url.removeprefix("http"), scope)
        try:
            far = await connect(
                address, subprotocols=list(scope.get("subprotocols", ())) or None, additional_headers=sent,
                max_size=None, compression=None, proxy=None, user_agent_header=None,
            )  # fmt: skip
        except (OSError, WebSocketException) as fault:
            raise Unreachable("The workspace does not answer.", str(fault)) from None
        try:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": far.subprotocol})
            admitted = asyncio.ensure_future(self._while_admitted(scope))
            tasks = {asyncio.ensure_future(_outward(receive, far)), asyncio.ensure_future(_inward(far, send)), admitted}
            done, left = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in left:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            code = 1008 if admitted in done else 1000
            with suppress(RuntimeError):
                await send({"type": "websocket.close", "code": code})
        finally:
            await far.close()

    async def _while_admitted(self, scope: Scope) -> None:
        """Until who opened it may reach the server no longer: signed out, or out of the project."""
        _, _, person, project, *_ = [*unquote(scope["path"].removeprefix(PREFIX)).split("/"), "", "", ""]
        while True:
            await asyncio.sleep(ADMITTED_SECONDS)
            try:
                who = await scope["state"]["again"]()
            except NotSignedIn:
                return
            except TerrafairError:
                # The database is away for a moment; the next look may find it well.
                continue
            if not self._admits(who.actor, person, project):
                return


async def _outward(receive: Receive, far: Any) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        text, data = message.get("text"), message.get("bytes")
        await far.send(text if text is not None else data)


async def _inward(far: Any, send: Send) -> None:
    async for message in far:
        kind = "text" if isinstance(message, str) else "bytes"
        await send({"type": "websocket.send", kind: message})


async def _body(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        more = message.get("more_body", False)
        yield message.get("body", b"")


def _kept(headers: Headers) -> Iterable[tuple[str, str]]:
    return ((name, value) for name, value in headers.items() if name.lower() not in HOP)


def _cookies(headers: Headers) -> str:
    """The browser's cookies without the platform's."""
    pairs = (each.strip() for each in headers.get("cookie", "").split(";"))
    return "; ".join(each for each in pairs if each and not each.startswith(OWN))


def _ours(name: str, value: str) -> bool:
    """Whether a header would reach beyond the workspaces: a cookie that is seen there, a wider service worker."""
    if name.lower() in BEYOND:
        return True
    if name.lower() != "set-cookie":
        return False
    try:
        cookie = SimpleCookie(value)
    except CookieError:
        return True
    return any(key.startswith(OWN) or not each["path"].startswith(PREFIX) for key, each in cookie.items())


def _address(url: str, scope: Scope) -> str:
    raw = scope.get("raw_path", b"").decode("latin-1")
    if raw.startswith(f"{PREFIX}/"):
        # As it was sent: a name may hold an escaped slash.
        url = url[: len(url) - len(scope["path"])] + raw if url.endswith(scope["path"]) else url
    query = scope["query_string"].decode("latin-1")
    return f"{url}?{query}" if query else url
