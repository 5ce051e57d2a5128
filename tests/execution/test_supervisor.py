"""The supervisor as a program: what it says of exits, signals, limits, leftovers and output of every kind."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from terrafair.execution import logs, supervisor
from terrafair.execution.logs import Line
from terrafair.execution.process import SUPERVISOR

DEADLINE = 60.0


def wait_for(what: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (found := what()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


@dataclass
class Supervised:
    """One supervisor on one folder."""

    folder: Path
    process: subprocess.Popen[bytes]

    def end(self) -> dict[str, Any]:
        self.process.wait(DEADLINE)
        document: dict[str, Any] = json.loads((self.folder / "exit.json").read_text())
        return document

    @property
    def log(self) -> list[Line]:
        return logs.read(self.folder / "log.jsonl", 0, 10**6)

    @property
    def messages(self) -> list[str]:
        return [line.message for line in self.log]

    def pid(self, name: str = "pid") -> int:
        """A number that the program wrote into a file."""
        return int(wait_for(lambda: (self.folder / name).exists() and (self.folder / name).read_text().strip()))


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., Supervised]:
    def start(script: str, *arguments: str, **changes: Any) -> Supervised:
        spec = {
            "arguments": [sys.executable, "-I", "-S", "-u", "-c", script, *arguments],
            "environment": {"PATH": "/usr/bin:/bin"},
            "directory": str(tmp_path),
            "seconds": 60,
            "memory": 2**33,
            "processes": 100,
            "disk": 2**30,
            "files": 10**5,
            "writable": [str(tmp_path)],
            "limits": {"RLIMIT_CORE": 0},
            "attempt": 3,
            "log": str(tmp_path / "log.jsonl"),
            "usage": str(tmp_path / "usage.jsonl"),
            "state": str(tmp_path / "supervisor.json"),
            "exit": str(tmp_path / "exit.json"),
            **changes,
        }
        (tmp_path / "run.json").write_text(json.dumps(spec))
        line = [sys.executable, "-I", "-S", str(SUPERVISOR), str(tmp_path / "run.json")]
        return Supervised(tmp_path, subprocess.Popen(line, cwd=tmp_path, start_new_session=True))

    return start


Start = Callable[..., Supervised]
DETACHED = """
import os, signal, sys, time
def detach(name, deaf=False):
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        if deaf:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with open(name + ".partial", "w") as file:
            file.write(str(os.getpid()))
        os.rename(name + ".partial", name)
        time.sleep(600)
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize("code", [0, 1, 77, 255])
def test_exit_codes(start: Start, code: int) -> None:
    end = start(f"import sys; sys.exit({code})").end()
    assert (end["ended"], end["code"], end["signal"], end["attempt"]) == ("exited", code, 0, 3)
    assert end["seconds"] > 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_signals(start: Start, number: int) -> None:
    end = start(f"import os; os.kill(os.getpid(), {int(number)})").end()
    assert (end["ended"], end["code"], end["signal"]) == ("exited", -1, number)


def test_a_program_that_is_not_there(start: Start) -> None:
    supervised = start("", arguments=["/nowhere/at/all"])
    end = supervised.end()
    assert (end["ended"], end["code"]) == ("exited", 127)
    assert "cannot be started" in supervised.messages[-1]
    assert "/nowhere/at/all" in supervised.messages[-1]


def test_time_limit(start: Start) -> None:
    supervised = start("import time; print('begun'); time.sleep(600)", seconds=0.3)
    assert supervised.end()["ended"] == "timeout"
    assert supervised.messages == ["begun"]


def test_a_program_that_will_not_listen_is_forced(start: Start) -> None:
    supervised = start("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", seconds=0.3)
    end = supervised.end()
    assert (end["ended"], end["signal"]) == ("timeout", signal.SIGKILL)


def test_memory_limit_counts_all_processes(start: Start) -> None:
    hungry = "import os, time; pid = os.fork(); held = b'x' * 80_000_000; time.sleep(600)"
    end = start(hungry, memory=120_000_000).end()
    assert end["ended"] == "memory"
    assert end["peak_memory"] > 120_000_000


def test_memory_that_processes_share_counts_once(start: Start) -> None:
    shared = """
import os, time
held = b'x' * 80_000_000
children = [os.fork() for _ in range(2)]
time.sleep(1.5)
if all(children):
    [os.wait() for _ in children]
"""
    end = start(shared, memory=160_000_000).end()
    assert end["ended"] == "exited"
    assert 80_000_000 < end["peak_memory"] < 160_000_000


def test_limit_of_processes(start: Start) -> None:
    many = "import os, time\nfor _ in range(12):\n    if not os.fork(): break\ntime.sleep(600)"
    end = start(many, processes=8).end()
    assert end["ended"] == "processes"


def test_file_size_limit(start: Start, tmp_path: Path) -> None:
    end = start("open('big', 'wb').write(b'x' * 10**6)", limits={"RLIMIT_FSIZE": 1000}).end()
    assert end["code"] != 0 or end["signal"] == signal.SIGXFSZ
    assert (tmp_path / "big").stat().st_size <= 1000


FILL = {
    "one file": "f = open('big', 'wb')\nwhile True: f.write(b'x' * 2**16); f.flush(); time.sleep(0.001)",
    "many files": "for n in range(10**6): open(str(n), 'wb').write(b'x' * 2**16); time.sleep(0.001)",
    "folders in folders": "while True: os.mkdir('d'); os.chdir('d'); open('f', 'wb').write(b'x' * 2**18)",
    "a closed folder": "os.mkdir('d'); os.chdir('d'); os.chmod('.', 0o300)\n"
    "for n in range(10**6): open(str(n), 'wb').write(b'x' * 2**16); time.sleep(0.001)",
    "a deleted file": "f = open('big', 'wb'); os.unlink('big')\n"
    "while True: f.write(b'x' * 2**16); f.flush(); time.sleep(0.001)",
    "memory as a file": "f = os.memfd_create('m')\nwhile True: os.write(f, b'x' * 2**16); time.sleep(0.001)",
}


@pytest.mark.parametrize("way", FILL)
def test_the_disk_is_not_filled(start: Start, tmp_path: Path, way: str) -> None:
    """Neither by one file nor by many; far below what one file may have."""
    end = start("import os, time\n" + FILL[way], disk=10 * 2**20, limits={"RLIMIT_FSIZE": 2**30}).end()
    assert (end["ended"], end["signal"]) == ("disk", signal.SIGKILL)
    assert end["seconds"] < 5


def test_files_are_counted(start: Start) -> None:
    end = start("import os\nfor n in range(10**6): os.mkdir(str(n))", files=2000).end()
    assert end["ended"] == "files"
    assert end["seconds"] < 5


def test_what_is_within_the_limit_of_the_disk_goes_on(start: Start) -> None:
    """Names of one file count its bytes once, and what has been deleted makes room; holes take none."""
    script = """
import os, time
open("one", "wb").write(b"x" * 8 * 2**20)
for n in range(50): os.link("one", f"name-{n}")
with open("sparse", "wb") as file: file.truncate(2**30)
for n in range(20):
    open("part", "wb").write(b"x" * 2**20)
    os.unlink("part")
    time.sleep(0.05)
"""
    end = start(script, disk=12 * 2**20, limits={"RLIMIT_FSIZE": 2**31}).end()
    assert (end["ended"], end["code"]) == ("exited", 0)


def test_cpu_seconds_of_ended_children_count(start: Start) -> None:
    burn = "import os, time\nif not os.fork():\n    while time.process_time() < 0.4: pass\n    os._exit(0)\nos.wait()"
    assert start(burn).end()["cpu_seconds"] >= 0.4


@pytest.mark.parametrize("deaf", [False, True])
def test_cancel_ends_detached_children_too(start: Start, deaf: bool) -> None:
    supervised = start(DETACHED + f"detach('pid', {deaf}); time.sleep(600)")
    child = supervised.pid()
    state = json.loads((supervised.folder / "supervisor.json").read_text())
    assert state["pid"] == supervised.process.pid
    assert state["attempt"] == 3
    os.kill(state["pid"], signal.SIGTERM)
    assert supervised.end()["ended"] == "cancelled"
    assert gone(child)


def test_what_a_program_leaves_behind_is_ended(start: Start) -> None:
    supervised = start(DETACHED + "detach('pid', True)\nwhile not os.path.exists('pid'): pass\nprint('done')")
    end = supervised.end()
    assert (end["ended"], end["code"]) == ("exited", 0)
    assert gone(supervised.pid())


def test_a_cancelled_program_may_tidy_up(start: Start, tmp_path: Path) -> None:
    tidy = """
import signal, sys, time
def tidy(*_):
    print("tidied up")
    sys.exit(0)
signal.signal(signal.SIGTERM, tidy)
open("ready", "w").write("1")
time.sleep(600)
"""
    supervised = start(tidy)
    supervised.pid("ready")
    supervised.process.terminate()
    assert supervised.end()["ended"] == "cancelled"
    assert supervised.messages == ["tidied up"]


def test_it_outlives_its_parent(start: Start, tmp_path: Path) -> None:
    """Started by a process that is killed with all its group; not ours, so it is awaited through its files."""
    supervised = start("pass", exit=str(tmp_path / "other.json"))
    supervised.process.wait(DEADLINE)
    spec = json.loads((tmp_path / "run.json").read_text())
    go_on = "import os, time\nprint(os.getpid())\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('went on')"
    spec |= {"arguments": [*spec["arguments"][:5], go_on], "exit": str(tmp_path / "exit.json")}
    (tmp_path / "run.json").write_text(json.dumps(spec))
    line = [sys.executable, "-I", "-S", str(SUPERVISOR), str(tmp_path / "run.json")]
    launch = f"import subprocess, time; subprocess.Popen({line!r}, cwd={str(tmp_path)!r}); time.sleep(600)"
    parent = subprocess.Popen([sys.executable, "-c", launch], start_new_session=True)
    wait_for(lambda: (tmp_path / "log.jsonl").exists() and supervised.messages)
    os.killpg(parent.pid, signal.SIGHUP)
    os.killpg(parent.pid, signal.SIGKILL)
    parent.wait()
    (tmp_path / "go").touch()
    wait_for((tmp_path / "exit.json").exists)
    assert json.loads((tmp_path / "exit.json").read_text())["ended"] == "exited"
    assert supervised.messages[-1] == "went on"


def test_lines_of_json_and_plain_ones(start: Start) -> None:
    script = """
import sys
print('{"level": "warning", "message": "careful", "progress": 0.25}')
print('{"progress": 1}')
print('{"message": "half", "progress": 7}')
print('{"message": "odd", "level": "shout", "progress": "x"}')
print('{"progress": NaN, "message": 5}')
print('{"other": 1}')
print('{broken')
print('[1]')
print('plain')
print()
print('10 %\\r50 %\\r100 %')
print('dos\\r')
print('ünïcödé')
print('{"message": "on stderr it is text"}', file=sys.stderr)
sys.stdout.write('no newline at the end')
"""
    supervised = start(script)
    supervised.end()
    found = [(line.level, line.message, line.progress) for line in supervised.log]
    errors = ("warning", '{"message": "on stderr it is text"}', None)
    assert errors in found
    found.remove(errors)
    assert found == [
        ("warning", "careful", 0.25),
        ("info", "", 1.0),
        ("info", "half", None),
        ("info", "odd", None),
        ("info", "5", None),
        ("info", '{"other": 1}', None),
        ("info", "{broken", None),
        ("info", "[1]", None),
        ("info", "plain", None),
        ("info", "100 %", None),
        ("info", "dos", None),
        ("info", "ünïcödé", None),
        ("info", "no newline at the end", None),
    ]


def test_binary_output_and_hostile_json(start: Start) -> None:
    script = """
import os
os.write(1, bytes(range(256)) * 4 + b"\\n")
os.write(1, b'{"message": ' + b"[" * 5000 + b"\\n")
os.write(1, b'{"message": "\\\\ud800"}\\n')
os.write(1, b'{"progress": 1' + b"0" * 5000 + b"}\\n")
os.write(1, b"end\\n")
"""
    supervised = start(script)
    assert supervised.end()["code"] == 0
    assert supervised.messages[-1] == "end"
    assert all(line.time for line in supervised.log)


def test_huge_lines_are_cut_and_those_after_them_are_whole(start: Start) -> None:
    script = """
import json, sys
sys.stdout.write("x" * 10_000_000 + "\\n")
sys.stdout.write(json.dumps({"message": "y" * 100_000, "progress": 0.5}) + "\\n")
print("after")
"""
    supervised = start(script)
    assert supervised.end()["ended"] == "exited"
    *huge, said, after = supervised.log
    assert after.message == "after"
    assert (said.progress, set(said.message)) == (0.5, {"y"})
    assert all(set(line.message) == {"x"} for line in huge)
    assert all(len(line.message) <= supervisor.LINE_BYTES for line in supervised.log)


def test_an_endless_log_is_bounded(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"x" * 99 + b"\n")
    with (tmp_path / "log.jsonl").open("ab") as file:
        file.truncate(supervisor.LOG_BYTES - 3000)
    supervised = start("for n in range(10**5): print(n, 'x' * 1000)")
    assert supervised.end()["code"] == 0
    assert (tmp_path / "log.jsonl").stat().st_size < supervisor.LOG_BYTES + 1000
    tail = (tmp_path / "log.jsonl").read_bytes()[-3000:].splitlines()
    assert "what follows is not kept" in json.loads(tail[-1])["message"]


def test_half_a_line_of_a_killed_writer_is_ended(start: Start, tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b'{"time": "')
    supervised = start("print('mine')")
    supervised.end()
    assert supervised.messages == ['{"time": "', "mine"]


def test_the_program_gets_its_own_surroundings_only(start: Start, tmp_path: Path) -> None:
    look = """
import os, sys
print(sorted(os.environ), os.getcwd() == sys.argv[1], sys.stdin.read() == "")
print(sorted(int(fd) for fd in os.listdir("/proc/self/fd"))[:3], len(os.listdir("/proc/self/fd")))
print(os.getpgid(0) == os.getpid())
"""
    supervised = start(look, str(tmp_path.resolve()))
    supervised.end()
    # Python sets LC_CTYPE itself.
    assert supervised.messages[0].replace("'LC_CTYPE', ", "") == "['PATH'] True True"
    # The fourth is that of the listing itself.
    assert supervised.messages[1:] == ["[0, 1, 2] 4", "True"]


def test_the_exit_is_known_before_the_supervisor_is_gone(start: Start) -> None:
    """A fault of its own is told as well."""
    supervised = start("pass", limits={"RLIMIT_NOTHING": 1})
    assert supervised.end()["code"] == 127
    assert "RLIMIT_NOTHING" in supervised.messages[-1]
    (supervised.folder / "log.jsonl").unlink()
    (supervised.folder / "log.jsonl").mkdir()
    end = start("pass").end()
    assert end["ended"] == "lost"
    assert "IsADirectoryError" in end["reason"]
