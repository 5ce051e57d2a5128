"""The folder that keeps a person's files in a project: what it takes, and what is cleared between two sessions."""

import os
import shutil
from contextlib import suppress
from pathlib import Path

BLOCK = 512
SPARE = 32 * 1024**2
"""What a workspace may still write where its files take all that they may: enough to open it and delete some."""
FILES, SPARE_FILES = 1_000_000, 10_000
PASSING = (".tmp", ".shm")
"""What the programs see as /tmp and /dev/shm: it lies on disk, and is not meant to stay."""


def taken(home: Path) -> tuple[int, int]:
    """Bytes on disk, and how many files and folders; no link is followed."""
    total, names, waiting = 0, 0, [str(home)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as found:
            for entry in found:
                names += 1
                state = entry.stat(follow_symlinks=False)
                total += state.st_blocks * BLOCK // (1 if entry.is_dir(follow_symlinks=False) else state.st_nlink)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
    return total, names


def room(quota: int, home: Path) -> tuple[int, int]:
    """Bytes and files with more than which a session is ended: a little beyond what is there already, so that those
    who have too much can open it and delete some."""
    used, names = taken(home)
    return max(quota, used + SPARE), max(FILES, names + SPARE_FILES)


def clear(home: Path) -> None:
    """Remove what was not meant to stay; a link in its place goes, what it leads to does not."""
    for name in PASSING:
        place = home / name
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.exists():
            shutil.rmtree(place, ignore_errors=True)
