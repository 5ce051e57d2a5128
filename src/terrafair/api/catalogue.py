"""Routes about what is published: search, and what each experiment comes down to."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from terrafair.api.shapes import resolution
from terrafair.api.verdicts import Verdicts
from terrafair.catalogue import query
from terrafair.catalogue.catalogue import Catalogue
from terrafair.workflows.resolve import Resolver


def router(catalogue: Catalogue, resolver: Resolver, verdicts: Verdicts) -> APIRouter:
    """`/api/catalogue`, `/api/find`, `/api/experiments`."""
    routes = APIRouter(prefix="/api", tags=["catalogue"])

    @routes.get("/catalogue")
    def state() -> dict[str, Any]:
        """Which catalogue this platform shows, and at which commit."""
        return {"source": catalogue.source, "commit": catalogue.commit, "synced": catalogue.synced_at}

    @routes.get("/find")
    def find(
        text: str = "",
        kind: Annotated[list[str], Query()] = [],  # noqa: B006 - FastAPI copies it
        theme: str = "",
        variable: str = "",
        mission: str = "",
        project: str = "",
        bbox: str = "",
        time: str = "",
        semantic: bool = False,
        limit: int = 20,
        offset: int = 0,
    ) -> dict[str, Any]:
        """Search all kinds of entity; best matches first."""
        wanted = query.Query.parse(
            text=text,
            kinds=tuple(kind),
            theme=theme,
            variable=variable,
            mission=mission,
            project=project,
            bbox=bbox,
            time=time,
            semantic=semantic,
            limit=limit,
            offset=offset,
        )
        return catalogue.search(wanted).document()

    @routes.get("/experiments")
    def experiments() -> list[dict[str, Any]]:
        """Every experiment and workflow with its verdict."""
        return verdicts.table()

    @routes.get("/experiments/{id}")
    def explain(id: str, kind: str = "") -> dict[str, Any]:  # noqa: A002
        """What one experiment or workflow comes down to."""
        return resolution(resolver.resolve(id, kind or None))

    return routes
