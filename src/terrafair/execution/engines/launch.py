"""The command that starts an engine's child in the platform's own Python."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from terrafair.execution import tracked
from terrafair.execution.command import Command, Limits
from terrafair.execution.task import JobFolder, Task

SYSTEM_PATH = ("/usr/local/bin", "/usr/bin", "/bin")


def child_command(
    engine: str,
    task: Task,
    folder: JobFolder,
    limits: Limits,
    readable: Sequence[Path] = (),
    *,
    environment: Mapping[str, str] | None = None,
    isolated: bool = True,
) -> Command:
    """Write the task and give the program that works it off."""
    folder.create()
    task.write(folder.task)
    surroundings = {
        "HOME": str(folder.work),
        "PATH": search_path(Path(sys.executable).parent),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TERRAFAIR_OUTPUTS": str(folder.outputs),
        **tracked.surroundings(folder.work),
        **(environment or {}),
    }
    own = (folder.task, folder.application, folder.inputs)
    return Command(
        # -P: the working directory holds other people's files, and none of them may stand in for a module of ours.
        arguments=(sys.executable, "-P", "-m", f"terrafair.execution.engines.{engine}.child", str(folder.task)),
        directory=folder.work,
        readable=tuple(dict.fromkeys((*own, *readable))),
        writable=(folder.work, folder.outputs),
        environment=surroundings,
        limits=limits,
        isolated=isolated,
    )


def search_path(*first: Path) -> str:
    """Give a PATH with these folders before the system's own."""
    return os.pathsep.join(dict.fromkeys([*map(str, first), *SYSTEM_PATH]))
