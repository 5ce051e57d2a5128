"""Whether a value known before the run fits a parameter's schema, and why not."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from terrafair.execution.engines.openeo.abstract import Cube, Items, Some, describe
from terrafair.execution.engines.openeo.definition import Argument
from terrafair.execution.engines.openeo.graph import Graph
from terrafair.execution.engines.openeo.values import json_type

_WORDS = {
    "datacube": "a data cube", "geojson": "GeoJSON", "bounding-box": "a bounding box", "process-graph": "a process",
    "temporal-interval": "an interval of time", "ml-model": "a model", "stac": "a saved result",
    "kernel": "a table of numbers", "labeled-array": "an array", "temporal-intervals": "a list of intervals",
}  # fmt: skip
_GEOMETRIES = frozenset({
    "Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection", "Feature",
    "FeatureCollection",
})  # fmt: skip
_MOMENT = re.compile(r"\d{4}-\d{2}(-\d{2}([T ].*)?)?$|\d{4}$")


def misfit(argument: Argument, value: Any) -> str:
    """Why a value cannot be used; empty where it can, or where only the run will tell."""
    schemas = argument.schemas
    if value is None and argument.optional:
        return ""
    reasons = [reason for schema in schemas if (reason := _misfit(schema, value))]
    if len(reasons) < len(schemas):
        return ""
    exact = [reason for reason in reasons if not reason.startswith("It takes")]
    if exact:
        return exact[0]
    return f"It takes {' or '.join(dict.fromkeys(words(schema) for schema in schemas))}."


def words(schema: Mapping[str, Any]) -> str:
    """A schema in a few words."""
    if schema.get("subtype") in _WORDS:
        return _WORDS[schema["subtype"]]
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"]).lower()
    kinds = schema.get("type", "anything")
    names = {"null": "null", "boolean": "a boolean", "string": "a text", "array": "an array", "object": "an object"}
    listed = [kinds] if isinstance(kinds, str) else list(kinds)
    text = " or ".join(names.get(kind, f"a {kind}" if kind != "integer" else "an integer") for kind in listed)
    limits = [f"{sign} {schema[key]}" for key, sign in _LIMITS if key in schema]
    return " ".join([text, *limits])


_NUMBERS = frozenset({int, float})
_LIMITS = (
    ("minimum", "of at least"),
    ("maximum", "of at most"),
    ("exclusiveMinimum", "above"),
    ("exclusiveMaximum", "below"),
)


def _misfit(schema: Mapping[str, Any], value: Any) -> str:
    wrong = f"It takes {words(schema)}."
    if not schema:
        return ""
    subtype = schema.get("subtype")
    if isinstance(value, Cube):
        return "" if subtype in {"datacube", "geojson"} else _cube_misfit(subtype, wrong)
    if isinstance(value, Graph):
        return "" if subtype == "process-graph" else wrong
    if isinstance(value, Items | Some):
        return _kind_misfit(schema, value, wrong)
    if subtype == "datacube":
        geometries = any(each.get("type") == "geometry" for each in schema.get("dimensions", ()))
        return "" if geometries and isinstance(value, Mapping) and value.get("type") in _GEOMETRIES else wrong
    if subtype in {"process-graph", "ml-model", "stac"}:
        return wrong
    return _literal_misfit(schema, value, wrong)


def _cube_misfit(subtype: str | None, wrong: str) -> str:
    # A cube fits nothing else; a bounding box may be taken from one by some back-ends.
    return wrong if subtype != "bounding-box" else ""


def _kind_misfit(schema: Mapping[str, Any], value: Items | Some, wrong: str) -> str:
    kinds = schema.get("type")
    listed = {kinds} if isinstance(kinds, str) else set(kinds or ())
    subtype = schema.get("subtype")
    kind = "array" if isinstance(value, Items) else value.kind
    if kind == "any" or not listed:
        return ""
    if kind == "model":
        return "" if subtype == "ml-model" else wrong
    if subtype in {"datacube", "ml-model", "process-graph"}:
        return wrong if kind in {"number", "boolean", "string", "array"} else ""
    if subtype == "stac":
        return "" if kind in {"stac", "object"} else wrong
    fitting = {"number": {"number", "integer"}, "stac": {"object"}}.get(kind, {kind})
    # A comparison gives no-data too, and numbers stand for truth values in cubes.
    fitting |= {"boolean"} if kind == "number" else {"number"} if kind == "boolean" else set()
    return "" if listed & fitting else wrong


def _literal_misfit(schema: Mapping[str, Any], value: Any, wrong: str) -> str:
    kinds = schema.get("type")
    listed = [kinds] if isinstance(kinds, str) else list(kinds or ())
    found = json_type(value)
    whole = isinstance(value, float) and value.is_integer()
    if listed and found not in listed and not (found == "integer" and "number" in listed) and not (
        whole and "integer" in listed
    ):  # fmt: skip
        return wrong
    if "enum" in schema and value not in schema["enum"] and value is not None:
        return wrong
    if "const" in schema and value != schema["const"]:
        return wrong
    if isinstance(value, int | float) and not isinstance(value, bool) and not _within(schema, value):
        return wrong
    if schema.get("subtype") in {"date", "date-time"} and isinstance(value, str) and not _MOMENT.match(value.strip()):
        return f"{value!r} is no date."
    if isinstance(value, Mapping):
        return _object_misfit(schema, value, wrong)
    return _array_misfit(schema, value, wrong) if isinstance(value, list) else ""


def _within(schema: Mapping[str, Any], value: float) -> bool:
    return (
        value >= schema.get("minimum", value)
        and value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )


def _object_misfit(schema: Mapping[str, Any], value: Mapping[str, Any], wrong: str) -> str:
    subtype = schema.get("subtype")
    if subtype == "bounding-box":
        return _box_misfit(value, wrong)
    if subtype == "geojson":
        return "" if value.get("type") in _GEOMETRIES else wrong
    missing = [name for name in schema.get("required", ()) if name not in value]
    return f"It lacks {', '.join(missing)}." if missing else ""


def _box_misfit(value: Mapping[str, Any], wrong: str) -> str:
    if value.get("type") in _GEOMETRIES:
        return wrong
    missing = [name for name in ("west", "south", "east", "north") if name not in value]
    if missing:
        return f"The bounding box lacks {', '.join(missing)}."
    bounds = {name: value[name] for name in ("west", "south", "east", "north")}
    if odd := [name for name, each in bounds.items() if isinstance(each, str | list | bool) or each is None]:
        return f"The bound {odd[0]} is {describe(bounds[odd[0]])}, not a number."
    south, north = bounds["south"], bounds["north"]
    if isinstance(south, int | float) and isinstance(north, int | float) and south > north:
        return f"South {south} lies north of north {north}."
    return ""


def _array_misfit(schema: Mapping[str, Any], value: Sequence[Any], wrong: str) -> str:
    if len(value) < schema.get("minItems", 0) or len(value) > schema.get("maxItems", len(value)):
        return f"It has {len(value)} elements; {schema.get('minItems', 0)} are needed."
    items = schema.get("items") or {}
    choices = items.get("anyOf", [items])
    if _NUMBERS.issuperset(map(type, value)) and any(_takes_all_numbers(choice) for choice in choices):
        return ""
    for each in value:
        if choices != [{}] and all(_misfit(choice, each) for choice in choices):
            reasons = [
                reason for choice in choices if (reason := _misfit(choice, each)) and not reason.startswith("It takes")
            ]
            return reasons[0] if reasons else f"It holds {describe(each)}. {wrong}"
    if schema.get("subtype") == "temporal-interval":
        return _interval_misfit(value)
    return ""


def _takes_all_numbers(schema: Mapping[str, Any]) -> bool:
    kinds = schema.get("type")
    limits = {"enum", "const", "subtype", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    return "number" in ([kinds] if isinstance(kinds, str) else kinds or ()) and limits.isdisjoint(schema)


def _interval_misfit(value: Sequence[Any]) -> str:
    start, end = value
    if isinstance(start, str) and isinstance(end, str) and len(start) >= 10 and len(end) >= 10:
        from terrafair.errors import InvalidInput
        from terrafair.execution.engines.openeo import instants

        try:
            if instants.instant(end) < instants.instant(start):
                return f"It ends ({end}) before it starts ({start})."
        except InvalidInput as fault:
            return fault.problem.what
    return ""
