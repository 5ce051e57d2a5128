"""Collections: all of them, found by their fields, and one."""

from dataclasses import replace

import orjson
from starlette.requests import Request
from starlette.responses import Response

from terrafair.api.stac import asking, bodies, links
from terrafair.api.stac.links import JSON, base_of, link
from terrafair.api.stac.searching import timestamp
from terrafair.api.stac.service import Service, array, json_response
from terrafair.catalogue.items import queryables
from terrafair.catalogue.items.collections import ALL
from terrafair.catalogue.items.search import Sort

COLLECTIONS_LIMIT = 1000
"""Collections in an answer that asks for no number."""


class Shelving:
    """`/collections`, one collection, its queryables and sortables."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def collections(self, request: Request) -> Response:
        """Collection search: without parameters all, by id."""
        base = base_of(request)
        document = asking.from_parameters(dict(request.query_params))
        document.setdefault("limit", COLLECTIONS_LIMIT)
        asked = asking.read(document)
        order = asked.search.sort or (Sort("id"),)
        # Collections are items of one collection here.
        search = replace(asked.search, ids=asked.search.ids or asked.search.collections, collections=(ALL,), sort=order)
        page = await self._service.run(self._service.shelf.search, search)
        found = [links.collection(entry, base) for entry in page.items]
        if asked.fields is not None:
            found = [_chosen(document, asked.fields) for document in found]
        address, parameters = f"{base}/collections", request.query_params.multi_items()
        query = f"?{request.url.query}" if request.url.query else ""
        own = [link("self", address + query), link("root", base), link("parent", base)]
        for rel, token in (("next", page.next), ("prev", page.previous)):
            if token:
                own.append(link(rel, links.with_query(address, parameters, token), JSON, method="GET"))
        counts = b"" if page.matched is None else b',"numberMatched":%d' % page.matched
        counts += b',"numberReturned":%d,"timeStamp":"%s"' % (len(found), timestamp().encode())
        return json_response(b'{"collections":' + array(found) + b',"links":' + array(own) + counts + b"}")

    async def collection(self, request: Request) -> Response:
        """One."""
        stored = await self._service.collection(request.path_params["collection"])
        return json_response(links.collection(stored, base_of(request)), ETag=bodies.version(stored))

    async def queryables(self, request: Request) -> Response:
        """What can be filtered by, as JSON Schema."""
        return await self._schema(request, "queryables")

    async def sortables(self, request: Request) -> Response:
        """What can be sorted by."""
        return await self._schema(request, "sortables")

    async def _schema(self, request: Request, what: str) -> Response:
        base, name = base_of(request), request.path_params.get("collection", "")
        home = base
        if name:
            await self._service.collection(name)
            home = f"{base}/collections/{links.segment(name)}"
        found = await self._service.run(self._service.store.properties, (name,) if name else ())
        properties = queryables.schema(found)
        if what == "sortables":
            plain = {"string", "number"}
            properties = {key: schema for key, schema in properties.items() if schema.get("type") in plain}
        document = {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$id": f"{home}/{what}",
            "type": "object",
            "title": f"{what.title()} of {name or 'all collections'}",
            "properties": properties,
            "additionalProperties": True,
        }
        return json_response(orjson.dumps(document), links.SCHEMA)


def _chosen(document: bytes, fields: asking.Fields) -> bytes:
    collection = orjson.loads(document)
    if fields.include is not None and fields.include:
        collection = {name: value for name, value in collection.items() if name in fields.include | {"id", "type"}}
    for name in fields.exclude - {"id", "type"}:
        collection.pop(name, None)
    return orjson.dumps(collection)
