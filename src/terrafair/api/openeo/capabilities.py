"""What this back-end is and can do: `/`, `/conformance`, `/.well-known/openeo`, formats, runtimes, service types."""

from collections.abc import Iterable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.routing import BaseRoute, Route

from terrafair import __version__
from terrafair.api.openeo import xyz
from terrafair.api.openeo.asking import Document, base
from terrafair.execution.engines.openeo import offer

API_VERSION = "1.2.0"
STAC_VERSION = "1.1.0"
CONFORMANCE = (
    "https://api.openeo.org/1.2.0",
    "https://api.stacspec.org/v1.0.0/collections",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
)
DESCRIPTION = (
    "The openEO interface of a terrafair platform. Collections are the products of its Open Science Catalog and the "
    "platform's own datasets; batch jobs are jobs of the platform, with the same queue, log and provenance. The "
    "openEO workflows of the catalogue are processes of the namespace `osc`."
)


def router(routes_of: list[BaseRoute]) -> APIRouter:
    """The routes; `routes_of` are all routes of the API, which the capabilities list."""
    routes = APIRouter()

    @routes.get("/")
    def capabilities(request: Request) -> Document:
        """Versions, endpoints, links."""
        here = base(request)
        links = [
            ("self", "/", "This document"),
            ("root", "/", "This document"),
            ("version-history", "/.well-known/openeo", "Versions of the API"),
            ("conformance", "/conformance", "Conformance classes"),
            ("data", "/collections", "Collections"),
        ]
        return {
            "type": "Catalog",
            "id": "terrafair",
            "title": "terrafair",
            "description": DESCRIPTION,
            "api_version": API_VERSION,
            "backend_version": __version__,
            "stac_version": STAC_VERSION,
            "conformsTo": list(CONFORMANCE),
            "production": False,
            "endpoints": endpoints(routes_of),
            "billing": {"currency": None},
            "links": [
                {"rel": rel, "href": f"{here}{path}", "type": "application/json", "title": title}
                for rel, path, title in links
            ],
        }

    @routes.get("/conformance")
    def conformance() -> Document:
        """The conformance classes."""
        return {"conformsTo": list(CONFORMANCE)}

    @routes.get("/file_formats")
    def file_formats() -> Document:
        """What can be read and written."""
        return {way: {name: _inlined(about) for name, about in known.items()} for way, known in offer.formats().items()}

    @routes.get("/udf_runtimes")
    def udf_runtimes() -> Document:
        """Where people's own code runs."""
        return dict(offer.runtimes())

    @routes.get("/service_types")
    def service_types() -> Document:
        """What results can be served as."""
        return {xyz.TYPE: xyz.ABOUT}

    @routes.get("/.well-known/openeo")
    def versions(request: Request) -> Document:
        """The versions of the API."""
        return well_known(base(request))

    return routes


def _inlined(about: Mapping[str, Any]) -> Document:
    """A format whose parameters are schemas themselves, as the API has them, not objects that hold one."""
    parameters = {
        name: {**each.get("schema", {}), **{key: value for key, value in each.items() if key != "schema"}}
        for name, each in about.get("parameters", {}).items()
    }
    return {**about, "parameters": parameters}


def well_known(here: str) -> Document:
    """The document at `/.well-known/openeo`."""
    return {"versions": [{"url": here, "api_version": API_VERSION, "production": False}]}


def endpoints(routes: Iterable[BaseRoute]) -> list[dict[str, Any]]:
    """Every documented route with its methods, each path once."""
    found: dict[str, set[str]] = {}
    for route in routes:
        if isinstance(route, Route) and route.include_in_schema and route.path != "/":
            path = route.path.replace(":path}", "}")
            found.setdefault(path, set()).update((route.methods or set()) - {"HEAD"})
    return [{"path": path, "methods": sorted(methods)} for path, methods in sorted(found.items())]
