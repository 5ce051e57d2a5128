"""One changed file as a commit on a branch: made in the mirror, pushed to its origin, never over anybody's work."""

import secrets
import subprocess
import time
from dataclasses import dataclass

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused
from terrafair.repositories import LINK, Repository
from terrafair.repositories.program import GitFailed, environment, git

SECONDS, TRIES = 120, 3


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody wants to keep."""

    branch: str
    base: str
    """The commit that they had before them."""
    path: str
    content: bytes
    message: str
    name: str
    email: str


def commit(repository: Repository, change: Change) -> str:
    """Keep it on top of the branch as it is now; gives the commit's id.

    Raises `Conflict` where that file has been changed there since `base`, or while it is pushed, `InvalidInput` where
    nothing would change, `Refused` where the origin does not let the platform write.
    """
    for _ in range(TRIES):
        head = _head(repository, change.branch)
        made = _made(repository, head, _mode(repository, head, change), change)
        if _kept(repository, head, made, change):
            return made
    raise _moved(change)


def _kept(repository: Repository, head: str, made: str, change: Change) -> bool:
    """Whether the branch leads there now; False: somebody else was quicker. Raises `Refused`."""
    target = f"refs/heads/{change.branch}"
    if not repository.mirror:
        if repository.path.name == ".git":
            what = "The repository is a folder in which somebody works."
            raise Refused(what, "Its files would no longer be those of its branch.", "Commit there.")
        try:
            # The last argument: only if nobody else has moved it meanwhile.
            git(["update-ref", target, made, head], path=repository.path)
        except GitFailed:
            return False
        return True
    try:
        git(["push", "--quiet", "origin", f"{made}:{target}"], path=repository.path, key=repository.key)
    except GitFailed as fault:
        repository.fetch()
        if _head(repository, change.branch) != head:
            return False
        remedy = "Give the platform a key that may write there (`git_ssh_keys`), or download the text and push it."
        what = f"The commit cannot be pushed to the branch {change.branch}."
        raise Refused(what, fault.problem.why, remedy, "text") from None
    git(["update-ref", target, made], path=repository.path)
    return True


def _head(repository: Repository, branch: str) -> str:
    try:
        found = git(["rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}"], path=repository.path)
    except (GitFailed, ValueError):
        what = f"The repository has no branch {branch[:100]!r}."
        raise NotFound(what, "Tags and single commits never change.", "Open the file at a branch.") from None
    return found.decode().strip()


def _mode(repository: Repository, head: str, change: Change) -> str:
    """Of the file as it is; raises where the change cannot be kept."""
    now = {path: (mode, blob) for path, mode, blob in repository.tree(head) if path == change.path}
    before = {path: blob for path, _, blob in repository.tree(change.base) if path == change.path}
    mode, blob = now.get(change.path, ("100644", None))
    if mode == LINK:
        raise InvalidInput(f"{change.path} is a symbolic link.", remedy="Change the file that it leads to.")
    if blob != before.get(change.path):
        raise _moved(change)
    if blob is not None and repository.read(head, change.path) == change.content:
        raise InvalidInput("Nothing has been changed.", f"{change.path} is the same at {head[:12]}.", where="text")
    return mode


def _made(repository: Repository, head: str, mode: str, change: Change) -> str:
    """The commit's objects, in the mirror; no branch of it leads there yet."""
    reference, now = f"refs/terrafair/{secrets.token_hex(8)}", int(time.time())
    person = f"{_plain(change.name) or 'somebody'} <{_plain(change.email)}> {now} +0000"
    message, path = f"{change.message.strip()}\n".encode(), change.path.replace('"', '\\"')
    head_of = f"commit {reference}\nauthor {person}\ncommitter {person}\ndata {len(message)}\n".encode()
    file = f'from {head}\nM {mode} inline "{path}"\ndata {len(change.content)}\n'.encode()
    stream = head_of + message + file + change.content + b"\n"
    line = ["git", "--git-dir", str(repository.path), "fast-import", "--quiet"]
    done = subprocess.run(line, input=stream, capture_output=True, env=environment(), timeout=SECONDS, check=False)
    if done.returncode:
        raise GitFailed("The commit cannot be made.", done.stderr.decode("utf-8", "replace").strip()[:400])
    try:
        return git(["rev-parse", reference], path=repository.path).decode().strip()
    finally:
        git(["update-ref", "-d", reference], path=repository.path)


def _plain(text: str) -> str:
    return " ".join("".join(" " if letter in "<>\0" else letter for letter in text).split())[:200]


def _moved(change: Change) -> Conflict:
    what = f"{change.path} has been changed on the branch {change.branch} since you opened it."
    remedy = "Your text is kept here: open the file anew beside it, bring both together, and commit that."
    return Conflict(what, f"You began at {change.base[:12]}.", remedy, "text")
