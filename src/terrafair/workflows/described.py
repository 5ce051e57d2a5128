"""What a process description says of a package's inputs, over what the CWL document can say."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from terrafair.workflows.workflow import InputSpec

LARGEST = 100
"""Inputs that are described; a description of more is somebody's mistake, or their joke."""


def descriptions(about: Mapping[str, Any]) -> dict[str, Any]:
    """The inputs of a `processDescription`: as an object by name (1.0, 2.0), or as a list with ids (the 2020 draft)."""
    found = about.get("inputs")
    if isinstance(found, list):
        found = {each["id"]: each for each in found if isinstance(each, Mapping) and isinstance(each.get("id"), str)}
    if not isinstance(found, Mapping):
        return {}
    return {name: dict(each) for name, each in list(found.items())[:LARGEST] if isinstance(each, Mapping)}


def described(specs: Iterable[InputSpec], said: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """The inputs with title, text and schema of the description.

    CWL decides what there is, what is needed and what goes in; a description is only finer: `Any` may be an area.
    """
    return tuple(_finer(spec, said[spec.name]) if spec.name in said else spec for spec in specs)


def _finer(spec: InputSpec, said: Mapping[str, Any]) -> InputSpec:
    schema = said.get("schema")
    fits = isinstance(schema, Mapping) and schema and _fits(spec.schema, schema)
    return replace(
        spec,
        title=_text(said, "title") or spec.title,
        description=_text(said, "description") or spec.description,
        schema=dict(schema) if fits and isinstance(schema, Mapping) else spec.schema,
    )


def _fits(own: Mapping[str, Any], said: Mapping[str, Any]) -> bool:
    """Whether what the description asks for can go into what CWL takes."""
    if own.get("format") in {"file", "stac-collection"}:
        return said.get("format") in {"file", "directory", "stac-item", "stac-collection"}
    if not own:
        return True
    kind = said.get("type")
    return own.get("type") == kind or (own.get("type") == "number" and kind == "integer")


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value.strip() if isinstance(value, str) else ""
