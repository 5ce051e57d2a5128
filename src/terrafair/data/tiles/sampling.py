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

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Least x and y, greatest x and y."""
        right, bottom = self.left + self.width * self.columns, self.top + self.height * self.rows
        return min(self.left, right), min(self.top, bottom), max(self.left, right), max(self.top, bottom)


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
    # Whole numbers are the edges of pixels.
    columns, rows = (places.x - grid.left) / grid.width, (places.y - grid.top) / grid.height
    ends = _ends(columns, rows, places.seen)
    window = _window(ends, grid)
    if window is None:
        return None
    values, valid = read(window)
    columns -= window.column
    rows -= window.row
    whole = places.seen is None and ends[0] >= 0 and ends[1] < grid.columns and ends[2] >= 0 and ends[3] < grid.rows
    near = _Nearest(columns, rows, window, whole=whole)
    mask: Mask | None = None if valid is None else near.take(valid).astype(bool, copy=False)
    if not whole:
        inside = (columns >= 0) & (columns < window.columns) & ((rows >= 0) & (rows < window.rows))
        if places.seen is not None:
            inside = inside & places.seen
        mask = inside if mask is None else mask & inside
    if not bilinear:
        found = np.stack([near.take(band) for band in values]) if len(values) > 1 else near.take(values[0])[None]
    else:
        last_row, last_column = window.rows - 1, window.columns - 1
        found = _bilinear(values, valid, np.clip(rows - 0.5, 0, last_row), np.clip(columns - 0.5, 0, last_column))
    shape = (size, size)
    return Picked(np.broadcast_to(found, (len(found), *shape)), None if mask is None else np.broadcast_to(mask, shape))


def _ends(columns: NDArray[np.float64], rows: NDArray[np.float64], seen: Mask | None) -> tuple[float, ...]:
    """Least and greatest column and row."""
    if seen is not None:
        if not seen.any():
            return (math.nan,) * 4
        columns, rows = columns[seen], rows[seen]
    return tuple(float(end) for end in (columns.min(), columns.max(), rows.min(), rows.max()))


def _window(ends: tuple[float, ...], grid: Grid, margin: int = 1) -> Window | None:
    """The pixels that the places lie in, and those around."""
    if not all(map(math.isfinite, ends)):
        return None
    first_column, first_row = max(math.floor(ends[0]) - margin, 0), max(math.floor(ends[2]) - margin, 0)
    end_column = min(math.floor(ends[1]) + margin + 1, grid.columns)
    end_row = min(math.floor(ends[3]) + margin + 1, grid.rows)
    beside = ends[1] < 0 or ends[3] < 0 or ends[0] >= grid.columns or ends[2] >= grid.rows
    if beside or first_column >= end_column or first_row >= end_row:
        return None
    return Window(first_row, first_column, end_row - first_row, end_column - first_column)


class _Nearest:
    """For each place the pixel that it lies in."""

    def __init__(self, columns: NDArray[np.float64], rows: NDArray[np.float64], window: Window, *, whole: bool) -> None:
        if not whole:
            columns, rows = np.clip(columns, 0, window.columns - 1), np.clip(rows, 0, window.rows - 1)
        self._columns, self._rows = columns.astype(np.intp), rows.astype(np.intp)
        # Rows and columns are independent: two cheap steps instead of one dear one.
        self._apart = rows.shape[1] == 1 and columns.shape[0] == 1
        # One flat index is twice as fast as a pair.
        self._flat = None if self._apart else self._rows * window.columns + self._columns

    def take(self, band: Values) -> Values:
        if self._flat is None:
            return np.asarray(band.take(self._rows[:, 0], 0, mode="clip").take(self._columns[0], 1, mode="clip"))
        # Indices are within bounds; without the check for it, the output needs no buffer.
        return np.asarray(band.reshape(-1).take(self._flat, mode="clip"))


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
