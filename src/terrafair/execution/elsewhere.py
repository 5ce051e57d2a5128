"""What a job's programs take on other machines, told by the part of an engine that runs outside of the sandbox.

It stands in the job's own folder, where no sandboxed program can write, and is read however the job has ended.
"""

import json
import math
from pathlib import Path

from terrafair.execution.job import Usage

FILE = "elsewhere.json"
TEMPORARY = 75
"""Exit status of an engine's child for which the infrastructure is to blame (EX_TEMPFAIL): the job is tried again."""
CLUSTER_AWAY = "cluster-away"
"""Code of problems for which the scheduler of a cluster is to blame."""


def write(path: Path, cpu_seconds: float, peak_memory: int) -> None:
    """Keep the sums so far."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps({"cpu_seconds": round(cpu_seconds, 3), "peak_memory": peak_memory}), "utf-8")
    partial.replace(path)


def read(folder: Path) -> Usage:
    """The sums of an attempt; nothing where all ran on one machine."""
    try:
        document = json.loads((folder / FILE).read_text("utf-8"))
        seconds, memory = float(document["cpu_seconds"]), int(document["peak_memory"])
    except (OSError, ValueError, TypeError, KeyError):
        return Usage()
    return Usage(0.0, seconds, memory) if math.isfinite(seconds) and seconds >= 0 <= memory else Usage()
