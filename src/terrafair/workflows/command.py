"""Reads command templates: `python -m glambie --config {config} --to {outputs}` with inputs in braces."""

import re
from collections.abc import Mapping
from typing import Any

from terrafair.workflows.notebook import reference_format
from terrafair.workflows.workflow import InputSpec

PROPERTIES = ("application:command", "application:entrypoint", "processing:expression")
"""Fields of a record that may hold the command line, in the order in which they are looked at."""
OWN = frozenset({"outputs", "work"})


def command_of(*sources: Mapping[str, Any]) -> str:
    """The command line that a record, link or environment file names; empty: none does."""
    for source in sources:
        for name in (*PROPERTIES, "command"):
            value = source.get(name)
            if isinstance(value, Mapping):
                value = value.get("expression") or value.get("command")
            if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
                import shlex

                value = " ".join(part if "{" in part else shlex.quote(part) for part in value)
            if isinstance(value, str) and value.strip():
                return value.strip()
    return ""


def inputs(template: str, values: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """One input for each placeholder; published values are no defaults, since they are values already."""
    names = dict.fromkeys(re.findall(r"\{(\w+)\}", template))
    specs = []
    for name in names:
        if name in OWN:
            continue
        form = reference_format(name, values.get(name))
        specs.append(InputSpec(name, {"format": form} if form else {}))
    return tuple(specs)
