"""Pictures that were made before, on disk: bounded, and shared by all web processes of one home folder.

A key names what the picture was made of (the file's checksum) and how: what lies under it is never wrong, only gone.
"""

import fcntl
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

LIMIT = 2 * 10**9
FULL = 0.8
"""Share of the limit that is left after a sweep."""
SWEEP = 0.02
"""Share of the limit that one process writes between two sweeps."""
TOUCHED = 3600.0
"""Seconds after which a use is noted again."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One answer."""

    content: bytes
    media_type: str
    note: str = ""


class TileCache:
    """Files below a folder, each whole or not there."""

    def __init__(self, folder: Path, limit: int = LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._written = 0
        self._lock = threading.Lock()

    def get(self, key: str) -> Kept | None:
        """What was put under a key, unless it had to make room."""
        place = self._place(key)
        try:
            data = place.read_bytes()
            if time.time() - place.stat().st_mtime > TOUCHED:
                os.utime(place)
            head, _, content = data.partition(b"\n")
            about = json.loads(head)
            # A file that a power cut has left half written is shorter than it says.
            return Kept(content, about["type"], about["note"]) if about["bytes"] == len(content) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: str, kept: Kept) -> None:
        """Keep an answer; where that fails (a full disk), it is made again next time."""
        place = self._place(key)
        partial = place.with_name(f".{place.name}.{os.getpid()}.{threading.get_ident()}")
        head = json.dumps({"bytes": len(kept.content), "type": kept.media_type, "note": kept.note})
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(head.encode() + b"\n" + kept.content)
            partial.replace(place)
        except OSError:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return
        with self._lock:
            self._written += len(kept.content)
            due = self._written > self._limit * SWEEP
            if due:
                self._written = 0
        if due:
            self.sweep()

    def sweep(self) -> int:
        """Remove what was not used for longest, down to `FULL` of the limit, when there is more; gives how many."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / ".sweep").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                # Another process is at it.
                return 0
            found = sorted(self._files())
            total, gone = sum(size for _, size, _ in found), 0
            if total <= self._limit:
                return 0
            for _, size, path in found:
                if total <= self._limit * FULL:
                    break
                with suppress(OSError):
                    Path(path).unlink()
                total, gone = total - size, gone + 1
            return gone

    def _place(self, key: str) -> Path:
        return self._folder / key[:2] / key[2:]

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """(last use, bytes, path)."""
        for shelf in os.scandir(self._folder):
            if shelf.is_dir():
                for file in os.scandir(shelf.path):
                    with suppress(OSError):
                        about = file.stat()
                        yield about.st_mtime, about.st_size, file.path
