"""Cut two bands and the scene classification of one item to the area, as reflectance in one file."""

import argparse
import json
import math
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

import numpy as np
import rasterio
from rasterio.warp import transform_bounds
from rasterio.windows import Window


def read_item(folder: Path, place: str) -> tuple[dict[str, Any], Path]:
    """The item at the place, and the folder that its relative links start from."""
    name, _, identifier = place.partition("#")
    document = json.loads((folder / name).read_text("utf-8"))
    if identifier:
        document = next(feature for feature in document["features"] if feature["id"] == identifier)
    return document, (folder / name).parent


def asset(item: dict[str, Any], band: str) -> dict[str, Any]:
    """The asset that holds the band, by its key, its band's name or its common name (`green`)."""
    for key, entry in item["assets"].items():
        names = {key} | {part.get(name) for part in entry.get("bands", []) for name in ("name", "eo:common_name")}
        if band in names:
            return dict(entry)
    raise SystemExit(f"{item['id']} has no band {band!r}; it has {', '.join(item['assets'])}.")


def local(href: str, folder: Path) -> Path:
    """The file that a relative link, an absolute path or a file URL names."""
    return Path(unquote(urlparse(href).path)) if href.startswith("file:") else folder / href


def window(source: Any, bbox: list[float]) -> Window:
    """The whole pixels that the area touches, inside the image."""
    west, south, east, north = transform_bounds("EPSG:4326", source.crs, *bbox, densify_pts=21)
    pixel = source.transform.a
    left = max(0, math.floor((west - source.bounds.left) / pixel))
    right = min(source.width, math.ceil((east - source.bounds.left) / pixel))
    top = max(0, math.floor((source.bounds.top - north) / pixel))
    bottom = min(source.height, math.ceil((source.bounds.top - south) / pixel))
    if left >= right or top >= bottom:
        raise SystemExit(f"The area {bbox} does not touch the image.")
    return Window(left, top, right - left, bottom - top)


def main() -> None:
    """Write `ID.tif` with the two bands and the classes."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--stac", type=Path, required=True)
    arguments.add_argument("--item", required=True)
    arguments.add_argument("--bbox", required=True)
    arguments.add_argument("bands", nargs=2)
    options = arguments.parse_args()
    bbox = [float(part) for part in options.bbox.split(",")]
    item, folder = read_item(options.stac, options.item)
    layers, profile = [], {}
    for band in [*options.bands, "SCL"]:
        entry = asset(item, band)
        with rasterio.open(local(entry["href"], folder)) as source:
            part = window(source, bbox)
            values = source.read(1, window=part).astype("float32")
            profile = {"crs": source.crs, "transform": source.window_transform(part)}
        scale, offset = entry.get("raster:scale", 1.0), entry.get("raster:offset", 0.0)
        layers.append(np.where(values == entry.get("nodata", 0), np.nan, values * scale + offset))
    height, width = layers[0].shape
    with rasterio.open(
        f"{item['id']}.tif",
        "w",
        driver="GTiff",
        count=3,
        height=height,
        width=width,
        dtype="float32",
        nodata=math.nan,
        compress="deflate",
        **profile,
    ) as target:
        target.write(np.stack(layers).astype("float32"))
        target.update_tags(ITEM=item["id"], DATETIME=item["properties"]["datetime"])


if __name__ == "__main__":
    main()
