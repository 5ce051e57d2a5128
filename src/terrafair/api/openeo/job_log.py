"""A job's log as openEO shows it: levels, and pages that go on after a known entry."""

from collections.abc import Callable, Iterator
from typing import Any

from terrafair.api.openeo.submission import LEVELS
from terrafair.execution.logs import Line

BLOCK = 2_000
PAGE = 1_000
"""Entries at most in one answer; the caller goes on with `offset`."""

Read = Callable[[int, int], list[Line]]
"""(first number, how many) -> lines."""


def page(read: Read, *, run: str, after: str, level: str, limit: int | None) -> tuple[list[dict[str, Any]], bool]:
    """The entries after one, of at least a level, and whether there are more.

    An `after` of another run than this counts as none: the log has begun anew.
    """
    start = _number(run, after) + 1
    most = min(limit or PAGE, PAGE)
    found: list[dict[str, Any]] = []
    for line in _lines(read, start):
        # Steps of progress have no words; the job itself tells how far it is.
        if not line.message.strip() or LEVELS.index(_level(line)) < LEVELS.index(level):
            continue
        if len(found) == most:
            return found, True
        found.append(_entry(run, line))
    return found, False


def failure(run: str, message: str, code: str = "") -> dict[str, Any]:
    """The entry that an answer about a failed job holds."""
    entry = {"id": f"{run}-failure", "level": "error", "message": message}
    return {**entry, "code": code} if code else entry


def _lines(read: Read, start: int) -> Iterator[Line]:
    while lines := read(start, BLOCK):
        yield from lines
        start = lines[-1].number + 1


def _number(run: str, after: str) -> int:
    known, _, number = after.rpartition("-")
    return int(number) if known == run and number.isascii() and number.isdigit() and len(number) < 16 else -1


def _level(line: Line) -> str:
    return line.level if line.level in LEVELS else "info"


def _entry(run: str, line: Line) -> dict[str, Any]:
    entry = {"id": f"{run}-{line.number}", "level": _level(line), "message": line.message}
    return {**entry, "time": line.time} if line.time else entry
