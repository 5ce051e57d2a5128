"""What every route takes from a request: who is asking, a JSON body within bounds, where the API lies, which page."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import Query, Request

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.identity.person import Authenticator, Person

BODY_BYTES = 4 * 2**20
PAGE = 1000
"""Most entries of one page; fewer when the caller asks for fewer."""

Limit = Annotated[int | None, Query(ge=1)]
Offset = Annotated[int, Query(ge=0)]
Document = dict[str, Any]


def signed_in(authenticator: Authenticator) -> Callable[[Request], Person]:
    """A dependency that gives the person, or refuses."""

    def who(request: Request) -> Person:
        return authenticator.person(request.headers.get("authorization", ""))

    return who


def perhaps_signed_in(authenticator: Authenticator) -> Callable[[Request], Person | None]:
    """The same for routes that everybody may ask: a token that is there has to hold all the same."""

    def who(request: Request) -> Person | None:
        header = request.headers.get("authorization", "")
        return authenticator.person(header) if header else None

    return who


async def body(request: Request) -> Document:
    """The JSON object of a request; raises `OpenEOFault`."""
    media_type = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if media_type not in {"application/json", ""} and not media_type.endswith("+json"):
        raise OpenEOFault("ContentTypeInvalid", types="application/json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > BODY_BYTES:
            raise OpenEOFault("ProcessGraphComplexity", f"The request has more than {BODY_BYTES // 2**20} MiB.")
    # In a thread: parsing some megabytes would hold up everybody else.
    return await asyncio.to_thread(_parsed, bytes(content))


def _parsed(content: bytes) -> Document:
    try:
        document = json.loads(content, parse_constant=_no_constant)
    except RecursionError:
        raise OpenEOFault("ProcessGraphComplexity", "It is nested too deeply.") from None
    except ValueError as fault:
        raise OpenEOFault("RequestInvalid", reason=f"the body is no JSON: {fault}.") from None
    if not isinstance(document, dict):
        raise OpenEOFault("RequestInvalid", reason="the body is no JSON object.")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def base(request: Request) -> str:
    """The address of the API, without a slash at its end."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}".rstrip("/")


def page_links(request: Request, limit: int | None, offset: int, more: bool) -> list[Document]:
    """The link to the next page, where there is one."""
    if not limit or not more:
        return []
    following = request.url.include_query_params(limit=limit, offset=offset + limit)
    return [{"rel": "next", "href": str(following), "type": "application/json"}]


def text_of(document: Mapping[str, Any], name: str, most: int = 10_000) -> str | None:
    """An optional text of a body; raises `OpenEOFault`."""
    value = document.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > most):
        raise OpenEOFault("RequestInvalid", reason=f"`{name}` is no text of at most {most} characters.")
    return value
