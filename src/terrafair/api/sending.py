"""Sends objects as answers: whole, in ranges (readers of COGs take parts only), or their headers alone."""

import re
from collections.abc import Mapping

from fastapi.responses import Response, StreamingResponse

from terrafair.data.objects import ObjectStore

PART = 8 * 2**20
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


def sent(
    objects: ObjectStore, key: str, headers: Mapping[str, str], *, wanted: str = "", only_head: bool = False
) -> Response:
    """An object as an answer; `wanted` is the header `Range` (RFC 9110).

    Several ranges at once, and what is no range of bytes, get the whole. Raises `NotFound`.
    """
    size, media_type = objects.head(key)
    told = {**headers, "Content-Length": str(size), "Accept-Ranges": "bytes"}
    if only_head:
        return Response(media_type=media_type, headers=told)
    found = _RANGE.fullmatch(wanted.strip()) if wanted else None
    if found is None or not (found[1] or found[2]):
        content = objects.open(key)
        told["Content-Length"] = str(content.size)
        return StreamingResponse(content.chunks, media_type=media_type, headers=told)
    start = int(found[1]) if found[1] else max(size - int(found[2]), 0)
    end = min(int(found[2]), size - 1) if found[1] and found[2] else size - 1
    if start > end:
        return Response(status_code=416, headers={"Content-Range": f"bytes */{size}"})
    told |= {"Content-Length": str(end - start + 1), "Content-Range": f"bytes {start}-{end}/{size}"}
    parts = (objects.part(key, place, min(PART, end - place + 1)) for place in range(start, end + 1, PART))
    return StreamingResponse(parts, 206, media_type=media_type, headers=told)
