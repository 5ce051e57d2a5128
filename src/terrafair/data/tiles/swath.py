"""Data whose pixels each say where they lie (swaths, curvilinear grids): found again on a regular grid of degrees."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrafair.data import axes
from terrafair.data.tiles.sampling import Grid

Floats = NDArray[np.float64]
MOST = 1_000_000
"""Pixels that places are looked up among; of larger swaths every second, third ... in each direction."""
SIDE = 4000
"""Cells along a side of the grid."""
NEAR = 0.9
"""How far a cell's centre may lie from the nearest pixel's, in distances between neighbours; about half a diagonal."""
NONE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Swath:
    """Where each cell of a grid in degrees has its pixel."""

    grid: Grid
    index: NDArray[np.int64]
    """Shape of the grid; the place of the pixel in the flattened swath, or `NONE`."""
    longitudes: Floats
    """Shape (rows, columns) of the swath; without a seam: from west to east they grow beyond 180."""
    latitudes: Floats

    def laid(self, values: NDArray[np.generic]) -> NDArray[np.generic]:
        """A slice of the swath on the grid; reals, since there are cells without a pixel."""
        whole = values.ravel()
        if whole.dtype.kind != "f":
            # Single precision holds 24 bits.
            whole = whole.astype(np.float32 if whole.dtype.itemsize <= 2 else np.float64)
        return np.where(self.index == NONE, np.nan, whole[self.index]).astype(whole.dtype, copy=False)

    def pixel(self, row: int, column: int) -> tuple[int, int] | None:
        """Row and column in the swath of a cell's pixel."""
        found = int(self.index[row, column])
        return None if found == NONE else divmod(found, self.longitudes.shape[1])


def pairs(dataset: Any) -> list[tuple[str, str]]:
    """Names of the two-dimensional longitudes and latitudes, over the same two dimensions."""
    found: dict[str, list[tuple[str, tuple[Any, ...]]]] = {"x": [], "y": []}
    for name, variable in dataset.variables.items():
        letter = axes.letter(str(name), variable) if variable.ndim == 2 and variable.dtype.kind == "f" else None
        if letter in found and axes.is_geographic(str(name), variable):
            found[letter].append((str(name), variable.dims))
    return [(x, y) for x, dims in found["x"] for y, others in found["y"] if dims == others]


def located(array: Any, known: list[tuple[str, str]], dataset: Any) -> tuple[str, str] | None:
    """The pair that says where a variable lies: the one that it names, else the only one over its dimensions."""
    fitting = [pair for pair in known if set(dataset.variables[pair[0]].dims) <= set(array.dims)]
    fitting = [pair for pair in fitting if array.name not in pair]
    named = str(array.encoding.get("coordinates") or array.attrs.get("coordinates") or "").split()
    return next((pair for pair in fitting if set(pair) <= set(named)), fitting[0] if fitting else None)


def swath(longitudes: NDArray[np.generic], latitudes: NDArray[np.generic]) -> Swath | None:
    """The lookup; None where fewer than four pixels have a place."""
    from scipy.spatial import cKDTree

    east, north = _whole(np.asarray(longitudes, np.float64)), np.asarray(latitudes, np.float64)
    step = max(int(np.ceil((east.size / MOST) ** 0.5)), 1)
    thin_east, thin_north = east[::step, ::step], north[::step, ::step]
    known = np.isfinite(thin_east) & np.isfinite(thin_north) & (np.abs(thin_north) <= 90)
    if known.sum() < 4 or min(thin_east.shape) < 2:
        return None
    places = _sphere(thin_east, thin_north)
    spacing = _spacing(places)
    grid = _grid(thin_east[known], thin_north[known], float(np.nanmedian(spacing[known])))
    xs = grid.left + (np.arange(grid.columns) + 0.5) * grid.width
    ys = grid.top + (np.arange(grid.rows) + 0.5) * grid.height
    centres = _sphere(*np.meshgrid(xs, ys)).reshape(-1, 3)
    tree = cKDTree(places[known])
    asked: Any = tree.query(centres, distance_upper_bound=float(np.nanmax(spacing[known])) * NEAR)
    distance, nearest = (np.asarray(each) for each in asked)
    hit = nearest < tree.n
    hit[hit] &= distance[hit] <= spacing[known][nearest[hit]] * NEAR
    rows, columns = np.nonzero(known)
    flat = rows * step * east.shape[1] + columns * step
    index = np.full(len(centres), NONE, np.int64)
    index[hit] = flat[nearest[hit]]
    return Swath(grid, index.reshape(grid.rows, grid.columns), east, north)


def _whole(longitudes: Floats) -> Floats:
    """Longitudes without the seam at 180 degrees, where the data crosses it."""
    wrapped = (longitudes + 180) % 360 - 180
    turned = np.where(wrapped < 0, wrapped + 360, wrapped)
    with np.errstate(invalid="ignore"):
        plain, shifted = np.nanmax(wrapped) - np.nanmin(wrapped), np.nanmax(turned) - np.nanmin(turned)
    return turned if shifted < plain else wrapped


def _sphere(longitudes: Floats, latitudes: Floats) -> Floats:
    """Places on a sphere with the radius 1, for which distances have no seam and no pole."""
    east, north = np.radians(longitudes), np.radians(latitudes)
    return np.stack((np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)), axis=-1)


def _spacing(places: Floats) -> Floats:
    """The greater distance of each pixel to its neighbours along rows and columns."""
    down = np.linalg.norm(np.diff(places, axis=0), axis=-1)
    across = np.linalg.norm(np.diff(places, axis=1), axis=-1)
    found = np.full(places.shape[:2], np.nan)
    for part, gaps in (
        (found[:-1], down),
        (found[1:], down),
        (found[:, :-1], across),
        (found[:, 1:], across),
    ):
        np.fmax(part, gaps, out=part)
    return found


def _grid(longitudes: Floats, latitudes: Floats, spacing: float) -> Grid:
    """Cells as wide as pixels lie apart; half a pixel more on every side."""
    height = max(float(np.degrees(spacing)), 1e-6)
    south, north = float(latitudes.min()) - height / 2, float(latitudes.max()) + height / 2
    # A degree of longitude is shorter away from the equator; towards the poles no finer than ten to one.
    middle = float(np.radians((south + north) / 2))
    width = height / max(np.cos(middle), 0.1)
    west, east = float(longitudes.min()) - width / 2, float(longitudes.max()) + width / 2
    east = min(east, west + 360)
    columns = int(np.clip(np.ceil((east - west) / width), 2, SIDE))
    rows = int(np.clip(np.ceil((north - south) / height), 2, SIDE))
    return Grid(float(west), north, float((east - west) / columns), (south - north) / rows, columns, rows)
