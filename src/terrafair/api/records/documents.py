"""Records as documents: as they were published, with links added that lead somewhere from here."""

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from terrafair.api.negotiation import GEOJSON, HTML, JSON, Document, link
from terrafair.api.records.view import COLLECTIONS, View
from terrafair.catalogue.records import Kind, Record, entity_of

PUBLISHED = "https://esa-earthcode.github.io/open-science-catalog-metadata/"
CORE = "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core"
EXECUTE = "http://www.opengis.net/def/rel/ogc/1.0/execute"
_NAMES = {kind: name for name, kind in COLLECTIONS.items()}
_TITLES = {
    "workflows": ("Workflows", "Executable definitions: what can be run again on other data."),
    "experiments": ("Experiments", "Runs that were published with their inputs and configuration."),
    "products": ("Products", "Datasets that research produced."),
}


def item_url(kind: Kind, id: str, base: str) -> str:  # noqa: A002 - the field's word
    """Of one record here."""
    return f"{base}/records/collections/{_NAMES[kind]}/items/{quote(id, safe='')}"


def record(view: View, base: str) -> Document:
    """One record as a feature; a product, published as a STAC Collection, gets the shape of one."""
    found = view.record
    document = dict(found.document) if found.kind is not Kind.PRODUCT else _product(view)
    original = document.get("links")
    document["links"] = [*(original if isinstance(original, list) else []), *_links(found, base)]
    return document


def _product(view: View) -> Document:
    found = view.record
    document = found.document
    kept = {"type", "id", "title", "description", "extent", "links", "assets", "stac_version", "stac_extensions"}
    properties = {name: value for name, value in document.items() if name not in kept}
    start, end = found.start or "..", found.end or ".."
    return {
        "type": "Feature",
        "id": found.id,
        "conformsTo": [CORE],
        "geometry": view.geometry,
        "time": {"interval": [start, end]} if found.dated else None,
        "properties": {
            "type": "dataset",
            "title": found.title,
            "description": found.description,
            **properties,
        },
        **({"assets": document["assets"]} if isinstance(document.get("assets"), dict) else {}),
        "links": document.get("links"),
    }


def _links(found: Record, base: str) -> Iterator[Document]:
    here = item_url(found.kind, found.id, base)
    collection = f"{base}/records/collections/{_NAMES[found.kind]}"
    yield link(here, "self", GEOJSON, found.title)
    yield link(f"{here}?f=html", "alternate", HTML, "This record as a page")
    yield link(collection, "collection", JSON, _TITLES[_NAMES[found.kind]][0])
    yield link(f"{base}/records", "root", JSON)
    yield link(PUBLISHED + found.path, "canonical", JSON, "As it is published")
    if found.kind is Kind.EXPERIMENT:
        yield link(f"{here}/execution", EXECUTE, JSON, "Run it again (POST)")
    elif found.kind is Kind.WORKFLOW:
        yield link(f"{base}/processes/{quote(found.id, safe='')}/execution", EXECUTE, JSON, "Run it (POST)")
    for each in found.document.get("links") or ():
        href = each.get("href") if isinstance(each, dict) else None
        if isinstance(href, str) and (absolute := _resolved(href, found.path, base)):
            yield {**each, "href": absolute}


def _resolved(href: str, path: str, base: str) -> str:
    """The address behind a relative link: here, if it is a record, else where the catalogue is published."""
    if "://" in href or href.startswith(("mailto:", "#", "git@", "//")) or not href.strip():
        return ""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), href))
    if target.startswith(".."):
        return ""
    entity = entity_of(target)
    if entity and entity[0] in _NAMES:
        return item_url(*entity, base)
    return PUBLISHED + target


def collection(name: str, views: list[View], base: str) -> Document:
    """The description of one of the collections of records."""
    here = f"{base}/records/collections/{name}"
    title, about = _TITLES[name]
    updated = max((view.properties["updated"] or "" for view in views), default="")
    return {
        "id": name,
        "title": title,
        "description": about,
        "itemType": "record",
        "type": "Catalog",
        "conformsTo": [CORE],
        **({"updated": updated} if updated else {}),
        "crs": ["http://www.opengis.net/def/crs/OGC/1.3/CRS84"],
        "extent": _extent(views),
        "numberOfRecords": len(views),
        "links": [
            link(here, "self", JSON, title),
            link(f"{here}?f=html", "alternate", HTML, title),
            link(f"{here}/items", "items", GEOJSON, "Its records"),
            link(f"{here}/queryables", "http://www.opengis.net/def/rel/ogc/1.0/queryables", "application/schema+json"),
            link(f"{base}/records", "root", JSON),
        ],
    }


def _extent(views: list[View]) -> Mapping[str, Any]:
    boxes = [box for view in views for box in view.record.boxes]
    starts = [view.record.start for view in views if view.record.start]
    ends = [view.record.end for view in views if view.record.end]
    west, south = min((b[0] for b in boxes), default=-180), min((b[1] for b in boxes), default=-90)
    east, north = max((b[2] for b in boxes), default=180), max((b[3] for b in boxes), default=90)
    return {
        "spatial": {"bbox": [[west, south, east, north]], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
        "temporal": {"interval": [[min(starts, default=None), max(ends, default=None)]]},
    }
