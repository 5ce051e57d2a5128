"""JSON bodies, read with limits; and the versions that documents have."""

import hashlib
from typing import Any

import orjson
from starlette.requests import Request

from terrafair.catalogue.items.search import Stored
from terrafair.errors import Conflict, InvalidInput

SEARCH_BYTES = 2 * 2**20
DOCUMENT_BYTES = 20 * 2**20
DRAINED_BYTES = 256 * 2**20
"""A body that is too long is read to its end up to here, since many clients hear nothing before they have sent it."""


async def read_json(request: Request, limit: int) -> Any:
    """The body; raises `InvalidInput` for one that is too long or no JSON (`NaN` is none)."""
    parts: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size <= limit:
            parts.append(chunk)
        elif size > DRAINED_BYTES:
            break
    if size > limit:
        raise InvalidInput(
            f"The body has over {limit} bytes.", f"At most {limit} are read here.", where="body", code="too-large"
        )
    try:
        return orjson.loads(b"".join(parts))
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(f"The body is no JSON: {fault}.", remedy="Send application/json.", where="body") from None


def version(stored: Stored) -> str:
    """An ETag: the same for as long as the document is, wherever it is read."""
    return f'"{hashlib.blake2b(stored.head + stored.links, digest_size=12).hexdigest()}"'


def named(header: str, version: str) -> bool:
    """Whether a list of ETags has one, `*` or a weak form included."""
    return any(part.strip().removeprefix("W/") in {version, "*"} for part in header.split(","))


def check_version(request: Request, stored: Stored) -> None:
    """Raise `Conflict` where the caller knows another version than the one that is there (`If-Match`)."""
    asked = request.headers.get("if-match")
    if asked is not None and not named(asked, version(stored)):
        raise Conflict(
            f"{stored.id[:80]!r} has been changed meanwhile.",
            "`If-Match` names another version.",
            "Read it again.",
            code="precondition-failed",
        )
