"""Which form of a resource a caller wants, and the links between the forms."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import Scope

from terrafair.errors import InvalidInput

Document = dict[str, Any]
JSON, HTML, GEOJSON = "application/json", "text/html", "application/geo+json"
FORMS = {"json": JSON, "html": HTML, "geojson": GEOJSON, "application/json": JSON, "text/html": HTML}


def wants_html(query: str, accept: str) -> bool:
    """Whether a page is wanted rather than a document: by `f`, else by the Accept header, a tie being for machines."""
    if asked := parse_qs(query).get("f"):
        return asked[-1] in {"html", HTML}
    weights = _weights(accept)
    page = weights.get(HTML, 0.0)
    return page > 0 and page > max((weight for kind, weight in weights.items() if "json" in kind), default=0.0)


def _weights(accept: str) -> dict[str, float]:
    found = {}
    for part in accept.split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        found[kind.lower()] = weight
    return found


def html(request: Request) -> bool:
    """Whether this request wants a page; raises `InvalidInput` for a form that there is not."""
    asked = request.query_params.get("f")
    if asked is not None and asked not in FORMS:
        raise InvalidInput(f"There is no form f={asked[:40]!r}.", remedy="Forms: json, html.", where="f")
    return wants_html(request.url.query, request.headers.get("accept", ""))


class MachineRoute(APIRoute):
    """A route that lets the portal's page of the same path answer those who want a page."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Fit only what wants a document."""
        if scope["type"] == "http" and scope["method"] in {"GET", "HEAD"}:
            query = scope.get("query_string", b"").decode("latin-1")
            if wants_html(query, Headers(scope=scope).get("accept", "")):
                return Match.NONE, {}
        return super().matches(scope)


def base_of(request: Request) -> str:
    """Where this platform is, as the caller sees it, without a slash at the end."""
    return str(request.base_url).rstrip("/")


def link(href: str, rel: str, kind: str = JSON, title: str = "") -> Document:
    """One link object."""
    return {"href": href, "rel": rel, "type": kind, **({"title": title} if title else {})}


def forms(request: Request, title: str = "", *, page: bool = True) -> list[Document]:
    """`self`, and the other form as `alternate`."""
    url = address(request)
    found = [link(url, "self", JSON, title)]
    if page:
        found.append(link(address(request, f="html"), "alternate", HTML, "This document as a page"))
    return found


def address(request: Request, **changes: Any) -> str:
    """This request's address with other query parameters; None drops one."""
    query = [(name, value) for name, value in request.query_params.multi_items() if name not in {*changes, "f"}]
    query += [(name, str(value)) for name, value in changes.items() if value is not None]
    return base_of(request) + request.url.path + (f"?{urlencode(query)}" if query else "")


def whole(parameters: Mapping[str, str], name: str, default: int, most: int, least: int = 1) -> int:
    """A whole number among query parameters; over the most it counts as the most."""
    text = parameters.get(name)
    if text is None or text == "":
        return default
    try:
        number = int(text)
    except ValueError:
        number = least - 1
    if number < least or len(text) > 18:
        what = f"{name} is {text[:40]!r}."
        raise InvalidInput(what, f"It takes a whole number from {least} to {most}.", where=name)
    return min(number, most)
