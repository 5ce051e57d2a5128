"""JSON Schema 2020-12, as workflows and FastAPI write it, in the dialect of OpenAPI 3.0 that OGC standards take."""

from collections.abc import Mapping
from typing import Any

KNOWN = frozenset(
    {
        "title", "multipleOf", "maximum", "minimum", "maxLength", "minLength", "pattern", "maxItems", "minItems",
        "uniqueItems", "maxProperties", "minProperties", "required", "enum", "not", "allOf", "oneOf", "anyOf", "items",
        "properties", "additionalProperties", "description", "format", "default", "nullable", "readOnly", "writeOnly",
        "example", "deprecated", "contentMediaType", "contentEncoding", "contentSchema", "type", "$ref", "xml",
        "discriminator", "externalDocs",
    }
)  # fmt: skip
TYPES = frozenset({"array", "boolean", "integer", "number", "object", "string"})


def dialect(schema: Any, depth: int = 40) -> dict[str, Any]:
    """One schema; what the dialect cannot say is left out, so that it admits rather more than less."""
    if not isinstance(schema, Mapping) or depth == 0:
        return {}
    if isinstance(schema.get("$ref"), str):
        return {"$ref": schema["$ref"]}
    found: dict[str, Any] = {}
    for name, value in schema.items():
        if name in KNOWN and name != "type":
            found[name] = _member(name, value, depth - 1)
    found |= _type(schema.get("type"), found)
    _bounds(schema, found)
    if "const" in schema and "enum" not in found:
        found["enum"] = [schema["const"]]
    if isinstance(schema.get("prefixItems"), list) and "items" not in found:
        found["items"] = {"anyOf": [dialect(part, depth - 1) for part in schema["prefixItems"]]}
    if found.get("type") == "array" and "items" not in found:
        found["items"] = {}
    _drop_null(found)
    return {name: value for name, value in found.items() if value is not None}


def _member(name: str, value: Any, depth: int) -> Any:
    if name in {"allOf", "oneOf", "anyOf"}:
        return [dialect(part, depth) for part in value] if isinstance(value, list) and value else None
    if name in {"items", "not"}:
        return dialect(value, depth) if value is not False else None
    if name == "properties":
        return {key: dialect(part, depth) for key, part in value.items()} if isinstance(value, Mapping) else None
    if name == "additionalProperties":
        return value if isinstance(value, bool) else dialect(value, depth)
    if name == "required":
        return [each for each in value if isinstance(each, str)] or None if isinstance(value, list) else None
    if name == "enum":
        return value if isinstance(value, list) and value else None
    return value


def _type(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    kinds = [each for each in (kind if isinstance(kind, list) else [kind]) if each in TYPES]
    null = {"nullable": True} if isinstance(kind, list) and "null" in kind else {}
    if len(kinds) == 1:
        return {"type": kinds[0], **null}
    if len(kinds) > 1 and not {"anyOf", "oneOf"} & set(found):
        return {"anyOf": [{"type": each, **({"items": {}} if each == "array" else {})} for each in kinds], **null}
    return null


def _bounds(schema: Mapping[str, Any], found: dict[str, Any]) -> None:
    """`exclusiveMinimum: 3` is `minimum: 3, exclusiveMinimum: true` there."""
    for name, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        value = schema.get(name)
        if isinstance(value, bool):
            found[name] = value
        elif isinstance(value, int | float):
            found |= {plain: value, name: True}


def _drop_null(found: dict[str, Any]) -> None:
    """`anyOf: [X, {type: null}]` is X, nullable."""
    for name in ("anyOf", "oneOf"):
        parts = found.get(name)
        if isinstance(parts, list) and {} in parts and len(parts) == 2 and any(parts):
            rest = next(part for part in parts if part)
            del found[name]
            found |= {"nullable": True, **({"allOf": [rest]} if "$ref" in rest else rest)}
