"""Input specifications as the fields of a plain HTML form, and back: what was typed is never lost."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import Problem
from terrafair.portal import words
from terrafair.portal.schema_shapes import SIDES, control, flat

BOXES = frozenset({"box", "boxlist", "boxtext", "ogcbox"})
SHAPES = frozenset(
    {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon", "GeometryCollection"}
)
CRS84 = "http://www.opengis.net/def/crs/OGC/1.3/CRS84"
LARGEST = 1_000_000
"""Characters of one text that are read; what is larger is a file."""
MARK = "in:"
"""Before the names of inputs, which may be called anything."""


@dataclass(frozen=True, slots=True)
class Field:
    """One input as it stands in the form."""

    name: str
    control: str
    """As `schema_shapes.control` names it: `number`, `choice`, `date`, `interval`, `box`, `geometry`, `text` ..."""
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
    stac: str = ""
    """`item` or `collection` for what is picked from the platform's STAC."""
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
    name, schema = str(spec["name"]), flat(spec.get("schema"))
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
        upload=kind == "geometry" or (kind == "reference" and not str(schema.get("format", "")).startswith("stac-")),
        stac=str(schema.get("format", "")).removeprefix("stac-") if kind == "reference" else "",
        whole="crs" in (schema.get("properties") or {}),
        problems=wrong,
    )


def _parts(kind: str, schema: Mapping[str, Any]) -> tuple[str, ...]:
    if kind in BOXES:
        return (*SIDES, "crs") if "crs" in (schema.get("properties") or {}) else SIDES
    return {"interval": ("start", "end"), "measure": ("measurement", "uom")}.get(kind, ("",))


def _options(schema: Mapping[str, Any]) -> list[Any]:
    found = schema.get("enum") or flat(schema.get("items")).get("enum") or []
    return list(found)


def _hint(kind: str, schema: Mapping[str, Any]) -> str:
    if kind == "reference":
        return words.REFERENCES.get(str(schema.get("format")), words.REFERENCE)
    return words.HINTS.get(kind, "")


def shown(kind: str, value: Any) -> dict[str, str]:
    """A value as the texts of its parts."""
    if value is None:
        return {}
    if isinstance(value, Mapping):
        return _mapped(kind, value)
    if kind == "boxtext":
        return dict(zip(SIDES, (part.strip() for part in str(value).split(",")), strict=False))
    if isinstance(value, list):
        if kind == "boxlist":
            return dict(zip(SIDES, map(_plain, value), strict=False))
        if kind == "interval" and len(value) == 2:
            return {"start": _plain(value[0]), "end": _plain(value[1])}
        if kind in {"lines", "choices"}:
            return {"": "\n".join(map(_plain, value))}
    return {"": _plain(value)}


def _mapped(kind: str, value: Mapping[str, Any]) -> dict[str, str]:
    if kind == "box":
        return {str(part): _plain(side) for part, side in value.items()}
    if kind == "ogcbox" and isinstance(value.get("bbox"), list):
        sides = value["bbox"]
        level = [sides[0], sides[1], sides[3], sides[4]] if len(sides) == 6 else sides
        named = "" if value.get("crs", CRS84) == CRS84 else str(value["crs"])
        return dict(zip(SIDES, map(_plain, level), strict=False)) | {"crs": named}
    if kind == "measure":
        return {part: _plain(value.get(part)) for part in ("measurement", "uom")}
    if kind in {"reference", "geometry"} and value.get("href"):
        return {"": str(value["href"])}
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
        name, schema = str(spec["name"]), flat(spec.get("schema"))
        kind = control(name, schema)
        parts = {part: _last(typed, _key(name, part)) for part in _parts(kind, schema)}
        if kind == "choices":
            parts = {"": "\n".join(typed.get(_key(name, ""), []))}
        if not any(text for part, text in parts.items() if part not in {"crs", "uom"}):
            continue
        try:
            _check_size(parts)
            value = _value(kind, schema, parts)
        except ValueError as fault:
            problems.append(Problem(f"{name} {fault}", where=name, code="input-invalid"))
            continue
        if value != published.get(name, spec.get("default")):
            values[name] = value
    return values, problems


def _value(kind: str, schema: Mapping[str, Any], parts: Mapping[str, str]) -> Any:
    text = parts.get("", "")
    if kind in BOXES:
        return _box(kind, parts)
    if kind == "measure":
        return {"measurement": _number(parts["measurement"]), "uom": parts["uom"] or _unitless(schema)}
    if kind == "geometry":
        return _geometry(text)
    if kind == "interval":
        return [parts["start"] or None, parts["end"] or None]
    if kind in {"number", "integer"}:
        return _number(text, kind)
    if kind == "boolean":
        return _boolean(text)
    if kind == "choice":
        return next((option for option in _options(schema) if _plain(option) == text), text)
    if kind in {"lines", "choices"}:
        items = flat(schema.get("items"))
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


def _check_size(parts: Mapping[str, str]) -> None:
    longest = max(map(len, parts.values()))
    if longest > LARGEST:
        raise ValueError(f"holds {longest:,} characters; hand in more than {LARGEST:,} as a file.")


def _unitless(schema: Mapping[str, Any]) -> str:
    """The unit where there is only one."""
    inner = flat((schema.get("properties") or {}).get("uom"))
    known = inner.get("enum") or ([inner["const"]] if "const" in inner else [])
    if len(known) != 1:
        raise ValueError("has no unit.")
    return str(known[0])


def _geometry(text: str) -> Any:
    """GeoJSON, or the address of a file of it."""
    if not text.startswith("{"):
        if "://" in text or text.startswith("/"):
            return {"href": text}
        raise ValueError(f"is {text[:60]!r}; it takes GeoJSON, or the address of a file of it.")
    try:
        found = json.loads(text)
    except ValueError as fault:
        raise ValueError(f"is no JSON: {fault}.") from None
    except RecursionError:
        raise ValueError("is nested too deeply.") from None
    kind = found.get("type")
    if kind not in {*SHAPES, "Feature", "FeatureCollection"}:
        raise ValueError(
            f"has the type {kind!r}; GeoJSON knows {', '.join(sorted(SHAPES))}, Feature, FeatureCollection."
        )
    return found


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
    if kind == "ogcbox":
        return {"bbox": [sides[side] for side in SIDES], "crs": parts.get("crs") or CRS84}
    return sides | ({"crs": _number(parts["crs"], "integer")} if parts.get("crs") else {})


def _loose(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        if text.lstrip()[:1] in {"{", "["}:
            raise ValueError("starts as JSON and does not go on as such.") from None
        return text
