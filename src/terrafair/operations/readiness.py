"""Whether the platform can do its work at this moment: each part is asked, none is asked more often than need be."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock

KEPT_SECONDS = 2.0
"""Probes come from several places; between two looks an answer is kept so long."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part and what it says."""

    name: str
    works: bool
    says: str


class Readiness:
    """All parts; a part's check raises, or returns, within its own time limits."""

    def __init__(self, checks: Mapping[str, Callable[[], object]]) -> None:
        self._checks = dict(checks)
        self._lock = Lock()
        self._parts: tuple[Part, ...] = ()
        self._until = 0.0

    def parts(self) -> tuple[Part, ...]:
        """What each part says now."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._parts = tuple(_look(name, check) for name, check in self._checks.items())
                self._until = time.monotonic() + KEPT_SECONDS
            return self._parts

    @property
    def ready(self) -> bool:
        """Whether all parts work."""
        return all(part.works for part in self.parts())


def _look(name: str, check: Callable[[], object]) -> Part:
    try:
        check()
    except Exception as fault:  # whatever is wrong with a part, the others are still asked
        return Part(name, False, str(fault)[:500] or type(fault).__name__)
    return Part(name, True, "")
