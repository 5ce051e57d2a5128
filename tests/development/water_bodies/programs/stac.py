"""Describes the mask as a STAC catalogue with one item, named after the acquisition."""

import argparse
import json
import shutil
from pathlib import Path

import rasterio
from rasterio.warp import transform_bounds

parser = argparse.ArgumentParser()
parser.add_argument("--item", required=True)
parser.add_argument("--raster", required=True)
given = parser.parse_args()
folder = Path(given.item)
links = json.loads((folder / "catalog.json").read_text())["links"]
item = json.loads((folder / next(link["href"] for link in links if link["rel"] == "item")).read_text())
with rasterio.open(given.raster) as source:
    west, south, east, north = transform_bounds(source.crs, "EPSG:4326", *source.bounds)
ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
place = Path(item["id"])
place.mkdir()
shutil.copy(given.raster, place / "water.tif")
made = {
    "type": "Feature",
    "stac_version": "1.0.0",
    "id": item["id"],
    "geometry": {"type": "Polygon", "coordinates": [ring]},
    "bbox": [west, south, east, north],
    "properties": {"datetime": item["properties"]["datetime"]},
    "assets": {"water": {"href": "./water.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}},
    "links": [{"rel": "parent", "href": "../catalog.json"}],
}
(place / f"{item['id']}.json").write_text(json.dumps(made))
link = {"rel": "item", "href": f"./{item['id']}/{item['id']}.json", "type": "application/geo+json"}
catalogue = {"type": "Catalog", "stac_version": "1.0.0", "id": "water", "description": "Water.", "links": [link]}
Path("catalog.json").write_text(json.dumps(catalogue))
