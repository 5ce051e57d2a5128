"""The archive over HTTP: registration with Basic authentication, the STAC catalogue, and the files."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.publishing.standins.archive.library import PREFIX, Library, answer

Json = dict[str, Any]


def application(library: Library, people: Mapping[str, str]) -> Starlette:
    """The archive as an ASGI application; `people` maps user to password."""

    def user(request: Request) -> str:
        kind, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            name, _, password = base64.b64decode(text, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return ""
        known = people.get(name)
        right = kind.lower() == "basic" and known is not None and hmac.compare_digest(known, password)
        return name if right else ""

    async def taking(request: Request, take: Callable[[Json], Json]) -> Response:
        if not user(request):
            return JSONResponse({"detail": "Not authenticated"}, 401, {"WWW-Authenticate": "Basic"})
        try:
            document = await request.json()
        except ValueError:
            return JSONResponse({"detail": [{"loc": ["body"], "msg": "Input should be a valid dictionary"}]}, 422)
        if not isinstance(document, dict):
            return JSONResponse({"detail": [{"loc": ["body"], "msg": "Input should be a valid dictionary"}]}, 422)
        return await run_in_threadpool(_taken, take, document)

    async def add_item(request: Request) -> Response:
        name = request.path_params["collection"]
        return await taking(request, lambda document: library.add_item(name, document))

    async def add_collection(request: Request) -> Response:
        return await taking(request, library.add_collection)

    async def get(request: Request) -> Response:
        return await run_in_threadpool(_got, library, request.url.path)

    routes = [
        Route("/reg-api/collections", add_collection, methods=["POST"]),
        Route("/reg-api/collections/{collection}/items", add_item, methods=["POST"]),
        Route("/{path:path}", get, methods=["GET"]),
    ]
    return Starlette(routes=routes)


def _taken(take: Callable[[Json], Json], document: Json) -> Response:
    try:
        return JSONResponse(take(document), 201)
    except NotFound:
        return JSONResponse({"detail": "Collection not found"}, 404)
    except Conflict as error:
        return JSONResponse({"detail": error.problem.what}, 409)
    except InvalidInput as error:
        details = [{"loc": ["body", *p.where.split("/")], "msg": f"{p.what} {p.why}".strip()} for p in error.problems]
        return JSONResponse({"detail": details}, 422)


def _got(library: Library, path: str) -> Response:
    try:
        if path.startswith("/d/"):
            content = library.objects.open(f"{PREFIX}{path}")
            return StreamingResponse(
                content.chunks, media_type=content.media_type, headers={"content-length": str(content.size)}
            )
        return Response(answer(library, library.base + path), media_type="application/json")
    except (NotFound, InvalidInput):
        return JSONResponse({"detail": "Not Found"}, 404)
