"""The routes of OGC API - Features."""

from dataclasses import replace
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from terrafair import __version__
from terrafair.api.features import crs
from terrafair.api.features.openapi import description
from terrafair.api.stac import asking, links
from terrafair.api.stac.application import HANDLERS
from terrafair.api.stac.conformance import CQL2
from terrafair.api.stac.links import GEOJSON, JSON, QUERYABLES, SCHEMA, base_of, link
from terrafair.api.stac.openapi import page
from terrafair.api.stac.searching import timestamp
from terrafair.api.stac.service import Service, array, json_response
from terrafair.catalogue.items import cql2, queryables
from terrafair.catalogue.items.search import Search, Stored
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.errors import InvalidInput, NotFound

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
_OGC = "http://www.opengis.net/spec/ogcapi-features"
CLASSES = (
    *(f"{_OGC}-1/1.0/conf/{name}" for name in ("core", "geojson", "oas30")),
    f"{_OGC}-2/1.0/conf/crs",
    *(
        f"{_OGC}-3/1.0/conf/{name}"
        for name in ("filter", "features-filter", "queryables", "queryables-query-parameters")
    ),
    *CQL2,
)
PARAMETERS = frozenset(
    {"bbox", "bbox-crs", "crs", "datetime", "limit", "token", "filter", "filter-lang", "filter-crs", "sortby"}
)


class Features:
    """Landing page, collections, features."""

    def __init__(self, store: SqliteItems) -> None:
        self._service = Service(store)

    async def landing(self, request: Request) -> Response:
        """`/`."""
        base = base_of(request)
        found = [
            link("self", base),
            link("service-desc", f"{base}/api", OPENAPI),
            link("service-doc", f"{base}/api.html", "text/html"),
            link("conformance", f"{base}/conformance"),
            link("data", f"{base}/collections"),
        ]
        about = {"title": "Features", "description": "Vector results of jobs, and the footprints of all results."}
        return json_response(orjson.dumps(about)[:-1] + b',"links":' + array(found) + b"}")

    async def conformance(self, _: Request) -> Response:
        """`/conformance`."""
        return json_response(orjson.dumps({"conformsTo": CLASSES}))

    async def api(self, request: Request) -> Response:
        """`/api`."""
        return json_response(orjson.dumps(description(base_of(request), __version__)), OPENAPI)

    async def page_of_api(self, request: Request) -> Response:
        """`/api.html`."""
        return HTMLResponse(page(description(base_of(request), __version__)))

    async def collections(self, request: Request) -> Response:
        """`/collections`."""
        base = base_of(request)
        shelf = await self._service.run(self._service.store.collections)
        found = [orjson.dumps(_about(entry, base)) for entry in shelf]
        own = array([link("self", f"{base}/collections")])
        systems = orjson.dumps(crs.OFFERED)
        return json_response(b'{"collections":' + array(found) + b',"crs":' + systems + b',"links":' + own + b"}")

    async def collection(self, request: Request) -> Response:
        """`/collections/{collection}`."""
        stored = await self._service.collection(request.path_params["collection"])
        return json_response(orjson.dumps(_about(stored, base_of(request))))

    async def queryables(self, request: Request) -> Response:
        """`/collections/{collection}/queryables`."""
        name = request.path_params["collection"]
        await self._service.collection(name)
        found = await self._service.run(self._service.store.properties, (name,))
        hidden = {"collection", "start_datetime", "end_datetime"}
        properties = {key: value for key, value in queryables.schema(found).items() if key not in hidden}
        document = {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$id": f"{base_of(request)}/collections/{links.segment(name)}/queryables",
            "type": "object",
            "title": f"Queryables of {name}",
            "properties": properties,
            "additionalProperties": False,
        }
        return json_response(orjson.dumps(document), SCHEMA)

    async def items(self, request: Request) -> Response:
        """`/collections/{collection}/items`."""
        base, name = base_of(request), request.path_params["collection"]
        await self._service.collection(name)
        parameters = dict(request.query_params)
        system = crs.check(parameters.pop("crs", crs.CRS84), "crs")
        found = await self._service.search(await self._search(name, parameters))
        home = f"{base}/collections/{links.segment(name)}"
        own = [link("self", f"{home}/items", GEOJSON), link("collection", home)]
        for rel, token in (("next", found.next), ("prev", found.previous)):
            if token:
                own.append(
                    link(rel, links.with_query(f"{home}/items", request.query_params.multi_items(), token), GEOJSON)
                )
        document: dict[str, Any] = {
            "type": "FeatureCollection",
            "timeStamp": timestamp(),
            "numberReturned": len(found.items),
            "features": [_feature(entry, system) for entry in found.items],
        }
        if found.matched is not None:
            document["numberMatched"] = found.matched
        content = orjson.dumps(document)[:-1] + b',"links":' + array(own) + b"}"
        return Response(content, 200, {"Content-Crs": f"<{system}>"}, GEOJSON)

    async def _search(self, name: str, parameters: dict[str, str]) -> Search:
        known = await self._service.run(self._service.store.properties, (name,))
        unknown = set(parameters) - PARAMETERS - set(known)
        if unknown:
            raise InvalidInput(
                f"There is no parameter {min(unknown)[:60]!r}.",
                remedy="See the collection's queryables.",
                where="query",
            )
        given = {key: value for key, value in parameters.items() if key in PARAMETERS - {"bbox-crs"}}
        document = asking.from_parameters(given)
        if isinstance(document.get("bbox"), list):
            system = crs.check(parameters.get("bbox-crs", crs.CRS84), "bbox-crs")
            document["bbox"] = crs.box_in_degrees(document["bbox"], system)
        asked = asking.read({**document, "collections": [name]}).search
        for key in sorted(set(parameters) - PARAMETERS):
            asked = replace(asked, filter=cql2.both(asked.filter, _equals(key, parameters[key], known[key])))
        return asked

    async def item(self, request: Request) -> Response:
        """`/collections/{collection}/items/{item}`."""
        base, name, identifier = base_of(request), request.path_params["collection"], request.path_params["item"]
        system = crs.check(request.query_params.get("crs", crs.CRS84), "crs")
        if unknown := set(request.query_params) - {"crs"}:
            raise InvalidInput(f"There is no parameter {min(unknown)[:60]!r}.", where="query")
        stored = self._service.store.item(name, identifier)
        if stored is None:
            raise NotFound(f"The collection {name[:80]!r} has no feature {identifier[:80]!r}.", where="item")
        home = f"{base}/collections/{links.segment(name)}"
        own = [
            orjson.loads(link("self", f"{home}/items/{links.segment(identifier)}", GEOJSON)),
            orjson.loads(link("collection", home)),
        ]
        content = orjson.dumps({**_feature(stored, system), "links": own})
        return Response(content, 200, {"Content-Crs": f"<{system}>"}, GEOJSON)


def _equals(name: str, text: str, kinds: set[str]) -> Any:
    """A parameter named like a property: equality, as Part 1 has it."""
    value: Any = text
    if kinds <= {"integer", "real", "number"}:
        try:
            value = float(text)
        except ValueError:
            raise InvalidInput(f"{name} is {text[:60]!r}.", "It is a number.", where=name) from None
    elif kinds <= {"true", "false", "boolean"}:
        value = text == "true"
    return {"op": "=", "args": [{"property": name}, value]}


def _feature(stored: Stored, system: str) -> dict[str, Any]:
    feature: dict[str, Any] = orjson.loads(stored.head)
    feature["geometry"] = crs.geometry_in(feature["geometry"], system)
    return feature


def _about(stored: Stored, base: str) -> dict[str, Any]:
    document = orjson.loads(stored.head)
    home = f"{base}/collections/{links.segment(stored.id)}"
    return {
        **{name: document[name] for name in ("id", "title", "description", "extent")},
        "itemType": "feature",
        "crs": list(crs.OFFERED),
        "storageCrs": crs.CRS84,
        "links": [
            {"rel": "self", "type": JSON, "href": home},
            {"rel": "items", "type": GEOJSON, "href": f"{home}/items"},
            {"rel": QUERYABLES, "type": SCHEMA, "href": f"{home}/queryables"},
        ],
    }


def application(store: SqliteItems) -> Starlette:
    """To be served alone, or mounted."""
    features = Features(store)
    one = "/collections/{collection}"
    routes = [
        Route("/", features.landing, methods=["GET"]),
        Route("/conformance", features.conformance, methods=["GET"]),
        Route("/api", features.api, methods=["GET"]),
        Route("/api.html", features.page_of_api, methods=["GET"]),
        Route("/collections", features.collections, methods=["GET"]),
        Route(one, features.collection, methods=["GET"]),
        Route(f"{one}/queryables", features.queryables, methods=["GET"]),
        Route(f"{one}/items", features.items, methods=["GET"]),
        Route(f"{one}/items/{{item}}", features.item, methods=["GET"]),
    ]
    return Starlette(routes=routes, exception_handlers=HANDLERS)
