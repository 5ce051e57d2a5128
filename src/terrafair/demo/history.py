"""Git repositories made from files in memory, with the same commit ids on every machine."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from terrafair.errors import Unreachable

AUTHOR = "terrafair demo <demo@terrafair.example>"
WHEN = int(datetime(2025, 1, 15, 12, tzinfo=UTC).timestamp())
BRANCH = "main"


def commit(repository: Path, files: Mapping[str, bytes], message: str) -> str:
    """Make the files the only content of `main` in a bare repository, and give the commit's id.

    The repository is made when it is not there, whole or not at all. The commit has no parent, so that its id depends
    on the files and the message alone; an earlier `main` stays reachable by a tag.
    """
    if (repository / "HEAD").exists():
        earlier = head(repository)
        written = _import(repository, files, message)
        if earlier and earlier != written:
            _git(repository, "update-ref", f"refs/tags/before-{written[:12]}-{earlier[:12]}", earlier)
        return written
    repository.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=".making-", dir=repository.parent))
    try:
        made = partial / repository.name
        # The machine's template folder, default branch and object format must not show in the result.
        _run(
            "init", "--quiet", "--bare", "--template=", "--object-format=sha1", f"--initial-branch={BRANCH}", str(made)
        )
        written = _import(made, files, message)
        if repository.exists():
            shutil.rmtree(repository)
        made.replace(repository)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return written


def head(repository: Path) -> str:
    """Give the commit of `main`; empty when there is none."""
    try:
        return _git(repository, "rev-parse", "--verify", "--quiet", f"refs/heads/{BRANCH}^{{commit}}")
    except Unreachable:
        return ""


def is_ours(repository: Path) -> bool:
    """Say whether `main` is a commit made here, with nothing of anybody else's on top."""
    return _git(repository, "log", "-1", "--format=%an <%ae>%P", f"refs/heads/{BRANCH}") == AUTHOR


def _import(repository: Path, files: Mapping[str, bytes], message: str) -> str:
    parts = [b"feature done\n"]
    for number, path in enumerate(sorted(files), 1):
        parts += [b"blob\nmark :%d\n" % number, _data(files[path])]
    parts.append(f"commit refs/heads/{BRANCH}\nauthor {AUTHOR} {WHEN} +0000\n".encode())
    parts += [f"committer {AUTHOR} {WHEN} +0000\n".encode(), _data(message.encode())]
    parts += [f"M 100644 :{number} {path}\n".encode() for number, path in enumerate(sorted(files), 1)]
    parts.append(b"done\n")
    # --force: a new release's commit does not descend from the earlier one.
    _git(repository, "fast-import", "--quiet", "--force", stdin=b"".join(parts))
    return head(repository)


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def _git(repository: Path, *arguments: str, stdin: bytes = b"") -> str:
    return _run("--git-dir", str(repository), *arguments, stdin=stdin)


def _run(*arguments: str, stdin: bytes = b"") -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    environment |= {"GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", *arguments],
            input=stdin,
            capture_output=True,
            env=environment,
            check=False,
        )
    except FileNotFoundError as fault:
        raise Unreachable("The program git is not installed.", remedy="Install git, or set `demo = false`.") from fault
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise Unreachable("The demo's git repository cannot be written.", said, where=" ".join(arguments[:4]))
    return done.stdout.decode().strip()
