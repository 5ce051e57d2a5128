"""Isolation by bubblewrap: a program sees the system's libraries, its own folders, and nothing else.

Started by root, the program runs as an unprivileged user of its own without any capability; started by a person, as
that person inside a user namespace. Either way it has its own processes, a private /tmp, and no network unless granted.
"""

import os
import shutil
import stat
import subprocess
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from terrafair.errors import Refused
from terrafair.execution import seccomp
from terrafair.execution.command import Command
from terrafair.execution.trees import walk

USERS = range(60_700, 61_100)
"""Numbers that no distribution gives out; the users that jobs run as when the platform is root. Each job has its own,
since the kernel counts processes by user: one job's must not use up another's."""
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("/etc/ld.so.cache", "/etc/ssl", "/etc/ca-certificates", "/etc/localtime", "/etc/alternatives", "/etc/mime.types")
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")
LOADER = frozenset({"GLIBC_TUNABLES", "GCONV_PATH", "LOCPATH", "NLSPATH"})
"""Beside LD_...: variables that make a program's start load files of the caller's choice."""
PROBE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Sandbox:
    """How programs of jobs are started on this machine; `probe` makes one."""

    isolated: bool
    """Whether bubblewrap is used."""
    reason: str
    """Why not, or what is used."""
    program: str = ""
    """Path of bwrap."""
    identity: Path | None = None
    """Folder with the passwd and group files that the program sees."""
    filter: Path | None = None
    """File with the filter of system calls."""

    @property
    def drops_user(self) -> bool:
        """Whether programs run as another user than the platform's."""
        return self.isolated and os.geteuid() == 0

    def arguments(self, command: Command) -> list[str]:
        """The command line that runs a command in isolation."""
        if not (self.isolated and command.isolated):
            return list(command.arguments)
        return [
            *self._filtered(),
            *self._binds(command),
            *self._namespaces(command),
            "--",
            *self._dropped(command),
            *self._loader(command),
            *command.arguments,
        ]

    def environment(self, command: Command) -> dict[str, str]:
        """The whole environment of the program."""
        beside = Path(sys.executable).parent
        plain = {
            "PATH": f"{beside}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(command.directory),
            "TMPDIR": "/tmp" if self.isolated and command.isolated else str(_scratch(command)[0]),  # noqa: S108 - private
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        wanted = {**plain, **command.environment}
        if self.isolated and command.isolated:
            # bwrap itself starts with the platform's rights: it must not load what somebody else names.
            return {name: value for name, value in wanted.items() if not _loads(name)}
        return wanted

    def make_ready(self, command: Command) -> None:
        """Make the program's scratch folders and hand all that it may write to the user that it runs as."""
        for folder in _scratch(command):
            # bwrap follows links with the platform's rights, and an earlier start of the program may have left one.
            if folder.is_symlink() or folder.is_file():
                folder.unlink()
            folder.mkdir(mode=0o700, exist_ok=True)
        if self.drops_user and command.isolated:
            user = _user(command)
            for writable in command.writable:
                for path in (writable, *writable.rglob("*")):
                    os.lchown(path, user, user)

    def _binds(self, command: Command) -> list[str]:
        found = ["--tmpfs", "/"]
        for place in SYSTEM:
            path = Path(place)
            if path.is_symlink():
                found += ["--symlink", str(path.readlink()), place]
            elif path.exists():
                found += ["--ro-bind", place, place]
        found += ["--proc", "/proc", "--dev", "/dev", "--dir", "/run"]
        # On disk: files in a tmpfs are memory that no limit counts. Before the others, since those may lie in /tmp.
        temporary, shared = map(str, _scratch(command))
        found += ["--bind", temporary, "/tmp", "--perms", "0755", "--dir", "/var"]  # noqa: S108
        found += ["--bind", temporary, "/var/tmp", "--bind", shared, "/dev/shm"]  # noqa: S108
        readable = [*_python(), *command.readable]
        parents = {parent for path in (*map(Path, ETC), *readable, *command.writable) for parent in path.parents}
        for parent in sorted(parents - {Path("/"), Path("/tmp")}):  # noqa: S108
            # Left to bubblewrap they would be closed to everybody but root.
            if not any(parent.is_relative_to(place) for place in SYSTEM):
                found += ["--perms", "0755", "--dir", str(parent)]
        for place in (*ETC, *(NETWORK if command.network else ())):
            found += ["--ro-bind-try", place, place]
        if self.identity is not None:
            for name in ("passwd", "group"):
                found += ["--ro-bind", str(self.identity / name), f"/etc/{name}"]
        for path in readable:
            found += ["--ro-bind-try", str(path), str(path)]
        for path in command.writable:
            found += ["--bind", str(path), str(path)]
        return [*found, "--remount-ro", "/dev", "--remount-ro", "/", "--chdir", str(command.directory)]

    def _filtered(self) -> list[str]:
        if self.filter is None:
            return [self.program]
        # bwrap takes the filter by descriptor. A shell opens it, so that whoever starts this line need not.
        return ["/bin/sh", "-c", 'exec "$@" 9<"$0"', str(self.filter), self.program, "--seccomp", "9"]

    def _namespaces(self, command: Command) -> list[str]:
        root = os.geteuid() == 0
        found = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "job"]
        found += [] if command.network else ["--unshare-net"]
        found += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"] if root else []
        found += [] if root else ["--unshare-user", "--disable-userns"]
        return [*found, "--new-session", "--die-with-parent"]

    def _dropped(self, command: Command) -> list[str]:
        # Set in here: the kernel counts a user's processes for each user namespace on its own, and outside of this one
        # a limit would hit the person's other programs.
        limit = ["/usr/bin/prlimit", f"--nproc={command.limits.processes}", "--core=0"]
        if os.geteuid() != 0:
            return limit
        user = str(_user(command))
        drop = ["/usr/bin/setpriv", "--reuid", user, "--regid", user, "--clear-groups"]
        return [*limit, *drop, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]

    def _loader(self, command: Command) -> list[str]:
        named = [f"{name}={value}" for name, value in command.environment.items() if _loads(name)]
        return ["/usr/bin/env", *named] if named else []


def safe_files(outputs: Path) -> Iterator[Path]:
    """The plain files that a program left in a folder, in order, none of them outside of it.

    Links are followed to plain files inside the folder only; links to folders, pipes, sockets and devices are left out.
    """
    root = outputs.resolve()
    for folder, names in walk(root):
        for name in names:
            path = folder / name
            try:
                real = path.resolve(strict=True)
                if real.is_relative_to(root) and stat.S_ISREG(real.lstat().st_mode):
                    yield outputs / path.relative_to(root)
            except (OSError, RuntimeError):
                # A link to nothing, or to itself.
                continue


def probe(home: Path, wish: str) -> Sandbox:
    """What isolation this machine gives, found by really running something in it.

    `wish` is the setting `isolation`. Raises `Refused` when isolation is required and does not work.
    """
    if wish == "none":
        return Sandbox(isolated=False, reason="Isolation is switched off (isolation = none).")
    program = shutil.which("bwrap")
    reason = "bubblewrap is not installed (apt install bubblewrap)."
    if program:
        plain = Sandbox(True, "bubblewrap, without a filter of system calls", program, _identity(home))
        if filtered := _filter(home):
            sandbox = replace(plain, reason="bubblewrap", filter=filtered)
            if not _try(sandbox, home):
                return sandbox
        reason = _try(plain, home)
        if not reason:
            return plain
    if wish == "require":
        raise Refused("Isolation is required and does not work.", reason, "Mend it, or set isolation = auto.")
    return Sandbox(isolated=False, reason=reason)


def _try(sandbox: Sandbox, home: Path) -> str:
    """Why the sandbox does not work; empty when it does."""
    folder = home / "sandbox" / "probe"
    folder.mkdir(exist_ok=True)
    script = "import os, sys; sys.exit(os.getuid() == 0 and 3 or os.path.exists('/etc/shadow') and 4 or 0)"
    command = Command((sys.executable, "-I", "-S", "-c", script), directory=folder, writable=(folder,))
    try:
        sandbox.make_ready(command)
        done = subprocess.run(
            sandbox.arguments(command),
            env=sandbox.environment(command),
            capture_output=True,
            text=True,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        return f"bubblewrap does not run: {fault}"
    if done.returncode == 3:
        return "bubblewrap leaves programs as root."
    if done.returncode == 4:
        return "bubblewrap leaves the system's secrets in sight."
    return f"bubblewrap fails: {done.stderr.strip()[:300] or done.returncode}" if done.returncode else ""


def _identity(home: Path) -> Path:
    folder = home / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    users = [(user, user) for user in USERS] if os.geteuid() == 0 else [(os.geteuid(), os.getegid())]
    people = ["root:x:0:0::/:/bin/false", *(f"job:x:{user}:{group}::/:/bin/sh" for user, group in users)]
    groups = ["root:x:0:", *(f"job:x:{group}:" for _, group in users)]
    for name, lines in (("passwd", people), ("group", groups)):
        # Replaced whole: a job that starts just now must not see half of it.
        partial = folder / f"{name}.{os.getpid()}"
        partial.write_text("\n".join(lines) + "\n")
        partial.chmod(0o644)
        partial.replace(folder / name)
    return folder


def _filter(home: Path) -> Path | None:
    content = seccomp.program()
    path = home.absolute() / "sandbox" / "seccomp.bpf"
    if content:
        partial = path.with_suffix(f".{os.getpid()}")
        partial.write_bytes(content)
        partial.replace(path)
    return path if content else None


def _user(command: Command) -> int:
    """The same at each start of one job."""
    return USERS[zlib.crc32(str(command.directory).encode()) % len(USERS)]


def _scratch(command: Command) -> tuple[Path, Path]:
    """What the program sees as /tmp and as /dev/shm."""
    return command.directory / ".tmp", command.directory / ".shm"


def _loads(name: str) -> bool:
    return name.startswith("LD_") or name in LOADER


def _python() -> Iterator[Path]:
    """The platform's own interpreter and packages."""
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    # An editable installation keeps the package's sources outside the prefix.
    prefixes.add(Path(__file__).resolve().parents[2])
    yield from sorted(prefix for prefix in prefixes if prefix != Path("/") and not str(prefix).startswith("/usr"))
