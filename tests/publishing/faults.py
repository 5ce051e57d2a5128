"""Faults between a client and a stand-in: replies of our making, silence, connections that break."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What happens to one request."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    message: str = "Planned"
    after: bool = False
    """The request is carried out first: only its answer is lost or replaced."""
    drop: bool = False
    """The connection breaks instead of an answer."""
    wait: float = 0.0


@dataclass
class Faulty:
    """An ASGI application in front of another, with faults by request."""

    application: Any
    planned: list[tuple[str, str, Fault]] = field(default_factory=list)
    """(method, end of the path, fault), each used once, in order of fitting."""
    seen: list[tuple[str, str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def plan(self, method: str, path: str, fault: Fault, times: int = 1) -> None:
        self.planned += [(method, path, fault)] * times

    def count(self, method: str, path: str = "") -> int:
        return sum(m == method and path in p for m, p in self.seen)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await self.application(scope, receive, send)
            return
        method, path = scope["method"], scope["path"]
        self.seen.append((method, path))
        self.headers.append({key.decode(): value.decode() for key, value in scope["headers"]})
        fitting = next((each for each in self.planned if each[0] == method and path.endswith(each[1])), None)
        if fitting is None:
            await self.application(scope, receive, send)
            return
        self.planned.remove(fitting)
        fault = fitting[2]
        await asyncio.sleep(fault.wait)
        if fault.after:

            async def swallow(message: dict[str, Any]) -> None:
                return

            await self.application(scope, receive, swallow)
        if fault.drop:
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"100")]})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionAbortedError
        body = json.dumps({"message": fault.message}).encode()
        headers = [(b"content-type", b"application/json"), *((k.encode(), v.encode()) for k, v in fault.headers)]
        await send({"type": "http.response.start", "status": fault.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
