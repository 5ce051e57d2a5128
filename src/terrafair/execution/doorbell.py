"""Tells the workers of this machine that there is something to do, so that nobody waits for their next look."""

import errno
import os
import select
from contextlib import suppress
from pathlib import Path


class Doorbell:
    """A named pipe: what rings it never waits, and a ring that nobody hears is no loss, since workers look anyway."""

    def __init__(self, path: Path) -> None:
        """`path` of the pipe, the same for those who ring and those who listen."""
        self._path = path
        self._heard: int | None = None

    def ring(self) -> None:
        """Wake whoever listens."""
        with suppress(OSError):
            handle = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                os.write(handle, b"1")
            finally:
                os.close(handle)

    def wait(self, seconds: float) -> bool:
        """Whether it was rung within so many seconds; several rings are one."""
        if self._heard is None:
            self._heard = self._open()
        if not select.select([self._heard], [], [], seconds)[0]:
            return False
        with suppress(BlockingIOError):
            while os.read(self._heard, 4096):
                pass
        return True

    def close(self) -> None:
        """Listen no more."""
        if self._heard is not None:
            os.close(self._heard)
            self._heard = None

    def _open(self) -> int:
        try:
            os.mkfifo(self._path, 0o600)
        except OSError as fault:
            if fault.errno != errno.EEXIST:
                raise
        # For writing too: a pipe that its last writer has left would be at its end, and `select` would never wait.
        return os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
