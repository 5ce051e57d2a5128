"""Where the pixels of a tile lie in the data: projected on a coarse grid, interpolated between, and checked."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from terrafair.data.tiles.mercator import RADIUS, Tile

Floats = NDArray[np.float64]
GRIDS = (9, 33)
"""Points along a side; a finer one is tried where the coarse one is wrong by more than `ERROR` pixels."""
ERROR = 0.2


class Difficult(Exception):
    """The tile crosses a pole, a seam or the edge of a projection: interpolation would draw nonsense."""


@dataclass(frozen=True, slots=True)
class Places:
    """For each pixel of a tile its coordinates in the data's reference system."""

    x: Floats
    """Shape (size, size), or (1, size) where it is the same in every row."""
    y: Floats
    """Shape (size, size), or (size, 1)."""
    seen: NDArray[np.bool_] | None = None
    """Of shape (size, size), which pixels have a place there at all; None: all have."""


@lru_cache(maxsize=64)
def transformer(crs: str) -> Transformer:
    """From the map to the data; thread-local in pyproj's own way."""
    return Transformer.from_crs("EPSG:3857", crs, always_xy=True)


@lru_cache(maxsize=512)
def places(tile: Tile, crs: str, size: int, precision: float) -> Places:
    """The pixels' centres in `crs`; `precision` is the width of a data pixel in its units.

    Raises `Difficult`.
    """
    west, _, east, north = tile.bounds
    steps: Floats = (np.arange(size, dtype=np.float64) + 0.5) * ((east - west) / size)
    xs: Floats = west + steps
    ys: Floats = north - steps
    if crs == "EPSG:3857":
        return Places(xs[None, :], ys[:, None])
    change = transformer(crs)
    if change.target_crs is not None and change.target_crs.is_geographic:
        # Longitude depends on x alone, latitude on y alone: exact, and a side instead of a square.
        longitudes, _ = change.transform(xs, np.full(size, ys[size // 2]))
        _, latitudes = change.transform(np.full(size, xs[size // 2]), ys)
        if np.isfinite(longitudes).all() and np.isfinite(latitudes).all() and (np.diff(longitudes) > 0).all():
            return Places(np.asarray(longitudes)[None, :], np.asarray(latitudes)[:, None])
        raise Difficult
    for points in GRIDS:
        found = _interpolated(change, xs, ys, points)
        if _wrong_by(change, found, xs, ys) <= ERROR * max(precision, 1e-12):
            return found
    raise Difficult


@lru_cache(maxsize=256)
def exact(tile: Tile, crs: str, size: int, bounds: tuple[float, float, float, float]) -> Places:
    """Each pixel by itself: for tiles that reach beyond what the data's projection can say.

    `bounds` are the data's in degrees (west may be east of east, across the antimeridian). Outside of them a projection
    may give a place all the same, a false one: such pixels are none.
    """
    west, _, east, north = tile.bounds
    steps: Floats = (np.arange(size, dtype=np.float64) + 0.5) * ((east - west) / size)
    xs, ys = np.meshgrid(west + steps, north - steps)
    there_x, there_y = transformer(crs).transform(xs, ys)
    longitudes = np.degrees(xs / RADIUS)
    latitudes = np.degrees(2 * np.arctan(np.exp(ys / RADIUS))) - 90
    span = (bounds[2] - bounds[0]) % 360 or 360.0
    room = 0.02 * max(span, bounds[3] - bounds[1])
    seen = (longitudes - bounds[0] + room) % 360 <= span + 2 * room
    seen &= (latitudes >= bounds[1] - room) & (latitudes <= bounds[3] + room)
    seen &= np.isfinite(there_x) & np.isfinite(there_y)
    return Places(np.where(seen, there_x, 0.0), np.where(seen, there_y, 0.0), seen)


def reach(crs: str, box: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    """A box of the data in degrees: west, south, east, north; poles and the antimeridian within it count."""
    change = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    west, south, east, north = change.transform_bounds(*box, densify_pts=51)
    return float(west), float(south), float(east), float(north)


def _interpolated(change: Transformer, xs: Floats, ys: Floats, points: int) -> Places:
    nodes = np.linspace(0, len(xs) - 1, points)
    grid_x, grid_y = np.meshgrid(np.interp(nodes, np.arange(len(xs)), xs), np.interp(nodes, np.arange(len(ys)), ys))
    there_x, there_y = change.transform(grid_x, grid_y)
    if not (np.isfinite(there_x).all() and np.isfinite(there_y).all()):
        raise Difficult
    return Places(_stretched(np.asarray(there_x), len(xs)), _stretched(np.asarray(there_y), len(xs)))


def _stretched(nodes: Floats, size: int) -> Floats:
    """Bilinear, one axis after the other; not as a product of matrices, for which BLAS would wake its threads."""
    left, share = _steps(nodes.shape[0], size)
    rows = nodes[left] + (nodes[left + 1] - nodes[left]) * share[:, None]
    starts, ends = rows[:, left], rows[:, left + 1]
    ends -= starts
    ends *= share
    ends += starts
    return ends


@lru_cache(maxsize=8)
def _steps(points: int, size: int) -> tuple[NDArray[np.intp], Floats]:
    where = np.linspace(0, points - 1, size)
    left = np.minimum(where.astype(np.intp), points - 2)
    return left, where - left


def _wrong_by(change: Transformer, found: Places, xs: Floats, ys: Floats) -> float:
    """The largest error at some pixels between the nodes, in the data's units."""
    picks = np.linspace(3, len(xs) - 4, 7).astype(int)
    rows, columns = np.meshgrid(picks, picks, indexing="ij")
    true_x, true_y = change.transform(xs[columns], ys[rows])
    wrong: Any = np.hypot(found.x[rows, columns] - true_x, found.y[rows, columns] - true_y)
    return float(np.max(wrong)) if np.isfinite(wrong).all() else float("inf")
