"""What an engine's child says while it works: JSON lines on stdout, and the last words of the programs it runs."""

import json
import re
import signal
import sys
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

from terrafair.errors import Problem

_LINE = 4000
_TAIL = 40


class Report:
    """Writes the child's lines; safe to share between threads."""

    def __init__(self, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stdout
        self._lock = threading.Lock()
        self._progress = 0.0

    def say(self, message: str, level: str = "info") -> None:
        """Write one line to the job's log."""
        self._write({"level": level, "message": message[:_LINE]})

    def progress(self, share: float, message: str = "") -> None:
        """Tell how much is done, 0 to 1; it never goes back."""
        self._progress = max(self._progress, min(share, 1.0))
        line: dict[str, object] = {"progress": round(self._progress, 4)}
        self._write({"level": "info", "message": message, **line} if message else line)

    def _write(self, line: dict[str, object]) -> None:
        with self._lock:
            self._stream.write(json.dumps(line) + "\n")
            self._stream.flush()


@dataclass(slots=True)
class Tail:
    """The last lines that a program wrote."""

    lines: deque[str] = field(default_factory=lambda: deque(maxlen=_TAIL))

    def follow(self, stream: IO[bytes], report: Report, level: str, prefix: str = "") -> None:
        """Pass each line on as it comes, until the stream ends; carriage returns count as line ends (progress bars)."""
        pending = b""
        while chunk := stream.read1(65536) if hasattr(stream, "read1") else stream.read():
            *lines, pending = re.split(rb"\r\n|\n|\r", pending + chunk)
            for line in lines:
                self._add(line, report, level, prefix)
            if len(pending) > _LINE:
                self._add(pending, report, level, prefix)
                pending = b""
        if pending:
            self._add(pending, report, level, prefix)

    def explain(self) -> str:
        """Give what a person needs of it: the exception and where it was raised, else the last lines."""
        return explain(list(self.lines))

    def _add(self, raw: bytes, report: Report, level: str, prefix: str) -> None:
        line = raw.decode("utf-8", "replace").rstrip()
        if line:
            self.lines.append(line)
            report.say(prefix + line, level)


def explain(lines: Sequence[str]) -> str:
    """Shorten a program's last lines to a reason; a Python traceback becomes its exception with file and line."""
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    if starts:
        traceback = lines[starts[-1] + 1 :]
        ends = [number for number, line in enumerate(traceback) if line and not line.startswith((" ", "\t"))]
        if ends:
            places = [found for line in traceback if (found := re.match(r'\s*File "(.+)", line (\d+)', line))]
            where = f" ({places[-1][1].rsplit('/', 1)[-1]}, line {places[-1][2]})" if places else ""
            return _cut(" ".join(traceback[ends[0] :][:3]) + where)
    return _cut(" | ".join(line.strip() for line in lines[-5:]))


def ended(status: int, what: str, tail: Tail, where: str = "") -> Problem:
    """Say how a program ended that did not end well; a negative status is the signal that killed it."""
    if status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else str(-status)
        memory = " It was most likely out of memory." if name == "SIGKILL" else ""
        last = f" It last said: {said}" if (said := tail.explain()) else ""
        remedy = "Ask for less data at a time, or for a larger limit." if memory else ""
        return Problem(f"{what} was killed by {name}.", (memory + last).strip(), remedy, where, "program-killed")
    said = tail.explain()
    return Problem(f"{what} ended with exit status {status}.", said or "It said nothing.", "", where, "program-failed")


def _cut(text: str) -> str:
    return text if len(text) <= 800 else text[:797] + "..."
