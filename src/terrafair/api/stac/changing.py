"""The transaction extensions: collections and items are created, replaced, changed and removed."""

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from terrafair.api.stac import bodies, links
from terrafair.api.stac.links import GEOJSON, base_of
from terrafair.api.stac.service import Service, json_response
from terrafair.errors import Conflict, InvalidInput

ITEMS_MOST = 10_000
DEPTH_MOST = 100


class Changing:
    """POST, PUT, PATCH and DELETE."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def create_collection(self, request: Request) -> Response:
        """POST /collections."""
        self._service.check_rights(request)
        document = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        name = document.get("id") if isinstance(document, dict) else None
        if isinstance(name, str) and self._service.shelf.get(name) is not None:
            raise Conflict(f"There is a collection {name[:80]!r} already.", remedy="PUT replaces it.")
        return await self._put_collection(request, document, 201)

    async def replace_collection(self, request: Request) -> Response:
        """PUT /collections/{collection}."""
        name = request.path_params["collection"]
        self._service.check_rights(request, name)
        bodies.check_version(request, await self._service.collection(name))
        document = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        _check_same(document, name)
        return await self._put_collection(request, document, 200)

    async def change_collection(self, request: Request) -> Response:
        """PATCH /collections/{collection}: RFC 7396."""
        name = request.path_params["collection"]
        self._service.check_rights(request, name)
        stored = await self._service.collection(name)
        bodies.check_version(request, stored)
        patch = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        _check_same({"id": name, **patch} if isinstance(patch, dict) else patch, name)
        return await self._put_collection(request, merged(orjson.loads(stored.document()), patch), 200)

    async def remove_collection(self, request: Request) -> Response:
        """DELETE /collections/{collection}."""
        name = request.path_params["collection"]
        self._service.check_rights(request, name)
        bodies.check_version(request, await self._service.collection(name))
        await self._service.run(self._service.store.delete_collection, name)
        return Response(status_code=204)

    async def create_items(self, request: Request) -> Response:
        """POST /collections/{collection}/items: one item, or a feature collection of them."""
        name = request.path_params["collection"]
        self._service.check_rights(request, name)
        await self._service.collection(name)
        document = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        several = isinstance(document, dict) and document.get("type") == "FeatureCollection"
        listed = document.get("features") if several else [document]
        if not isinstance(listed, list) or not 0 < len(listed) <= ITEMS_MOST:
            raise InvalidInput("The body holds no items.", f"It holds 1 to {ITEMS_MOST}.", where="features")
        await self._service.run(lambda: self._service.store.put_items(name, listed, replace=False))
        home = f"{base_of(request)}/collections/{links.segment(name)}/items"
        if several:
            return json_response(b"{}", links.JSON, 201, Location=home)
        stored = await self._service.item(name, str(document["id"]))
        address = f"{home}/{links.segment(stored.id)}"
        return json_response(links.item(stored, base_of(request)), GEOJSON, 201, Location=address)

    async def replace_item(self, request: Request) -> Response:
        """PUT an item that is there."""
        name, identifier = request.path_params["collection"], request.path_params["item"]
        self._service.check_rights(request, name)
        bodies.check_version(request, await self._service.item(name, identifier))
        document = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        _check_same(document, identifier)
        await self._service.run(self._service.store.put_items, name, [document])
        return Response(status_code=204)

    async def change_item(self, request: Request) -> Response:
        """PATCH an item: RFC 7396."""
        name, identifier = request.path_params["collection"], request.path_params["item"]
        self._service.check_rights(request, name)
        stored = await self._service.item(name, identifier)
        bodies.check_version(request, stored)
        patch = await bodies.read_json(request, bodies.DOCUMENT_BYTES)
        document = merged(orjson.loads(stored.document()), patch)
        _check_same(document, identifier)
        await self._service.run(self._service.store.put_items, name, [document])
        return Response(status_code=204)

    async def remove_item(self, request: Request) -> Response:
        """DELETE an item."""
        name, identifier = request.path_params["collection"], request.path_params["item"]
        self._service.check_rights(request, name)
        bodies.check_version(request, await self._service.item(name, identifier))
        await self._service.run(self._service.store.delete_item, name, identifier)
        return Response(status_code=204)

    async def _put_collection(self, request: Request, document: Any, status: int) -> Response:
        name = await self._service.run(self._service.store.put_collection, document)
        stored = await self._service.collection(name)
        base = base_of(request)
        address = f"{base}/collections/{links.segment(name)}"
        return json_response(links.collection(stored, base), links.JSON, status, Location=address)


def merged(target: Any, patch: Any, depth: int = 0) -> Any:
    """RFC 7396; raises `InvalidInput` for a patch that is no object, or nested too deeply."""
    if not isinstance(patch, dict) or depth > DEPTH_MOST:
        what = "is no JSON object" if depth == 0 else f"is nested deeper than {DEPTH_MOST}"
        raise InvalidInput(f"The patch {what}.", "It is merged as RFC 7396 says.", where="body")
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value, depth + 1) if isinstance(value, dict) else value
    return result


def _check_same(document: Any, identifier: str) -> None:
    found = document.get("id") if isinstance(document, dict) else None
    if found != identifier:
        raise InvalidInput(
            f"The body's id is {str(found)[:80]!r}, the path's {identifier[:80]!r}.",
            "An id does not change.",
            where="id",
        )
