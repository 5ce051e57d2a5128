"""`/records`: collections, records, queryables, search; and running an experiment where it is described."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from terrafair.api.html import Pages
from terrafair.api.negotiation import GEOJSON, HTML, JSON, Document, address, base_of, forms, html, link
from terrafair.api.processes import order
from terrafair.api.processes.routes import Services, run
from terrafair.api.records import documents
from terrafair.api.records.search import Search, answer
from terrafair.api.records.view import COLLECTIONS, QUERYABLES, View, view
from terrafair.catalogue.catalogue import Catalogue
from terrafair.errors import InvalidInput, NotFound

_RECORDS = "http://www.opengis.net/spec/ogcapi-records-1/1.0/conf"
_FEATURES = "http://www.opengis.net/spec/ogcapi-features"
_CQL2 = "http://www.opengis.net/spec/cql2/1.0/conf"
CONFORMANCE = (
    *(
        f"{_RECORDS}/{name}"
        for name in (
            "record-core", "record-collection", "record-api", "record-core-query-parameters", "record-filtering",
            "sorting", "json", "html", "oas30",
        )
    ),
    *(f"{_FEATURES}-1/1.0/conf/{name}" for name in ("core", "geojson", "html", "oas30")),
    *(
        f"{_FEATURES}-3/1.0/conf/{name}"
        for name in ("queryables", "queryables-query-parameters", "filter", "features-filter")
    ),
    *(f"{_CQL2}/{name}" for name in ("cql2-text", "cql2-json", "basic-cql2", "advanced-comparison-operators",
      "case-insensitive-comparison", "basic-spatial-functions", "spatial-functions", "temporal-functions",
      "array-functions")),
)  # fmt: skip
QUERYABLES_REL = "http://www.opengis.net/def/rel/ogc/1.0/queryables"


@dataclass(slots=True)
class Views:
    """The records of the catalogue, read once for each of its states."""

    catalogue: Catalogue
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _commit: str = ""
    _kept: dict[str, list[View]] = field(default_factory=dict)

    def of(self, name: str) -> list[View]:
        """All of a collection, sorted by id; raises `NotFound`."""
        if name not in COLLECTIONS:
            remedy = f"Collections: {', '.join(COLLECTIONS)}."
            raise NotFound(f"There is no collection {name[:100]!r}.", "", remedy, "collectionId")
        with self._lock:
            if self.catalogue.commit != self._commit:
                self._commit, self._kept = self.catalogue.commit, {}
            if name not in self._kept:
                self._kept[name] = [view(record) for record in self.catalogue.records(COLLECTIONS[name])]
            return self._kept[name]

    def one(self, name: str, id: str) -> View:  # noqa: A002 - the field's word
        """One record; raises `NotFound` with the nearest ids."""
        for each in self.of(name):
            if each.record.id == id:
                return each
        near = self.catalogue.nearest((COLLECTIONS[name].value,), id[:200])
        remedy = f"Did you mean {' or '.join(near)}?" if near else ""
        raise NotFound(f"There is no record {id[:100]!r} among the {name}.", "", remedy, "recordId")


def router(catalogue: Catalogue, services: Services, pages: Pages) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/records", tags=["records"])
    views = Views(catalogue)
    _about(routes, views, pages)
    _items(routes, views, pages)

    @routes.post("/collections/experiments/items/{recordId}/execution", summary="Run a published experiment again")
    async def execute(recordId: str, request: Request) -> Response:  # noqa: N803 - the standard's name
        """An execute request whose inputs replace the published ones; without a body it runs as it was published."""
        wanted = order.read(order.parse(await request.body(), request.headers.get("content-type", "")))
        if wanted.experiment not in {"", recordId}:
            raise InvalidInput("The body names another experiment.", where="experiment")
        await asyncio.to_thread(views.one, "experiments", recordId)
        process = await asyncio.to_thread(services.processes.of_experiment, recordId)
        return await run(services, request, process, replace(wanted, experiment=recordId))

    return routes


def _about(routes: APIRouter, views: Views, pages: Pages) -> None:
    @routes.get("", summary="Links to the collections of records")
    def landing(request: Request) -> Response:
        base = base_of(request)
        links = [
            *forms(request),
            link(f"{base}/api", "service-desc", "application/vnd.oai.openapi+json;version=3.0"),
            link(f"{base}/docs", "service-doc", HTML),
            link(f"{base}/records/conformance", "conformance", JSON, "Conformance"),
            link(f"{base}/records/collections", "data", JSON, "Collections of records"),
        ]
        about = "Workflows, experiments and products of the Open Science Catalog as OGC API Records."
        document = {
            "id": "records",
            "title": "Records",
            "description": about,
            "conformsTo": [*CONFORMANCE],
            "links": links,
        }
        return pages.render(request, "document", document) if html(request) else JSONResponse(document)

    @routes.get("/conformance", summary="The classes that the records keep")
    def conformance(request: Request) -> Response:
        document = {"title": "Conformance", "conformsTo": [*CONFORMANCE], "links": forms(request)}
        return pages.render(request, "document", document) if html(request) else JSONResponse(document)

    @routes.get("/collections", summary="The collections of records")
    def collections(request: Request) -> Response:
        base = base_of(request)
        found = [documents.collection(name, views.of(name), base) for name in COLLECTIONS]
        links = [*forms(request), link(f"{base}/records", "root", JSON)]
        document = {"title": "Collections", "collections": found, "links": links}
        return pages.render(request, "collections", document) if html(request) else JSONResponse(document)

    @routes.get("/collections/{collectionId}", summary="One collection")
    def collection(collectionId: str, request: Request) -> Response:  # noqa: N803
        document = documents.collection(collectionId, views.of(collectionId), base_of(request))
        return pages.render(request, "document", document) if html(request) else JSONResponse(document)

    @routes.get("/collections/{collectionId}/queryables", summary="The properties that can be searched")
    def queryables(collectionId: str, request: Request) -> Response:  # noqa: N803
        views.of(collectionId)
        geometry = {"title": "Where", "$ref": "https://geojson.org/schema/Geometry.json"}
        document = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$id": address(request),
            "title": f"Queryables of the {collectionId}",
            "type": "object",
            "properties": {**QUERYABLES, "geometry": geometry},
            "additionalProperties": False,
        }
        if html(request):
            return pages.render(request, "document", document)
        return JSONResponse(document, media_type="application/schema+json")


def _items(routes: APIRouter, views: Views, pages: Pages) -> None:
    @routes.get("/collections/{collectionId}/items", summary="Search records")
    def items(collectionId: str, request: Request) -> Response:  # noqa: N803
        """Parameters: q, bbox, datetime, type, ids, externalIds, queryables, filter (CQL2), sortby, facets, limit."""
        page = html(request)
        everything = views.of(collectionId)
        search = Search.read(request.query_params)
        found = answer(search, everything)
        base = base_of(request)
        document: Document = {
            "type": "FeatureCollection",
            "numberMatched": found.total,
            "numberReturned": len(found.views),
            "timeStamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "features": [documents.record(each, base) for each in found.views],
            "links": [*_paging(request, search, found.total, collectionId)],
        }
        if found.facets:
            document["facets"] = found.facets
        if page:
            return pages.render(request, "records", document, title=collectionId.capitalize())
        return JSONResponse(document, media_type=GEOJSON)

    @routes.get("/collections/{collectionId}/items/{recordId}", summary="One record")
    def item(collectionId: str, recordId: str, request: Request) -> Response:  # noqa: N803
        page = html(request)
        document = documents.record(views.one(collectionId, recordId), base_of(request))
        if page:
            return pages.render(request, "record", document)
        return JSONResponse(document, media_type=GEOJSON)


def _paging(request: Request, search: Search, total: int, name: str) -> list[Document]:
    base = base_of(request)
    links = [
        link(address(request), "self", GEOJSON),
        link(address(request, f="html"), "alternate", HTML),
        link(f"{base}/records/collections/{name}", "collection", JSON),
        link(f"{base}/records/collections/{name}/queryables", QUERYABLES_REL, "application/schema+json"),
    ]
    if search.offset + search.limit < total:
        following = address(request, offset=search.offset + search.limit, limit=search.limit)
        links.append(link(following, "next", GEOJSON))
    if search.offset:
        before = address(request, offset=max(search.offset - search.limit, 0), limit=search.limit)
        links.append(link(before, "prev", GEOJSON))
    return links
