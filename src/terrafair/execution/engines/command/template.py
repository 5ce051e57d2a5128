"""A command line with `{placeholders}`, filled in as whole arguments and never by a shell."""

import json
import re
import shlex
from collections.abc import Mapping
from typing import Any

from terrafair.errors import InvalidInput

OWN = {"outputs": "the folder whose files become the result", "work": "the working copy of the repository"}
"""Placeholders that the platform fills in."""

_PLACE = re.compile(r"\{\{|\}\}|\{([A-Za-z_][\w.-]*)\}")


def split(template: str) -> list[str]:
    """Take the command line apart as a shell would; raises `InvalidInput` for open quotes and an empty line."""
    try:
        parts = shlex.split(template)
    except ValueError as fault:
        raise InvalidInput(f"The command {template!r} does not parse: {fault}.", remedy="Close the quotes.") from None
    if not parts:
        raise InvalidInput(
            "The workflow names no command.", remedy="Give one, e.g. python -m package --config {config}."
        )
    return parts


def placeholders(template: str) -> list[str]:
    """Give the names that the template asks for, in order."""
    names = [found[1] for part in split(template) for found in _PLACE.finditer(part) if found[1]]
    return list(dict.fromkeys(names))


def fill(template: str, values: Mapping[str, Any]) -> list[str]:
    """Give the arguments.

    A list that stands alone becomes several arguments; a value of None removes its argument, and the `--option`
    before it. Raises `InvalidInput` for a placeholder that has no value.
    """
    arguments: list[str] = []
    for part in split(template):
        names = [found[1] for found in _PLACE.finditer(part) if found[1]]
        for name in names:
            if name not in values:
                known = ", ".join(sorted(values)) or "none"
                what = f"The command asks for {{{name}}}, which is no input."
                remedy = f"Known: {known}. A brace that is meant literally is written twice."
                raise InvalidInput(what, remedy=remedy, where=template, code="placeholder-unknown")
        if any(values[name] is None for name in names):
            if part == f"{{{names[0]}}}" and arguments and re.fullmatch(r"--?[A-Za-z][\w-]*", arguments[-1]):
                arguments.pop()
            continue
        if len(names) == 1 and part == f"{{{names[0]}}}" and isinstance(values[names[0]], list | tuple):
            arguments += [text(value) for value in values[names[0]]]
            continue
        arguments.append(_PLACE.sub(lambda found: _put(found, values), part))
    return arguments


def text(value: Any) -> str:
    """Write a value as one argument: strings as they are, everything else as JSON does."""
    return value if isinstance(value, str) else json.dumps(value)


def _put(found: re.Match[str], values: Mapping[str, Any]) -> str:
    return text(values[found[1]]) if found[1] else found[0][0]
