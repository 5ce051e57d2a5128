"""JSON bodies, read with limits."""

from typing import Any

import orjson
from starlette.requests import Request

from terrafair.errors import InvalidInput

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
