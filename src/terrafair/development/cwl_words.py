"""What the fields of CWL documents mean: read from the schema of CWL v1.2 that cwltool brings along."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

FILES = ("Process.yml", "Workflow.yml", "CommandLineTool.yml", "Operation.yml")
LETTERS = 700
"""Of one explanation; the specification has the rest."""
SPECIFICATION = "https://www.commonwl.org/v1.2/"
_SALAD: Mapping[str, Mapping[str, str]] = {
    "Documented": {"doc": "Words about the object, shown to people who use it."},
    "RecordField": {"name": "The name of the field.", "type": "The type of the field."},
    "RecordSchema": {"type": "Always `record`.", "fields": "The fields of the record."},
    "EnumSchema": {"type": "Always `enum`.", "symbols": "The words that are allowed."},
    "ArraySchema": {"type": "Always `array`.", "items": "The type of the elements."},
}
"""Fields of the language that the schema is written in."""
_INSIDE: Mapping[str, Mapping[str, str]] = {
    "Workflow": {"inputs": "WorkflowInputParameter", "outputs": "WorkflowOutputParameter", "steps": "WorkflowStep"},
    "CommandLineTool": {"inputs": "CommandInputParameter", "outputs": "CommandOutputParameter"},
    "ExpressionTool": {"inputs": "WorkflowInputParameter", "outputs": "ExpressionToolOutputParameter"},
    "Operation": {"inputs": "OperationInputParameter", "outputs": "OperationOutputParameter"},
    "WorkflowStep": {"in": "WorkflowStepInput", "out": "WorkflowStepOutput"},
    "CommandInputParameter": {"inputBinding": "CommandLineBinding"},
    "CommandOutputParameter": {"outputBinding": "CommandOutputBinding"},
}
"""Object -> its fields that hold named objects, and of which kind those are."""


@lru_cache(maxsize=1)
def words() -> dict[str, Any]:
    """`{objects: {name: {doc, fields: {name: {doc, type, required}}}}, inside, requirements, types}`."""
    records = {each["name"]: each for each in _records()}
    objects = {}
    for name, record in records.items():
        fields = dict(_fields(name, records))
        if fields and record.get("type") == "record":
            objects[name] = {"doc": _short(record.get("doc")), "fields": fields}
    requirements = sorted(name for name in objects if _extends(name, "ProcessRequirement", records))
    types = [_bare(each) for each in records["CWLType"]["symbols"]]
    types += ["null", "boolean", "int", "long", "float", "double", "string", "Any"]
    return {
        "objects": objects,
        "inside": {name: dict(found) for name, found in _INSIDE.items()},
        "requirements": requirements,
        "processes": [
            name for name in _INSIDE if name in {"Workflow", "CommandLineTool", "ExpressionTool", "Operation"}
        ],
        "types": types,
        "specification": SPECIFICATION,
    }


def _records() -> Iterator[Mapping[str, Any]]:
    import cwltool

    folder = Path(str(cwltool.__file__)).parent / "schemas/v1.2"
    for name in FILES:
        document = yaml.safe_load((folder / name).read_text("utf-8"))
        yield from (each for each in document["$graph"] if isinstance(each, Mapping) and "name" in each)


def _fields(name: str, records: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Inherited fields first; a record's own take their place."""
    record = records.get(_bare(name))
    if record is None:
        yield from (
            (field, {"doc": doc, "type": "", "required": False}) for field, doc in _SALAD.get(_bare(name), {}).items()
        )
        return
    parents = record.get("extends") or ()
    for parent in [parents] if isinstance(parents, str) else parents:
        yield from _fields(parent, records)
    given = record.get("fields") or []
    listed = given if isinstance(given, list) else [{"name": key, **_said(said)} for key, said in given.items()]
    for field in listed:
        kinds = field.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        yield (
            _bare(field["name"]),
            {
                "doc": _short(field.get("doc")),
                "type": " or ".join(dict.fromkeys(_kind(each) for each in kinds if each != "null")),
                "required": "null" not in kinds
                and not any(isinstance(each, str) and each.endswith("?") for each in kinds),
            },
        )


def _said(said: Any) -> Mapping[str, Any]:
    return said if isinstance(said, Mapping) else {"type": said}


def _extends(name: str, parent: str, records: Mapping[str, Mapping[str, Any]]) -> bool:
    given = records.get(name, {}).get("extends") or ()
    return parent in {_bare(each) for each in ([given] if isinstance(given, str) else given)}


def _kind(given: Any) -> str:
    if isinstance(given, Mapping):
        items = given.get("items")
        each = items if isinstance(items, list) else [items]
        return f"list of {', '.join(_kind(part) for part in each)}" if items else str(given.get("type") or "object")
    return _bare(given).removesuffix("?")


def _bare(name: Any) -> str:
    return re.split(r"[#:/]", str(name))[-1]


def _short(doc: Any) -> str:
    parts = doc if isinstance(doc, list) else [doc or ""]
    text = "\n".join(part for part in parts if isinstance(part, str))
    text = re.sub(r"\[([^\]]+)\]\([^)]*\)", r"\1", text).strip()
    return text if len(text) <= LETTERS else f"{text[:LETTERS].rsplit(' ', 1)[0]} …"
