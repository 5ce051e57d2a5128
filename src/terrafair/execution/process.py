"""A job's process as the worker sees it: launched once, found again by any later worker, ended for good."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.execution.command import Command
from terrafair.execution.sandbox import Sandbox

SUPERVISOR = Path(__file__).with_name("supervisor.py")
STARTUP_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Exit:
    """How the program ended; exit.json."""

    ended: str
    """`exited`, `timeout`, `memory`, `cancelled` or `lost`."""
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
        self._launched = 0.0

    @property
    def launched(self) -> bool:
        """Whether this attempt was ever started, by this worker or by one before it."""
        return self._child is not None or self._state() is not None or self.exit() is not None

    def launch(self, command: Command, sandbox: Sandbox) -> None:
        """Start the supervisor, which starts the program."""
        limits = command.limits
        spec = {
            "arguments": sandbox.arguments(command),
            "environment": sandbox.environment(command),
            "directory": str(command.directory),
            "seconds": limits.seconds,
            "memory": limits.memory,
            "limits": {"RLIMIT_FSIZE": limits.file_size, "RLIMIT_NPROC": limits.processes, "RLIMIT_CORE": 0},
            "attempt": self._attempt,
            "log": str(self._folder / "log.jsonl"),
            "state": str(self._folder / "supervisor.json"),
            "exit": str(self._folder / "exit.json"),
        }
        if sandbox.isolated and not sandbox.drops_user:
            # Counted over all processes of the person: a limit would hit their other programs.
            del spec["limits"]["RLIMIT_NPROC"]  # type: ignore[attr-defined]
        run = self._folder / "run.json"
        run.touch(mode=0o600)
        run.write_text(json.dumps(spec), "utf-8")
        self._launched = time.monotonic()
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(SUPERVISOR), str(run)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(self._folder / "supervisor.err").open("ab"),
            start_new_session=True,
            cwd=self._folder,
        )

    def exit(self) -> Exit | None:
        """How it ended, once it has."""
        document = self._read("exit.json")
        if document is None or document.get("attempt") != self._attempt:
            return None
        if self._child is not None:
            self._child.wait()
        return Exit(**document)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still runs; false without `exit` means that it was killed."""
        if self._child is not None and self._state() is None:
            return self._child.poll() is None and time.monotonic() - self._launched < STARTUP_SECONDS
        state = self._state()
        if state is None:
            return False
        if self._child is not None and self._child.poll() is not None:
            return False
        return _start_time(state["pid"]) == str(state["started"])

    def stop(self) -> None:
        """Ask the supervisor to end the program and all its processes."""
        state = self._state()
        if state is not None and self.alive:
            os.kill(state["pid"], signal.SIGTERM)

    def _state(self) -> dict[str, Any] | None:
        document = self._read("supervisor.json")
        return document if document is not None and document.get("attempt") == self._attempt else None

    def _read(self, name: str) -> dict[str, Any] | None:
        try:
            document: dict[str, Any] = json.loads((self._folder / name).read_text("utf-8"))
        except (OSError, ValueError):
            return None
        return document


def _start_time(pid: int) -> str:
    """When a process was started, in kernel ticks: with the pid it names a process for good; empty if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
    except (OSError, IndexError):
        return ""
    return "" if fields[0] == "Z" else fields[19]
