"""Runs one sandboxed program for a job and outlives the worker: a program of its own, on the standard library only.

    python -I -S supervisor.py JOB/run.json

It starts in some 20 ms since it imports nothing of the platform. In the job's folder it leaves `supervisor.json` (so
that a new worker finds it), `log.jsonl` (one line per log line) and, at the very end, `exit.json`. SIGTERM asks it to
end the program.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import sys
import time
from typing import Any

LOG_BYTES = 50 * 2**20
LINE_BYTES = 16_384
SAMPLE_SECONDS = 0.25
GRACE_SECONDS = 3.0
PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
Spec = dict[str, Any]


class Log:
    """The job's log; bounded, each line whole."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab", buffering=0)  # noqa: SIM115 - lives as long as the process
        self._left = LOG_BYTES - self._file.tell()

    def write(self, text: str, level: str, progress: float | None = None) -> None:
        """Append one line."""
        entry: dict[str, Any] = {"time": _now(), "level": level, "message": text[:LINE_BYTES]}
        if progress is not None:
            entry["progress"] = progress
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if self._left <= 0:
            return
        self._left -= len(line)
        if self._left <= 0:
            note = f"The log has reached {LOG_BYTES // 2**20} MB; what follows is not kept."
            line = json.dumps({"time": _now(), "level": "warning", "message": note}).encode() + b"\n"
        with contextlib.suppress(OSError):
            # A full disk must not end the job's bookkeeping.
            self._file.write(line)


class Stream:
    """One output of the program, cut into lines."""

    def __init__(self, log: Log, level: str) -> None:
        self._log = log
        self._level = level
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            lines.append(self._rest)
            self._rest = b""
        for line in lines:
            self._line(line)

    def end(self) -> None:
        """Take what is left, without a newline at its end."""
        if self._rest:
            self._line(self._rest)

    def _line(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        # Progress bars write one line over itself: the last state is what counts.
        text = text.rsplit("\r", 1)[-1].replace("\0", "")
        if self._level == "info" and text.startswith("{"):
            try:
                entry = json.loads(text)
            except ValueError:
                entry = None
            if isinstance(entry, dict) and ("message" in entry or "progress" in entry):
                level = str(entry.get("level"))
                level = level if level in ("debug", "info", "warning", "error") else "info"
                progress = entry.get("progress")
                progress = float(progress) if isinstance(progress, (int, float)) and 0 <= progress <= 1 else None
                self._log.write(str(entry.get("message", "")), level, progress)
                return
        if text:
            self._log.write(text, self._level)


class Tree:
    """All processes that descend from this one: their time, memory and end."""

    def __init__(self) -> None:
        self.peak = 0
        self._ticks = 0

    def sample(self) -> int:
        """Bytes of memory that all take now."""
        found = _descendants().values()
        memory = sum(int(fields[21]) for fields in found) * PAGE
        # Of each process its own time and that of children it has waited for: what has ended is in its parent's count.
        self._ticks = max(self._ticks, sum(int(value) for fields in found for value in fields[11:15]))
        self.peak = max(self.peak, memory)
        return memory

    def seconds(self) -> float:
        """CPU seconds of all, ended ones included; what ran after the last sample may be missing."""
        waited = resource.getrusage(resource.RUSAGE_CHILDREN)
        return max(waited.ru_utime + waited.ru_stime, self._ticks / TICKS)

    def end(self) -> None:
        """End every process: ask, wait, then force, until none is left."""
        asked = time.monotonic()
        force = False
        while True:
            left = _descendants()
            _reap()
            left = {pid: fields for pid, fields in left.items() if fields[0] != "Z"}
            if not left:
                return
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL if force else signal.SIGTERM)
            force = force or time.monotonic() - asked > GRACE_SECONDS
            time.sleep(0.02)


def _descendants() -> dict[int, list[str]]:
    """pid -> fields of /proc/PID/stat after the name, of every process below this one."""
    parents: dict[int, list[int]] = {}
    stats: dict[int, list[str]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rsplit(b")", 1)[1].split()
            except (OSError, IndexError):
                continue
            texts = [field.decode() for field in fields]
            parents.setdefault(int(texts[1]), []).append(int(name))
            stats[int(name)] = texts
    found: dict[int, list[str]] = {}
    waiting = list(parents.get(os.getpid(), ()))
    while waiting:
        pid = waiting.pop()
        found[pid] = stats[pid]
        waiting.extend(parents.get(pid, ()))
    return found


def _reap() -> None:
    """Collect ended children other than the program itself, which `_wait` collects."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _now() -> str:
    now = time.time()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + f".{int(now % 1 * 1000):03d}Z"


def _write(path: str, document: dict[str, Any]) -> None:
    partial = f"{path}.partial"
    with open(partial, "w", encoding="utf-8") as file:
        json.dump(document, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(partial, path)


def _start(spec: Spec) -> tuple[int, int, int]:
    """Fork the program; gives its pid and the reading ends of stdout and stderr."""
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            null = os.open(os.devnull, os.O_RDONLY)
            os.dup2(null, 0)
            os.dup2(out_write, 1)
            os.dup2(error_write, 2)
            os.closerange(3, 256)
            os.setpgid(0, 0)
            for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
                signal.signal(signum, signal.SIG_DFL)
            for name, value in spec["limits"].items():
                number = getattr(resource, name)
                hard = resource.getrlimit(number)[1]
                limit = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(number, (limit, limit))
            os.chdir(spec["directory"])
            os.execve(spec["arguments"][0], spec["arguments"], spec["environment"])
        except BaseException as fault:
            os.write(2, f"The program cannot be started: {fault}\n".encode())
        os._exit(127)
    os.close(out_write)
    os.close(error_write)
    return pid, out_read, error_read


def run(spec: Spec) -> dict[str, Any]:
    """Run to the end; gives the document for exit.json."""
    log = Log(spec["log"])
    stop: list[str] = []
    signal.signal(signal.SIGTERM, lambda *_: stop.append("cancelled"))
    begun = time.monotonic()
    pid, out, error = _start(spec)
    streams = {out: Stream(log, "info"), error: Stream(log, "warning")}
    tree, status, ended, sampled = Tree(), None, "exited", begun
    drained = 0.0
    while status is None or (streams and time.monotonic() < drained):
        ready = select.select(list(streams), [], [], 0.02 if status is None and not streams else 0.05)[0]
        for stream in ready:
            data = os.read(stream, 65536)
            if data:
                streams[stream].feed(data)
            else:
                streams.pop(stream).end()
                os.close(stream)
        if status is None:
            found, value = os.waitpid(pid, os.WNOHANG)
            if found:
                # Output of processes left behind is awaited for a moment only.
                status, drained = value, time.monotonic() + 0.5
        if not streams and status is None and not ready:
            time.sleep(0.02)
        now = time.monotonic()
        if status is None and now - sampled >= min(SAMPLE_SECONDS, 0.02 + (now - begun) / 4):
            sampled = now
            memory = tree.sample()
            reason = _reason(stop, now - begun, memory, spec)
            if reason:
                ended = reason
                tree.end()
                status = status if status is not None else signal.SIGKILL
                drained = now + 0.5
    for left in streams.values():
        left.end()
    tree.end()
    code, signum = (os.WEXITSTATUS(status), 0) if os.WIFEXITED(status) else (-1, os.WTERMSIG(status))
    return {
        "ended": ended,
        "code": code,
        "signal": signum,
        "seconds": round(time.monotonic() - begun, 3),
        "cpu_seconds": round(tree.seconds(), 3),
        "peak_memory": tree.peak,
    }


def _reason(stop: list[str], seconds: float, memory: int, spec: Spec) -> str:
    if stop:
        return "cancelled"
    if seconds > spec["seconds"]:
        return "timeout"
    return "memory" if memory > spec["memory"] else ""


def main() -> None:
    """Detach, announce itself, run, and write how it ended."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    if os.getpgrp() != os.getpid():
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Processes that detach themselves come back to us instead of escaping to init.
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    with open("/proc/self/stat", "rb") as file:
        started = file.read().rsplit(b")", 1)[1].split()[19].decode()
    _write(spec["state"], {"pid": os.getpid(), "started": started, "attempt": spec["attempt"]})
    try:
        outcome = run(spec)
    except BaseException as fault:
        outcome = {"ended": "lost", "code": -1, "signal": 0, "seconds": 0, "cpu_seconds": 0, "peak_memory": 0}
        outcome["reason"] = f"{type(fault).__name__}: {fault}"
    outcome["attempt"] = spec["attempt"]
    _write(spec["exit"], outcome)


if __name__ == "__main__":
    main()
