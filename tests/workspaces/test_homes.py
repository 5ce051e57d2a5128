"""What a home takes, and what is cleared in it: its person may have put links in every place."""

import os
from pathlib import Path

from terrafair.workspaces.homes import FILES, SPARE, clear, room, taken


def test_what_is_taken_counts_no_links_and_hard_links_once(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "large").write_bytes(b"x" * 10_000_000)
    (home / "a/one").write_bytes(b"x" * 1_000_000)
    os.link(home / "a/one", home / "two")
    (home / "link").symlink_to(outside)
    used, names = taken(home)
    assert names == 4 and 900_000 < used < 1_200_000


def test_room_is_the_quota_or_a_little_beyond_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"x" * 1_000_000)
    assert room(10**9, tmp_path) == (10**9, FILES)
    used, _ = taken(tmp_path)
    assert room(1000, tmp_path) == (used + SPARE, FILES)


def test_cleared_are_passing_files_and_no_link_is_followed(tmp_path: Path) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside"
    (home / ".shm/deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "kept").write_text("kept")
    (home / "mine").write_text("mine")
    (home / ".tmp").symlink_to(outside)
    clear(home)
    assert [path.name for path in home.iterdir()] == ["mine"] and (outside / "kept").read_text() == "kept"
    (home / ".tmp").mkdir()
    (home / ".tmp/link").symlink_to(outside)
    clear(home)
    assert [path.name for path in home.iterdir()] == ["mine"] and (outside / "kept").read_text() == "kept"
