"""A Slurm that loses its controller or a node while steps of CWL run: each step's result arrives, once."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from terrafair.execution.engines.cwl.batch.batch import read

from .. import slurm
from .test_cwl import TOOL, resolution
from .test_cwl_batch import lean, make, running, started, until

pytest.importorskip("toil", reason="the extra `toil` is not installed")
__all__ = ["lean"]

HELD = """
          import os, time
          print('begun', flush=True)
          while not os.path.exists('GATE'):
              time.sleep(0.1)
          text = """


@pytest.fixture
def real(tmp_path: Path) -> Iterator[slurm.Slurm]:
    (tmp_path / "slurm").mkdir()
    with slurm.cluster(tmp_path / "slurm") as found:
        yield found


@pytest.mark.parametrize("lost", ["controller", "node"])
def test_what_runs_meanwhile_arrives(lost: str, tmp_path: Path, real: slurm.Slurm, lean: dict[str, str]) -> None:
    """Without its controller the step goes on and ends; with its node it is gone, and begins anew on the next."""
    gate = tmp_path / "j/gate"
    tool = TOOL.replace("          text = ", HELD.replace("GATE", str(gate)).lstrip("\n"), 1)
    environment = {**lean, "SLURM_CONF": str(real.file)}
    batch = read("toil", "slurm", {"environment": environment, "partition": "main", "default_memory": "500 MB"})
    (tmp_path / "a.txt").write_text("a")
    values: dict[str, Any] = {"source": str(tmp_path / "a.txt")}
    command, folder = started(make(tmp_path, batch), resolution(tool), values, gate.parent)
    said: list[str] = []
    with running(command) as process:
        lines = iter(process.stdout or ())
        await_line("begun", lines, said)
        if lost == "controller":
            # What a controller has not written down yet is lost to Slurm itself, and its node drains.
            begun = time.time()
            until(lambda: (real.folder / "state/job_state").stat().st_mtime > begun)
            real.kill("slurmctld")
            gate.touch()
            await_line("does not answer", lines, said)
            real.start("slurmctld")
        else:
            assert real.control("update", "NodeName=node1", "State=DOWN", "Reason=lost")
            # One that answers may have come back by itself, and is at work on the step again.
            until(lambda: real.control("update", "NodeName=node1", "State=RESUME") or real.up())
            gate.touch()
        real.await_nodes()
        said += lines
        assert process.wait(timeout=90) == 0, said
    assert sum("begun" in line for line in said) == (1 if lost == "controller" else 2), said
    made = [path.read_text() for path in folder.outputs.rglob("*") if path.is_file()]
    assert made == ["aa"]


def await_line(word: str, lines: Iterator[str], said: list[str]) -> None:
    for line in lines:
        said.append(line)
        if word in line:
            return
    raise AssertionError(said)
