"""Runs as the platform gathers them, with their files in a folder, for tests of provenance."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrafair.errors import Problem
from terrafair.execution.job import Job, JobRequest, Usage
from terrafair.execution.provenance import Platform, Run, RunFile, gather
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.workflows.workflow import Application, CodeLocation, InputSpec, Resolution, WorkflowType

PLATFORM = Platform(
    url="https://terrafair.example",
    agent="https://ror.org/03wd9za21",
    agent_name="European Space Agency",
    record_url=lambda kind, name: f"https://catalogue.example/{kind}/{name}/record.json",
)
JOB = Job("0190a1b2", JobRequest("crop-ndvi", inputs={"threshold": 0.4}), "2026-01-02T03:04:05.000Z")
CODE = CodeLocation(
    "https://github.com/owner/water/blob/main/app.cwl", "https://github.com/owner/water", "main", "a" * 40, "app.cwl"
)
DOCUMENT = b"cwlVersion: v1.2\n"
RESOLUTION = Resolution(
    id="crop-ndvi",
    kind="experiment",
    title="NDVI of crops",
    workflow="ndvi",
    type=WorkflowType.CWL,
    application=Application(WorkflowType.CWL, CODE, DOCUMENT, "main", hashlib.sha256(DOCUMENT).hexdigest()),
    inputs=(
        InputSpec("scene", {"type": "string", "format": "stac-item"}, title="Scene"),
        InputSpec("threshold", {"type": "number"}, required=False, default=0.3),
        InputSpec("bands", {"type": "array"}, required=False, default=["red", "nir"]),
    ),
    values={"scene": "https://data.example/items/s2.json"},
    products=("ndvi-map",),
    project="crops",
    catalogue_commit="c" * 40,
)
STEPS = [
    {"step": "crop", "command": ["python3", "crop.py"], "image": "docker.io/osgeo/gdal:3.9", "seconds": 1.5},
    {"step": "index", "command": ["index"], "image": "", "seconds": 0.5},
    {"step": "index_2", "command": ["index"], "image": "", "seconds": 0.25},
]


def put(root: Path, path: str, content: bytes, kind: str, **facts: str) -> RunFile:
    """A file of the crate."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(content)
    return RunFile(path, kind, len(content), hashlib.sha256(content).hexdigest(), **facts)


def job_folder(root: Path, sources: Mapping[str, str] | None = None, **options: Any) -> JobFolder:
    """A job's folder after its run."""
    folder = JobFolder(root).create()
    Task("0190a1b2", "cwl", str(folder.application), sources=dict(sources or {}), options=options).write(folder.task)
    return folder


def gathered(
    root: Path,
    *,
    successful: bool = True,
    details: Mapping[str, Any] | None = None,
    sources: Mapping[str, str] | None = None,
    resolution: Resolution = RESOLUTION,
    platform: Platform = PLATFORM,
    job: Job = JOB,
) -> Run:
    """The run of a folder, without files."""
    folder = job_folder(root, sources)
    problems = () if successful else (Problem("The red band is missing.", code="input-missing"),)
    outcome = Outcome(successful, problems, details=details or {})
    outcome.write(folder.outcome)
    return gather(job, resolution, folder, outcome, Usage(12.5, 20.25, 300_000_000), platform)
