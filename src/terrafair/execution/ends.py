"""Programs that were ended since they took more than a job may, in words."""

from terrafair.errors import TerrafairError, TimedOut, WorkflowFailed
from terrafair.execution.command import Limits
from terrafair.execution.process import Exit


def exceeded(ended: Exit, timeout: float | None, limits: Limits) -> TerrafairError | None:
    """Why a program was ended, where it was for one of its limits; `timeout` is the job's own wish."""
    match ended.ended:
        case "timeout":
            return TimedOut(
                f"The job took longer than its limit of {min(timeout or 1e9, limits.seconds):g} s.",
                remedy="Give it less to do, or ask for more time (--timeout).",
            )
        case "memory":
            return WorkflowFailed(
                f"The job took more than its limit of {limits.memory / 2**30:.1f} GiB of memory.",
                remedy="Give it less to do at a time: a smaller area, fewer dates.",
            )
        case "processes":
            return WorkflowFailed(
                f"The job started more than its limit of {limits.processes} processes.",
                remedy="Let it start fewer at a time.",
            )
        case "disk":
            return WorkflowFailed(
                f"The job wrote more than its limit of {limits.disk / 2**30:.1f} GiB to disk.",
                remedy="Give it less to do at a time, or let it delete what it no longer needs.",
            )
        case "depth":
            return WorkflowFailed(
                "The job put folders in folders, deeper than a path can tell.", remedy="Let it put them side by side."
            )
        case "files":
            return WorkflowFailed(
                f"The job made more than its limit of {limits.files} files.",
                remedy="Let it write fewer, larger ones: larger chunks, archives.",
            )
    return None
