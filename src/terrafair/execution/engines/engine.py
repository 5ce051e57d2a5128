"""The port that every execution engine implements; one adapter for each workflow type."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from terrafair.errors import Problem
from terrafair.execution.command import Command, Limits
from terrafair.execution.task import JobFolder
from terrafair.workflows.workflow import Resolution, WorkflowType

Say = Callable[[str], None]
"""Writes one line to the job's log."""


class Engine(Protocol):
    """Turns a resolved workflow into a sandboxed child process."""

    type: WorkflowType

    def check(self, resolution: Resolution) -> Sequence[Problem]:
        """Why this workflow cannot run here (missing process, image, interpreter ...); empty: it can.

        Never raises, never executes user code.
        """
        ...

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        """Stage code, data and environment into the folder, write its `task.json`, and give the program to run.

        Runs outside the sandbox: it may fetch, and must not interpret user code. Raises `InvalidInput` for what the
        user can mend, `Unreachable` for infrastructure.
        """
        ...
