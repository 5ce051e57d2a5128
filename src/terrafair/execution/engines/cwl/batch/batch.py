"""Who runs the steps of CWL workflows, as the settings say it.

| setting | value |
| --- | --- |
| `cwl_runner` | `cwltool`: steps run in the job's sandbox; `toil`: a batch system runs them |
| `cwl_batch_system` | of Toil: `single_machine`, `slurm`, `kubernetes` |
| `cwl_options` | what the batch system is told |
"""

import importlib.metadata
import importlib.util
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from terrafair.config import Config
from terrafair.errors import InvalidInput
from terrafair.execution.engines.launch import search_path

RUNNERS = ("cwltool", "toil")
SYSTEMS = ("single_machine", "slurm", "kubernetes")
PROGRAMS = {"slurm": ("sbatch", "squeue", "scancel", "scontrol", "sinfo"), "kubernetes": (), "single_machine": ()}
"""What each batch system is asked with."""
_OPTIONS: Mapping[str, tuple[str, ...]] = {
    "": ("environment", "isolation", "max_cores", "default_memory", "max_jobs", "patience", "toil"),
    "single_machine": (),
    "slurm": ("partition", "qos", "time", "arguments"),
    "kubernetes": ("image", "service_account", "pod_timeout", "pod"),
}
_INHERITED = ("SLURM_CONF", "KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")
"""Variables of the platform that say where the batch system is."""
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch system, and what it is told of our steps."""

    system: str
    isolated: bool = True
    """Whether each step runs in bubblewrap on its node."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables more for whatever asks the batch system, and for the nodes; steps do not see them."""
    max_cores: int = 0
    """The most that one step gets; 0: what it asks for."""
    default_memory: int = 0
    """Bytes for a step that asks for none; 0: as much as a job may have, on one machine CWL's own 256 MiB."""
    patience: int = 300
    """Seconds that a batch system may be silent."""
    arguments: tuple[str, ...] = ()
    """Of Toil."""
    pod: Mapping[str, Any] = field(default_factory=dict)
    """Laid over the specification of each pod; `container` of its container."""

    @property
    def elsewhere(self) -> bool:
        """Whether the programs of steps are no children of the job's own process."""
        return self.system != "single_machine"

    def surroundings(self, outside: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Variables by which the batch system is found."""
        return {**{name: outside[name] for name in _INHERITED if name in outside}, **self.environment}

    def around(self, own: Mapping[str, str]) -> dict[str, str]:
        """The surroundings of whatever asks the batch system; folders of programs come before the system's."""
        found = {**own, **self.surroundings()}
        if path := self.environment.get("PATH"):
            found["PATH"] = f"{path}{os.pathsep}{own.get('PATH', '')}".rstrip(os.pathsep)
        return found

    def order(self) -> dict[str, Any]:
        """What the job's own process has to know, as JSON has it."""
        return {
            "system": self.system,
            "elsewhere": self.elsewhere,
            "isolated": self.isolated,
            "max_cores": self.max_cores,
            "default_memory": self.default_memory,
            "patience": self.patience,
            "arguments": list(self.arguments),
            "pod": dict(self.pod),
            "toil": importlib.metadata.version("toil"),
        }

    def missing(self) -> str:
        """What this machine lacks to ask it, in words; empty: nothing."""
        if not importlib.util.find_spec("toil"):
            return "Toil is not installed. Install terrafair with the extra `toil`."
        if self.system == "kubernetes" and not importlib.util.find_spec("kubernetes"):
            return "Toil's client of Kubernetes is not installed. Install terrafair with the extra `toil`."
        return lacking(self.system, self.around({"PATH": search_path()})["PATH"])


def lacking(system: str, path: str) -> str:
    """What a PATH lacks to ask a batch system, in words; empty: nothing."""
    absent = [name for name in PROGRAMS[system] if not shutil.which(name, path=path)]
    if not absent:
        return ""
    what = f"{', '.join(absent)} of {system} are not on the PATH."
    return f"{what} Install its client, or name its folder in cwl_options.environment.PATH."


def read(runner: str, system: str, options: Mapping[str, Any], *, isolated: bool = True) -> Batch | None:
    """The three settings, understood; None: cwltool in the job's sandbox. Raises `InvalidInput` that names one."""
    if runner not in RUNNERS:
        raise InvalidInput(
            f"The setting cwl_runner is {runner!r}.", f"It takes {' or '.join(RUNNERS)}.", "Mend TERRAFAIR_CWL_RUNNER."
        )
    if system not in SYSTEMS:
        raise InvalidInput(
            f"The setting cwl_batch_system is {system!r}.",
            f"It takes one of {', '.join(SYSTEMS)}.",
            "Mend TERRAFAIR_CWL_BATCH_SYSTEM.",
        )
    known = (*_OPTIONS[""], *_OPTIONS[system])
    if unknown := sorted(set(options) - set(known)):
        raise _wrong(unknown[0], options[unknown[0]], f"With {system} there are: {', '.join(known)}.")
    if runner == "cwltool":
        return None
    isolation = options.get("isolation", "bubblewrap")
    if isolation not in {"bubblewrap", "none"}:
        raise _wrong("isolation", isolation, "It takes bubblewrap or none.")
    image, pod = _text("image", options), _table("pod", options)
    if system == "kubernetes":
        if not image:
            raise InvalidInput("cwl_options: there is no image.", "Pods need one that has this release of terrafair.")
        pod["container"] = {"image": image, **_table("container", pod)}
    return Batch(
        system,
        isolated and isolation == "bubblewrap",
        {name: str(value) for name, value in _table("environment", options).items()},
        _whole("max_cores", options, 0),
        _bytes(options.get("default_memory", 0)),
        _whole("patience", options, 300),
        (*_arguments(system, options), *_list("toil", options)),
        pod,
    )


def batch_of(config: Config) -> Batch | None:
    """As the platform's settings say it."""
    isolated = config.isolation != "none"
    return read(config.cwl_runner, config.cwl_batch_system, config.cwl_options, isolated=isolated)


def _arguments(system: str, options: Mapping[str, Any]) -> list[str]:
    """Options of Toil; each value is a word of its own, so that none of it is read as another option."""
    most = _whole("max_jobs", options, 0)
    line = [f"--maxJobs={most}"] if most else []
    if system == "slurm":
        names = {"partition": "--slurmPartition", "qos": "--slurmQOS", "time": "--slurmTime"}
        line += [f"{option}={value}" for name, option in names.items() if (value := _text(name, options))]
        line += [f"--slurmArgs={' '.join(more)}"] if (more := _list("arguments", options)) else []
    if system == "kubernetes":
        line += [f"--kubernetesServiceAccount={value}"] if (value := _text("service_account", options)) else []
        line += [f"--kubernetesPodTimeout={_whole('pod_timeout', options, 120)}"]
    return line


def _wrong(name: str, value: Any, takes: str) -> InvalidInput:
    return InvalidInput(f"cwl_options: {name} is {value!r}.", takes, "Mend TERRAFAIR_CWL_OPTIONS.")


def _text(name: str, options: Mapping[str, Any]) -> str:
    value = options.get(name, "")
    if not isinstance(value, str):
        raise _wrong(name, value, "It takes a text.")
    return value.strip()


def _list(name: str, options: Mapping[str, Any]) -> Sequence[str]:
    value = options.get(name, ())
    if isinstance(value, str) or not isinstance(value, Sequence) or not all(isinstance(each, str) for each in value):
        raise _wrong(name, value, 'It takes a list of texts, ["--account=eo"].')
    return tuple(value)


def _table(name: str, options: Mapping[str, Any]) -> dict[str, Any]:
    value = options.get(name, {})
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "It takes a table.")
    return dict(value)


def _whole(name: str, options: Mapping[str, Any], default: int) -> int:
    value = options.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise _wrong(name, value, "It takes a whole number.")
    return value


def _bytes(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", value.strip().lower()) if isinstance(value, str) else None
    if not found:
        raise _wrong("default_memory", value, 'It takes bytes, or a text like "4 GB".')
    return int(found[1]) * _UNITS[found[2]]
