"""Links as bytes: an answer is put together from stored JSON, which is never read again."""

import re
from functools import lru_cache
from urllib.parse import quote, urlencode

import orjson
from starlette.requests import Request

from terrafair.catalogue.items.search import Stored

JSON = "application/json"
GEOJSON = "application/geo+json"
SCHEMA = "application/schema+json"
QUERYABLES = "http://www.opengis.net/def/rel/ogc/1.0/queryables"
SORTABLES = "http://www.opengis.net/def/rel/ogc/1.0/sortables"

HERE = b"terrafair:///"
"""Stands in stored documents for the platform's address (`execution.shelf`)."""
_PLAIN = re.compile(r"[A-Za-z0-9._~-]+")


def base_of(request: Request) -> str:
    """The address of the landing page, as the caller reached it."""
    return f"{request.url.scheme}://{request.url.netloc}{request.scope.get('root_path', '')}".rstrip("/")


def here(document: bytes, base: str) -> bytes:
    """A document with the platform's own address where it was left open when it was stored."""
    return document.replace(HERE, _origin(base)) if HERE in document else document


@lru_cache(64)
def _origin(base: str) -> bytes:
    """The platform's address: the API's without its last segment, `/stac` or `/features`."""
    return (base.rpartition("/")[0] + "/").encode()


def link(rel: str, href: str, media_type: str = JSON, **more: object) -> bytes:
    """One link."""
    return orjson.dumps({"rel": rel, "type": media_type, "href": href, **more})


def segment(identifier: str) -> str:
    """An id as a segment of a path."""
    return identifier if _PLAIN.fullmatch(identifier) else quote(identifier, safe="")


@lru_cache(4096)
def _of_collection(base: str, collection: str) -> tuple[str, bytes]:
    """What the links of all items of a collection share: the address before the id, and the links beside `self`."""
    home = f"{base}/collections/{segment(collection)}"
    shared = b",".join((link("parent", home), link("collection", home), link("root", base)))
    return f'{{"rel":"self","type":"{GEOJSON}","href":"{home}/items/', shared


def item(stored: Stored, base: str) -> bytes:
    """An item with its structural links."""
    start, shared = _of_collection(base, stored.collection)
    return here(stored.document((f'{start}{segment(stored.id)}"}}'.encode(), shared)), base)


def collection(stored: Stored, base: str) -> bytes:
    """A collection with its structural links."""
    home = f"{base}/collections/{segment(stored.id)}"
    added = [
        link("self", home),
        link("root", base),
        link("parent", base),
        link("items", f"{home}/items", GEOJSON),
        link(QUERYABLES, f"{home}/queryables", SCHEMA),
        link(SORTABLES, f"{home}/sortables", SCHEMA),
        link("aggregate", f"{home}/aggregate"),
        link("aggregations", f"{home}/aggregations"),
    ]
    document = here(stored.document(added), base)
    return document if b'"itemType"' in document else document[:-1] + b',"itemType":"feature"}'


def with_query(address: str, parameters: list[tuple[str, str]], token: str) -> str:
    """The address of another page."""
    kept = [(name, value) for name, value in parameters if name != "token"]
    return f"{address}?{urlencode([*kept, ('token', token)])}"
