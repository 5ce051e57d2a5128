"""Where machines begin: links to every interface, the classes of standards that are kept, one OpenAPI, capabilities."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response

from terrafair.api.description import chapters, describe, older
from terrafair.api.html import Pages
from terrafair.api.negotiation import HTML, JSON, Document, MachineRoute, base_of, forms, html, link

OPENAPI = "application/vnd.oai.openapi+json;version=3.0"
OGC = "http://www.opengis.net/def/rel/ogc/1.0"
_COMMON = "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf"
_ONE = "http://www.opengis.net/spec/ogcapi-processes-1/1.0/conf"
_TWO = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf"
CONFORMANCE = (
    *(f"{_COMMON}/{name}" for name in ("core", "landing-page", "json", "html", "oas30")),
    *(
        f"{_ONE}/{name}"
        for name in ("core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss")
    ),
    *(f"{_TWO}/{name}" for name in ("deploy-replace-undeploy", "cwl", "ogcapppkg", "dru-static-indicator")),
)
"""What the routes at the root keep."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One interface that the landing page links to."""

    path: str
    rel: str
    title: str
    media_type: str = JSON


INTERFACES = (
    Interface("/processes", f"{OGC}/processes", "OGC API - Processes"),
    Interface("/jobs", f"{OGC}/job-list", "Jobs"),
    Interface("/records", "ogc-records", "OGC API - Records: workflows, experiments, products"),
    Interface("/stac", "stac", "STAC API: products and results"),
    Interface("/features", "ogc-features", "OGC API - Features: vector results, footprints of jobs"),
    Interface("/openeo", "openeo", "openEO API"),
    Interface("/tiles", "tiles", "Map tiles and statistics of results"),
)


def present(app: FastAPI) -> tuple[Interface, ...]:
    """The interfaces that this application has."""
    paths = [str(getattr(route, "path", "")) for route in app.routes]
    return tuple(each for each in INTERFACES if any(f"{path}/".startswith(f"{each.path}/") for path in paths))


def router(
    app: FastAPI,
    conformance: Sequence[str],
    capabilities: Callable[[], Document],
    pages: Pages,
) -> APIRouter:
    """`/` for machines, `/conformance`, `/api`, `/capabilities`.

    Applications that are mounted describe themselves: `app.state.descriptions` has path -> what gives their OpenAPI.
    """
    app.state.descriptions = {}
    describe(app, app.state.descriptions)
    routes = APIRouter(tags=["about"])
    start = APIRouter(tags=["about"], route_class=MachineRoute)

    @start.get("/", summary="Links to every interface")
    def landing(request: Request) -> JSONResponse:
        html(request)
        base = base_of(request)
        about = "Find, run, reproduce and publish open Earth science."
        links = [*forms(request, "This document"), *_links(base, present(app))]
        return JSONResponse({"title": "terrafair", "description": about, "conformsTo": [*conformance], "links": links})

    @routes.get("/conformance", summary="The classes of standards that this platform keeps")
    def classes(request: Request) -> Response:
        document = {"title": "Conformance", "conformsTo": [*conformance], "links": forms(request)}
        return pages.render(request, "document", document) if html(request) else JSONResponse(document)

    @routes.get("/api", summary="This description, as OpenAPI 3.0")
    def description(request: Request) -> Response:
        if html(request):
            return Response(status_code=303, headers={"Location": "/docs"})
        document = older(app.openapi())
        document["servers"] = [{"url": base_of(request)}]
        return JSONResponse(document, media_type=OPENAPI)

    @routes.get("/docs", include_in_schema=False)
    def reference(request: Request) -> Response:
        document = app.openapi()
        return pages.render(request, "reference", document, chapters=chapters(document))

    @routes.get("/capabilities", summary="What this platform supports, and within which limits")
    def able(request: Request) -> Response:
        page = html(request)
        offered = {each.title: each.path for each in present(app)}
        document = {
            **capabilities(),
            "interfaces": offered,
            "links": [*forms(request), *_links(base_of(request), present(app))],
        }
        return pages.render(request, "capabilities", document) if page else JSONResponse(document)

    routes.include_router(start)
    return routes


def _links(base: str, interfaces: Sequence[Interface]) -> list[Document]:
    fixed = [
        link(f"{base}/api", "service-desc", OPENAPI, "This API as OpenAPI 3.0"),
        link(f"{base}/openapi.json", "service-desc", "application/vnd.oai.openapi+json;version=3.1", "OpenAPI 3.1"),
        link(f"{base}/docs", "service-doc", HTML, "This API as a page"),
        link(f"{base}/conformance", f"{OGC}/conformance", JSON, "Conformance"),
        link(f"{base}/conformance", "conformance", JSON, "Conformance"),
        link(f"{base}/capabilities", "capabilities", JSON, "What this platform supports"),
    ]
    return [*fixed, *(link(base + each.path, each.rel, each.media_type, each.title) for each in interfaces)]
