"""Reproducible randomness from integer hashing.

numpy's generators promise no equal streams across releases, so every random value here is a splitmix64 hash of its
place: exact 64-bit integers, then one exact division by a power of two.
"""

import numpy as np
import numpy.typing as npt

Grid = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_STRIDE_Y = np.uint64(0xD6E8FEB86659FD93)
_STRIDE_SEED = np.uint64(0xA0761D6478BD642F)


def uniform(x: Cells, y: Cells, seed: int) -> Grid:
    """Give a value in [0, 1) for each integer place; the same on every machine."""
    # One-element arrays wrap around silently; numpy scalars would warn about the overflow that hashing needs.
    salt = np.array([seed], dtype=np.uint64) * _STRIDE_SEED
    state = x.astype(np.uint64) * _GOLDEN + y.astype(np.uint64) * _STRIDE_Y + salt
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    state ^= state >> np.uint64(31)
    value: Grid = (state >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return value


def bell(x: Cells, y: Cells, seed: int) -> Grid:
    """Give a nearly normal value with mean 0 and standard deviation 1 (a sum of four uniforms, at most 3.5)."""
    total = uniform(x, y, seed)
    for part in range(1, 4):
        total = total + uniform(x, y, seed + 7919 * part)
    return (total - 2.0) * 1.7320508075688772


def smooth(x: Cells, y: Cells, cell: int, seed: int) -> Grid:
    """Give value noise in [0, 1) whose features are about `cell` places wide; continuous beyond the grid's edge."""
    column, row = np.floor_divide(x, cell), np.floor_divide(y, cell)
    right, down = _ease((x - column * cell) / cell), _ease((y - row * cell) / cell)
    top = _blend(uniform(column, row, seed), uniform(column + 1, row, seed), right)
    bottom = _blend(uniform(column, row + 1, seed), uniform(column + 1, row + 1, seed), right)
    return _blend(top, bottom, down)


def rough(x: Cells, y: Cells, cell: int, seed: int) -> Grid:
    """Give three octaves of `smooth`, in [0, 1)."""
    return (
        4.0 * smooth(x, y, cell, seed) + 2.0 * smooth(x, y, cell // 2, seed + 1) + smooth(x, y, cell // 4, seed + 2)
    ) / 7.0


def _ease(fraction: Grid) -> Grid:
    return fraction * fraction * (3.0 - 2.0 * fraction)


def _blend(start: Grid, end: Grid, fraction: Grid) -> Grid:
    return start + (end - start) * fraction
