"""Collections and items that tests make."""

from datetime import UTC, datetime, timedelta
from typing import Any

Document = dict[str, Any]


def collection(identifier: str = "scenes", **more: Any) -> Document:
    return {
        "type": "Collection",
        "stac_version": "1.0.0",
        "id": identifier,
        "title": f"All {identifier}",
        "description": "Made for a test.",
        "license": "CC-BY-4.0",
        "keywords": ["test"],
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2020-01-01T00:00:00Z", None]]},
        },
        "links": [],
        **more,
    }


def square(west: float, south: float, size: float = 1.0) -> Document:
    east, north = west + size, south + size
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}


def diamond(x: float, y: float, radius: float) -> Document:
    ring = [[x, y - radius], [x + radius, y], [x, y + radius], [x - radius, y], [x, y - radius]]
    return {"type": "Polygon", "coordinates": [ring]}


def item(
    identifier: str,
    geometry: Document | None = None,
    when: str = "2020-06-15T10:00:00Z",
    collection: str = "scenes",
    **properties: Any,
) -> Document:
    shape = geometry or square(10, 45)
    points = shape["coordinates"][0]
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [],
        "id": identifier,
        "collection": collection,
        "bbox": [min(xs), min(ys), max(xs), max(ys)],
        "geometry": shape,
        "properties": {"datetime": when, **properties},
        "assets": {
            "data": {
                "href": f"https://example.org/{identifier}.tif",
                "type": "image/tiff; application=geotiff",
                "roles": ["data"],
            }
        },
        "links": [],
    }


def archive(count: int, collection: str = "scenes") -> list[Document]:
    """Many items: places, times and values that are spread evenly and without a pattern."""
    begun = datetime(2020, 1, 1, tzinfo=UTC)
    made = []
    for n in range(count):
        west, south = n * 37 % 340 - 170, n * 53 % 150 - 75
        when = (begun + timedelta(hours=n * 7919 % 30000)).isoformat().replace("+00:00", "Z")
        values = {"eo:cloud_cover": n * 31 % 101, "platform": f"sentinel-2{'abc'[n % 3]}", "gsd": 10 * (1 + n % 3)}
        values["instruments"] = ["msi", "olci"][: 1 + n % 2]
        made.append(item(f"scene-{n:05}", square(west, south), when, collection, **values))
    return made
