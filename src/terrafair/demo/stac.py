"""STAC 1.1 documents for the files that the demo writes."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from terrafair.demo.landscape import SIZE
from terrafair.demo.scene import EPSG, NORTH, PIXEL, WEST

Document = dict[str, Any]

COG = "image/tiff; application=geotiff; profile=cloud-optimized"
MEDIA_TYPES = {
    ".tif": COG,
    ".geojson": "application/geo+json",
    ".csv": "text/csv",
    ".json": "application/json",
}
CREATED = "2025-01-15T12:00:00Z"
"""When all of the demo claims to have been made: a fixed time keeps commits and documents equal everywhere."""

PROJECTION = "https://stac-extensions.github.io/projection/v2.0.0/schema.json"
FILE = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
EO = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
RASTER = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
CLASSIFICATION = "https://stac-extensions.github.io/classification/v2.0.0/schema.json"
DATACUBE = "https://stac-extensions.github.io/datacube/v2.3.0/schema.json"

PROVIDERS = [
    {
        "name": "The terrafair developers",
        "description": "Simulated data; no satellite took these images.",
        "roles": ["producer", "processor", "licensor", "host"],
    }
]
LICENCE = "CC-BY-4.0"

Frame = tuple[int, int, int, int]
"""First column, first row, columns, rows of a part of the scene."""
WHOLE: Frame = (0, 0, SIZE, SIZE)


def text(moment: datetime) -> str:
    """Give the time as STAC writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def write(path: Path, document: Document) -> None:
    """Store a document as readable JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", "utf-8")


def footprint(frame: Frame) -> tuple[Document, list[float]]:
    """Give geometry and bounding box of a part of the scene, in degrees with six decimals (a decimetre)."""
    from rasterio.warp import transform

    left, top, columns, rows = frame
    west, north = WEST + left * PIXEL, NORTH - top * PIXEL
    east, south = west + columns * PIXEL, north - rows * PIXEL
    corners = ((west, north), (west, south), (east, south), (east, north))
    longitudes, latitudes = transform(f"EPSG:{EPSG}", "EPSG:4326", *zip(*corners, strict=True))
    ring = [[round(lon, 6), round(lat, 6)] for lon, lat in zip(longitudes, latitudes, strict=True)]
    bbox = [min(p[0] for p in ring), min(p[1] for p in ring), max(p[0] for p in ring), max(p[1] for p in ring)]
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}, bbox


def projection(frame: Frame) -> Document:
    """Give the fields of the projection extension for a part of the scene."""
    left, top, columns, rows = frame
    west, north = WEST + left * PIXEL, NORTH - top * PIXEL
    return {
        "proj:code": f"EPSG:{EPSG}",
        "proj:shape": [rows, columns],
        "proj:transform": [PIXEL, 0.0, west, 0.0, -PIXEL, north],
        "proj:bbox": [west, north - rows * PIXEL, west + columns * PIXEL, north],
    }


def asset(file: Path, title: str, **fields: Any) -> Document:
    """Describe a file that lies beside the document."""
    content = file.read_bytes()
    return {
        "href": f"./{file.name}",
        "type": MEDIA_TYPES[file.suffix],
        "title": title,
        "roles": ["data"],
        **fields,
        "file:size": len(content),
        # A multihash: 0x12 names sha2-256, 0x20 its length.
        "file:checksum": "1220" + hashlib.sha256(content).hexdigest(),
    }


def item(
    identifier: str,
    collection: str,
    *,
    frame: Frame = WHOLE,
    times: Sequence[datetime],
    assets: Mapping[str, Document],
    properties: Mapping[str, Any],
    extensions: Sequence[str] = (),
) -> Document:
    """Describe one date, or a span when two times are given; it lies in a folder below its collection."""
    geometry, bbox = footprint(frame)
    span = {"start_datetime": text(times[0]), "end_datetime": text(times[-1])} if len(times) > 1 else {}
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": [PROJECTION, FILE, *extensions],
        "id": identifier,
        "collection": collection,
        "geometry": geometry,
        "bbox": bbox,
        "properties": {
            "datetime": None if span else text(times[0]),
            **span,
            "created": CREATED,
            "updated": CREATED,
            **properties,
            **projection(frame),
        },
        "links": [_link("root"), _link("parent"), _link("collection")],
        "assets": dict(assets),
    }


def collection(
    identifier: str,
    *,
    title: str,
    description: str,
    items: Sequence[Document],
    keywords: Sequence[str],
    extensions: Sequence[str] = (),
    **fields: Any,
) -> Document:
    """Describe the items together."""
    boxes = [entry["bbox"] for entry in items]
    starts = [e["properties"].get("start_datetime") or e["properties"]["datetime"] for e in items]
    ends = [e["properties"].get("end_datetime") or e["properties"]["datetime"] for e in items]
    union = [min(b[0] for b in boxes), min(b[1] for b in boxes), max(b[2] for b in boxes), max(b[3] for b in boxes)]
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": list(extensions),
        "id": identifier,
        "title": title,
        "description": description,
        "keywords": list(keywords),
        "license": LICENCE,
        "providers": PROVIDERS,
        "extent": {
            "spatial": {"bbox": [union]},
            "temporal": {"interval": [[min(starts), max(ends)]]},
        },
        **fields,
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json", "title": title},
            *(_item_link(entry) for entry in items),
        ],
    }


def _link(relation: str) -> Document:
    return {"rel": relation, "href": "../collection.json", "type": "application/json"}


def _item_link(entry: Document) -> Document:
    name = entry["id"]
    return {"rel": "item", "href": f"./{name}/{name}.json", "type": "application/geo+json", "title": name}
