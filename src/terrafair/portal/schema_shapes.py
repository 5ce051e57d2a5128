"""Which control an input's JSON Schema asks for; OGC processes, openEO, CWL and notebooks write them differently."""

from collections.abc import Iterable, Mapping
from typing import Any

SIDES = ("west", "south", "east", "north")
REFERENCES = frozenset({"stac-item", "stac-collection", "file", "directory", "uri", "url"})
PLACES = frozenset({"bbox", "aoi", "bounding_box", "area_of_interest"})
"""Names of text inputs that hold four sides with commas between."""
Schema = Mapping[str, Any]


def flat(schema: Any) -> dict[str, Any]:
    """One schema for all parts of an `allOf`, and for the alternative that a form can ask for best."""
    if not isinstance(schema, Mapping):
        return {}
    found = {key: value for key, value in schema.items() if key not in {"allOf", "oneOf", "anyOf"}}
    for part in _list(schema.get("allOf")):
        for key, value in flat(part).items():
            found.setdefault(key, value)
    ways = [flat(way) for name in ("oneOf", "anyOf") for way in _list(schema.get(name))]
    ways = [way for way in ways if way.get("type") != "null" and way]
    if ways and "enum" not in found:
        best = min(ways, key=_clumsiness)
        for key, value in best.items():
            found.setdefault(key, value)
    return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _clumsiness(way: Schema) -> int:
    """How badly a form can ask for it."""
    kind = control("", way)
    if kind in {"geometry", "ogcbox", "box", "measure"}:
        return 0
    return {"json": 3, "text": 2}.get(kind, 1)


def control(name: str, schema: Schema) -> str:
    """How an input is asked for."""
    kinds = schema.get("type")
    kind = next((each for each in kinds if each != "null"), "") if isinstance(kinds, list) else kinds
    if "enum" in schema:
        return "choice"
    form = str(schema.get("format", ""))
    if form in REFERENCES or schema.get("contentEncoding") in {"binary", "base64"}:
        return "reference"
    if geometric(schema):
        return "geometry"
    if kind in {"number", "integer", "boolean"}:
        return str(kind)
    if kind == "object" or (not kind and schema.get("properties")):
        return _object_control(schema)
    if kind == "array":
        items = schema.get("items")
        return _list_control(name, schema, flat(items))
    if kind == "string":
        if form in {"date", "date-time"}:
            return "date" if form == "date" else "moment"
        return "boxtext" if name.lower() in PLACES else "text"
    return "json"


def geometric(schema: Schema) -> bool:
    """Whether it is GeoJSON that is asked for."""
    inner = schema.get("properties")
    names = set(inner) if isinstance(inner, Mapping) else set()
    names |= set(_strings(schema.get("required")))
    if str(schema.get("format", "")).startswith("geojson") or "geojson.org" in str(schema.get("$ref", "")):
        return True
    return "type" in names and bool(names & {"coordinates", "features", "geometry"})


def _strings(value: Any) -> Iterable[str]:
    return (each for each in _list(value) if isinstance(each, str))


def _object_control(schema: Schema) -> str:
    inner = schema.get("properties")
    names = set(inner) if isinstance(inner, Mapping) else set()
    if set(SIDES) <= names:
        return "box"
    if schema.get("format") == "ogc-bbox" or "bbox" in names:
        return "ogcbox"
    return "measure" if {"measurement", "uom"} <= names else "json"


def _list_control(name: str, schema: Schema, items: Schema) -> str:
    pair = schema.get("minItems") == schema.get("maxItems") == 2
    if pair and str(items.get("format", "")).startswith("date"):
        return "interval"
    if "enum" in items:
        return "choices"
    numeric = items.get("type") in {"number", "integer"}
    named = schema.get("format") == "ogc-bbox" or "bbox" in name.lower()
    if numeric and named and schema.get("minItems") in {None, 4}:
        return "boxlist"
    if items.get("format") in REFERENCES:
        return "lines"
    return "lines" if items.get("type") in {"string", "number", "integer"} else "json"
