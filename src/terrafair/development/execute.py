"""Runs one program of a build in the sandbox, with its lines in the build's log as they come."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from terrafair.errors import Cancelled, Problem, TimedOut, WorkflowFailed
from terrafair.execution.command import Command
from terrafair.execution.logs import Tail
from terrafair.execution.process import OVER, Exit, Process
from terrafair.execution.sandbox import Sandbox

Say = Callable[[str, str], None]
"""Message and level; `STEP` as the level: a stage of a build begins, `== NAME`."""
STEP = "step"
WATCH_SECONDS = 0.3
TESTS = "The tests"


@dataclass(frozen=True, slots=True)
class Execution:
    """How programs of a build are run."""

    sandbox: Sandbox
    say: Say
    cancelled: Callable[[], bool] = lambda: False

    def fresh(self, folder: Path) -> Path:
        """An empty folder for one program; what an earlier try has left running there is ended."""
        if folder.exists():
            Process(folder, 0).end_leftovers()
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        return folder

    def run(self, command: Command, folder: Path, purpose: str) -> Exit:
        """Run to the end; raises `Cancelled`, `TimedOut`, `WorkflowFailed` (out of memory, lost)."""
        process = Process(folder, 0)
        self.sandbox.make_ready(command)
        process.launch(command, self.sandbox)
        tail, looked, pause = Tail(folder / "log.jsonl"), time.monotonic(), 0.005
        while True:
            alive = process.alive
            ended = process.exit()
            if ended is not None or not alive:
                break
            if time.monotonic() - looked > WATCH_SECONDS:
                looked = time.monotonic()
                self._pass_on(tail, purpose)
                if self.cancelled():
                    process.stop()
            time.sleep(pause)
            pause = min(pause * 1.3, 0.1)
        while self._pass_on(tail, purpose):
            pass
        if ended is None or ended.ended in {"lost", *OVER}:
            why = OVER.get(ended.ended if ended else "", "Its process was lost.")
            raise WorkflowFailed(f"{purpose} failed.", why)
        if ended.ended == "cancelled" or self.cancelled():
            raise Cancelled("Cancelled.")
        if ended.ended == "timeout":
            raise TimedOut(f"{purpose} took longer than {command.limits.seconds:g} s.")
        return ended

    def _pass_on(self, tail: Tail, purpose: str) -> bool:
        lines = tail.read()
        for line in lines:
            if line.message:
                # Test runners tell of their successes on stderr.
                self.say(line.message, "info" if purpose == TESTS else line.level)
        return bool(lines)


def failed(what: str, problems: tuple[Problem, ...]) -> WorkflowFailed:
    """The error of a stage, with the first reason that its program gave."""
    first = problems[0] if problems else Problem("It does not say why.")
    return WorkflowFailed(what, f"{first.what} {first.why}".strip(), first.remedy, first.where, first.code)
