"""A real Slurm of one node on this machine: munged, slurmctld and slurmd, each a process of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sinfo")
SETTINGS = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={node}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
JobRequeue=0
KillWait=5
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


@dataclass
class Slurm:
    """Daemons that can be killed and started again."""

    folder: Path
    file: Path
    """Its settings, for SLURM_CONF."""
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def surroundings(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.file), "PATH": f"{os.environ['PATH']}:/usr/sbin"}

    def start(self, name: str) -> None:
        munge = self.folder / "munge"
        kept = [f"--{name}-file={munge}/{name}" for name in ("key", "pid", "log", "seed")]
        arguments = {
            "munged": ["--foreground", "--force", *kept, f"--socket={munge}/socket"],
            "slurmctld": ["-D", "-f", str(self.file)],
            "slurmd": ["-D", "-N", "node1", "-f", str(self.file)],
        }
        with (self.folder / "daemons.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [name, *arguments[name]], env=self.surroundings, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )

    def kill(self, name: str) -> None:
        """As a host that loses its power."""
        process = self._running.pop(name)
        process.kill()
        process.wait(20)

    def control(self, *command: str) -> bool:
        """As its operator does by `scontrol`; gives whether it was taken."""
        line = ["scontrol", *command]
        return subprocess.run(line, env=self.surroundings, capture_output=True, timeout=20, check=False).returncode == 0

    def up(self) -> bool:
        """Whether a node takes jobs."""
        states = _asked(["sinfo", "--noheader", "--format=%t"], self.surroundings).split()
        return not {"idle", "mix", "alloc"}.isdisjoint(states)

    def await_nodes(self) -> None:
        """Until one takes jobs."""
        _until(self.up, self.folder)

    def end(self) -> None:
        for process in reversed(self._running.values()):
            _end(process)


@contextmanager
def cluster(folder: Path) -> Iterator[Slurm]:
    """Skips where Slurm is not installed."""
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]:
        pytest.skip(f"Slurm is not installed (apt install slurm-wlm munge): {missing[0]} is missing")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons run as root")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge/key").touch(mode=0o600)
    (folder / "munge/key").write_bytes(os.urandom(1024))
    host = socket.gethostname().partition(".")[0]
    made = Slurm(folder, folder / "slurm.conf")
    made.file.write_text(SETTINGS.format(host=host, folder=folder, control=_free(), node=_free()))
    try:
        for name in ("munged", "slurmctld", "slurmd"):
            made.start(name)
            _until((folder / "munge/socket").exists, folder)
        made.await_nodes()
        yield made
    finally:
        made.end()


def jobs(file: Path) -> list[str]:
    """States of the jobs that the queue has."""
    return _asked(["squeue", "--noheader", "--format=%T"], {**os.environ, "SLURM_CONF": str(file)}).split()


def _asked(command: list[str], surroundings: dict[str, str]) -> str:
    return subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False).stdout


def _until(reached: object, folder: Path) -> None:
    assert callable(reached)
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline, (folder / "daemons.log").read_text()[-2000:]
        time.sleep(0.1)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(20)


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
