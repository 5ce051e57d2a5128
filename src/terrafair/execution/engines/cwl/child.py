"""Runs a CWL process inside the sandbox: `python -m terrafair.execution.engines.cwl.child TASK.json`."""

import json
import logging
import math
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from terrafair.errors import InvalidInput, Problem, TerrafairError
from terrafair.execution.command import Limits
from terrafair.execution.engines.cwl.bundle import ROOT, Bundle
from terrafair.execution.engines.cwl.confined import Roots
from terrafair.execution.engines.cwl.document import clean, load, processes, tools
from terrafair.execution.engines.cwl.isolation import Isolation, find, use_node
from terrafair.execution.engines.cwl.stage_out import StageOut
from terrafair.execution.engines.cwl.steps import Steps
from terrafair.execution.engines.report import Report
from terrafair.execution.podman import Podman
from terrafair.execution.task import JobFolder, Outcome, Task


def main(path: str) -> int:
    """Work off the task and write the outcome."""
    task = Task.read(Path(path))
    folder, report = JobFolder(Path(task.folder)), Report()
    try:
        outcome = run(task, folder, report)
    except TerrafairError as fault:
        outcome = Outcome(False, fault.problems)
    for problem in outcome.problems:
        report.say(str(problem), "error")
    outcome.write(folder.outcome)
    return 0 if outcome.successful else 1


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """Load, execute, stage out."""
    steps = _steps(task, folder, report)
    heard = Heard(report, {str(folder.path): ""})
    process, _ = loaded(task, folder, steps, heard)
    begun = time.monotonic()
    produced, status = _execute(process, task, folder, steps, heard)
    return concluded(task, folder, steps, heard, produced, status, begun)


def loaded(task: Task, folder: JobFolder, steps: Steps, heard: "Heard") -> tuple[Any, Bundle]:
    """Give the process with our own steps in it, its files led to their local copies, and its documents."""
    bundle = read_bundle(task, folder)
    process = load(bundle, task.entry, steps.make_tool)
    # `load` silences cwltool for the platform; from here on its errors are evidence.
    logging.getLogger("cwltool").addHandler(heard)
    steps.expected = max(1, sum(1 for _ in tools(process)))
    for each in processes(process):
        _localise(each.tool, folder, bundle, task)
        for step in getattr(each, "steps", ()):
            _localise(step.tool, folder, bundle, task)
    return process, bundle


def concluded(
    task: Task,
    folder: JobFolder,
    steps: Steps,
    heard: "Heard",
    produced: Any,
    status: str,
    begun: float,
    **beside: Any,
) -> Outcome:
    """Stage out what was made, or say why there is nothing."""
    details = {
        "seconds": round(time.monotonic() - begun, 3),
        "steps": steps.done,
        "images": task.options.get("images", {}),
        "lock": task.options.get("lock", ""),
        "environment": task.options.get("environment", ""),
        **beside,
    }
    if status != "success":
        problems = steps.problems[:1] or heard.problems[:1]
        return Outcome(False, tuple(problems or [Problem("The workflow failed and gave no reason.")]), details=details)
    places = (folder.work, folder.inputs, folder.application, *map(Path, task.options.get("readable", ())))
    out = StageOut(folder.outputs, places)
    out.run(produced or {})
    for name in out.left_out:
        steps.report.say(f"The output {name} leads outside the job's folders and is left out.", "warning")
    shutil.rmtree(folder.work / "steps", ignore_errors=True)
    steps.report.progress(1.0)
    return Outcome(True, (), out.paths, {**details, "values": out.values})


def read_bundle(task: Task, folder: JobFolder) -> Bundle:
    """Read the documents that `prepare` gathered."""
    places: Mapping[str, str] = task.options["documents"]
    return Bundle(task.options["main"], {url: (folder.application / path).read_bytes() for url, path in places.items()})


class Heard(logging.Handler):
    """cwltool's messages: errors are kept as the reason, warnings go to the log."""

    def __init__(self, report: Report, replace: Mapping[str, str]) -> None:
        super().__init__(logging.WARNING)
        self._report, self._replace = report, replace
        self.problems: list[Problem] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Take one message, without tracebacks."""
        text = clean(record.getMessage(), self._replace)
        if record.levelno >= logging.ERROR:
            self.hear(text)
        elif "completed permanentFail" not in text and "exited with status" not in text:
            self._report.say(text, "warning")

    def hear(self, text: str) -> None:
        """Keep an error."""
        self.problems.append(Problem(f"The workflow failed: {text}", code="workflow-failed"))


def _steps(task: Task, folder: JobFolder, report: Report) -> Steps:
    options = task.options
    limits = Limits(**options["limits"])
    isolation, podman = None, None
    if engine := options.get("podman"):
        podman = Podman(engine["program"], engine["runtime"], tuple(engine["options"]))
        shown = (folder.path, *map(Path, options.get("readable", ())))
        isolation = Isolation(program, shown) if (program := find()) else None
    if node := options.get("node"):
        use_node(node, isolation.line() if isolation else ())
    return Steps(report, options["images"], options["bin"], 1, podman, limits, isolation, task.job)


def _execute(process: Any, task: Task, folder: JobFolder, steps: Steps, heard: Heard) -> tuple[Any, str]:
    from cwltool.executors import MultithreadedJobExecutor

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    context = contained(folder, (folder.path, *map(Path, task.options.get("readable", ()))))
    context.podman = steps.podman is not None
    context.select_resources = resources(steps.limits, cores)
    executor = MultithreadedJobExecutor(cores)
    executor.max_ram = math.ceil(steps.limits.memory / 2**20)
    try:
        return executor.execute(process, json.loads(json.dumps(task.values)), context)
    except InvalidInput:
        raise
    except Exception as fault:  # cwltool wraps everything, and not always in its own kinds
        if not steps.problems:
            heard.problems.insert(0, Problem(f"The workflow failed: {clean(str(fault), {str(folder.path): ''})}"))
        return None, "permanentFail"


def contained(folder: JobFolder, readable: Sequence[Path]) -> Any:
    """Give cwltool's context of a run that reads these folders and makes its own in the job's."""
    from cwltool.context import RuntimeContext

    # Never inside `outputs`: cwltool deletes its own folders at the end, and what lies in them.
    for name in ("steps", "tmp"):
        (folder.work / name).mkdir(exist_ok=True)
    context = RuntimeContext(
        {
            "basedir": str(folder.work),
            "tmp_outdir_prefix": f"{folder.work}/steps/",
            "tmpdir_prefix": f"{folder.work}/tmp/",
            "use_container": False,
            "rm_tmpdir": False,
            "compute_checksum": False,
            "strict_memory_limit": False,
            "eval_timeout": 60,
        }
    )
    roots = Roots(readable)
    context.make_fs_access = roots.file_access()
    context.path_mapper = roots.path_mapper()
    return context


def resources(limits: Limits, cores: int) -> Any:
    """Give what a step gets for what it asks: cores as far as there are, memory within the job's limit."""
    from cwltool.errors import WorkflowException

    most = math.ceil(limits.memory / 2**20)

    def select(request: Mapping[str, float], _context: Any) -> dict[str, float]:
        if request["ramMin"] > most:
            raise WorkflowException(
                f"A step asks for {math.ceil(request['ramMin'])} MiB of memory; a job here may have {most} MiB."
            )
        return {
            "cores": max(1, min(math.ceil(request["coresMax"]), cores)),
            "ram": min(math.ceil(request["ramMax"]), most),
            "tmpdirSize": math.ceil(request["tmpdirMin"]),
            "outdirSize": math.ceil(request["outdirMin"]),
        }

    return select


def _localise(tool: Any, folder: JobFolder, bundle: Bundle, task: Task) -> None:
    """Lead the files that the document itself names (defaults) to their local copies."""
    from cwltool.utils import visit_class

    def localise(entry: Any) -> None:
        location = str(entry.get("location") or entry.get("path") or "")
        if location in bundle.documents:
            entry["location"] = (folder.application / task.options["documents"][location]).as_uri()
        elif location.startswith(ROOT):
            entry["location"] = (folder.application / unquote(location.removeprefix(ROOT))).as_uri()
        entry.pop("path", None)

    visit_class(tool, ("File", "Directory"), localise)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
