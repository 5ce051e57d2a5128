"""The JSON shapes of GitHub's answers."""

import base64
import hashlib
from collections.abc import Mapping
from typing import Any

from terrafair.publishing.standins.forge.objects import Bare, Change, Commit, Signature

Document = dict[str, Any]

_USER_LINKS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
_REPOSITORY_LINKS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
_FLAGS = {
    "has_issues": True,
    "has_downloads": True,
    "has_projects": False,
    "has_wiki": False,
    "has_pages": False,
    "has_discussions": False,
}
_COUNTS = ("forks", "forks_count", "open_issues", "open_issues_count", "stargazers_count", "watchers", "watchers_count")


def number_of(text: str) -> int:
    """A stable id for what has none of its own."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) >> 1


def node(kind: str, text: str) -> str:
    """A node id."""
    return base64.b64encode(f"{kind}:{text}".encode()).decode()


def user(base: str, login: str) -> Document:
    """An account."""
    url = f"{base}/users/{login}"
    return {
        "login": login,
        "id": number_of(login),
        "node_id": node("User", login),
        "avatar_url": f"{base}/avatars/{login}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{base}/{login}",
        **{name: url + end for name, end in _USER_LINKS.items()},
        "type": "User",
        "site_admin": False,
    }


def myself(base: str, login: str, created: str) -> Document:
    """The account that asks."""
    nothing = dict.fromkeys(("bio", "blog", "company", "email", "hireable", "location", "name"))
    counts = dict.fromkeys(("followers", "following", "public_gists", "public_repos"), 0)
    return {**user(base, login), **nothing, **counts, "created_at": created, "updated_at": created}


def minimal_repository(base: str, name: str, *, fork: bool) -> Document:
    """A repository inside another answer."""
    owner, _, short = name.partition("/")
    url = f"{base}/repos/{name}"
    return {
        "id": number_of(name),
        "node_id": node("Repository", name),
        "name": short,
        "full_name": name,
        "owner": user(base, owner),
        "private": False,
        "html_url": f"{base}/{name}",
        "description": None,
        "fork": fork,
        "url": url,
        **{key: url + end for key, end in _REPOSITORY_LINKS.items()},
    }


def repository(base: str, name: str, *, branch: str, created: str, parent: Document | None, push: bool) -> Document:
    """A repository in full."""
    document = minimal_repository(base, name, fork=parent is not None) | {
        "clone_url": f"{base}/{name}.git",
        "git_url": f"{base}/{name}.git",
        "ssh_url": f"git@localhost:{name}.git",
        "svn_url": f"{base}/{name}",
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "default_branch": branch,
        "archived": False,
        "disabled": False,
        "visibility": "public",
        "size": 0,
        "network_count": 0,
        "subscribers_count": 0,
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
        "permissions": {"admin": push, "maintain": push, "push": push, "triage": push, "pull": True},
        **_FLAGS,
        **dict.fromkeys(_COUNTS, 0),
    }
    return document | ({"parent": parent, "source": parent} if parent else {})


def ref(base: str, name: str, full: str, sha: str, kind: str) -> Document:
    """A reference."""
    return {
        "ref": full,
        "node_id": node("Ref", f"{name}:{full}"),
        "url": f"{base}/repos/{name}/git/{full}",
        "object": {"sha": sha, "type": kind, "url": f"{base}/repos/{name}/git/{kind}s/{sha}"},
    }


def _signature(who: Signature) -> Document:
    return {"name": who.name, "email": who.email, "date": _utc(who.date)}


def _utc(date: str) -> str:
    from datetime import UTC, datetime

    return datetime.fromisoformat(date).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


_VERIFICATION = {"verified": False, "reason": "unsigned", "signature": None, "payload": None, "verified_at": None}


def git_commit(base: str, name: str, commit: Commit) -> Document:
    """A commit as a git object."""
    url = f"{base}/repos/{name}"
    return {
        "sha": commit.sha,
        "node_id": node("Commit", commit.sha),
        "url": f"{url}/git/commits/{commit.sha}",
        "html_url": f"{base}/{name}/commit/{commit.sha}",
        "author": _signature(commit.author),
        "committer": _signature(commit.committer),
        "message": commit.message,
        "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        "parents": [
            {"sha": sha, "url": f"{url}/git/commits/{sha}", "html_url": f"{base}/{name}/commit/{sha}"}
            for sha in commit.parents
        ],
        "verification": _VERIFICATION,
    }


def commit(base: str, name: str, read: Commit) -> Document:
    """A commit as a page of its own."""
    url = f"{base}/repos/{name}/commits/{read.sha}"
    return {
        "url": url,
        "sha": read.sha,
        "node_id": node("Commit", read.sha),
        "html_url": f"{base}/{name}/commit/{read.sha}",
        "comments_url": f"{url}/comments",
        "commit": {
            "url": f"{base}/repos/{name}/git/commits/{read.sha}",
            "author": _signature(read.author),
            "committer": _signature(read.committer),
            "message": read.message,
            "comment_count": 0,
            "tree": {"sha": read.tree, "url": f"{base}/repos/{name}/git/trees/{read.tree}"},
            "verification": _VERIFICATION,
        },
        "author": None,
        "committer": None,
        "parents": [{"sha": sha, "url": f"{base}/repos/{name}/commits/{sha}"} for sha in read.parents],
    }


def changed_file(base: str, name: str, change: Change, at: str) -> Document:
    """One file of a comparison."""
    return {
        "sha": change.sha,
        "filename": change.path,
        "status": change.status,
        "additions": change.additions,
        "deletions": change.deletions,
        "changes": change.additions + change.deletions,
        "blob_url": f"{base}/{name}/blob/{at}/{change.path}",
        "raw_url": f"{base}/{name}/raw/{at}/{change.path}",
        "contents_url": f"{base}/repos/{name}/contents/{change.path}?ref={at}",
    }


def content(base: str, name: str, path: str, at: str, data: bytes, sha: str) -> Document:
    """A file with its content."""
    url = f"{base}/repos/{name}/contents/{path}?ref={at}"
    page, raw = f"{base}/{name}/blob/{at}/{path}", f"{base}/repos/{name}/git/blobs/{sha}"
    return {
        "name": path.rpartition("/")[2],
        "path": path,
        "sha": sha,
        "size": len(data),
        "url": url,
        "html_url": page,
        "git_url": raw,
        "download_url": f"{base}/{name}/raw/{at}/{path}",
        "type": "file",
        "content": base64.encodebytes(data).decode(),
        "encoding": "base64",
        "_links": {"self": url, "git": raw, "html": page},
    }


def tree(base: str, name: str, sha: str, repository: Bare, *, recursive: bool) -> Document:
    """A tree with its entries."""
    url = f"{base}/repos/{name}/git"
    entries = [
        {"path": path, "mode": mode, "type": kind, "sha": entry, "url": f"{url}/{kind}s/{entry}"}
        | ({"size": size} if kind == "blob" else {})
        for mode, kind, entry, path, size in repository.entries(sha, recursive=recursive)
    ]
    return {"sha": sha, "url": f"{url}/trees/{sha}", "tree": entries, "truncated": False}


def check_run(base: str, name: str, number: int, sha: str, check: Mapping[str, Any]) -> Document:
    """One automatic check of a commit."""
    url = f"{base}/repos/{name}/check-runs/{number}"
    done = check["status"] == "completed"
    return {
        "id": number,
        "node_id": node("CheckRun", f"{name}:{number}"),
        "head_sha": sha,
        "external_id": "",
        "url": url,
        "html_url": f"{base}/{name}/runs/{number}",
        "details_url": f"{base}/{name}/runs/{number}",
        "status": check["status"],
        "conclusion": check["conclusion"] if done else None,
        "started_at": check["started"],
        "completed_at": check["completed"] if done else None,
        "name": check["name"],
        "check_suite": {"id": number},
        "output": {
            "title": check.get("title") or None,
            "summary": check.get("summary") or None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{url}/annotations",
        },
        "app": None,
        "pull_requests": [],
    }


def comment(base: str, name: str, issue: int, number: int, said: Mapping[str, Any]) -> Document:
    """A comment on a pull request."""
    return {
        "id": number,
        "node_id": node("IssueComment", f"{name}:{number}"),
        "url": f"{base}/repos/{name}/issues/comments/{number}",
        "html_url": f"{base}/{name}/pull/{issue}#issuecomment-{number}",
        "issue_url": f"{base}/repos/{name}/issues/{issue}",
        "body": said["body"],
        "user": user(base, said["user"]),
        "created_at": said["time"],
        "updated_at": said["time"],
        "author_association": "CONTRIBUTOR",
    }


def review(base: str, name: str, pull: int, number: int, said: Mapping[str, Any]) -> Document:
    """A review of a pull request."""
    page, api = f"{base}/{name}/pull/{pull}", f"{base}/repos/{name}/pulls/{pull}"
    return {
        "id": number,
        "node_id": node("Review", f"{name}:{number}"),
        "user": user(base, said["user"]),
        "body": said["body"],
        "state": said["state"],
        "html_url": f"{page}#pullrequestreview-{number}",
        "pull_request_url": api,
        "_links": {"html": {"href": page}, "pull_request": {"href": api}},
        "submitted_at": said["time"],
        "commit_id": said["commit"],
        "author_association": "MEMBER",
    }
