"""How often somebody may ask: a bucket of tokens for each, filled at a steady rate."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

MOST_BUCKETS = 20_000


class Pace(Protocol):
    """How often each may ask."""

    def wait(self, who: str) -> float:
        """Take one token; gives the seconds until there is one, 0 when it has been taken."""
        ...


@dataclass(slots=True)
class Rate:
    """So many requests a second over time, and so many at once."""

    per_second: float
    burst: float
    now: Callable[[], float] = time.monotonic
    _buckets: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Who -> (tokens left, when that was)."""

    def wait(self, who: str) -> float:
        """Take one token; gives the seconds until there is one, 0 when it has been taken."""
        moment = self.now()
        left, then = self._buckets.get(who, (self.burst, moment))
        left = min(self.burst, left + (moment - then) * self.per_second)
        if left < 1:
            return (1 - left) / self.per_second
        if who not in self._buckets and len(self._buckets) >= MOST_BUCKETS:
            # The full ones are as good as new.
            self._buckets = {
                name: kept
                for name, kept in self._buckets.items()
                if kept[0] + (moment - kept[1]) * self.per_second < self.burst
            }
        self._buckets[who] = (left - 1, moment)
        return 0.0
