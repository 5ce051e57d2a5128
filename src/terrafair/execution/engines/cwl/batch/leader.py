"""Toil's own part: a job of Toil for each step, with cwltool as in the sandbox, on folders that all nodes share."""

import copy
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from terrafair.errors import InvalidInput, Problem
from terrafair.execution.engines.cwl.batch import systems
from terrafair.execution.engines.cwl.batch.eyes import INFRASTRUCTURE, is_away
from terrafair.execution.engines.cwl.batch.node import NodeSteps, Share, restored
from terrafair.execution.engines.cwl.bundle import Bundle
from terrafair.execution.engines.cwl.child import contained
from terrafair.execution.engines.cwl.document import clean, processes
from terrafair.execution.engines.cwl.steps import StepTool

if TYPE_CHECKING:
    from terrafair.execution.engines.cwl.batch.child import Run

LOG = "toil.log"
RETRIES = 2
"""How often Toil starts a step again whose node or batch job was lost."""


def lead(process: Any, bundle: Bundle, run: "Run") -> tuple[Any, Problem | None]:
    """Run the process to its end; gives the output object, or why there is none."""
    from cwltool.utils import normalizeFilesDirs
    from toil.common import Toil
    from toil.cwl.cwltoil import makeJob, remove_pickle_problems, resolve_dict_w_promises

    run.eyes.known = run.follower.known = frozenset(_names(process))
    systems.register(run.settings["system"], run.eyes)
    steps = restored(run.order())
    for each in processes(process):
        if isinstance(each, StepTool):
            each.record = steps
        _only_ours(each, bundle)
    options = _options(run)
    context = _context(steps, run)
    order = json.loads(json.dumps(run.task.values))
    normalizeFilesDirs(order)
    _secondary(process, order, context)
    try:
        with Toil(options, workflow_name="terrafair") as toil:
            run.listen()
            root, _ = makeJob(remove_pickle_problems(process), {}, context, None, None)
            root.cwljob = order
            return resolve_dict_w_promises(toil.start(root)), None
    except InvalidInput:
        raise
    except Exception as fault:  # Toil's, cwltool's, and those of each batch system
        return None, _fault(fault, run)


def _names(process: Any) -> Iterator[str]:
    """Call each tool as its step, since Toil names jobs by their tools; gives the names."""
    for each in processes(process):
        for step in getattr(each, "steps", ()):
            name = str(step.tool["id"]).rpartition("#")[2].rpartition("/")[2]
            tool = step.embedded_tool
            # A copy: other steps may run the same document.
            tool.tool = copy.copy(tool.tool)
            tool.tool["id"] = f"{str(tool.tool['id']).partition('#')[0]}#{name}"
            yield name


def _fault(fault: Exception, run: "Run") -> Problem:
    """Why Toil gave up, where no step has said it."""
    text = clean(str(fault), {str(run.folder.path): ""})
    cause = clean(str(fault.__cause__ or ""))
    kind = type(fault).__name__
    if kind == "FailedJobsException":
        what = "Steps ended on their nodes without saying why."
        remedy = "Do the nodes see the job's folder and the platform's Python at the same paths?"
        return Problem(what, _last_words(run), remedy, code=INFRASTRUCTURE)
    if kind in {"InsufficientSystemResources", "JobTooBigError"}:
        return Problem("A step asks for more than the batch system has.", text, code="step-resources")
    lost = {"GridEngineThreadException", "CalledProcessErrorStderr", "ExceededRetryAttempts", "ApiException"}
    if kind in lost or (run.settings["elsewhere"] and is_away(text)):
        what = f"The batch system {run.settings['system']} does not answer."
        return Problem(what, cause or text, "Try again later, or tell the operator.", code=INFRASTRUCTURE)
    return Problem(f"The workflow failed: {text or kind}", code="workflow-failed")


def _last_words(run: "Run") -> str:
    """The last exception in Toil's log or in those of its batch jobs."""
    places = (run.folder.work / "batch" / LOG, *(run.folder.work / "batch/logs").glob("*"))
    lines = [line for place in places for line in place.read_text("utf-8", "replace").splitlines()]
    told = [line.strip() for line in lines if re.match(r"\s*[\w.]*(?:Error|Exception)\b", line)]
    return clean(told[-1] if told else " | ".join(lines[-3:]), {str(run.folder.path): ""})


def _options(run: "Run") -> Any:
    """Toil's own settings; its configuration file and its history stay in the job's folder."""
    from toil.cwl.cwltoil import get_options

    settings, work = run.settings, run.folder.work
    for name in ("logs", "scratch"):
        (work / "batch" / name).mkdir(exist_ok=True)
    os.environ["TOIL_HISTORY"] = "False"
    _quiet(work / "batch" / LOG)
    memory = settings["default_memory"] or run.steps.limits.memory
    line = [
        f"--jobStore=file:{work / 'batch/store'}",
        f"--batchSystem={systems.NAME}",
        f"--workDir={work / 'batch/scratch'}",
        f"--batchLogsDir={work / 'batch/logs'}",
        "--logLevel=INFO",
        f"--retryCount={RETRIES}",
        f"--statePollingTimeout={max(1, settings['patience'])}",
        "--statePollingWait=1",
        f"--defaultMemory={memory}",
        "--defaultCores=1",
        "--defaultDisk=1Mi",
        "--clean=never",
        "--caching=false",
        "--disableProgress",
        "--publishWorkflowMetrics=no",
    ]
    return get_options([*line, *settings["arguments"], "terrafair.cwl"])


def _quiet(file: Path) -> None:
    """Keep what Toil says out of the job's log: the steps speak for themselves."""
    with file.open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())


def _context(steps: NodeSteps, run: "Run") -> Any:
    work, settings = run.folder.work, run.settings
    context = contained(run.folder, steps.order.roots)
    cores = settings["max_cores"] or (0 if settings["elsewhere"] else len(os.sched_getaffinity(0)))
    context.select_resources = Share(steps, math.ceil(steps.limits.memory / 2**20), cores)
    own = settings["elsewhere"] or settings["default_memory"]
    for name, value in {
        "podman": steps.order.podman,
        "move_outputs": "leave",
        "workdir": str(work / "batch/scratch"),
        "bypass_file_store": True,
        # On one machine a step that asks for nothing is counted as CWL says; alone on a node it gets what a job may.
        "cwl_default_ram": not own,
        "cwl_min_ram": None,
        "cwl_loop_iteration_limit": 1000,
        "outdir": None,
        "toplevel": True,
    }.items():
        setattr(context, name, value)
    return context


def _secondary(process: Any, order: Any, context: Any) -> None:
    """Find the files that belong to given ones; each step of Toil takes its order as it comes."""
    builder = process._init_job(order, context)  # noqa: SLF001 - as Toil's own command line does
    builder.loadListing = "no_listing"
    builder.bind_input(process.inputs_record_schema, order, discover_secondaryFiles=True)


def _only_ours(process: Any, bundle: Bundle) -> None:
    """Refuse defaults that lead elsewhere: Toil would look at them from here."""
    from cwltool.utils import visit_class

    def look(entry: Mapping[str, Any]) -> None:
        location = str(entry.get("location") or "")
        if "://" in location and not location.startswith("file://"):
            raise InvalidInput(
                f"The document names the file {location}, which was not staged before the run.",
                remedy="Take data as inputs.",
                where=bundle.main.rpartition("/")[2],
                code="cwl-import",
            )

    for each in (process.tool, *(step.tool for step in getattr(process, "steps", ()))):
        visit_class(each, ("File", "Directory"), look)
