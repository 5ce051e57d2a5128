"""Toil's batch systems with our eyes on them: jobs have names, refusals have reasons, and none starts after the end."""

import json
import re
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import Problem

NAME = "terrafair"
"""Of our batch system among Toil's."""
_SECONDS = 20
_AWAY = re.compile(
    r"unable to contact|connection (?:refused|timed out|reset)|timed out|not responding|munge|protocol authentication|"
    r"zero bytes|temporarily (?:unable|unavailable)|try again|slurm_load|communication|no route to host|"
    r"transport endpoint|unexpected message|max retries|service unavailable|gateway timeout",
    re.IGNORECASE,
)
_HOPELESS = frozenset(
    {
        *("PartitionConfig", "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "AccountNotAllowed"),
        *("QOSNotAllowed", "InvalidAccount", "InvalidQOS", "AssocMaxCpuPerJobLimit", "AssocMaxMemPerJob"),
        *("QOSMaxCpuPerJobLimit", "QOSMaxMemoryPerJob", "QOSMaxWallDurationPerJobLimit"),
    }
)
"""Reasons for which Slurm keeps a job in its queue that will never change by themselves."""
_TOO_MUCH = re.compile(
    r"node configuration is not available|can ?not be satisfied|memory specification|cpu count|time limit|"
    r"more processors requested|exceed",
    re.IGNORECASE,
)


@dataclass(slots=True)
class Eyes:
    """What the job's own process hears of its batch jobs, and its word that there shall be no more."""

    job: str
    fail: Callable[[Problem], None]
    say: Callable[[str], None]
    pod: Mapping[str, Any] = field(default_factory=dict)
    known: Collection[str] = ()
    """Names of the workflow's steps."""
    steps: dict[int, str] = field(default_factory=dict)
    """Toil's number of a batch job -> the step."""
    ended: bool = False
    lock: threading.RLock = field(default_factory=threading.RLock)
    _told: float = 0.0
    _waits: dict[str, str] = field(default_factory=dict)

    def issued(self, number: int, names: Any) -> None:
        """A step goes to the batch system."""
        self.steps[number] = step_name(str(names.unit_name or names.job_name), self.known)

    def updated(self, number: int, reason: Any) -> None:
        """A batch job has ended; some ends are nobody's wish to try again."""
        step, kind = self.steps.get(number, "step"), getattr(reason, "name", "")
        if kind == "MEMLIMIT":
            why = "The batch system ended it: it took more memory than the step asks for."
            remedy = "Let the step ask for more (ResourceRequirement, ramMin), or give it less to do."
            self.fail(Problem(f"The step {step} was ended.", why, remedy, step, "step-memory"))
        elif kind == "TIMELIMIT":
            why = "The batch system ended it: its time was over."
            self.fail(Problem(f"The step {step} was ended.", why, "Give it less to do.", step, "step-time"))
        elif kind in {"LOST", "KILLED", "MISSING", "PARTITION"}:
            self.say(f"{step}: its batch job is gone ({kind.lower()}); it is started again.")

    def waits(self, step: str, reason: str) -> None:
        """A step is in the queue, and why; each reason is told once."""
        if reason in _HOPELESS:
            what = f"The step {step} would wait in the queue for ever: {reason}."
            remedy = "Let it ask for less (ResourceRequirement), or tell the operator: partition, account, limits."
            self.fail(
                Problem(what, "It asks for more than the batch system has or allows.", remedy, step, "step-resources")
            )
        elif self._waits.get(step) != reason and reason not in {"None", ""}:
            self._waits[step] = reason
            self.say(f"{step}: waits in the queue ({reason}).")

    def refused(self, step: str, said: str) -> bool:
        """A batch job was not taken; whether trying again may help."""
        said = " ".join(said.split())[:400]
        if _AWAY.search(said):
            if time.monotonic() - self._told > 60 or not self._told:
                self._told = time.monotonic()
                self.say(f"The batch system does not answer; trying again. It said: {said}")
            return True
        if _TOO_MUCH.search(said):
            what = f"The step {step} asks for more than the batch system has."
            self.fail(Problem(what, said, "Let it ask for less (ResourceRequirement).", step, "step-resources"))
        else:
            what = f"The batch system does not take the step {step}."
            remedy = "The operator looks at cwl_options: partition, account, quality of service."
            self.fail(Problem(what, said, remedy, step, "batch-refused"))
        return False


def step_name(unit: str, known: Collection[str]) -> str:
    """The step as people know it, of Toil's name for it: `flow.cwl.1.each` is the second of `each`."""
    dotted = f".{unit}."
    found = {name: place for name in known if (place := dotted.rfind(f".{name}.")) >= 0}
    if not found:
        return unit
    numbers = [int(part) + 1 for part in unit.split(".") if part.isdecimal()]
    name = max(found, key=lambda each: (found[each] + len(each), len(each)))
    # cwltool calls the first of a scatter by the step's own name.
    return "_".join([name, *map(str, numbers)]) if any(number > 1 for number in numbers) else name


def register(system: str, eyes: Eyes) -> None:
    """Make Toil know the batch system by the name `NAME`."""
    from toil.batchSystems.registry import add_batch_system_factory, get_batch_system

    makers = {"slurm": _slurm, "kubernetes": _kubernetes}
    watched = makers.get(system, lambda kind, _: kind)(get_batch_system(system), eyes)
    add_batch_system_factory(NAME, lambda: _seen(watched, eyes))


def _seen(kind: Any, eyes: Eyes) -> Any:
    class Seen(kind):  # type: ignore[misc]
        @classmethod
        def add_options(cls, parser: Any) -> None:
            """They are there already, by the batch system's own name."""

        def issueBatchJob(self, command: str, job_desc: Any, job_environment: Any = None) -> Any:  # noqa: N802
            number = super().issueBatchJob(command, job_desc, job_environment)
            eyes.issued(number, job_desc.get_names())
            return number

        def getUpdatedBatchJob(self, maxWait: int) -> Any:  # noqa: N802, N803
            update = super().getUpdatedBatchJob(maxWait)
            if update is not None and update.exitStatus:
                eyes.updated(update.jobID, update.exitReason)
            return update

    return Seen


def _slurm(kind: Any, eyes: Eyes) -> Any:
    from toil.lib.misc import CalledProcessErrorStderr

    class Thread(kind.GridEngineThread):  # type: ignore[misc]
        def prepareSubmission(self, *arguments: Any, **options: Any) -> list[str]:  # noqa: N802
            line = list(super().prepareSubmission(*arguments, **options))
            place = line.index("-J") + 1
            line[place] = batch_name(eyes.job, eyes.steps.get(arguments[3], "step"))
            return line

        def submitJob(self, subLine: list[str]) -> int:  # noqa: N802, N803
            with eyes.lock:
                if eyes.ended:
                    raise RuntimeError("The job has ended.")
                try:
                    return int(super().submitJob(subLine))
                except CalledProcessErrorStderr as fault:
                    step = subLine[subLine.index("-J") + 1].partition("/")[2]
                    eyes.refused(step, str(fault.stderr or fault))
                    raise

        def coalesce_job_exit_codes(self, batch_job_id_list: list[str]) -> Any:
            try:
                return super().coalesce_job_exit_codes(batch_job_id_list)
            except CalledProcessErrorStderr as fault:
                eyes.refused("", str(fault.stderr or fault))
                raise

    class Slurm(kind):  # type: ignore[misc]
        GridEngineThread = Thread

    return Slurm


def _kubernetes(kind: Any, eyes: Eyes) -> Any:
    class Kubernetes(kind):  # type: ignore[misc]
        def _create_pod_spec(self, *arguments: Any, **options: Any) -> Any:
            spec = super()._create_pod_spec(*arguments, **options)
            return overlaid(spec, eyes.pod)

    return Kubernetes


def overlaid(spec: Any, pod: Mapping[str, Any]) -> Any:
    """Lay the operator's part of a specification over Toil's: lists grow, tables merge, the rest is replaced."""
    from kubernetes.client import ApiClient

    client: Any = ApiClient()
    document = client.sanitize_for_serialization(spec)
    own = {name: value for name, value in pod.items() if name != "container"}
    document = _merged(document, own)
    document["containers"] = [_merged(each, pod.get("container", {})) for each in document["containers"]]
    return client.deserialize(json.dumps(document), "V1PodSpec", "application/json")


def _merged(ground: Any, over: Any) -> Any:
    if isinstance(ground, dict) and isinstance(over, Mapping):
        return {**ground, **{name: _merged(ground.get(name), value) for name, value in over.items()}}
    if isinstance(ground, list) and isinstance(over, list):
        return [*ground, *over]
    return over


def batch_name(job: str, step: str) -> str:
    """Name of a batch job; what stands before the slash finds all of one job."""
    return f"terrafair-{job}/{re.sub(r'[^A-Za-z0-9_.-]', '_', step)[:80]}"


def end(system: str, job: str) -> list[str]:
    """End all batch jobs of a job, whoever has started them; gives their numbers. Raises what the client raises."""
    if system == "slurm":
        return _end_slurm(job)
    return []


def look(system: str, eyes: Eyes) -> None:
    """Tell why steps wait."""
    if system == "slurm":
        mark = batch_name(eyes.job, "")
        for row in _queue("%T|%r|%j"):
            state, reason, name = row.split("|", 2)
            if state == "PENDING" and name.startswith(mark):
                eyes.waits(name.removeprefix(mark), reason)


def _end_slurm(job: str) -> list[str]:
    found: list[str] = []
    mark = batch_name(job, "")
    while True:
        rows = (row.partition("|") for row in _queue("%A|%j"))
        fresh = sorted({number for number, _, name in rows if name.startswith(mark)} - set(found))
        if not fresh:
            return found
        subprocess.run(["scancel", *fresh], capture_output=True, timeout=_SECONDS, check=True)
        found += fresh


def _queue(columns: str) -> list[str]:
    line = ["squeue", "--noheader", "--me", f"--format={columns}"]
    return subprocess.run(line, capture_output=True, text=True, timeout=_SECONDS, check=True).stdout.split()
