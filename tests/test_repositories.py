"""Git repositories through the git program, on real ones made here."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from terrafair.errors import InvalidInput, NotFound, Refused, Unreachable
from terrafair.repositories import Repositories, Repository

Git = Callable[..., str]


@pytest.fixture
def work(tmp_path: Path, git: Git) -> Path:
    folder = tmp_path / "work"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/one.txt").write_text("one")
    (folder / "two words.txt").write_text("two")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    git(folder, "tag", "v1")
    return folder


def test_mirror_reads_without_a_working_tree(work: Path, tmp_path: Path, git: Git) -> None:
    mirror = Repository.clone(str(work), tmp_path / "mirror.git")
    commit = mirror.resolve()
    assert commit == git(work, "rev-parse", "HEAD") == mirror.resolve("v1") == mirror.resolve(commit[:10])
    assert set(mirror.files(commit)) == {"a/b/one.txt", "two words.txt"}
    assert set(mirror.files(commit, "a")) == {"a/b/one.txt"}
    assert mirror.read(commit, "a/b/one.txt") == b"one"
    blobs = mirror.files(commit)
    assert [content for _, content in mirror.read_blobs(blobs.values())] == [b"one", b"two"]
    mirror.checkout(commit, tmp_path / "out")
    assert (tmp_path / "out/two words.txt").read_text() == "two"
    mirror.checkout(commit, tmp_path / "part", "a")
    assert (tmp_path / "part/b/one.txt").read_text() == "one"


def test_fetch_follows_new_commits_and_a_renamed_branch(work: Path, tmp_path: Path, git: Git) -> None:
    mirror = Repository.clone(str(work), tmp_path / "mirror.git")
    git(work, "branch", "-m", "main", "trunk")
    (work / "three.txt").write_text("3")
    git(work, "add", ".")
    git(work, "commit", "-qm", "second")
    again = Repository.clone(str(work), tmp_path / "mirror.git")
    assert again.branch == "trunk"
    assert again.resolve() == git(work, "rev-parse", "HEAD")
    assert mirror.files(again.resolve()).keys() >= {"three.txt"}


def test_unknown_reference_names_those_that_exist(work: Path, tmp_path: Path) -> None:
    mirror = Repository.clone(str(work), tmp_path / "mirror.git")
    with pytest.raises(NotFound, match="main"):
        mirror.resolve("mian")
    with pytest.raises(NotFound, match="no file"):
        mirror.read(mirror.resolve(), "nothing.txt")
    with pytest.raises(InvalidInput):
        mirror.resolve("--output=x")


def test_a_link_out_of_the_tree_is_refused(work: Path, tmp_path: Path, git: Git) -> None:
    (work / "escape").symlink_to("/etc/passwd")
    git(work, "add", ".")
    git(work, "commit", "-qm", "link")
    mirror = Repository.clone(str(work), tmp_path / "mirror.git")
    with pytest.raises(Refused, match="leave"):
        mirror.checkout(mirror.resolve(), tmp_path / "out")


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("/nowhere/at/all", InvalidInput),
        ("ext::sh -c id", InvalidInput),
        ("--upload-pack=id", InvalidInput),
        ("gopher://host/x", InvalidInput),
        ("https://user:secret@host.invalid/x.git", Refused),
        ("https://host.invalid/x.git", Unreachable),
    ],
)
def test_wrong_addresses(url: str, error: type[Exception], tmp_path: Path) -> None:
    with pytest.raises(error) as caught:
        Repository.clone(url, tmp_path / "mirror.git")
    assert "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_store_of_mirrors(work: Path, tmp_path: Path) -> None:
    store = Repositories(tmp_path / "store", {"https://github.com/me/mapped": str(work)}, offline_only=True)
    assert store.open("https://github.com/me/mapped.git").read("HEAD", "a/b/one.txt") == b"one"
    Repository.clone(str(work), store.place("https://git.example/owner/name"))
    for spelling in ("https://git.example/owner/name", "https://git.example/owner/name.git/"):
        assert store.open(spelling).resolve()
    assert store.place("git@git.example:owner/name.git") == store.place("https://git.example/owner/name")
    with pytest.raises(Unreachable, match="no local mirror"):
        store.open("https://git.example/owner/other")
    for wrong in ("https://git.example/../../etc", "nonsense", "https://git.example"):
        with pytest.raises(InvalidInput):
            store.open(wrong)


SSH = """#!/bin/sh
# Stands in for ssh: lets one key in at one host, and runs what it is asked for.
echo "$@" >> "$SSH_SEEN"
while [ $# -gt 0 ]; do
  case "$1" in
    -i) key=$2; shift 2;;
    -o) shift 2;;
    -*) shift;;
    *) host=$1; shift; break;;
  esac
done
[ "$(cat "$key")" = "deploy key" ] && [ "$host" = git@forge.example ] || { echo "Permission denied" >&2; exit 255; }
exec sh -c "$*"
"""


def test_a_repository_behind_ssh(work: Path, tmp_path: Path, git: Git, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the real git; only the program ssh is another."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/ssh").write_text(SSH)
    (tmp_path / "bin/ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_SEEN", str(tmp_path / "seen"))
    key, other = tmp_path / "key", tmp_path / "other"
    key.write_text("deploy key")
    other.write_text("another key")
    address = f"ssh://git@forge.example{work}"
    store = Repositories(tmp_path / "store", keys={"forge.example": str(key)})
    store.admit(address)
    assert store.open(address).read("HEAD", "a/b/one.txt") == b"one"
    git(work, "commit", "-qm", "more", "--allow-empty")
    git(work, "tag", "-a", "v1.2.0", "-m", "annotated")
    mirror = store.open(address, refresh=True)
    assert mirror.tags()["v1.2.0"] == mirror.resolve()
    assert "-oIdentitiesOnly=yes" in (tmp_path / "seen").read_text()
    denied = Repositories(tmp_path / "denied", keys={"forge.example": str(other)})
    with pytest.raises(Unreachable, match=r"cannot be (read|fetched)"):
        denied.open(address)


@pytest.mark.parametrize(
    "url",
    [
        "ssh://git@elsewhere.example/a/b",
        "git@elsewhere.example:a/b",
        "http://forge.example/a/b",
        "file:///etc",
        "/etc",
        "https://user:secret@forge.example/a/b",
        "https://forge.example/a b",
        "ssh://-oProxyCommand=id/a/b",
    ],
)
def test_repositories_that_cannot_be_linked(url: str, tmp_path: Path) -> None:
    store = Repositories(tmp_path, keys={"forge.example": "/key"})
    store.admit("https://forge.example/a/b")
    store.admit("git@forge.example:a/b.git")
    with pytest.raises(InvalidInput, match=r"forge\.example") as caught:
        store.admit(url)
    assert "secret" not in str(caught.value)
