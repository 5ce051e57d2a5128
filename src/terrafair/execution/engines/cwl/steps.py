"""Runs the steps of a CWL process: each in the environment that stands in for its image, or in podman."""

import functools
import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cwltool.command_line_tool import CommandLineTool
from cwltool.context import LoadingContext, RuntimeContext
from cwltool.docker import PodmanCommandLineJob
from cwltool.errors import WorkflowException
from cwltool.job import CommandLineJob
from cwltool.workflow import default_make_tool

from terrafair.errors import Problem
from terrafair.execution.command import Limits
from terrafair.execution.engines.cwl.document import clean
from terrafair.execution.engines.cwl.isolation import Isolation
from terrafair.execution.engines.launch import search_path
from terrafair.execution.engines.report import Report, Tail, ended
from terrafair.execution.podman import Podman

_DRAIN_SECONDS = 5.0


@dataclass(slots=True)
class Steps:
    """What is known of the steps while they run; shared between the threads that run them."""

    report: Report
    images: Mapping[str, Mapping[str, str]]
    """Image -> `kind`, and `bin`, the folder with the programs that stand in for it."""
    bin: str
    """The folder with the programs for steps that name no image."""
    expected: int = 1
    """Steps that the document has; a scatter makes more."""
    podman: Podman | None = None
    limits: Limits = field(default_factory=Limits)
    isolation: Isolation | None = None
    """How to isolate programs where the child itself is not."""
    job: str = ""
    done: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _started: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, name: str, line: Sequence[str]) -> None:
        """Note a step that starts."""
        with self._lock:
            self._started += 1
        text = " ".join(line)
        self.report.say(f"{name}: $ {text[:500]}")

    def end(self, name: str, line: Sequence[str], image: str, seconds: float, **beside: Any) -> None:
        """Note a step that has ended; `beside` is what else is known of it."""
        with self._lock:
            took = {"begun": round(time.time() - seconds, 3), "seconds": round(seconds, 3)}
            self.done.append({"step": name, "command": list(line), "image": image, **took, **beside})
            share = len(self.done) / max(self.expected, self._started)
        self.report.progress(min(share, 0.99), f"{name}: ended after {seconds:.1f} s")

    def fail(self, problem: Problem) -> None:
        """Note what went wrong; only the first thing is the reason, the others follow from it."""
        with self._lock:
            self.problems.append(problem)

    def watching(self, _folders: Sequence[str]) -> AbstractContextManager[object]:
        """Look after the programs that are started meanwhile; here the job's supervisor does."""
        return nullcontext()

    def overrun(self, _name: str) -> Problem | None:
        """Tell the limit that the last program was ended for."""
        return None

    def programs(self, image: str) -> str:
        """Give the PATH of a step."""
        return search_path(Path(self.images.get(image, {}).get("bin") or self.bin))

    def in_podman(self, image: str) -> bool:
        """Tell whether the step runs in its image."""
        return self.images.get(image, {}).get("kind") == "podman"

    def make_tool(self, document: Any, context: LoadingContext) -> Any:
        """Build tool objects for cwltool, ours for programs."""
        if isinstance(document, MutableMapping) and document.get("class") == "CommandLineTool":
            return StepTool(self, document, context)
        return default_make_tool(document, context)


class StepTool(CommandLineTool):
    """A program of the workflow, whatever image it names."""

    def __init__(self, steps: Steps, document: Any, context: LoadingContext) -> None:
        super().__init__(document, context)
        self.record = steps
        docker, _ = self.get_requirement("DockerRequirement")
        self.image = str((docker or {}).get("dockerPull") or (docker or {}).get("dockerImageId") or "")

    def job(self, job_order: Any, output_callbacks: Any, runtimeContext: RuntimeContext) -> Any:  # noqa: N803
        """Decide container or not for this step; cwltool knows only one answer for all."""
        context = runtimeContext.copy()
        context.use_container = self.record.in_podman(self.image)
        return super().job(job_order, output_callbacks, context)

    def make_job_runner(self, runtimeContext: RuntimeContext) -> Any:  # noqa: ARG002, N803
        """Give the way to run this step."""
        kind = ContainerStep if self.record.in_podman(self.image) else LocalStep
        return functools.partial(kind, self.record, self.image)


class _Watched:
    """What both kinds of step do beside running: log live, and explain failures."""

    record: Steps
    image: str
    tail: Tail

    def watched(self, run: Callable[[RuntimeContext], None], context: RuntimeContext) -> None:
        """Run with the program's streams in the log."""
        job: Any = self
        original = job.collect_outputs
        job.collect_outputs = functools.partial(self.collected, original)
        started = time.monotonic()
        line = [str(part) for part in job.command_line]
        self.record.begin(job.name, line)
        with self.streams(job.name, context) as live, self.record.watching((job.outdir, job.tmpdir)):
            run(live)
        self.record.end(job.name, line, self.image, time.monotonic() - started)
        for folder in (job.tmpdir, job.stagedir):
            if folder:
                shutil.rmtree(folder, ignore_errors=True)

    @contextmanager
    def streams(self, name: str, context: RuntimeContext) -> Iterator[RuntimeContext]:
        """Lead both streams of the program through a pipe into the log."""
        reading, writing = os.pipe()
        self.reader = threading.Thread(target=self._read, args=(reading, name), daemon=True)
        self.reader.start()
        live = context.copy()
        live.default_stdout = os.fdopen(os.dup(writing), "wb")
        live.default_stderr = os.fdopen(writing, "wb")
        try:
            yield live
        finally:
            for stream in (live.default_stdout, live.default_stderr):
                stream.close()
            self.reader.join(_DRAIN_SECONDS)

    def _read(self, reading: int, name: str) -> None:
        with os.fdopen(reading, "rb") as stream:
            self.tail.follow(stream, self.record.report, "info", f"{name}: ")

    def collected(self, original: Callable[[str, int], Any], folder: str, status: int) -> Any:
        """Collect the outputs, or say why there are none."""
        job: Any = self
        # cwltool has closed our ends by now: the reader ends with the last process that holds the pipe.
        self.reader.join(_DRAIN_SECONDS)
        if not _succeeded(job, status):
            problem = self._failure(job, status)
            self.record.fail(problem)
            raise WorkflowException(str(problem))
        try:
            return original(folder, status)
        except WorkflowException as fault:
            reason = clean(str(fault), {folder: ""})
            what = f"The step {job.name} ended well, but its outputs cannot be collected."
            remedy = "Look at what the program wrote and at the step's output patterns."
            self.record.fail(Problem(what, reason, remedy, job.name, "output-missing"))
            raise

    def _failure(self, job: Any, status: int) -> Problem:
        if over := self.record.overrun(job.name):
            return over
        if status < 0 and job.timelimit:
            what = f"The step {job.name} took longer than its own limit of {job.timelimit} s (ToolTimeLimit)."
            return Problem(what, where=job.name, code="step-time")
        if not self.tail.lines and job.stderr:
            file = Path(job.base_path_logs, job.stderr)
            self.tail.lines.extend(file.read_text("utf-8", "replace").splitlines()[-40:] if file.is_file() else ())
        return ended(status, f"The step {job.name}", self.tail, job.name)


class LocalStep(_Watched, CommandLineJob):
    """A step whose image has a local environment that stands in for it."""

    def __init__(self, steps: Steps, image: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.record, self.image, self.tail = steps, image, Tail()

    def _required_env(self) -> dict[str, str]:
        required = {"HOME": self.outdir, "TMPDIR": self.tmpdir, "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}
        return {**required, "PATH": self.record.programs(self.image)}

    def _execute(
        self,
        runtime: list[str],
        env: MutableMapping[str, str],
        runtimeContext: RuntimeContext,  # noqa: N803
        monitor_function: Any = None,  # noqa: ARG002 - cwltool passes it by name
    ) -> None:
        # A PATH that the document sets (EnvVarRequirement) is the image's; the stand-in's programs lie elsewhere.
        env["PATH"] = os.pathsep.join(dict.fromkeys((self.record.programs(self.image), env["PATH"])))
        program = self.command_line[0] if self.command_line else ""
        if program and not shutil.which(program, path=env["PATH"]) and not Path(self.outdir, program).is_file():
            self._missing(program)
        if self.record.isolation:
            runtime = [*self.record.isolation.line(Path(self.outdir), Path(self.tmpdir)), *runtime]

        def run(context: RuntimeContext) -> None:
            super(LocalStep, self)._execute(runtime, env, context, None)

        self.watched(run, runtimeContext)

    def _missing(self, program: str) -> None:
        place = f"the environment that stands in for the image {self.image}" if self.image else "the environment"
        what = f"The step {self.name} runs {program!r}, which is not in {place}."
        remedy = "List an environment that has it in the setting `substitutes`, or install podman."
        self.record.fail(Problem(what, remedy=remedy, where=self.name, code="program-missing"))
        raise WorkflowException(what)


class ContainerStep(_Watched, PodmanCommandLineJob):
    """A step in its own image."""

    def __init__(self, steps: Steps, image: str, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.record, self.image, self.tail = steps, image, Tail()

    def run(self, runtimeContext: RuntimeContext, tmpdir_lock: Any = None) -> None:  # noqa: N803
        """Run with containers on: the executor's own context, which cwltool hands in here, has them off."""
        context = runtimeContext.copy()
        context.use_container = True
        super().run(context, tmpdir_lock)

    def get_from_requirements(self, *_arguments: Any, **_options: Any) -> str:
        """Give the image; `prepare` has pulled it, and knows the record's digest for the document's tag."""
        return self.record.images.get(self.image, {}).get("image") or self.image

    def create_runtime(self, env: Any, runtimeContext: RuntimeContext) -> tuple[list[str], str | None]:  # noqa: N803
        """Give the podman line: cwltool's mounts, our limits.

        No container id file: cwltool would look for it once a second.
        """
        podman = self.record.podman
        if podman is None:
            raise WorkflowException("podman is gone.")
        made, _ = super().create_runtime(env, runtimeContext)
        kept = [
            part for part in made[3:] if part.startswith(("--mount", "--workdir", "--env", "--log-driver", "--shm"))
        ]
        limits = self.record.limits
        memory = min(limits.memory, int(self.builder.resources["ram"]) * 2**20) if self._asks_for_memory() else None
        wanted = Limits(limits.seconds, memory or limits.memory, limits.processes, limits.file_size)
        # The time and the label let the platform find and end a container whose starter was killed.
        own = (f"--timeout={int(limits.seconds)}", f"--label=terrafair.job={self.record.job}")
        return [*podman.line, "run", "-i", *podman.run_options(wanted), *own, *kept], None

    def _asks_for_memory(self) -> bool:
        asked, _ = self.builder.get_requirement("ResourceRequirement")
        return bool(asked and ({"ramMin", "ramMax"} & asked.keys()))

    def _execute(
        self,
        runtime: list[str],
        env: MutableMapping[str, str],
        runtimeContext: RuntimeContext,  # noqa: N803
        monitor_function: Any = None,  # noqa: ARG002
    ) -> None:
        def run(context: RuntimeContext) -> None:
            super(ContainerStep, self)._execute(runtime, env, context, None)

        self.watched(run, runtimeContext)


def _succeeded(job: Any, status: int) -> bool:
    if status in job.successCodes:
        return True
    return status == 0 and status not in job.temporaryFailCodes and status not in job.permanentFailCodes


def image_table(text: str) -> dict[str, dict[str, str]]:
    """Read the table that `prepare` wrote."""
    return dict(json.loads(text))
