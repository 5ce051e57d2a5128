"""A job's log: lines of JSON in one file, addressed by their number."""

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from terrafair.events import now

MESSAGE = 16_384
"""Characters of one message that are kept."""
BLOCK = 2**20
LAST = 2**16
"""Bytes at the end of a log that `last` looks at."""
FOLLOW_SECONDS = 0.2
TORN_SECONDS = 0.01


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    number: int
    time: str
    level: str
    """`debug`, `info`, `warning` or `error`."""
    message: str
    progress: float | None = None
    step: str = ""
    """What begins with this line: a step of the platform's own, e.g. `run`."""

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"line": self.number, "time": self.time, "level": self.level, "message": self.message}


def say(path: Path, message: str, level: str = "info", step: str = "") -> None:
    """Append one line; several processes may write to one log."""
    entry = {"time": now(), "level": level, "message": message[:MESSAGE]} | ({"step": step} if step else {})
    line = json.dumps(entry, ensure_ascii=False)
    with path.open("ab+", buffering=0) as file:
        start = b"\n" if _torn(file) else b""
        # One write call in append mode is not torn apart by others.
        file.write(start + line.encode("utf-8", "replace") + b"\n")


def _torn(file: BinaryIO) -> bool:
    """Whether a writer that was killed has left half a line."""
    seen = 0
    while size := file.seek(0, os.SEEK_END):
        file.seek(size - 1)
        if file.read(1) == b"\n":
            return False
        if size == seen:
            return True
        # Half a line that grows is another writer at work: a long line appears page by page.
        seen = size
        time.sleep(TORN_SECONDS)
    return False


def read(path: Path, since: int = 0, limit: int = 1000) -> list[Line]:
    """Lines from number `since` (the first is 0); a half-written last line waits for its end."""
    lines: list[Line] = []
    since = max(since, 0)
    try:
        with path.open("rb") as file:
            if not _skip(file, since):
                return []
            for number, raw in enumerate(file, since):
                if len(lines) >= limit or not raw.endswith(b"\n"):
                    break
                lines.append(_line(number, raw))
    except FileNotFoundError:
        return []
    return lines


def marks(path: Path, limit: int = 400) -> list[Line]:
    """The lines that begin a step or tell progress; the first ones and, where there are more, the last one."""
    found: list[Line] = []
    final: Line | None = None
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file):
                # Most lines are neither: they are not parsed.
                if raw.endswith(b"\n") and (b'"step"' in raw or b'"progress"' in raw):
                    final = _line(number, raw)
                    if len(found) < limit and (final.step or final.progress is not None):
                        found.append(final)
    except FileNotFoundError:
        return []
    return found if final is None or final in found[-1:] else [*found, final]


def last(path: Path, levels: frozenset[str], count: int) -> list[str]:
    """The last messages of some levels, among the last lines only."""
    try:
        start = max(path.stat().st_size - LAST, 0)
    except FileNotFoundError:
        return []
    # Where reading starts in the middle, the first line may have been cut in two.
    lines = Tail(path, start).read()[1 if start else 0 :]
    return [line.message for line in lines if line.level in levels][-count:]


async def follow(path: Path, ended: Callable[[], bool], since: int = 0) -> AsyncIterator[Line]:
    """Lines from number `since` as they come, until `ended` and all have been read."""
    while True:
        # Asked before reading, or the last lines could be missed.
        last = await asyncio.to_thread(ended)
        lines = await asyncio.to_thread(read, path, since)
        for line in lines:
            yield line
        since += len(lines)
        if not lines:
            if last:
                return
            await asyncio.sleep(FOLLOW_SECONDS)


def _skip(file: BinaryIO, lines: int) -> bool:
    """Move behind the first lines without reading them one by one; false when there are not as many."""
    passed = 0
    while passed < lines:
        start, block = file.tell(), file.read(BLOCK)
        if not block:
            return False
        count = block.count(b"\n")
        if passed + count >= lines:
            end = -1
            for _ in range(lines - passed):
                end = block.index(b"\n", end + 1)
            file.seek(start + end + 1)
            return True
        passed += count
    return True


def _line(number: int, raw: bytes) -> Line:
    try:
        entry = json.loads(raw)
        moment, level, message = (str(entry[name]) for name in ("time", "level", "message"))
        return Line(number, moment, level, message, entry.get("progress"), str(entry.get("step", "")))
    except (ValueError, KeyError, TypeError, RecursionError):
        # Torn by a crash of the machine: shown as it is.
        return Line(number, "", "warning", raw.decode("utf-8", "replace").rstrip("\n"))


@dataclass(slots=True)
class Tail:
    """Reads on from where it stopped, for a running job."""

    path: Path
    position: int = 0
    number: int = 0

    def read(self) -> list[Line]:
        """The whole lines that have come since the last call, a block at most."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.position)
                data = file.read(BLOCK)
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1] or (data + b"\n" if len(data) == BLOCK else b"")
        # Not splitlines: it also cuts at carriage returns.
        lines = [_line(self.number + index, raw) for index, raw in enumerate(whole.split(b"\n")[:-1])]
        self.position += min(len(whole), len(data))
        self.number += len(lines)
        return lines
