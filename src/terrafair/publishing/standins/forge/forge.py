"""The rules of the forge: who may do what, forks, pull requests, checks, merging."""

import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, TerrafairError
from terrafair.publishing.standins.forge.apps import acts_for
from terrafair.publishing.standins.forge.objects import ZERO, Bare, Signature
from terrafair.publishing.standins.forge.state import Check, Hosted, Pull, Said, State

CheckCommit = Callable[[Path, str, str], Sequence[str]]
"""(bare repository, base commit, head commit) -> what is wrong; nothing: the check is green."""
CHECK_NAME = "validate"


@dataclass(frozen=True, slots=True)
class Upstream:
    """A repository that the forge begins with."""

    path: Path
    """Bare."""
    check: CheckCommit | None = None
    """Runs on every pull request."""


def now() -> str:
    """GitHub's form of this instant."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Forge:
    """One forge below a folder."""

    def __init__(
        self,
        folder: Path,
        upstreams: Mapping[str, Upstream],
        tokens: Mapping[str, str],
        *,
        apps: Mapping[str, tuple[str, str]] | None = None,
        fork_seconds: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._file = folder / "forge.json"
        self._tokens = dict(tokens)
        self._apps = apps or {}
        self._checks = {name: upstream.check for name, upstream in upstreams.items() if upstream.check}
        self._fork_seconds = fork_seconds
        self._clock = clock
        self._lock = threading.RLock()
        self._pool = ThreadPoolExecutor(2, "forge-check")
        folder.mkdir(parents=True, exist_ok=True)
        self._state = State.load(self._file)
        for name, upstream in upstreams.items():
            known = self._state.repositories.get(name)
            if known is None or known.path != str(upstream.path):
                self._state.repositories[name] = Hosted(name, str(upstream.path), now())
        self._resume_checks()
        self._save()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Wait for the checks that run."""
        self._pool.shutdown(wait=True)

    # People and repositories

    def login(self, token: str) -> str:
        """Whose token it is; raises `NotFound` for nobody's."""
        if token not in self._tokens:
            raise NotFound("Bad credentials")
        return self._tokens[token]

    def installation_token(self, assertion: str) -> tuple[str, float]:
        """A token and its end (Unix time) in exchange for an App's assertion; raises `NotFound`."""
        login = acts_for(assertion, self._apps, self._clock())
        token = f"ghs_{secrets.token_urlsafe(24)}"
        self._tokens[token] = login
        return token, self._clock() + 3600

    def hosted(self, name: str) -> Hosted:
        """A repository; raises `NotFound`."""
        with self._lock:
            known = {key.lower(): each for key, each in self._state.repositories.items()}
        if name.lower() not in known:
            raise NotFound("Not Found")
        return known[name.lower()]

    def bare(self, name: str) -> Bare:
        """Its git side; raises `Conflict` for a fork that is not ready."""
        hosted = self.hosted(name)
        if hosted.ready > self._clock():
            raise Conflict("Git Repository is empty.")
        return Bare(Path(hosted.path))

    def may_write(self, login: str, name: str) -> bool:
        """Owners write; nobody else does."""
        return bool(login) and name.partition("/")[0].lower() == login.lower()

    def fork(self, login: str, name: str, as_name: str = "") -> Hosted:
        """The person's fork; the one that is there, where there is one."""
        with self._lock:
            source = self.hosted(name)
            mine = f"{login}/{as_name or name.partition('/')[2]}"
            if mine.lower() == source.name.lower():
                raise Refused("A repository cannot be forked to its own owner")
            for hosted in self._state.repositories.values():
                if hosted.parent == source.name and hosted.name.partition("/")[0] == login:
                    return hosted
            path = self._folder / "forks" / f"{mine}.git"
            upstream = Bare(Path(source.path))
            made = Bare.make(path, upstream, upstream.branch)
            made.set_ref(f"refs/heads/{upstream.branch}", upstream.ref(f"refs/heads/{upstream.branch}"))
            hosted = Hosted(mine, str(path), now(), source.name, self._clock() + self._fork_seconds)
            self._state.repositories[mine] = hosted
            self._save()
            return hosted

    def forks(self, name: str) -> list[Hosted]:
        """Of a repository."""
        with self._lock:
            return [each for each in self._state.repositories.values() if each.parent == self.hosted(name).name]

    def merge_upstream(self, name: str, branch: str) -> str:
        """Bring a fork's branch to its parent's state: `none`, `fast-forward`; raises `Conflict` when both moved."""
        hosted = self.hosted(name)
        if not hosted.parent:
            raise InvalidInput("The repository is not a fork")
        parent, fork = self.bare(hosted.parent), self.bare(name)
        theirs, ours = parent.ref(f"refs/heads/{branch}"), fork.ref(f"refs/heads/{branch}")
        if theirs == ours or fork.is_ancestor(theirs, ours):
            return "none"
        if not fork.is_ancestor(ours, theirs):
            raise Conflict("There are merge conflicts")
        fork.set_ref(f"refs/heads/{branch}", theirs, ours)
        return "fast-forward"

    # Branches

    def create_ref(self, name: str, full: str, sha: str) -> None:
        """A new branch; raises `InvalidInput` as GitHub does."""
        repository = self.bare(name)
        if not full.startswith("refs/") or full.count("/") < 2:
            raise InvalidInput("Reference name must start with 'refs/' and have at least two slashes.")
        if repository.kind(sha) != "commit":
            raise InvalidInput("Object does not exist")
        with self._lock:
            if any(known == full for known, _ in repository.refs(full)):
                raise InvalidInput("Reference already exists")
            repository.set_ref(full, sha, ZERO)

    def update_ref(self, name: str, full: str, sha: str, *, force: bool) -> None:
        """Move a branch; raises `InvalidInput` for what is no fast-forward without force."""
        repository = self.bare(name)
        with self._lock:
            try:
                before = repository.ref(full)
            except NotFound:
                raise InvalidInput("Reference does not exist") from None
            if repository.kind(sha) != "commit":
                raise InvalidInput("Object does not exist")
            forward = repository.is_ancestor(before, sha)
            if not force and not forward:
                raise InvalidInput("Update is not a fast forward")
            if not forward:
                self._rewritten(self.hosted(name).name, full.removeprefix("refs/heads/"))
            repository.set_ref(full, sha, before)
            self._moved(name, full.removeprefix("refs/heads/"), sha)

    def delete_ref(self, name: str, full: str) -> None:
        """Remove a branch; pull requests from it are closed."""
        repository = self.bare(name)
        with self._lock:
            try:
                repository.ref(full)
            except NotFound:
                raise InvalidInput("Reference does not exist") from None
            repository.delete_ref(full)
            for base, pull in self._open_pulls(name, full.removeprefix("refs/heads/")):
                self._close(base, pull)
            self._save()

    def _open_pulls(self, name: str, branch: str) -> list[tuple[str, Pull]]:
        return [
            (base, pull)
            for base, pulls in self._state.pulls.items()
            for pull in pulls
            if pull.open and pull.head_repo == name and pull.head == branch
        ]

    def _rewritten(self, name: str, branch: str) -> None:
        for pulls in self._state.pulls.values():
            for pull in pulls:
                if not pull.open and (pull.head_repo, pull.head) == (name, branch):
                    pull.rewritten = True

    def _moved(self, name: str, branch: str, sha: str) -> None:
        for base, pull in self._open_pulls(self.hosted(name).name, branch):
            pull.head_sha, pull.updated = sha, now()
            self._look_at(base, pull)
        self._save()

    # Pull requests

    def open_pull(self, name: str, login: str, title: str, body: str, head: str, base: str) -> Pull:
        """A new pull request from `owner:branch` or a branch of the same repository."""
        with self._lock:
            target = self.hosted(name)
            owner, mark, branch = head.rpartition(":")
            source = self._head_repository(target, owner) if mark else target
            if source is None or not title.strip():
                raise InvalidInput("head is invalid" if title.strip() else "title can't be blank")
            try:
                head_sha = self.bare(source.name).ref(f"refs/heads/{branch}")
            except NotFound:
                raise InvalidInput("head is invalid") from None
            try:
                base_sha = self.bare(name).ref(f"refs/heads/{base}")
            except NotFound:
                raise InvalidInput("base is invalid") from None
            pulls = self._state.pulls.setdefault(target.name, [])
            if any(p.open and (p.head_repo, p.head, p.base) == (source.name, branch, base) for p in pulls):
                raise InvalidInput(f"A pull request already exists for {source.name.partition('/')[0]}:{branch}.")
            pull = Pull(len(pulls) + 1, title, body, login, source.name, branch, base, head_sha, now(), now())
            self._bring(target.name, pull)
            if not self.bare(name).count(f"{base_sha}..{head_sha}"):
                raise InvalidInput(f"No commits between {base} and {head}")
            pulls.append(pull)
            self._look_at(target.name, pull)
            self._save()
            return pull

    def _head_repository(self, target: Hosted, owner: str) -> Hosted | None:
        if target.name.partition("/")[0].lower() == owner.lower():
            return target
        return next((fork for fork in self.forks(target.name) if fork.name.partition("/")[0] == owner), None)

    def _bring(self, name: str, pull: Pull) -> None:
        self.bare(name).fetch(self.bare(pull.head_repo), pull.head_sha, f"refs/pull/{pull.number}/head")

    def pulls(self, name: str) -> list[Pull]:
        """All of a repository, oldest first."""
        with self._lock:
            return list(self._state.pulls.get(self.hosted(name).name, ()))

    def pull(self, name: str, number: int) -> Pull:
        """One; raises `NotFound`."""
        pulls = self.pulls(name)
        if not 1 <= number <= len(pulls):
            raise NotFound("Not Found")
        return pulls[number - 1]

    def edit_pull(self, name: str, number: int, *, title: str | None, body: str | None, state: str | None) -> Pull:
        """Change title, body or state."""
        with self._lock:
            pull = self.pull(name, number)
            if state not in {None, "open", "closed"}:
                raise InvalidInput("state is invalid")
            if state == "open" and not pull.open and (pull.merged or pull.rewritten):
                why = "The pull request is merged" if pull.merged else "The branch was force-pushed or recreated"
                raise InvalidInput(f"state cannot be changed. {why}.")
            pull.title, pull.body = title or pull.title, pull.body if body is None else body
            if state == "closed" and pull.open:
                self._close(self.hosted(name).name, pull)
            elif state == "open" and not pull.open:
                pull.open, pull.closed = True, ""
                self._look_at(self.hosted(name).name, pull)
            pull.updated = now()
            self._save()
            return pull

    def _close(self, name: str, pull: Pull) -> None:
        pull.base_sha = self.bare(name).ref(f"refs/heads/{pull.base}")
        pull.open, pull.closed = False, now()

    def base_of(self, name: str, pull: Pull) -> str:
        """The base's commit, as it is now or was when the pull request ended."""
        return pull.base_sha if not pull.open and pull.base_sha else self.bare(name).ref(f"refs/heads/{pull.base}")

    def mergeable(self, name: str, pull: Pull) -> bool | None:
        """Whether it merges cleanly; None at the first look after a change."""
        with self._lock:
            if not pull.open:
                return None
            base = self.base_of(name, pull)
            if pull.judged != (here := f"{pull.head_sha} {base}"):
                pull.judged = here
                self._save()
                return None
            return self.bare(name).merged_tree(base, pull.head_sha) is not None

    def merge(self, name: str, number: int, login: str, sha: str = "", message: str = "") -> Pull:
        """Merge; raises `Conflict` when it cannot be, `InvalidInput` when the head is another."""
        with self._lock:
            pull = self.pull(name, number)
            repository = self.bare(name)
            if not pull.open:
                raise Refused("Pull Request is not mergeable")
            if sha and sha != pull.head_sha:
                raise Conflict("Head branch was modified. Review and try the merge again.")
            base = repository.ref(f"refs/heads/{pull.base}")
            tree = repository.merged_tree(base, pull.head_sha)
            if tree is None:
                raise Refused("Pull Request is not mergeable")
            who = Signature(login, f"{login}@users.noreply.example", now())
            text = message or f"Merge pull request #{number} from {pull.head_repo}:{pull.head}\n\n{pull.title}"
            pull.merge_sha = repository.commit(tree, [base, pull.head_sha], text, who, who)
            pull.base_sha = base
            repository.set_ref(f"refs/heads/{pull.base}", pull.merge_sha, base)
            pull.open, pull.closed, pull.merged, pull.merged_by = False, now(), now(), login
            self._save()
            return pull

    def say(self, name: str, number: int, said: Said) -> int:
        """A comment, or a review when it has a state; gives its place."""
        with self._lock:
            pull = self.pull(name, number)
            where = pull.reviews if said.state else pull.comments
            where.append(said)
            pull.updated = now()
            self._save()
            return len(where)

    def label(self, name: str, number: int, labels: Sequence[str]) -> list[str]:
        """Add labels."""
        with self._lock:
            pull = self.pull(name, number)
            pull.labels += [each for each in labels if each not in pull.labels]
            self._save()
            return pull.labels

    # Checks

    def checks(self, name: str, sha: str) -> list[Check]:
        """Of a commit."""
        with self._lock:
            return list(self._state.checks.get(f"{self.hosted(name).name} {sha}", ()))

    def _look_at(self, name: str, pull: Pull) -> None:
        self._bring(name, pull)
        key = f"{name} {pull.head_sha}"
        if name in self._checks and key not in self._state.checks:
            self._state.checks[key] = [Check(CHECK_NAME, now())]
            self._pool.submit(self._run_check, name, pull.base, pull.head_sha)

    def _resume_checks(self) -> None:
        for key, checks in self._state.checks.items():
            name, sha = key.split(" ")
            if name in self._checks and any(check.status != "completed" for check in checks):
                base = next((pull.base for pull in self._state.pulls.get(name, ()) if pull.head_sha == sha), "")
                if base:
                    self._pool.submit(self._run_check, name, base, sha)

    def _run_check(self, name: str, base: str, sha: str) -> None:
        repository = self.bare(name)
        try:
            wrong = list(self._checks[name](repository.path, repository.ref(f"refs/heads/{base}"), sha))
        except TerrafairError as error:
            wrong = [f"The check itself failed: {error}"]
        except Exception as fault:  # a check that dies must not stay pending for ever
            wrong = [f"The check itself failed: {fault!r}"]
        with self._lock:
            for check in self._state.checks[f"{name} {sha}"]:
                check.status, check.completed = "completed", now()
                check.conclusion = "failure" if wrong else "success"
                check.title = f"{len(wrong)} problems" if wrong else "Valid"
                check.summary = "\n".join(wrong[:100])
            self._save()

    def _save(self) -> None:
        self._state.save(self._file)
