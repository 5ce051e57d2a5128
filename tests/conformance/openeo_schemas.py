"""The response schemas of the openEO API's own OpenAPI document, as JSON Schema."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

METHODS = ("get", "post", "put", "patch", "delete")


class Contract:
    """Checks answers against the document, and remembers which routes were asked."""

    def __init__(self, path: Path) -> None:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        # Dates in the examples stay texts.
        document = yaml.load(re.sub(r"(?m)^(\s*example: )(\d{4}-.*)$", r"\1'\2'", path.read_text("utf-8")), loader)
        self._document = json.loads(json.dumps(document, default=str))
        self._components = _json_schema(self._document["components"])
        self._validators: dict[str, Any] = {}
        self.driven: set[tuple[str, str]] = set()
        """(method, path) that have been answered with success."""

    def routes(self) -> set[tuple[str, str]]:
        """Every (method, path) of the document."""
        return {
            (method, path) for path, entry in self._document["paths"].items() for method in METHODS if method in entry
        }

    def check(self, method: str, path: str, status: int, headers: dict[str, str], body: Any) -> list[str]:
        """What is wrong with an answer: status, headers, body."""
        responses = self._document["paths"][path][method]["responses"]
        if 200 <= status < 300:
            self.driven.add((method, path))
        found = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if found is None:
            return [f"{method} {path} has no response {status}"]
        found = self._resolved(found)
        wrong = [
            f"{method} {path} {status} lacks the header {name}"
            for name, about in (found.get("headers") or {}).items()
            if about.get("required") and name.lower() not in headers
        ]
        kind = headers.get("content-type", "").partition(";")[0]
        schema = ((found.get("content") or {}).get(kind) or {}).get("schema")
        if schema is None or "json" not in kind:
            return wrong
        return [*wrong, *self._errors(f"{method} {path} {status} {kind}", schema, body)]

    def _errors(self, name: str, schema: Any, body: Any) -> list[str]:
        if name not in self._validators:
            whole = {"components": self._components, "allOf": [_json_schema(schema)]}
            self._validators[name] = jsonschema_rs.Draft7Validator(whole, validate_formats=True)
        return [
            f"{name} /{'/'.join(map(str, each.instance_path))}: {each.message[:300]}"
            for each in self._validators[name].iter_errors(body)
        ]

    def _resolved(self, value: Any) -> Any:
        while "$ref" in value:
            place = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                place = place[part]
            value = place
        return value


def _json_schema(value: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema adds a type, and knows examples that are none of its own."""
    if isinstance(value, list):
        return [_json_schema(each) for each in value]
    if not isinstance(value, dict):
        return value
    plain = {
        name: _json_schema(each)
        for name, each in value.items()
        if name not in {"example", "examples", "discriminator", "xml", "externalDocs"} or isinstance(each, list)
    }
    if isinstance(plain.get("required"), bool):
        plain.pop("required")
    if plain.pop("nullable", False) is True:
        return {"anyOf": [plain, {"type": "null"}]}
    if "oneOf" in plain:
        # Upstream's alternatives overlap: the first of `process_json_schema` accepts everything, and so every correct
        # answer would meet more than one.
        plain["anyOf"] = [*plain.get("anyOf", []), *plain.pop("oneOf")]
    return plain
