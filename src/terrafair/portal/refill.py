"""A form that was refused comes back on its own page: what was typed is in it, and what is wrong stands beside it.

The page of a form is the one whose address begins the form's: `/projects/lakes/invitations` is sent from
`/projects/lakes`. Its template asks `typed` and `wrong` for the form by that address.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute, Match

from terrafair.errors import Problem, TerrafairError


@dataclass(frozen=True, slots=True)
class Refused:
    """One form as it was sent, and why it was not taken."""

    action: str
    values: Mapping[str, tuple[str, ...]]
    problems: Sequence[Problem]


async def refilled(
    request: Request, routes: Sequence[BaseRoute], problems: Sequence[Problem], status: int
) -> Response | None:
    """The page with the form in it; None where there is no such page, or where it is refused, too."""
    form = await request.form()
    values = {name: tuple(text for text in form.getlist(name) if isinstance(text, str)) for name in form}
    parts = request.url.path.strip("/").split("/")
    for count in range(len(parts), 0, -1):
        scope: dict[str, Any] = {**request.scope, "method": "GET", "path": "/" + "/".join(parts[:count])}
        scope |= {"query_string": b"", "state": {**request.scope.get("state", {})}}
        scope["state"]["refused"] = Refused(request.url.path, values, problems)
        for route in routes:
            matched, child = route.matches(scope)
            if matched is Match.FULL and isinstance(route, APIRoute):
                page = await _shown(route, Request({**scope, **child}, request.receive))
                if page is not None:
                    page.status_code = status
                return page
    return None


async def _shown(route: APIRoute, request: Request) -> Response | None:
    try:
        page: Response = await route.get_route_handler()(request)
    except TerrafairError:
        return None
    # A page that leads elsewhere, or that is an error itself, holds no form.
    return page if page.status_code == 200 else None


def _of(request: Request, action: str) -> Refused | None:
    found: Refused | None = getattr(request.state, "refused", None)
    return found if found is not None and found.action == action else None


def typed(request: Request, action: str, name: str, default: Any = "") -> Any:
    """What was typed into a field of the form at `action`: a text, or all texts where `default` is a list."""
    found = _of(request, action)
    if found is None:
        return default
    values = found.values.get(name, ())
    return list(values) if isinstance(default, list) else (values[-1] if values else "")


def wrong(request: Request, action: str, name: str = "") -> list[Problem]:
    """What is wrong with the form at `action`; with `name`, only what is said of that field."""
    found = _of(request, action)
    return [each for each in found.problems if not name or each.where == name] if found else []
