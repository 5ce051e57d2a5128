"""How each cover type reflects, and how green it is through the season.

Typical bottom-of-atmosphere reflectances in five bands of the MSI (compare the ECOSTRESS and USGS spectral libraries).
"""

from itertools import pairwise

import numpy as np

from terrafair.demo.landscape import Cover
from terrafair.demo.noise import Grid

Spectrum = tuple[float, float, float, float, float]
"""Reflectance in B02 (490 nm), B03 (560 nm), B04 (665 nm), B08 (842 nm) and B11 (1610 nm)."""

CANOPY: dict[Cover, Spectrum] = {
    Cover.FOREST: (0.018, 0.036, 0.021, 0.330, 0.140),
    Cover.GRASSLAND: (0.030, 0.068, 0.036, 0.400, 0.210),
    Cover.WHEAT: (0.024, 0.056, 0.027, 0.450, 0.180),
    Cover.MAIZE: (0.026, 0.062, 0.029, 0.470, 0.200),
    Cover.RAPESEED: (0.028, 0.080, 0.040, 0.480, 0.190),
    Cover.BARE: (0.035, 0.070, 0.045, 0.300, 0.230),
}
GROUND: dict[Cover, Spectrum] = {
    Cover.LAKE: (0.048, 0.046, 0.024, 0.011, 0.006),
    Cover.RIVER: (0.058, 0.072, 0.050, 0.024, 0.010),
    Cover.FOREST: (0.040, 0.062, 0.072, 0.190, 0.220),
    Cover.URBAN: (0.120, 0.140, 0.158, 0.205, 0.225),
}
SOIL: Spectrum = (0.070, 0.100, 0.138, 0.215, 0.300)
MUD: Spectrum = (0.055, 0.075, 0.095, 0.130, 0.120)
CLOUD: Spectrum = (0.560, 0.550, 0.545, 0.570, 0.400)
CIRRUS: Spectrum = (0.190, 0.185, 0.180, 0.200, 0.160)

SEASON: dict[Cover, tuple[tuple[int, float], ...]] = {
    Cover.FOREST: ((80, 0.45), (120, 0.80), (150, 1.00), (250, 0.96), (300, 0.55)),
    Cover.GRASSLAND: ((80, 0.55), (125, 0.90), (150, 0.60), (180, 0.86), (215, 0.62), (245, 0.80), (300, 0.65)),
    Cover.WHEAT: ((80, 0.30), (125, 0.90), (145, 0.97), (170, 0.75), (195, 0.15), (205, 0.04), (300, 0.06)),
    Cover.MAIZE: ((80, 0.02), (135, 0.05), (165, 0.40), (200, 0.95), (235, 0.92), (262, 0.45), (300, 0.05)),
    Cover.RAPESEED: ((80, 0.50), (110, 0.92), (125, 0.78), (145, 0.88), (175, 0.45), (200, 0.05), (300, 0.10)),
    Cover.BARE: ((80, 0.03), (200, 0.06), (300, 0.03)),
    Cover.URBAN: ((80, 0.10), (150, 0.16), (300, 0.10)),
}
"""Green fraction by day of year, straight lines between the knots."""


def table(spectra: dict[Cover, Spectrum], default: Spectrum) -> Grid:
    """Give the spectra as rows by the number of the cover."""
    return np.array([spectra.get(Cover(code), default) if code else default for code in range(len(Cover) + 1)])


def green_fraction(cover: Cover, day: Grid) -> Grid:
    """Give the share of the ground that green canopy hides on each pixel's own day of the year; 0 where never green."""
    knots = SEASON.get(cover, ((0, 0.0),))
    value = np.full(day.shape, knots[0][1])
    for (start, low), (end, high) in pairwise(knots):
        inside = low + (high - low) * ((day - start) / (end - start))
        value = np.where(day >= start, np.where(day < end, inside, high), value)
    return value
