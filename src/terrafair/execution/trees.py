"""Folders as programs leave them: nested without end, perhaps, and longer than a path may be."""

import contextlib
import os
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
    """Delete a folder with all in it, once no program writes there any more; nothing is said where there is none.

    Links are deleted, not followed. Folders that the program has closed even to its own user are opened, and those
    that lie deeper than a path can tell, or than Python can call itself, are moved up before they are emptied.
    """
    if folder.is_symlink() or not folder.is_dir():
        with contextlib.suppress(OSError):
            folder.unlink()
        return
    waiting, count = [str(folder)], 0
    while waiting:
        place = waiting.pop()
        with contextlib.suppress(OSError):
            Path(place).chmod(0o700)
            with os.scandir(place) as found:
                entries = list(found)
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    Path(entry.path).unlink()
                    continue
                count += 1
                moved = f"{folder}/.wiped-{os.getpid()}-{count}"
                Path(entry.path).chmod(0o700)
                Path(entry.path).rename(moved)
                waiting.append(moved)
            if place != str(folder):
                Path(place).rmdir()
    with contextlib.suppress(OSError):
        folder.rmdir()
