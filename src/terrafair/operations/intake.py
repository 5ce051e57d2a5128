"""When the platform takes nothing new: read-only by an operator's word, or no room on its disk."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from terrafair.errors import InvalidInput, Unavailable, Unreachable
from terrafair.events import now
from terrafair.operations.kept import recall, remember

NAME = "read-only"
KEPT_SECONDS = 1.0
"""So long after a change every process knows of it."""
_UNITS = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12, "kib": 2**10, "mib": 2**20, "gib": 2**30, "tib": 2**40}


@dataclass(slots=True, eq=False)
class ReadOnly:
    """Whether changes are refused; what runs goes on."""

    engine: sa.Engine
    always: bool = False
    """By the settings, whatever was said at run time."""
    _kept: tuple[float, dict[str, Any]] = field(default=(-KEPT_SECONDS, {}))

    def state(self) -> dict[str, Any]:
        """`{on, since, by, reason}`."""
        if self.always:
            return {"on": True, "since": "", "by": "the settings", "reason": ""}
        if time.monotonic() - self._kept[0] >= KEPT_SECONDS:
            try:
                found = recall(self.engine, NAME)
            except Unreachable:
                # Each change will be told by the database itself; pages that need none go on.
                found = self._kept[1]
            self._kept = (time.monotonic(), found)
        return {"on": False, "since": "", "by": "", "reason": "", **self._kept[1]}

    def set(self, *, on: bool, by: str, reason: str = "") -> dict[str, Any]:
        """Begin or end it."""
        remember(self.engine, NAME, {"on": on, "since": now(), "by": by[:200], "reason": reason[:500]})
        self._kept = (-KEPT_SECONDS, {})
        return self.state()

    def banner(self) -> str:
        """What pages say; empty: nothing."""
        found = self.state()
        if not found["on"]:
            return ""
        return f"Read-only for now: nothing can be changed or started. {found['reason']}".strip()

    def refusal(self) -> Unavailable | None:
        """The error for a change; None: it is taken."""
        found = self.state()
        if not found["on"]:
            return None
        return Unavailable(
            "The platform is read-only for now.",
            found["reason"] or "Its operator works on it.",
            "What runs goes on, and everything can be read; ask again in a while.",
            code="read-only",
        )


@dataclass(frozen=True, slots=True)
class Room:
    """What is left on the disk that jobs and uploads need."""

    home: Path
    floor: str
    """As the setting `disk_floor` has it."""
    usage: Callable[[Path], Any] = shutil.disk_usage
    """`(total, used, free)` of a folder's disk."""

    def bytes(self) -> tuple[int, int]:
        """(free, needed)."""
        total, _, free = self.usage(self.home)
        return int(free), floor_bytes(self.floor, int(total))

    def refusal(self) -> Unavailable | None:
        """The error for a job or an upload; None: there is room. Asked anew each time, so it ends by itself."""
        free, needed = self.bytes()
        if free >= needed:
            return None
        return Unavailable(
            f"The platform's disk is nearly full: {free / 1e9:.2f} GB are free.",
            f"Nothing new is taken below {needed / 1e9:.2f} GB; what was accepted goes on.",
            "Ask again later; its operator makes room.",
            code="disk-full",
        )

    def check(self) -> None:
        """Raise `Unavailable` where there is no room."""
        if error := self.refusal():
            raise error


def floor_bytes(text: str, total: int) -> int:
    """`5 %` of a disk, `2 GB`, or plain bytes; raises `InvalidInput`."""
    number = text.strip().rstrip("%abgikmtABGIKMT ").strip()
    unit = text.strip().removeprefix(number).strip().lower()
    scale = total / 100 if unit == "%" else 1 if unit in {"", "b"} else _UNITS.get(unit)
    try:
        value = float(number)
    except ValueError:
        scale, value = None, 0.0
    if scale is None or not 0 <= value < float("inf") or (unit == "%" and value > 100):
        raise InvalidInput(f"The setting disk_floor is {text!r}.", "It takes `2 GB`, `500 MB` or `5 %`.")
    return round(value * scale)
