"""Answers that need more than one thing of the forge: repositories, pull requests, comparisons, states of checks."""

from dataclasses import dataclass
from typing import Any

from terrafair.errors import NotFound
from terrafair.publishing.standins.forge import shapes
from terrafair.publishing.standins.forge.forge import Forge
from terrafair.publishing.standins.forge.state import Pull

Document = dict[str, Any]
_SPARE = ("auto_merge", "assignee", "milestone", "active_lock_reason")


@dataclass(frozen=True, slots=True)
class Answers:
    """Built for one request."""

    forge: Forge
    base: str
    login: str

    def repository(self, name: str) -> Document:
        """In full, with its parent when it is a fork."""
        hosted = self.forge.hosted(name)
        parent = self.repository(hosted.parent) if hosted.parent else None
        branch = self.forge.bare(hosted.parent or hosted.name).branch
        push = self.forge.may_write(self.login, hosted.name)
        return shapes.repository(
            self.base, hosted.name, branch=branch, created=hosted.created, parent=parent, push=push
        )

    def pull_simple(self, name: str, pull: Pull) -> Document:
        """A pull request as listings have it."""
        here = self.forge.hosted(name).name
        page, api = f"{self.base}/{here}/pull/{pull.number}", f"{self.base}/repos/{here}/pulls/{pull.number}"
        issue = f"{self.base}/repos/{here}/issues/{pull.number}"
        links = {
            "html_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "url": api,
            "issue_url": issue,
            "commits_url": f"{api}/commits",
            "comments_url": f"{issue}/comments",
            "review_comments_url": f"{api}/comments",
            "review_comment_url": f"{self.base}/repos/{here}/pulls/comments{{/number}}",
            "statuses_url": f"{self.base}/repos/{here}/statuses/{pull.head_sha}",
        }
        return {
            "id": shapes.number_of(api),
            "node_id": shapes.node("PullRequest", api),
            **links,
            "number": pull.number,
            "state": "open" if pull.open else "closed",
            "locked": False,
            "title": pull.title,
            "body": pull.body or None,
            "user": shapes.user(self.base, pull.user),
            "created_at": pull.created,
            "updated_at": pull.updated,
            "closed_at": pull.closed or None,
            "merged_at": pull.merged or None,
            "merge_commit_sha": pull.merge_sha or None,
            "labels": self.labels(here, pull.labels),
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "draft": False,
            "author_association": "CONTRIBUTOR",
            **dict.fromkeys(_SPARE),
            "head": self._side(pull.head_repo, pull.head, pull.head_sha),
            "base": self._side(here, pull.base, self.forge.base_of(here, pull)),
            "_links": {
                "self": {"href": api},
                "html": {"href": page},
                "issue": {"href": issue},
                "comments": {"href": links["comments_url"]},
                "review_comments": {"href": links["review_comments_url"]},
                "review_comment": {"href": links["review_comment_url"]},
                "commits": {"href": links["commits_url"]},
                "statuses": {"href": links["statuses_url"]},
            },
        }

    def pull(self, name: str, pull: Pull) -> Document:
        """A pull request in full."""
        repository = self.forge.bare(name)
        base = repository.merge_base(self.forge.base_of(name, pull), pull.head_sha)
        changes = repository.changes(base, pull.head_sha)
        mergeable = self.forge.mergeable(name, pull)
        return self.pull_simple(name, pull) | {
            "merged": bool(pull.merged),
            "mergeable": mergeable,
            "mergeable_state": {None: "unknown", True: "clean", False: "dirty"}[mergeable],
            "merged_by": shapes.user(self.base, pull.merged_by) if pull.merged_by else None,
            "maintainer_can_modify": True,
            "comments": len(pull.comments),
            "review_comments": 0,
            "commits": len(repository.count(f"{base}..{pull.head_sha}")),
            "additions": sum(change.additions for change in changes),
            "deletions": sum(change.deletions for change in changes),
            "changed_files": len(changes),
        }

    def _side(self, name: str, branch: str, sha: str) -> Document:
        owner = name.partition("/")[0]
        return {
            "label": f"{owner}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": shapes.user(self.base, owner),
            "repo": self.repository(name),
        }

    def pull_files(self, name: str, pull: Pull) -> list[Document]:
        """What a pull request changes."""
        repository = self.forge.bare(name)
        base = repository.merge_base(self.forge.base_of(name, pull), pull.head_sha)
        changes = repository.changes(base, pull.head_sha)
        return [shapes.changed_file(self.base, name, change, pull.head_sha) for change in changes]

    def labels(self, name: str, labels: list[str]) -> list[Document]:
        """Labels in full."""
        return [
            {
                "id": shapes.number_of(label),
                "node_id": shapes.node("Label", label),
                "url": f"{self.base}/repos/{name}/labels/{label}",
                "name": label,
                "description": "",
                "color": "ededed",
                "default": False,
            }
            for label in labels
        ]

    def status(self, name: str, sha: str) -> Document:
        """Commit statuses: this forge has check runs only, and then GitHub says `pending` with none."""
        hosted = self.forge.hosted(name)
        url = f"{self.base}/repos/{hosted.name}/commits/{sha}"
        return {
            "state": "pending",
            "statuses": [],
            "sha": sha,
            "total_count": 0,
            "repository": shapes.minimal_repository(self.base, hosted.name, fork=bool(hosted.parent)),
            "commit_url": url,
            "url": f"{url}/status",
        }

    def comparison(self, name: str, basehead: str) -> Document:
        """How two commits differ."""
        repository = self.forge.bare(name)
        old, mark, new = basehead.partition("...")
        if not mark:
            raise NotFound("Not Found")
        base, head = repository.ref(f"{old}^{{commit}}"), repository.ref(f"{new}^{{commit}}")
        common = repository.merge_base(base, head)
        ahead, behind = repository.count(f"{base}..{head}"), repository.count(f"{head}..{base}")
        words = {(True, True): "diverged", (True, False): "ahead", (False, True): "behind", (False, False): "identical"}
        page = f"{self.base}/{name}/compare/{basehead}"
        return {
            "url": f"{self.base}/repos/{name}/compare/{basehead}",
            "html_url": page,
            "permalink_url": page,
            "diff_url": f"{page}.diff",
            "patch_url": f"{page}.patch",
            "base_commit": shapes.commit(self.base, name, repository.read_commit(base)),
            "merge_base_commit": shapes.commit(self.base, name, repository.read_commit(common)),
            "status": words[bool(ahead), bool(behind)],
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "commits": [shapes.commit(self.base, name, repository.read_commit(sha)) for sha in reversed(ahead)][:250],
            "files": [
                shapes.changed_file(self.base, name, change, head) for change in repository.changes(common, head)
            ],
        }
