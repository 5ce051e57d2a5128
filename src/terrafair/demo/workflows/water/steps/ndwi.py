"""Compute the normalised difference water index of McFeeters (1996) where the sky is clear."""

import argparse
from pathlib import Path

import numpy as np
import rasterio

CLEAR = (4, 5, 6, 7)
"""Classes of Sen2Cor without cloud, shadow or defect: vegetation, bare soil, water, unclassified."""


def main() -> None:
    """Write `ndwi-NAME.tif`; not-a-number under cloud and shadow."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("image", type=Path)
    options = arguments.parse_args()
    with rasterio.open(options.image) as source:
        green, nir, classes = source.read().astype("float64")
        profile, tags = source.profile, source.tags()
    total = green + nir
    clear = np.isin(classes, CLEAR) & (total > 0)
    index = np.where(clear, (green - nir) / np.where(total > 0, total, 1.0), np.nan)
    profile.update(count=1, dtype="float32")
    with rasterio.open(f"ndwi-{options.image.name}", "w", **profile) as target:
        target.write(index.astype("float32"), 1)
        target.update_tags(**{name: tags[name] for name in ("ITEM", "DATETIME")})


if __name__ == "__main__":
    main()
