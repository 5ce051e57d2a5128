"""Which Dask cluster computes cubes: a scheduler that is there, or one that is asked for and found again.

| setting `dask_scheduler` | cluster |
| --- | --- |
| empty, `local` | threads of the job's own process |
| `tcp://HOST:PORT`, `tls://HOST:PORT` | a scheduler that the site keeps |
| `gateway:https://HOST` | one of a dask-gateway |
| `slurm`, `pbs`, `lsf`, `sge`, `oar`, `moab`, `htcondor` | workers in the queue of a batch system, by dask-jobqueue |

The last two are started by `cluster_process`, outside of any sandbox: whoever may ask a batch system for nodes may run
what he likes there. Jobs get the scheduler's address alone.
"""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil

from terrafair.errors import InvalidInput, Unreachable

QUEUES = {
    "slurm": "SLURMCluster",
    "pbs": "PBSCluster",
    "lsf": "LSFCluster",
    "sge": "SGECluster",
    "oar": "OARCluster",
    "moab": "MoabCluster",
    "htcondor": "HTCondorCluster",
}
SCHEMES = ("tcp", "tls", "ucx", "ucxx", "ws", "wss", "inproc")
GATEWAY = "gateway:"
ASKED = "asked"
"""Its time says when a job has last asked for the cluster."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a job reaches a scheduler."""

    address: str
    key: str = field(default="", repr=False)
    """PEM of a gateway's cluster; empty: none is needed."""
    certificate: str = ""
    patience: int = 0
    """Seconds that it may be silent before a job gives up."""

    def document(self) -> dict[str, Any]:
        """As it travels to the job's own process."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Wanted:
    """The settings `dask_scheduler` and `dask_options`, understood."""

    kind: str
    """`local`, `address`, `gateway`, or a name in `QUEUES`."""
    address: str = ""
    minimum: int = 0
    maximum: int = 4
    idle_seconds: int = 600
    """A cluster that no job has used for so long is ended."""
    patience: int = 300
    """Seconds that a scheduler may be silent before a job gives up."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of dask-jobqueue's class, or a gateway's options of clusters and `auth`, `username`, `password_file`,
    `proxy_address`."""

    @classmethod
    def read(cls, scheduler: str, options: Mapping[str, Any]) -> "Wanted":
        """Raises `InvalidInput` that names the setting."""
        kind, address = _kind(scheduler.strip())
        own = {"minimum": 0, "maximum": 4, "idle_seconds": 600, "patience": 300}
        for name in own:
            if name in options:
                own[name] = _whole(name, options[name])
        if own["maximum"] < max(1, own["minimum"]):
            raise InvalidInput(
                f"dask_options: maximum is {own['maximum']}.", remedy="Give at least 1, and not less than minimum."
            )
        return cls(kind, address, **own, options={name: value for name, value in options.items() if name not in own})


def _kind(scheduler: str) -> tuple[str, str]:
    if scheduler in {"", "local"}:
        return "local", ""
    if scheduler in QUEUES:
        return scheduler, ""
    if scheduler.startswith((f"{GATEWAY}http://", f"{GATEWAY}https://")):
        return "gateway", scheduler.removeprefix(GATEWAY)
    if scheduler.partition("://")[0] in SCHEMES and scheduler.partition("://")[2]:
        return "address", scheduler
    raise InvalidInput(
        f"The setting dask_scheduler is {scheduler!r}.",
        f"It takes local, tcp://HOST:PORT, gateway:https://HOST, or one of {', '.join(QUEUES)}.",
        "Mend TERRAFAIR_DASK_SCHEDULER.",
    )


def _whole(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value) or value < 0:
        raise InvalidInput(f"dask_options: {name} is {value!r}.", remedy="It takes a whole number.")
    return int(value)


class Clusters:
    """Gives jobs their scheduler."""

    def __init__(self, wanted: Wanted, folder: Path) -> None:
        self._wanted = wanted
        self._folder = folder

    @property
    def remote(self) -> bool:
        """Whether jobs compute elsewhere at all."""
        return self._wanted.kind != "local"

    def access(self) -> Access | None:
        """The scheduler of a job that begins; None: its own threads.

        Starts a cluster where none runs that was asked for with the same settings, or finds the one that an earlier
        process of this platform has started. Raises `Unreachable` with what is wrong.
        """
        if self._wanted.kind == "local":
            return None
        if self._wanted.kind == "address":
            return Access(self._wanted.address, patience=self._wanted.patience)
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._folder):
            found = replace(self._running() or self._started(), patience=self._wanted.patience)
            # From here on it stays until the job has had the time to come.
            (self._folder / ASKED).touch()
            return found

    def _running(self) -> Access | None:
        state = read(self._folder / "cluster.json")
        if not state or state["order"] != _order(self._wanted) or not lives(state["pid"], state["born"]):
            return None
        return Access(**state["access"])

    def _started(self) -> Access:
        _write(self._folder / "order.json", _order(self._wanted))
        (self._folder / "cluster.json").unlink(missing_ok=True)
        with (self._folder / "cluster.log").open("wb") as log:
            # It returns when the cluster is there, or failed; a process of its own then stays.
            subprocess.run(
                [sys.executable, "-P", "-m", f"{__package__}.cluster_process", str(self._folder)],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )
        if found := self._running():
            return found
        log_end = (self._folder / "cluster.log").read_text("utf-8", "replace").strip().splitlines()[-1:]
        name = self._wanted.address or self._wanted.kind
        raise Unreachable(
            f"The Dask cluster of {name} does not start.",
            "".join(log_end)[-400:],
            f"See {self._folder / 'cluster.log'}, and the settings dask_scheduler and dask_options.",
        )


def _order(wanted: Wanted) -> dict[str, Any]:
    # As it reads from the file.
    order: dict[str, Any] = json.loads(json.dumps(asdict(wanted)))
    return order


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Nobody asks for the cluster, or ends it, meanwhile."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def read(file: Path) -> dict[str, Any]:
    """A table; empty where there is none."""
    try:
        found: dict[str, Any] = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def tell(folder: Path, access: Access) -> None:
    """Say that this process keeps a cluster; called by `cluster_process`."""
    own = psutil.Process()
    state = {"order": read(folder / "order.json"), "access": access.document(), "pid": own.pid}
    _write(folder / "cluster.json", {**state, "born": own.create_time()})


def lives(pid: int, born: float) -> bool:
    """Whether the process is the one that was started; a pid alone may meanwhile be somebody else's."""
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - born) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _write(file: Path, table: Mapping[str, Any]) -> None:
    fresh = file.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump(table, out)
    fresh.replace(file)
