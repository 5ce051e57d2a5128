"""Looks after the programs of a step on its node: memory, processes, disk, and whether anybody still wants it."""

import contextlib
import os
import resource
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from terrafair.execution.command import Limits
from terrafair.execution.engines.cwl.batch.lines import ALIVE
from terrafair.execution.supervisor import Scratch, Tree, adopt, descendants

TELL_SECONDS = 5.0
SILENCE_SECONDS = 600.0
"""After so long without a sign the job's own process is gone for good; file systems of clusters tell late."""
ABANDONED = "abandoned"
ORPHANS_SECONDS = 0.5
"""What bubblewrap leaves behind ends at once."""


class Watch:
    """One step; it ends the programs of this process that take too much."""

    def __init__(self, limits: Limits, folders: Sequence[str], lines: Path, tell: Callable[[float, int], None]) -> None:
        """`lines` is where the job's own process shows that it lives; `tell` takes CPU seconds and peak memory."""
        self._limits, self._lines, self._tell = limits, lines, tell
        spec = {"writable": [each for each in folders if each], "disk": limits.disk, "files": limits.files}
        self._tree, self._scratch = Tree(), Scratch(spec)
        self._base = _spent()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._sign, self._seen = 0, time.monotonic()
        self._before: frozenset[int] = frozenset()
        self.over = ""
        """The limit that was exceeded."""

    def __enter__(self) -> Self:
        adopt()
        self._before = frozenset(_own())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._wait()

    @property
    def cpu_seconds(self) -> float:
        """Of all programs since the beginning."""
        waited, all_of_it = _spent(), self._tree.seconds()
        # What still runs is not waited for yet, and what was waited for before is another step's.
        return round(max(waited - self._base, all_of_it if all_of_it > waited else 0.0), 3)

    @property
    def peak_memory(self) -> int:
        """Bytes, of all programs at one time."""
        return self._tree.peak

    def _wait(self) -> None:
        """For what bubblewrap left: it ends before the program's own parent, whose count is then nobody's."""
        until = time.monotonic() + ORPHANS_SECONDS
        while (left := set(_own()) - self._before) and time.monotonic() < until:
            for pid in left:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)

    def _look(self) -> None:
        begun = told = time.monotonic()
        pause = 0.02
        while not self._ended.wait(pause):
            pause = min(pause * 1.5, 0.5)
            now = time.monotonic()
            self.over = self._reason(now - begun)
            if self.over:
                _kill()
                return
            if now - told > TELL_SECONDS:
                told = now
                self._tell(self.cpu_seconds, self.peak_memory)

    def _reason(self, second: float) -> str:
        memory = self._tree.sample()
        if memory > self._limits.memory:
            return "memory"
        if self._tree.size > self._limits.processes:
            return "processes"
        return self._scratch.over(second) or self._abandoned()

    def _abandoned(self) -> str:
        """Whether the job has ended without us: its folder is gone, or nobody has touched it for long."""
        try:
            sign = (self._lines / ALIVE).stat().st_mtime_ns
        except FileNotFoundError:
            return ABANDONED
        except OSError:
            return ""
        now = time.monotonic()
        if sign != self._sign:
            self._sign, self._seen = sign, now
        return ABANDONED if now - self._seen > SILENCE_SECONDS else ""


def _own() -> list[int]:
    return [pid for pid, fields in descendants().items() if int(fields[1]) == os.getpid()]


def _spent() -> float:
    """CPU seconds of the programs that this process has waited for."""
    waited = resource.getrusage(resource.RUSAGE_CHILDREN)
    return waited.ru_utime + waited.ru_stime


def _kill() -> None:
    for _ in range(50):
        left = [pid for pid, fields in descendants().items() if fields[0] != "Z"]
        if not left:
            return
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        time.sleep(0.02)
