"""One OpenAPI description of the whole platform: its own routes and those of every application mounted in it."""

import copy
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI

from terrafair.api.schemas import dialect

Document = dict[str, Any]
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


def describe(app: FastAPI, mounted: Mapping[str, Callable[[], Mapping[str, Any]]]) -> None:
    """Let the application's description hold those of `mounted` (path -> what gives its OpenAPI), which may still grow.

    It is made when it is first asked for.
    """
    own = app.openapi
    kept: dict[tuple[str, ...], Document] = {}

    def whole() -> Document:
        paths = tuple(mounted)
        if paths not in kept:
            kept[paths] = joined(own(), {path: mounted[path]() for path in paths})
        return kept[paths]

    # As FastAPI documents it.
    app.openapi = whole  # type: ignore[method-assign]


def joined(document: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> Document:
    """One description; names of mounted applications' schemas and operations begin with the mount's."""
    found = copy.deepcopy(dict(document))
    for path, part in parts.items():
        prefix = path.strip("/").replace("/", "-")
        text = json.dumps(part).replace('"#/components/schemas/', f'"#/components/schemas/{prefix}.')
        theirs = json.loads(text)
        found["paths"] |= {f"{path}{'' if name == '/' else name}": value for name, value in theirs["paths"].items()}
        for name in theirs["paths"]:
            for operation in operations(found["paths"][f"{path}{'' if name == '/' else name}"]):
                _rename(operation, prefix)
        for kind, members in (theirs.get("components") or {}).items():
            named = {f"{prefix}.{name}": value for name, value in members.items()} if kind == "schemas" else members
            found.setdefault("components", {}).setdefault(kind, {}).update(named)
    for item in found["paths"].values():
        for method in ("post", "put", "patch"):
            # Routes that read their body themselves.
            if method in item and "requestBody" not in item[method]:
                item[method]["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    return found


def operations(item: Mapping[str, Any]) -> list[Document]:
    """Those of one path."""
    return [item[method] for method in METHODS if isinstance(item.get(method), dict)]


def _rename(operation: Document, prefix: str) -> None:
    name = str(operation.get("operationId", ""))
    if name and not name.startswith(f"{prefix}_"):
        operation["operationId"] = f"{prefix}_{name}"
    operation["tags"] = operation.get("tags") or [prefix]


def older(document: Mapping[str, Any]) -> Document:
    """An OpenAPI 3.1 description as 3.0."""
    found = copy.deepcopy(dict(document))
    found["openapi"] = "3.0.3"
    found.pop("jsonSchemaDialect", None)
    found.pop("webhooks", None)
    info = found.get("info", {})
    info.pop("summary", None)
    _convert(found.get("paths", {}))
    components = found.get("components", {})
    schemas = components.get("schemas", {})
    components["schemas"] = {name: dialect(schema) for name, schema in schemas.items()}
    return found


def _convert(node: Any) -> None:
    """Turn every `schema` below into the older dialect."""
    if isinstance(node, list):
        for part in node:
            _convert(part)
    elif isinstance(node, dict):
        for name, part in node.items():
            if name == "schema" and isinstance(part, dict):
                node[name] = dialect(part)
            else:
                _convert(part)


def chapters(document: Mapping[str, Any]) -> dict[str, list[Document]]:
    """Tag -> its operations, for a page: `method`, `path`, `anchor`, and what the operation says of itself."""
    found: dict[str, list[Document]] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if isinstance(operation := item.get(method), dict):
                tag = (operation.get("tags") or ["other"])[0]
                anchor = re.sub(r"\W+", "-", f"{method}{path}").strip("-")
                entry = {**operation, "method": method.upper(), "path": path, "anchor": anchor}
                found.setdefault(str(tag), []).append(entry)
    return dict(sorted(found.items()))
