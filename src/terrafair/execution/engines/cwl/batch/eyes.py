"""What a job's own process hears of its batch jobs, and what each of them is called."""

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.errors import Problem

INFRASTRUCTURE = "batch-infrastructure"
"""Code of problems for which no user is to blame; the job is tried again."""
_AWAY = re.compile(
    r"unable to contact|connection (?:refused|timed out|reset)|timed out|not responding|munge|protocol authentication|"
    r"zero bytes|temporarily (?:unable|unavailable)|try again|slurm_load|communication|no route to host|"
    r"transport endpoint|unexpected message|max retries|service unavailable|gateway timeout|"
    r"etcdserver|too many requests",
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

    @property
    def expected(self) -> int:
        """Steps that were handed over so far, each part of a scatter for itself."""
        names = set(self.steps.values())
        return sum(re.sub(r"(_\d+)+$", "", name) in self.known or name in self.known for name in names)

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

    def silent(self, said: str) -> None:
        """It cannot be asked, which is told once a minute; whoever asks tries again."""
        if time.monotonic() - self._told > 60 or not self._told:
            self._told = time.monotonic()
            self.say(f"The batch system does not answer; trying again. It said: {' '.join(said.split())[:400]}")

    def refused(self, step: str, said: str) -> bool:
        """A batch job was not taken; whether trying again may help."""
        said = " ".join(said.split())[:400]
        if is_away(said):
            self.silent(said)
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


def is_away(said: str) -> bool:
    """Whether a client says that its batch system does not answer; trying again may help."""
    return bool(_AWAY.search(said))
