"""Carries a job from its resolution to its stored results, so that any worker can go on where a killed one stopped."""

import pickle
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from terrafair.errors import (
    Cancelled,
    NotExecutable,
    Problem,
    TerrafairError,
    TimedOut,
    Unreachable,
    WorkflowFailed,
)
from terrafair.events import now
from terrafair.execution import logs
from terrafair.execution.command import Limits
from terrafair.execution.engines.engine import Engine
from terrafair.execution.job import (
    ENDED,
    Ended,
    Failed,
    Instruction,
    Job,
    Progressed,
    Results,
    Started,
    Succeeded,
    Usage,
)
from terrafair.execution.jobs import Jobs
from terrafair.execution.logs import Tail
from terrafair.execution.process import Exit, Process
from terrafair.execution.sandbox import Sandbox
from terrafair.execution.task import JobFolder, Outcome
from terrafair.workflows.workflow import Resolution, WorkflowType

WATCH_SECONDS = 0.5
BACKOFF_SECONDS = 1.0


class Package(Protocol):
    """Stores what a job left and describes it; called again after a crash it ends in the same state."""

    def __call__(self, job: Job, resolution: Resolution, folder: JobFolder, outcome: Outcome, usage: Usage) -> Results:
        """Store and describe."""
        ...


@dataclass(frozen=True, slots=True)
class Runner:
    """The pipeline; every part is handed in."""

    jobs: Jobs
    resolve: Callable[[Job], Resolution]
    bind: Callable[[Resolution, Mapping[str, Any]], Mapping[str, Any]]
    """Published values and overrides to checked values; raises `InvalidInputs`."""
    engines: Mapping[WorkflowType, Engine]
    sandbox: Sandbox
    package: Package
    compare: Callable[[Job, Resolution, Results], None]
    """Compares with the published product; for jobs that ask for it."""
    limits: Limits
    keep: bool = False
    """Keep the job's folders after its end, for looking into them."""

    def run(self, id: str) -> None:  # noqa: A002 - the field's word
        """Bring a job to its end, or give up when it has one already."""
        while True:
            job, instructions = self.jobs.apply(id, Started(now()))
            if job.state in ENDED:
                return
            if Instruction.RUN not in instructions:
                self._end_cancelled(job)
                return
            again = self._once(job)
            if not again:
                return
            time.sleep(BACKOFF_SECONDS * 2**again)

    def _once(self, job: Job) -> int:
        """One attempt; gives the number of the next one, or 0 when the job has ended."""
        log = self.jobs.log_file(job.id)
        log.parent.mkdir(parents=True, exist_ok=True)
        try:
            happening = self._attempt(job)
        except TerrafairError as error:
            happening = Failed(now(), error.problems, retry=isinstance(error, Unreachable))
        except Exception as fault:
            # A fault of ours must not leave the job running for ever.
            problem = Problem(f"The platform failed on this job: {type(fault).__name__}: {fault}", code="internal")
            happening = Failed(now(), (problem,))
        if isinstance(happening, Failed):
            for problem in happening.problems:
                logs.say(log, str(problem), "error")
        job, instructions = self.jobs.apply(job.id, happening)
        if Instruction.RUN_AGAIN in instructions:
            logs.say(log, f"The infrastructure failed; started again ({job.restarts}).", "warning")
            return job.restarts
        logs.say(log, f"The job is {job.state.value}.", "info" if job.state.value == "successful" else "warning")
        self._tidy(job)
        return 0

    def _attempt(self, job: Job) -> Succeeded | Failed | Ended:
        folder = JobFolder(self.jobs.folder(job.id)).create()
        process = Process(folder.path, job.restarts)
        if process.launched:
            resolution: Resolution = pickle.loads((folder.path / "resolution.pickle").read_bytes())  # noqa: S301 - ours
            logs.say(self.jobs.log_file(job.id), "A new worker has found this job again.", "warning")
        else:
            resolution = self._prepare(job, folder, process)
        ended = self._wait(job, process)
        usage = Usage(ended.seconds, ended.cpu_seconds, ended.peak_memory)
        if ended.ended == "cancelled":
            return Ended(now(), usage)
        outcome = self._outcome(job, folder, ended)
        results = self.package(job, resolution, folder, outcome, usage)
        if not outcome.successful:
            return Failed(now(), outcome.problems, usage, results=results)
        if job.request.reproduce:
            logs.say(self.jobs.log_file(job.id), "Comparing with the published product.")
            self.compare(job, resolution, results)
        return Succeeded(now(), results, usage)

    def _prepare(self, job: Job, folder: JobFolder, process: Process) -> Resolution:
        """Resolve, check, stage and launch; only the launch cannot be repeated."""
        log = self.jobs.log_file(job.id)
        for stale in (folder.application, folder.inputs, folder.work, folder.outputs):
            shutil.rmtree(stale, ignore_errors=True)
        folder.create()
        logs.say(log, f"Reading {job.request.kind} {job.request.subject}.")
        resolution = self.resolve(job)
        if not resolution.executable:
            raise NotExecutable(resolution.reasons)
        engine = self.engines.get(resolution.type)
        if engine is None:
            raise NotExecutable([Problem(f"This platform has no engine for {resolution.type.value}.")])
        self.jobs.set_type(job.id, resolution.type.value)
        values = self.bind(resolution, job.request.inputs)
        seconds = job.request.timeout or self.limits.seconds
        limits = replace(self.limits, seconds=min(seconds, self.limits.seconds))
        command = engine.prepare(resolution, values, folder, limits, lambda line: logs.say(log, line))
        if self.jobs.get(job.id).cancelling:
            raise Cancelled("Cancelled before its program started.")
        (folder.path / "resolution.pickle").write_bytes(pickle.dumps(resolution))
        self.sandbox.give(command.writable)
        process.launch(command, self.sandbox)
        return resolution

    def _wait(self, job: Job, process: Process) -> Exit:
        """Until the program has ended: passes progress on, and a wish to cancel down."""
        tail = Tail(self.jobs.log_file(job.id))
        checked, pause = time.monotonic(), 0.005
        while True:
            # Asked before `exit`: a supervisor writes its exit first and is gone after that.
            alive = process.alive
            ended = process.exit()
            if ended is not None:
                break
            if not alive:
                if self.jobs.get(job.id).cancelling:
                    raise Cancelled("Cancelled.")
                raise Unreachable("The job's process was lost.", "It or its supervisor was killed from outside.")
            if time.monotonic() - checked >= WATCH_SECONDS:
                checked = time.monotonic()
                self._pass_on(job, tail)
                if self.jobs.get(job.id).cancelling:
                    process.stop()
            time.sleep(pause)
            pause = min(pause * 1.3, 0.1)
        if ended.ended == "lost":
            raise Unreachable("The job's supervisor failed.", ended.reason)
        return ended

    def _pass_on(self, job: Job, tail: Tail) -> None:
        lines = tail.read()
        known = [line for line in lines if line.progress is not None]
        if known and known[-1].progress is not None:
            self.jobs.apply(job.id, Progressed(known[-1].progress, known[-1].message[:200]))
        elif lines:
            self.jobs.apply(job.id, Progressed(0.0, lines[-1].message[:200]))

    def _outcome(self, job: Job, folder: JobFolder, ended: Exit) -> Outcome:
        """What the program says of itself, or what its end says of it."""
        error: TerrafairError | None = None
        if ended.ended == "timeout":
            error = TimedOut(
                f"The job took longer than its limit of {min(job.request.timeout or 1e9, self.limits.seconds):g} s.",
                remedy="Give it less to do, or ask for more time (--timeout).",
            )
        elif ended.ended == "memory":
            error = WorkflowFailed(
                f"The job took more than its limit of {self.limits.memory / 2**30:.1f} GiB of memory.",
                remedy="Give it less to do at a time: a smaller area, fewer dates.",
            )
        elif folder.outcome.is_file() and not folder.outcome.is_symlink():
            return Outcome.read(folder.outcome)
        elif ended.code != 0:
            how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
            error = WorkflowFailed(f"The program ended with {how}.", self._last_words(job))
        return Outcome(False, error.problems) if error else Outcome(True)

    def _last_words(self, job: Job) -> str:
        said = [line.message for line in self.jobs.log(job.id, 0, 100_000) if line.level in {"warning", "error"}]
        return "Its last words: " + " / ".join(said[-3:]) if said else ""

    def _end_cancelled(self, job: Job) -> None:
        """A job that was being cancelled when its worker died."""
        process = Process(self.jobs.folder(job.id), job.restarts)
        while process.alive and process.exit() is None:
            process.stop()
            time.sleep(0.05)
        self.jobs.apply(job.id, Ended(now()))

    def _tidy(self, job: Job) -> None:
        """The results lie in the object store; the log stays."""
        if self.keep:
            return
        folder = JobFolder(self.jobs.folder(job.id))
        for path in (folder.application, folder.inputs, folder.work, folder.outputs):
            shutil.rmtree(path, ignore_errors=True)


def slot_lock(folder: Path, slot: str) -> Any:
    """Hold a worker's name for as long as the process lives; raises `Conflict` when another process has it."""
    import fcntl

    from terrafair.errors import Conflict

    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / f"{slot}.lock").open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise Conflict(
            f"Another worker {slot!r} runs on this home folder.", remedy="Give this one another --slot."
        ) from None
    return file
