"""Item search, and the items of a collection."""

from collections.abc import Callable
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from terrafair.api.stac import asking, bodies, links, shown
from terrafair.api.stac.asking import Asked
from terrafair.api.stac.links import GEOJSON, base_of, link
from terrafair.api.stac.service import Service, array, json_response
from terrafair.catalogue.items.search import Page


def timestamp() -> str:
    """Now, as RFC 3339 in UTC."""
    from datetime import UTC, datetime

    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Searching:
    """`/search`, `/collections/{collection}/items` and one item."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def search(self, request: Request) -> Response:
        """GET and POST."""
        base = base_of(request)
        address = f"{base}/search"
        if request.method == "POST":
            document = await bodies.read_json(request, bodies.SEARCH_BYTES)
            asked = asking.read(document)
            page = await self._service.search(asked.search)
            turn = _by_body(address, document)
        else:
            asked = asking.read(asking.from_parameters(dict(request.query_params)))
            page = await self._service.search(asked.search)
            turn = _by_parameters(address, request)
        own = [link("root", base), link("self", _self(request, base), GEOJSON)]
        return json_response(collection(asked, page, base, own, turn), GEOJSON)

    async def items(self, request: Request) -> Response:
        """The items of one collection, by the same parameters."""
        base, name = base_of(request), request.path_params["collection"]
        document = asking.from_parameters(dict(request.query_params))
        asked = asking.read({**document, "collections": [name]})
        page = await self._service.search(asked.search)
        if not page.items:
            await self._service.collection(name)
        home = f"{base}/collections/{links.segment(name)}"
        own = [link("root", base), link("self", _self(request, base), GEOJSON), link("collection", home)]
        own.append(link("parent", home))
        return json_response(collection(asked, page, base, own, _by_parameters(f"{home}/items", request)), GEOJSON)

    async def item(self, request: Request) -> Response:
        """One item."""
        name, identifier = request.path_params["collection"], request.path_params["item"]
        stored = await self._service.item(name, identifier)
        version = bodies.version(stored)
        if (known := request.headers.get("if-none-match")) and bodies.named(known, version):
            return Response(status_code=304, headers={"ETag": version})
        return json_response(links.item(stored, base_of(request)), GEOJSON, ETag=version)


Turn = Callable[[str, str], bytes]
"""Relation and token to a link to another page."""


def collection(asked: Asked, page: Page, base: str, own: list[bytes], turn: Turn) -> bytes:
    """A page as a feature collection."""
    features = [links.item(stored, base) for stored in page.items]
    if asked.fields is not None:
        features = [shown.show(feature, asked.fields) for feature in features]
    if page.next:
        own.append(turn("next", page.next))
    if page.previous:
        own.append(turn("prev", page.previous))
    matched = b"" if page.matched is None else b',"numberMatched":%d' % page.matched
    return (
        b'{"type":"FeatureCollection","timeStamp":"%s"%s,"numberReturned":%d,"features":'
        % (timestamp().encode(), matched, len(features))
        + array(features)
        + b',"links":'
        + array(own)
        + b"}"
    )


def _self(request: Request, base: str) -> str:
    path = request.scope["path"].removeprefix(request.scope.get("root_path", ""))
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{base}{path}{query}"


def _by_parameters(address: str, request: Request) -> Turn:
    parameters = request.query_params.multi_items()
    return lambda rel, token: link(rel, links.with_query(address, parameters, token), GEOJSON, method="GET")


def _by_body(address: str, document: dict[str, Any]) -> Turn:
    def turn(rel: str, token: str) -> bytes:
        body = {**document, "token": token}
        return orjson.dumps(
            {"rel": rel, "type": GEOJSON, "method": "POST", "href": address, "merge": False, "body": body}
        )

    return turn
