"""The routes as one ASGI application."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from terrafair.api.problems import answer
from terrafair.api.stac.changing import Changing
from terrafair.api.stac.counting import Counting
from terrafair.api.stac.landing import Landing
from terrafair.api.stac.searching import Searching
from terrafair.api.stac.service import Service
from terrafair.api.stac.shelving import Shelving
from terrafair.errors import TerrafairError


def routes(service: Service) -> list[BaseRoute]:
    """The hot ones first: routes are tried in their order."""
    searching, shelving, counting = Searching(service), Shelving(service), Counting(service)
    landing, changing = Landing(service), Changing(service)
    one, items = "/collections/{collection}", "/collections/{collection}/items"
    return [
        Route("/search", searching.search, methods=["GET", "POST"]),
        Route(items + "/{item}", searching.item, methods=["GET"]),
        Route(items, searching.items, methods=["GET"]),
        Route("/collections", shelving.collections, methods=["GET"]),
        Route(one, shelving.collection, methods=["GET"]),
        Route("/", landing.page, methods=["GET"]),
        Route("/conformance", landing.conformance, methods=["GET"]),
        Route("/children", landing.children, methods=["GET"]),
        Route("/api", landing.api, methods=["GET"]),
        Route("/api.html", landing.page_of_api, methods=["GET"]),
        *(Route(f"{home}/queryables", shelving.queryables, methods=["GET"]) for home in ("", one)),
        *(Route(f"{home}/sortables", shelving.sortables, methods=["GET"]) for home in ("", one)),
        *(Route(f"{home}/aggregations", counting.offered, methods=["GET"]) for home in ("", one)),
        *(Route(f"{home}/aggregate", counting.aggregate, methods=["GET", "POST"]) for home in ("", one)),
        Route("/collections", changing.create_collection, methods=["POST"]),
        Route(one, changing.replace_collection, methods=["PUT"]),
        Route(one, changing.change_collection, methods=["PATCH"]),
        Route(one, changing.remove_collection, methods=["DELETE"]),
        Route(items, changing.create_items, methods=["POST"]),
        Route(items + "/{item}", changing.replace_item, methods=["PUT"]),
        Route(items + "/{item}", changing.change_item, methods=["PATCH"]),
        Route(items + "/{item}", changing.remove_item, methods=["DELETE"]),
    ]


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, TerrafairError)  # noqa: S101 - registered for these
    return answer(error, request.url.path)


async def _plain(request: Request, fault: Exception) -> Response:
    assert isinstance(fault, HTTPException)  # noqa: S101 - registered for these
    document = {"type": "about:blank", "title": str(fault.detail), "status": fault.status_code}
    document["instance"] = request.url.path
    return JSONResponse(document, fault.status_code, fault.headers, "application/problem+json")


HANDLERS = {TerrafairError: _known, HTTPException: _plain}


def application(service: Service) -> Starlette:
    """To be served alone, or mounted by `mount`."""
    return Starlette(routes=routes(service), exception_handlers=HANDLERS)


def mount(app: Starlette, prefix: str, inner: Starlette) -> None:
    """Serve it below a prefix, the landing page without a slash at its end as well."""

    class Landed:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            root = scope.get("root_path", "")
            await inner({**scope, "root_path": root + prefix, "path": f"{root}{prefix}/"}, receive, send)

    app.router.routes.append(Route(prefix, Landed(), methods=["GET", "HEAD", "OPTIONS"]))
    app.router.routes.append(Mount(prefix, inner))
