"""How a result came about, as one value that the RO-Crate, the PROV document and the STAC links are all made from."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

import terrafair
from terrafair.errors import Damaged
from terrafair.execution.job import Job, State, Usage
from terrafair.execution.staged import InputFile, input_files
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.workflows.workflow import Resolution, WorkflowType


def _no_record(_kind: str, _id: str) -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Platform:
    """Who ran it."""

    url: str = ""
    """Public address; empty: none."""
    name: str = "terrafair"
    facility: str = "terrafair platform"
    """What `processing:facility` says."""
    agent: str = ""
    """URI of the person or organisation that runs jobs; empty: the platform's operator."""
    agent_name: str = "The operator of this platform"
    record_url: Callable[[str, str], str] = _no_record
    """(`experiments`, `workflows`, `products` or `projects`; id) -> URL of the catalogue's record; empty: not known."""
    version: str = terrafair.__version__


@dataclass(frozen=True, slots=True)
class RunFile:
    """A file of the crate."""

    path: str
    """Relative to the crate's root."""
    media_type: str
    size: int
    """Bytes."""
    sha256: str
    name: str = ""
    """As the workflow or the platform calls it; empty: the path."""
    output: str = ""
    """Name of the output that it realises."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One program that a workflow ran."""

    name: str
    command: tuple[str, ...]
    image: str = ""
    """Container image that the workflow names."""
    contained: bool = False
    """Whether it ran in that image; else in an environment that stands in for it."""
    seconds: float = 0.0
    batch_job: str = ""
    """As a batch system calls it, e.g. `slurm 17`; empty: it ran on the worker's own machine."""

    @property
    def tool(self) -> str:
        """The name without the numbers that repetitions (scatter) add."""
        return re.sub(r"(_\d+)+$", "", self.name)


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a workflow and all that made its result."""

    job: Job
    resolution: Resolution
    state: State
    error: str
    """Why it failed or was dismissed; empty for a success."""
    started: str
    """RFC 3339, UTC; likewise the end."""
    ended: str
    values: Mapping[str, Any]
    """Inputs as asked for, references included."""
    inputs: tuple[InputFile, ...]
    usage: Usage
    platform: Platform
    application: RunFile | None = None
    """The executable document."""
    lock: RunFile | None = None
    """Exact versions of the software."""
    outputs: tuple[RunFile, ...] = ()
    traces: tuple[RunFile, ...] = ()
    """Log, executed notebook, STAC documents: what the platform adds."""
    steps: tuple[Step, ...] = ()
    engine: Mapping[str, str] = field(default_factory=dict)
    """Name -> version of what executed the workflow."""


def gather(
    job: Job, resolution: Resolution, folder: JobFolder, outcome: Outcome, usage: Usage, platform: Platform
) -> Run:
    """Read from the job's folder what is known of the run; the same folder always gives the same value."""
    task = _task(folder)
    started, ended = _times(job, folder, usage)
    state = State.SUCCESSFUL if outcome.successful else State.FAILED
    if not outcome.successful and (job.cancelling or job.state is State.DISMISSED):
        state = State.DISMISSED
    error = "" if outcome.successful else "; ".join(map(str, outcome.problems)) or "It gave no reason."
    defaults = {spec.name: spec.default for spec in resolution.inputs if spec.default is not None}
    return Run(
        job=job,
        resolution=resolution,
        state=state,
        error="The job was cancelled." if state is State.DISMISSED else error,
        started=started,
        ended=ended,
        values={**defaults, **resolution.values, **job.request.inputs},
        inputs=input_files(task.sources) if task else (),
        usage=usage,
        platform=platform,
        steps=tuple(_steps(outcome.details)),
        engine=_engine(resolution.type) | _elsewhere(outcome.details),
    )


def lock_of(folder: JobFolder, outcome: Outcome) -> str:
    """Give the exact requirements that the code ran with; the platform's own where nothing else was built."""
    task = _task(folder)
    for place in (task.options if task else {}, outcome.details):
        if isinstance(place.get("lock"), str) and place["lock"].strip():
            return str(place["lock"])
    from terrafair.execution.environments import platform_environment

    return platform_environment().lock


def application_name(resolution: Resolution) -> str:
    """Give the file name of the executable document."""
    application = resolution.application
    if application is None:
        return ""
    if not application.content:
        return "command.txt"
    name = PurePosixPath(application.location.path or urlsplit(application.location.url).path).name
    if not re.fullmatch(r"[\w .+-]{1,120}", name) or name.startswith("."):
        name = {"openeo": "graph.json", "cwl": "workflow.cwl", "notebook": "notebook.ipynb"}.get(
            application.type.value, "workflow"
        )
    return name


def _task(folder: JobFolder) -> Task | None:
    try:
        return Task.read(folder.task)
    except (OSError, ValueError, TypeError):
        # It failed before there was a task.
        return None


def _times(job: Job, folder: JobFolder, usage: Usage) -> tuple[str, str]:
    """Start and end of the run by the supervisor's own files, which a second look finds unchanged."""
    for file in (folder.path / "exit.json", folder.outcome):
        try:
            end = datetime.fromtimestamp(file.lstat().st_mtime, UTC)
        except OSError:
            continue
        return _text(end - timedelta(seconds=usage.wall_seconds)), _text(end)
    start = job.started or job.created
    return start, job.finished or start


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _steps(details: Mapping[str, Any]) -> list[Step]:
    """The engine's list of steps; it comes out of the sandbox, so nothing of its form is taken for granted."""
    found, images = details.get("steps"), details.get("images")
    kinds = images if isinstance(images, dict) else {}
    steps = []
    for entry in found[:1000] if isinstance(found, list) else ():
        if not isinstance(entry, dict):
            continue
        image = str(entry.get("image") or "")
        provided = kinds.get(image)
        command = entry.get("command")
        steps.append(
            Step(
                str(entry.get("step") or "step")[:200],
                tuple(str(part)[:2000] for part in command[:200]) if isinstance(command, list) else (),
                image[:300],
                isinstance(provided, dict) and provided.get("kind") == "podman",
                _seconds(entry.get("seconds")),
                _batch_job(details, entry),
            )
        )
    return steps


def _batch_job(details: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    system, number = details.get("batch_system"), entry.get("batch_job")
    return f"{system} {number}"[:100] if isinstance(system, str) and isinstance(number, str) and number else ""


def _seconds(value: object) -> float:
    known = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return max(float(value), 0.0) if known else 0.0  # type: ignore[arg-type]


_ENGINES = {
    WorkflowType.OPENEO: ("xarray", "dask"),
    WorkflowType.CWL: ("cwltool",),
    WorkflowType.NOTEBOOK: ("nbclient", "papermill"),
}


def _elsewhere(details: Mapping[str, Any]) -> dict[str, str]:
    """What else executed it: Toil with its version, or a platform with the address of its job there."""
    if isinstance(toil := details.get("toil"), str):
        return {"toil": toil[:50]}
    target, job = details.get("url"), details.get("remote_job")
    return {target: job} if isinstance(target, str) and isinstance(job, str) and job else {}


def _engine(kind: WorkflowType) -> dict[str, str]:
    """The packages that do the work of an engine, with their versions."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in _ENGINES.get(kind, ()):
        try:
            found[name] = version(name)
        except PackageNotFoundError as fault:
            raise Damaged(f"The platform's own package {name} is missing.") from fault
    return found
