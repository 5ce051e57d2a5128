"""A job's process as the worker sees it: launched once, found again by any later worker, ended for good."""

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from terrafair.errors import Unreachable
from terrafair.execution.command import Command
from terrafair.execution.sandbox import Sandbox

SUPERVISOR = Path(__file__).with_name("supervisor.py")
KILL_SECONDS = 10.0
LOCK_SECONDS = 2.0
MARK = "TERRAFAIR_JOB"
"""Environment variable that every process of a job carries, with the job's folder as its value."""

OVER = {
    "memory": "It needed more memory than it may have.",
    "processes": "It started more processes than it may.",
    "disk": "It wrote more to disk than it may.",
    "files": "It made more files than it may.",
}
"""Limits that a program can be ended for, in words."""


@dataclass(frozen=True, slots=True)
class Exit:
    """How the program ended; exit.json."""

    ended: str
    """`exited`, `timeout`, `memory`, `processes`, `disk`, `files`, `cancelled` or `lost`."""
    code: int
    signal: int
    seconds: float
    cpu_seconds: float
    peak_memory: int
    attempt: int
    reason: str = ""


class Process:
    """The supervised program of one attempt at a job."""

    def __init__(self, folder: Path, attempt: int) -> None:
        self._folder = folder
        self._attempt = attempt
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def launched(self) -> bool:
        """Whether this attempt was ever started, by this worker or by one before it."""
        return self.alive or self._state() is not None or self.exit() is not None

    def launch(self, command: Command, sandbox: Sandbox) -> None:
        """Start the supervisor, which starts the program."""
        limits = command.limits
        spec = {
            "arguments": sandbox.arguments(command),
            "environment": {**sandbox.environment(command), MARK: str(self._folder)},
            "directory": str(command.directory),
            "seconds": limits.seconds,
            "memory": limits.memory,
            "processes": limits.processes,
            "disk": limits.disk,
            "files": limits.files,
            "writable": [str(path) for path in command.writable],
            "limits": {"RLIMIT_FSIZE": limits.file_size, "RLIMIT_CORE": 0},
            "attempt": self._attempt,
            "log": str(self._folder / "log.jsonl"),
            "usage": str(self._folder / "usage.jsonl"),
            "state": str(self._folder / "supervisor.json"),
            "exit": str(self._folder / "exit.json"),
        }
        run = self._folder / "run.json"
        run.touch(mode=0o600)
        with self._lock().open("ab") as lock, (self._folder / "supervisor.err").open("ab") as errors:
            # The supervisor holds the lock from before its first instruction until it is gone.
            _take(lock)
            run.write_text(json.dumps({**spec, "lock": lock.fileno()}), "utf-8")
            self._child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(SUPERVISOR), str(run)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
                cwd=self._folder,
                pass_fds=[lock.fileno()],
            )

    def exit(self) -> Exit | None:
        """How it ended, once it has."""
        document = self._read("exit.json")
        if document is None or document.get("attempt") != self._attempt:
            return None
        if self._child is not None:
            self._child.wait()
        try:
            return Exit(**document)
        except TypeError:
            return None

    @property
    def alive(self) -> bool:
        """Whether a supervisor runs on this folder; false without `exit` means that it was killed."""
        if self._child is not None:
            # Not collected, it would stay as a zombie.
            self._child.poll()
        try:
            with self._lock().open("rb") as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def stop(self) -> None:
        """Ask the supervisor to end the program and all its processes."""
        state = self._state()
        if state is not None and self.alive and _start_time(state["pid"]) == str(state["started"]):
            os.kill(state["pid"], signal.SIGTERM)

    def end_leftovers(self) -> None:
        """Kill what earlier attempts have left running; without isolation a program can outlive its supervisor."""
        mark = f"{MARK}={self._folder}".encode()
        deadline = time.monotonic() + KILL_SECONDS
        while left := [pid for pid in _pids() if mark in _environment(pid) and pid != os.getpid()]:
            if time.monotonic() > deadline:
                raise Unreachable(f"Processes of an earlier attempt cannot be killed: {left[:5]}.")
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def _lock(self) -> Path:
        return self._folder / "supervisor.lock"

    def _state(self) -> dict[str, Any] | None:
        document = self._read("supervisor.json")
        return document if document is not None and document.get("attempt") == self._attempt else None

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            document = json.loads((self._folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return document if isinstance(document, dict) else None


def _take(lock: BinaryIO) -> None:
    """Take the lock; who looks whether a supervisor is alive holds it for an instant, a supervisor to its end."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Unreachable("The program of an earlier attempt still runs.") from None
            time.sleep(0.02)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    """A running process's environment; empty where there is none to be seen."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _start_time(pid: int) -> str:
    """When a process was started, in kernel ticks: with the pid it names a process for good; empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]
