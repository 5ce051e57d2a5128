"""Routes about bytes: what jobs made, and what people bring."""

import asyncio
import hashlib
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.api.runs import Runs
from terrafair.api.sending import sent
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
    def file(id: str, name: str, request: Request) -> Response:  # noqa: A002
        """One file of the results, or a range of its bytes."""
        objects, key = runs.stored(id, name)
        headers = {
            "X-Content-Type-Options": "nosniff",
            # User content must not run as a page of this origin.
            "Content-Security-Policy": "sandbox; default-src 'none'; img-src 'self'; style-src 'unsafe-inline'",
            "Content-Disposition": f"inline; filename*=UTF-8''{quote(PurePosixPath(name).name)}",
        }
        wanted = request.headers.get("range", "")
        return sent(objects, key, headers, wanted=wanted, only_head=request.method == "HEAD")

    # Readers of COGs ask for the headers first.
    routes.add_api_route("/jobs/{id}/files/{name:path}", file, methods=["HEAD"], include_in_schema=False)

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
