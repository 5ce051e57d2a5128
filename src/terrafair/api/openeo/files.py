"""A person's files: `/files`."""

import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from terrafair.api.openeo.asking import PAGE, Document, Limit, Offset, page_links, signed_in
from terrafair.api.openeo.delivery import streamed
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.api.openeo.user_files import UserFiles
from terrafair.identity.person import Authenticator, Person


def router(files: UserFiles, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    person = signed_in(authenticator)
    Who = Annotated[Person, Depends(person)]  # noqa: N806 - a type

    @routes.get("/files")
    def listing(request: Request, who: Who, limit: Limit = None, offset: Offset = 0) -> Document:
        """All, by path."""
        most = min(limit or PAGE, PAGE)
        found = files.listing(who)
        shown = [each.document() for each in found[offset : offset + most]]
        return {"files": shown, "links": page_links(request, most, offset, len(found) > offset + most)}

    @routes.get("/files/{path:path}")
    def download(path: str, who: Who) -> Response:
        """One file's bytes."""
        content = files.open(who, path)
        headers = {**streamed(path), "Content-Length": str(content.size), "Content-Disposition": "attachment"}
        return StreamingResponse(content.chunks, media_type="application/octet-stream", headers=headers)

    @routes.put("/files/{path:path}")
    async def upload(path: str, request: Request, who: Who) -> Document:
        """Store the body as a file."""
        files.check_path(path)
        announced = request.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > files.quota:
            raise OpenEOFault("FileSizeExceeded", size=f"{files.quota} bytes")
        with tempfile.TemporaryDirectory() as folder:
            local, size = Path(folder) / "upload", 0
            with local.open("wb") as out:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > files.quota:
                        raise OpenEOFault("FileSizeExceeded", size=f"{files.quota} bytes")
                    out.write(chunk)
            stored = await run_in_threadpool(files.put, who, path, local)
        return stored.document()

    @routes.delete("/files/{path:path}", status_code=204)
    def delete(path: str, who: Who) -> Response:
        """Forget one."""
        files.delete(who, path)
        return Response(status_code=204)

    return routes
