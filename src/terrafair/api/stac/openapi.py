"""The OpenAPI description of the STAC routes, kept as data: they are not FastAPI's."""

import re
from html import escape
from typing import Any

_SEARCH = ("bbox", "datetime", "limit", "token", "ids", "collections", "intersects")
_ANY = ("filter", "filter-lang", "sortby", "fields", "query", "q")
_ITEMS = ("bbox", "datetime", "limit", "token", "ids", *_ANY)

_PARAMETERS: dict[str, dict[str, Any]] = {
    "bbox": {"type": "array", "items": {"type": "number"}, "minItems": 4, "maxItems": 6},
    "limit": {"type": "integer", "minimum": 1, "maximum": 10_000, "default": 10},
    "filter-lang": {"type": "string", "enum": ["cql2-text", "cql2-json"], "default": "cql2-text"},
    "ids": {"type": "array", "items": {"type": "string"}},
    "collections": {"type": "array", "items": {"type": "string"}},
    "aggregations": {"type": "array", "items": {"type": "string"}},
}

Described = tuple[str, str, str, tuple[str, ...], str]
"""Method, path, summary, parameters, media type."""

ROUTES: tuple[Described, ...] = (
    ("get", "/", "Landing page", (), "application/json"),
    ("get", "/conformance", "Conformance classes", (), "application/json"),
    ("get", "/children", "Collections as children", (), "application/json"),
    ("get", "/collections", "Search collections", ("bbox", "datetime", "limit", "token", *_ANY), "application/json"),
    ("post", "/collections", "Create a collection", (), "application/json"),
    ("get", "/collections/{collection}", "A collection", (), "application/json"),
    ("put", "/collections/{collection}", "Replace a collection", (), "application/json"),
    ("patch", "/collections/{collection}", "Change a collection", (), "application/json"),
    ("delete", "/collections/{collection}", "Remove a collection and its items", (), ""),
    ("get", "/collections/{collection}/items", "Items of a collection", _ITEMS, "application/geo+json"),
    ("post", "/collections/{collection}/items", "Create items", (), "application/geo+json"),
    ("get", "/collections/{collection}/items/{item}", "An item", (), "application/geo+json"),
    ("put", "/collections/{collection}/items/{item}", "Replace an item", (), ""),
    ("patch", "/collections/{collection}/items/{item}", "Change an item", (), ""),
    ("delete", "/collections/{collection}/items/{item}", "Remove an item", (), ""),
    ("get", "/collections/{collection}/queryables", "Queryables", (), "application/schema+json"),
    ("get", "/collections/{collection}/sortables", "Sortables", (), "application/schema+json"),
    ("get", "/collections/{collection}/aggregations", "Aggregations that are offered", (), "application/json"),
    ("get", "/collections/{collection}/aggregate", "Aggregate", ("aggregations", *_ITEMS), "application/json"),
    ("get", "/search", "Search items", (*_SEARCH, *_ANY), "application/geo+json"),
    ("post", "/search", "Search items", (), "application/geo+json"),
    ("get", "/queryables", "Queryables of all collections", (), "application/schema+json"),
    ("get", "/sortables", "Sortables of all collections", (), "application/schema+json"),
    ("get", "/aggregations", "Aggregations that are offered", (), "application/json"),
    ("get", "/aggregate", "Aggregate", ("aggregations", *_SEARCH, *_ANY), "application/json"),
    ("post", "/aggregate", "Aggregate", (), "application/json"),
)


def document(
    base: str, version: str, routes: tuple[Described, ...] = ROUTES, tag: str = "stac", title: str = "STAC API"
) -> dict[str, Any]:
    """OpenAPI 3.0."""
    paths: dict[str, Any] = {}
    for method, path, summary, parameters, media_type in routes:
        operation: dict[str, Any] = {
            "summary": summary,
            "operationId": f"{tag}_{method}_" + ("_".join(re.findall(r"\w+", path)) or "root"),
            "tags": [tag],
            "parameters": _path(path) + [_parameter(name) for name in parameters],
            "responses": _responses(media_type),
        }
        if method in {"post", "put", "patch"}:
            content = {"application/json": {"schema": {"type": "object"}}}
            operation["requestBody"] = {"required": True, "content": content}
        paths.setdefault(path, {})[method] = operation
    about = {"title": title, "version": version}
    return {"openapi": "3.0.3", "info": about, "servers": [{"url": base}], "paths": paths}


def page(described: dict[str, Any]) -> str:
    """The routes as a plain page."""
    rows = [
        f"<tr><td><code>{method.upper()}</code><td><code>{escape(path)}</code><td>{escape(operation['summary'])}"
        for path, operations in described["paths"].items()
        for method, operation in operations.items()
    ]
    base = escape(described["servers"][0]["url"])
    title = escape(described["info"]["title"])
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>"
    links = f"<p>At <a href={base!r}>{base}</a>; <a href='{base}/api'>OpenAPI</a>."
    return f"{head}{links}<table>{''.join(rows)}</table></html>"


def _path(path: str) -> list[dict[str, Any]]:
    names = [part[1:-1] for part in path.split("/") if part.startswith("{")]
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _parameter(name: str) -> dict[str, Any]:
    schema = _PARAMETERS.get(name, {"type": "string"})
    style = {"style": "form", "explode": False} if schema["type"] == "array" else {}
    return {"name": name, "in": "query", "required": False, "schema": schema, **style}


def _responses(media_type: str) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": {"type": "object"}}}}
    good: dict[str, Any] = {"description": "Done."}
    if media_type:
        good["content"] = {media_type: {"schema": {"type": "object"}}}
    return {"200" if media_type else "204": good, "4XX": {"description": "What is wrong, and the way out.", **problem}}
