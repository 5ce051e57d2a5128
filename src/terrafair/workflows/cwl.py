"""Reads the inputs of CWL documents; the engine validates the whole."""

from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.workflows.workflow import InputSpec

_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "boolean": {"type": "boolean"},
    "int": {"type": "integer"},
    "long": {"type": "integer"},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "Any": {},
    "null": {"type": "null"},
}


def entry_of(document: Mapping[str, Any], fragment: str = "") -> str:
    """The id of what runs: the one asked for, `main`, else the only workflow; empty for a document of one process."""
    graph = document.get("$graph")
    if not isinstance(graph, list):
        return ""
    processes = [process for process in graph if isinstance(process, Mapping)]
    ids = {_bare(process.get("id")): process for process in processes}
    if fragment and fragment in ids:
        return fragment
    if "main" in ids:
        return "main"
    workflows = [name for name, process in ids.items() if process.get("class") == "Workflow"]
    return workflows[0] if workflows else next(iter(ids), "")


def inputs(document: Mapping[str, Any], entry: str) -> tuple[InputSpec, ...]:
    """The inputs of the process that runs."""
    process = _process(document, entry)
    return tuple(_spec(name, about) for name, about in _pairs(process.get("inputs")))


def outputs(document: Mapping[str, Any], entry: str) -> tuple[InputSpec, ...]:
    """What the process that runs gives, described as inputs are."""
    process = _process(document, entry)
    return tuple(_spec(name, about) for name, about in _pairs(process.get("outputs")))


def about(document: Mapping[str, Any], entry: str) -> dict[str, str]:
    """What a document says of the process that runs: `id`, `title`, `description`, `version`; each may be empty."""
    process = _process(document, entry)
    label, doc, version = process.get("label"), process.get("doc"), ""
    for place in (process, document):
        found = next((place[key] for key in ("s:softwareVersion", "s:version", "version") if key in place), "")
        version = version or (str(found) if isinstance(found, str | int | float) else "")
    return {
        "id": _bare(process.get("id")) or entry,
        "title": label if isinstance(label, str) else "",
        "description": "\n".join(map(str, doc)) if isinstance(doc, list) else str(doc or ""),
        "version": version,
    }


def images(document: Mapping[str, Any]) -> list[str]:
    """Every container image that the document names."""
    found: dict[str, None] = {}

    def look(value: Any) -> None:
        if isinstance(value, Mapping):
            if isinstance(value.get("dockerPull"), str):
                found.setdefault(value["dockerPull"])
            for part in value.values():
                look(part)
        elif isinstance(value, list):
            for part in value:
                look(part)

    look(document)
    return list(found)


def _process(document: Mapping[str, Any], entry: str) -> Mapping[str, Any]:
    graph = document.get("$graph")
    for process in graph if isinstance(graph, list) else ():
        if isinstance(process, Mapping) and _bare(process.get("id")) == entry:
            return process
    return document


def _pairs(declared: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(declared, Mapping):
        yield from ((str(name), about) for name, about in declared.items())
    for about in declared if isinstance(declared, list) else ():
        if isinstance(about, Mapping) and about.get("id"):
            yield _bare(about["id"]).rpartition("/")[2], about


def _spec(name: str, said: Any) -> InputSpec:
    said = said if isinstance(said, Mapping) and not _is_type(said) else {"type": said}
    schema, nullable = _schema(said.get("type", "Any"))
    default = said.get("default")
    label, doc = said.get("label"), said.get("doc")
    return InputSpec(
        name=name,
        schema=schema,
        required=not nullable and default is None,
        default=default,
        title=label if isinstance(label, str) else "",
        description="\n".join(doc) if isinstance(doc, list) else str(doc or ""),
    )


def _is_type(about: Mapping[str, Any]) -> bool:
    """`{type: array, items: string}` as an input's short form is a type; `{type: string, label: ...}` describes one."""
    kind = about.get("type")
    # A list there is a choice of types: `[null, string]`.
    return (
        isinstance(kind, str) and kind in {"array", "enum", "record"} and not {"label", "doc", "default"} & set(about)
    )


def _schema(kind: Any) -> tuple[dict[str, Any], bool]:
    """(JSON Schema, whether null is allowed) of a CWL type."""
    if isinstance(kind, list):
        parts = [_schema(part) for part in kind if part != "null"]
        nullable = "null" in kind or any(null for _, null in parts)
        if len(parts) == 1:
            return parts[0][0], nullable
        return {"anyOf": [schema for schema, _ in parts]}, nullable
    if isinstance(kind, str):
        return _named(kind)
    if not isinstance(kind, Mapping):
        return {}, False
    if kind.get("type") == "array":
        items = _schema(kind.get("items", "Any"))[0]
        return {"type": "array", "items": items}, False
    if kind.get("type") == "enum":
        return {
            "type": "string",
            "enum": [_bare(symbol).rpartition("/")[2] for symbol in kind.get("symbols", ())],
        }, False
    if kind.get("type") == "record":
        fields = {
            name: _schema(about.get("type") if isinstance(about, Mapping) else about) for name, about in _fields(kind)
        }
        required = [name for name, (_, null) in fields.items() if not null]
        return {"type": "object", "properties": {k: v[0] for k, v in fields.items()}, "required": required}, False
    return _schema(kind.get("type", "Any"))


def _named(kind: str) -> tuple[dict[str, Any], bool]:
    nullable = kind.endswith("?")
    kind = kind.removesuffix("?")
    if kind.endswith("[]"):
        return {"type": "array", "items": _named(kind.removesuffix("[]"))[0]}, nullable
    if kind in {"File", "stdin"}:
        return {"type": ["string", "object"], "format": "file"}, nullable
    if kind == "Directory":
        # OGC 20-089: a Directory input is a STAC catalogue that the platform stages.
        return {"type": ["string", "object"], "format": "stac-collection"}, nullable
    return dict(_TYPES.get(kind, {})), nullable


def _fields(kind: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    fields = kind.get("fields")
    if isinstance(fields, Mapping):
        yield from fields.items()
    for field in fields if isinstance(fields, list) else ():
        if isinstance(field, Mapping) and field.get("name"):
            yield _bare(field["name"]).rpartition("/")[2], field


def _bare(identifier: Any) -> str:
    return str(identifier or "").rpartition("#")[2]
