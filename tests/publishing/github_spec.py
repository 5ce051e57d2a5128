"""GitHub's own description of its REST interface, as a check of what goes over the wire, both ways."""

import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema_rs

Scope = dict[str, Any]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def _plain(schema: Any) -> Any:
    """OpenAPI 3.0's `nullable` in the words of JSON Schema."""
    if isinstance(schema, list):
        return [_plain(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # Its `oneOf` lists hold schemas that allow the same documents, so GitHub's own answers would fail them.
    names = {"oneOf": "anyOf"}
    found = {names.get(k, k): _plain(v) for k, v in schema.items() if k not in {"nullable", "example", "examples"}}
    if schema.get("nullable"):
        return {"anyOf": [found, {"type": "null"}]}
    return found


@dataclass
class Specification:
    """Validates messages; what is not described there is counted."""

    file: Path
    wrong: list[str] = field(default_factory=list)
    checked: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        document = json.loads(self.file.read_text("utf-8"))
        self._components = _plain(document["components"])
        self._responses = document["components"].get("responses", {})
        self._paths = [
            (
                re.compile("^" + re.sub(r"\\\{(ref|path|basehead|file_sha)\\\}", "(.+)", _literal(path)) + "$"),
                path,
                item,
            )
            for path, item in document["paths"].items()
        ]
        self._validators: dict[str, Any] = {}

    def operation(self, method: str, path: str) -> tuple[str, dict[str, Any]] | None:
        fitting = [
            (len(template.split("{")), template, item[method.lower()])
            for pattern, template, item in self._paths
            if pattern.match(path) and method.lower() in item
        ]
        return min(fitting, key=lambda each: (each[0], -len(each[1])))[1:] if fitting else None

    def see(self, method: str, path: str, sent: bytes, status: int, answered: bytes, kind: str) -> None:
        found = self.operation(method, path)
        if found is None:
            self.unknown.add(f"{method} {path}")
            return
        template, operation = found
        name = f"{method} {template} {status}"
        self.checked.add(name)
        body = operation.get("requestBody", {}).get("content", {}).get("application/json")
        if body and sent and status < 400:
            self._check(f"{name} request", body["schema"], json.loads(sent))
        response = operation["responses"].get(str(status))
        if response is None:
            if status not in {400, 401, 403, 404, 405, 409, 429, 500, 502, 503}:
                self.wrong.append(f"{name}: this status is not described")
            return
        if "$ref" in response:
            response = self._responses[response["$ref"].rpartition("/")[2]]
        content = response.get("content", {}).get("application/json")
        if content and kind.startswith("application/json"):
            self._check(f"{name} response", content["schema"], json.loads(answered))

    def _check(self, name: str, schema: Any, value: Any) -> None:
        if name not in self._validators:
            whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_plain(schema)}
            whole["components"] = self._components
            self._validators[name] = jsonschema_rs.validator_for(whole, validate_formats=True)
        for error in self._validators[name].iter_errors(value):
            self.wrong.append(f"{name} at /{'/'.join(map(str, error.instance_path))}: {error.message[:200]}")


def _literal(path: str) -> str:
    parts = re.split(r"(\{(?:ref|path|basehead|file_sha)\})", path)
    return "".join(
        re.escape(part) if part.startswith("{") else re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(part)) for part in parts
    )


class Watched:
    """An ASGI application with every message checked."""

    def __init__(self, application: Any, specification: Specification) -> None:
        self._application, self._specification = application, specification

    async def __call__(self, scope: Scope, receive: Any, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        sent, answered = bytearray(), bytearray()
        status, kind = 0, ""

        async def listen() -> Any:
            message = await receive()
            sent.extend(message.get("body", b""))
            return message

        async def speak(message: dict[str, Any]) -> None:
            nonlocal status, kind
            if message["type"] == "http.response.start":
                status = message["status"]
                kind = dict(message["headers"]).get(b"content-type", b"").decode()
            answered.extend(message.get("body", b""))
            await send(message)

        await self._application(scope, listen, speak)
        self._specification.see(scope["method"], scope["path"], bytes(sent), status, bytes(answered), kind)
