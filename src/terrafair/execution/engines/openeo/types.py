"""The short language in which process definitions write types, and the JSON Schemas that it stands for.

number  integer  string  boolean  null  object  any  scalar  label  cube  raster  bbox  process(x, context) ...
number?            or null                     number(0..)  number(-1..1)  number(>0)   limits
[number?]          an array of these           [number]{2}  [label]{1..}                lengths
<near bilinear>    one of these words          true         exactly this
raster | geojson   alternatives                number = 0   a default, in JSON
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

Schema = Mapping[str, Any]

_PLAIN = ("number", "integer", "string", "boolean", "null", "object", "array")
_DATE = {"type": "string", "format": "date", "subtype": "date"}
_MOMENT = {"type": "string", "format": "date-time", "subtype": "date-time"}
_INTERVAL = {
    "type": "array", "subtype": "temporal-interval", "minItems": 2, "maxItems": 2,
    "items": {"anyOf": [_MOMENT, _DATE, {"type": "null"}]},
}  # fmt: skip


def _handed(name: str, description: str, schema: Schema, *, optional: bool = False) -> Schema:
    about = {"name": name, "description": description, "schema": schema}
    return {**about, "optional": True, "default": None} if optional else about


_CALLBACK: Mapping[str, Schema] = {
    each["name"]: each
    for each in (
        _handed("x", "The value.", {}),
        _handed("y", "The value of the other cube.", {}),
        _handed("data", "The values, with labels.", {"type": "array", "subtype": "labeled-array"}),
        _handed("value", "The value to decide on.", {}),
        _handed("index", "The index, counted from 0.", {"type": "integer", "minimum": 0}),
        _handed("label", "The label, if there are any.", {"type": ["number", "string", "null"]}, optional=True),
        _handed("parameters", "The function's parameters.", {"type": "array", "items": {"type": "number"}}),
        _handed("context", "What was handed on.", {}, optional=True),
    )
}


def _cube(*dimensions: Schema) -> Schema:
    found: dict[str, Any] = {"type": "object", "subtype": "datacube"}
    return {**found, "dimensions": list(dimensions)} if dimensions else found


_PLANE = {"type": "spatial", "axis": ["x", "y"]}
_BANDS = {"type": "bands"}
_NAMED: Mapping[str, Schema] = {
    "any": {},
    "scalar": {"type": ["number", "boolean", "string"]},
    "label": {"type": ["number", "string"]},
    "labelled": {"type": "array", "subtype": "labeled-array", "items": {}},
    "cube": _cube(),
    "raster": _cube(_PLANE),
    "bandraster": _cube(_PLANE, _BANDS),
    "banded": _cube(_BANDS),
    "timed": _cube({"type": "temporal"}),
    "vector": _cube({"type": "geometry"}),
    "polygons": _cube({"type": "geometry", "geometry_type": ["Polygon", "MultiPolygon"]}),
    "points": _cube({"type": "geometry", "geometry_type": ["Point", "MultiPoint"]}),
    "ml-model": {"type": "object", "subtype": "ml-model"},
    "geojson": {"type": "object", "subtype": "geojson"},
    "stac": {"type": "object", "subtype": "stac"},
    "bbox": {
        "type": "object", "subtype": "bounding-box", "required": ["west", "south", "east", "north"],
        "properties": {
            **{name: {"type": "number"} for name in ("west", "south", "east", "north")},
            **{name: {"type": ["number", "null"]} for name in ("base", "height")},
            "crs": {
                "anyOf": [
                    {"type": "integer", "subtype": "epsg-code", "minimum": 1000},
                    {"type": "string", "subtype": "wkt2-definition"},
                ],
                "default": 4326,
            },
        },
    },
    "conditions": {
        "type": "object", "subtype": "metadata-filter",
        "additionalProperties": {"type": "object", "subtype": "process-graph", "parameters": [_CALLBACK["value"]]},
    },
    "sizes": {
        "type": "array",
        "items": {
            "type": "object", "subtype": "chunk-size", "required": ["dimension", "value"],
            "properties": {
                "dimension": {"type": "string"},
                "value": {"anyOf": [{"type": "null"}, {"type": "number", "minimum": 0}, {"type": "string"}]},
                "unit": {"type": "string"},
            },
        },
    },
    "kernel": {"type": "array", "subtype": "kernel", "items": {"type": "array", "items": {"type": "number"}}},
    "interval": _INTERVAL,
    "intervals": {"type": "array", "subtype": "temporal-intervals", "minItems": 1, "items": _INTERVAL},
    "date": _DATE,
    "date-time": _MOMENT,
    "time": {"type": "string", "subtype": "time"},
    "year": {"type": "integer", "subtype": "year"},
    "epsg-code": {"type": "integer", "subtype": "epsg-code", "minimum": 1000},
    "wkt2": {"type": "string", "subtype": "wkt2-definition"},
    "uri": {"type": "string", "format": "uri", "subtype": "uri"},
    "input-format-options": {"type": "object", "subtype": "input-format-options"},
    "output-format-options": {"type": "object", "subtype": "output-format-options"},
    **{
        name: {"type": "string", "subtype": name}
        for name in (
            "band-name", "collection-id", "file-path", "input-format", "output-format", "udf-code", "udf-runtime",
            "udf-runtime-version", "workspace-id",
        )
    },
}  # fmt: skip


def schemas(text: str) -> list[Schema]:
    """The alternatives that a type's text stands for; raises `ValueError` for one that is not in the language."""
    return [_schema(part) for part in _alternatives(text)]


def split_default(text: str) -> tuple[str, bool, Any]:
    """The type, whether it has a default, and that default."""
    kind, given, default = text.partition(" = ")
    return kind, bool(given), json.loads(default) if given else None


def _alternatives(text: str) -> list[str]:
    """Split at the bars outside of brackets."""
    parts, depth, start = [], 0, 0
    for place, letter in enumerate(text):
        depth += (letter in "[(<") - (letter in ")]" or (letter == ">" and text[place - 1 : place] != "("))
        if letter == "|" and depth == 0:
            parts.append(text[start:place])
            start = place + 1
    return [part.strip() for part in [*parts, text[start:]]]


@lru_cache(512)
def _schema(text: str) -> Schema:
    if text.endswith("?"):
        return _or_null(_schema(text[:-1]))
    if text in {"true", "false"}:
        return {"type": "boolean", "const": text == "true"}
    if text in _NAMED:
        return _NAMED[text]
    if text in _PLAIN:
        return {"type": text}
    if text.startswith("<") and text.endswith(">"):
        return {"type": "string", "enum": text[1:-1].split()}
    if text.startswith("process("):
        names = [name.strip() for name in text[8:-1].split(",")]
        return {"type": "object", "subtype": "process-graph", "parameters": [_CALLBACK[name] for name in names]}
    if text.startswith("["):
        return _array(text)
    kind, _, limits = text.partition("(")
    if kind in {"number", "integer"} and limits.endswith(")"):
        return {"type": kind, **_limits(limits[:-1])}
    raise ValueError(f"{text!r} is no type.")


def _or_null(schema: Schema) -> Schema:
    kinds = schema.get("type", [])
    return {**schema, "type": [*([kinds] if isinstance(kinds, str) else kinds), "null"]}


def _array(text: str) -> Schema:
    inner, _, length = text[1:].rpartition("]")
    found: dict[str, Any] = {"type": "array"}
    parts = schemas(inner) if inner else [{}]
    found["items"] = parts[0] if len(parts) == 1 else {"anyOf": parts}
    if length:
        low, dots, high = length.strip("{}").partition("..")
        found["minItems"] = int(low)
        if not dots or high:
            found["maxItems"] = int(high or low)
    return found


def _limits(text: str) -> Schema:
    if text.startswith(">"):
        return {"exclusiveMinimum": _number(text[1:])}
    match = re.match(r"(-?[\d.]*?\d)?(<)?\.\.(<)?(-?[\d.]+)?$", text)
    if match is None:
        raise ValueError(f"{text!r} are no limits.")
    low, above, below, high = match.groups()
    found: dict[str, Any] = {}
    if low is not None:
        found["exclusiveMinimum" if above else "minimum"] = _number(low)
    if high is not None:
        found["exclusiveMaximum" if below else "maximum"] = _number(high)
    return found


def _number(text: str) -> float:
    return float(text) if "." in text else int(text)
