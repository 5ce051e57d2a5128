"""Part 2: coordinates in other reference systems, with each system's own order of axes."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import orjson
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError, ProjError

from terrafair.errors import InvalidInput

CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
OFFERED = (
    CRS84,
    *(f"http://www.opengis.net/def/crs/EPSG/0/{code}" for code in (4326, 3857, 3035, 4258, 3031, 3413, 3995)),
    *(f"http://www.opengis.net/def/crs/EPSG/0/{first + zone}" for first in (32600, 32700) for zone in range(1, 61)),
)

_URI = re.compile(r"https?://www\.opengis\.net/def/crs/(OGC|EPSG)/[0-9.]+/([A-Z0-9a-z]+)")


def check(uri: str, where: str) -> str:
    """The URI itself; raises `InvalidInput` for a system that is not offered."""
    plain = uri.strip("[]").replace("https://", "http://")
    if plain not in OFFERED:
        raise InvalidInput(
            f"{where} is {uri[:80]!r}.", remedy=f"Offered are {CRS84}, .../EPSG/0/4326 and others.", where=where
        )
    return plain


@lru_cache(256)
def _system(uri: str) -> CRS:
    found = _URI.fullmatch(uri)
    try:
        if found is None:
            raise CRSError(uri)
        return CRS.from_user_input(f"{found[1]}:{found[2]}")
    except CRSError:
        raise InvalidInput(f"There is no reference system {uri[:80]!r}.", where="crs") from None


@lru_cache(256)
def _transformer(source: str, target: str) -> Transformer:
    return Transformer.from_crs(_system(source), _system(target))


def box_in_degrees(numbers: Sequence[float], uri: str) -> list[float]:
    """A bbox of that system, in its axis order, as west, south, east, north."""
    flat = [numbers[0], numbers[1], numbers[3], numbers[4]] if len(numbers) == 6 else list(numbers)
    if uri == CRS84 or len(flat) != 4:
        return flat
    a, b, c, d = flat
    try:
        # pyproj takes and gives bounds in the systems' own orders, too.
        west, south, east, north = _transformer(uri, CRS84).transform_bounds(a, b, c, d)
    except ProjError:
        raise InvalidInput(f"The bbox {flat} lies outside of {uri}.", where="bbox") from None
    if not all(abs(value) <= 360 for value in (west, south, east, north)):
        raise InvalidInput(f"The bbox {flat} lies outside of {uri}.", where="bbox")
    return [west, south, east, north]


def geometry_in(geometry: dict[str, Any] | None, uri: str) -> dict[str, Any] | None:
    """A GeoJSON geometry in degrees as one in that system."""
    if geometry is None or uri == CRS84:
        return geometry
    transformer = _transformer(CRS84, uri)
    shape = shapely.from_geojson(orjson.dumps(geometry))
    moved = shapely.transform(shape, transformer.transform, interleaved=False)  # type: ignore[arg-type]
    found: dict[str, Any] = orjson.loads(shapely.to_geojson(moved))
    return found
