"""Collections that can be loaded: `/collections`."""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from terrafair.api.openeo.asking import PAGE, Document, Limit, Offset, base, page_links, perhaps_signed_in
from terrafair.api.openeo.datasets import Datasets
from terrafair.api.openeo.faults import OpenEOFault
from terrafair.identity.person import Authenticator, Person


def router(datasets: Datasets, authenticator: Authenticator) -> APIRouter:
    """The routes."""
    routes = APIRouter()
    perhaps = perhaps_signed_in(authenticator)

    @routes.get("/collections")
    def listing(
        request: Request, who: Annotated[Person | None, Depends(perhaps)], limit: Limit = None, offset: Offset = 0
    ) -> Document:
        """All, in their short form."""
        del who
        ids = datasets.ids()
        most = min(limit or PAGE, PAGE)
        here = f"{base(request)}/collections"
        found = [_with_self(each, here) for each in datasets.listed(ids[offset : offset + most])]
        more = len(ids) > offset + most
        return {"collections": found, "links": page_links(request, most, offset, more)}

    @routes.get("/collections/{collection_id}")
    def one(collection_id: str, request: Request, who: Annotated[Person | None, Depends(perhaps)]) -> Document:
        """One, with its dimensions."""
        del who
        found = datasets.find(collection_id)
        if found is None:
            raise OpenEOFault("CollectionNotFound", identifier=collection_id)
        return _with_self(found, f"{base(request)}/collections")

    @routes.get("/collections/{collection_id}/queryables")
    def queryables(
        collection_id: str, request: Request, who: Annotated[Person | None, Depends(perhaps)]
    ) -> JSONResponse:
        """The properties of items that `load_collection` can ask for, as a JSON Schema."""
        del who
        found = datasets.find(collection_id)
        if found is None:
            raise OpenEOFault("CollectionNotFound", identifier=collection_id)
        document = {
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "$id": f"{base(request)}/collections/{found['id']}/queryables",
            "type": "object",
            "title": str(found.get("title") or found["id"]),
            "properties": {name: _schema(value) for name, value in found["summaries"].items() if name != "bands"},
            "additionalProperties": True,
        }
        return JSONResponse(document, media_type="application/schema+json")

    return routes


def _schema(summary: Any) -> Document:
    """What a summary says of a property's values."""
    if isinstance(summary, Mapping) and {"minimum", "maximum"} <= set(summary):
        kind = "number" if isinstance(summary["minimum"], int | float) else "string"
        return {"type": kind, **{name: summary[name] for name in ("minimum", "maximum") if kind == "number"}}
    if isinstance(summary, Mapping):
        return dict(summary)
    if isinstance(summary, list) and summary and all(isinstance(each, str | int | float) for each in summary):
        return {"type": "string" if isinstance(summary[0], str) else "number", "enum": summary}
    return {}


def _with_self(document: Document, here: str) -> Document:
    place = {"rel": "self", "href": f"{here}/{document['id']}", "type": "application/json"}
    root = {"rel": "root", "href": here.removesuffix("/collections") + "/", "type": "application/json"}
    return {**document, "links": [place, root, *document["links"]]}
