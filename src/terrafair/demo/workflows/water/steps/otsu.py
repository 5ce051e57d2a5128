"""Split an index into water and land at the threshold of Otsu (1979)."""

import argparse
from pathlib import Path

import numpy as np
import rasterio

NODATA = 255


def threshold(values: np.ndarray) -> float:
    """The value between -1 and 1 that separates two classes best; the middle where a range of values does so."""
    counts, edges = np.histogram(values, bins=200, range=(-1.0, 1.0))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)[:-1].astype("float64")
    above = counts.sum() - below
    sums = np.cumsum(counts * centres)
    usable = (below > 0) & (above > 0)
    if not usable.any():
        raise SystemExit("The index has one value only; no threshold separates it.")
    mean_below = sums[:-1] / np.maximum(below, 1)
    mean_above = (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    variance = np.where(usable, below * above * (mean_below - mean_above) ** 2, -1.0)
    best = np.flatnonzero(variance >= variance.max() * (1 - 1e-9))
    return float((edges[best[0] + 1] + edges[best[-1] + 1]) / 2)


def main() -> None:
    """Write `water-DATE.tif`: 1 water, 0 land, 255 unknown."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("index", type=Path)
    options = arguments.parse_args()
    with rasterio.open(options.index) as source:
        index, crs, transform, tags = source.read(1), source.crs, source.transform, source.tags()
    known = np.isfinite(index)
    if not known.any():
        raise SystemExit(f"{options.index.name} has no clear pixel; lower max_cloud_cover.")
    limit = threshold(index[known])
    mask = np.where(known, index > limit, NODATA).astype("uint8")
    height, width = mask.shape
    day = tags["DATETIME"][:10].replace("-", "")
    with rasterio.open(
        f"water-{day}.tif",
        "w",
        driver="COG",
        count=1,
        height=height,
        width=width,
        dtype="uint8",
        nodata=NODATA,
        crs=crs,
        transform=transform,
        compress="deflate",
        overview_resampling="nearest",
    ) as target:
        target.write(mask, 1)
        target.set_band_description(1, "water")
        target.update_tags(THRESHOLD=f"{limit:.4f}", ITEM=tags["ITEM"], DATETIME=tags["DATETIME"])


if __name__ == "__main__":
    main()
