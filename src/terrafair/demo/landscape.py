"""The demo's landscape: what covers the ground, pixel by pixel, before any satellite looks at it."""

from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from terrafair.demo import noise
from terrafair.demo.noise import Cells, Grid

SIZE = 300
"""Rows and columns."""


class Cover(IntEnum):
    """What covers the ground."""

    LAKE = 1
    RIVER = 2
    FOREST = 3
    GRASSLAND = 4
    WHEAT = 5
    MAIZE = 6
    RAPESEED = 7
    BARE = 8
    URBAN = 9


CROPS = (Cover.GRASSLAND, Cover.WHEAT, Cover.MAIZE, Cover.RAPESEED, Cover.BARE)


@dataclass(frozen=True, slots=True)
class Parcel:
    """One agricultural field: a rectangle of pixels."""

    id: int
    cover: Cover
    left: int
    """First column."""
    top: int
    """First row."""
    right: int
    """Column after the last."""
    bottom: int
    """Row after the last."""


@dataclass(frozen=True, slots=True)
class Landscape:
    """Everything about the ground that does not change from date to date."""

    cover: npt.NDArray[np.uint8]
    """`Cover` of each pixel at the highest water level."""
    depth: Grid
    """How far inside the lake, as a share of its radius: 0 at the spring shore, 1 in the middle; below 0 outside."""
    parcel: npt.NDArray[np.int16]
    """Number of the field that each pixel was drawn from, also below forest and water."""
    parcels: tuple[Parcel, ...]
    """The fields that nothing else cuts, so that their outline is exact."""


def grid(size: int = SIZE) -> tuple[Cells, Cells]:
    """Give the column and row number of each pixel."""
    rows, columns = np.indices((size, size))
    return columns.astype(np.int64), rows.astype(np.int64)


def build(size: int = SIZE) -> Landscape:
    """Lay out fields, then forest, town, river and lake over them."""
    x, y = grid(size)
    parcels, number, cover = _fields(size)
    forest = (noise.rough(x, y, 64, 11) + (120.0 - x) / 400.0 > 0.60) & (x < 190)
    cover[forest] = Cover.FOREST
    cover[_town(x, y)] = Cover.URBAN
    cover[_river(x, y)] = Cover.RIVER
    depth = _lake_depth(x, y)
    cover[depth > 0.0] = Cover.LAKE
    whole = tuple(p for p in parcels if np.all(cover[p.top : p.bottom, p.left : p.right] == p.cover))
    return Landscape(cover, depth, number, whole)


def _fields(size: int) -> tuple[list[Parcel], npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    columns, rows = _cuts(size, 26, 31), _cuts(size, 18, 37)
    parcels: list[Parcel] = []
    number = np.zeros((size, size), np.int16)
    cover = np.zeros((size, size), np.uint8)
    for j, (top, bottom) in enumerate(pairwise(rows)):
        for i, (left, right) in enumerate(pairwise(columns)):
            draw = float(noise.uniform(np.array([i]), np.array([j]), 41)[0])
            parcel = Parcel(len(parcels) + 1, CROPS[int(draw * len(CROPS))], left, top, right, bottom)
            parcels.append(parcel)
            number[top:bottom, left:right] = parcel.id
            cover[top:bottom, left:right] = parcel.cover
    return parcels, number, cover


def _cuts(size: int, step: int, seed: int) -> list[int]:
    count = size // step
    jitter = noise.uniform(np.arange(count), np.zeros(count, np.int64), seed)
    inner = [k * step + int(jitter[k] * step * 0.5) for k in range(1, count)]
    return [0, *inner, size]


def _town(x: Cells, y: Cells) -> npt.NDArray[np.bool_]:
    distance = ((x - 62) / 38.0) ** 2 + ((y - 232) / 30.0) ** 2
    return np.asarray(distance + 0.9 * (noise.rough(x, y, 24, 53) - 0.5) < 1.0)


def _river(x: Cells, y: Cells) -> npt.NDArray[np.bool_]:
    meander = 46.0 * (noise.smooth(y, np.zeros_like(y), 48, 61) - 0.5)
    middle = 120.0 + 0.36 * y + meander
    return np.asarray(np.abs(x - middle) < 3.2)


def _lake_depth(x: Cells, y: Cells) -> Grid:
    distance = ((x - 205) / 52.0) ** 2 + ((y - 120) / 40.0) ** 2
    return 1.0 - distance - 0.55 * (noise.rough(x, y, 40, 71) - 0.5)
