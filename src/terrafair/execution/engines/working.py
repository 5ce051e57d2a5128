"""What every engine's child does around its own work: read the task, tell what went wrong, leave the outcome."""

from collections.abc import Callable
from pathlib import Path

from terrafair.execution.elsewhere import CLUSTER_AWAY, TEMPORARY
from terrafair.execution.engines.report import Report
from terrafair.execution.task import JobFolder, Outcome, Task

Run = Callable[[Task, JobFolder, Report], Outcome]


def work_off(path: str, run: Run) -> int:
    """Run the task at `path` and write its outcome; gives the exit status."""
    task = Task.read(Path(path))
    folder, report = JobFolder(Path(task.folder)), Report()
    outcome = run(task, folder, report)
    for problem in outcome.problems:
        report.say(str(problem), "error")
    outcome.write(folder.outcome)
    if any(problem.code == CLUSTER_AWAY for problem in outcome.problems):
        return TEMPORARY
    return 0 if outcome.successful else 1
