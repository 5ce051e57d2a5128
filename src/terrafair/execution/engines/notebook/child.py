"""Runs the notebook inside the sandbox: `python -m terrafair.execution.engines.notebook.child TASK.json`.

The kernel's working directory is the notebook's folder in a writable copy of the code; new files there become
results, as does everything in the folder that the variable TERRAFAIR_OUTPUTS names.
"""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from terrafair.errors import WorkflowFailed
from terrafair.execution import tracked, trees
from terrafair.execution.engines.launch import search_path
from terrafair.execution.engines.notebook import document
from terrafair.execution.engines.notebook.cells import Cells, execute
from terrafair.execution.engines.report import Report
from terrafair.execution.engines.working import work_off
from terrafair.execution.task import JobFolder, Outcome, Task

_LEFT_OUT = frozenset({"__pycache__", ".ipynb_checkpoints"})


def main(path: str) -> int:
    """Work off the task and write the outcome."""
    return work_off(path, run)


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """Copy the code, inject the parameters, execute, collect what is new."""
    code = folder.work / "code"
    shutil.copytree(folder.application, code, symlinks=True, dirs_exist_ok=True)
    for path in (code, *code.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)
    source = code / task.entry
    before = _listing(code)
    notebook = document.read(source.read_bytes())
    inject(notebook, task.values, report)
    kept = folder.outputs / source.name
    cells = Cells(notebook, kept, report)
    started = time.monotonic()
    problems = execute(cells, _kernel_environment(task, folder), source.parent, Path(task.options["python"]))
    cells.keep()
    runs = tracked.collect(folder.work, folder.outputs)
    try:
        outputs = collect(source.parent, before, folder.outputs)
    except WorkflowFailed as fault:
        return Outcome(False, (*problems, *fault.problems))
    details = {
        "seconds": round(time.monotonic() - started, 3),
        "cells": cells.times,
        "lock": task.options.get("lock", ""),
        "environment": task.options.get("environment", ""),
        "tracked": runs,
    }
    return Outcome(not problems, tuple(problems), outputs, details)


def inject(notebook: Any, values: Mapping[str, Any], report: Report) -> None:
    """Put the parameters after the cell tagged `parameters`, at the top where there is none."""
    if not values:
        return
    import nbformat
    from papermill.translators import PythonTranslator  # type: ignore[import-untyped]

    source = PythonTranslator.codify(dict(values))
    cell = nbformat.v4.new_code_cell(source)  # type: ignore[no-untyped-call]
    cell.metadata["tags"] = ["injected-parameters"]
    tagged = [n for n, each in enumerate(notebook.cells) if "parameters" in each.metadata.get("tags", [])]
    if not tagged:
        report.say("The notebook has no cell tagged `parameters`; they are set at its top.", "warning")
    notebook.cells = [each for each in notebook.cells if "injected-parameters" not in each.metadata.get("tags", [])]
    notebook.cells.insert(tagged[0] + 1 if tagged else 0, cell)


def collect(directory: Path, before: frozenset[str], outputs: Path) -> dict[str, str]:
    """Move the files that are new beside the notebook to the outputs, and list what lies there."""
    code = str(directory)
    for path in sorted(_listing(directory) - before):
        relative = Path(path).relative_to(code)
        target = outputs / relative
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, target)
    return {str(path.relative_to(outputs)): str(path.relative_to(outputs)) for path in trees.files(outputs)}


def _listing(folder: Path) -> frozenset[str]:
    return frozenset(str(path) for path in trees.files(folder) if not _hidden(path.relative_to(folder)))


def _hidden(path: Path) -> bool:
    return any(part in _LEFT_OUT or part.startswith(".") for part in path.parts)


def _kernel_environment(task: Task, folder: JobFolder) -> dict[str, str]:
    python = Path(task.options["python"])
    private = folder.work / ".jupyter"
    private.mkdir(exist_ok=True)
    return {
        **os.environ,
        "PATH": search_path(python.parent),
        "VIRTUAL_ENV": str(python.parent.parent),
        "IPYTHONDIR": str(private),
        "JUPYTER_RUNTIME_DIR": str(private),
        "TERRAFAIR_OUTPUTS": str(folder.outputs),
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
