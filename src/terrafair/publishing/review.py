"""A proposal becomes one commit on a branch of a fork, and a pull request; asked again it finds what is there.

Nothing of anybody else's is overwritten: the branch is ours by its name and by the trailer of its commit, and a commit
that somebody put on top of ours stops us.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from terrafair.errors import Conflict, InvalidInput, NotFound, Refused, TimedOut
from terrafair.publishing.github import GitHub, segment
from terrafair.publishing.proposal import Proposal, PullRequest, Verdict

PREFIX = "terrafair"
TRAILER = "Terrafair-Publication"
FORK_SECONDS = 300.0
GREEN = frozenset({"success", "neutral", "skipped"})
RED_STATES = frozenset({"failure", "error"})


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the branch lies."""

    upstream: str
    base_branch: str
    fork: str
    """The upstream itself where we may write there."""

    @property
    def account(self) -> str:
        return self.fork.partition("/")[0]


class GitHubReview:
    """The real one."""

    def __init__(
        self,
        github: GitHub,
        account: str = "",
        *,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._github = github
        self._account = account
        self._sleep = sleep
        self._clock = clock

    def propose(self, repository: str, proposal: Proposal) -> PullRequest:
        """See `Review.propose`; raises `Conflict` when somebody else has changed the branch."""
        place = self._place(repository)
        branch = f"{PREFIX}/{proposal.id}"
        base = self._head(place.upstream, place.base_branch)
        self._bring_up_to_date(place)
        there = self._branch(place.fork, branch)
        if there and TRAILER not in there["message"]:
            raise Conflict(
                f"The branch {branch} of {place.fork} ends with a commit that is not ours: {there['sha'][:12]}.",
                "Somebody else has worked on it, and nothing of theirs is overwritten.",
                "Go on in the pull request itself, or delete the branch.",
                code="branch-changed",
            )
        pull = self._pull(place, branch)
        if pull and pull["state"] == "closed" and pull.get("merged_at"):
            return self.follow(self._read(place, pull, base))
        commit, parent = self._commit(place, proposal, there, base, pull)
        self._point(place.fork, branch, commit, there)
        return self.follow(self._read(place, self._open(place, branch, proposal, pull), parent))

    def follow(self, pull: PullRequest) -> PullRequest:
        """See `Review.follow`."""
        at = f"/repos/{pull.repository}/pulls/{pull.number}"
        document = self._github.get(at)
        state = "merged" if document.get("merged") else str(document["state"])
        sha = str(document["head"]["sha"])
        verdict, remarks = self._checks(pull.repository, sha)
        remarks += [_said(each, each["state"].lower()) for each in self._github.pages(f"{at}/reviews")]
        comments = self._github.pages(f"/repos/{pull.repository}/issues/{pull.number}/comments")
        remarks += [_said(each, "says") for each in comments]
        return replace(
            pull,
            state=state,
            commit=sha,
            url=str(document["html_url"]),
            merge_commit=str(document.get("merge_commit_sha") or "") if state == "merged" else "",
            verdict=verdict,
            mergeable=document.get("mergeable"),
            remarks=tuple(remarks),
        )

    # Where

    def _place(self, repository: str) -> _Place:
        upstream = self._github.get(f"/repos/{repository}")
        name, branch = str(upstream["full_name"]), str(upstream["default_branch"])
        account = self._account or str(self._github.get("/user")["login"])
        if account.lower() == name.partition("/")[0].lower():
            return _Place(name, branch, name)
        fork = self._fork(name, account)
        return _Place(name, branch, fork)

    def _fork(self, upstream: str, account: str) -> str:
        for each in self._github.pages(f"/repos/{upstream}/forks"):
            if str(each["full_name"]).partition("/")[0].lower() == account.lower():
                return str(each["full_name"])
        try:
            made = self._github.write("POST", f"/repos/{upstream}/forks", {"default_branch_only": True})
        except Refused as error:
            remedy = "Give the token the right to fork, or fork by hand."
            raise Refused(error.problem.what, "The change needs a fork to lie in.", remedy) from None
        return self._until_ready(str(made["full_name"]), str(made["default_branch"]))

    def _until_ready(self, fork: str, branch: str) -> str:
        """GitHub makes forks in the background; they answer 404 or 409 until they are there."""
        deadline = self._clock() + FORK_SECONDS
        pause = 0.5
        while True:
            try:
                self._head(fork, branch)
            except (NotFound, Conflict):
                if self._clock() > deadline:
                    raise TimedOut(
                        f"The fork {fork} was not ready within {FORK_SECONDS:g} s.", remedy="Try again in some minutes."
                    ) from None
                self._sleep(pause)
                pause = min(pause * 1.5, 10.0)
            else:
                return fork

    def _bring_up_to_date(self, place: _Place) -> None:
        """Make the base's objects known to the fork; a fork that went its own way knows them all the same."""
        if place.fork == place.upstream:
            return
        try:
            self._github.write("POST", f"/repos/{place.fork}/merge-upstream", {"branch": place.base_branch})
        except (Conflict, InvalidInput, NotFound):
            return

    def _head(self, repository: str, branch: str) -> str:
        return str(self._github.get(f"/repos/{repository}/git/ref/heads/{segment(branch)}")["object"]["sha"])

    def _branch(self, repository: str, branch: str) -> dict[str, Any]:
        """The commit that the branch ends with; empty: there is no branch."""
        try:
            sha = self._head(repository, branch)
        except NotFound:
            return {}
        document: dict[str, Any] = self._github.get(f"/repos/{repository}/git/commits/{sha}")
        return document

    def _pull(self, place: _Place, branch: str) -> dict[str, Any] | None:
        head = f"{place.account}:{branch}"
        found = self._github.pages(f"/repos/{place.upstream}/pulls", head=head, state="all")
        # Some answer with all pull requests when the head is not known.
        fitting = [each for each in found if each["head"]["label"] == head]
        return fitting[0] if fitting else None

    # The commit

    def _commit(
        self, place: _Place, proposal: Proposal, there: Mapping[str, Any], base: str, pull: Mapping[str, Any] | None
    ) -> tuple[str, str]:
        """(commit, its parent): the one that is there while it still says the same and merges, else a new one."""
        if there and len(there["parents"]) == 1:
            parent = str(there["parents"][0]["sha"])
            fits = pull is None or pull["state"] == "closed" or self._merges(place, int(pull["number"]))
            if (parent == base or fits) and self._same(place, proposal, there, parent):
                return str(there["sha"]), parent
        files = proposal.files(self._reader(place.upstream, base))
        if not files:
            raise Conflict(
                f"{place.upstream} has this content already.", "There is nothing to propose.", code="nothing-to-propose"
            )
        return self._made(place, proposal, files, base), base

    def _merges(self, place: _Place, number: int) -> bool:
        for _ in range(5):
            mergeable = self._github.get(f"/repos/{place.upstream}/pulls/{number}")["mergeable"]
            if mergeable is not None:
                return bool(mergeable)
            # It is being computed.
            self._sleep(0.5)
        return True

    def _same(self, place: _Place, proposal: Proposal, there: Mapping[str, Any], parent: str) -> bool:
        """Whether the commit that is there holds the proposal as it would be on its own parent."""
        read, before = self._reader(place.fork, str(there["sha"])), self._reader(place.upstream, parent)
        try:
            files = proposal.files(before)
        except Conflict:
            return False
        touched = {
            str(each["filename"])
            for each in self._github.get(f"/repos/{place.fork}/compare/{parent}...{there['sha']}")["files"]
        }
        return touched == set(files) and all(read(path) == content for path, content in files.items())

    def _made(self, place: _Place, proposal: Proposal, files: Mapping[str, bytes | None], base: str) -> str:
        at = f"/repos/{place.fork}/git"
        base_tree = str(self._github.get(f"/repos/{place.upstream}/git/commits/{base}")["tree"]["sha"])
        entries: list[dict[str, Any]] = []
        for path, content in sorted(files.items()):
            entry: dict[str, Any] = {"path": path, "mode": "100644", "type": "blob"}
            try:
                entry |= {"sha": None} if content is None else {"content": content.decode("utf-8")}
            except UnicodeDecodeError:
                entry |= {"sha": self._blob(place.fork, content or b"")}
            entries.append(entry)
        tree = self._github.write("POST", f"{at}/trees", {"base_tree": base_tree, "tree": entries})
        name, _, address = proposal.author.rpartition(" <")
        author = {"name": name, "email": address.rstrip(">"), "date": proposal.date}
        message = f"{proposal.message}\n\n{TRAILER}: {proposal.id}"
        body = {"message": message, "tree": tree["sha"], "parents": [base], "author": author, "committer": author}
        return str(self._github.write("POST", f"{at}/commits", body)["sha"])

    def _blob(self, fork: str, content: bytes) -> str:
        import base64

        body = {"content": base64.b64encode(content).decode(), "encoding": "base64"}
        return str(self._github.write("POST", f"/repos/{fork}/git/blobs", body)["sha"])

    def _reader(self, repository: str, commit: str) -> Callable[[str], bytes | None]:
        def read(path: str) -> bytes | None:
            try:
                return self._github.raw(f"/repos/{repository}/contents/{segment(path)}", ref=commit)
            except NotFound:
                return None

        return read

    def _point(self, fork: str, branch: str, commit: str, there: Mapping[str, Any]) -> None:
        if there and there["sha"] == commit:
            return
        at = f"/repos/{fork}/git/refs"
        if there:
            # Between our look and this write somebody may have pushed; the window is small and the branch is ours.
            self._github.write("PATCH", f"{at}/heads/{segment(branch)}", {"sha": commit, "force": True})
            return
        try:
            self._github.write("POST", at, {"ref": f"refs/heads/{branch}", "sha": commit})
        except InvalidInput:
            # An earlier try of ours arrived although its answer did not.
            if self._head(fork, branch) != commit:
                raise

    # The pull request

    def _open(
        self, place: _Place, branch: str, proposal: Proposal, pull: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        at = f"/repos/{place.upstream}/pulls"
        if pull is None:
            return self._new(place, branch, proposal)
        same = (pull["title"], pull["body"] or "") == (proposal.title, proposal.body)
        if same and pull["state"] == "open":
            return pull
        body = {"title": proposal.title, "body": proposal.body, "state": "open"}
        try:
            return self._github.write("PATCH", f"{at}/{pull['number']}", body)
        except InvalidInput:
            if pull["state"] == "open":
                raise
            # A closed pull request whose branch has been rewritten cannot be opened again.
            return self._new(place, branch, proposal)

    def _new(self, place: _Place, branch: str, proposal: Proposal) -> Mapping[str, Any]:
        body = {
            "title": proposal.title,
            "body": proposal.body,
            "head": branch if place.fork == place.upstream else f"{place.account}:{branch}",
            "base": place.base_branch,
            "maintainer_can_modify": True,
        }
        try:
            return self._github.write("POST", f"/repos/{place.upstream}/pulls", body)
        except InvalidInput:
            # An earlier try of ours arrived although its answer did not.
            found = self._pull(place, branch)
            if found is None or found["state"] != "open":
                raise
            return found

    def _read(self, place: _Place, pull: Mapping[str, Any], base: str) -> PullRequest:
        return PullRequest(
            place.upstream,
            int(pull["number"]),
            str(pull["html_url"]),
            str(pull["head"]["label"]),
            str(pull["head"]["sha"]),
            base,
        )

    def _checks(self, repository: str, sha: str) -> tuple[Verdict, list[str]]:
        runs = self._github.get(f"/repos/{repository}/commits/{sha}/check-runs", per_page=100)["check_runs"]
        status = self._github.get(f"/repos/{repository}/commits/{sha}/status")
        states = [str(each["state"]) for each in status["statuses"]]
        done = [run for run in runs if run["status"] == "completed"]
        red = [run for run in done if run["conclusion"] not in GREEN]
        remarks = [f"{run['name']}: {run['conclusion']}. {run['output'].get('summary') or ''}".strip() for run in red]
        remarks += [
            f"{each['context']}: {each['description'] or each['state']}"
            for each in status["statuses"]
            if each["state"] in RED_STATES
        ]
        if red or any(state in RED_STATES for state in states):
            return Verdict.RED, remarks
        if len(done) < len(runs) or "pending" in states:
            return Verdict.PENDING, remarks
        return (Verdict.GREEN if runs or states else Verdict.NONE), remarks


def _said(document: Mapping[str, Any], verb: str) -> str:
    who = (document.get("user") or {}).get("login", "somebody")
    return f"{who} {verb}: {document.get('body') or ''}".rstrip(": ")
