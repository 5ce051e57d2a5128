"""The process `echo`: each input comes back as an output. One of each kind of input that OGC API - Processes knows."""

from collections.abc import Mapping
from typing import Any

from terrafair.workflows.process import Process, ProcessInput, ProcessOutput
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType

ID = "echo"
PAUSE_LIMIT = 60
BBOX = {
    "type": "object",
    "format": "ogc-bbox",
    "required": ["bbox"],
    "properties": {
        "bbox": {"type": "array", "minItems": 4, "maxItems": 6, "items": {"type": "number"}},
        "crs": {"type": "string", "format": "uri", "default": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    },
}
_GEOMETRY = {
    "oneOf": [
        {"type": "string", "contentMediaType": "application/gml+xml; version=3.2"},
        {
            "type": "object",
            "format": "geojson-geometry",
            "required": ["type"],
            "properties": {"type": {"type": "string"}, "coordinates": {"type": "array"}},
        },
    ]
}
_IMAGE = {
    "anyOf": [
        {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/tiff; application=geotiff"},
        {"type": "string", "contentEncoding": "binary", "contentMediaType": "image/png"},
    ]
}
_COMPLEX = {
    "type": "object",
    "required": ["property1", "property5"],
    "properties": {
        "property1": {"type": "string"},
        "property2": {"type": "string", "format": "uri"},
        "property3": {"type": "number"},
        "property4": {"type": "string", "format": "date-time"},
        "property5": {"type": "boolean"},
    },
}
_MEASURE = {
    "type": "object",
    "required": ["measurement", "uom"],
    "properties": {
        "measurement": {"type": "number"},
        "uom": {"type": "string"},
        "reference": {"type": "string", "format": "uri"},
    },
}
_FEATURES = {
    "type": "object",
    "format": "geojson-feature-collection",
    "required": ["type", "features"],
    "properties": {"type": {"type": "string", "enum": ["FeatureCollection"]}, "features": {"type": "array"}},
}
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "string": ("A text", {"type": "string", "maxLength": 100_000}),
    "choice": ("One of three texts", {"type": "string", "enum": ["Value1", "Value2", "Value3"]}),
    "boolean": ("True or false", {"type": "boolean"}),
    "integer": ("A whole number", {"type": "integer"}),
    "double": (
        "A number above 0 and up to 10",
        {"type": "number", "format": "double", "exclusiveMinimum": 0, "maximum": 10},
    ),
    "date": ("An instant", {"type": "string", "format": "date-time"}),
    "measure": ("A number with its unit", _MEASURE),
    "array": (
        "One value that is a list",
        {"type": "array", "minItems": 2, "maxItems": 10, "items": {"type": "integer"}},
    ),
    "complexObject": ("An object", _COMPLEX),
    "boundingBox": ("A bounding box", BBOX),
    "geometry": ("Up to five geometries, as GeoJSON or GML", _GEOMETRY),
    "images": ("Up to 150 pictures, in base64 or by reference", _IMAGE),
    "featureCollection": ("Features", _FEATURES),
}
"""Name without `Input` and `Output` -> title and schema of one occurrence."""
_MANY = {"geometry": 5, "images": 150}
_DEFAULTS = {"double": 5}


def process() -> Process:
    """Its description."""
    inputs = [_input(name, title, schema) for name, (title, schema) in KINDS.items()]
    pause = {"type": "number", "minimum": 0, "maximum": PAUSE_LIMIT}
    about = f"How long it waits before it answers, in seconds, at most {PAUSE_LIMIT}."
    inputs.append(ProcessInput(InputSpec("pause", pause, required=False, title="A pause", description=about)))
    outputs = tuple(
        ProcessOutput(f"{name}Output", schema, title, many=name in _MANY) for name, (title, schema) in KINDS.items()
    )
    specs = tuple(each.spec for each in inputs)
    resolution = Resolution(ID, "workflow", "Echo", ID, WorkflowType.BUILTIN, inputs=specs)
    return Process(
        ID,
        "1.0.0",
        resolution,
        tuple(inputs),
        outputs,
        "Echo",
        "Gives back what it is given: for trying out clients, and for measuring what an execution costs.",
        ("echo", "test"),
    )


def echo(values: Mapping[str, Any]) -> dict[str, Any]:
    """Its outputs; inputs that were not given have none."""
    found = {name: values.get(f"{name}Input") for name in KINDS}
    return {f"{name}Output": value for name, value in found.items() if value is not None}


def _input(name: str, title: str, schema: Mapping[str, Any]) -> ProcessInput:
    many = _MANY.get(name)
    whole = {"type": "array", "items": schema, "maxItems": many} if many else schema
    spec = InputSpec(f"{name}Input", whole, required=False, default=_DEFAULTS.get(name), title=title)
    return ProcessInput(spec, many=bool(many))
