"""Git repositories as bare mirrors on disk, read through the git program without a working tree."""

import difflib
import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Self
from urllib.parse import urlsplit

from terrafair.errors import Damaged, InvalidInput, NotFound, Refused, Unreachable

TIMEOUT_SECONDS = 600
SCHEMES = frozenset({"https", "http", "ssh", "git", "file"})

# Nothing of the user's own git set-up may change what we read, and nothing may ask for a password.
_ENVIRONMENT = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "true",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes -oConnectTimeout=15",
    "GIT_CONFIG_COUNT": "3",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",
    "GIT_CONFIG_KEY_1": "protocol.ext.allow",
    "GIT_CONFIG_VALUE_1": "never",
    "GIT_CONFIG_KEY_2": "core.hooksPath",
    "GIT_CONFIG_VALUE_2": os.devnull,
    "LC_ALL": "C.UTF-8",
}


def _git(arguments: list[str], *, path: Path | None = None, stdin: bytes | None = None, failure: str = "") -> bytes:
    environment = {**{key: value for key, value in os.environ.items() if not key.startswith("GIT_")}, **_ENVIRONMENT}
    where = ["--git-dir", str(path)] if path else []
    try:
        done = subprocess.run(
            ["git", *where, *arguments],
            input=stdin if stdin is not None else b"",
            capture_output=True,
            env=environment,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except FileNotFoundError as fault:
        raise Unreachable("The program git is not installed.", remedy="Install git.") from fault
    except subprocess.TimeoutExpired as fault:
        raise Unreachable(f"git {arguments[0]} took over {TIMEOUT_SECONDS} s.") from fault
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = next((line for line in said if line.startswith(("fatal:", "error:"))), said[-1] if said else "")
        raise Unreachable(failure or f"git {arguments[0]} failed.", re.sub(r"^(fatal|error): ", "", reason))
    return done.stdout


class Repository:
    """A bare mirror on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def clone(cls, url: str, path: Path) -> Self:
        """Mirror a repository given by URL or path, or bring an existing mirror up to date.

        Raises `InvalidInput` for what is no repository's address, `Unreachable` where it does not answer.
        """
        address = _checked(url)
        if (path / "HEAD").exists():
            _git(["remote", "set-url", "origin", address], path=path)
            mirror = cls(path)
            mirror.fetch()
            return mirror
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".cloning-", dir=path.parent))
        try:
            where = partial / "mirror"
            _git(
                ["clone", "--quiet", "--mirror", "--no-hardlinks", "--", address, str(where)],
                failure=f"The repository {_public(url)} cannot be read.",
            )
            where.replace(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls(path)

    def fetch(self) -> None:
        """Bring all branches and tags up to date; follows a default branch that was renamed."""
        url = self.url
        _git(["fetch", "--quiet", "--prune", "origin"], path=self.path, failure=f"{_public(url)} cannot be fetched.")
        head = _git(["ls-remote", "--symref", "origin", "HEAD"], path=self.path).decode()
        if found := re.match(r"ref: (\S+)\tHEAD", head):
            _git(["symbolic-ref", "HEAD", found[1]], path=self.path)

    @property
    def url(self) -> str:
        """Where it was mirrored from; empty for a repository that was made here."""
        try:
            return _git(["config", "--get", "remote.origin.url"], path=self.path).decode().strip()
        except Unreachable:
            return ""

    @property
    def branch(self) -> str:
        """The default branch."""
        return _git(["symbolic-ref", "--short", "HEAD"], path=self.path).decode().strip()

    def resolve(self, reference: str = "") -> str:
        """The full commit id of a branch, tag or commit; empty: of the default branch.

        Raises `NotFound` with the nearest names.
        """
        if reference.startswith("-") or "\0" in reference:
            raise InvalidInput(f"{reference!r} is no branch, tag or commit.")
        for name in (f"refs/heads/{reference}", f"refs/tags/{reference}", reference) if reference else ("HEAD",):
            try:
                return _git(["rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], path=self.path).decode().strip()
            except Unreachable:
                continue
        names = _git(["for-each-ref", "--format=%(refname:short)"], path=self.path).decode().split()
        near = difflib.get_close_matches(reference, names, 3, 0.4) or names[:5]
        raise NotFound(
            f"The repository has no branch, tag or commit {reference or 'at all'!r}.",
            remedy=f"It has: {', '.join(near)}." if near else "Commit something to it first.",
        )

    def files(self, commit: str, folder: str = "") -> dict[str, str]:
        """Path -> blob id of every file below a folder, submodules and symbolic links left out."""
        chosen = ["--", folder] if folder else []
        listing = _git(["ls-tree", "-r", "-z", "--full-tree", commit, *chosen], path=self.path).decode(
            "utf-8", "surrogateescape"
        )
        found = {}
        for entry in listing.split("\0"):
            if entry:
                about, path = entry.split("\t", 1)
                mode, _, blob = about.split(" ")
                if mode.startswith("100"):
                    found[path] = blob
        return found

    def read(self, commit: str, path: str) -> bytes:
        """One file; raises `NotFound`."""
        try:
            return _git(["cat-file", "blob", f"{commit}:{path}"], path=self.path)
        except Unreachable:
            raise NotFound(f"The repository has no file {path!r} at {commit[:12]}.", where=path) from None

    def read_blobs(self, ids: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """Many blobs through one process: (id, content) in the order asked."""
        wanted = list(ids)
        if not wanted:
            return
        stream = _git(["cat-file", "--batch"], path=self.path, stdin="\n".join(wanted).encode() + b"\n")
        position = 0
        for blob in wanted:
            line = stream.index(b"\n", position)
            header = stream[position:line].split()
            if len(header) != 3:
                raise Damaged(f"The mirror lacks the object {blob}.", remedy="Delete the mirror; it is made anew.")
            size = int(header[2])
            yield blob, stream[line + 1 : line + 1 + size]
            position = line + size + 2

    def checkout(self, commit: str, target: Path, folder: str = "") -> None:
        """Plain files of a commit (or of one folder in it) into `target`; links that leave the tree are refused."""
        target.mkdir(parents=True, exist_ok=True)
        tree = f"{commit}:{folder}" if folder else commit
        with tempfile.TemporaryFile() as stream:
            stream.write(_git(["archive", "--format=tar", tree], path=self.path))
            stream.seek(0)
            with tarfile.open(fileobj=stream) as archive:
                try:
                    archive.extractall(target, filter="data")
                except tarfile.FilterError as fault:
                    raise Refused(f"The repository holds a file that would leave its folder: {fault}.") from fault


class Repositories:
    """The platform's store of mirrors: `FOLDER/HOST/OWNER/NAME.git`."""

    def __init__(self, folder: Path, mirrors: Mapping[str, str] | None = None, *, offline_only: bool = False) -> None:
        self._folder = folder
        self._mirrors = {_plain(url): place for url, place in (mirrors or {}).items()}
        self._offline_only = offline_only

    def place(self, url: str) -> Path:
        """Where the mirror of a repository lies or would lie."""
        parts = urlsplit(_plain(url))
        path = PurePosixPath(parts.path.lstrip("/"))
        if parts.scheme not in SCHEMES or not path.parts or ".." in path.parts:
            raise InvalidInput(f"{url!r} is no repository's address.", remedy="Give an https:// clone URL.")
        return self._folder / (parts.hostname or "local") / path.with_name(path.name + ".git")

    def open(self, url: str, *, refresh: bool = False) -> Repository:
        """The mirror of a repository: a mapped or existing one, else cloned.

        Raises `Unreachable` when there is none and the network gives none.
        """
        if mapped := self._mirrors.get(_plain(url)):
            source = Path(mapped)
            if (source / "HEAD").exists() or (source / ".git").exists():
                return Repository(source if (source / "HEAD").exists() else source / ".git")
            raise Unreachable(f"The mirror {mapped} of {url} is no git repository.", remedy="Mend `repositories`.")
        place = self.place(url)
        if (place / "HEAD").exists():
            repository = Repository(place)
            if refresh and repository.url and not self._offline_only:
                repository.fetch()
            return repository
        if self._offline_only:
            raise Unreachable(f"There is no local mirror of {url}.")
        return Repository.clone(url, place)


def _plain(url: str) -> str:
    """One spelling for one repository: no `.git`, no trailing slash, no credentials, lower-case host."""
    if found := re.fullmatch(r"[\w.-]+@([\w.-]+):(.+)", url):
        url = f"ssh://{found[1]}/{found[2]}"
    parts = urlsplit(url)
    if not parts.scheme:
        return url.rstrip("/")
    host = (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    return f"{parts.scheme}://{host}{parts.path.rstrip('/').removesuffix('.git')}"


def _public(url: str) -> str:
    return re.sub(r"//[^/@]*@", "//", url)


def _checked(url: str) -> str:
    if url.startswith("-") or "\0" in url or "::" in url:
        raise InvalidInput(f"{url!r} is no repository's address.")
    scheme = urlsplit(url).scheme
    if "://" in url and scheme not in SCHEMES:
        raise InvalidInput(
            f"The address {_public(url)!r} has the scheme {scheme!r}.", remedy=f"Use {', '.join(sorted(SCHEMES))}."
        )
    if "@" in urlsplit(url).netloc and scheme in {"http", "https"}:
        raise Refused(
            f"The address {_public(url)} holds credentials.",
            "They would show in process lists and logs.",
            "Use an ssh:// address with a key.",
        )
    if "://" not in url and not re.match(r"[\w.-]+@[\w.-]+:", url):
        path = Path(url).expanduser().absolute()
        if not path.exists():
            raise InvalidInput(f"There is no repository at {url}.", remedy="Give a URL or a path that exists.")
        return str(path)
    return url
