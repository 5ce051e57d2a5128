"""Runs the command inside the sandbox: `python -m terrafair.execution.engines.command.child TASK.json`."""

import os
import shutil
import subprocess
import sys
import threading
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from terrafair.errors import Problem, WorkflowFailed
from terrafair.execution import tracked, trees
from terrafair.execution.engines.launch import search_path
from terrafair.execution.engines.report import Report, Tail, ended
from terrafair.execution.engines.working import work_off
from terrafair.execution.task import JobFolder, Outcome, Task


def main(path: str) -> int:
    """Work off the task and write the outcome."""
    return work_off(path, run)


def run(task: Task, folder: JobFolder, report: Report) -> Outcome:
    """Copy the repository, run the command in the copy, collect what it made."""
    code = folder.work / "code"
    shutil.copytree(folder.application, code, symlinks=True, dirs_exist_ok=True)
    _make_writable(code)
    directory = code / str(task.options["below"])
    python = Path(task.options["python"])
    arguments = locate(task.options["arguments"], directory, code, python)
    if isinstance(arguments, Problem):
        return Outcome(False, (arguments,))
    report.say("$ " + " ".join(task.options["arguments"]))
    tail, started = Tail(), time.monotonic()
    status = execute(arguments, directory, surroundings(code, directory, python), report, tail)
    details: dict[str, Any] = {
        "command": list(task.options["arguments"]),
        "seconds": round(time.monotonic() - started, 3),
        "lock": task.options.get("lock", ""),
        "environment": task.options.get("environment", ""),
    }
    details["tracked"] = tracked.collect(folder.work, folder.outputs)
    if status:
        problem = ended(status, f"The command {Path(task.options['arguments'][0]).name}", tail)
        return Outcome(False, (problem,), details=details)
    try:
        outputs, problems = collect(task.options.get("outputs", {}), directory, folder.outputs)
    except WorkflowFailed as fault:
        return Outcome(False, fault.problems, details=details)
    if not outputs and not problems:
        report.say("The command left nothing in its outputs folder.", "warning")
    return Outcome(not problems, tuple(problems), outputs, details)


def locate(arguments: Sequence[str], directory: Path, code: Path, python: Path) -> list[str] | Problem:
    """Find the program: the environment's Python, a file of the repository, its console script, or the PATH."""
    program, *rest = arguments
    if program in {"python", "python3"}:
        script = next((part for part in rest if not part.startswith("-")), "")
        if rest and rest[0] == script and not (directory / script).exists():
            return _missing(script, code)
        return [str(python), *rest]
    if "/" in program or (directory / program).is_file():
        file = directory / program
        if not file.is_file():
            return _missing(program, code)
        by_name = {".py": [str(python)], ".sh": ["/bin/sh"]}.get(file.suffix, [])
        return [*([] if os.access(file, os.X_OK) else by_name), str(file), *rest]
    if found := shutil.which(program, path=search_path(python.parent)):
        return [found, *rest]
    if entry := console_scripts(code).get(program):
        module, _, function = entry.partition(":")
        start = (
            f"import sys; from {module} import {function.split('.')[0]} as f; sys.argv[0] = {program!r}; sys.exit(f())"
        )
        return [str(python), "-c", start, *rest]
    why = "It is neither in the environment nor a file or console script of the repository."
    remedy = "Add the package that brings it to the environment file, or correct the command."
    return Problem(f"The program {program!r} does not exist.", why, remedy, code="program-missing")


def console_scripts(code: Path) -> dict[str, str]:
    """Give the scripts that the repository's own package would install."""
    try:
        project = tomllib.loads((code / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    tables = (project.get("project", {}), project.get("tool", {}).get("poetry", {}))
    return {
        name: str(entry) for table in tables for name, entry in table.get("scripts", {}).items() if ":" in str(entry)
    }


def surroundings(code: Path, directory: Path, python: Path) -> dict[str, str]:
    """Give the command's environment: the built interpreter first, the repository's packages importable."""
    packages = [str(folder) for folder in (directory, code, code / "src") if folder.is_dir()]
    return {
        **os.environ,
        "PATH": search_path(python.parent),
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(packages)),
        "MPLBACKEND": "Agg",
        "VIRTUAL_ENV": str(python.parent.parent),
    }


def execute(
    arguments: Sequence[str], directory: Path, environment: Mapping[str, str], report: Report, tail: Tail
) -> int:
    """Run it and pass its lines on as they come."""
    try:
        process = subprocess.Popen(
            arguments,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except OSError as fault:
        tail.lines.append(f"{fault.strerror}: {arguments[0]}")
        return 126
    assert process.stdout  # noqa: S101 (for the type checker)
    assert process.stderr  # noqa: S101
    aside = threading.Thread(target=tail.follow, args=(process.stderr, report, "warning"))
    aside.start()
    said = Tail()
    said.follow(process.stdout, report, "info")
    aside.join()
    if not tail.lines:
        tail.lines.extend(said.lines)
    return process.wait()


def collect(declared: Mapping[str, str], directory: Path, outputs: Path) -> tuple[dict[str, str], list[Problem]]:
    """Move what the patterns match to the outputs and list everything that lies there."""
    problems = []
    names: dict[str, str] = {}
    for name, pattern in declared.items():
        found = sorted(path for path in directory.glob(pattern) if not path.is_symlink())
        for path in found:
            target = outputs / path.relative_to(directory)
            if path.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, target)
        if len(found) == 1 and name != pattern:
            names[str(found[0].relative_to(directory))] = name
        if not found:
            what = f"The output pattern {pattern!r} matches nothing that the command wrote."
            problems.append(
                Problem(what, remedy="Correct the pattern or the command.", where=name, code="output-missing")
            )
    listed = (str(path.relative_to(outputs)) for path in trees.files(outputs))
    return {names.get(path, path): path for path in listed}, problems


def _missing(path: str, code: Path) -> Problem:
    here = ", ".join(sorted(entry.name for entry in code.iterdir())[:12]) or "nothing"
    what = f"The command's file {path!r} is not in the repository."
    return Problem(what, f"The repository holds: {here}.", "Correct the command.", code="program-missing")


def _make_writable(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o200)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
