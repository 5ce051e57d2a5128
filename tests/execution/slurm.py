"""A real Slurm of one node on this machine: munged, slurmctld and slurmd, each a process of its own."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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
KillWait=5
SlurmdParameters=config_overrides
NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=4 RealMemory=8000 State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""


@contextmanager
def cluster(folder: Path) -> Iterator[Path]:
    """Gives the settings file, for SLURM_CONF; skips where Slurm is not installed."""
    if missing := [name for name in PROGRAMS if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]:
        pytest.skip(f"Slurm is not installed (apt install slurm-wlm munge): {missing[0]} is missing")
    if os.geteuid() != 0:
        pytest.skip("Slurm's daemons run as root")
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o700)
    (folder / "munge/key").touch(mode=0o600)
    (folder / "munge/key").write_bytes(os.urandom(1024))
    host = socket.gethostname().partition(".")[0]
    file = folder / "slurm.conf"
    control, node = _free(), _free()
    file.write_text(SETTINGS.format(host=host, folder=folder, control=control, node=node))
    surroundings = {**os.environ, "SLURM_CONF": str(file), "PATH": f"{os.environ['PATH']}:/usr/sbin"}
    munge = [f"--{name}={folder}/munge/{name.partition('-')[0]}" for name in ("key-file", "pid-file", "log-file")]
    daemons = [
        [
            "munged",
            "--foreground",
            "--force",
            *munge,
            f"--socket={folder}/munge/socket",
            f"--seed-file={folder}/munge/s",
        ],
        ["slurmctld", "-D", "-f", str(file)],
        ["slurmd", "-D", "-N", "node1", "-f", str(file)],
    ]
    with ExitStack() as stack:
        log = stack.enter_context((folder / "daemons.log").open("wb"))
        for command in daemons:
            process = subprocess.Popen(command, env=surroundings, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            stack.callback(_end, process)
            _until((folder / "munge/socket").exists, folder)
        _until(lambda: "idle" in _asked(["sinfo", "--noheader", "--format=%t"], surroundings), folder)
        yield file


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
