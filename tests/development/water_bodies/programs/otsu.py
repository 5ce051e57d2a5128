"""Otsu's threshold: of all cuts through the histogram the one with the most variance between both sides."""

import sys

import numpy as np
import rasterio

with rasterio.open(sys.argv[1]) as source:
    index, profile = source.read(1), source.profile
known = index[np.isfinite(index)]
counts, edges = np.histogram(known, bins=256)
middles = (edges[:-1] + edges[1:]) / 2
below, sums = np.cumsum(counts), np.cumsum(counts * middles)
above = below[-1] - below
with np.errstate(all="ignore"):
    between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
threshold = middles[np.nanargmax(between)]
print(f"threshold {threshold:.4f}")
mask = np.where(np.isfinite(index), index > threshold, 255).astype("uint8")
with rasterio.open("water.tif", "w", **(profile | {"dtype": "uint8", "nodata": 255})) as target:
    target.write(mask, 1)
