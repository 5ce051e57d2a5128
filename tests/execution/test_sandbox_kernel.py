"""What a sandboxed program is to the kernel: its user, its calls, its processes, and its end."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from terrafair.execution import seccomp
from terrafair.execution.command import Limits
from terrafair.execution.sandbox import Sandbox
from terrafair.execution.task import JobFolder

from .test_sandbox import Inside, command, folder, home, inside, sandbox, start

__all__ = ["folder", "home", "inside", "sandbox"]


def test_it_is_nobody_and_cannot_become_root(inside: Inside) -> None:
    script = """
status = dict(line.split(":\\t", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":\\t" in line)
print(json.dumps({
    "ids": [*os.getresuid(), *os.getresgid()], "groups": os.getgroups(), "no": status["NoNewPrivs"].strip(),
    "caps": [int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")],
    "bounding": int(status["CapBnd"], 16),
    "root": [attempt(lambda: os.setuid(0)), attempt(lambda: os.setgid(0)), attempt(lambda: os.setgroups([0]))],
}))
"""
    found = inside(script)
    assert 0 not in found["ids"] or os.getgid() == 0
    assert found["caps"] == [0, 0, 0, 0]
    assert found["no"] == "1"
    assert "done" not in found["root"]
    if os.geteuid() == 0:
        assert 0 not in found["ids"]
        assert os.getuid() not in found["ids"]
        assert found["groups"] == []
        assert found["bounding"] == 0
    else:
        assert set(found["ids"]) == {os.getuid(), os.getgid()}


def test_a_setuid_program_gains_nothing(inside: Inside, folder: JobFolder) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a program setuid root")
    program = folder.application / "who"
    shutil.copy(shutil.which("id") or "", program)
    program.chmod(0o4755)
    assert (program.stat().st_mode & 0o7777, program.stat().st_uid) == (0o4755, 0)
    assert inside("print(json.dumps(int(subprocess.check_output([sys.argv[1], '-u']))))", program) != 0


def test_two_jobs_are_different_users(sandbox: Sandbox, home: Path) -> None:
    if not sandbox.drops_user:
        pytest.skip("the platform is not root here")
    users = set()
    for name in ("a", "b", "a"):
        folder = JobFolder(home / "jobs" / name).create()
        users.add(start(sandbox, command(folder, "import os; print(os.getuid())")).stdout)
        assert folder.outputs.stat().st_uid != 0
        assert folder.application.stat().st_uid == 0
        shutil.rmtree(folder.path)
    assert len(users) == 2


def test_namespaces_of_its_own_open_nothing(inside: Inside, folder: JobFolder) -> None:
    """A user namespace makes it root of nothing: what is read-only or hidden stays so."""
    script = """
def root(line):
    return subprocess.run(["unshare", "-Urm", "sh", "-c", line, "sh", *sys.argv[1:]], capture_output=True).returncode
print(json.dumps([root("mount -o remount,rw,bind /usr && touch /usr/written"), root("umount /proc"),
    root("umount /tmp"), root("mount -t proc proc /proc && ls /proc/1/root/etc/shadow"),
    root('mount -o remount,rw,bind "$1" && touch "$1/x"')]))
"""
    assert 0 not in inside(script, folder.application)
    assert not (folder.application / "x").exists()


def test_calls_that_no_computation_needs_are_refused(inside: Inside, sandbox: Sandbox) -> None:
    """Beside namespaces: a tmpfs of its own, or memory without a process, would be memory that no limit counts."""
    if sandbox.filter is None:
        pytest.skip(sandbox.reason)
    script = """
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *values):
    ctypes.set_errno(0)
    done = libc.syscall(number, *values)
    return "done" if done >= 0 else errno.errorcode[ctypes.get_errno()]
NEW_USER = 0x10000000
print(json.dumps({
    "unshare": call(272, NEW_USER), "clone": call(56, NEW_USER | 17, 0, 0, 0, 0), "clone3": call(435, 0, 0),
    "mount": call(165, b"x", b"/tmp", b"tmpfs", 0, 0), "keyctl": call(250, 0, -3, 1), "bpf": call(321, 0, 0, 0),
    "shmget": call(29, 0, 1 << 20, 0o1600), "io_uring": call(425, 1, 0), "secret": call(447, 0),
    "other names": call(0x40000000 + 39), "mine": call(39) }))
"""
    if os.uname().machine != "x86_64":
        pytest.skip("the numbers of this test are x86-64's")
    found = inside(script)
    assert found.pop("mine") == "done"
    assert set(found.values()) == {"EPERM", "ENOSYS"}, found
    assert {name for name, how in found.items() if how == "ENOSYS"} == {
        "clone3", "shmget", "io_uring", "secret", "other names",
    }  # fmt: skip
    # What programs do all day: threads, processes, pipes, locks, memory as a file.
    usual = """
import multiprocessing.pool, threading, tempfile
threading.Thread(target=print, args=("",), daemon=True)
with multiprocessing.pool.ThreadPool(2) as pool:
    squares = pool.map(lambda n: n * n, range(3))
os.close(os.memfd_create("m"))
print(json.dumps([squares, subprocess.run(["true"]).returncode, len(multiprocessing.get_all_start_methods())]))
"""
    assert inside(usual) == [[0, 1, 4], 0, 3]


def test_a_machine_whose_calls_are_not_known_has_no_filter() -> None:
    assert seccomp.program("sparc64") == b""
    assert len(seccomp.program("aarch64")) % 8 == 0


def test_processes_of_the_host_are_out_of_reach(inside: Inside) -> None:
    host = subprocess.Popen(["sleep", "617"])
    script = """
seen = [Path(f"/proc/{name}/cmdline").read_bytes().decode() for name in os.listdir("/proc") if name.isdigit()]
host = int(sys.argv[1])
traced = ctypes.CDLL(None, use_errno=True).ptrace(16, host, 0, 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
try:
    os.kill(-1, signal.SIGTERM)
except OSError:
    pass
print(json.dumps([seen, attempt(lambda: os.kill(host, 9)), traced, os.path.exists(f"/proc/{host}/root"),
    attempt(lambda: os.listdir("/proc/1/root/root")), attempt(lambda: os.setpriority(os.PRIO_PROCESS, host, 19))]))
"""
    try:
        seen, kill, traced, root, outside, priority = inside(script, host.pid)
        assert host.poll() is None
    finally:
        host.kill()
        host.wait()
    assert len(seen) <= 4, seen
    assert not any("sleep\0617" in line for line in seen)
    assert (kill, priority, traced, root) == ("ESRCH", "ESRCH", -1, False)
    assert outside != "done"


def test_settings_of_the_kernel_are_closed(inside: Inside) -> None:
    paths = [
        "/proc/sys/kernel/hostname",
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/kcore",
        "/dev/kmsg",
    ]
    script = "print(json.dumps([attempt(lambda: open(path, 'r+')) for path in sys.argv[1:]]))"
    assert "done" not in inside(script, *paths)
    assert inside("print(json.dumps(os.uname().nodename))") == "job"
    devices = inside("print(json.dumps(sorted(os.listdir('/dev'))))")
    assert not {name for name in devices if name.startswith(("sd", "vd", "nvme", "loop", "mem", "kvm", "fuse"))}


def test_forking_without_end_is_stopped_by_the_kernel(inside: Inside) -> None:
    script = """
children = []
try:
    while len(children) < 100:
        child = os.fork()
        if child == 0:
            signal.pause()
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, 9)
print(json.dumps(len(children)))
"""
    assert inside(script, limits=Limits(seconds=60, processes=20)) < 20


def test_the_death_of_the_parent_ends_all(sandbox: Sandbox, folder: JobFolder) -> None:
    script = "import os, time; os.fork(); print('up', flush=True); time.sleep(600)"
    found = command(folder, script)
    sandbox.make_ready(found)
    arguments = sandbox.arguments(found)
    with subprocess.Popen(arguments, env=sandbox.environment(found), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"up\n"
        process.send_signal(signal.SIGKILL)
        # Ends only when every process that holds it open is gone.
        assert process.stdout.read() in (b"", b"up\n")
