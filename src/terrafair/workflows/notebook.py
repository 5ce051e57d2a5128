"""Reads the parameters of notebooks: the cell tagged `parameters`, as papermill has it."""

import ast
from collections.abc import Iterator, Mapping
from typing import Any

from terrafair.workflows.workflow import InputSpec

OUTPUT_NAMES = frozenset(
    {
        "output",
        "outputs",
        "output_dir",
        "output_folder",
        "output_path",
        "outdir",
        "out_dir",
        "result_dir",
        "results_dir",
    }
)
_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "list": "array", "dict": "object"}
_STAC_NAMES = ("stac", "collection", "catalog", "catalogue")


def inputs(document: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """One input for each assignment in the parameters cell; none where no cell is tagged."""
    return tuple(spec for cell in _tagged(document) for spec in _assignments(_source(cell)))


def _tagged(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for cell in document.get("cells") or ():
        metadata = cell.get("metadata") if isinstance(cell, Mapping) else None
        if isinstance(metadata, Mapping) and "parameters" in (metadata.get("tags") or ()):
            yield cell
            return


def _source(cell: Mapping[str, Any]) -> str:
    source = cell.get("source", "")
    return "".join(source) if isinstance(source, list) else str(source)


def _assignments(source: str) -> Iterator[InputSpec]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # Magics and other languages: the kernel will read it, we cannot.
        return
    lines = source.splitlines()
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name, value, annotation = node.targets[0].id, node.value, ""
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            name, value, annotation = node.target.id, node.value, ast.unparse(node.annotation)
        else:
            continue
        comment = lines[node.end_lineno - 1][node.end_col_offset :] if node.end_lineno and node.end_col_offset else ""
        yield _spec(name, value, annotation, comment.strip().lstrip("#").strip())


def _spec(name: str, node: ast.expr, annotation: str, comment: str) -> InputSpec:
    try:
        default = ast.literal_eval(node)
    except ValueError:
        # Computed: known only when the notebook runs.
        return InputSpec(name, {}, required=False, description=comment)
    if comment.startswith("type:"):
        annotation, _, comment = comment.removeprefix("type:").strip().partition(" ")
    kind = _TYPES.get(annotation.partition("[")[0], "") or _kind(default)
    schema: dict[str, Any] = {"type": kind} if kind else {}
    if default is None and kind:
        schema = {"type": [kind, "null"]}
    if form := reference_format(name, default):
        schema["format"] = form
    return InputSpec(name, schema, required=False, default=_jsonable(default), description=comment)


def reference_format(name: str, value: Any) -> str:
    """The `format` of an input whose value refers to data; empty for plain values."""
    if name.lower() in OUTPUT_NAMES and isinstance(value, str | None):
        return "directory"
    if isinstance(value, list) and value:
        return reference_format(name, value[0])
    if not isinstance(value, str) or not value.startswith(("s3://", "https://", "http://", "file://")):
        return ""
    tail = value.split("?")[0].rstrip("/").rpartition("/")[2].lower()
    words = name.lower().replace("-", "_").split("_")
    if tail in {"collection.json", "catalog.json"} or "/collections/" in value or set(words) & set(_STAC_NAMES):
        return "stac-collection"
    if "." not in tail:
        # A service or a page: the code itself knows what to do with it.
        return ""
    return "stac-item" if "item" in words and tail.endswith("json") else "file"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    for python, kind in ((int, "integer"), (float, "number"), (str, "string"), (dict, "object")):
        if isinstance(value, python):
            return kind
    return "array" if isinstance(value, list | tuple | set) else ""


def _jsonable(value: Any) -> Any:
    if isinstance(value, tuple | set | list):
        return [_jsonable(part) for part in value]
    if isinstance(value, dict):
        return {str(key): _jsonable(part) for key, part in value.items()}
    return value if isinstance(value, str | int | float | bool | None) else str(value)
