"""A job's log: lines of JSON in one file, addressed by their number."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.events import now


@dataclass(frozen=True, slots=True)
class Line:
    """One line."""

    number: int
    time: str
    level: str
    """`debug`, `info`, `warning` or `error`."""
    message: str
    progress: float | None = None

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {"line": self.number, "time": self.time, "level": self.level, "message": self.message}


def say(path: Path, message: str, level: str = "info") -> None:
    """Append one line; several processes may write to one log."""
    line = json.dumps({"time": now(), "level": level, "message": message}, ensure_ascii=False)
    with path.open("ab", buffering=0) as file:
        # One write call in append mode is not torn apart by others.
        file.write(line.encode("utf-8", "replace") + b"\n")


def read(path: Path, since: int = 0, limit: int = 1000) -> list[Line]:
    """Lines from number `since` (the first is 0); a half-written last line waits for its end."""
    lines: list[Line] = []
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file):
                if len(lines) >= limit or not raw.endswith(b"\n"):
                    break
                if number >= since:
                    lines.append(_line(number, raw))
    except FileNotFoundError:
        return []
    return lines


def _line(number: int, raw: bytes) -> Line:
    try:
        entry = json.loads(raw)
        return Line(number, entry["time"], entry["level"], entry["message"], entry.get("progress"))
    except (ValueError, KeyError, TypeError):
        # Torn by a crash of the machine: shown as it is.
        return Line(number, "", "warning", raw.decode("utf-8", "replace").rstrip("\n"))


@dataclass(slots=True)
class Tail:
    """Reads on from where it stopped, for a running job."""

    path: Path
    position: int = 0
    number: int = 0

    def read(self) -> list[Line]:
        """The whole lines that have come since the last call."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.position)
                data = file.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        lines = [_line(self.number + index, raw) for index, raw in enumerate(whole.splitlines(keepends=True))]
        self.position += len(whole)
        self.number += len(lines)
        return lines
