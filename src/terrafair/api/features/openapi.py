"""The OpenAPI description of the Features routes."""

from typing import Any

from terrafair.api.stac import openapi

_ITEMS = ("bbox", "bbox-crs", "crs", "datetime", "limit", "token", "filter", "filter-lang", "filter-crs", "sortby")
ROUTES: tuple[openapi.Described, ...] = (
    ("get", "/", "Landing page", (), "application/json"),
    ("get", "/conformance", "Conformance classes", (), "application/json"),
    ("get", "/collections", "Layers", (), "application/json"),
    ("get", "/collections/{collection}", "A layer", (), "application/json"),
    ("get", "/collections/{collection}/queryables", "Queryables", (), "application/schema+json"),
    ("get", "/collections/{collection}/items", "Features", _ITEMS, "application/geo+json"),
    ("get", "/collections/{collection}/items/{item}", "A feature", ("crs",), "application/geo+json"),
)


def description(base: str, version: str) -> dict[str, Any]:
    """OpenAPI 3.0."""
    return openapi.document(base, version, ROUTES, "features", "OGC API - Features")
