"""A proposal becomes one pull request, whatever happens on the way."""

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from terrafair.errors import Conflict, Refused, TerrafairError, TimedOut, Unreachable
from terrafair.publishing.proposal import Proposal, PullRequest, Reader, Verdict
from terrafair.publishing.review import GitHubReview

from .faults import Fault
from .forge_site import PRODUCTION, TESTING, Site, commit


def proposal(text: str = "mine\n", **changes: str) -> Proposal:
    """Adds a file and a line at the end of another."""

    def files(read: Reader) -> Mapping[str, bytes | None]:
        before = read("a.txt") or b""
        line = text.encode()
        wanted = {"new/entry.json": line, "a.txt": before if line in before else before + line, "new/x.bin": b"\xff\0"}
        return {path: content for path, content in wanted.items() if read(path) != content}

    given = Proposal(
        "pub-1", "A title", "A body", "Add an entry", "Anna <anna@example.org>", "2026-01-02T03:04:05Z", files
    )
    return replace(given, **changes)


def settled(review: GitHubReview, pull: PullRequest) -> PullRequest:
    deadline = time.monotonic() + 20
    while (pull := review.follow(pull)).verdict is Verdict.PENDING and time.monotonic() < deadline:
        time.sleep(0.05)
    return pull


def shown(site: Site, pull: PullRequest) -> dict[str, str]:
    files = site.github().pages(f"/repos/{pull.repository}/pulls/{pull.number}/files")
    return {each["filename"]: each["status"] for each in files}


def test_opens_a_pull_request_with_one_commit(site: Site) -> None:
    review = site.review()
    pull = review.propose(PRODUCTION, proposal())
    assert (pull.number, pull.branch, pull.state) == (1, "anna:terrafair/pub-1", "open")
    assert shown(site, pull) == {"a.txt": "modified", "new/entry.json": "added", "new/x.bin": "added"}
    document = site.github().get(f"/repos/{PRODUCTION}/pulls/1")
    assert (document["commits"], document["title"], document["body"]) == (1, "A title", "A body")
    head = site.github().get(f"/repos/anna/catalogue/git/commits/{pull.commit}")
    assert head["author"] == {"name": "Anna", "email": "anna@example.org", "date": "2026-01-02T03:04:05Z"}
    assert settled(review, pull).verdict is Verdict.GREEN


def test_the_same_proposal_twice_is_one_pull_request(site: Site) -> None:
    first = site.review().propose(PRODUCTION, proposal())
    writes = site.faults.count("POST") + site.faults.count("PATCH")
    second = site.review().propose(PRODUCTION, proposal())
    assert (second.number, second.commit) == (first.number, first.commit)
    # Bringing the fork up to date is asked for each time, and changes nothing.
    assert site.faults.count("POST") + site.faults.count("PATCH") == writes + 1
    assert len(site.forge.pulls(PRODUCTION)) == 1


def test_an_edited_proposal_updates_the_pull_request(site: Site) -> None:
    first = site.review().propose(PRODUCTION, proposal())
    second = site.review().propose(PRODUCTION, proposal("other\n", title="New title"))
    assert second.number == first.number and second.commit != first.commit
    assert site.production.content(site.production.ref(f"{second.commit}:a.txt")) == b"one\nother\n"
    assert site.github().get(f"/repos/{PRODUCTION}/pulls/1")["title"] == "New title"
    assert len(site.forge.pulls(PRODUCTION)) == 1


def test_a_red_check_says_why(site: Site) -> None:
    pull = site.review().propose(TESTING, proposal("wrong\n"))
    pull = settled(site.review(), pull)
    assert pull.verdict is Verdict.RED
    assert any("new/entry.json is wrong" in remark for remark in pull.remarks)


def test_a_base_that_moved_elsewhere_leaves_the_commit_alone(site: Site) -> None:
    first = site.review().propose(PRODUCTION, proposal())
    commit(site.production, {"b.txt": b"theirs\n"})
    second = site.review().propose(PRODUCTION, proposal())
    assert (second.commit, second.base) == (first.commit, first.base)


def test_a_conflicting_base_is_taken_in_with_their_change_kept(site: Site) -> None:
    first = site.review().propose(PRODUCTION, proposal())
    moved = commit(site.production, {"a.txt": b"one\ntheirs\n"})
    second = site.review().propose(PRODUCTION, proposal())
    assert second.number == first.number and second.base == moved
    assert site.production.content(site.production.ref(f"{second.commit}:a.txt")) == b"one\ntheirs\nmine\n"
    assert shown(site, second) == {"a.txt": "modified", "new/entry.json": "added", "new/x.bin": "added"}
    merged = site.forge.merge(PRODUCTION, second.number, "esa")
    assert merged.merged


def test_somebody_elses_commit_on_the_branch_is_not_overwritten(site: Site) -> None:
    site.review().propose(PRODUCTION, proposal())
    fork = site.forge.bare("anna/catalogue")
    theirs = commit(fork, {"new/entry.json": b"mended by a reviewer\n"}, "Mend", "terrafair/pub-1")
    site.forge.update_ref("anna/catalogue", "refs/heads/terrafair/pub-1", theirs, force=True)
    with pytest.raises(Conflict, match="not ours"):
        site.review().propose(PRODUCTION, proposal("other\n"))
    assert fork.ref("refs/heads/terrafair/pub-1") == theirs


def test_follows_reviews_comments_and_the_merge(site: Site) -> None:
    review = site.review()
    pull = review.propose(PRODUCTION, proposal())
    at = f"/repos/{PRODUCTION}"
    esa = site.github("t-esa")
    esa.write("POST", f"{at}/pulls/1/reviews", {"event": "REQUEST_CHANGES", "body": "Which licence?"})
    esa.write("POST", f"{at}/issues/1/comments", {"body": "Thank you."})
    esa.write("POST", f"{at}/issues/1/labels", {"labels": ["product"]})
    pull = review.follow(pull)
    assert pull.remarks == ("esa changes_requested: Which licence?", "esa says: Thank you.")
    done = esa.write("PUT", f"{at}/pulls/1/merge", {})
    pull = review.follow(pull)
    assert (pull.state, pull.merge_commit) == ("merged", done["sha"])
    again = review.propose(PRODUCTION, proposal())
    assert (again.number, again.state) == (1, "merged")


def test_a_declined_pull_request_is_opened_again_or_followed_by_another(site: Site) -> None:
    site.review().propose(PRODUCTION, proposal())
    site.github("t-esa").write("PATCH", f"/repos/{PRODUCTION}/pulls/1", {"state": "closed"})
    pull = site.review().propose(PRODUCTION, proposal())
    assert (pull.number, pull.state) == (1, "open")
    site.github("t-esa").write("PATCH", f"/repos/{PRODUCTION}/pulls/1", {"state": "closed"})
    # GitHub does not open a pull request again whose branch was forced elsewhere meanwhile.
    pull = site.review().propose(PRODUCTION, proposal("better\n"))
    assert (pull.number, pull.state) == (2, "open")
    assert site.review().propose(PRODUCTION, proposal("better\n")).number == 2


def test_waits_for_a_fork_that_is_made_in_the_background(site: Site) -> None:
    clock = [1000.0]
    site.forge._fork_seconds, site.forge._clock = 30.0, lambda: clock[0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    review = GitHubReview(site.github(), sleep=sleep, clock=lambda: clock[0])
    assert review.propose(PRODUCTION, proposal()).number == 1
    assert clock[0] >= 1030


def test_a_fork_that_never_comes_is_told(site: Site) -> None:
    clock = [1000.0]
    site.forge._fork_seconds, site.forge._clock = 1e6, lambda: clock[0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    with pytest.raises(TimedOut, match="not ready"):
        GitHubReview(site.github(), sleep=sleep, clock=lambda: clock[0]).propose(PRODUCTION, proposal())


def test_who_may_write_upstream_needs_no_fork(site: Site) -> None:
    pull = site.review("t-esa").propose(PRODUCTION, proposal())
    assert pull.branch == "esa:terrafair/pub-1"
    assert site.forge.forks(PRODUCTION) == []


def test_a_fork_that_went_its_own_way_serves_all_the_same(site: Site) -> None:
    site.forge.fork("anna", PRODUCTION)
    commit(site.forge.bare("anna/catalogue"), {"a.txt": b"anna's own\n"})
    commit(site.production, {"b.txt": b"theirs\n"})
    pull = site.review().propose(PRODUCTION, proposal())
    assert shown(site, pull) == {"a.txt": "modified", "new/entry.json": "added", "new/x.bin": "added"}


def test_nothing_to_propose_is_told(site: Site) -> None:
    with pytest.raises(Conflict) as caught:
        site.review().propose(PRODUCTION, replace(proposal(), files=lambda read: {}))
    assert caught.value.problem.code == "nothing-to-propose"


# Faults

WRITES = (
    ("POST", "/forks"),
    ("POST", "/merge-upstream"),
    ("POST", "/git/blobs"),
    ("POST", "/git/trees"),
    ("POST", "/git/commits"),
    ("POST", "/git/refs"),
    ("POST", "/pulls"),
)


@pytest.mark.parametrize(("method", "path"), [*WRITES, ("GET", "/user"), ("GET", "/pulls")])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(500),
        Fault(502, after=True),
        Fault(drop=True),
        Fault(drop=True, after=True),
        Fault(403, (("retry-after", "1"),), "You have exceeded a secondary rate limit"),
        Fault(429, (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1"))),
    ],
    ids=["500", "502 after", "drop", "drop after", "secondary limit", "rate limit"],
)
def test_goes_on_after_a_passing_fault(site: Site, method: str, path: str, fault: Fault) -> None:
    site.faults.plan(method, path, fault)
    slept: list[float] = []
    github = site.github()
    github._sleep = slept.append
    pull = GitHubReview(github, sleep=lambda _: None).propose(PRODUCTION, proposal())
    assert not site.faults.planned
    assert len(site.forge.pulls(PRODUCTION)) == 1 and len(site.forge.forks(PRODUCTION)) == 1
    assert shown(site, pull) == {"a.txt": "modified", "new/entry.json": "added", "new/x.bin": "added"}
    if fault.status in {403, 429}:
        assert slept == [1.0]


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_killed_at_any_write_and_started_again(site: Site, method: str, path: str) -> None:
    site.faults.plan(method, path, Fault(418, after=True))
    with pytest.raises(TerrafairError):
        site.review().propose(PRODUCTION, proposal())
    pull = site.review().propose(PRODUCTION, proposal())
    assert len(site.forge.pulls(PRODUCTION)) == 1
    assert shown(site, pull) == {"a.txt": "modified", "new/entry.json": "added", "new/x.bin": "added"}


def test_a_wrong_token_is_refused_with_the_way_out(site: Site) -> None:
    with pytest.raises(Refused, match="make a new one") as caught:
        site.review("t-nobody").propose(PRODUCTION, proposal())
    assert "t-nobody" not in str(caught.value)


def test_a_long_limit_is_told_instead_of_waited_for(site: Site) -> None:
    site.faults.plan("GET", "/user", Fault(403, (("retry-after", "3600"),)))
    with pytest.raises(Unreachable):
        site.review().propose(PRODUCTION, proposal())


def test_silence_becomes_a_timeout(site: Site) -> None:
    site.faults.plan("GET", "/user", Fault(200, wait=3), times=5)
    github = site.github()
    github._sleep = lambda _: None
    github._http.timeout = 0.1
    with pytest.raises(TimedOut):
        GitHubReview(github).propose(PRODUCTION, proposal())


def test_tokens_go_in_headers_only(site: Site, tmp_path: Path) -> None:
    site.review().propose(PRODUCTION, proposal())
    assert all("t-anna" not in path for _, path in site.faults.seen)
    assert all(headers["authorization"] == "Bearer t-anna" for headers in site.faults.headers)


def test_writes_are_a_second_apart(site: Site) -> None:
    slept: list[float] = []
    clock = [0.0]
    from terrafair.publishing.credentials import TokenCredentials
    from terrafair.publishing.github import GitHub

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += seconds

    with GitHub(site.url, TokenCredentials(value="t-anna"), sleep=sleep, clock=lambda: clock[0]) as github:
        GitHubReview(github, sleep=lambda _: None).propose(PRODUCTION, proposal())
    assert sum(slept) >= site.faults.count("POST") - 1
