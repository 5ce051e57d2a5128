"""What the application answers to programs, as a page for a person who has opened the address in a browser."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from terrafair.errors import Problem
from terrafair.identity.access import Actor
from terrafair.identity.asking import Asker, asking
from terrafair.portal.page import Pages
from terrafair.portal.words import NO_PAGE, NO_SUCH_METHOD

MACHINES = (
    "/stac", "/records", "/processes", "/collections", "/features", "/openeo", "/conformance", "/capabilities",
    "/openapi.json", "/.well-known", "/metrics", "/health",
)  # fmt: skip
"""Interfaces of standards and probes, whose errors have one shape whoever asks; those of `/api`, `/tiles` and all
others are also what people click on: a file's download, a report."""
POLICY = {"Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'", "X-Content-Type-Options": "nosniff"}
"""For what is answered in front of the layer that secures everything else."""
Handler = Callable[[Request, Any], Awaitable[Response]]


def looked_at(request: Request) -> bool:
    """Whether a person sees the answer: a browser goes there, and wants HTML before anything else."""
    if any(request.url.path == each or request.url.path.startswith(f"{each}/") for each in MACHINES):
        return False
    first = request.headers.get("accept", "").partition(",")[0].partition(";")[0].strip()
    return first == "text/html" and request.headers.get("sec-fetch-mode", "navigate") == "navigate"


def install(app: FastAPI, pages: Pages) -> None:
    """Let each handler of errors that the application has answer people by pages."""
    for kind, plain in list(app.exception_handlers.items()):
        app.add_exception_handler(kind, _either(plain, pages))


def _either(plain: Any, pages: Pages) -> Any:
    async def handle(request: Request, fault: Exception) -> Response:
        reply: Response = await plain(request, fault)
        try:
            return page_of(request, reply, pages) if looked_at(request) else reply
        except Exception:
            # What broke the request may break the page too (a database that is away): the plain answer still holds.
            return reply

    return handle


def page_of(request: Request, reply: Response, pages: Pages, sent: Any = None) -> Response:
    """The same status, and the same problems for people to read; `sent`: the form that was refused, to send again."""
    problems = tuple(Problem(**each) for each in json.loads(bytes(reply.body))["problems"])
    if problems and not problems[0].code.replace("error", ""):
        problems = _plainly(request, reply.status_code) or problems
    # A fault that nobody foresaw is answered outside of the layer that knows who asks.
    who = request.scope.get("state", {}).get("asker") or Asker(Actor())
    with asking(who):
        page = pages.problems(request, problems, reply.status_code, sent)
    for name in ("allow", "retry-after", "www-authenticate"):
        if name in reply.headers:
            page.headers[name] = reply.headers[name]
    if reply.status_code >= 500:
        page.headers.update(POLICY)
    return page


def _plainly(request: Request, status: int) -> tuple[Problem, ...]:
    """What the router says in two words."""
    what, why, remedy = {404: NO_PAGE, 405: NO_SUCH_METHOD}.get(status, ("", "", ""))
    if not what:
        return ()
    return (Problem(what.format(path=request.url.path[:200], method=request.method), why, remedy),)
