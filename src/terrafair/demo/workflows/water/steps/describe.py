"""Gather the water masks, add how often each pixel was water, and describe all of it as a STAC catalogue."""

import argparse
import hashlib
import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from rasterio.warp import transform_geom

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
EXTENSIONS = [
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/file/v2.1.0/schema.json",
]


def occurrence(masks: list[Path], target: Path) -> None:
    """Write the share of clear dates on which each pixel was water."""
    stack = []
    for file in masks:
        with rasterio.open(file) as source:
            stack.append(np.where(source.read(1) == source.nodata, np.nan, source.read(1)))
            crs, transform = source.crs, source.transform
    seen = np.sum(np.isfinite(stack), axis=0)
    share = np.where(seen > 0, np.nansum(stack, axis=0) / np.maximum(seen, 1), np.nan).astype("float32")
    height, width = share.shape
    with rasterio.open(
        target,
        "w",
        driver="COG",
        count=1,
        height=height,
        width=width,
        dtype="float32",
        nodata=math.nan,
        crs=crs,
        transform=transform,
        compress="deflate",
    ) as result:
        result.write(share, 1)
        result.set_band_description(1, "water_occurrence")


def item(file: Path, properties: dict[str, Any], title: str) -> dict[str, Any]:
    """The STAC item of one raster."""
    with rasterio.open(file) as source:
        left, bottom, right, top = source.bounds
        ring = [[left, top], [left, bottom], [right, bottom], [right, top], [left, top]]
        geometry = transform_geom(source.crs, "EPSG:4326", {"type": "Polygon", "coordinates": [ring]}, precision=6)
        properties |= {
            "proj:code": source.crs.to_string(),
            "proj:shape": list(source.shape),
            "proj:transform": list(source.transform)[:6],
        }
        band = {
            "name": source.descriptions[0],
            "data_type": source.dtypes[0],
            "nodata": "nan" if math.isnan(source.nodata) else source.nodata,
        }
    longitudes, latitudes = zip(*geometry["coordinates"][0], strict=True)
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": EXTENSIONS,
        "id": file.stem,
        "geometry": geometry,
        "bbox": [min(longitudes), min(latitudes), max(longitudes), max(latitudes)],
        "properties": properties,
        "links": [
            {"rel": "root", "href": "../catalog.json", "type": "application/json"},
            {"rel": "parent", "href": "../catalog.json", "type": "application/json"},
        ],
        "assets": {
            file.name: {
                "href": file.name,
                "type": COG,
                "title": title,
                "roles": ["data"],
                "bands": [band],
                "file:size": file.stat().st_size,
                "file:checksum": "1220" + hashlib.sha256(file.read_bytes()).hexdigest(),
            }
        },
    }


def main() -> None:
    """Write the folder `water` with catalog.json and an item for each raster."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("masks", type=Path, nargs="+")
    masks = sorted(arguments.parse_args().masks, key=lambda file: file.name)
    folder, documents, times = Path("water"), [], []
    for file in masks:
        target = folder / file.stem / file.name
        target.parent.mkdir(parents=True)
        shutil.copyfile(file, target)
        with rasterio.open(file) as source:
            tags, water = source.tags(), int(np.count_nonzero(source.read(1) == 1))
            area = water * abs(source.transform.a * source.transform.e)
        times.append(tags["DATETIME"])
        documents.append(
            item(
                target,
                {
                    "datetime": tags["DATETIME"],
                    "water_area_m2": area,
                    "otsu_threshold": float(tags["THRESHOLD"]),
                    "source_item": tags["ITEM"],
                },
                "Surface water: 1 water, 0 land, 255 unknown",
            )
        )
    target = folder / "water-occurrence" / "water-occurrence.tif"
    target.parent.mkdir()
    occurrence(masks, target)
    documents.append(
        item(
            target,
            {"datetime": None, "start_datetime": min(times), "end_datetime": max(times)},
            "Share of clear dates with water",
        )
    )
    links = [{"rel": "root", "href": "./catalog.json", "type": "application/json"}]
    for document in documents:
        name = f"{document['id']}/{document['id']}.json"
        (folder / name).write_text(json.dumps(document, indent=2), "utf-8")
        links.append({"rel": "item", "href": f"./{name}", "type": "application/geo+json"})
    catalogue = {
        "type": "Catalog",
        "stac_version": "1.1.0",
        "id": "water",
        "title": "Surface water",
        "description": "Surface water by NDWI and Otsu's threshold.",
        "links": links,
    }
    (folder / "catalog.json").write_text(json.dumps(catalogue, indent=2), "utf-8")


if __name__ == "__main__":
    main()
