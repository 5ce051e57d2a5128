"""Slurm through Toil: batch jobs bear their step's name, and are found again by it."""

import re
import subprocess
from typing import Any

from terrafair.execution.engines.cwl.batch.asking import slurm_away
from terrafair.execution.engines.cwl.batch.eyes import Eyes

SECONDS = 20


def watched(kind: Any, eyes: Eyes) -> Any:
    """Toil's class with our names, and with our word on what Slurm refuses."""
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
                # The last that Toil has asked is the accounting, whose words say little where a Slurm has none.
                eyes.silent(slurm_away() or str(fault.stderr or fault))
                raise

    class Slurm(kind):  # type: ignore[misc]
        GridEngineThread = Thread

    return Slurm


def batch_name(job: str, step: str) -> str:
    """Name of a batch job; what stands before the slash finds all of one job."""
    return f"terrafair-{job}/{re.sub(r'[^A-Za-z0-9_.-]', '_', step)[:80]}"


def look(eyes: Eyes) -> None:
    """Tell why steps wait; raises what `squeue` raises."""
    mark = batch_name(eyes.job, "")
    for row in _queue("%T|%r|%j"):
        state, reason, name = row.split("|", 2)
        if state == "PENDING" and name.startswith(mark):
            eyes.waits(name.removeprefix(mark), reason)


def end(job: str) -> list[str]:
    """End all batch jobs of a job, whoever has started them; gives their numbers."""
    found: list[str] = []
    mark = batch_name(job, "")
    while True:
        rows = (row.partition("|") for row in _queue("%A|%j"))
        fresh = sorted({number for number, _, name in rows if name.startswith(mark)} - set(found))
        if not fresh:
            return found
        subprocess.run(["scancel", *fresh], capture_output=True, timeout=SECONDS, check=True)
        found += fresh


def _queue(columns: str) -> list[str]:
    line = ["squeue", "--noheader", "--me", f"--format={columns}"]
    return subprocess.run(line, capture_output=True, text=True, timeout=SECONDS, check=True).stdout.splitlines()
