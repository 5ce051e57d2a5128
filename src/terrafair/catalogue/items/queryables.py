"""What can be asked of items: the properties that are known by name, and those found in the data."""

from collections.abc import Mapping
from typing import Any

from terrafair.catalogue.items.expressions import Kind

_NUMBERS = """gsd eo:cloud_cover eo:snow_cover view:off_nadir view:incidence_angle view:azimuth view:sun_azimuth
view:sun_elevation sat:relative_orbit sat:absolute_orbit sat:orbit_cycle proj:epsg sar:looks_range sar:looks_azimuth
sar:pixel_spacing_range sar:pixel_spacing_azimuth sar:center_frequency s2:nodata_pixel_percentage"""
_TEXTS = """platform constellation mission title description created updated license processing:level grid:code
sat:orbit_state sat:platform_international_designator sar:instrument_mode sar:frequency_band proj:code
s2:mgrs_tile s2:product_type s1:orbit_source landsat:scene_id landsat:collection_category version"""

KINDS: Mapping[str, Kind] = {
    **dict.fromkeys(_NUMBERS.split(), Kind.NUMBER),
    **dict.fromkeys(_TEXTS.split(), Kind.TEXT),
}
"""Properties whose type STAC and its extensions fix; sorting by them needs one key."""

INDEXED = ("eo:cloud_cover",)
"""Properties that are indexed from the start; a store takes others by `index_property`."""

BASE: Mapping[str, Any] = {
    "id": {"title": "Id", "type": "string"},
    "collection": {"title": "Collection", "type": "string"},
    "geometry": {"title": "Geometry", "format": "geometry-any"},
    "datetime": {"title": "Time", "type": "string", "format": "date-time"},
    "start_datetime": {"title": "Start", "type": "string", "format": "date-time"},
    "end_datetime": {"title": "End", "type": "string", "format": "date-time"},
}

_TYPES = {"integer": "number", "real": "number", "number": "number", "text": "string", "string": "string"}
_TYPES |= {"true": "boolean", "false": "boolean", "boolean": "boolean", "array": "array", "object": "object"}


def schema(found: Mapping[str, set[str]]) -> dict[str, Any]:
    """Property schemas from the JSON types that were found under each name."""
    properties: dict[str, Any] = dict(BASE)
    for name in sorted(found):
        types = sorted({_TYPES[kind] for kind in found[name] if kind in _TYPES})
        if name in properties or not types:
            continue
        properties[name] = {"title": name, "type": types[0] if len(types) == 1 else types}
        if name in {"created", "updated", "published", "expires"}:
            properties[name]["format"] = "date-time"
    return properties
