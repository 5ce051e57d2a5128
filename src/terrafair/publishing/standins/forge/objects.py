"""Git objects and references of a bare repository, written through the git program."""

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from terrafair.errors import Conflict, InvalidInput, NotFound, Unreachable
from terrafair.repositories.program import environment

ID = re.compile(r"[0-9a-f]{40}")
ZERO = "0" * 40


@dataclass(frozen=True, slots=True)
class Signature:
    """Who and when."""

    name: str
    email: str
    date: str
    """RFC 3339."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit, read."""

    sha: str
    tree: str
    parents: tuple[str, ...]
    author: Signature
    committer: Signature
    message: str


@dataclass(frozen=True, slots=True)
class Change:
    """What a comparison says of one file."""

    path: str
    status: str
    """`added`, `modified` or `removed`."""
    sha: str
    additions: int
    deletions: int


class Bare:
    """One bare repository."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def make(cls, path: Path, alternate: "Bare | None" = None, branch: str = "main") -> "Bare":
        """An empty repository; with an alternate it sees that one's objects, as forks do on GitHub."""
        path.parent.mkdir(parents=True, exist_ok=True)
        _run(["init", "--quiet", "--bare", "--template=", f"--initial-branch={branch}", str(path)])
        if alternate is not None:
            (path / "objects/info").mkdir(exist_ok=True)
            (path / "objects/info/alternates").write_text(f"{(alternate.path / 'objects').resolve()}\n")
        return cls(path)

    def git(self, *arguments: str, stdin: bytes = b"", surroundings: Mapping[str, str] | None = None) -> bytes:
        """Run git on it; raises `InvalidInput` with git's words."""
        return _run(["--git-dir", str(self.path), *arguments], stdin, surroundings)

    @property
    def branch(self) -> str:
        """The default branch."""
        return self.git("symbolic-ref", "--short", "HEAD").decode().strip()

    def kind(self, sha: str) -> str:
        """`blob`, `tree`, `commit`; empty: there is no such object."""
        if not ID.fullmatch(sha):
            return ""
        try:
            return self.git("cat-file", "-t", sha).decode().strip()
        except InvalidInput:
            return ""

    def ref(self, name: str) -> str:
        """What a full reference points to; raises `NotFound`."""
        try:
            return self.git("rev-parse", "--verify", "--quiet", "--end-of-options", name).decode().strip()
        except InvalidInput:
            raise NotFound("Not Found") from None

    def refs(self, prefix: str) -> list[tuple[str, str]]:
        """(name, object) of all references that begin so."""
        lines = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/").decode().splitlines()
        pairs = [(name, sha) for name, sha in (line.split(" ") for line in lines)]
        return [pair for pair in pairs if pair[0].startswith(prefix)]

    def set_ref(self, name: str, sha: str, old: str | None = None) -> None:
        """Point a reference somewhere; `old` is what it must be now, zeros for a new one."""
        try:
            self.git("update-ref", name, sha, *([old] if old is not None else []))
        except InvalidInput as fault:
            raise Conflict("Reference cannot be updated", fault.problem.what) from None

    def delete_ref(self, name: str) -> None:
        """Remove a reference."""
        self.git("update-ref", "-d", name)

    def blob(self, content: bytes) -> str:
        """Store a file's content."""
        return self.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def content(self, sha: str) -> bytes:
        """A blob's bytes."""
        return self.git("cat-file", "blob", sha)

    def tree(self, entries: Sequence[tuple[str, str, str | None]], base: str = "") -> str:
        """A tree of (mode, path, blob or None to remove) laid over a base tree."""
        index = self.path / f"index-{id(entries)}"
        here = {"GIT_INDEX_FILE": str(index)}
        try:
            self.git("read-tree", *([base] if base else ["--empty"]), surroundings=here)
            lines = b"".join(
                (f"0 {ZERO}\t{path}\0" if sha is None else f"{mode} {sha}\t{path}\0").encode()
                for mode, path, sha in entries
            )
            self.git("update-index", "-z", "--index-info", stdin=lines, surroundings=here)
            return self.git("write-tree", surroundings=here).decode().strip()
        finally:
            index.unlink(missing_ok=True)

    def entries(self, tree: str, *, recursive: bool) -> list[tuple[str, str, str, str, int]]:
        """(mode, type, sha, path, size) of a tree."""
        options = ["-r", "-t"] if recursive else []
        listing = self.git("ls-tree", "-z", "--long", *options, tree).decode("utf-8", "surrogateescape")
        found = []
        for line in listing.split("\0"):
            if line:
                about, path = line.split("\t", 1)
                mode, kind, sha, size = about.split()
                found.append((mode, kind, sha, path, int(size) if size.isdigit() else 0))
        return found

    def commit(self, tree: str, parents: Sequence[str], message: str, author: Signature, committer: Signature) -> str:
        """A commit object."""
        who = {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_AUTHOR_DATE": author.date,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
            "GIT_COMMITTER_DATE": committer.date,
        }
        options = [option for parent in parents for option in ("-p", parent)]
        made = self.git("commit-tree", tree, *options, stdin=message.encode(), surroundings=who)
        return made.decode().strip()

    def read_commit(self, sha: str) -> Commit:
        """A commit; raises `NotFound`."""
        form = "%T%n%P%n%an%n%ae%n%aI%n%cn%n%ce%n%cI%n%B"
        try:
            text = self.git("log", "-1", f"--format={form}", "--no-show-signature", sha).decode("utf-8", "replace")
        except InvalidInput:
            raise NotFound("Not Found") from None
        tree, parents, an, ae, ad, cn, ce, cd, message = text.split("\n", 8)
        author, committer = Signature(an, ae, ad), Signature(cn, ce, cd)
        return Commit(sha, tree, tuple(parents.split()), author, committer, message.rstrip("\n"))

    def is_ancestor(self, older: str, newer: str) -> bool:
        """Whether one commit lies in the history of the other."""
        try:
            self.git("merge-base", "--is-ancestor", older, newer)
        except InvalidInput:
            return False
        return True

    def merge_base(self, one: str, other: str) -> str:
        """The newest commit that both have; raises `NotFound`."""
        try:
            return self.git("merge-base", one, other).decode().split()[0]
        except (InvalidInput, IndexError):
            raise NotFound("No common ancestor") from None

    def count(self, reach: str) -> list[str]:
        """The commits of `A..B`, newest first."""
        return self.git("rev-list", reach).decode().split()

    def changes(self, old: str, new: str) -> list[Change]:
        """File by file, without looking for renames."""
        raw = self.git("diff-tree", "-r", "-z", "--no-renames", old, new).decode("utf-8", "surrogateescape").split("\0")
        numbers = self.git("diff", "--numstat", "-z", "--no-renames", old, new).decode("utf-8", "surrogateescape")
        counted = {line.split("\t")[2]: line.split("\t")[:2] for line in numbers.split("\0") if line}
        words = {"A": "added", "M": "modified", "D": "removed", "T": "changed"}
        found = []
        for about, path in zip(raw[::2], raw[1::2], strict=False):
            _, _, before, after, letter = about.split(" ")
            plus, minus = counted.get(path, ["0", "0"])
            sha = before if letter == "D" else after
            found.append(
                Change(path, words.get(letter, "changed"), sha, *(int(n) if n != "-" else 0 for n in (plus, minus)))
            )
        return found

    def patch(self, old: str, new: str) -> str:
        """The unified diff."""
        return self.git("diff", "--no-renames", "--no-color", "--no-ext-diff", old, new).decode("utf-8", "replace")

    def merged_tree(self, ours: str, theirs: str) -> str | None:
        """The tree of a merge; None: it conflicts."""
        try:
            return self.git("merge-tree", "--write-tree", ours, theirs).decode().split()[0]
        except InvalidInput:
            return None

    def fetch(self, other: "Bare", sha: str, name: str) -> None:
        """Bring a commit of another repository here, under a reference."""
        side = "git -c safe.directory='*' upload-pack"
        options = ["--quiet", "--no-tags", "--no-write-fetch-head", f"--upload-pack={side}"]
        self.git("fetch", *options, str(other.path), f"+{sha}:{name}")


def _run(arguments: list[str], stdin: bytes = b"", surroundings: Mapping[str, str] | None = None) -> bytes:
    settings = {**environment(), "GIT_OPTIONAL_LOCKS": "0", **(surroundings or {})}
    settings["GIT_CONFIG_COUNT"] = str(int(settings["GIT_CONFIG_COUNT"]) + 1)
    number = int(settings["GIT_CONFIG_COUNT"]) - 1
    # Git asks for exact names only unless it is told that commits may be asked for by id.
    settings |= {
        f"GIT_CONFIG_KEY_{number}": "uploadpack.allowAnySHA1InWant",
        f"GIT_CONFIG_VALUE_{number}": "true",
    }
    try:
        done = subprocess.run(["git", *arguments], input=stdin, capture_output=True, env=settings, check=False)
    except FileNotFoundError as fault:
        raise Unreachable("The program git is not installed.", remedy="Install git.") from fault
    if done.returncode:
        raise InvalidInput(done.stderr.decode("utf-8", "replace").strip() or f"git {arguments[0]} failed")
    return done.stdout
