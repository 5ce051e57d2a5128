"""Hands the steps of a CWL process to a batch system: `python -m terrafair.execution.engines.cwl.batch.child TASK`.

It is Toil's leader, and runs outside of the sandbox: whoever may ask a batch system for nodes may run what he likes
there. Other people's code runs on the nodes, each step in bubblewrap or podman; expressions run in bubblewrap here.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import FrameType
from typing import Any

from terrafair.errors import Problem, TerrafairError
from terrafair.execution.command import Limits
from terrafair.execution.elsewhere import FILE, TEMPORARY
from terrafair.execution.engines.cwl.batch import systems
from terrafair.execution.engines.cwl.batch.asking import slurm_away
from terrafair.execution.engines.cwl.batch.eyes import INFRASTRUCTURE, Eyes
from terrafair.execution.engines.cwl.batch.follow import Follower
from terrafair.execution.engines.cwl.batch.leader import lead
from terrafair.execution.engines.cwl.batch.node import Order
from terrafair.execution.engines.cwl.child import Heard, concluded, loaded
from terrafair.execution.engines.cwl.steps import Steps
from terrafair.execution.engines.report import Report
from terrafair.execution.supervisor import descendants
from terrafair.execution.task import JobFolder, Outcome, Task

PAUSE_SECONDS = 0.2
QUEUE_SECONDS = 5.0
"""Between two looks at the queue."""
DRAIN_SECONDS = 0.6
"""So long a failed step has for its last words."""


class Run:
    """One job: its batch jobs, what they tell, and its end, which comes once."""

    def __init__(self, task: Task, folder: JobFolder, report: Report) -> None:
        self.task, self.folder, self.report = task, folder, report
        self.settings: dict[str, Any] = task.options["batch"]
        self.lines = folder.work / "batch" / uuid.uuid4().hex
        self.lines.mkdir(parents=True)
        limits = Limits(**task.options["limits"])
        self.steps = Steps(report, task.options["images"], task.options["bin"], 1, None, limits, None, task.job)
        beside = folder.path / FILE if self.settings["elsewhere"] else None
        self.follower = Follower(self.lines, self.steps, beside)
        self.eyes = Eyes(task.job, self.steps.fail, self._warn, self.settings["pod"])
        self._end, self._over = threading.Lock(), threading.Event()

    def order(self) -> Order:
        """What travels to the nodes."""
        options = self.task.options
        readable = (self.folder.path, *map(Path, options.get("readable", ())))
        return Order(
            self.task.job,
            self.lines,
            readable,
            self.steps.limits,
            options["bin"],
            options["images"],
            bool(options.get("podman")),
            options.get("node") or "",
            self.settings["isolated"],
        )

    def work(self) -> Outcome:
        """From the documents to the results; raises nothing that a problem can say."""
        heard = Heard(self.report, {str(self.folder.path): ""})
        begun = time.monotonic()
        threading.Thread(target=self._follow, daemon=True).start()
        if away := self._answers():
            return self.failed(away)
        process, bundle = loaded(self.task, self.folder, self.steps, heard)
        produced, fault = lead(process, bundle, self)
        self._over.set()
        self.follower.look()
        if fault and not self.steps.problems:
            self.steps.fail(fault)
        status = "permanentFail" if self.steps.problems else "success"
        details = {"batch_system": self.settings["system"], "toil": self.settings["toil"]}
        return concluded(self.task, self.folder, self.steps, heard, produced, status, begun, **details)

    def failed(self, problem: Problem) -> Outcome:
        """An end before there was a beginning."""
        return Outcome(False, (problem,))

    def listen(self) -> None:
        """Hear the wish to cancel; again after Toil has put its own ear there."""
        signal.signal(signal.SIGTERM, self._stopped)

    def _stopped(self, _: int, __: FrameType | None) -> None:
        self.finish(None)

    def finish(self, outcome: Outcome | None) -> None:
        """End the batch jobs and this process, whatever Toil is about; without an outcome somebody cancelled."""
        if not self._end.acquire(blocking=False):
            return
        # Whoever submits just now is done in a moment, or talks to a batch system that is away.
        held = self.eyes.lock.acquire(timeout=1)
        self.eyes.ended = True
        try:
            if ended := systems.end(self.settings["system"], self.task.job):
                self.report.say(f"{len(ended)} batch jobs were ended.")
        except Exception as fault:  # as many kinds as there are clients
            self.report.say(f"The batch jobs end by themselves: the batch system does not answer ({fault}).", "warning")
        if held:
            self.eyes.lock.release()
        _end_children()
        with contextlib.suppress(OSError):
            self.follower.look()
        os._exit(143 if outcome is None else _written(outcome, self.folder, self.report))

    def _follow(self) -> None:
        """Pass on what the nodes tell; the first step that fails ends the job."""
        looked = time.monotonic()
        while not self._over.wait(PAUSE_SECONDS):
            self.steps.expected = max(self.steps.expected, self.eyes.expected)
            with contextlib.suppress(OSError):
                self.follower.look()
            if time.monotonic() - looked > QUEUE_SECONDS:
                looked = time.monotonic()
                # A batch system that is away is told by whoever needs it.
                with contextlib.suppress(OSError, subprocess.SubprocessError):
                    systems.look(self.settings["system"], self.eyes)
            if self.steps.problems:
                if self._over.wait(DRAIN_SECONDS):
                    return
                with contextlib.suppress(OSError):
                    self.follower.look()
                self.finish(Outcome(False, tuple(self.steps.problems[:1]), details={"steps": self.steps.done}))

    def _answers(self) -> Problem | None:
        """Wait until the batch system answers; gives why it does not."""
        if self.settings["system"] != "slurm":
            return None
        until, said = time.monotonic() + self.settings["patience"], ""
        while away := slurm_away():
            if not said:
                self._warn(f"{away} Trying again.")
            said = away
            if time.monotonic() > until:
                what = "The batch system does not answer."
                return Problem(what, said, "Try again later, or tell the operator.", code=INFRASTRUCTURE)
            time.sleep(2)
        return None

    def _warn(self, message: str) -> None:
        self.report.say(message, "warning")


def main(path: str) -> int:
    """Work off the task and write the outcome."""
    task = Task.read(Path(path))
    run = Run(task, JobFolder(Path(task.folder)), Report())
    run.listen()
    # What an attempt before this one has left in the queue would write into our folders.
    with contextlib.suppress(Exception):
        systems.end(run.settings["system"], task.job)
    try:
        outcome = run.work()
    except TerrafairError as fault:
        outcome = Outcome(False, fault.problems)
    return _written(outcome, run.folder, run.report)


def _written(outcome: Outcome, folder: JobFolder, report: Report) -> int:
    for problem in outcome.problems:
        report.say(str(problem), "error")
    outcome.write(folder.outcome)
    if any(problem.code == INFRASTRUCTURE for problem in outcome.problems):
        return TEMPORARY
    return 0 if outcome.successful else 1


def _end_children() -> None:
    """What Toil runs on this machine."""
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for pid in descendants():
            with contextlib.suppress(OSError):
                os.kill(pid, number)


if __name__ == "__main__":
    status = main(sys.argv[1])
    sys.stdout.flush()
    # Clients of batch systems leave threads behind that nobody has to wait for.
    os._exit(status)
