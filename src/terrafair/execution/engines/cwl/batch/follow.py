"""Brings what nodes tell into the job's log, its progress and its accounts."""

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrafair.errors import Problem
from terrafair.execution import elsewhere
from terrafair.execution.engines.cwl.batch.eyes import step_name
from terrafair.execution.engines.cwl.batch.lines import Reader
from terrafair.execution.engines.cwl.steps import Steps


@dataclass(slots=True)
class Follower:
    """Reads the nodes' lines."""

    folder: Path
    steps: Steps
    beside: Path | None
    """File for what programs on other machines take; none: they are this process's own."""
    known: Collection[str] = ()
    """Names of the workflow's steps."""
    _spent: float = 0.0
    _peak: int = 0
    _running: dict[str, float] = field(default_factory=dict)
    """Process on a node -> CPU seconds of its step so far."""
    _reader: Reader = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._reader = Reader(self.folder)
        self._reader.live()

    def look(self) -> None:
        """Take in what is new, and show that somebody does."""
        with self._lock:
            for event in self._reader.events():
                self._take(event)
            self._reader.live()

    def _take(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "begin":
                self.steps.begin(step_name(event["step"], self.known), event["command"])
            case "end":
                self._count(event, ended=True)
                self._ended(event)
            case "used":
                self._count(event, ended=False)
            case "fail":
                self.steps.fail(self._named(event["problem"]))
            case _ if "message" in event:
                self.steps.report.say(self._shown(str(event["message"])), str(event.get("level", "info")))

    def _ended(self, event: Mapping[str, Any]) -> None:
        known = ("cpu_seconds", "peak_memory", "host", "batch_job")
        beside = {name: event[name] for name in known if event.get(name)}
        step, seconds = step_name(event["step"], self.known), float(event["seconds"])
        self.steps.end(step, event["command"], event["image"], seconds, **beside)

    def _count(self, event: Mapping[str, Any], *, ended: bool) -> None:
        process, seconds = str(event.get("process")), float(event.get("cpu_seconds", 0.0))
        self._running.pop(process, None)
        if ended:
            self._spent += seconds
        else:
            self._running[process] = seconds
        self._peak = max(self._peak, int(event.get("peak_memory", 0)))
        if self.beside:
            elsewhere.write(self.beside, self._spent + sum(self._running.values()), self._peak)

    def _shown(self, message: str) -> str:
        """A line of a program, with its step as people know it."""
        name, mark, rest = message.partition(": ")
        return f"{step_name(name, self.known)}{mark}{rest}" if mark and " " not in name else message

    def _named(self, problem: Mapping[str, str]) -> Problem:
        where = problem.get("where", "")
        name = step_name(where, self.known) if where else ""
        texts = {key: text.replace(where, name) if where else text for key, text in problem.items()}
        return Problem(**{**texts, "where": name})
