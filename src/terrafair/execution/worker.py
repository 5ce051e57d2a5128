"""Carries a job from its resolution to its stored results, so that any worker can go on where a killed one stopped."""

import logging
import pickle
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

import structlog

from terrafair import tracing
from terrafair.errors import (
    STORE_AWAY,
    Cancelled,
    Damaged,
    NotExecutable,
    NotFound,
    Problem,
    TerrafairError,
    Unreachable,
    WorkflowFailed,
    public,
)
from terrafair.events import now
from terrafair.execution import elsewhere, logs, room, traced
from terrafair.execution.builtin import BUILD
from terrafair.execution.builtin import KIND as BUILTIN
from terrafair.execution.command import Limits
from terrafair.execution.elsewhere import TEMPORARY
from terrafair.execution.ends import exceeded
from terrafair.execution.engines.engine import Engine
from terrafair.execution.job import (
    ENDED,
    RETRIES,
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
from terrafair.execution.trees import wipe
from terrafair.identity.asking import PLATFORM, Asker, asking
from terrafair.tracing import Name
from terrafair.workflows.workflow import Resolution, WorkflowType

Given = TypeVar("Given")
WATCH_SECONDS, BACKOFF_SECONDS = 0.5, 1.0
STORE_SECONDS, STORE_PAUSE_SECONDS = 4 * 3600.0, 15.0
"""So long a job waits for the platform's own object store, and at the most so long between two looks."""
OUTCOME_BYTES = 64 * 2**20
TOLD = 5_000
"""Characters of one problem that a program tells; `TOLD_PROBLEMS` is how many of them are kept."""
TOLD_PROBLEMS = 100


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
    builtin: Callable[[Job, Callable[[], bool]], Results] | None = None
    """Computes the jobs of the platform's own processes; its second argument asks whether to stop."""
    asker: Callable[[Job], Asker] = lambda _: PLATFORM
    """Whose rights a job has in what it reads."""
    build: Callable[[Job, Callable[[], bool], Callable[[str, str], None]], Results] | None = None
    """Builds and releases workflows; its third argument writes a line of some level into the log."""
    keep: bool = False
    """Keep the job's folders after its end, for looking into them."""

    def run(self, id: str) -> None:  # noqa: A002 - the field's word
        """Bring a job to its end; does nothing when it has one already."""
        with structlog.contextvars.bound_contextvars(job=id, project=""):
            self._run(id)

    def _run(self, id: str) -> None:  # noqa: A002
        failures = 0
        while True:
            try:
                again = self._once(id)
            except NotFound:
                return
            except Unreachable as fault:
                # The database itself. Giving up here would leave the job running for ever, with nobody at it.
                failures += 1
                logging.getLogger(__name__).warning("Job %s waits for the database: %s", id, fault)
                again = min(failures, 6)
            if not again:
                return
            time.sleep(BACKOFF_SECONDS * 2**again)

    def _once(self, id: str) -> int:  # noqa: A002
        """One attempt; gives the number of the next one, or 0 when the job has ended."""
        begun = now()
        job, instructions = self.jobs.apply(id, Started(begun))
        structlog.contextvars.bind_contextvars(project=job.owner.project)
        if job.state in ENDED:
            self._tidy(job)
            return 0
        with traced.attempting(job, begun) as attempt:
            job, again = self._tried(job, instructions)
            traced.attempted(attempt, job)
        return again

    def _tried(self, job: Job, instructions: tuple[Instruction, ...]) -> tuple[Job, int]:
        """The job after an attempt, and the number of the next one or 0."""
        try:
            happening = self._attempt(job) if Instruction.RUN in instructions else self._end_cancelled(job)
        except Exception as fault:
            # A fault of ours must not leave the job running for ever.
            happening = self._failure(job, fault)
        if isinstance(happening, Failed):
            for problem in happening.problems:
                self._say(job, str(problem), "error")
            happening = self._with_room(job, happening)
        # The log is whole before the state says that the job has ended: nobody has to look again.
        job, instructions = self.jobs.apply(job.id, happening)
        if Instruction.RUN_AGAIN in instructions:
            self._say(job, f"The infrastructure failed; started again ({job.restarts}).", "warning")
            return job, job.restarts
        self._tidy(job)
        return job, 0

    def _with_room(self, job: Job, failed: Failed) -> Failed:
        """The same, or another attempt once there is room where the want of it was to blame."""
        folder = self.jobs.folder(job.id)
        if failed.retry or job.restarts >= RETRIES or not room.lacking(folder.parent, failed.problems):
            return failed
        self._say(job, "The disk is full. The job waits for room, and begins again.", "warning")
        for stale in (folder / "work", folder / "outputs"):
            wipe(stale)
        return replace(failed, retry=room.wait(folder.parent, lambda: self.jobs.get(job.id).cancelling))

    def _failure(self, job: Job, fault: Exception) -> Failed:
        """What a fault means for the job; none of its processes runs on unwatched."""
        try:
            self._stop(job)
        except (TerrafairError, OSError) as left:
            self._say(job, str(left), "warning")
        if isinstance(fault, TerrafairError):
            return Failed(now(), fault.problems, retry=isinstance(fault, Unreachable))
        problem = Problem(f"The platform failed on this job: {type(fault).__name__}: {fault}", code="internal")
        return Failed(now(), (problem,))

    def _say(self, job: Job, message: str, level: str = "info", step: str = "") -> None:
        try:
            # A job of the platform's own has no folder until there is something to say.
            self.jobs.folder(job.id).mkdir(parents=True, exist_ok=True)
            logs.say(self.jobs.log_file(job.id), message, level, step)
        except OSError as fault:
            # A full disk must not stop the job's end from being known.
            logging.getLogger(__name__).warning("The log of job %s cannot be written: %s", job.id, fault)

    def _stage(self, job: Job, line: str, level: str) -> None:
        """A line of a build; where a stage begins, a step of the job does."""
        begins = level == "step"
        self._say(job, line, "info" if begins else level, f"build-{line.removeprefix('== ')}" if begins else "")

    def _own(self, job: Job) -> Succeeded | Ended:
        """A job that the platform itself works off."""
        begun = time.monotonic()

        def cancelled() -> bool:
            return self.jobs.get(job.id).cancelling

        try:
            if job.request.kind == BUILD and self.build:
                self.jobs.folder(job.id).mkdir(parents=True, exist_ok=True)
                do = partial(self.build, job, cancelled, partial(self._stage, job))
            elif job.request.kind == BUILTIN and self.builtin:
                do = partial(self.builtin, job, cancelled)
            else:
                raise NotExecutable([Problem(f"This worker has no {job.request.kind} jobs.")])
            results = self._patiently(job, do, 0)
        except Cancelled:
            return Ended(now(), Usage(time.monotonic() - begun))
        return Succeeded(now(), results, Usage(time.monotonic() - begun))

    def _attempt(self, job: Job) -> Succeeded | Failed | Ended:
        if job.request.kind in {BUILTIN, BUILD}:
            with tracing.span(Name.RUN):
                return self._own(job)
        folder = JobFolder(self.jobs.folder(job.id)).create()
        process = Process(folder.path, job.restarts)
        if process.launched:
            resolution: Resolution = pickle.loads((folder.path / "resolution.pickle").read_bytes())  # noqa: S301 - ours
            how = "has ended meanwhile" if process.exit() else "still runs" if process.alive else "is lost"
            self._say(job, f"A new worker has found this job again; its program {how}.", "warning")
        else:
            with asking(self.asker(job)):
                resolution = self._patiently(job, lambda: self._prepare(job, folder, process), 0)
        with tracing.quiet():
            ended = self._wait(job, process)
        until = traced.now()
        usage = _usage(ended, folder.path)
        if ended.ended == "cancelled":
            return Ended(now(), usage)
        outcome = self._outcome(job, folder, ended)
        traced.ran(ended, outcome.details, until)
        if ended.code == TEMPORARY and not outcome.successful and job.restarts < RETRIES:
            return Failed(now(), outcome.problems, usage, retry=True)
        step = "store" if outcome.successful else "keep"
        self._say(job, "Describing and storing what it has left.", step=step)
        with tracing.span(Name.STORE):
            results = self._patiently(job, lambda: self.package(job, resolution, folder, outcome, usage))
        results = replace(results, outputs=dict(outcome.outputs))
        if not outcome.successful:
            return Failed(now(), outcome.problems, usage, results=results)
        if job.request.reproduce:
            self._say(job, "Comparing with the published product.", step="compare")
            with tracing.span(Name.COMPARE), asking(self.asker(job)):
                self._patiently(job, lambda: self.compare(job, resolution, results))
        return Succeeded(now(), results, usage)

    def _patiently(self, job: Job, do: Callable[[], Given], retries: int = RETRIES) -> Given:
        """Somebody who was away for a moment costs no hours of computing; our own store may be away for long."""
        begun, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                return do()
            except Unreachable as fault:
                own = fault.problem.code == STORE_AWAY and time.monotonic() - begun < STORE_SECONDS
                if attempt > retries and not own:
                    raise
                if self.jobs.get(job.id).cancelling:
                    raise Cancelled("Cancelled while the object store was away.") from fault
                self._say(job, f"{public(fault)} The job waits and tries again.", "warning")
                time.sleep(min(BACKOFF_SECONDS * 2 ** min(attempt, 9), STORE_PAUSE_SECONDS))

    def _prepare(self, job: Job, folder: JobFolder, process: Process) -> Resolution:
        """Resolve, check, stage and launch; only the launch cannot be repeated."""
        process.end_leftovers()
        for stale in (folder.application, folder.inputs, folder.work, folder.outputs):
            wipe(stale)
        (folder.path / elsewhere.FILE).unlink(missing_ok=True)
        folder.create()
        self._say(job, f"Reading {job.request.kind} {job.request.subject}.", step="read")
        with tracing.span(Name.READ):
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
        self._say(job, "Making code, data and software ready.", step="prepare")
        with tracing.span(Name.PREPARE):
            command = engine.prepare(resolution, values, folder, limits, lambda line: self._say(job, line))
        if self.jobs.get(job.id).cancelling:
            raise Cancelled("Cancelled before its program started.")
        (folder.path / "resolution.pickle").write_bytes(pickle.dumps(resolution))
        if not self.sandbox.isolated:
            self._say(job, f"This job runs WITHOUT ISOLATION. {self.sandbox.reason}", "warning")
        self.sandbox.make_ready(command)
        self._say(job, "Its program starts.", step="run")
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
                try:
                    self._pass_on(job, tail)
                    if self.jobs.get(job.id).cancelling:
                        process.stop()
                except Unreachable as fault:
                    # The program needs no database: it goes on, and so does our waiting.
                    logging.getLogger(__name__).warning("Job %s runs on: %s", job.id, fault)
            time.sleep(pause)
            pause = min(pause * 1.3, 0.1)
        if ended.ended == "lost":
            raise Unreachable("The job's supervisor failed.", ended.reason)
        if ended.ended == "exited" and ended.signal == signal.SIGKILL:
            raise Unreachable("The job's program was killed from outside.", "By a person, or for want of memory.")
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
        error = exceeded(ended, job.request.timeout, self.limits)
        if error is None and folder.outcome.is_file() and not folder.outcome.is_symlink():
            if folder.outcome.stat().st_size > OUTCOME_BYTES:
                raise WorkflowFailed("The program's account of itself (work/outcome.json) is huge.")
            return self._told(job, folder.outcome)
        if error is None and ended.code != 0:
            how = f"signal {ended.signal}" if ended.signal else f"exit code {ended.code}"
            error = WorkflowFailed(f"The program ended with {how}.", self._last_words(job))
        return Outcome(False, error.problems) if error else Outcome(True)

    def _told(self, job: Job, path: Path) -> Outcome:
        """What the program says of itself; its own code may have written anything there."""
        try:
            outcome = Outcome.read(path)
            problems = tuple(
                Problem(**{name: _text(value) for name, value in asdict(problem).items()})
                for problem in outcome.problems[:TOLD_PROBLEMS]
            )
            sound = isinstance(outcome.successful, bool) and isinstance(outcome.details, dict)
            sound = sound and all(isinstance(value, str) for value in outcome.outputs.values())
        except (AttributeError, TypeError, RecursionError):
            sound = False
        if not sound:
            raise Damaged("The program's account of itself (work/outcome.json) has another form than agreed.")
        if not outcome.successful and not problems:
            problems = WorkflowFailed("The program failed without saying why.", self._last_words(job)).problems
        return replace(outcome, problems=problems)

    def _last_words(self, job: Job) -> str:
        said = logs.last(self.jobs.log_file(job.id), frozenset({"warning", "error"}), 3)
        return "Its last words: " + " / ".join(text[:500] for text in said) if said else ""

    def _end_cancelled(self, job: Job) -> Ended:
        """A job that was being cancelled when its worker died."""
        ended = self._stop(job)
        return Ended(now(), _usage(ended, self.jobs.folder(job.id)) if ended else Usage())

    def _stop(self, job: Job) -> Exit | None:
        """End all processes of a job; gives how its program ended, if that is known."""
        process = Process(self.jobs.folder(job.id), job.restarts)
        while (ended := process.exit()) is None and process.alive:
            process.stop()
            time.sleep(0.05)
        process.end_leftovers()
        return ended

    def _tidy(self, job: Job) -> None:
        """The results lie in the object store; the log stays."""
        if self.keep:
            return
        folder = JobFolder(self.jobs.folder(job.id))
        for path in (folder.application, folder.inputs, folder.work, folder.outputs):
            wipe(path)


def _usage(ended: Exit, folder: Path) -> Usage:
    return Usage(ended.seconds, ended.cpu_seconds, ended.peak_memory).plus(elsewhere.read(folder))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value[:TOLD]
