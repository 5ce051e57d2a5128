"""Map tiles, what a map needs to know of a file, and time series: `/tiles`."""

import hashlib
import json
from collections.abc import Callable
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from terrafair.errors import InvalidInput

KEPT = "private, max-age=3600"


class Painted(Protocol):
    """A picture or a document."""

    @property
    def content(self) -> bytes:
        """Encoded."""
        ...

    @property
    def media_type(self) -> str:
        """Of the content."""
        ...


Paint = Callable[[str, dict[str, Any]], Painted]
Locate = Callable[[Request, str, str], tuple[str, str]]
"""(request, job, file's name) -> object key and checksum; raises `NotFound` for what the asker may not see."""


class Area(BaseModel):
    """The body of a series over an area."""

    model_config = ConfigDict(extra="forbid")

    geometry: dict[str, Any]
    variable: str = ""


def router(paint: Paint, locate: Locate) -> APIRouter:
    """Routes over the files of jobs."""
    routes = APIRouter(prefix="/tiles", tags=["tiles"])

    @routes.get("/jobs/{job}/{name:path}/about")
    def about(request: Request, job: str, name: str) -> Response:
        """Bounds, zoom levels, values, legend, histogram and dimensions of a file."""
        key, checksum = locate(request, job, name)
        order = {"do": "about", "style": _style(request)}
        return _answer(request, checksum, order, lambda: paint(key, order))

    @routes.get("/jobs/{job}/{name:path}/point")
    def point(request: Request, job: str, name: str, lon: float, lat: float, variable: str = "") -> Response:
        """The time series at a place."""
        key, checksum = locate(request, job, name)
        order = {"do": "point", "variable": variable, "longitude": lon, "latitude": lat}
        return _answer(request, checksum, order, lambda: paint(key, order))

    @routes.post("/jobs/{job}/{name:path}/area")
    def area(request: Request, job: str, name: str, body: Area) -> Response:
        """The time series over a polygon."""
        key, checksum = locate(request, job, name)
        order = {"do": "area", "variable": body.variable, "area": body.geometry}
        return _answer(request, checksum, order, lambda: paint(key, order))

    @routes.get("/jobs/{job}/{name:path}/{z}/{x}/{last}")
    def tile(request: Request, job: str, name: str, z: int, x: int, last: str) -> Response:
        """One tile; `last` is `Y` or `Y.png`, `Y.jpeg`, `Y.webp`."""
        y, _, extension = last.partition(".")
        if not y.isdecimal():
            raise InvalidInput(f"There is no tile {z}/{x}/{last[:40]}.", "Tiles are z/x/y or z/x/y.png.")
        key, checksum = locate(request, job, name)
        style = _style(request)
        if extension:
            style["format"] = {"jpg": "jpeg"}.get(extension, extension)
        order = {"do": "tile", "tile": [z, x, int(y)], "style": style}
        return _answer(request, checksum, order, lambda: paint(key, order))

    return routes


def _style(request: Request) -> dict[str, str]:
    return {name: value[:500] for name, value in request.query_params.items()}


def _answer(request: Request, checksum: str, order: dict[str, Any], paint: Callable[[], Painted]) -> Response:
    """A file never changes under its checksum, so neither does a picture of it."""
    text = json.dumps([checksum, order], sort_keys=True)
    tag = f'"{hashlib.sha256(text.encode()).hexdigest()[:32]}"'
    headers = {"ETag": tag, "Cache-Control": KEPT}
    if checksum and request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    found = paint()
    return Response(found.content, media_type=found.media_type, headers=headers)
