"""Whether a job ended for want of room on its worker's disk, which is no fault of its own."""

import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from terrafair.errors import Problem

FULL = 32 * 2**20
"""With fewer bytes nothing can be expected to work."""
WORDS = ("No space left on device", "[Errno 28]", "ENOSPC")
"""How programs tell it (POSIX `ENOSPC`, 28 on Linux)."""
LOOK_SECONDS = 2.0
PATIENCE_SECONDS = 4 * 3600.0


def lacking(folder: Path, problems: Iterable[Problem]) -> bool:
    """Whether the disk below `folder` is full, or what went wrong says that it was."""
    return _full(folder) or any(word in str(problem) for problem in problems for word in WORDS)


def wait(folder: Path, given_up: Callable[[], bool]) -> bool:
    """Wait for room; False: nobody wants it any more, or it takes hours."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while _full(folder):
        if given_up() or time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return not given_up()


def _full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL
    except OSError:
        return False
