"""Isolation by bubblewrap: a program sees the system's libraries, its own folders, and nothing else.

Started by root, the program runs as an unprivileged user of its own without any capability; started by a person, as
that person inside a user namespace. Either way it has its own processes, a private /tmp, and no network unless granted.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from terrafair.errors import Refused
from terrafair.execution.command import Command

UID = 64321
"""Nobody's number on any distribution; the user that jobs run as when the platform is root."""
SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
ETC = ("/etc/ld.so.cache", "/etc/ssl", "/etc/ca-certificates", "/etc/localtime", "/etc/alternatives", "/etc/mime.types")
NETWORK = ("/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/services")
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

    @property
    def drops_user(self) -> bool:
        """Whether programs run as another user than the platform's."""
        return self.isolated and os.geteuid() == 0

    def arguments(self, command: Command) -> list[str]:
        """The command line that runs a command in isolation."""
        if not (self.isolated and command.isolated):
            return list(command.arguments)
        return [
            self.program,
            *self._binds(command),
            *self._namespaces(command),
            "--",
            *self._dropped(),
            *command.arguments,
        ]

    def environment(self, command: Command) -> dict[str, str]:
        """The whole environment of the program."""
        beside = Path(sys.executable).parent
        plain = {
            "PATH": f"{beside}:/usr/local/bin:/usr/bin:/bin",
            "HOME": str(command.directory),
            "TMPDIR": "/tmp" if self.isolated and command.isolated else str(command.directory),  # noqa: S108 - private
            "LANG": "C.UTF-8",
            "LC_ALL": "C.UTF-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        return {**plain, **command.environment}

    def give(self, folders: Iterator[Path] | tuple[Path, ...]) -> None:
        """Hand folders and all in them to the user that programs run as."""
        if not self.drops_user:
            return
        for folder in folders:
            for path in (folder, *folder.rglob("*")):
                os.lchown(path, UID, UID)

    def _binds(self, command: Command) -> list[str]:
        found = ["--tmpfs", "/"]
        for place in SYSTEM:
            path = Path(place)
            if path.is_symlink():
                found += ["--symlink", str(path.readlink()), place]
            elif path.exists():
                found += ["--ro-bind", place, place]
        found += ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run", "--dir", "/var/tmp"]  # noqa: S108
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
        return [*found, "--remount-ro", "/", "--chdir", str(command.directory)]

    def _namespaces(self, command: Command) -> list[str]:
        root = os.geteuid() == 0
        found = ["--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "job"]
        found += [] if command.network else ["--unshare-net"]
        found += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"] if root else []
        found += [] if root else ["--unshare-user", "--disable-userns"]
        return [*found, "--new-session", "--die-with-parent"]

    def _dropped(self) -> list[str]:
        if os.geteuid() != 0:
            return []
        user = ["--reuid", str(UID), "--regid", str(UID), "--clear-groups"]
        return ["/usr/bin/setpriv", *user, "--inh-caps=-all", "--bounding-set=-all", "--no-new-privs"]


def probe(home: Path, wish: str) -> Sandbox:
    """What isolation this machine gives, found by really running something in it.

    `wish` is the setting `isolation`. Raises `Refused` when isolation is required and does not work.
    """
    if wish == "none":
        return Sandbox(isolated=False, reason="Isolation is switched off (isolation = none).")
    program = shutil.which("bwrap")
    reason = "bubblewrap is not installed (apt install bubblewrap)."
    if program:
        sandbox = Sandbox(True, "bubblewrap", program, _identity(home))
        reason = _try(sandbox, home)
        if not reason:
            return sandbox
    if wish == "require":
        raise Refused("Isolation is required and does not work.", reason, "Mend it, or set isolation = auto.")
    return Sandbox(isolated=False, reason=reason)


def _try(sandbox: Sandbox, home: Path) -> str:
    """Why the sandbox does not work; empty when it does."""
    folder = home / "sandbox"
    script = "import os, socket, sys; sys.exit(os.getuid() == 0 and 3 or os.path.exists('/etc/shadow') and 4 or 0)"
    command = Command((sys.executable, "-I", "-S", "-c", script), directory=folder, readable=(folder,))
    try:
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
    user = UID if os.geteuid() == 0 else os.geteuid()
    group = UID if os.geteuid() == 0 else os.getegid()
    (folder / "passwd").write_text(f"root:x:0:0::/:/bin/false\njob:x:{user}:{group}::/:/bin/sh\n")
    (folder / "group").write_text(f"root:x:0:\njob:x:{group}:\n")
    return folder


def _python() -> Iterator[Path]:
    """The platform's own interpreter and packages."""
    prefixes = {Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent}
    # An editable installation keeps the package's sources outside the prefix.
    prefixes.add(Path(__file__).resolve().parents[2])
    yield from sorted(prefix for prefix in prefixes if not str(prefix).startswith("/usr"))
