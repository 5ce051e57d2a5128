"""`/status`: what works at this moment, and the service levels of a month, for everybody."""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response

from terrafair.portal.desk import Desk


def router(desk: Desk, parts: Callable[[], Mapping[str, bool]], report: Callable[[str], dict[str, Any]]) -> APIRouter:
    """`parts` gives each part and whether it works; `report` a month's document."""
    routes = desk.pages.router()

    @routes.get("/status")
    def status(request: Request, month: str = "") -> Response:
        return desk.show(request, "status.html", {"parts": parts(), "levels": report(month)})

    return routes
