"""Colour maps from a few control points each, and legends.

Their control points are our own choice of even steps along well-known ramps; all but `grey` keep order in lightness or
around a neutral middle, so that they can be read without colour vision.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

RAMPS: Mapping[str, tuple[str, ...]] = {
    "grey": ("000000", "ffffff"),
    "viridis": ("440154", "46327e", "365c8d", "277f8e", "1fa187", "4ac16d", "a0da39", "fde725"),
    "magma": ("000004", "2c115f", "721f81", "b73779", "f1605d", "feb078", "fcfdbf"),
    "inferno": ("000004", "320a5e", "781c6d", "bc3754", "ed6925", "fbb61a", "fcffa4"),
    "ndvi": ("8c510a", "d8b365", "f6e8c3", "c7e9b4", "7fcdbb", "41ab5d", "006837", "00441b"),
    "water": ("f7fbff", "c6dbef", "6baed6", "2171b5", "08306b"),
    "thermal": ("042333", "2c3395", "744992", "b15f82", "eb7958", "fbb43d", "e8fa5b"),
    "ice": ("040613", "292851", "3f4b96", "427bb7", "61a8c7", "9cd4da", "eafcfd"),
    "balance": ("053061", "4393c3", "d1e5f0", "f7f7f7", "fddbc7", "d6604d", "67001f"),
}
"""Name -> colours at even steps, as RRGGBB; `NAME_r` is the same turned round."""


@lru_cache(maxsize=64)
def palette(name: str) -> NDArray[np.uint8]:
    """256 colours, shape (256, 3)."""
    stops = RAMPS[name.removesuffix("_r")]
    points = np.array([[int(stop[at : at + 2], 16) for at in (0, 2, 4)] for stop in stops], float)
    where = np.linspace(0, len(stops) - 1, 256)
    columns = [np.interp(where, np.arange(len(stops)), points[:, channel]) for channel in range(3)]
    colours = np.stack(columns, 1).round().astype(np.uint8)
    return colours[::-1].copy() if name.endswith("_r") else colours


def legend(name: str, low: float, high: float, steps: int = 9) -> list[dict[str, object]]:
    """Values with their colours, `#rrggbb`, from low to high."""
    colours = palette(name)
    values = np.linspace(low, high, steps)
    picks = np.linspace(0, 255, steps).round().astype(int)
    return [
        {"value": float(value), "colour": "#" + "".join(f"{part:02x}" for part in colours[pick])}
        for value, pick in zip(values, picks, strict=True)
    ]
