"""Texts."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.values import as_array, describe, items_of, plain

LENGTH_LIMIT = 10_000_000


def _pair(data: Any, pattern: Any, case_sensitive: bool) -> tuple[str, str]:
    for name, value in (("data", data), ("pattern", pattern)):
        if not isinstance(value, str):
            raise InvalidInput(f"`{name}` is {describe(value)}, not a text.", code="argument-type")
    # casefold would turn ß into ss and move positions; lower does not.
    return (data, pattern) if case_sensitive else (data.lower(), pattern.lower())


def text_begins(data: Any, pattern: Any, case_sensitive: bool = True) -> Any:
    if data is None:
        return None
    text, part = _pair(data, pattern, case_sensitive)
    return text.startswith(part)


def text_ends(data: Any, pattern: Any, case_sensitive: bool = True) -> Any:
    if data is None:
        return None
    text, part = _pair(data, pattern, case_sensitive)
    return text.endswith(part)


def text_contains(data: Any, pattern: Any, case_sensitive: bool = True) -> Any:
    if data is None:
        return None
    text, part = _pair(data, pattern, case_sensitive)
    return part in text


def text_find(data: Any, pattern: Any, case_sensitive: bool = True) -> Any:
    if data is None:
        return None
    text, part = _pair(data, pattern, case_sensitive)
    found = text.find(part)
    return None if found < 0 else found


def text_concat(data: Any, separator: Any = "") -> str:
    text = written(separator).join(written(item) for item in items_of(as_array(data)))
    if len(text) > LENGTH_LIMIT:
        what = f"The text would have {len(text)} letters."
        raise InvalidInput(what, f"The limit is {LENGTH_LIMIT}.", code="graph-too-large")
    return text


def written(value: Any) -> str:
    """A plain value as JSON writes it; texts without quotes."""
    value = plain(value)
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int | float):
        return repr(int(value)) if isinstance(value, float) and value.is_integer() else repr(value)
    raise InvalidInput(f"{describe(value)} has no text form.", code="argument-type")
