"""Bubblewrap for programs of a child that is not isolated itself, because it has to start podman."""

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/etc/ssl", "/etc/ld.so.cache", "/etc/alternatives")


@dataclass(frozen=True, slots=True)
class Isolation:
    """What programs may read beside the system's own; they have no network and write only where they are told."""

    program: str
    """Path of bubblewrap."""
    readable: tuple[Path, ...] = ()
    processes: int = 0
    """The most that a program and its children may be; 0: somebody else counts them."""

    def line(self, *writable: Path) -> list[str]:
        """Give the arguments that stand before a program; it starts in the first folder."""
        line = [self.program, "--unshare-all", "--die-with-parent", "--new-session", "--uid", "65534", "--gid", "65534"]
        line += ["--cap-drop", "ALL", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        for path in (*(Path(name) for name in _SYSTEM), *self.readable):
            if path.exists():
                line += ["--ro-bind", str(path), str(path)]
        for path in writable:
            line += ["--bind", str(path), str(path)]
        line += ["--chdir", str(writable[0])] if writable else []
        # Set in there, where the kernel counts the processes of this user namespace alone.
        return [*line, "--", "/usr/bin/prlimit", f"--nproc={self.processes}"] if self.processes else line


def find() -> str:
    """Give bubblewrap's path where it works; else nothing."""
    program = shutil.which("bwrap")
    if not program:
        return ""
    line = [*Isolation(program).line(), "/bin/true"]
    return program if subprocess.run(line, capture_output=True, check=False).returncode == 0 else ""


def use_node(node: str, before: Sequence[str] = ()) -> None:
    """Let cwltool evaluate expressions with this Node.js, one process for each thread, isolated by `before`."""
    from cwl_utils.sandboxjs import NodeJSEngine, set_js_engine

    class Engine(NodeJSEngine):
        def new_js_proc(self, js_text: str, *_arguments: Any, **_options: Any) -> "subprocess.Popen[str]":
            pipe = subprocess.PIPE
            process = subprocess.Popen(
                [*before, node, "--eval", js_text], stdin=pipe, stdout=pipe, stderr=pipe, text=True
            )
            self.processes_to_kill.append(process)
            return process

    set_js_engine(Engine())
