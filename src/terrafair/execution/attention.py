"""When a worker looks at its queue: at once when it is rung for, and in any case every so often."""

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack

from terrafair.execution.doorbell import Doorbell

ROOM_SECONDS = 0.02
"""After a ring, between two looks whether a job that ends has made room."""
HURRY_SECONDS = 1.0
LATER_SECONDS = 0.25
"""Between two looks once that has taken longer: a ring is not forgotten until it has been answered."""


def listen(bell: Doorbell, look: Callable[[], bool], every: float, stack: ExitStack) -> None:
    """Call `look` from a thread of its own at each ring, and every so many seconds without one, until the block ends.

    `look` gives false where it could not look: there is no room, or the database is held by somebody else.
    """
    ended = threading.Event()

    def attend() -> None:
        rung: float | None = None
        while not ended.is_set():
            if bell.wait(_pause(rung, every)):
                rung = time.monotonic()
            answered = look()
            if answered:
                rung = None
            elif rung is None:
                # Nobody rang, but somebody may wait.
                rung = time.monotonic()
        bell.close()

    thread = threading.Thread(target=attend, name="doorbell", daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(ended.set)


def _pause(rung: float | None, every: float) -> float:
    if rung is None:
        return every
    return ROOM_SECONDS if time.monotonic() - rung < HURRY_SECONDS else min(LATER_SECONDS, every)
