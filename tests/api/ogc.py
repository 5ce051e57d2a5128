"""The published schemas of OGC API - Processes, as validators of our responses."""

import functools
from pathlib import Path
from typing import Any

import jsonschema
import yaml
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

LOOSE = {"execute.yaml", "inputValueNoObject.yaml", "inputValue.yaml", "inlineOrRefData.yaml"}
"""Here the standard's `oneOf` cannot hold: every integer is a number too, and every text may be `byte`."""


class Schemas:
    """All schemas of one version, by file name or by path below the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._registry: Registry[Any] = Registry(retrieve=self._retrieve)  # type: ignore[call-arg]

    def check(self, document: Any, name: str) -> None:
        """Raise for a document that the schema does not admit, with the most telling fault."""
        schema = {"$ref": (self._folder / name).as_uri()}
        validator = jsonschema.Draft202012Validator(schema, registry=self._registry)
        faults = sorted(validator.iter_errors(document), key=lambda fault: len(fault.absolute_path))
        if faults:
            best = jsonschema.exceptions.best_match(faults)
            place = "/".join(map(str, best.absolute_path))
            raise AssertionError(f"{name}: at {place!r}: {best.message[:400]}")

    @functools.cache  # noqa: B019 - lives as long as the session
    def _retrieve(self, uri: str) -> Resource[Any]:
        path = Path(uri.removeprefix("file://"))
        schema = newer(yaml.safe_load(path.read_text("utf-8")), loose=path.name in LOOSE)
        return Resource.from_contents({"$id": uri, **schema}, default_specification=DRAFT202012)


def newer(schema: Any, *, loose: bool) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema 2020-12."""
    if isinstance(schema, list):
        return [newer(part, loose=loose) for part in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: newer(value, loose=loose) for name, value in schema.items()}
    if loose and "oneOf" in found:
        found["anyOf"] = found.pop("oneOf")
    for name, plain in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(name), bool) and found.pop(name) and plain in found:
            found[name] = found.pop(plain)
    if found.get("nullable") is True and isinstance(found.get("type"), str):
        found["type"] = [found["type"], "null"]
    return found
