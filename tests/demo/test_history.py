"""Repositories made from files have the same commits everywhere."""

import os
import subprocess
from pathlib import Path

import pytest

from terrafair.demo import history
from terrafair.errors import Unreachable


def git(repository: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "--git-dir", repository, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


FILES = {"a.txt": b"one\n", "b/c.bin": bytes(range(256)), "b/empty": b""}


def test_commit_is_known_beforehand(tmp_path: Path) -> None:
    made = history.commit(tmp_path / "x.git", FILES, "First\n")
    # From `git hash-object` and `git commit-tree` by hand; it may never differ.
    assert made == "c3e85f8c4a5d53228c0a765f9941397abcf65be3"
    assert history.head(tmp_path / "x.git") == made
    assert git(tmp_path / "x.git", "ls-tree", "-r", "--name-only", "main").split() == sorted(FILES)
    show = ["git", "--git-dir", tmp_path / "x.git", "show", "main:b/c.bin"]
    assert subprocess.run(show, capture_output=True, check=True).stdout == FILES["b/c.bin"]
    assert git(tmp_path / "x.git", "symbolic-ref", "HEAD") == "refs/heads/main"


def test_the_machine_does_not_show(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        "[user]\n\tname = Someone\n\temail = x@y.example\n"
        "[init]\n\tdefaultBranch = trunk\n\tdefaultObjectFormat = sha256\n"
        "[commit]\n\tgpgSign = true\n[core]\n\tautocrlf = true\n"
    )
    script = (
        "import sys; from pathlib import Path; from terrafair.demo import history\n"
        f"print(history.commit(Path(sys.argv[1]), {FILES!r}, 'First\\n'))"
    )
    surroundings = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": str(tmp_path / "config"),
        "GIT_AUTHOR_DATE": "1",
        "TZ": "Asia/Tokyo",
    }
    import sys

    command = [sys.executable, "-c", script, str(tmp_path / "y.git")]
    done = subprocess.run(command, capture_output=True, text=True, env=surroundings, check=True)
    assert done.stdout.strip() == history.commit(tmp_path / "x.git", FILES, "First\n")


def test_same_files_change_nothing(tmp_path: Path) -> None:
    first = history.commit(tmp_path / "x.git", FILES, "First\n")
    assert history.commit(tmp_path / "x.git", FILES, "First\n") == first
    assert git(tmp_path / "x.git", "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_new_release_keeps_the_earlier_commit(tmp_path: Path) -> None:
    first = history.commit(tmp_path / "x.git", FILES, "First\n")
    second = history.commit(tmp_path / "x.git", {"a.txt": b"two\n"}, "First\n")
    assert history.head(tmp_path / "x.git") == second != first
    assert git(tmp_path / "x.git", "show", f"{first}:a.txt") == "one"
    assert first in git(tmp_path / "x.git", "for-each-ref", "--format=%(objectname)")
    assert second == history.commit(tmp_path / "y.git", {"a.txt": b"two\n"}, "First\n")


def test_can_be_cloned(tmp_path: Path) -> None:
    history.commit(tmp_path / "x.git", FILES, "First\n")
    subprocess.run(["git", "clone", "--quiet", tmp_path / "x.git", tmp_path / "copy"], check=True)
    assert (tmp_path / "copy" / "b" / "c.bin").read_bytes() == FILES["b/c.bin"]


def test_half_a_repository_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "x.git" / "objects").mkdir(parents=True)
    assert history.commit(tmp_path / "x.git", FILES, "First\n") == history.head(tmp_path / "x.git")
    assert [path.name for path in tmp_path.iterdir()] == ["x.git"]


def test_without_a_repository_there_is_no_head(tmp_path: Path) -> None:
    assert history.head(tmp_path / "none.git") == ""


def test_somebody_elses_commit_is_not_ours(tmp_path: Path) -> None:
    repository = tmp_path / "x.git"
    first = history.commit(repository, FILES, "First\n")
    assert history.is_ours(repository)
    tree = git(repository, "rev-parse", "main^{tree}")
    identity = ["-c", "user.name=Someone", "-c", "user.email=x@y.example"]
    second = git(repository, *identity, "commit-tree", tree, "-p", first, "-m", "Publish")
    git(repository, "update-ref", "refs/heads/main", second)
    assert not history.is_ours(repository)


def test_says_what_git_said(tmp_path: Path) -> None:
    (tmp_path / "x.git").mkdir()
    (tmp_path / "x.git" / "HEAD").write_text("nonsense")
    with pytest.raises(Unreachable, match="cannot be written"):
        history.commit(tmp_path / "x.git", FILES, "First\n")
