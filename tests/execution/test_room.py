"""A disk without room: what is taken for it, and how it is waited for."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from terrafair.errors import Problem
from terrafair.execution import room

Free = Callable[..., None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Free:
    left: list[int] = []
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=left.pop(0) if len(left) > 1 else left[0]))
    monkeypatch.setattr(room, "LOOK_SECONDS", 0.0)
    return lambda *given: left.extend(given)


@pytest.mark.parametrize("words", ["OSError: [Errno 28] No space left on device", "Write failed (ENOSPC)"])
def test_what_went_wrong_says_it(free: Free, tmp_path: Path, words: str) -> None:
    free(10**12)
    assert room.lacking(tmp_path, [Problem("The program ended with exit code 1.", words)])
    assert not room.lacking(tmp_path, [Problem("The program ended with exit code 1.", "KeyError: 28")])


def test_the_disk_says_it(free: Free, tmp_path: Path) -> None:
    free(1000)
    assert room.lacking(tmp_path, [Problem("The program's account of itself is no JSON.")])


def test_a_folder_that_is_not_there_is_no_full_disk(tmp_path: Path) -> None:
    assert not room.lacking(tmp_path / "none", ())


def test_it_is_waited_for(free: Free, tmp_path: Path) -> None:
    free(1000, 1000, 10**12)
    assert room.wait(tmp_path, lambda: False)


def test_until_nobody_wants_it(free: Free, tmp_path: Path) -> None:
    free(1000)
    asked = iter([False, False, True])
    assert not room.wait(tmp_path, lambda: next(asked))


def test_nobody_waits_for_ever(free: Free, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free(1000)
    monkeypatch.setattr(room, "PATIENCE_SECONDS", -1.0)
    assert not room.wait(tmp_path, lambda: False)
