"""What nodes tell the job's own process, through files of lines in a folder that both see."""

import contextlib
import io
import json
import os
import socket
import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_MOST = 64 * 2**20
"""Bytes of one node process that are read."""
ALIVE = "alive"


class Lines(io.TextIOBase):
    """One process's file; a stream for `Report`, one whole line at each write."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._path = folder / f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}.jsonl"
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        """Append; a job that has ended meanwhile has no folder any more, and nobody who reads."""
        with self._lock, contextlib.suppress(FileNotFoundError), self._path.open("a", encoding="utf-8") as file:
            file.write(text)
        return len(text)

    def tell_of(self, **event: Any) -> None:
        """Write one event."""
        self.write(json.dumps(event) + "\n")


@dataclass(slots=True)
class Reader:
    """All that the nodes have written since the last look."""

    folder: Path
    _read: dict[Path, int] = field(default_factory=dict)

    def events(self) -> Iterator[Mapping[str, Any]]:
        """Whole lines only; what is none of ours is passed over."""
        for path in sorted(self.folder.glob("*.jsonl")):
            begin = self._read.get(path, 0)
            if begin > _MOST:
                continue
            with path.open("rb") as file:
                file.seek(begin)
                content = file.read()
            whole = content.rfind(b"\n") + 1
            self._read[path] = begin + whole
            for line in content[:whole].splitlines():
                try:
                    event = json.loads(line)
                except ValueError:
                    continue
                if isinstance(event, dict):
                    yield event

    def live(self) -> None:
        """Show the nodes that somebody reads."""
        (self.folder / ALIVE).touch()
