"""Isolation, tried out from the inside: every test runs a program in bubblewrap and looks at what it could do."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import Refused, WorkflowFailed
from terrafair.execution.command import Command, Limits
from terrafair.execution.sandbox import Sandbox, probe, safe_files
from terrafair.execution.task import JobFolder
from terrafair.execution.trees import wipe

Inside = Callable[..., Any]
TRY = """
import ctypes, errno, json, os, signal, socket, subprocess, sys
from pathlib import Path
def attempt(what):
    try:
        what()
    except OSError as fault:
        return errno.errorcode.get(fault.errno, "?")
    return "done"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The platform's home with its secrets."""
    home = tmp_path_factory.mktemp("home")
    (home / "platform.db").write_text("secret")
    (home / "jobs/other/outputs").mkdir(parents=True)
    (home / "jobs/other/outputs/result.txt").write_text("secret")
    (home / "jobs/other/work").mkdir()
    (home / "jobs/other/work").chmod(0o777)
    return home


@pytest.fixture(scope="module")
def sandbox(home: Path) -> Sandbox:
    sandbox = probe(home, "auto")
    if not sandbox.isolated:
        pytest.skip(f"no isolation on this machine: {sandbox.reason}")
    return sandbox


@pytest.fixture
def folder(home: Path) -> Iterator[JobFolder]:
    folder = JobFolder(home / "jobs/mine").create()
    (folder.application / "code.py").write_text("code")
    (folder.inputs / "data.nc").write_text("data")
    folder.task.write_text("{}")
    (folder.path / "log.jsonl").write_text("")
    (folder.path / "run.json").write_text("secret")
    yield folder
    shutil.rmtree(folder.path)


def command(folder: JobFolder, script: str, *arguments: str) -> Command:
    return Command(
        (sys.executable, "-I", "-c", script, *arguments),
        directory=folder.work,
        readable=(folder.application, folder.inputs, folder.task),
        writable=(folder.work, folder.outputs),
        limits=Limits(seconds=60),
    )


def start(sandbox: Sandbox, command: Command) -> "subprocess.CompletedProcess[str]":
    sandbox.make_ready(command)
    return subprocess.run(
        sandbox.arguments(command),
        env=sandbox.environment(command),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def inside(sandbox: Sandbox, folder: JobFolder) -> Inside:
    """Run a script in the sandbox; gives what it prints as JSON."""

    def inside(script: str, *arguments: object, **changes: Any) -> Any:
        found = replace(command(folder, TRY + script, *map(str, arguments)), **changes)
        done = start(sandbox, found)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return inside


def test_a_program_reads_its_own_and_nothing_of_the_platform(inside: Inside, folder: JobFolder, home: Path) -> None:
    hidden = [home / "platform.db", home / "jobs/other", folder.path / "run.json", folder.path / "log.jsonl"]
    hidden += [Path("/etc/shadow"), Path("/home"), Path("/sys"), Path("/boot"), Path("/var/log"), Path(__file__)]
    own = [folder.application / "code.py", folder.inputs / "data.nc", folder.task, folder.work, folder.outputs]
    script = "print(json.dumps([os.path.lexists(path) for path in sys.argv[1:]]))"
    assert inside(script, *hidden) == [False] * len(hidden)
    assert inside(script, *own) == [True] * len(own)
    names = inside("print(json.dumps([os.listdir(path) for path in sys.argv[1:]]))", home, home / "jobs", folder.path)
    assert names[:2] == [["jobs"], ["mine"]]
    assert sorted(names[2]) == ["application", "inputs", "outputs", "task.json", "work"]


def test_of_homes_only_the_way_to_the_interpreter_is_seen(inside: Inside) -> None:
    home = Path.home()
    shown = inside("print(json.dumps(os.listdir(sys.argv[1]) if os.path.isdir(sys.argv[1]) else []))", home)
    needed = {
        Path(sys.prefix),
        Path(sys.base_prefix),
        Path(sys.executable).resolve(),
        Path(__file__).parents[2] / "src",
    }
    assert all(any(path.is_relative_to(home / name) for path in needed) for name in shown), shown


def test_it_writes_to_its_own_folders_only(inside: Inside, folder: JobFolder, home: Path) -> None:
    closed = [folder.application, folder.inputs, folder.path, home, home / "jobs", home / "jobs/other/work", sys.prefix]
    closed += [
        "/",
        "/usr",
        "/usr/lib",
        "/etc",
        "/root",
        "/home",
        "/run",
        "/var",
        "/dev",
        "/proc",
        "/opt",
        sys.base_prefix,
    ]
    script = """
def write(path):
    with open(os.path.join(path, "written"), "w") as file:
        file.write("x")
print(json.dumps([attempt(lambda: write(path)) for path in sys.argv[1:]]))
"""
    assert "done" not in inside(script, *closed)
    mine = [folder.work, folder.outputs, "/tmp", "/var/tmp", "/dev/shm"]
    assert inside(script, *mine) == ["done"] * len(mine)
    assert (folder.outputs / "written").read_text() == "x"
    change = """
paths = [Path(path) for path in sys.argv[1:]]
print(json.dumps([[attempt(what) for what in (lambda: path.write_text("x"), path.unlink, lambda: path.chmod(0o777),
    lambda: path.rename(path.with_name("other")))] for path in paths]))
"""
    for tried in inside(change, folder.application / "code.py", folder.inputs / "data.nc", folder.task, sys.executable):
        assert "done" not in tried


def test_nothing_else_is_open_for_writing(inside: Inside, folder: JobFolder) -> None:
    script = """
# In /dev only devices are to be found, as test_settings_of_the_kernel_are_closed sees.
line = "find / -path /proc -prune -o -path /dev/* -prune -o ( -type d -o -type f ) -writable -print".split()
print(json.dumps(subprocess.run(line, capture_output=True, text=True).stdout.splitlines()))
"""
    mine = [str(folder.work), str(folder.outputs), "/tmp", "/var/tmp"]
    found = inside(script)
    assert set(mine) <= set(found)
    assert [place for place in found if not any(Path(place).is_relative_to(own) for own in mine)] == []


def test_its_tmp_is_private_and_on_disk(inside: Inside, folder: JobFolder) -> None:
    assert inside("Path('/tmp/terrafair-mine').write_text('x'); print(json.dumps(os.environ['TMPDIR']))") == "/tmp"
    assert not Path("/tmp/terrafair-mine").exists()
    assert (folder.work / ".tmp/terrafair-mine").read_text() == "x"


def test_the_network_is_closed_unless_granted(inside: Inside) -> None:
    script = """
def reach(family, address):
    with socket.socket(family) as client:
        client.settimeout(5)
        client.connect(address)
inet = attempt(lambda: reach(socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))))
print(json.dumps([inet, attempt(lambda: reach(socket.AF_UNIX, "\\0" + sys.argv[2])), len(socket.if_nameindex())]))
"""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        name = f"terrafair-test-{os.getpid()}"
        local.bind("\0" + name)
        local.listen()
        port = server.getsockname()[1]
        inet, unix, interfaces = inside(script, port, name)
        assert "done" not in (inet, unix)
        assert interfaces == 1
        assert inside(script, port, name, network=True)[0] == "done"


@pytest.mark.parametrize("address", ["169.254.169.254", "127.0.0.1", "10.0.0.1", "192.0.2.1"])
def test_no_address_is_reached(inside: Inside, address: str) -> None:
    script = """
def reach():
    with socket.create_connection((sys.argv[1], 80), timeout=5):
        pass
print(json.dumps(attempt(reach)))
"""
    assert inside(script, address) != "done"


def test_its_own_keepers_are_out_of_reach(inside: Inside, home: Path) -> None:
    """Neither what started the job nor what the platform keeps beside it can be ended, traced or opened."""
    script = """
import signal
kill = attempt(lambda: os.kill(int(sys.argv[1]), signal.SIGKILL))
opened = [attempt(lambda path=path: open(path, "rb").read(1)) for path in sys.argv[2:]]
print(json.dumps([kill, *opened]))
"""
    hidden = [home / "platform.db", home / "objects.json", f"/proc/{os.getpid()}/environ", "/proc/1/root/etc/shadow"]
    assert "done" not in inside(script, os.getpid(), *hidden)


def test_the_platforms_environment_is_not_seen(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERRAFAIR_STORE_SECRET", "hush-hush")
    script = """
texts = []
for path in Path("/proc").glob("[0-9]*/environ"):
    try:
        texts.append(path.read_bytes().decode())
    except OSError:
        pass
print(json.dumps([dict(os.environ), texts]))
"""
    environment, texts = inside(script, environment={"MINE": "yes"})
    assert texts
    assert not any("hush" in text for text in [*texts, *environment.values()])
    assert environment["MINE"] == "yes"
    assert set(environment) - {"MINE"} <= {*["PATH", "HOME", "TMPDIR", "LANG", "LC_ALL", "PWD"]} | {
        name for name in environment if name.startswith("PYTHON")
    }


def test_what_it_loads_at_its_start_is_not_loaded_by_the_sandbox(sandbox: Sandbox, folder: JobFolder) -> None:
    """bwrap begins with the platform's rights; LD_PRELOAD of a workflow's environment is for the workflow."""
    wanted = replace(command(folder, "import os; print(os.environ['LD_PRELOAD'])"), environment={"LD_PRELOAD": "/x.so"})
    assert not any(name.startswith("LD_") for name in sandbox.environment(wanted))
    done = start(sandbox, wanted)
    assert done.stdout == "/x.so\n"
    # Once by the program; the loaders of bwrap, prlimit and setpriv say nothing.
    assert "/x.so" in done.stderr


def test_links_in_outputs_lead_nowhere(inside: Inside, sandbox: Sandbox, folder: JobFolder, home: Path) -> None:
    script = """
outputs = Path(sys.argv[1])
(outputs / "plain.txt").write_text("x")
(outputs / "deep").mkdir()
(outputs / "deep/é.txt").write_text("x")
(outputs / "inside").symlink_to("deep/é.txt")
(outputs / "whole").symlink_to(".")
(outputs / "loop").symlink_to("loop")
(outputs / "nothing").symlink_to("/nowhere")
for name, target in zip(("one", "two", "three", "four"), sys.argv[2:]):
    (outputs / name).symlink_to(target)
os.mkfifo(outputs / "pipe")
socket.socket(socket.AF_UNIX).bind(str(outputs / "socket"))
hard = attempt(lambda: os.link(sys.argv[6], outputs / "hard"))
print(json.dumps([hard, attempt((outputs / "one").read_text), attempt(lambda: (outputs / "one").write_text("x"))]))
"""
    places = (home / "platform.db", home, "/etc/passwd", "../../other/outputs/result.txt", folder.inputs / "data.nc")
    assert "done" not in inside(script, folder.outputs, *places)
    found = [path.relative_to(folder.outputs).as_posix() for path in safe_files(folder.outputs)]
    assert found == ["inside", "plain.txt", "deep/é.txt"]
    owner = (home / "platform.db").stat().st_uid
    sandbox.make_ready(command(folder, ""))
    assert (home / "platform.db").stat().st_uid == owner


def test_folders_without_end_are_told_and_removed(inside: Inside, folder: JobFolder) -> None:
    """Deeper than Python's own walk and removal can follow, and longer than a path may be."""
    script = """
os.chdir(sys.argv[1])
for _ in range(3000):
    os.mkdir("a" * 20)
    os.chdir("a" * 20)
print(json.dumps("done"))
"""
    assert inside(script, folder.outputs) == "done"
    with pytest.raises(WorkflowFailed, match="more than 100 deep"):
        list(safe_files(folder.outputs))
    wipe(folder.outputs)
    assert not folder.outputs.exists()


def test_probing(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "switched off" in probe(home, "none").reason
    monkeypatch.setenv("PATH", str(tmp_path))
    found = probe(home, "auto")
    assert (found.isolated, found.drops_user) == (False, False)
    assert "not installed" in found.reason
    with pytest.raises(Refused, match="not installed"):
        probe(home, "require")
    program = tmp_path / "bwrap"
    for script, reason in (
        ("exit 3", "root"),
        ("exit 4", "secrets"),
        ("echo no namespaces >&2; exit 1", "no namespaces"),
    ):
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        assert reason in probe(home, "auto").reason
        with pytest.raises(Refused, match=reason):
            probe(home, "require")


def test_without_isolation_a_program_runs_as_it_is(folder: JobFolder) -> None:
    plain = Sandbox(isolated=False, reason="for this test")
    found = command(folder, "import os; print(os.environ['TMPDIR'])")
    assert plain.arguments(found) == list(found.arguments)
    done = start(plain, found)
    assert done.stdout.strip() == str(folder.work / ".tmp")
    assert folder.work.stat().st_uid == os.getuid()


def test_a_link_left_for_the_next_start_leads_nowhere(sandbox: Sandbox, folder: JobFolder, tmp_path: Path) -> None:
    """What an earlier start put in the place of its /tmp may name any folder of the machine."""
    tmp_path.chmod(0o755)
    (tmp_path / "of-another").write_text("x")
    (folder.work / ".tmp").symlink_to(tmp_path)
    (folder.work / ".shm").write_text("no folder")
    done = start(
        sandbox, command(folder, "import os; print('of-another' in os.listdir('/tmp'), os.listdir('/dev/shm'))")
    )
    assert done.stdout.strip() == "False []", done.stderr
    assert (tmp_path / "of-another").exists()
