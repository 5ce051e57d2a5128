"""Removes what programs have left, however they have left it."""

import shutil
import subprocess
from pathlib import Path


def wipe(folder: Path) -> None:
    """Remove a folder; what cannot be removed stays.

    A program may nest thousands of folders: deeper than Python's own removal can follow, and longer than a path may be.
    """
    try:
        shutil.rmtree(folder, ignore_errors=True)
    except RecursionError:
        subprocess.run(["rm", "-rf", "--one-file-system", "--", str(folder)], check=False, capture_output=True)
