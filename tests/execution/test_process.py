"""A job's process: launched once, found again by any later worker, ended for good."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import Unreachable
from terrafair.execution import logs
from terrafair.execution.command import Command, Limits
from terrafair.execution.process import MARK, Exit, Process
from terrafair.execution.sandbox import Sandbox

PLAIN = Sandbox(isolated=False, reason="This test runs nothing of others.")
DEADLINE = 60.0
MINUTE = Limits(seconds=60)


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


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "job"
    (folder / "work").mkdir(parents=True)
    yield folder
    Process(folder, 0).end_leftovers()


def command(folder: Path, script: str, limits: Limits = MINUTE) -> Command:
    arguments = (sys.executable, "-I", "-S", "-c", script)
    return Command(arguments, directory=folder / "work", writable=(folder / "work",), limits=limits)


def launch(folder: Path, script: str, attempt: int = 0) -> Process:
    process = Process(folder, attempt)
    process.launch(command(folder, script), PLAIN)
    return process


def number(path: Path) -> int:
    return int(wait_for(lambda: path.exists() and path.read_text()))


SLEEP = "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(600)"
WAIT = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.02)\nprint('went on')"


def test_a_whole_life(folder: Path) -> None:
    process = Process(folder, 0)
    assert (process.launched, process.alive, process.exit()) == (False, False, None)
    process.launch(command(folder, WAIT), PLAIN)
    assert process.launched
    assert process.alive
    assert process.exit() is None
    (folder / "work/go").touch()
    end = wait_for(process.exit)
    assert (end.ended, end.code, end.signal, end.attempt, end.reason) == ("exited", 0, 0, 0, "")
    assert end.seconds > 0
    assert (process.launched, process.alive) == (True, False)
    assert [line.message for line in logs.read(folder / "log.jsonl")] == ["went on"]


def test_alive_from_the_first_moment(folder: Path) -> None:
    """Between the launch and the supervisor's first instruction nobody may take it for lost."""
    process = Process(folder, 0)
    process.launch(command(folder, WAIT), PLAIN)
    while not (folder / "supervisor.json").exists():
        assert process.alive
        assert Process(folder, 0).alive
        assert Process(folder, 0).launched
    (folder / "work/go").touch()
    wait_for(process.exit)


def test_another_worker_finds_it_and_gets_its_end(folder: Path) -> None:
    first = launch(folder, WAIT)
    found = Process(folder, 0)
    assert (found.launched, found.alive) == (True, True)
    (folder / "work/go").touch()
    assert wait_for(found.exit).ended == "exited"
    assert wait_for(first.exit) == found.exit()


def test_another_worker_stops_it(folder: Path) -> None:
    first = launch(folder, SLEEP)
    pid = number(folder / "work/pid")
    Process(folder, 0).stop()
    assert wait_for(Process(folder, 0).exit).ended == "cancelled"
    assert gone(pid)
    wait_for(first.exit)
    # Once more does no harm, even if the number belongs to somebody else by now.
    Process(folder, 0).stop()


def test_an_end_belongs_to_its_attempt(folder: Path) -> None:
    wait_for(launch(folder, "pass").exit)
    again = Process(folder, 1)
    assert (again.launched, again.exit()) == (False, None)
    again.launch(command(folder, "raise SystemExit(5)"), PLAIN)
    assert (wait_for(again.exit).code, again.exit().attempt) == (5, 1)
    assert Process(folder, 0).exit() is None


def test_two_supervisors_never_run_on_one_folder(folder: Path) -> None:
    first = launch(folder, SLEEP)
    number(folder / "work/pid")
    with pytest.raises(Unreachable, match="still runs"):
        Process(folder, 1).launch(command(folder, "pass"), PLAIN)
    first.stop()
    wait_for(first.exit)


def test_a_look_at_the_same_moment_does_not_hinder_the_launch(folder: Path) -> None:
    """Whoever looks whether it is alive holds its lock for an instant."""
    with (folder / "supervisor.lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        timer = threading.Timer(0.2, lambda: fcntl.flock(lock, fcntl.LOCK_UN))
        timer.start()
        try:
            process = launch(folder, "pass")
        finally:
            timer.join()
    assert wait_for(process.exit).ended == "exited"


def test_a_killed_supervisor_is_known_as_lost_and_its_leftovers_are_ended(folder: Path) -> None:
    # Its child dies with the supervisor; the grandchild does not.
    script = """
import os, time
if os.fork() == 0:
    os.setsid()
    open("pid.partial", "w").write(str(os.getpid()))
    os.rename("pid.partial", "pid")
    time.sleep(600)
time.sleep(600)
"""
    process = launch(folder, script)
    pid = number(folder / "work/pid")
    supervisor = process._state()
    assert supervisor is not None
    os.kill(supervisor["pid"], signal.SIGKILL)
    wait_for(lambda: not process.alive)
    assert (process.launched, process.exit()) == (True, None)
    assert not gone(pid)
    process.end_leftovers()
    assert gone(pid)
    process.stop()


def test_leftovers_are_those_of_this_job_only(folder: Path, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "600"], env={MARK: f"{folder}-2"}, start_new_session=True)
    mine = subprocess.Popen(["sleep", "600"], env={MARK: str(folder)}, start_new_session=True)
    # Popen is back before the kernel shows what the new program has been given.
    wait_for(lambda: MARK in Path(f"/proc/{mine.pid}/environ").read_text())
    reaper = threading.Thread(target=mine.wait)
    reaper.start()
    Process(folder, 0).end_leftovers()
    reaper.join()
    assert mine.returncode == -signal.SIGKILL
    assert other.poll() is None
    other.kill()
    other.wait()


@pytest.mark.parametrize(
    "torn", ["", "{", "[]", "7", '"x"', "null", "{}", '{"attempt": 0}', '{"attempt": 0, "pid": "x"}']
)
def test_damaged_files_are_no_answer(folder: Path, torn: str) -> None:
    for name in ("supervisor.json", "exit.json"):
        (folder / name).write_text(torn)
    process = Process(folder, 0)
    assert process.exit() is None
    assert not process.alive
    process.stop()


def test_neither_lock_nor_secret_reaches_the_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAFAIR_STORE_SECRET", "hush")
    look = "import os; print(len(os.listdir('/proc/self/fd')), 'TERRAFAIR_STORE_SECRET' in os.environ)"
    wait_for(launch(folder, look).exit)
    assert [line.message for line in logs.read(folder / "log.jsonl")] == ["4 False"]
    assert (folder / "run.json").stat().st_mode & 0o777 == 0o600


def test_limits_are_passed_on(folder: Path) -> None:
    process = Process(folder, 0)
    process.launch(command(folder, "import time; time.sleep(600)", Limits(seconds=0.2)), PLAIN)
    assert wait_for(process.exit).ended == "timeout"
    process = Process(folder, 1)
    process.launch(command(folder, "open('big', 'wb').write(b'x' * 10**6)", Limits(seconds=60, file_size=5000)), PLAIN)
    assert wait_for(process.exit).code != 0
    assert (folder / "work/big").stat().st_size == 5000


def test_a_launch_that_fails_says_so(folder: Path) -> None:
    process = Process(folder, 0)
    gone_away = Command(("/nowhere",), directory=folder / "missing")
    process.launch(gone_away, PLAIN)
    end: Exit = wait_for(process.exit)
    assert end.code == 127
    assert "cannot be started" in logs.read(folder / "log.jsonl")[-1].message
