"""Git repositories through the git program, on real ones made here."""

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
