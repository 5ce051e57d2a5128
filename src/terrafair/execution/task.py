"""The hand-over between platform and sandboxed engine: a folder with a fixed shape and lines of JSON.

    JOB/
      task.json       this module's `Task`; read-only to the child
      application/    the code: one file or a repository at its commit; read-only
      inputs/         staged data; read-only
      work/           the child's working directory; scratch
      outputs/        what the child leaves here becomes the job's result
      work/outcome.json  `Outcome`, written by the child as its last act

All paths are the same inside and outside the sandbox, so no path is ever rewritten.
The child prints one JSON object a line on stdout, `{"level": "info", "message": "...", "progress": 0.4}`, each key
optional; any other line on stdout counts as an info message, on stderr as a warning.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from terrafair.errors import Damaged, Problem


@dataclass(frozen=True, slots=True)
class JobFolder:
    """The paths of one job's folder."""

    path: Path

    @property
    def task(self) -> Path:
        """The `Task` document."""
        return self.path / "task.json"

    @property
    def application(self) -> Path:
        """The code."""
        return self.path / "application"

    @property
    def inputs(self) -> Path:
        """Staged data."""
        return self.path / "inputs"

    @property
    def work(self) -> Path:
        """Scratch and working directory."""
        return self.path / "work"

    @property
    def outputs(self) -> Path:
        """What becomes the result."""
        return self.path / "outputs"

    @property
    def outcome(self) -> Path:
        """The `Outcome` document."""
        return self.work / "outcome.json"

    def create(self) -> Self:
        """Make the folders; existing ones stay."""
        for folder in (self.application, self.inputs, self.work, self.outputs):
            folder.mkdir(parents=True, exist_ok=True)
        return self


@dataclass(frozen=True, slots=True)
class Task:
    """What an engine's child process is asked to do."""

    job: str
    type: str
    """A `WorkflowType` value."""
    application: str
    """Absolute path of the document (graph, CWL, notebook) or of the checked-out repository."""
    entry: str = ""
    """CWL id, notebook path or command template; see `Application.entry`."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """Input values; references have been replaced by absolute local paths."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Reference as written in the application or in the values -> absolute local path of its staged copy."""
    folder: str = ""
    """Absolute path of the job's folder."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Engine-specific settings: interpreter, kernel, substitutes, threads ..."""

    def write(self, path: Path) -> None:
        """Store as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), "utf-8")

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load what `write` stored."""
        return cls(**json.loads(path.read_text("utf-8")))


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the child's work ended."""

    successful: bool
    problems: tuple[Problem, ...] = ()
    """Why not; a successful run has none."""
    outputs: Mapping[str, str] = field(default_factory=dict)
    """Output name -> path relative to the outputs folder."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Engine-specific facts for the provenance: versions, steps with times, the lock of the environment."""

    def write(self, path: Path) -> None:
        """Store as JSON, whole or not at all."""
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(asdict(self), indent=1), "utf-8")
        partial.replace(path)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Load what `write` stored; raises `Damaged` when it is not whole."""
        try:
            document = json.loads(path.read_text("utf-8"))
            problems = tuple(Problem(**problem) for problem in document.pop("problems", ()))
            return cls(problems=problems, **document)
        except (OSError, ValueError, TypeError) as fault:
            raise Damaged(f"The engine's outcome cannot be read: {fault}.", where=str(path)) from fault
