"""What the web processes of one platform have to know of each other, in a few pages of memory that all of them see."""

import fcntl
import hashlib
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_HEAD = struct.Struct("=16s")
"""A secret, so that nobody can choose whose place theirs falls on."""
_PLACE = struct.Struct("=8sdd")
"""Whose it is, tokens left, when that was."""
WAYS = 4
"""Places that one asker may have; of several askers who fall on all of them, the one with most tokens makes room."""
PLACES = 32_768


class SharedMemory:
    """A file that every web process maps; it is made anew at each start of the platform."""

    def __init__(self, path: Path, tables: int, *, make: bool = False) -> None:
        """`tables`: how many rates are kept in it."""
        size = _HEAD.size + tables * PLACES * _PLACE.size
        flags = os.O_RDWR | (os.O_CREAT | os.O_TRUNC if make else 0)
        self._file = os.open(path, flags, 0o600)
        if make:
            os.ftruncate(self._file, size)
        self._memory = mmap.mmap(self._file, size)
        if make:
            _HEAD.pack_into(self._memory, 0, os.urandom(16))
        self._secret = _HEAD.unpack_from(self._memory)[0]

    def close(self) -> None:
        """Give it back; the others keep theirs."""
        self._memory.close()
        os.close(self._file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        fcntl.flock(self._file, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def take(self, table: int, who: str, per_second: float, burst: float, moment: float) -> float:
        """Take one token; gives the seconds until there is one, 0 when it has been taken."""
        name = hashlib.blake2b(who.encode(), digest_size=8, key=self._secret).digest()
        first = int.from_bytes(name[:4], "big") % (PLACES // WAYS) * WAYS
        start = _HEAD.size + (table * PLACES + first) * _PLACE.size
        with self._alone():
            left, at = self._place(name, start, per_second, burst, moment)
            if left < 1:
                return (1 - left) / per_second
            _PLACE.pack_into(self._memory, at, name, left - 1, moment)
        return 0.0

    def _place(self, name: bytes, start: int, per_second: float, burst: float, moment: float) -> tuple[float, int]:
        """Tokens that somebody has now, and where that is kept; for a newcomer the place that is needed least."""
        fullest, room = -1.0, start
        for way in range(WAYS):
            at = start + way * _PLACE.size
            owner, left, then = _PLACE.unpack_from(self._memory, at)
            # A place that was never taken has been full since the machine's start.
            now = burst if not any(owner) else min(burst, left + (moment - then) * per_second)
            if owner == name:
                return now, at
            if now > fullest:
                fullest, room = now, at
        return burst, room


@dataclass(frozen=True, slots=True)
class SharedRate:
    """As `Rate`, over all web processes together."""

    memory: SharedMemory
    table: int
    per_second: float
    burst: float
    now: Callable[[], float] = time.monotonic
    """The same for all processes of a machine."""

    def wait(self, who: str) -> float:
        """Take one token; gives the seconds until there is one, 0 when it has been taken."""
        return self.memory.take(self.table, who, self.per_second, self.burst, self.now())
