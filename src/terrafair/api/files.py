"""Routes about bytes: what jobs made, and what people bring."""

import asyncio
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from terrafair.api.runs import Runs
from terrafair.errors import InvalidInput

UPLOAD_LIMIT = 20 * 1024**3


def router(runs: Runs) -> APIRouter:
    """`/api/jobs/{id}/results`, `/files`, `/reproduction` and `/api/uploads`."""
    routes = APIRouter(prefix="/api", tags=["results"])

    @routes.get("/jobs/{id}/results")
    def results(id: str, request: Request) -> dict[str, Any]:  # noqa: A002
        """What the job made, each file with its address, size and checksum."""
        return runs.results(id, str(request.base_url).rstrip("/"))

    @routes.get("/jobs/{id}/reproduction")
    def reproduction(id: str) -> dict[str, Any]:  # noqa: A002
        """How the result compares with the published product."""
        return runs.reproduction(id)

    @routes.get("/jobs/{id}/files/{name:path}")
    def file(id: str, name: str) -> StreamingResponse:  # noqa: A002
        """One file of the results."""
        content = runs.file(id, name)
        headers = {
            "Content-Length": str(content.size),
            "X-Content-Type-Options": "nosniff",
            # User content must not run as a page of this origin.
            "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(PurePosixPath(name).name)}",
        }
        return StreamingResponse(content.chunks, media_type=content.media_type, headers=headers)

    @routes.post("/uploads", status_code=201)
    async def upload(request: Request, name: str) -> dict[str, Any]:
        """Bring a local file to the platform; `reference` can then stand in inputs."""
        plain = PurePosixPath(name).name
        if not plain or plain in {".", ".."} or len(plain) > 200:
            raise InvalidInput(f"{name!r} is no file name.", where="name")
        with tempfile.TemporaryDirectory() as folder:
            path, size, digest = Path(folder) / "upload", 0, hashlib.sha256()
            with path.open("wb") as out:
                async for chunk in request.stream():
                    size += len(chunk)
                    if size > UPLOAD_LIMIT:
                        raise InvalidInput("The file is larger than 20 GiB.", remedy="Put it into S3 and name its URL.")
                    digest.update(chunk)
                    out.write(chunk)
            reference = await asyncio.to_thread(runs.upload, path, plain, digest.hexdigest())
        return {"reference": reference, "size": size, "sha256": digest.hexdigest()}

    return routes
