"""Runs one sandboxed program for a job and outlives the worker: a program of its own, on the standard library only.

    python -I -S supervisor.py JOB/run.json

It starts in some 20 ms since it imports nothing of the platform. In the job's folder it leaves `supervisor.json` (so
that a new worker finds it), `log.jsonl` (one line per log line), `usage.jsonl` (CPU time and memory over time) and, at
the very end, `exit.json`. SIGTERM asks it to end the program. It holds the lock that the worker hands over, so that no
second one starts beside it.
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any

LOG_BYTES = 50 * 2**20
LINE_BYTES = 16_384
HELD_BYTES = 2**20
"""A line is awaited to its end up to here, or one of JSON would be cut in two by how it came through the pipe."""
SAMPLE_SECONDS = 0.25
GRACE_SECONDS = 3.0
FORCE_SECONDS = 20.0
WALK_SECONDS = 0.02
"""The tree of files is looked through in pieces of so long, since the memory has to be watched meanwhile."""
BLOCK = 512
LEVELS = 100
"""Folders in folders; far deeper ones have paths that no program can be given."""
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
Spec = dict[str, Any]


class Log:
    """The job's log; bounded, each line whole."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "ab+", buffering=0)  # noqa: SIM115 - lives as long as the process
        size = self._file.seek(0, os.SEEK_END)
        self._left = LOG_BYTES - size
        if size:
            # A writer that was killed may have left half a line.
            self._file.seek(size - 1)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    @property
    def full(self) -> bool:
        """Whether nothing more is kept."""
        return self._left <= 0

    def write(self, text: str, level: str, progress: float | None = None) -> None:
        """Append one line."""
        entry: dict[str, Any] = {"time": _now(), "level": level, "message": text[:LINE_BYTES]}
        if progress is not None:
            entry["progress"] = progress
        line = json.dumps(entry, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        if self.full:
            return
        self._left -= len(line)
        if self._left <= 0:
            note = f"The log has reached {LOG_BYTES // 2**20} MB; what follows is not kept."
            line = json.dumps({"time": _now(), "level": "warning", "message": note}).encode() + b"\n"
        with contextlib.suppress(OSError):
            # A full disk must not end the job's bookkeeping.
            self._file.write(line)


class Samples:
    """What the program takes over time: rows of [second, CPU seconds so far, bytes, processes]."""

    def __init__(self, path: str) -> None:
        self._path, self._next = path, 0.0
        with contextlib.suppress(OSError):
            os.truncate(path, 0)

    def add(self, second: float, *taken: float) -> None:
        """Append a row at each 2 % more of the time: some hundreds for a second as for a month."""
        if second < self._next:
            return
        self._next = second * 1.02
        # A full disk must not end the job's bookkeeping.
        with contextlib.suppress(OSError), open(self._path, "a", encoding="ascii") as file:
            file.write(json.dumps([round(each, 2) for each in (second, *taken)]) + "\n")


class Stream:
    """One output of the program, cut into lines."""

    def __init__(self, log: Log, level: str) -> None:
        self._log = log
        self._level = level
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        if self._log.full:
            self._rest = b""
            return
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > HELD_BYTES:
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
            except (ValueError, RecursionError):
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
        self.size = 0
        """How many processes there were at the last sample."""
        self._ticks = 0
        self._looked = 0

    def sample(self) -> int:
        """Bytes of memory that all take now."""
        found = descendants()
        self.size = len(found)
        resident = sum(int(fields[21]) for fields in found.values()) * PAGE
        # Of each process its own time and that of children it has waited for: what has ended is in its parent's count.
        self._ticks = max(self._ticks, sum(int(value) for fields in found.values() for value in fields[11:15]))
        if resident <= max(self.peak, self._looked):
            return min(resident, self.peak)
        # Resident pages that processes share count once for each of them; the exact figure costs more to ask for.
        memory = sum(_share(pid, int(fields[21]) * PAGE) for pid, fields in found.items())
        self.peak, self._looked = max(self.peak, memory), int(resident * 1.02)
        return memory

    def seconds(self) -> float:
        """CPU seconds of all, ended ones included; what ran after the last sample may be missing."""
        waited = resource.getrusage(resource.RUSAGE_CHILDREN)
        return max(waited.ru_utime + waited.ru_stime, self._ticks / TICKS)

    def end(self, patience: float = 0.0, grace: float = GRACE_SECONDS) -> None:
        """End every process: wait a moment, ask, wait, then force, until none is left."""
        begun = time.monotonic()
        asked: set[int] = set()
        while True:
            left = {pid for pid, fields in descendants().items() if fields[0] != "Z"}
            _reap()
            waited = time.monotonic() - begun - patience
            # What hangs in the kernel cannot be ended by anybody; the job must end all the same.
            if not left or waited > grace + FORCE_SECONDS:
                return
            if waited > grace:
                # Stopped first, they cannot start new ones faster than they are killed.
                _signal(left, signal.SIGSTOP)
                _signal(left, signal.SIGKILL)
            elif waited >= 0:
                _signal(left - asked, signal.SIGTERM)
                asked |= left
            time.sleep(0.01)


class Scratch:
    """What the program has on disk: all below the folders that it may write, and deleted files that it holds open.

    Looked at again and again, a piece at a time; over a limit it is as soon as so much has been seen.
    """

    def __init__(self, spec: Spec) -> None:
        self._folders, self._disk, self._files = spec["writable"], spec["disk"], spec["files"]
        self._walk: Iterator[tuple[int, int]] = iter(())
        self._bytes = self._names = 0
        self._worked, self._next = 0.0, 0.05

    def over(self, second: float) -> str:
        """Look on for a moment; gives the limit that is exceeded, else nothing."""
        if second < self._next:
            return ""
        begun = time.monotonic()
        for found in self._walk:
            if over := self._add(*found):
                return over
            if time.monotonic() - begun > WALK_SECONDS:
                self._worked += time.monotonic() - begun
                return ""
        # Through. Never more than a tenth of one core's time.
        self._next = second + max(SAMPLE_SECONDS, 10 * (self._worked + time.monotonic() - begun))
        self._walk, self._bytes, self._names, self._worked = self._look(), 0, 0, 0.0
        return ""

    def left(self) -> str:
        """Look through what a program that has ended by itself has left; gives the limit that is exceeded."""
        self._bytes = self._names = 0
        return next((over for found in self._look() if (over := self._add(*found))), "")

    def _add(self, size: int, level: int) -> str:
        self._bytes += size
        self._names += 1
        if level > LEVELS:
            return "depth"
        if self._bytes > self._disk:
            return "disk"
        return "files" if self._names > self._files else ""

    def _look(self) -> Iterator[tuple[int, int]]:
        """Bytes on disk and level of each thing."""
        linked: set[tuple[int, int]] = set()
        waiting = [(folder, 1) for folder in self._folders]
        while waiting:
            folder, level = waiting.pop()
            for entry in _entries(folder):
                try:
                    state = entry.stat(follow_symlinks=False)
                except OSError:
                    # Gone meanwhile.
                    continue
                size, name = state.st_blocks * BLOCK, (state.st_ino, state.st_dev)
                if stat.S_ISDIR(state.st_mode):
                    waiting.append((entry.path, level + 1))
                elif state.st_nlink > 1:
                    size = 0 if name in linked else size
                    linked.add(name)
                yield size, level
        for size in _deleted(linked):
            yield size, 1


def _entries(folder: str) -> Iterator["os.DirEntry[str]"]:
    """What lies in a folder; one that the program has closed to its own user is opened again."""
    for closed in (False, True):
        try:
            if closed:
                # By descriptor: a link that takes the folder's place meanwhile must not lead to another.
                opened = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
                try:
                    os.chmod(f"/proc/self/fd/{opened}", 0o700)
                finally:
                    os.close(opened)
            with os.scandir(folder) as found:
                yield from found
        except PermissionError:
            continue
        except OSError:
            return
        return


def _deleted(linked: set[tuple[int, int]]) -> Iterator[int]:
    """Bytes of each file without a name that the program's processes hold open: on disk, or in memory (memfd)."""
    for pid in descendants():
        folder = f"/proc/{pid}/fd"
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        for name in names:
            try:
                state = os.stat(f"{folder}/{name}")
            except OSError:
                continue
            if stat.S_ISREG(state.st_mode) and not state.st_nlink and (state.st_ino, state.st_dev) not in linked:
                linked.add((state.st_ino, state.st_dev))
                yield state.st_blocks * BLOCK


def _signal(pids: set[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def _share(pid: int, resident: int) -> int:
    """A process's memory; what it shares with others counts in part. `resident` where the kernel does not tell."""
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return resident


def descendants() -> dict[int, list[str]]:
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


def adopt() -> None:
    """Processes that detach themselves come back to this one instead of escaping to init."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def _reap() -> None:
    """Collect ended children."""
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


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def _start(spec: Spec) -> tuple[int, int, int]:
    """Fork the program; gives its pid and the reading ends of stdout and stderr."""
    out_read, out_write = os.pipe()
    error_read, error_write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                # Where memory runs out, the kernel ends the job and not the platform.
                file.write("800")
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


class Watch:
    """Looks after the running program: how much it takes, and whether it has to end."""

    def __init__(self, spec: Spec, tree: Tree) -> None:
        self._spec = spec
        self._tree = tree
        self._samples = Samples(spec["usage"])
        self.scratch = Scratch(spec)
        self._begun = time.monotonic()
        self._next = 0.02
        self._stop = False
        signal.signal(signal.SIGTERM, self._stopped)

    def _stopped(self, *_: object) -> None:
        self._stop = True

    @property
    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self._begun

    def reason(self) -> str:
        """Why the program has to end now; empty: it may go on."""
        if self._stop:
            return "cancelled"
        begun = self.seconds
        if begun > self._spec["seconds"]:
            return "timeout"
        if over := self.scratch.over(begun):
            return over
        if begun < self._next:
            return ""
        memory = self._tree.sample()
        self._samples.add(begun, self._tree.seconds(), memory, self._tree.size)
        # Often at first, since short jobs want a figure too; never more than a twentieth of one core's time.
        self._next = begun + max(min(SAMPLE_SECONDS, begun / 4), 20 * (self.seconds - begun))
        if memory > self._spec["memory"]:
            return "memory"
        return "processes" if self._tree.size > self._spec["processes"] else ""


def run(spec: Spec) -> dict[str, Any]:
    """Run to the end; gives the document for exit.json."""
    log, tree = Log(spec["log"]), Tree()
    watch = Watch(spec, tree)
    pid, out, error = _start(spec)
    over = os.pidfd_open(pid)
    streams = {out: Stream(log, "info"), error: Stream(log, "warning")}
    ended = ""
    while not ended:
        for ready in select.select([over, *streams], [], [], 0.05)[0]:
            if ready == over:
                ended = "exited"
            else:
                _pass_on(ready, streams)
        ended = ended or watch.reason()
    status = int(signal.SIGKILL)
    if ended == "exited":
        status = os.waitpid(pid, 0)[1]
        # What the program has left behind may be tidying up (podman's monitor).
        tree.end(patience=0.5, grace=1.0)
        ended = watch.scratch.left() or ended
    else:
        tree.end(grace=GRACE_SECONDS if ended in ("cancelled", "timeout") else 0.0)
    while streams and (found := select.select(list(streams), [], [], 0)[0]):
        for ready in found:
            _pass_on(ready, streams)
    for left in streams.values():
        left.end()
    code, signum = (os.WEXITSTATUS(status), 0) if os.WIFEXITED(status) else (-1, os.WTERMSIG(status))
    return {
        "ended": ended,
        "code": code,
        "signal": signum,
        "seconds": round(watch.seconds, 3),
        "cpu_seconds": round(tree.seconds(), 3),
        "peak_memory": tree.peak,
    }


def _pass_on(stream: int, streams: dict[int, Stream]) -> None:
    data = os.read(stream, 65536)
    if data:
        streams[stream].feed(data)
    else:
        streams.pop(stream).end()
        os.close(stream)


def main() -> None:
    """Detach, announce itself, run, and write how it ended."""
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    if os.getpgrp() != os.getpid():
        os.setsid()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    adopt()
    if "lock" in spec:
        os.set_inheritable(spec["lock"], False)
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
    # The worker waits for our end, and there is nothing to tidy up.
    os._exit(0)


if __name__ == "__main__":
    main()
