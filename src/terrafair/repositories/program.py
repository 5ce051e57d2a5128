"""The git program as a child process that nobody's own git set-up can change."""

import os
import re
import shlex
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from terrafair.errors import Damaged, Unreachable
from terrafair.repositories.address import public

TIMEOUT_SECONDS = 600

# Nothing of the user's own git set-up may change what we read, and nothing may ask for a password.
_SETTINGS = {
    "safe.directory": "*",
    "protocol.ext.allow": "never",
    "core.hooksPath": os.devnull,
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "gc.auto": "0",
}
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
    "LC_ALL": "C.UTF-8",
}
# git drops its settings on the way to the other side of a local transfer, which then refuses another owner's folder.
LOCAL_SIDE = "git -c safe.directory='*' upload-pack"


class GitFailed(Unreachable):
    """The program ended with an error."""


def environment(key: Path | None = None) -> dict[str, str]:
    """The surroundings that the program gets; `key`: the private key that it shows over ssh, and no other."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = {"GIT_CONFIG_COUNT": str(len(_SETTINGS))}
    for number, (name, value) in enumerate(_SETTINGS.items()):
        settings |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    shown = {}
    if key:
        shown["GIT_SSH_COMMAND"] = f"{_ENVIRONMENT['GIT_SSH_COMMAND']} -oIdentitiesOnly=yes -i {shlex.quote(str(key))}"
    return {**kept, **_ENVIRONMENT, **settings, **shown}


@contextmanager
def _started(arguments: list[str], path: Path | None, key: Path | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The git program in a process group of its own, which ends with the block: its transports are children of it."""
    where = ["--git-dir", str(path)] if path else []
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            ["git", *where, *arguments],
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            env=environment(key),
            start_new_session=True,
        )
    except FileNotFoundError as fault:
        raise Unreachable("The program git is not installed.", remedy="Install git.") from fault
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def git(arguments: list[str], *, path: Path | None = None, failure: str = "", key: Path | None = None) -> bytes:
    """Run it to its end and give what it printed; raises `GitFailed` with the reason that it named."""
    with _started(arguments, path, key) as process:
        try:
            output, said = process.communicate(b"", TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired as fault:
            raise Unreachable(f"git {arguments[0]} took over {TIMEOUT_SECONDS} s.") from fault
    if process.returncode:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        reason = next((line for line in lines if line.startswith(("fatal:", "error:"))), lines[-1] if lines else "")
        raise GitFailed(failure or f"git {arguments[0]} failed.", re.sub(r"^(fatal|error): ", "", public(reason)))
    return output


def blobs(path: Path, ids: Sequence[str], limit: int | None) -> Iterator[tuple[str, bytes]]:
    """Many blobs through one process, one in memory at a time; those longer than `limit` cut after limit + 1 bytes."""
    # Asked from a file: git blocks on writing while we would still be writing to it.
    with tempfile.TemporaryFile() as asked:
        asked.write("\n".join(ids).encode() + b"\n")
        asked.seek(0)
        command = ["git", "--git-dir", str(path), "cat-file", "--batch"]
        with subprocess.Popen(
            command, stdin=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment()
        ) as process:
            assert process.stdout is not None  # noqa: S101 - asked for in the line above
            try:
                for blob in ids:
                    yield blob, _answer(process.stdout, blob, limit)
            finally:
                process.kill()


def _answer(stream: IO[bytes], blob: str, limit: int | None) -> bytes:
    header = stream.readline().split()
    if len(header) != 3:
        raise Damaged(f"The mirror lacks the object {blob}.", remedy="Delete the mirror.")
    size = int(header[2])
    content = stream.read(size if limit is None else min(size, limit + 1))
    rest = size + 1 - len(content)
    while rest > 0 and (skipped := stream.read(min(rest, 2**20))):
        rest -= len(skipped)
    return content
