"""A job and its life: pure values and one pure function from (job, what happened) to (job, what to do)."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from terrafair.errors import Problem
from terrafair.identity.access import Kind, Thing, Visibility

RETRIES = 3
"""How often a job is started again after faults of the infrastructure."""


class State(StrEnum):
    """The states of OGC API - Processes."""

    ACCEPTED = "accepted"
    RUNNING = "running"
    SUCCESSFUL = "successful"
    FAILED = "failed"
    DISMISSED = "dismissed"


ENDED = frozenset({State.SUCCESSFUL, State.FAILED, State.DISMISSED})


HELD = "held"
"""In `JobRequest.delivery`."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a job took."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    """Of all its processes."""
    peak_memory: int = 0
    """Bytes, of all its processes at one time."""

    def plus(self, other: "Usage") -> "Usage":
        """Of two attempts together."""
        return Usage(
            self.wall_seconds + other.wall_seconds,
            self.cpu_seconds + other.cpu_seconds,
            max(self.peak_memory, other.peak_memory),
        )


@dataclass(frozen=True, slots=True)
class Asset:
    """One file of a result."""

    name: str
    """Path relative to the job's outputs."""
    key: str
    """In the object store."""
    media_type: str
    size: int
    sha256: str
    role: str = "data"
    """`data`, `metadata`, `log` ... as STAC has roles."""


@dataclass(frozen=True, slots=True)
class Results:
    """What a job left in the object store."""

    prefix: str = ""
    """Key below which all of it lies."""
    collection: str = ""
    """Key of the STAC Collection; empty when there is none."""
    items: tuple[str, ...] = ()
    """Keys of the STAC Items."""
    assets: tuple[Asset, ...] = ()
    crate: str = ""
    """Key of `ro-crate-metadata.json`."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Output name -> path relative to the job's outputs."""

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> Self:
        """From its JSON form."""
        known = dict(document)
        assets = tuple(Asset(**asset) for asset in known.pop("assets", ()))
        return cls(assets=assets, items=tuple(known.pop("items", ())), **known)


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked for."""

    subject: str
    """Id of the experiment or workflow, or the name of the uploaded file."""
    kind: str = "experiment"
    """`experiment`, `workflow` or `file`."""
    file: str = ""
    """Reference of the uploaded workflow file."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Values that replace the published ones."""
    reproduce: bool = False
    """Compare the result with the published product."""
    timeout: float = 0.0
    """Seconds of wall-clock time; 0: the platform's limit."""
    process: str = ""
    """Id of the OGC process that was executed; empty: none was named."""
    delivery: Mapping[str, Any] = field(default_factory=dict)
    """How its caller wants the results: `response` and `outputs` of an OGC execute request."""
    target: str = ""
    """Name of the platform that executes it; empty: this one."""

    @property
    def held(self) -> bool:
        """Whether the job waits until somebody lets it go."""
        return bool(self.delivery.get(HELD))

    def json(self) -> str:
        """For the database."""
        return json.dumps(asdict(self), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a job is."""

    project: str = ""
    """Empty: of before there were projects, or of an operator who has not signed in; operators alone see it."""
    author: str = ""
    """Id of the person."""
    visibility: Visibility = Visibility.PROJECT

    @property
    def thing(self) -> Thing:
        """For `access.may`."""
        return Thing(Kind.JOB, self.project, self.author, self.visibility)


@dataclass(frozen=True, slots=True)
class Job:
    """One run, as it is now."""

    id: str
    request: JobRequest
    created: str
    """RFC 3339, UTC; likewise the next two, empty until it happens."""
    state: State = State.ACCEPTED
    type: str = ""
    """Workflow type, once it has been resolved."""
    started: str = ""
    finished: str = ""
    progress: float = 0.0
    """0 to 1."""
    message: str = ""
    problems: tuple[Problem, ...] = ()
    results: Results = Results()
    usage: Usage = Usage()
    restarts: int = 0
    """How often it was started again after a fault of the infrastructure."""
    cancelling: bool = False
    owner: Owner = Owner()
    trace: str = ""
    """The `traceparent` that it was accepted under; empty: nobody traces."""

    @property
    def seconds(self) -> float | None:
        """Wall-clock time from start to end."""
        if not (self.started and self.finished):
            return None
        return (datetime.fromisoformat(self.finished) - datetime.fromisoformat(self.started)).total_seconds()


# What can happen to a job


@dataclass(frozen=True, slots=True)
class Started:
    """A worker took it up."""

    time: str


@dataclass(frozen=True, slots=True)
class Progressed:
    """It got further."""

    progress: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Succeeded:
    """It ended well and its results are stored."""

    time: str
    results: Results
    usage: Usage


@dataclass(frozen=True, slots=True)
class Failed:
    """It ended badly; `retry` says that the infrastructure was at fault."""

    time: str
    problems: tuple[Problem, ...]
    usage: Usage = Usage()
    retry: bool = False
    results: Results = Results()
    """What was kept all the same: log, executed notebook, crate."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Somebody wants it to end."""

    time: str


@dataclass(frozen=True, slots=True)
class Ended:
    """All processes of a cancelled job are gone."""

    time: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Discarded:
    """The results of a job that has ended were thrown away by a person."""

    time: str


Happening = Started | Progressed | Succeeded | Failed | CancelAsked | Ended | Discarded


class Instruction(StrEnum):
    """What the shell around the lifecycle has to do."""

    RUN = "run"
    STOP = "stop"
    RUN_AGAIN = "run-again"
    ANNOUNCE_END = "announce-end"


def step(job: Job, happening: Happening) -> tuple[Job, tuple[Instruction, ...]]:
    """The job after something happened, and what to do about it. Ended jobs stay as they are, unless discarded."""
    if job.state in ENDED:
        return _discarded(job) if isinstance(happening, Discarded) else job, ()
    match happening:
        case Started(time):
            return _started(job, time)
        case Progressed(progress, message):
            if job.state is not State.RUNNING:
                return job, ()
            # In this order, since no number is greater than NaN nor less.
            further = min(max(job.progress, progress), 1.0)
            return replace(job, progress=further, message=message or job.message), ()
        case Succeeded() if job.state is State.RUNNING:
            # What is done is done: a wish to cancel that comes too late does not throw results away.
            done = replace(job, results=happening.results, progress=1.0, message="", cancelling=False)
            return _ended(done, State.SUCCESSFUL, happening.time, happening.usage)
        case Failed():
            return _failed(job, happening)
        case CancelAsked(time):
            if job.state is State.ACCEPTED:
                return _ended(replace(job, message="Cancelled before it started."), State.DISMISSED, time, Usage())
            return replace(job, cancelling=True, message="Being cancelled."), (Instruction.STOP,)
        case Ended(time, usage):
            return _ended(replace(job, message="Cancelled."), State.DISMISSED, time, usage)
        case _:
            return job, ()


def _discarded(job: Job) -> Job:
    return replace(job, state=State.DISMISSED, results=Results(), message="Its results were removed.")


def _started(job: Job, time: str) -> tuple[Job, tuple[Instruction, ...]]:
    if job.cancelling:
        return job, (Instruction.STOP,)
    if job.state is State.RUNNING:
        # Found again after a restart of the worker.
        return job, (Instruction.RUN,)
    return replace(job, state=State.RUNNING, started=time), (Instruction.RUN,)


def _failed(job: Job, fault: Failed) -> tuple[Job, tuple[Instruction, ...]]:
    if job.cancelling:
        return _ended(replace(job, message="Cancelled."), State.DISMISSED, fault.time, fault.usage)
    if fault.retry and job.restarts < RETRIES:
        again = replace(job, restarts=job.restarts + 1, usage=job.usage.plus(fault.usage), message="Started again.")
        return again, (Instruction.RUN_AGAIN,)
    failed = replace(job, problems=fault.problems, results=fault.results, message="")
    return _ended(failed, State.FAILED, fault.time, fault.usage)


def _ended(job: Job, state: State, time: str, usage: Usage) -> tuple[Job, tuple[Instruction, ...]]:
    started = job.started or time
    ended = replace(job, state=state, started=started, finished=max(time, started), usage=job.usage.plus(usage))
    return ended, (Instruction.ANNOUNCE_END,)
