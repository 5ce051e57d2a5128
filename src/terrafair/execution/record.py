"""What is known of one run beside its state: its steps, what it took over time, and what it has cost."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from terrafair.execution import tracked
from terrafair.execution.job import ENDED, Job, State, Usage
from terrafair.execution.logs import Line

TITLES = {
    "wait": "Waited for a worker",
    "read": "Read the record",
    "prepare": "Made code, data and software ready",
    "run": "Ran its program",
    "store": "Described and stored the results",
    "keep": "Kept what it has left",
    "compare": "Compared with the published product",
    "build-check": "Checked",
    "build-lock": "Locked the environment",
    "build-image": "Made the image",
    "build-test": "Ran its tests",
    "build-run": "Ran it on tiny data",
    "build-package": "Packed the release",
}
ROWS = 2_000
MARKS = 60
"""Progress messages of one step that are told."""


@dataclass(frozen=True, slots=True)
class Step:
    """One part of a run."""

    name: str
    title: str
    begun: str
    """RFC 3339, UTC."""
    ended: str = ""
    """Empty while it goes on."""
    failed: bool = False
    marks: tuple[tuple[str, str], ...] = ()
    """(time, message) of what its program said of its progress."""

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it goes on."""
        return _seconds(self.begun, self.ended) if self.ended else None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {**asdict(self), "marks": [list(mark) for mark in self.marks], "seconds": self.seconds}


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment of the running program."""

    second: float
    """Since its start."""
    cpu_seconds: float
    """Of all its processes so far."""
    memory: int
    """Bytes that all take now."""
    processes: int


def steps(job: Job, marks: Iterable[Line]) -> tuple[Step, ...]:
    """The steps of a job's last attempt, in order; `marks` as `logs.marks` gives them."""
    lines = list(marks)
    starts = [number for number, line in enumerate(lines) if line.step in {"read", "build-check"}]
    found = [Step("wait", TITLES["wait"], job.created, job.started)] if job.started else []
    for line in lines[starts[-1] :] if starts else []:
        if line.step in TITLES:
            # A program that has failed leaves something all the same.
            failed = line.step == "keep"
            found[-1:] = [replace(each, ended=each.ended or line.time, failed=failed) for each in found[-1:]]
            found.append(Step(line.step, TITLES[line.step], line.time))
        elif found and line.message and len(found[-1].marks) < MARKS:
            found[-1] = replace(found[-1], marks=(*found[-1].marks, (line.time, line.message)))
    if not found:
        return (Step("wait", TITLES["wait"], job.created),)
    if job.state in ENDED:
        ended = found[-1].ended or job.finished
        failed = job.state is not State.SUCCESSFUL and not any(step.failed for step in found)
        found[-1] = replace(found[-1], ended=ended, failed=failed)
    return tuple(found)


def samples(path: Path) -> tuple[Sample, ...]:
    """What the supervisor has noted so far; nothing for a job that ran no program here."""
    found: list[Sample] = []
    try:
        with path.open(encoding="ascii", errors="replace") as file:
            for line in file:
                try:
                    second, cpu, memory, processes = json.loads(line)
                    found.append(Sample(float(second), float(cpu), int(memory), int(processes)))
                except (ValueError, TypeError):
                    # Half a line: it is being written.
                    continue
                if len(found) == ROWS:
                    break
    except FileNotFoundError:
        pass
    return tuple(found)


def cores(taken: Iterable[Sample]) -> list[tuple[float, float]]:
    """(second, cores busy since the moment before) of each moment but the first."""
    return [
        (late.second, max(late.cpu_seconds - early.cpu_seconds, 0.0) / (late.second - early.second))
        for early, late in pairwise(taken)
        if late.second > early.second
    ]


def usage_so_far(job: Job, taken: tuple[Sample, ...]) -> Usage:
    """What an ended job took, and what a running one has taken with its attempts before."""
    if job.state in ENDED or not taken:
        return job.usage
    last = taken[-1]
    return job.usage.plus(Usage(last.second, last.cpu_seconds, max(each.memory for each in taken)))


def tracked_runs(path: Path) -> list[dict[str, Any]]:
    """What the program tracked, from the file that its packaging left; nothing before."""
    try:
        return [run.document() for run in tracked.read(json.loads(path.read_text("utf-8")))]
    except (OSError, ValueError):
        return []


def _seconds(begun: str, ended: str) -> float:
    try:
        return max((datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds(), 0.0)
    except ValueError:
        return 0.0
