"""Examples for the page that shows all elements side by side."""

from typing import Any

from terrafair.errors import Problem
from terrafair.portal import words
from terrafair.portal.forms import fields

_SIDES = {side: {"type": "number"} for side in ("west", "south", "east", "north")}
_INPUTS: tuple[dict[str, Any], ...] = (
    {"name": "cloud", "title": words.EXAMPLE_INPUT, "schema": {"type": "number", "minimum": 0, "maximum": 100}},
    {"name": "method", "title": "Method", "schema": {"enum": ["median", "mean", "first"]}, "default": "median"},
    {"name": "bands", "title": "Bands", "schema": {"type": "array", "items": {"enum": ["B02", "B03", "B04", "B08"]}}},
    {"name": "mask", "title": "Mask clouds", "schema": {"type": "boolean"}, "default": True},
    {
        "name": "time",
        "title": "Time",
        "schema": {"type": "array", "minItems": 2, "maxItems": 2, "items": {"format": "date"}},
    },
    {"name": "area", "title": "Area", "schema": {"type": "object", "properties": _SIDES}},
    {"name": "parcels", "title": "Parcels", "schema": {"type": "string", "format": "file"}, "required": True},
    {
        "name": "depth",
        "title": "Depth",
        "schema": {"type": "object", "properties": {"measurement": {"type": "number"}, "uom": {"type": "string"}}},
    },
    {"name": "field", "title": "Field", "schema": {"type": "object", "format": "geojson-geometry"}},
    {"name": "scene", "title": "Scene", "schema": {"type": "string", "format": "stac-item"}},
    {"name": "instant", "title": "Instant", "schema": {"type": "string", "format": "date-time"}},
    {"name": "stations", "title": "Stations", "schema": {"type": "array", "items": {"type": "string"}}},
    {"name": "options", "title": "Options", "schema": {}},
)
_VALUES = {"time": ["2024-04-01", "2024-10-01"], "area": {"west": 11.4, "south": 48.0, "east": 11.5, "north": 48.1}} | {
    "depth": {"measurement": 12.5, "uom": "m"},
    "stations": ["Oberpfaffenhofen", "Frascati"],
    "field": {"type": "Polygon", "coordinates": [[[11.42, 48.06], [11.47, 48.07], [11.45, 48.1], [11.42, 48.06]]]},
}
_WRONG = Problem("The input 'cloud' is 'much'.", "It takes a number.", "Write a number from 0 to 100.", "cloud")
EXAMPLES: dict[str, Any] = {
    "fields": fields(_INPUTS, _VALUES, None, [_WRONG]),
    "problem": Problem("The area has no north.", "An area has four sides.", "Give all four sides, or none.", "north"),
    "steps": words.PUBLISH_STEPS[:4],
    "at": 2,
    "diff": (
        ("file", "+++ b/products/demo/collection.json"),
        ("where", "@@ -1,4 +1,4 @@"),
        ("removed", '-  "title": "Old",'),
        ("added", '+  "title": "New",'),
        ("", '   "license": "CC-BY-4.0"'),
    ),
    "states": ("accepted", "running", "successful", "failed", "dismissed"),
}
"""What the page shows."""
