"""Map tiles, what a map needs to know of a file, and time series: `/tiles`."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, ConfigDict

from terrafair import __version__
from terrafair.data.tiles.cache import Kept
from terrafair.errors import InvalidInput

CACHED = frozenset({"tile", "preview", "about", "features"})
MADE_BY = f"{__version__}/3"
"""Changes when the same order is answered otherwise: pictures of an earlier way are not shown then."""
DOT = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c020000000b4944415478da6364f80f00010501012718e3660000"
    "000049454e44ae426082"
)
"""The smallest clear PNG."""
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

    @property
    def note(self) -> str:
        """Why there is nothing to be seen; mostly empty."""
        ...


class Cache(Protocol):
    """Answers that were made before; `data.tiles.cache.TileCache` is one."""

    def get(self, key: str) -> Painted | None:
        """What was kept under a key."""
        ...

    def put(self, key: str, kept: Kept) -> None:
        """Keep an answer."""
        ...


Paint = Callable[[str, dict[str, Any]], Painted]
Locate = Callable[[Request, str, str], tuple[str, str]]
"""(request, job, name of a file) -> object key, and version (empty: not known), which changes with the content.

Raises `NotFound` for what the asker may not see.
"""


class Area(BaseModel):
    """The body of a series over an area."""

    model_config = ConfigDict(extra="forbid")

    geometry: dict[str, Any]
    variable: str = ""


def router(paint: Paint, locate: Locate, cache: Cache | None = None) -> APIRouter:
    """Routes over the files of jobs; pictures, features and what a map needs to know are kept in the cache."""
    answer = _Answers(paint, cache)
    routes = APIRouter(prefix="/tiles", tags=["tiles"])

    @routes.get("/jobs/{job}/{name:path}/about")
    def about(request: Request, job: str, name: str) -> Response:
        """Bounds, zoom levels, values, legend, histogram and dimensions of a file."""
        key, version = locate(request, job, name)
        order = {"do": "about", "style": _style(request)}
        return answer(request, key, version, order)

    @routes.get("/jobs/{job}/{name:path}/preview")
    def preview(request: Request, job: str, name: str) -> Response:
        """One picture of the whole raster, or of one slice of a cube; `blank=yes`: a clear dot where it has none."""
        key, version = locate(request, job, name)
        style = _style(request)
        blank = style.pop("blank", "") == "yes"
        try:
            return answer(request, key, version, {"do": "preview", "style": style})
        except InvalidInput as error:
            if not blank:
                raise
            note = error.problem.what.encode("ascii", "replace").decode()[:200]
            return Response(DOT, media_type="image/png", headers={"X-Tile-Note": note, "Cache-Control": KEPT})

    @routes.get("/jobs/{job}/{name:path}/features")
    def features(request: Request, job: str, name: str) -> Response:
        """A vector file as GeoJSON in degrees, bounded to what a browser bears; says how many features there are."""
        key, version = locate(request, job, name)
        order = {"do": "features"}
        return answer(request, key, version, order)

    @routes.get("/jobs/{job}/{name:path}/point")
    def point(request: Request, job: str, name: str, lon: float, lat: float, variable: str = "") -> Response:
        """The time series at a place."""
        key, version = locate(request, job, name)
        order = {"do": "point", "variable": variable, "longitude": lon, "latitude": lat}
        return answer(request, key, version, order)

    @routes.post("/jobs/{job}/{name:path}/area")
    def area(request: Request, job: str, name: str, body: Area) -> Response:
        """The time series over a polygon."""
        key, version = locate(request, job, name)
        order = {"do": "area", "variable": body.variable, "area": body.geometry}
        return answer(request, key, version, order)

    @routes.get("/jobs/{job}/{name:path}/{z}/{x}/{last}")
    def tile(request: Request, job: str, name: str, z: int, x: int, last: str) -> Response:
        """One tile; `last` is `Y` or `Y.png`, `Y.jpeg`, `Y.webp`."""
        y, _, extension = last.partition(".")
        if not y.isdecimal():
            raise InvalidInput(f"There is no tile {z}/{x}/{last[:40]}.", "Tiles are z/x/y or z/x/y.png.")
        key, version = locate(request, job, name)
        style = _style(request)
        if extension:
            style["format"] = {"jpg": "jpeg"}.get(extension, extension)
        order = {"do": "tile", "tile": [z, x, int(y)], "style": style}
        return answer(request, key, version, order)

    return routes


def _style(request: Request) -> dict[str, str]:
    return {name: value[:500] for name, value in request.query_params.items()}


@dataclass(frozen=True, slots=True)
class _Answers:
    paint: Paint
    cache: Cache | None

    def __call__(self, request: Request, key: str, version: str, order: dict[str, Any]) -> Response:
        """A file never changes under its version, so neither does a picture of it."""
        text = json.dumps([MADE_BY, version, order], sort_keys=True)
        mark = hashlib.sha256(text.encode()).hexdigest()
        headers = {"ETag": f'"{mark[:32]}"', "Cache-Control": KEPT}
        if version and headers["ETag"] in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        kept = self.cache if version and order["do"] in CACHED else None
        found = kept.get(mark) if kept else None
        if found is None:
            found = self.paint(key, order)
            if kept:
                kept.put(mark, Kept(found.content, found.media_type, found.note))
        if found.note:
            headers["X-Tile-Note"] = found.note
        return Response(found.content, media_type=found.media_type, headers=headers)
