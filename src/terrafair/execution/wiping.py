"""Removes what programs have left, however they have left it."""

import contextlib
import os
from pathlib import Path


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
