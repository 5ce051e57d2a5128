"""The input and environment files of an experiment: there, filled, and readable for a program."""

import json
from collections.abc import Iterator
from typing import Any

from terrafair.catalogue.rules.findings import Finding
from terrafair.catalogue.rules.official.place import Role
from terrafair.catalogue.rules.subject import Subject
from terrafair.errors import InvalidInput

COMMENTS = frozenset({"$comment", "comment", "comments", "description", "$schema"})
PLAIN_LISTS = (".txt", ".in", ".lock", ".cfg", ".toml")
"""Requirements and the like: lines, not YAML."""


def companions(subject: Subject) -> Iterator[Finding]:
    """Files in the catalogue only: what lies elsewhere is nobody's to fetch while validating."""
    if subject.role is not Role.EXPERIMENT:
        return
    for number, link in subject.links:
        rel = link.get("rel")
        target = subject.local(link["href"]) if rel in ("input", "environment") else ""
        if not target or not subject.snapshot.exists(target):
            # A link that leads nowhere is a dead link already.
            continue
        pointer = f"/links/{number}/href"
        if subject.path.rpartition("/")[0] != target.rpartition("/")[0] and target.endswith(".json"):
            continue
        try:
            content = subject.snapshot.tree.read(target)
        except InvalidInput as refusal:
            yield subject.finding(f"{rel}-file", pointer, f"{target}: {refusal.problem.what}")
            continue
        if (fault := _fault(target, content or b"", rel == "input")) is not None:
            yield subject.finding(f"{rel}-file", pointer, f"{target} {fault}")


def _fault(path: str, content: bytes, is_input: bool) -> str | None:
    if not content.strip():
        return "is empty."
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return "is no text."
    if path.endswith(PLAIN_LISTS):
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        return None if lines else "holds comments only."
    import yaml

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        value: Any = json.loads(text) if path.endswith(".json") else yaml.load(text, loader)  # noqa: S506 - a safe loader
    except (ValueError, yaml.YAMLError, RecursionError) as fault:
        return f"is neither YAML nor JSON: {str(fault).splitlines()[0]}."
    return _says_nothing(value, is_input=is_input)


def _says_nothing(value: Any, *, is_input: bool) -> str | None:
    if value is None:
        return "holds comments only."
    if not isinstance(value, dict | list):
        return "is prose, which no program can use."
    if isinstance(value, list):
        return None if value or is_input else "is an empty list."
    fields = {str(key) for key in value} - COMMENTS
    if not fields:
        return "holds comments only, and nothing that a program can use."
    return None
