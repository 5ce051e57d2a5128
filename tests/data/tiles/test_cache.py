"""Pictures on disk: whole or not there, bounded, shared by processes."""

import multiprocessing
import os
from pathlib import Path

import pytest

from terrafair.data.tiles.cache import Kept, TileCache

KEY = "ab" * 32


def test_what_was_put_comes_back(tmp_path: Path) -> None:
    cache = TileCache(tmp_path / "tiles")
    assert cache.get(KEY) is None
    cache.put(KEY, Kept(b"\x89PNG\n\n", "image/png", "There is no data here."))
    assert TileCache(tmp_path / "tiles").get(KEY) == Kept(b"\x89PNG\n\n", "image/png", "There is no data here.")


@pytest.mark.parametrize(
    "damage", [b"", b"{", b'{"bytes": 9}\nx', b'{"bytes": 9, "type": "image/png", "note": ""}\nshort']
)
def test_what_is_damaged_is_not_there(tmp_path: Path, damage: bytes) -> None:
    cache = TileCache(tmp_path)
    cache.put(KEY, Kept(b"picture", "image/png"))
    (tmp_path / KEY[:2] / KEY[2:]).write_bytes(damage)
    assert cache.get(KEY) is None


def test_the_least_used_make_room(tmp_path: Path) -> None:
    cache = TileCache(tmp_path, limit=100_000)
    for number in range(80):
        cache.put(f"{number:064x}", Kept(bytes(1000), "image/png"))
    for number in range(80):
        file = tmp_path / f"{number:064x}"[:2] / f"{number:064x}"[2:]
        os.utime(file, (number, number))
    assert cache.get(f"{0:064x}") is not None, "a use counts"
    for number in range(80, 110):
        cache.put(f"{number:064x}", Kept(bytes(1000), "image/png"))
    cache.sweep()
    left = [number for number in range(110) if (tmp_path / "00" / f"{number:064x}"[2:]).exists()]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= 100_000
    assert 0 in left and 1 not in left and 109 in left


def _fill(folder: str, begin: int) -> None:
    cache = TileCache(Path(folder), limit=50_000)
    for number in range(begin, begin + 150):
        key = f"{number % 100:064x}"
        cache.put(key, Kept(bytes([number % 256]) * 1000, "image/png"))
        found = cache.get(key)
        assert found is None or (len(set(found.content)) == 1 and len(found.content) == 1000)


def test_several_processes_share_one(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_fill, args=(str(tmp_path), start)) for start in (0, 40)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) <= 60_000


def test_a_folder_that_cannot_be_written_harms_nobody(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = TileCache(tmp_path / "file")
    cache.put(KEY, Kept(b"x", "image/png"))
    assert cache.get(KEY) is None
