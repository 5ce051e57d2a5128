"""A few pixels of simulated reflectance as STAC: enough for a first run, small enough for a repository."""

import json
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 32
WEST, NORTH, PIXEL, EPSG = 680000.0, 5330000.0, 10.0, 32632
SCALE, OFFSET = 0.0001, -0.1
BANDS = {"B03": "green", "B08": "nir"}
DATES = ("2024-05-01T10:10:31Z", "2024-07-10T10:10:31Z")


def write(folder: Path) -> None:
    """Write `collection.json` with two items of a lake among fields; the same bytes each time."""
    links = [{"rel": "root", "href": "./collection.json", "type": "application/json"}]
    items = []
    for number, date in enumerate(DATES):
        name = f"tiny-{date[:10].replace('-', '')}"
        items.append(_item(folder / name, name, date, 11 - 3 * number))
        links.append({"rel": "item", "href": f"./{name}/{name}.json", "type": "application/geo+json"})
    collection = {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": "tiny",
        "title": "A simulated lake",
        "description": "Two dates of simulated surface reflectance in two bands, 320 m x 320 m.",
        "license": "CC0-1.0",
        "extent": {"spatial": {"bbox": [items[0]["bbox"]]}, "temporal": {"interval": [[DATES[0], DATES[-1]]]}},
        "links": links,
    }
    _dump(folder / "collection.json", collection)


def _item(folder: Path, name: str, date: str, radius: int) -> dict[str, Any]:
    from rasterio.warp import transform_bounds

    folder.mkdir(parents=True, exist_ok=True)
    rows, columns = np.mgrid[0:SIZE, 0:SIZE]
    lake = (rows - SIZE / 2) ** 2 + (columns - SIZE / 2) ** 2 <= radius**2
    pattern = ((rows * 7 + columns * 13) % 11) / 1000
    reflectance = {"B03": np.where(lake, 0.06, 0.08) + pattern, "B08": np.where(lake, 0.02, 0.35) + pattern}
    for band, values in reflectance.items():
        _raster(folder / f"{band}.tif", np.round((values - OFFSET) / SCALE).astype("uint16"))
    bounds = (WEST, NORTH - SIZE * PIXEL, WEST + SIZE * PIXEL, NORTH)
    west, south, east, north = (round(value, 6) for value in transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *bounds))
    ring = [[west, north], [west, south], [east, south], [east, north], [west, north]]
    document = {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
            "https://stac-extensions.github.io/file/v2.1.0/schema.json",
        ],
        "id": name,
        "collection": "tiny",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [west, south, east, north],
        "properties": {
            "datetime": date,
            "proj:code": f"EPSG:{EPSG}",
            "proj:shape": [SIZE, SIZE],
            "proj:transform": [PIXEL, 0.0, WEST, 0.0, -PIXEL, NORTH],
            "eo:cloud_cover": 0,
        },
        "links": [
            {"rel": "root", "href": "../collection.json", "type": "application/json"},
            {"rel": "collection", "href": "../collection.json", "type": "application/json"},
        ],
        "assets": {band: _asset(folder / f"{band}.tif", band) for band in BANDS},
    }
    _dump(folder / f"{name}.json", document)
    return document


def _raster(path: Path, values: Any) -> None:
    import rasterio
    from affine import Affine

    profile = {"driver": "GTiff", "count": 1, "height": SIZE, "width": SIZE, "dtype": "uint16", "nodata": 0}
    place = {"crs": f"EPSG:{EPSG}", "transform": Affine(PIXEL, 0.0, WEST, 0.0, -PIXEL, NORTH)}
    with rasterio.open(path, "w", **profile, **place) as target:
        target.write(values, 1)


def _asset(path: Path, band: str) -> dict[str, Any]:
    from terrafair.data.objects import sha256_of

    return {
        "href": f"./{path.name}",
        "type": "image/tiff; application=geotiff",
        "roles": ["data"],
        "nodata": 0,
        "raster:scale": SCALE,
        "raster:offset": OFFSET,
        "bands": [{"name": band, "eo:common_name": BANDS[band]}],
        "file:size": path.stat().st_size,
        "file:checksum": "1220" + sha256_of(path),
    }


def _dump(path: Path, document: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1) + "\n", "utf-8")
