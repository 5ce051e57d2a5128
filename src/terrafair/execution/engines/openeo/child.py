"""Runs a process graph inside the sandbox: `python -m terrafair.execution.engines.openeo.child TASK.json`."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from terrafair.errors import Problem, TerrafairError
from terrafair.execution.engines.openeo.graph import Graph, read
from terrafair.execution.engines.openeo.save import Results
from terrafair.execution.engines.openeo.scheduler import connected
from terrafair.execution.engines.report import Report
from terrafair.execution.engines.working import work_off
from terrafair.execution.task import JobFolder, Outcome, Task

THREADS = 4


def main(path: str) -> int:
    """Work off the task and write the outcome, whatever happens."""
    return work_off(path, run)


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """Evaluate the graph and save its results; every failure becomes a problem."""
    started = time.monotonic()
    try:
        graph = read(Path(task.application).read_bytes(), tuple(task.values))
        results = evaluate(graph, task, folder, report)
    except TerrafairError as fault:
        return Outcome(False, fault.problems)
    except MemoryError:
        what = "The process graph needs more memory than the job may take."
        remedy = "Choose a smaller area or time, or ask for a larger limit."
        return Outcome(False, (Problem(what, "", remedy, code="memory-exhausted"),))
    except Exception as fault:
        # The sandbox's last line: a fault of ours must not end without a word.
        text = " ".join(str(fault).split())[:500]
        problem = Problem(f"The process graph failed: {type(fault).__name__}: {text}", code="process-failed")
        return Outcome(False, (problem,))
    report.progress(1, "Done.")
    details: dict[str, Any] = {
        "seconds": round(time.monotonic() - started, 3),
        "versions": versions(),
        "nodes": len(graph.nodes),
    }
    if results.changes:
        details["stac_changes"] = results.changes
    return Outcome(True, (), results.outputs, details)


def spare() -> None:
    """Leave out what costs every graph a second of CPU time and gives it nothing."""
    # rasterio takes boto3 along where it is installed, for addresses that no sandbox reaches.
    sys.modules.setdefault("boto3", None)  # type: ignore[arg-type]
    # Imports and graphs make objects by the hundred thousand that live to the end: looking for cycles there is in vain.
    gc.set_threshold(200_000, 20, 20)


def evaluate(graph: Graph, task: Task, folder: JobFolder, report: Report) -> Results:
    """Run the graph and give the results that it left."""
    from terrafair.execution.engines.openeo.blocks import silent
    from terrafair.execution.engines.openeo.evaluate import Environment, Evaluator
    from terrafair.execution.engines.openeo.progress import Progress
    from terrafair.execution.engines.openeo.registry import processes
    from terrafair.execution.engines.openeo.udps import Definitions

    results = Results(folder.outputs)
    progress = Progress(report)
    environment = Environment(task.sources, results, report.say, progress.node, strict=False, emptied=results.emptied)
    definitions = Definitions(task.options.get("udps") or {})
    evaluator = Evaluator(processes(), definitions, environment)
    with _scheduler(task, report.say), progress, silent():
        values = evaluator.run(graph, task.values)
        _save_rest(graph, values, environment)
    return results


@contextmanager
def _scheduler(task: Task, say: Callable[..., None]) -> Iterator[None]:
    """Threads of this process, or the Dask cluster at the address that the operator set; the values are the same."""
    if scheduler := task.options.get("scheduler"):
        with connected(scheduler, say):
            yield
        return
    import dask
    import dask.threaded

    threads = int(task.options.get("threads") or THREADS)
    # The function, not its name: for names dask imports distributed, which takes longer than many a graph.
    with dask.config.set(scheduler=dask.threaded.get, num_workers=threads):
        yield


def _save_rest(graph: Graph, values: Mapping[str, Any], environment: Any) -> None:
    """Save the results that no save_result did: flagged nodes, or the last ones where nothing is flagged or saved."""
    from terrafair.execution.engines.openeo.save import Saved

    flagged = [name for name in graph.results if graph.nodes[name].result]
    saved = bool(environment.results.outputs)
    for name in flagged or (() if saved else graph.results):
        value = values[name]
        if isinstance(value, Saved) or environment.results.saved(value):
            continue
        environment.node = name
        try:
            environment.results.save_default(value, name)
        except TerrafairError as fault:
            problem = fault.problem
            raise type(fault)(problem.what, problem.why, problem.remedy, name, problem.code) from fault


def versions() -> dict[str, str]:
    """Give the versions of what computed the result."""
    import importlib.metadata

    names = ("terrafair", "xarray", "dask", "numpy", "rasterio", "netCDF4", "pyproj", "shapely", "scipy")
    return {name: importlib.metadata.version(name) for name in names}


if __name__ == "__main__":
    spare()
    status = main(sys.argv[1])
    sys.stdout.flush()
    sys.stderr.flush()
    # All is written: taking half a million objects apart would keep the job waiting.
    os._exit(status)
