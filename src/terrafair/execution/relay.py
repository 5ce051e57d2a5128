"""Logs of jobs that run on other hosts: their worker puts them into the object store, the platform fetches them.

Below `logs/JOB/` lie `log.jsonl` and `usage.jsonl` for as long as a job runs; the platform keeps them in the job's own
folder, where everything else looks for them, and removes them from the store once the job has ended.
"""

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import structlog

from terrafair.data.objects import ObjectStore
from terrafair.errors import NotFound, TerrafairError

PREFIX = "logs"
NAMES = ("log.jsonl", "usage.jsonl")
SECONDS = 1.0
AFTER_SECONDS = 60
"""How long a job's logs stay in the store after the last change of one that has ended."""


class Relay:
    """The worker's side."""

    def __init__(self, objects: ObjectStore, jobs: Path) -> None:
        self._objects, self._jobs = objects, jobs
        self._sent: dict[Path, tuple[int, int]] = {}

    def turn(self) -> None:
        """Send what has changed."""
        for path in (path for name in NAMES for path in self._jobs.glob(f"*/{name}")):
            with suppress(FileNotFoundError):
                state = path.stat()
                now = (state.st_size, state.st_mtime_ns)
                if self._sent.get(path) != now:
                    self._objects.put(f"{PREFIX}/{path.parent.name}/{path.name}", path.read_bytes())
                    self._sent[path] = now

    def bring(self, job: str) -> None:
        """Fetch what an earlier host has logged of a job, so that its log goes on."""
        folder = self._jobs / job
        if (folder / NAMES[0]).exists():
            return
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(NotFound):
            self._objects.get_file(f"{PREFIX}/{job}/{NAMES[0]}", folder / NAMES[0])


class Fetcher:
    """The platform's side."""

    def __init__(self, objects: ObjectStore, jobs: Path, ended: Callable[[Iterable[str]], set[str]]) -> None:
        """`ended` says which of some jobs have ended, or are not known."""
        self._objects, self._jobs, self._ended = objects, jobs, ended
        self._had: dict[str, datetime] = {}

    def turn(self) -> None:
        """Fetch what is new, and remove what is no longer needed."""
        found = list(self._objects.list(PREFIX))
        for entry in found:
            _, job, name = entry.key.split("/")[:3]
            if name in NAMES and self._had.get(entry.key) != entry.modified:
                (self._jobs / job).mkdir(parents=True, exist_ok=True)
                self._objects.get_file(entry.key, self._jobs / job / name)
                self._had[entry.key] = entry.modified
        now = datetime.now(UTC)
        old = {entry.key for entry in found if (now - entry.modified).total_seconds() > AFTER_SECONDS}
        done = self._ended({key.split("/")[1] for key in old}) if old else set()
        for key in sorted(key for key in old if key.split("/")[1] in done):
            self._objects.delete(key)
            self._had.pop(key, None)


class Turns:
    """Calls something again and again from a thread until it is stopped."""

    def __init__(self, name: str, turn: Callable[[], None], seconds: float = SECONDS) -> None:
        self._turn, self._seconds = turn, seconds
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after a last turn."""
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        over = False
        while not over:
            over = self._over.wait(self._seconds)
            try:
                self._turn()
            except (TerrafairError, OSError) as fault:
                structlog.get_logger().warning("relay.waits", reason=str(fault)[:300])
