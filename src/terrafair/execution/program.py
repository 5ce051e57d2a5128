"""A program of the platform's own that opens people's files: run to its end in the sandbox, its answer read."""

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.errors import TimedOut, WorkflowFailed
from terrafair.execution.command import Command, Limits
from terrafair.execution.logs import last
from terrafair.execution.process import OVER, Exit, Process
from terrafair.execution.sandbox import Sandbox
from terrafair.execution.trees import wipe

LIMITS = Limits(seconds=1800, memory=4 * 1024**3, processes=64)


@dataclass(frozen=True, slots=True)
class Program:
    """One module of ours, started as `python -m MODULE ORDER ANSWER`."""

    module: str
    """Reads the order's JSON and writes the answer's."""
    purpose: str
    """For messages: `the description of the results`."""
    sandbox: Sandbox
    limits: Limits = LIMITS

    def run(self, folder: Path, order: Mapping[str, Any], readable: tuple[Path, ...] = ()) -> Path:
        """Give the path of the answer; `folder` is the program's own, made anew.

        Raises `WorkflowFailed` when it ends without one, `TimedOut` when it takes too long: both the files' doing.
        """
        process = Process(folder, 0)
        if folder.exists():
            process.end_leftovers()
            wipe(folder)
        place = folder / "place"
        place.mkdir(parents=True)
        asked, answer = place / "order.json", place / "answer.json"
        asked.write_text(json.dumps(order, default=str), "utf-8")
        command = Command(
            (sys.executable, "-P", "-m", self.module, str(asked), str(answer)),
            directory=place,
            readable=readable,
            writable=(place,),
            # The package that runs here, where the installation is of another copy.
            environment={"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
            limits=self.limits,
        )
        self.sandbox.make_ready(command)
        process.launch(command, self.sandbox)
        ended = _wait(process)
        if ended is not None and ended.ended == "timeout":
            raise TimedOut(f"{self.purpose.capitalize()} took longer than {self.limits.seconds:g} s.")
        # What lies there was written by a program that read strangers' files: a link would lead out of the sandbox.
        if ended is None or ended.code != 0 or answer.is_symlink() or not answer.is_file():
            raise WorkflowFailed(f"{self.purpose.capitalize()} failed.", _reason(folder, ended))
        return answer


def _wait(process: Process) -> Exit | None:
    pause = 0.005
    while True:
        alive = process.alive
        ended = process.exit()
        if ended is not None or not alive:
            return ended
        time.sleep(pause)
        pause = min(pause * 1.3, 0.1)


def _reason(folder: Path, ended: Exit | None) -> str:
    if ended is None:
        return "Its process was killed from outside."
    if ended.ended in OVER:
        return OVER[ended.ended]
    said = last(folder / "log.jsonl", frozenset({"warning", "error"}), 2)
    return f"It said: {' / '.join(text[:300] for text in said)}" if said else f"It ended with {ended.code}."
