"""What a JSON Schema finds, in words: the place, what is there, and what should be."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terrafair.catalogue.rules.document import escape

if TYPE_CHECKING:
    from jsonschema_rs import ValidationError, Validator

SHOWN = 80
FEW = 12
SELECTORS = frozenset({"rel", "scheme", "type"})
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
    best = min(branches, key=lambda branch: _distance(error, branch))
    if _distance(error, best)[0] and len(branches) > 1:
        # Not even the selecting field fits any of them: the whole is to blame.
        yield error
        return
    for inner in best:
        yield from _leaves(inner)


def _distance(error: "ValidationError", branch: list["ValidationError"]) -> tuple[bool, int, int]:
    here = len(error.instance_path)
    wrong_choice = any(
        len(inner.instance_path) == here + 1
        and inner.instance_path[-1] in SELECTORS
        and inner.kind.name in {"const", "enum", "not"}
        for inner in branch
    ) or any(len(inner.instance_path) == here and inner.kind.name in {"type", "not"} for inner in branch)
    return wrong_choice, -max(len(inner.instance_path) for inner in branch), len(branch)


def _fault(error: "ValidationError") -> SchemaFault:
    pointer = "".join(f"/{escape(str(part))}" for part in error.instance_path)
    field = f"`{error.instance_path[-1]}`" if error.instance_path else "It"
    what, fix = _words(error, field)
    return SchemaFault(pointer, what, fix)


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


def _choice(field: str, value: str, _: Any) -> tuple[str, str]:
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
        return f"an object with {', '.join(map(str, list(value)[:6])) or 'no fields'}"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
