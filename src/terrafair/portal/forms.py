"""Input specifications as the fields of a plain HTML form, and back: what was typed is never lost."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import Problem

SIDES = ("west", "south", "east", "north")
REFERENCES = frozenset({"stac-item", "stac-collection", "file", "directory", "uri", "url"})
MARK = "in:"
"""Before the names of inputs, which may be called anything."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input as it stands in the form."""

    name: str
    control: str
    """`number`, `integer`, `choice`, `choices`, `boolean`, `date`, `interval`, `box`, `reference`, `lines`, `json`,
    `text`."""
    title: str
    description: str
    required: bool
    texts: Mapping[str, str]
    """Part -> what stands in it; the part of fields with one part is the empty text."""
    options: tuple[str, ...] = ()
    minimum: str = ""
    maximum: str = ""
    unit: str = ""
    hint: str = ""
    upload: bool = False
    whole: bool = False
    """Whether a box has a reference system beside its sides."""
    problems: tuple[Problem, ...] = field(default=())

    @property
    def text(self) -> str:
        """Of a field with one part."""
        return self.texts.get("", "")


def fields(
    inputs: Iterable[Mapping[str, Any]],
    values: Mapping[str, Any],
    typed: Mapping[str, list[str]] | None = None,
    problems: Iterable[Problem] = (),
) -> list[Field]:
    """The form: with `values`, or with what was typed where the form comes back."""
    wrong: dict[str, list[Problem]] = {}
    names = [str(spec["name"]) for spec in inputs]
    for problem in problems:
        owner = owner_of(problem.where, names)
        wrong.setdefault(owner, []).append(problem)
    return [_field(spec, values, typed, tuple(wrong.get(str(spec["name"]), ()))) for spec in inputs]


def owner_of(where: str, names: Iterable[str]) -> str:
    """The input that a problem is about; empty: none."""
    fitting = [name for name in names if where == name or where.startswith((f"{name}.", f"{name}/"))]
    return max(fitting, key=len, default="")


def _field(
    spec: Mapping[str, Any],
    values: Mapping[str, Any],
    typed: Mapping[str, list[str]] | None,
    wrong: tuple[Problem, ...],
) -> Field:
    name, schema = str(spec["name"]), spec.get("schema") or {}
    kind = control(name, schema)
    value = values.get(name, spec.get("default"))
    parts = shown(kind, value)
    if typed is not None:
        parts = {
            part: "\n".join(typed.get(_key(name, part), [])) if kind == "choices" else _last(typed, _key(name, part))
            for part in _parts(kind, schema)
        }
    return Field(
        name=name,
        control=kind,
        title=str(spec.get("title") or schema.get("title") or name.replace("_", " ").capitalize()),
        description=str(spec.get("description") or ""),
        required=bool(spec.get("required")) and spec.get("default") is None,
        texts={part: parts.get(part, "") for part in _parts(kind, schema)},
        options=tuple(_plain(option) for option in _options(schema)),
        minimum=_plain(schema.get("minimum", "")),
        maximum=_plain(schema.get("maximum", "")),
        unit=str(schema.get("unit") or schema.get("x-unit") or ""),
        hint=_hint(kind, schema),
        upload=kind == "reference" and schema.get("format") in {"file", "directory", "uri"},
        whole="crs" in (schema.get("properties") or {}),
        problems=wrong,
    )


def control(name: str, schema: Mapping[str, Any]) -> str:
    """How an input is asked for."""
    kinds = schema.get("type")
    kind = next((each for each in kinds if each != "null"), "") if isinstance(kinds, list) else kinds
    items = schema.get("items") if isinstance(schema.get("items"), Mapping) else {}
    if "enum" in schema:
        return "choice"
    if schema.get("format") in REFERENCES:
        return "reference"
    if kind in {"number", "integer", "boolean"}:
        return str(kind)
    if kind == "object" and set(SIDES) <= set(schema.get("properties") or {}):
        return "box"
    if kind == "array":
        return _list_control(name, schema, items or {})
    if kind == "string":
        if schema.get("format") == "date":
            return "date"
        return "boxtext" if name.lower() in {"bbox", "aoi", "bounding_box", "area_of_interest"} else "text"
    return "json"


def _list_control(name: str, schema: Mapping[str, Any], items: Mapping[str, Any]) -> str:
    pair = schema.get("minItems") == schema.get("maxItems") == 2
    if pair and str(items.get("format", "")).startswith("date"):
        return "interval"
    if "enum" in items:
        return "choices"
    numeric = items.get("type") in {"number", "integer"}
    if (
        numeric
        and (schema.get("format") == "ogc-bbox" or "bbox" in name.lower())
        and schema.get("minItems") in {None, 4}
    ):
        return "boxlist"
    return "lines" if items.get("type") in {"string", "number", "integer"} else "json"


def _parts(kind: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    if kind in {"box", "boxlist", "boxtext"}:
        return (*SIDES, "crs") if "crs" in (schema.get("properties") or {}) else SIDES
    return ("start", "end") if kind == "interval" else ("",)


def _options(schema: Mapping[str, Any]) -> list[Any]:
    items = schema.get("items")
    found = schema.get("enum") or (items.get("enum") if isinstance(items, Mapping) else None) or []
    return list(found)


def _hint(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "reference":
        return {
            "stac-item": "The address of a STAC item.",
            "stac-collection": "The address of a STAC collection.",
            "file": "The address of a file, or a file of yours.",
        }.get(str(schema.get("format")), "An address: https, s3, or one of this platform's results.")
    if kind == "interval":
        return "The end is excluded unless the workflow says otherwise."
    return {"lines": "One in each line.", "json": "Text, or JSON for lists and objects."}.get(kind, "")


def shown(kind: str, value: Any) -> dict[str, str]:
    """A value as the texts of its parts."""
    if value is None:
        return {}
    if kind == "box" and isinstance(value, Mapping):
        return {str(part): _plain(side) for part, side in value.items()}
    if kind == "boxtext":
        return dict(zip(SIDES, (part.strip() for part in str(value).split(",")), strict=False))
    if kind == "boxlist" and isinstance(value, list):
        return dict(zip(SIDES, map(_plain, value), strict=False))
    if kind == "interval" and isinstance(value, list) and len(value) == 2:
        return {"start": _plain(value[0]), "end": _plain(value[1])}
    if kind in {"lines", "choices"} and isinstance(value, list):
        return {"": "\n".join(map(_plain, value))}
    if kind == "reference" and isinstance(value, Mapping):
        return {"": str(value.get("href") or json.dumps(value))}
    return {"": _plain(value)}


def _plain(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _key(name: str, part: str) -> str:
    return f"{MARK}{name}:{part}" if part else f"{MARK}{name}"


def _last(typed: Mapping[str, list[str]], key: str) -> str:
    return typed[key][-1].strip() if typed.get(key) else ""


def read(
    inputs: Iterable[Mapping[str, Any]], published: Mapping[str, Any], typed: Mapping[str, list[str]]
) -> tuple[dict[str, Any], list[Problem]]:
    """What was asked for where it differs from what runs anyhow, and what of it cannot be read."""
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    for spec in inputs:
        name, schema = str(spec["name"]), spec.get("schema") or {}
        kind = control(name, schema)
        parts = {part: _last(typed, _key(name, part)) for part in _parts(kind, schema)}
        if kind == "choices":
            parts = {"": "\n".join(typed.get(_key(name, ""), []))}
        if not any(text for part, text in parts.items() if part != "crs"):
            continue
        try:
            value = _value(kind, schema, parts)
        except ValueError as fault:
            problems.append(Problem(f"{name} {fault}", where=name, code="input-invalid"))
            continue
        if value != published.get(name, spec.get("default")):
            values[name] = value
    return values, problems


def _value(kind: str, schema: Mapping[str, Any], parts: Mapping[str, str]) -> Any:
    text = parts.get("", "")
    if kind in {"box", "boxlist", "boxtext"}:
        return _box(kind, parts)
    if kind == "interval":
        return [parts["start"] or None, parts["end"] or None]
    if kind in {"number", "integer"}:
        return _number(text, kind)
    if kind == "boolean":
        return _boolean(text)
    if kind == "choice":
        return next((option for option in _options(schema) if _plain(option) == text), text)
    if kind in {"lines", "choices"}:
        items = schema.get("items") or {}
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return [_number(line, items["type"]) if items.get("type") in {"number", "integer"} else line for line in lines]
    return _loose(text) if kind == "json" else text


def _number(text: str, kind: str = "number") -> int | float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError(f"is {text[:60]!r}; it takes a {'whole ' if kind == 'integer' else ''}number.") from None
    if not math.isfinite(number):
        raise ValueError(f"is {text[:60]!r}; it takes a number that ends.")
    if kind == "integer" and not number.is_integer():
        raise ValueError(f"is {text[:60]!r}; it takes a whole number.")
    return int(number) if kind == "integer" or (number.is_integer() and "." not in text and "e" not in text) else number


def _boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError(f"is {text[:60]!r}; it takes yes or no.")
    return text == "true"


def _box(kind: str, parts: Mapping[str, str]) -> Any:
    missing = [side for side in SIDES if not parts[side]]
    if missing:
        raise ValueError(f"has no {', '.join(missing)}; an area has four sides.")
    try:
        sides = {side: _number(parts[side]) for side in SIDES}
    except ValueError as fault:
        raise ValueError(f"has a side that {fault}") from None
    if sides["south"] > sides["north"]:
        raise ValueError(f"has its south {parts['south']} north of its north {parts['north']}.")
    if kind == "boxtext":
        return ",".join(parts[side] for side in SIDES)
    if kind == "boxlist":
        return [sides[side] for side in SIDES]
    return sides | ({"crs": _number(parts["crs"], "integer")} if parts.get("crs") else {})


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip()[:1] in {"{", "["}:
            raise ValueError("starts as JSON and does not go on as such.") from None
        return text
