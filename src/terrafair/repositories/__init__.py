"""Git repositories as bare mirrors on disk, read through the git program without a working tree."""

import difflib
import fcntl
import re
import shutil
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.repositories.address import checked, place, plain, public, published, split
from terrafair.repositories.program import LOCAL_SIDE, GitFailed, blobs, git

LINK, SUBMODULE = "120000", "160000"
REFSPECS = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Repository:
    """A bare mirror on disk."""

    def __init__(self, path: Path, key: Path | None = None, *, mirror: bool = True) -> None:
        self.path = path
        self._key = key
        self.mirror = mirror
        """Whether it stands for another one, where it comes from; False: it is the repository itself."""

    @property
    def key(self) -> Path | None:
        """The private key that its origin is asked with over ssh."""
        return self._key

    @classmethod
    def clone(cls, url: str, path: Path, *, redirects: bool = True, key: Path | None = None) -> Self:
        """Mirror a repository given by URL or path, or bring an existing mirror up to date.

        `redirects` says whether the origin may lead on to another host, `key` is what it is asked with over ssh.

        Raises `InvalidInput` for what is no repository's address, `Unreachable` where it does not answer.
        """
        address = checked(url)
        if (path / "HEAD").exists():
            mirror = cls(path, key)
            try:
                mirror._point_to(address, redirects=redirects)
                mirror.fetch()
                mirror.resolve()
            except (GitFailed, NotFound):
                if mirror._sound():
                    raise
                shutil.rmtree(path)
            else:
                return mirror
        return cls._made(address, path, redirects=redirects, key=key)

    @classmethod
    def _made(cls, address: str, path: Path, *, redirects: bool, key: Path | None) -> Self:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".cloning-", dir=path.parent))
        try:
            git(["init", "--quiet", "--bare", "--template=", str(partial / "mirror")])
            mirror = cls(partial / "mirror", key)
            mirror._point_to(address, redirects=redirects)
            try:
                mirror.fetch()
            except GitFailed as fault:
                raise Unreachable(f"The repository {public(address)} cannot be read.", fault.problem.why) from None
            try:
                mirror.path.replace(path)
            except OSError:
                # Somebody else was faster; any other reason leaves nothing there.
                if not (path / "HEAD").exists():
                    raise
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        return cls(path, key)

    def _point_to(self, address: str, *, redirects: bool) -> None:
        if self.url != address:
            git(["config", "remote.origin.url", address], path=self.path)
            git(["config", "remote.origin.uploadpack", _other_side(address)], path=self.path)
            git(["config", "http.followRedirects", "initial" if redirects else "false"], path=self.path)

    def _sound(self) -> bool:
        try:
            git(["fsck", "--connectivity-only", "--no-dangling", "--no-progress"], path=self.path)
        except GitFailed:
            return False
        return True

    def fetch(self) -> None:
        """Bring all branches, tags and the default branch up to date; one question to the origin if nothing changed.

        Does nothing for a repository that was made here.
        """
        if not self.url:
            return
        with (self.path / "terrafair.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            there, default = self._origin()
            wanted = {name: value for name, value in there.items() if name != "HEAD"}
            specs = [] if wanted == self._references() else [*REFSPECS]
            if "HEAD" in there and not default:
                specs.append("+HEAD:refs/terrafair/head")
            if specs:
                options = ["--quiet", "--prune", "--no-tags", "--no-write-fetch-head", "--update-shallow"]
                self._ask("fetch", *options, "origin", *specs)
            if default:
                git(["symbolic-ref", "HEAD", default], path=self.path)
            elif "HEAD" in there:
                git(["update-ref", "--no-deref", "HEAD", there["HEAD"]], path=self.path)

    def _origin(self) -> tuple[dict[str, str], str]:
        """What the origin has, name -> object for branches, tags and HEAD, and the name of its default branch."""
        there, default = {}, ""
        for line in self._ask("ls-remote", "--symref", "origin").decode("utf-8", "replace").splitlines():
            value, _, name = line.partition("\t")
            if name == "HEAD" and value.startswith("ref: "):
                default = value.removeprefix("ref: ")
            elif name == "HEAD" or (name.startswith(("refs/heads/", "refs/tags/")) and not name.endswith("^{}")):
                there[name] = value
        return there, default

    def _ask(self, *arguments: str) -> bytes:
        return git([*arguments], path=self.path, failure=f"{public(self.url)} cannot be fetched.", key=self._key)

    def tags(self) -> dict[str, str]:
        """Name -> commit of every tag."""
        form = "--format=%(refname:strip=2) %(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
        listing = git(["for-each-ref", form, "refs/tags"], path=self.path).decode("utf-8", "replace")
        return {name: commit for name, _, commit in (line.rpartition(" ") for line in listing.splitlines())}

    def _references(self) -> dict[str, str]:
        listing = git(["for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags"], path=self.path)
        pairs = (line.split(" ", 1) for line in listing.decode("utf-8", "replace").splitlines())
        return {name: value for value, name in pairs}

    @property
    def url(self) -> str:
        """Where it was mirrored from; empty for a repository that was made here."""
        try:
            return git(["config", "--get", "remote.origin.url"], path=self.path).decode().strip()
        except GitFailed:
            return ""

    @property
    def branch(self) -> str:
        """The default branch; empty where the origin has a bare commit checked out."""
        try:
            return git(["symbolic-ref", "--short", "HEAD"], path=self.path).decode().strip()
        except GitFailed:
            return ""

    def resolve(self, reference: str = "") -> str:
        """The full commit id of a branch, tag or commit; empty: of the default branch.

        Raises `NotFound` with the nearest names.
        """
        if reference.startswith("-") or "\0" in reference:
            raise InvalidInput(f"{reference!r} is no branch, tag or commit.")
        for name in (f"refs/heads/{reference}", f"refs/tags/{reference}", reference) if reference else ("HEAD",):
            try:
                return git(["rev-parse", "--verify", "--quiet", f"{name}^{{commit}}"], path=self.path).decode().strip()
            except GitFailed:
                continue
        if not (references := self._references()):
            raise NotFound("The repository is empty.", remedy="Commit something to it first.")
        names = [name.split("/", 2)[2] for name in references]
        near = difflib.get_close_matches(reference, names, 3, 0.4) or names[:5]
        missing = f"no branch, tag or commit {reference!r}" if reference else "no default branch with a commit"
        raise NotFound(f"The repository has {missing}.", remedy=f"It has: {', '.join(near)}.")

    def files(self, commit: str, folder: str = "") -> dict[str, str]:
        """Path -> blob id of every file below a folder, submodules and symbolic links left out."""
        chosen = ["--", folder] if folder else []
        return {path: blob for path, mode, blob in self._tree(commit, chosen) if mode not in {LINK, SUBMODULE}}

    def tree(self, commit: str) -> Iterator[tuple[str, str, str]]:
        """Path, mode and blob id of every entry, links and submodules too."""
        return self._tree(commit)

    def _tree(self, tree: str, chosen: Iterable[str] = ()) -> Iterator[tuple[str, str, str]]:
        try:
            listing = git(["ls-tree", "-r", "-z", "--full-tree", tree, *chosen], path=self.path)
        except GitFailed as fault:
            raise NotFound(f"The repository has no {tree!r}.", fault.problem.why) from None
        for entry in listing.decode("utf-8", "surrogateescape").split("\0"):
            if entry:
                about, path = entry.split("\t", 1)
                mode, _, blob = about.split(" ")
                yield path, mode, blob

    def read(self, commit: str, path: str) -> bytes:
        """One file; raises `NotFound`."""
        try:
            return git(["cat-file", "blob", f"{commit}:{path}"], path=self.path)
        except (GitFailed, ValueError):
            raise NotFound(f"The repository has no file {path!r} at {commit[:12]}.", where=path) from None

    def read_blobs(self, ids: Iterable[str], *, limit: int | None = None) -> Iterator[tuple[str, bytes]]:
        """Many blobs through one process, one in memory at a time: (id, content) in the order asked.

        A blob longer than `limit` is cut after limit + 1 bytes.
        """
        wanted = list(ids)
        if wanted:
            yield from blobs(self.path, wanted, limit)

    def checkout(self, commit: str, target: Path, folder: str = "") -> None:
        """Plain files of a commit (or of one folder in it), byte for byte, into `target`.

        Submodules are left out. Raises `Refused` for a link or name that leaves the tree, `NotFound` for no such
        folder.
        """
        # Not by `git archive`: its attributes let a repository leave files out or rewrite them.
        entries = [entry for entry in self._tree(f"{commit}:{folder}" if folder else commit) if entry[1] != SUBMODULE]
        entries.sort(key=_links_last)
        contents = self.read_blobs(blob for _, _, blob in entries)
        links: dict[str, str] = {}
        try:
            target.mkdir(parents=True, exist_ok=True)
            for (path, mode, _), (_, content) in zip(entries, contents, strict=True):
                _refuse_name(path)
                place = target / path
                place.parent.mkdir(parents=True, exist_ok=True)
                if mode == LINK:
                    links[path] = content.decode("utf-8", "surrogateescape")
                else:
                    place.write_bytes(content)
                    place.chmod(0o755 if mode == "100755" else 0o644)
            for path, leads_to in links.items():
                if leaves_tree(path, links):
                    raise Refused(f"The link {path!r} would leave the repository: it leads to {leads_to!r}.")
            for path, leads_to in links.items():
                (target / path).unlink(missing_ok=True)
                (target / path).symlink_to(leads_to)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as fault:
            raise Refused(f"The repository's tree has one name for two things: {fault}.") from fault


def _other_side(address: str) -> str:
    return LOCAL_SIDE if address.startswith("/") else "git-upload-pack"


def _links_last(entry: tuple[str, str, str]) -> bool:
    return entry[1] == LINK


def _refuse_name(path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or any(part in {"", ".", ".."} or part.casefold() == ".git" for part in parts):
        raise Refused(f"The repository holds a file that would leave its folder or pose as git's own: {path!r}.")


def leaves_tree(link: str, links: Mapping[str, str]) -> bool:
    """Whether following a symbolic link, and those on its way, ends outside the tree; `links` is path -> target."""
    place = link.split("/")[:-1]
    todo = deque(links[link].split("/"))
    if links[link].startswith("/"):
        return True
    followed = 0
    while todo:
        part = todo.popleft()
        if part == ".." and not place:
            return True
        if part == "..":
            place.pop()
        elif part not in {"", "."}:
            place.append(part)
            if (onward := links.get("/".join(place))) is not None and followed < 40:
                if onward.startswith("/"):
                    return True
                followed += 1
                place.pop()
                todo.extendleft(reversed(onward.split("/")))
    return False


class Web(Protocol):
    """The part of `web.Web` that a clone needs: it refuses private addresses and follows redirects."""

    def get(self, url: str, *, limit: int = ...) -> Any:
        """A document whose `url` is the address after redirects."""
        ...


class Repositories:
    """The platform's store of mirrors: `FOLDER/HOST/OWNER/NAME.git`; for addresses that other people wrote."""

    def __init__(
        self,
        folder: Path,
        mirrors: Mapping[str, str] | None = None,
        *,
        offline_only: bool = False,
        web: Web | None = None,
        keys: Mapping[str, str] | None = None,
    ) -> None:
        """`keys`: host -> private key that its repositories are read with over ssh."""
        self._keys = {host.lower(): Path(path).expanduser() for host, path in (keys or {}).items()}
        self._folder = folder
        self._mirrors = {plain(url): place for url, place in (mirrors or {}).items()}
        self._offline_only = offline_only
        self._web = web

    def place(self, url: str) -> Path:
        """Where the mirror of a repository lies or would lie; raises `InvalidInput` for what is no address."""
        return self._folder / place(url)

    def at_hand(self, url: str) -> bool:
        """Whether a repository can be read without the network."""
        return plain(url) in self._mirrors or (self.place(url) / "HEAD").exists()

    def open(self, url: str, *, refresh: bool = False) -> Repository:
        """The mirror of a repository: a mapped or existing one, else cloned over https.

        Raises `Unreachable` when there is none and the network gives none, `Refused` for other schemes.
        """
        if mapped := self._mirrors.get(plain(url)):
            source = Path(mapped).expanduser()
            if (source / "HEAD").exists() or (source / ".git").exists():
                return Repository(source if (source / "HEAD").exists() else source / ".git", mirror=False)
            raise Unreachable(f"The mirror {mapped} of {url} is no git repository.", remedy="Mend `repositories`.")
        mirror = self.place(url)
        key = self._key(url)
        if (mirror / "HEAD").exists():
            repository = Repository(mirror, key)
            if refresh and repository.url and not self._offline_only:
                repository.fetch()
            return repository
        if self._offline_only:
            raise Unreachable(f"There is no local mirror of {public(url)}.")
        if key:
            return Repository.clone(checked(url), mirror, redirects=False, key=key)
        return Repository.clone(self._final(url), mirror, redirects=self._web is None)

    def admit(self, url: str) -> None:
        """Raise `InvalidInput` for a repository that nobody here could read: no https address, no key for ssh."""
        parts = split(re.sub(r"^([\w.-]+@[\w.-]+):(?!//)", r"ssh://\1/", url))
        if parts.scheme == "ssh" and (parts.hostname or "") in self._keys:
            return
        if parts.scheme != "https" or not parts.hostname or "@" in parts.netloc or re.search(r"\s", url):
            hosts = f", or ssh://git@HOST/OWNER/NAME at {', '.join(sorted(self._keys))}" if self._keys else ""
            what = f"{public(url)!r} is no https address of a repository."
            raise InvalidInput(what, remedy=f"Link https://HOST/OWNER/NAME{hosts}.", where="repository")

    def _key(self, url: str) -> Path | None:
        """The key for an ssh address at one of the hosts that there are keys for; any other is read over https."""
        parts = split(plain(url))
        return self._keys.get(parts.hostname or "") if parts.scheme == "ssh" else None

    def _final(self, url: str) -> str:
        """The address to clone from, after the redirects of a repository that moved."""
        address = published(url)
        if self._web is None:
            return address
        question = "/info/refs?service=git-upload-pack"
        try:
            final: str = self._web.get(address + question).url
        except NotFound:
            final = self._web.get(f"{address}.git{question}").url
        return final.removesuffix(question)
