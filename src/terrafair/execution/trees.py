"""Folders as programs leave them: nested without end, perhaps, and longer than a path may be."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from terrafair.errors import WorkflowFailed

DEPTH = 100
"""Levels of folders among results."""


def walk(root: Path) -> Iterator[tuple[Path, list[str]]]:
    """(folder, names of what is no folder in it), in order; raises `WorkflowFailed` where it goes too deep."""
    waiting = [(root, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if depth > DEPTH:
            what = f"The program left folders nested more than {DEPTH} deep."
            raise WorkflowFailed(
                what, "Nobody could open what lies there.", "Write results less deep.", code="too-deep"
            )
        try:
            with os.scandir(folder) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError:
            continue
        below = [entry for entry in entries if entry.is_dir(follow_symlinks=False)]
        waiting += [(folder / entry.name, depth + 1) for entry in reversed(below)]
        yield folder, [entry.name for entry in entries if not entry.is_dir(follow_symlinks=False)]


def files(root: Path) -> list[Path]:
    """The plain files below a folder, links left out; raises as `walk` does."""
    found = (folder / name for folder, names in walk(root) for name in names)
    return sorted(path for path in found if path.is_file() and not path.is_symlink())


def wipe(folder: Path) -> None:
    """Remove a folder; what cannot be removed stays."""
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        # Deeper than Python's own removal can follow.
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=False, capture_output=True)
