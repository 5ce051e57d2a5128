"""The stand-in answers as GitHub does: PyGithub works with it, and what GitHub refuses it refuses."""

import base64
from pathlib import Path
from typing import Any

import httpx2
import pytest
from github import Auth, Github, GithubException, InputGitTreeElement

from terrafair.publishing.standins.forge.forge import Forge, Upstream
from terrafair.publishing.standins.forge.state import State

from .forge_site import PRODUCTION, Site, commit, judge


def pygithub(site: Site, token: str) -> Github:
    return Github(base_url=site.url, auth=Auth.Token(token), retry=None, seconds_between_writes=0)


def test_another_client_publishes_through_it(site: Site) -> None:
    with pygithub(site, "t-bert") as bert, pygithub(site, "t-esa") as esa:
        assert bert.get_user().login == "bert"
        upstream = bert.get_repo(PRODUCTION)
        fork = upstream.create_fork()
        assert (fork.full_name, fork.fork, fork.parent.full_name) == ("bert/catalogue", True, PRODUCTION)
        base = fork.get_git_ref("heads/main").object.sha
        blob = fork.create_git_blob(base64.b64encode(b"\x00\xff").decode(), "base64")
        elements = [
            InputGitTreeElement("new/a.json", "100644", "blob", content="{}\n"),
            InputGitTreeElement("new/b.bin", "100644", "blob", sha=blob.sha),
            InputGitTreeElement("b.txt", "100644", "blob", sha=None),
        ]
        tree = fork.create_git_tree(elements, fork.get_git_tree(base))
        made = fork.create_git_commit("Add", tree, [fork.get_git_commit(base)])
        fork.create_git_ref("refs/heads/topic", made.sha)
        pull = upstream.create_pull("main", "bert:topic", title="Add", body="Why")
        assert {file.filename: file.status for file in pull.get_files()} == {
            "new/a.json": "added",
            "new/b.bin": "added",
            "b.txt": "removed",
        }
        assert [each.number for each in upstream.get_pulls(state="open", head="bert:topic")] == [1]
        assert (pull.commits, pull.changed_files, pull.user.login) == (1, 3, "bert")
        compared = fork.compare(base, made.sha)
        assert (compared.status, compared.ahead_by, len(list(compared.files))) == ("ahead", 1, 3)
        pull.create_issue_comment("ping")
        assert [comment.body for comment in pull.get_issue_comments()] == ["ping"]
        theirs = esa.get_repo(PRODUCTION).get_pull(1)
        theirs.add_to_labels("product")
        theirs.create_review(event="APPROVE", body="Good")
        assert [(r.state, r.user.login) for r in pull.get_reviews()] == [("APPROVED", "esa")]
        assert theirs.merge().merged
        assert upstream.get_pull(1).merged
        assert upstream.get_contents("new/a.json").decoded_content == b"{}\n"
        with pytest.raises(GithubException) as caught:
            upstream.get_contents("b.txt")
        assert caught.value.status == 404
        page = fork.create_file("c.txt", "Add c", "three\n")
        assert fork.get_contents("c.txt").decoded_content == b"three\n"
        with pytest.raises(GithubException) as caught:
            fork.update_file("c.txt", "Again", "four\n", "0" * 40)
        assert caught.value.status == 409
        assert page["commit"].sha
        fork.get_git_ref("heads/topic").delete()


def ask(site: Site, method: str, path: str, body: Any = None, token: str = "t-anna") -> httpx2.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx2.request(method, site.url + path, json=body, headers=headers, trust_env=False)


@pytest.fixture
def fork(site: Site) -> str:
    return f"/repos/{site.forge.fork('anna', PRODUCTION).name}"


def test_refuses_what_github_refuses(site: Site, fork: str) -> None:
    up, head = f"/repos/{PRODUCTION}", site.production.ref("refs/heads/main")
    tree = site.production.ref(f"{head}^{{tree}}")
    refused: list[tuple[int, str, str, Any]] = [
        (404, "GET", "/repos/esa/none", None),
        (404, "GET", f"{up}/git/ref/heads/none", None),
        (404, "GET", f"{up}/git/commits/{'0' * 40}", None),
        (404, "GET", f"{up}/git/blobs/{head}", None),
        (404, "GET", f"{up}/contents/none.json", None),
        (404, "GET", f"{up}/pulls/1", None),
        (404, "GET", f"{up}/pulls/x", None),
        (404, "GET", "/nowhere", None),
        (403, "POST", f"{up}/git/refs", {"ref": "refs/heads/x", "sha": head}),
        (422, "POST", f"{fork}/git/refs", {"ref": "heads/x", "sha": head}),
        (422, "POST", f"{fork}/git/refs", {"ref": "refs/heads/x", "sha": "0" * 40}),
        (422, "POST", f"{fork}/git/refs", {"ref": "refs/heads/main", "sha": head}),
        (422, "POST", f"{fork}/git/refs", {"sha": head}),
        (422, "PATCH", f"{fork}/git/refs/heads/none", {"sha": head}),
        (422, "POST", f"{fork}/git/blobs", {"content": "&", "encoding": "hex"}),
        (422, "POST", f"{fork}/git/trees", {"base_tree": "0" * 40, "tree": []}),
        (422, "POST", f"{fork}/git/trees", {"tree": [{"path": "../x", "mode": "100644", "content": ""}]}),
        (422, "POST", f"{fork}/git/trees", {"tree": [{"path": ".git/config", "mode": "100644", "content": ""}]}),
        (422, "POST", f"{fork}/git/trees", {"tree": [{"path": "x", "mode": "1", "content": ""}]}),
        (422, "POST", f"{fork}/git/trees", {"tree": [{"path": "x", "mode": "100644", "content": "", "sha": head}]}),
        (422, "POST", f"{fork}/git/commits", {"message": "m", "tree": head}),
        (422, "POST", f"{fork}/git/commits", {"message": "m", "tree": tree, "parents": ["0" * 40]}),
        (422, "POST", f"{up}/pulls", {"title": "t", "head": "anna:none", "base": "main"}),
        (422, "POST", f"{up}/pulls", {"title": "t", "head": "anna:main", "base": "none"}),
        (422, "POST", f"{up}/pulls", {"title": "t", "head": "anna:main", "base": "main"}),
        (404, "GET", f"{up}/commits/none/status", None),
        (403, "PUT", f"{up}/contents/a.txt", {"message": "m", "content": ""}),
    ]
    for status, method, path, body in refused:
        reply = ask(site, method, path, body)
        assert reply.status_code == status, (method, path, body, reply.text)
        assert reply.json()["message"]


def test_a_branch_moves_forward_only_unless_forced(site: Site, fork: str) -> None:
    before = site.production.ref("refs/heads/main")
    newer = commit(site.forge.bare("anna/catalogue"), {"c.txt": b"three\n"})
    assert ask(site, "PATCH", f"{fork}/git/refs/heads/main", {"sha": before}).status_code == 422
    assert ask(site, "PATCH", f"{fork}/git/refs/heads/main", {"sha": before, "force": True}).status_code == 200
    assert ask(site, "PATCH", f"{fork}/git/refs/heads/main", {"sha": newer}).status_code == 200


def test_asks_who_it_is(site: Site) -> None:
    assert ask(site, "GET", "/user", token="").status_code == 401
    assert ask(site, "GET", "/user", token="nobody").status_code == 401
    assert ask(site, "GET", f"/repos/{PRODUCTION}", token="").status_code == 200
    assert ask(site, "POST", f"/repos/{PRODUCTION}/forks", token="").status_code == 401
    assert ask(site, "POST", f"/repos/{PRODUCTION}/forks", token="t-esa").status_code == 403


def test_what_is_merged_or_in_conflict_is_not_merged(site: Site, fork: str) -> None:
    mine = commit(site.forge.bare("anna/catalogue"), {"a.txt": b"mine\n"}, branch="main")
    assert mine
    pull = ask(site, "POST", f"/repos/{PRODUCTION}/pulls", {"title": "t", "head": "anna:main", "base": "main"}).json()
    assert pull["mergeable"] is None
    assert ask(site, "GET", f"/repos/{PRODUCTION}/pulls/1").json()["mergeable"] is True
    commit(site.production, {"a.txt": b"theirs\n"})
    ask(site, "GET", f"/repos/{PRODUCTION}/pulls/1")
    assert ask(site, "GET", f"/repos/{PRODUCTION}/pulls/1").json()["mergeable_state"] == "dirty"
    assert ask(site, "PUT", f"/repos/{PRODUCTION}/pulls/1/merge", {}, "t-esa").status_code == 405
    assert ask(site, "PUT", f"/repos/{PRODUCTION}/pulls/1/merge", {"sha": "0" * 40}, "t-esa").status_code == 409
    assert ask(site, "PUT", f"/repos/{PRODUCTION}/pulls/1/merge", {}).status_code == 403


def test_the_page_merges_only_from_itself(site: Site, fork: str) -> None:
    commit(site.forge.bare("anna/catalogue"), {"<b>.txt": b"<script>\n"})
    ask(site, "POST", f"/repos/{PRODUCTION}/pulls", {"title": "<i>", "head": "anna:main", "base": "main"})
    page = ask(site, "GET", f"/{PRODUCTION}/pull/1", token="")
    assert "&lt;script&gt;" in page.text and "<script>" not in page.text
    foreign = httpx2.post(f"{site.url}/{PRODUCTION}/pull/1", headers={"Origin": "http://evil.example"}, trust_env=False)
    assert foreign.status_code == 403
    assert site.forge.pull(PRODUCTION, 1).open
    own = httpx2.post(f"{site.url}/{PRODUCTION}/pull/1", headers={"Origin": site.url}, trust_env=False)
    assert own.status_code == 303
    assert site.forge.pull(PRODUCTION, 1).merged


def test_is_found_again_after_a_restart(site: Site, tmp_path: Path, fork: str) -> None:
    commit(site.forge.bare("anna/catalogue"), {"c.txt": b"three\n"})
    ask(site, "POST", f"/repos/{PRODUCTION}/pulls", {"title": "t", "head": "anna:main", "base": "main"})
    site.forge.close()
    file = tmp_path / "forge/forge.json"
    state = State.load(file)
    for checks in state.checks.values():
        checks[0].status = "in_progress"
    state.save(file)
    upstreams = {PRODUCTION: Upstream(tmp_path / "production.git", judge)}
    with Forge(tmp_path / "forge", upstreams, {}) as again:
        pull = again.pull(PRODUCTION, 1)
    assert again.checks(PRODUCTION, pull.head_sha)[0].conclusion == "success"
