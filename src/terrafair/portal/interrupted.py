"""A form that comes from somebody who is signed in no more: kept, and shown again after the sign-in."""

from urllib.parse import quote, urlsplit

from fastapi import Request
from fastapi.responses import RedirectResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.portal.kept import Draft, Kept
from terrafair.portal.page import Pages

WORDS = ("run", "publish", "projects", "admin", "results", "develop")
SIGN_IN = "/account/sign-in"
KEPT = "/account/kept"
COOKIE = "terrafair_kept"
"""Holds the secret of what was left behind, so that only this browser gets it back."""
SECONDS = 86_400
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
LARGEST = 16 * 2**20


class Interrupted:
    """Answers what the reception refuses to visitors, where it is one of our own pages' forms."""

    def __init__(self, kept: Kept, pages: Pages) -> None:
        self._kept = kept
        self._pages = pages

    def takes(self, scope: Scope) -> bool:
        """Whether a browser has sent it from a page of ours."""
        headers = Headers(scope=scope)
        word = scope["path"].strip("/").partition("/")[0]
        form = headers.get("content-type", "").startswith(FORMS)
        page = "text/html" in headers.get("accept", "")
        return bool(scope["method"] == "POST" and word in WORDS and form and page and ours(headers))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Keep it, and go to the sign-in."""
        request = Request(scope, _bounded(receive))
        reply: Response
        try:
            async with request.form(max_files=100, max_fields=1000) as given:
                fields = {name: [str(each) for each in given.getlist(name) if isinstance(each, str)] for name in given}
            secret = await run_in_threadpool(self._kept.leave, scope["path"], _plain(fields))
        except (TerrafairError, HTTPException) as fault:
            error = (
                fault if isinstance(fault, TerrafairError) else InvalidInput(f"The form cannot be read: {fault.detail}")
            )
            reply = self._pages.problem(request, error)
        else:
            reply = RedirectResponse(f"{SIGN_IN}?next={quote(_back(scope['path']), safe='')}&ended=form", 303)
            secure = scope.get("scheme") == "https"
            reply.set_cookie(COOKIE, secret, max_age=SECONDS, httponly=True, samesite="lax", secure=secure)
        await reply(scope, receive, send)


def ours(headers: Headers) -> bool:
    """Whether a page of this platform sends it: by a header that no page can set, or by that page's address."""
    if said := headers.get("sec-fetch-site"):
        return said == "same-origin"
    named = headers.get("origin") or headers.get("referer") or ""
    try:
        return bool(named) and urlsplit(named).netloc == headers.get("host")
    except ValueError:
        return False


def _back(path: str) -> str:
    """Where what was typed is shown again: on its own page, or as a list."""
    words = path.strip("/").split("/")
    own = (words[0] == "run" and len(words) == 3) or (words[0] == "publish" and len(words) == 2)
    own = own or (words[:2] == ["publish", "edit"] and len(words) == 4)
    return f"{path}?kept=yes" if own else KEPT


def _plain(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: values for name, values in fields.items() if values and name != "csrf"}


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST:
            raise InvalidInput(
                "You are signed in no more, and the form holds too much to be kept.",
                "Its files are larger than 16 MiB.",
                "Sign in in another tab, come back to this one, and send it again: it is as you left it.",
                code="too-large",
            )
        return message

    return counted


def left(request: Request, kept: Kept, path: str) -> Draft | None:
    """What this browser left behind on a page."""
    secret = request.cookies.get(COOKIE, "")
    return kept.found(secret, path) if secret and request.query_params.get("kept") else None
