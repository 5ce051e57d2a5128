"""Painters of tiles as sandboxed programs that stay: files are brought near once, and each order is a line."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from terrafair.data.objects import ObjectStore
from terrafair.errors import InvalidInput, NotFound, Problem, TerrafairError, TimedOut
from terrafair.execution.command import Command, Limits
from terrafair.execution.sandbox import Sandbox

SECONDS = 20.0
"""One order may take so long; then its painter is ended, and another takes its place."""
LIMITS = Limits(seconds=10**9, memory=4 * 1024**3, processes=64)
CHILD = "terrafair.data.tiles.child"
ENVIRONMENT = {
    # One order is one thread's work; more threads would only wait for each other.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "GDAL_CACHEMAX": "256",
    # Arrays of half a megabyte come and go with each tile: given back to the system, each would be cleared anew.
    "MALLOC_MMAP_THRESHOLD_": str(64 * 2**20),
    "MALLOC_TRIM_THRESHOLD_": str(256 * 2**20),
    "MALLOC_TOP_PAD_": str(16 * 2**20),
}
THREADS = 8
"""Objects of one Zarr store that are fetched side by side."""
NEAR_BYTES = 20 * 10**9
"""What is kept of the object store on this machine."""


@dataclass(frozen=True, slots=True)
class Painted:
    """One answer."""

    content: bytes
    media_type: str
    note: str = ""
    """Why there is nothing to be seen."""


@dataclass(slots=True)
class Near:
    """Copies of objects on this machine's disk; the least used make room."""

    objects: ObjectStore
    folder: Path
    limit: int = NEAR_BYTES
    _known: "OrderedDict[str, int]" = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _busy: dict[str, threading.Lock] = field(default_factory=dict)

    def path(self, key: str) -> Path:
        """The local path of an object, or of a folder of objects (Zarr); raises `NotFound`."""
        place = self.folder / key
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return place
            busy = self._busy.setdefault(key, threading.Lock())
        with busy:
            if not place.exists():
                self._bring(key, place)
            with self._lock:
                if key not in self._known:
                    self._known[key] = sum(file.stat().st_size for file in _files(place))
                    self._make_room()
                self._busy.pop(key, None)
        return place

    def _bring(self, key: str, place: Path) -> None:
        partial = place.with_name(f".{place.name}.{os.getpid()}.partial")
        partial.parent.mkdir(parents=True, exist_ok=True)
        try:
            below = [entry.key for entry in self.objects.list(key)]
            if not below:
                self.objects.get_file(key, partial)
            with ThreadPoolExecutor(THREADS) as pool:
                # Consumed, since only then a fault of one of them is raised.
                list(pool.map(lambda name: self._get(name, partial / name.removeprefix(f"{key}/")), below))
            partial.rename(place)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
            partial.unlink(missing_ok=True)

    def _get(self, name: str, part: Path) -> None:
        part.parent.mkdir(parents=True, exist_ok=True)
        self.objects.get_file(name, part)

    def _make_room(self) -> None:
        while sum(self._known.values()) > self.limit and len(self._known) > 1:
            key, _ = self._known.popitem(last=False)
            shutil.rmtree(self.folder / key, ignore_errors=True)
            (self.folder / key).unlink(missing_ok=True)


class Painters:
    """A few painters; each order goes to a free one."""

    def __init__(self, sandbox: Sandbox, near: Near, home: Path, count: int = 2) -> None:
        self._sandbox = sandbox
        self._near = near
        self._home = home
        self._free = [_Painter(sandbox, near.folder, home / f"painter-{n}") for n in range(count)]
        self._waiting: deque[_Turn] = deque()
        self._lock = threading.Lock()

    def paint(self, key: str, order: Mapping[str, Any]) -> Painted:
        """Have an order done on an object; raises what the painter found wrong, `TimedOut`, or `NotFound`."""
        path = self._near.path(key)
        with self._painter() as painter:
            return painter.ask({**order, "path": str(path)})

    def close(self) -> None:
        """End them all."""
        with self._lock:
            for painter in self._free:
                painter.end()

    @contextlib.contextmanager
    def _painter(self) -> Iterator["_Painter"]:
        painter = self._taken()
        try:
            yield painter
        finally:
            self._given_back(painter)

    def _taken(self) -> "_Painter":
        with self._lock:
            if self._free:
                return self._free.pop()
            turn = _Turn()
            self._waiting.append(turn)
        if turn.come.wait(SECONDS) and turn.painter is not None:
            return turn.painter
        with self._lock:
            # It may have come in this very moment.
            if turn.painter is not None:
                return turn.painter
            self._waiting.remove(turn)
        raise TimedOut("Too much is being drawn.", remedy="Try again in a moment.")

    def _given_back(self, painter: "_Painter") -> None:
        """Hand a painter to who has waited longest; nobody who comes just now may take it before them."""
        with self._lock:
            if not self._waiting:
                self._free.append(painter)
                return
            turn = self._waiting.popleft()
            turn.painter = painter
            turn.come.set()


@dataclass(slots=True)
class _Turn:
    """Somebody who waits."""

    come: threading.Event = field(default_factory=threading.Event)
    painter: "_Painter | None" = None


class _Died(InvalidInput):
    """A painter ended over an order."""


class _Painter:
    """One program; started at its first order, and again after it ended."""

    def __init__(self, sandbox: Sandbox, data: Path, home: Path) -> None:
        self._sandbox = sandbox
        self._data = data
        self._home = home
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def ask(self, order: Mapping[str, Any]) -> Painted:
        """Have it done; raises what the painter found wrong, or `TimedOut`."""
        running = self._process is not None and self._process.poll() is None
        try:
            return self._ask(order)
        except _Died:
            if not running:
                raise
        # It was killed, perhaps: its sandbox also ends with the thread that started it, and threads come and go.
        return self._ask(order)

    def _ask(self, order: Mapping[str, Any]) -> Painted:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = self._start()
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            process.stdin.write(json.dumps(order).encode() + b"\n")
            process.stdin.flush()
            deadline = time.monotonic() + SECONDS
            head = json.loads(self._line(process.stdout.fileno(), deadline))
            content = self._exactly(process.stdout.fileno(), int(head["bytes"]), deadline)
        except (OSError, ValueError, KeyError, TypeError, TimeoutError) as fault:
            self.end()
            if isinstance(fault, TimeoutError):
                raise TimedOut(f"It was not drawn within {SECONDS:g} s.", remedy="Ask for less of it.") from None
            raise _Died("The file brought its painter down.", remedy="It is probably damaged.") from None
        if problem := head.get("problem"):
            known = Problem(**problem)
            kind = NotFound if known.code == "not-found" else InvalidInput
            raise kind(known.what, known.why, known.remedy, known.where, known.code)
        return Painted(content, str(head["type"]), str(head.get("note", "")))

    def end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()
            self._process = None
        self._rest = b""

    def _start(self) -> "subprocess.Popen[bytes]":
        self.end()
        self._home.mkdir(parents=True, exist_ok=True)
        self._data.mkdir(parents=True, exist_ok=True)
        command = Command(
            # Nobody supervises it: the kernel itself has to refuse what a hostile file makes it ask for.
            ("/usr/bin/prlimit", f"--data={LIMITS.memory}", f"--fsize={64 * 2**20}", sys.executable, "-P", "-m", CHILD),
            directory=self._home,
            readable=(self._data,),
            writable=(self._home,),
            environment=ENVIRONMENT,
            limits=LIMITS,
        )
        self._sandbox.make_ready(command)
        try:
            return subprocess.Popen(
                self._sandbox.arguments(command),
                env=self._sandbox.environment(command),
                cwd=self._home,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        except OSError as fault:
            raise TerrafairError(f"No painter can be started: {fault}.") from fault

    def _line(self, pipe: int, deadline: float) -> bytes:
        while b"\n" not in self._rest:
            self._rest += _some(pipe, deadline)
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def _exactly(self, pipe: int, count: int, deadline: float) -> bytes:
        parts, have = [self._rest], len(self._rest)
        while have < count:
            parts.append(_some(pipe, deadline))
            have += len(parts[-1])
        content = b"".join(parts)
        self._rest = content[count:]
        return content[:count]


def _some(pipe: int, deadline: float) -> bytes:
    ready, _, _ = select.select([pipe], [], [], max(deadline - time.monotonic(), 0))
    if not ready:
        raise TimeoutError
    data = os.read(pipe, 1 << 20)
    if not data:
        raise OSError("The painter has ended.")
    return data


def _files(place: Path) -> Iterator[Path]:
    if place.is_dir():
        yield from (file for file in place.rglob("*") if file.is_file())
    else:
        yield place
