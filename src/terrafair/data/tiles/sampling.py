"""Picks a tile's pixels out of a grid of data: which part to read, and one remap of it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from terrafair.data.tiles.projection import Places

Values = NDArray[np.generic]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up grid of pixels, one of several resolutions of the same data."""

    left: float
    """Outer edge of the first column, in the data's reference system."""
    top: float
    width: float
    """Of a pixel; negative where columns go west."""
    height: float
    """Of a pixel; negative where rows go south, as they mostly do."""
    columns: int
    rows: int


@dataclass(frozen=True, slots=True)
class Window:
    """A part of a grid, in whole pixels."""

    row: int
    column: int
    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class Picked:
    """The pixels of one tile."""

    values: Values
    """Shape (bands, size, size)."""
    valid: Mask | None
    """Shape (size, size); None: all are."""


Read = Callable[[Window], tuple[Values, Mask | None]]
"""Values of shape (bands, rows, columns) of a window, and which of them are data."""


def pick(places: Places, grid: Grid, read: Read, *, resampling: str, size: int) -> Picked | None:
    """Read what the tile needs and remap it; None where the tile lies beside the data.

    Without a named resampling, data is smoothed where the map is finer than its pixels, and taken as it is elsewhere.
    """
    magnified = _step(places.x, 1) < abs(grid.width) and _step(places.y, 0) < abs(grid.height)
    bilinear = resampling == "bilinear" or (not resampling and magnified)
    columns, rows = (places.x - grid.left) / grid.width - 0.5, (places.y - grid.top) / grid.height - 0.5
    inside: Mask = ((columns > -0.5) & (columns < grid.columns - 0.5)) & ((rows > -0.5) & (rows < grid.rows - 0.5))
    window = _window(columns, rows, grid, margin=1)
    if window is None:
        return None
    values, valid = read(window)
    columns, rows = columns - window.column, rows - window.row
    last_column, last_row = window.columns - 1, window.rows - 1
    near_columns = np.clip(np.rint(columns), 0, last_column).astype(np.intp)
    near_rows = np.clip(np.rint(rows), 0, last_row).astype(np.intp)
    mask: Mask | None = None if valid is None else _taken(valid, near_rows, near_columns).astype(bool)
    if not inside.all():
        mask = inside if mask is None else mask & inside
    if not bilinear:
        found = np.stack([_taken(band, near_rows, near_columns) for band in values])
    else:
        found = _bilinear(values, valid, np.clip(rows, 0, last_row), np.clip(columns, 0, last_column))
    shape = (size, size)
    return Picked(np.broadcast_to(found, (len(found), *shape)), None if mask is None else np.broadcast_to(mask, shape))


def _window(columns: NDArray[np.float64], rows: NDArray[np.float64], grid: Grid, margin: int) -> Window | None:
    first_column = max(math.floor(float(columns.min())) - margin, 0)
    first_row = max(math.floor(float(rows.min())) - margin, 0)
    end_column = min(math.ceil(float(columns.max())) + margin + 1, grid.columns)
    end_row = min(math.ceil(float(rows.max())) + margin + 1, grid.rows)
    if first_column >= end_column or first_row >= end_row:
        return None
    return Window(first_row, first_column, end_row - first_row, end_column - first_column)


def _taken(band: NDArray[np.generic], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> Values:
    if rows.shape[1] == 1 and columns.shape[0] == 1:
        # Rows and columns are independent: two cheap steps instead of one dear one.
        return np.asarray(band[rows[:, 0]][:, columns[0]])
    # One flat index is twice as fast as a pair.
    return np.asarray(band.reshape(-1).take(rows * band.shape[1] + columns))


def _bilinear(
    values: Values, valid: Mask | None, rows: NDArray[np.float64], columns: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Weighted by what is data: beside a gap the neighbours that are there count for the whole."""
    width = values.shape[2]
    top, left = rows.astype(np.intp), columns.astype(np.intp)
    down, across = (rows - top).astype(np.float32), (columns - left).astype(np.float32)
    right, bottom = left < width - 1, (top < values.shape[1] - 1) * width
    first = top * width + left
    corners = (first, first + right, first + bottom, first + bottom + right)
    both = down * across
    shares = [1 - down - across + both, across - both, down - both, both]
    total = np.zeros((len(values), *first.shape), np.float32)
    if valid is None or valid.all():
        for number, band in enumerate(values):
            flat = band.reshape(-1)
            for corner, share in zip(corners, shares, strict=True):
                total[number] += flat.take(corner) * share
        return total
    known = [valid.reshape(-1).take(corner) for corner in corners]
    shares = [share * each for share, each in zip(shares, known, strict=True)]
    weights = shares[0] + shares[1] + shares[2] + shares[3]
    for number, band in enumerate(values):
        # Whatever stands for no data, not-a-number included, must not come through.
        flat = np.where(valid, band, band.dtype.type(0)).reshape(-1)
        for corner, share in zip(corners, shares, strict=True):
            total[number] += flat.take(corner) * share
    np.divide(total, weights, out=total, where=weights > 0)
    return total


def best(grids: "list[Grid]", places: Places) -> int:
    """The coarsest of several resolutions (finest first) that is still as fine as the tile."""
    if len(grids) == 1:
        return 0
    across = _step(places.x, 1) / abs(grids[0].width)
    down = _step(places.y, 0) / abs(grids[0].height)
    wanted = max(min(across, down), 1.0)
    factors = [grids[0].columns / grid.columns for grid in grids]
    # A little finer than asked for is sharper; a little coarser saves nothing.
    fitting = [number for number, factor in enumerate(factors) if factor <= wanted * 1.05]
    return fitting[-1] if fitting else 0


def _step(values: NDArray[np.float64], axis: int) -> float:
    middle = values.shape[0] // 2, values.shape[1] // 2
    one = values[middle]
    other = values[middle[0] + (axis == 0 and values.shape[0] > 1), middle[1] + (axis == 1 and values.shape[1] > 1)]
    return abs(float(other - one))
