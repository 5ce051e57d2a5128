"""The archive that `stac.py` asks, scene by scene, and its questions."""

import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

PLATFORMS = ("sentinel-2a", "sentinel-2b", "landsat-8", "landsat-9")

Request = tuple[str, str, bytes]
"""Method, path, body."""


def item(n: int) -> dict[str, Any]:
    """A scene of one degree, leaning as scenes do, somewhere in ten years."""
    made = random.Random(n)
    x, y = made.uniform(-180, 178), made.uniform(-85, 83)
    ring = [[x, y], [x + 1, y + 0.1], [x + 1, y + 1.1], [x, y + 1], [x, y]]
    when = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=made.randrange(10 * 365 * 86400))
    bands = ("B02", "B03", "B04", "B08", "SCL", "AOT", "WVP", "visual")
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": f"scene-{n:07}",
        "collection": "scenes",
        "bbox": [x, y, x + 1, y + 1.1],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": when.isoformat().replace("+00:00", "Z"),
            "eo:cloud_cover": made.randrange(10_000) / 100,
            "platform": made.choice(PLATFORMS),
            "gsd": 10,
            "instruments": ["msi"],
            "proj:epsg": 32601 + n % 60,
        },
        "assets": {
            band: {"href": f"s3://archive/{n}/{band}.tif", "type": "image/tiff; application=geotiff", "roles": ["data"]}
            for band in bands
        },
        "links": [],
    }


def collection() -> dict[str, Any]:
    extent = {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [["2015-01-01T00:00:00Z", None]]}}
    about = {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": "scenes",
        "description": "Made.",
        "license": "CC0-1.0",
    }
    return {**about, "extent": extent, "links": []}


def questions(count: int) -> dict[str, Callable[[int], Request]]:
    """The four kinds of request, each by its number."""

    def box(n: int) -> list[float]:
        made = random.Random(n)
        x, y = made.uniform(-180, 174), made.uniform(-80, 74)
        return [x, y, x + 5, y + 5]

    def search(body: dict[str, Any]) -> Request:
        return "POST", "/search", json.dumps({"limit": 10, **body}).encode()

    def month(n: int) -> str:
        first = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(days=n * 37 % 3600)
        return f"{first:%Y-%m-%dT%H:%M:%SZ}/{first + timedelta(days=28):%Y-%m-%dT%H:%M:%SZ}"

    def clear(n: int) -> dict[str, Any]:
        cloud = {"op": "<", "args": [{"property": "eo:cloud_cover"}, 1 + n * 7919 % 3000 / 100]}
        platform = {"op": "=", "args": [{"property": "platform"}, PLATFORMS[n % 4]]}
        order = [{"field": "properties.eo:cloud_cover", "direction": "asc"}]
        return {"filter-lang": "cql2-json", "filter": {"op": "and", "args": [cloud, platform]}, "sortby": order}

    return {
        "bbox": lambda n: search({"bbox": box(n)}),
        "bbox, time, collection": lambda n: search({"bbox": box(n), "datetime": month(n), "collections": ["scenes"]}),
        "CQL2 and order": lambda n: search({**clear(n), "collections": ["scenes"]}),
        "one item": lambda n: ("GET", f"/collections/scenes/items/scene-{n * 7919 % count:07}", b""),
    }
