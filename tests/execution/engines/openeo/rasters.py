"""Small Sentinel-2-like STAC collections for tests."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.transform import Affine

WEST, NORTH, STEP = 650000.0, 5680000.0, 10.0
EPSG = 32631
COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir"}


def write(path: Path, values: Any, transform: Affine | None = None, nodata: float | None = 0, epsg: int = EPSG) -> None:
    values = np.asarray(values)
    values = values[None] if values.ndim == 2 else values
    path.parent.mkdir(parents=True, exist_ok=True)
    place = transform or Affine(STEP, 0, WEST, 0, -STEP, NORTH)
    with rasterio.open(
        path, "w", driver="GTiff", width=values.shape[2], height=values.shape[1], count=len(values),
        dtype=values.dtype, nodata=nodata, crs=f"EPSG:{epsg}", transform=place,
    ) as target:  # fmt: skip
        target.write(values)


def collection(
    folder: Path, dates: Sequence[str], bands: Mapping[str, Any], frames: Sequence[Affine | None] = ()
) -> Path:
    """Write an item for each date; `bands` maps name -> array (date, y, x)."""
    items = []
    for number, date in enumerate(dates):
        transform = frames[number] if frames else None
        assets = {}
        for name, values in bands.items():
            path = folder / f"i{number}" / f"{name}.tif"
            write(path, values[number], transform)
            band = {"name": name, "eo:common_name": COMMON.get(name)}
            assets[name] = {
                "href": f"./i{number}/{name}.tif",
                "type": "image/tiff; application=geotiff",
                "bands": [{key: value for key, value in band.items() if value}],
                "raster:scale": 0.0001,
                "raster:offset": -0.1,
            }
        items.append(
            {
                "type": "Feature",
                "stac_version": "1.1.0",
                "id": f"item-{number}",
                "bbox": [5.1, 51.2, 5.2, 51.3],
                "geometry": None,
                "properties": {"datetime": date, "eo:cloud_cover": 10 * number},
                "assets": assets,
                "links": [],
            }
        )
    path = folder / "collection.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path
