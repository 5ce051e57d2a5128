"""Processes as the standard's documents."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from terrafair.api.negotiation import JSON, Document, link
from terrafair.api.schemas import dialect
from terrafair.workflows.process import Process, ProcessInput, ProcessOutput

EXECUTE = "http://www.opengis.net/def/rel/ogc/1.0/execute"
JOBS = "http://www.opengis.net/def/rel/ogc/1.0/job-list"
UNBOUNDED = "unbounded"
DATA = {"file", "directory", "stac", "stac-item", "stac-collection", "stac-catalog"}
"""Formats of inputs that take data rather than a value."""


def path(process: str) -> str:
    """Below the platform's address."""
    return f"/processes/{quote(process, safe='')}"


def summary(process: Process, base: str) -> Document:
    """An entry of the list."""
    here = base + path(process.id)
    links = [
        link(here, "self", JSON, "Description"),
        link(f"{here}?f=html", "alternate", "text/html", "Description as a page"),
        link(f"{here}/execution", EXECUTE, JSON, "Execute"),
        link(f"{base}/jobs?processID={quote(process.id, safe='')}", JOBS, JSON, "Its jobs"),
    ]
    if process.media_type:
        links.append(link(f"{here}/package", "service-doc", process.media_type, "What runs"))
    if process.record:
        record = f"{base}/records/collections/workflows/items/{quote(process.record, safe='')}"
        links.append(link(record, "osc:workflow", "application/geo+json", "Its record in the Open Science Catalog"))
    for name in process.experiments:
        record = f"{base}/records/collections/experiments/items/{quote(name, safe='')}"
        links.append(link(record, "osc:experiment", "application/geo+json", f"A published preset: {name}"))
    return {
        "id": process.id,
        "title": process.title or process.id,
        **({"description": process.description} if process.description else {}),
        **({"keywords": list(process.keywords)} if process.keywords else {}),
        "version": process.version,
        "jobControlOptions": ["sync-execute", "async-execute", "dismiss"],
        "outputTransmission": ["value", "reference"],
        "mutable": process.mutable,
        "metadata": list(_metadata(process)),
        "links": links,
    }


def description(process: Process, base: str) -> Document:
    """The whole."""
    return {
        **summary(process, base),
        "inputs": {each.spec.name: _input(each) for each in process.inputs},
        "outputs": {each.name: _output(each) for each in process.outputs},
    }


def _metadata(process: Process) -> Any:
    yield {"title": process.resolution.type.value, "role": "workflow-type"}
    if process.digest:
        yield {"title": f"sha256:{process.digest}", "role": "digest"}


def _input(given: ProcessInput) -> Document:
    spec = given.spec
    least, most = given.occurs
    schema = schema_of(given.schema)
    if spec.default is not None and "$ref" not in schema:
        schema["default"] = spec.default
    return {
        "title": spec.title or spec.name,
        **({"description": spec.description} if spec.description else {}),
        "schema": schema,
        "minOccurs": least,
        "maxOccurs": UNBOUNDED if most is None else most,
    }


def _output(given: ProcessOutput) -> Document:
    schema = schema_of(given.schema)
    return {
        "title": given.title or given.name,
        **({"description": given.description} if given.description else {}),
        "schema": {"type": "array", "items": schema} if given.many else schema,
    }


def schema_of(schema: Mapping[str, Any]) -> Document:
    """The schema of one value in the standard's dialect; data says how it may be given."""
    form = schema.get("format")
    if form in {"file", "directory"} and not schema.get("contentMediaType"):
        return {"type": "string", "contentEncoding": "binary", "contentMediaType": "application/octet-stream"}
    if form in DATA:
        document = {"type": "object", "contentMediaType": schema.get("contentMediaType", JSON), "format": form}
        reference = {"type": "string", "format": "uri"}
        return document if schema.get("type") == "object" else {"oneOf": [reference, document]}
    return dialect(schema)
