"""Toil's batch systems with our eyes on them: jobs have names, refusals have reasons, and none starts after the end."""

from typing import Any

from terrafair.execution.engines.cwl.batch import pods, slurm
from terrafair.execution.engines.cwl.batch.eyes import Eyes

NAME = "terrafair"
"""Of our batch system among Toil's."""


def register(system: str, eyes: Eyes) -> None:
    """Make Toil know the batch system by the name `NAME`."""
    from toil.batchSystems.registry import add_batch_system_factory, get_batch_system

    makers = {"slurm": slurm.watched, "kubernetes": pods.watched}
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


def end(system: str, job: str) -> list[str]:
    """End all batch jobs of a job, whoever has started them; gives their names. Raises what the client raises."""
    if system == "slurm":
        return slurm.end(job)
    return pods.end(job) if system == "kubernetes" else []


def look(system: str, eyes: Eyes) -> None:
    """Tell why steps wait, where the batch system says it."""
    if system == "slurm":
        slurm.look(eyes)
