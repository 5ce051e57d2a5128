"""A process with an input of every kind, as somebody deploys it; its one result is what it was given."""

from typing import Any

INPUTS: dict[str, tuple[str, Any]] = {
    "cloud": ("double?", {"type": "number", "minimum": 0, "maximum": 100, "unit": "%"}),
    "method": ("string?", {"type": "string", "enum": ["mean", "median"]}),
    "period": (
        "string[]?",
        {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string", "format": "date"}},
    ),
    "area": ("Any?", {"type": "object", "format": "ogc-bbox", "properties": {"bbox": {}, "crs": {}}}),
    "region": ("Any?", {"type": "object", "format": "geojson-geometry"}),
    "scene": ("string?", {"type": "string", "format": "stac-item"}),
    "collection": ("string?", {"type": "string", "format": "stac-collection"}),
    "stations": ("File?", {"type": "string", "format": "file"}),
    "moment": ("string?", {"type": "string", "format": "date-time"}),
    "resolution": ("Any?", {"type": "object", "properties": {"measurement": {"type": "number"}, "uom": {}}}),
    "masks": ("string[]?", {"type": "array", "items": {"type": "string", "enum": ["land", "sea", "ice"]}}),
    "deep": ("boolean?", {"type": "boolean"}),
    "steps": ("int?", {"type": "integer"}),
}
"""Name -> CWL type and the schema that the description adds."""
WRITE = {"entryname": "given.json", "entry": "$(JSON.stringify(inputs))"}


def package(name: str) -> dict[str, Any]:
    """The OGC application package."""
    tool = {
        "cwlVersion": "v1.2",
        "class": "CommandLineTool",
        "id": name,
        "requirements": {"InlineJavascriptRequirement": {}, "InitialWorkDirRequirement": {"listing": [WRITE]}},
        "baseCommand": ["python3", "-c", "import shutil; shutil.copy('given.json', 'made.json')"],
        "inputs": {each: {"type": kind} for each, (kind, _) in INPUTS.items()},
        "outputs": {"made": {"type": "File", "outputBinding": {"glob": "made.json"}}},
    }
    said = {each: {"title": each.capitalize(), "schema": schema} for each, (_, schema) in INPUTS.items()}
    about = {"id": name, "title": "Every kind of input", "version": "1.0.0", "inputs": said}
    return {"processDescription": {"process": about}, "executionUnit": [{"unit": tool}]}
