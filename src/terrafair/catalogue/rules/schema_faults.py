"""What a JSON Schema finds, in words: the place, what is there, and what should be."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

from terrafair.catalogue.rules.document import escape

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

SHOWN = 80
FEW = 12
CHOICES = frozenset({"const", "enum", "not"})
SELECTORS = frozenset({"rel", "scheme", "osc:type"})
"""Fields that say which of several alternatives is meant."""


@dataclass(frozen=True, slots=True)
class SchemaFault:
    """One fault, without the file that it is in."""

    pointer: str
    message: str
    fix: str


def faults(validator: "Validator", data: Any) -> Iterator[SchemaFault]:
    """Every fault once; of alternatives, those of the one that comes nearest."""
    seen = set()
    for error in validator.iter_errors(data):
        for leaf in _leaves(error):
            fault = _fault(leaf)
            if fault not in seen:
                seen.add(fault)
                yield fault


def _leaves(error: "ValidationError") -> Iterator["ValidationError"]:
    """Go down into the alternatives that were most likely meant."""
    branches = [branch for branch in getattr(error.kind, "context", ()) if branch]
    if not branches or error.kind.name not in {"anyOf", "oneOf"}:
        yield error
        return
    misses = [_miss(error, branch) for branch in branches]
    least = min(misses)
    if least == Miss.OTHER or (least == Miss.TYPE and misses.count(least) > 1):
        # Not even the selecting field fits any of them: the whole is to blame.
        yield error
        return
    near = [branch for branch, miss in zip(branches, misses, strict=True) if miss == least]
    for inner in min(near, key=lambda branch: (-max(len(one.instance_path) for one in branch), len(branch))):
        yield from _leaves(inner)


class Miss(IntEnum):
    """By what an alternative misses."""

    DETAIL = 0
    TYPE = 1
    OTHER = 2
    """It is another kind of thing altogether."""


def _miss(error: "ValidationError", branch: list["ValidationError"]) -> Miss:
    here, miss = len(error.instance_path), Miss.DETAIL
    for inner in branch:
        name, depth = inner.kind.name, len(inner.instance_path)
        field = inner.instance_path[-1] if depth == here + 1 else ""
        if (depth == here and name in {"type", "not"}) or (field in SELECTORS and name in CHOICES):
            return Miss.OTHER
        if field == "type" and name in CHOICES:
            miss = Miss.TYPE
    return miss


def _fault(error: "ValidationError") -> SchemaFault:
    pointer = "".join(f"/{escape(str(part))}" for part in error.instance_path)
    field = f"`{_name(error.instance_path)}`" if error.instance_path else "It"
    what, fix = _words(error, field)
    return SchemaFault(pointer, what, fix)


def _name(path: Sequence[str | int]) -> str:
    """The last field of a path, with the numbers after it: `links[3]`."""
    end = len(path)
    while end and isinstance(path[end - 1], int):
        end -= 1
    return str(path[end - 1] if end else "") + "".join(f"[{part}]" for part in path[end:])


def _words(error: "ValidationError", field: str) -> tuple[str, str]:
    """What is wrong, and what to do."""
    kind: Any = error.kind
    name, value = str(kind.name), shown(error.instance)
    if name == "required":
        return f"{field} lacks `{kind.property}`.", f"Add `{kind.property}`."
    if name == "enum":
        options = [shown(option) for option in kind.options]
        few = ", ".join(options[:FEW]) + (f" and {len(options) - FEW} more" if len(options) > FEW else "")
        return f"{field} is {value}; allowed: {few}.", "Use one of the allowed values."
    if name in _SENTENCES:
        return _SENTENCES[name](field, value, kind)
    if hasattr(kind, "limit"):
        return f"{field} is {value}; its {_bound(name)} is {kind.limit}.", "Bring it within the limit."
    return f"{field}: {error.message[:300]}", "See its schema."


def _choice(field: str, value: str, kind: Any) -> tuple[str, str]:
    if not all(getattr(kind, "context", ())):
        return f"{field} is {value}, which fits several forms that exclude each other.", "Write it as one of them."
    return f"{field} is {value}, which fits none of the allowed forms.", "See its schema for the forms."


def _type(field: str, value: str, kind: Any) -> tuple[str, str]:
    wanted = " or ".join(kind.types)
    return f"{field} is {value}; it must be of type {wanted}.", f"Write it as {wanted}."


_SENTENCES: dict[str, Callable[[str, str, Any], tuple[str, str]]] = {
    "type": _type,
    "const": lambda field, value, kind: (
        f"{field} is {value}; it must be {shown(kind.expected_value)}.",
        "Use that value.",
    ),
    "format": lambda field, value, kind: (
        f"{field} is {value}, which is no valid {kind.format}.",
        f"Write it as {kind.format}.",
    ),
    "pattern": lambda field, value, kind: (
        f"{field} is {value}, which does not match {kind.pattern}.",
        "Write it in that form.",
    ),
    "uniqueItems": lambda field, _, __: (f"{field} holds the same value twice.", "Remove the repetition."),
    "not": lambda field, value, _: (f"{field} is {value}, which is not allowed here.", "Remove or replace it."),
    "additionalProperties": lambda field, _, kind: (
        f"{field} has unknown fields: {', '.join(kind.unexpected)}.",
        "Remove or rename them.",
    ),
    "oneOf": _choice,
    "anyOf": _choice,
}


def _bound(name: str) -> str:
    words = {
        "minLength": "least length",
        "maxLength": "greatest length",
        "minItems": "least number of entries",
        "maxItems": "greatest number of entries",
        "minProperties": "least number of fields",
        "maxProperties": "greatest number of fields",
        "minimum": "least value",
        "maximum": "greatest value",
    }
    return words.get(name, name)


def shown(value: Any) -> str:
    """A value, cut to what a message can hold."""
    if isinstance(value, dict):
        if isinstance(value.get("rel"), str) and "href" in value:
            return f"a link with the relation {value['rel']!r}"
        return f"an object with {', '.join(map(str, list(value)[:6])) or 'no fields'}"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
