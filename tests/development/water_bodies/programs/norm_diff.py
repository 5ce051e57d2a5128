"""The normalised difference of two rasters; not a number where one of them has no data."""

import sys

import numpy as np
import rasterio

with rasterio.open(sys.argv[1]) as first, rasterio.open(sys.argv[2]) as second:
    one, two = (source.read(1, masked=True).astype("float32").filled(np.nan) for source in (first, second))
    profile = first.profile | {"dtype": "float32", "nodata": float("nan")}
with np.errstate(all="ignore"), rasterio.open("norm_diff.tif", "w", **profile) as target:
    target.write((one - two) / (one + two), 1)
