"""Cloud-optimised GeoTIFFs, written the same way for the dataset and the products."""

import math
from pathlib import Path
from typing import Any

import numpy.typing as npt

from terrafair.demo.scene import EPSG, NORTH, PIXEL, WEST


def write(
    path: Path,
    values: npt.NDArray[Any],
    *,
    name: str,
    nodata: float,
    left: int = 0,
    top: int = 0,
    categories: bool = False,
    scale: float = 1.0,
    offset: float = 0.0,
) -> None:
    """Write one band whose upper left pixel is the scene's column `left`, row `top`.

    Overviews of `categories` take the nearest value; no time or version is stored, so that equal values give equal
    bytes with the same GDAL.
    """
    import rasterio
    from rasterio import Affine

    height, width = values.shape
    path.parent.mkdir(parents=True, exist_ok=True)
    with rasterio.open(
        path,
        "w",
        driver="COG",
        count=1,
        height=height,
        width=width,
        dtype=values.dtype.name,
        nodata=nodata,
        crs=f"EPSG:{EPSG}",
        transform=Affine(PIXEL, 0.0, WEST + left * PIXEL, 0.0, -PIXEL, NORTH - top * PIXEL),
        compress="deflate",
        predictor="no" if math.isnan(nodata) else "yes",
        blocksize=256,
        overview_resampling="nearest" if categories else "average",
        num_threads=1,
    ) as target:
        target.write(values, 1)
        target.set_band_description(1, name)
        if (scale, offset) != (1.0, 0.0):
            target.scales, target.offsets = (scale,), (offset,)
