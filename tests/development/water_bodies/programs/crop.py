"""Cuts one band of a staged item to an area; the band is told by its common name."""

import argparse
import json
from pathlib import Path
from typing import Any

import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import from_bounds


def asset(folder: Path, band: str) -> Path:
    """The file of the asset whose band has that common name."""
    catalogue: dict[str, Any] = json.loads((folder / "catalog.json").read_text())
    place = folder / next(link["href"] for link in catalogue["links"] if link["rel"] == "item")
    for about in json.loads(place.read_text())["assets"].values():
        if any(each.get("eo:common_name") == band for each in about.get("bands", ())):
            return place.parent / about["href"]
    raise SystemExit(f"The item has no band {band}.")


parser = argparse.ArgumentParser()
for name in ("item", "aoi", "epsg", "band"):
    parser.add_argument(f"--{name}", required=True)
given = parser.parse_args()
with rasterio.open(asset(Path(given.item), given.band)) as source:
    box = transform_bounds(given.epsg, source.crs, *map(float, given.aoi.split(",")))
    window = from_bounds(*box, source.transform).round_offsets().round_lengths()
    values = source.read(1, window=window)
    profile = source.profile | {"count": 1, "height": values.shape[0], "width": values.shape[1], "driver": "GTiff"}
    profile |= {"transform": source.window_transform(window), "photometric": "minisblack"}
with rasterio.open(f"crop_{given.band}.tif", "w", **profile) as target:
    target.write(values, 1)
