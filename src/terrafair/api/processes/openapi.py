"""Bodies that the routes about processes read themselves, for the OpenAPI description."""

from typing import Any

from terrafair.workflows.package import CWL_JSON, CWL_YAML, PACKAGE

_OUTPUT = {"type": "object", "properties": {"transmissionMode": {"enum": ["value", "reference"]}}}
_EXECUTE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "inputs": {"type": "object", "description": "Name -> value, `{value, mediaType}`, `{href}` or a list of them."},
        "outputs": {"type": "object", "additionalProperties": _OUTPUT},
        "response": {"enum": ["raw", "document"]},
        "subscriber": {
            "type": "object",
            "properties": {
                name: {"type": "string", "format": "uri"} for name in ("successUri", "inProgressUri", "failedUri")
            },
            "required": ["successUri"],
        },
        "experiment": {"type": "string", "description": "A published preset; inputs override its values."},
    },
}
_JOB: dict[str, Any] = {
    **_EXECUTE,
    "properties": {**_EXECUTE["properties"], "process": {"type": "string"}, "status": {"enum": ["create"]}},
    "required": ["process"],
}
_PREFER: dict[str, Any] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "respond-async, wait=SECONDS, return=minimal, return=representation (RFC 7240)",
    "schema": {"type": "string"},
}


def _body(*contents: tuple[str, dict[str, Any]], required: bool = True) -> dict[str, Any]:
    return {"requestBody": {"required": required, "content": {kind: {"schema": each} for kind, each in contents}}}


EXECUTE = {**_body(("application/json", _EXECUTE), required=False), "parameters": [_PREFER]}
JOB = {**_body(("application/json", _JOB)), "parameters": [_PREFER]}
PATCH = _body(("application/json", _EXECUTE))
DEPLOY = {
    **_body(
        (CWL_YAML, {"type": "string"}),
        (CWL_JSON, {"type": "object"}),
        (PACKAGE, {"type": "object", "required": ["executionUnit"]}),
    ),
    "parameters": [{"name": "w", "in": "query", "required": False, "schema": {"type": "string"}}],
}
