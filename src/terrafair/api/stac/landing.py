"""The landing page and what describes the API."""

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from terrafair import __version__
from terrafair.api.stac import links, openapi
from terrafair.api.stac.conformance import CLASSES
from terrafair.api.stac.links import GEOJSON, JSON, QUERYABLES, SCHEMA, SORTABLES, base_of, link
from terrafair.api.stac.service import Service, array, json_response

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
CHILDREN_MOST = 2_000
"""Children that the landing page links to; beyond, `/collections` has them."""


class Landing:
    """`/`, `/conformance`, `/children`, `/api`, `/api.html`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def page(self, request: Request) -> Response:
        """The catalogue of all collections."""
        base = base_of(request)
        shelf = await self._service.run(self._service.shelf.all)
        found = [
            link("self", base),
            link("root", base),
            link("conformance", f"{base}/conformance"),
            link("service-desc", f"{base}/api", OPENAPI),
            link("service-doc", f"{base}/api.html", "text/html"),
            link("data", f"{base}/collections"),
            link("children", f"{base}/children"),
            link("search", f"{base}/search", GEOJSON, method="GET"),
            link("search", f"{base}/search", GEOJSON, method="POST"),
            link(QUERYABLES, f"{base}/queryables", SCHEMA),
            link(SORTABLES, f"{base}/sortables", SCHEMA),
            link("aggregate", f"{base}/aggregate"),
            link("aggregations", f"{base}/aggregations"),
        ]
        for entry in shelf[:CHILDREN_MOST]:
            title = orjson.loads(entry.head).get("title")
            more = {"title": title} if isinstance(title, str) else {}
            found.append(link("child", f"{base}/collections/{links.segment(entry.id)}", JSON, **more))
        document = {
            "type": "Catalog",
            "id": "terrafair",
            "title": self._service.title,
            "description": self._service.description,
            "stac_version": "1.1.0",
            "conformsTo": CLASSES,
        }
        return json_response(orjson.dumps(document)[:-1] + b',"links":' + array(found) + b"}")

    async def conformance(self, _: Request) -> Response:
        """The classes."""
        return json_response(orjson.dumps({"conformsTo": CLASSES}))

    async def children(self, request: Request) -> Response:
        """All collections, as children of the landing page."""
        base = base_of(request)
        shelf = await self._service.run(self._service.shelf.all)
        own = array([link("self", f"{base}/children"), link("root", base), link("parent", base)])
        found = array([links.collection(entry, base) for entry in shelf])
        return json_response(b'{"children":' + found + b',"links":' + own + b"}")

    async def api(self, request: Request) -> Response:
        """The OpenAPI document."""
        return json_response(orjson.dumps(openapi.document(base_of(request), __version__)), OPENAPI)

    async def page_of_api(self, request: Request) -> Response:
        """The same for people."""
        return HTMLResponse(openapi.page(openapi.document(base_of(request), __version__)))
