"""The tile scheme of web maps (OGC Two Dimensional Tile Matrix Set, WebMercatorQuad)."""

import math
from dataclasses import dataclass

from terrafair.errors import InvalidInput

RADIUS = 6_378_137.0
HALF = math.pi * RADIUS
"""Metres from the middle of the map to its edge."""
DEEPEST = 24


@dataclass(frozen=True, slots=True)
class Tile:
    """One square of the map."""

    z: int
    x: int
    """From the west."""
    y: int
    """From the north."""

    def __post_init__(self) -> None:
        """Refuse squares that the map does not have."""
        if not (0 <= self.z <= DEEPEST and 0 <= self.x < 2**self.z and 0 <= self.y < 2**self.z):
            raise InvalidInput(
                f"There is no tile {self.z}/{self.x}/{self.y}.", f"z is 0 to {DEEPEST}; x and y are 0 to 2^z - 1."
            )

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres of EPSG:3857."""
        side = 2 * HALF / 2**self.z
        west, north = self.x * side - HALF, HALF - self.y * side
        return west, north - side, west + side, north


def degrees(x: float, y: float) -> tuple[float, float]:
    """Longitude and latitude of a place in metres of EPSG:3857."""
    return math.degrees(x / RADIUS), math.degrees(2 * math.atan(math.exp(y / RADIUS)) - math.pi / 2)


def metres(longitude: float, latitude: float) -> tuple[float, float]:
    """A place in metres of EPSG:3857; latitudes beyond the map's edge are moved to it."""
    bounded = max(min(latitude, 85.051128779806), -85.051128779806)
    return math.radians(longitude) * RADIUS, math.log(math.tan(math.pi / 4 + math.radians(bounded) / 2)) * RADIUS


def fitting_zoom(metres_per_pixel: float, size: int = 256) -> int:
    """The first zoom level at which the map is as fine as data of that resolution at the equator."""
    return max(0, min(DEEPEST, math.ceil(math.log2(2 * HALF / size / metres_per_pixel) - 0.1)))
