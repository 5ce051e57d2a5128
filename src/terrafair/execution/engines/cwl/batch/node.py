"""The steps of a CWL process as a node of the cluster sees them: what happens is told through files."""

import functools
import logging
import math
import os
import resource
import socket
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, cast

from cwl_utils.errors import JavascriptException
from cwltool.errors import WorkflowException
from schema_salad.exceptions import ValidationException

from terrafair.errors import Problem
from terrafair.execution.command import Limits
from terrafair.execution.engines.cwl.batch.eyes import INFRASTRUCTURE
from terrafair.execution.engines.cwl.batch.lines import Lines
from terrafair.execution.engines.cwl.batch.watch import ABANDONED, Watch
from terrafair.execution.engines.cwl.confined import Roots
from terrafair.execution.engines.cwl.document import clean
from terrafair.execution.engines.cwl.isolation import Isolation, find, use_node
from terrafair.execution.engines.cwl.steps import Steps
from terrafair.execution.engines.report import Report
from terrafair.execution.podman import Podman
from terrafair.execution.process import OVER


@dataclass(frozen=True, slots=True)
class Order:
    """All that a node has to know of a job; it travels with each step."""

    job: str
    lines: Path
    """Folder for what the nodes tell."""
    roots: tuple[Path, ...]
    """Folders that steps may read."""
    limits: Limits
    bin: str
    images: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    podman: bool = False
    node: str = ""
    """Node.js for expressions."""
    isolated: bool = True

    def __hash__(self) -> int:
        """A job's attempt has a folder of its own."""
        return hash(self.lines)


class NodeSteps(Steps):
    """Steps whose log, progress and problems reach the job's own process; pickled, it is its order."""

    def __init__(self, order: Order) -> None:
        self.order, self._lines = order, Lines(order.lines)
        super().__init__(
            Report(cast("IO[str]", self._lines)), order.images, order.bin, 1, None, order.limits, None, order.job
        )
        self._watch: Watch | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as the order."""
        return restored, (self.order,)

    def make_ready(self) -> None:
        """Look at what this node has for isolation; fails where it lacks what the settings ask for."""
        order = self.order
        if order.isolated:
            self.isolation = Isolation(program, order.roots, order.limits.processes) if (program := find()) else None
            if self.isolation is None:
                what = f"bubblewrap does not work on the node {socket.gethostname()}."
                remedy = 'Install it there and allow user namespaces, or set cwl_options isolation = "none".'
                self.fail(Problem(what, "Steps would run without isolation.", remedy, code=INFRASTRUCTURE))
                raise WorkflowException(what)
        if order.podman:
            self.podman = Podman.probe()
            if self.podman is None:
                what = f"podman does not work on the node {socket.gethostname()}."
                self.fail(Problem(what, remedy="Install it there, or list substitutes.", code=INFRASTRUCTURE))
                raise WorkflowException(what)
        if order.node:
            use_node(order.node, self.isolation.line() if self.isolation else ())
        _confine(Roots(order.roots))
        heard = _Heard(self)
        for name in ("cwltool", "toil.worker"):
            logging.getLogger(name).addHandler(heard)

    def begin(self, name: str, line: Sequence[str]) -> None:
        """Tell of a step that starts."""
        where = {"host": socket.gethostname(), "batch_job": os.environ.get("SLURM_JOB_ID", "")}
        self._lines.tell_of(event="begin", step=name, command=list(line), **where)

    def end(self, name: str, line: Sequence[str], image: str, seconds: float, **beside: Any) -> None:
        """Tell of a step that has ended, and what it took."""
        watch = self._watch
        used = {"cpu_seconds": watch.cpu_seconds, "peak_memory": watch.peak_memory} if watch else {}
        where = {"host": socket.gethostname(), "batch_job": os.environ.get("SLURM_JOB_ID", "")}
        told = {"step": name, "command": list(line), "image": image, "seconds": seconds, **used, **where, **beside}
        self._lines.tell_of(event="end", process=_process(), **told)

    def fail(self, problem: Problem) -> None:
        """Tell what went wrong."""
        super().fail(problem)
        self._lines.tell_of(event="fail", problem=asdict(problem))

    @contextmanager
    def watching(self, folders: Sequence[str]) -> Iterator[object]:
        """Hold the programs to the job's limits: nobody else on this node does."""

        def tell(seconds: float, memory: int) -> None:
            self._lines.tell_of(event="used", process=_process(), cpu_seconds=seconds, peak_memory=memory)

        limits = self.order.limits
        _bound(limits)
        with Watch(limits, folders, self.order.lines, tell) as self._watch:
            yield self._watch

    def overrun(self, name: str) -> Problem | None:
        """Tell the limit that the step was ended for."""
        over = self._watch.over if self._watch else ""
        if not over:
            return None
        if over == ABANDONED:
            return Problem(f"The step {name} was ended: its job has ended.", where=name, code=INFRASTRUCTURE)
        limits = self.order.limits
        most = {"memory": f"{limits.memory / 2**30:.1f} GiB", "disk": f"{limits.disk / 2**30:.1f} GiB"}
        most |= {"processes": str(limits.processes), "files": str(limits.files)}
        why = f"{OVER[over]} The limit is {most[over]}." if over in most else OVER[over]
        remedy = "Give it less to do at a time."
        return Problem(f"The step {name} was ended.", why, remedy, name, f"step-{over}")


class _Heard(logging.Handler):
    """What goes wrong beside the programs of steps: expressions, files that are not there."""

    def __init__(self, steps: NodeSteps) -> None:
        super().__init__(logging.ERROR)
        self._steps, self._last = steps, ""

    def emit(self, record: logging.LogRecord) -> None:
        """Keep cwltool's errors; when Toil's worker gives up, the document's fault is told."""
        if record.name == "cwltool":
            self._last = record.getMessage()
            return
        fault = sys.exc_info()[1]
        if self._steps.problems or not isinstance(fault, (WorkflowException, ValidationException, JavascriptException)):
            return
        text = clean(str(fault), {str(self._steps.order.roots[0]): ""})
        if text == "permanentFail":
            text = clean(self._last) or "A step failed and gave no reason."
        self._steps.fail(Problem(f"The workflow failed: {text}", code="workflow-failed"))


@functools.lru_cache(maxsize=4)
def restored(order: Order) -> NodeSteps:
    """The steps of a job on this node, once in each process."""
    steps = NodeSteps(order)
    steps.make_ready()
    return steps


@dataclass(frozen=True, slots=True)
class Share:
    """What a step gets for what it asks: never more than the job may have."""

    steps: NodeSteps
    memory: int
    """MiB."""
    cores: int = 0
    """0: what it asks for."""

    def __call__(self, request: Mapping[str, float], _context: Any) -> dict[str, float]:
        """Raises with the sentence that the user reads."""
        if request["ramMin"] > self.memory:
            what = f"A step asks for {math.ceil(request['ramMin'])} MiB of memory; a job here may have {self.memory}."
            self.steps.fail(Problem(what, remedy="Let it ask for less.", code="step-memory"))
            raise WorkflowException(what)
        wanted = math.ceil(request["coresMax"])
        return {
            "cores": max(1, min(wanted, self.cores) if self.cores else wanted),
            "ram": min(math.ceil(request["ramMax"]), self.memory),
            "tmpdirSize": math.ceil(request["tmpdirMin"]),
            "outdirSize": math.ceil(request["outdirMin"]),
        }


def _process() -> str:
    return f"{socket.gethostname()}-{os.getpid()}"


def _bound(limits: Limits) -> None:
    """The size of single files, by the kernel; programs inherit it."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    most = limits.file_size if hard == resource.RLIM_INFINITY else min(limits.file_size, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _confine(roots: Roots) -> None:
    """Keep Toil's own reading of files, for expressions of a workflow, to the folders of the job."""
    from toil.cwl import cwltoil

    class Confined(cwltoil.ToilFsAccess):  # type: ignore[misc]
        def _abs(self, path: str, mutable: bool = False) -> str:
            return roots.check(super()._abs(path, mutable))

        def open(self, fn: str, mode: str) -> Any:
            _local(fn)
            return super().open(fn, mode)

        def exists(self, path: str) -> bool:
            _local(path)
            return bool(super().exists(path))

    cwltoil.ToilFsAccess = Confined


def _local(address: str) -> None:
    if "://" in address and not address.startswith(("file://", "toilfile:", "toildir:")):
        raise WorkflowException(f"{address} was not staged before the run.")
