"""Many files by several processes: the same answers, in order, and a process that dies takes no other file along."""

import os
import shutil
from pathlib import Path

import pytest

from terrafair.data import spread
from terrafair.data.describe import describe
from terrafair.data.description import Order

pytestmark = pytest.mark.filterwarnings("ignore")


def square(number: int) -> tuple[int, int]:
    """The square, and the process that found it."""
    return number * number, os.getpid()


def fatal_elsewhere(task: tuple[int, int]) -> int:
    number, parent = task
    if number == 90 and os.getpid() != parent:
        os._exit(11)
    return number


def test_few_tasks_stay_here_and_many_go_out_in_order() -> None:
    here = os.getpid()
    assert list(spread.spread(square, range(5))) == [(number * number, here) for number in range(5)]
    if (os.cpu_count() or 1) < 2:
        pytest.skip("one processor")
    many = list(spread.spread(square, range(100)))
    assert [found for found, _ in many] == [number * number for number in range(100)]
    assert here not in {process for _, process in many}
    assert here not in {process for _, process in spread.spread(square, range(3), heavy=True)}


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor")
def test_a_process_that_dies_loses_nothing() -> None:
    tasks = [(number, os.getpid()) for number in range(120)]
    assert list(spread.spread(fatal_elsewhere, tasks)) == list(range(120))


@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="one processor")
def test_a_description_is_the_same_by_one_process_or_many(shared: Path, tmp_path: Path) -> None:
    for folder, count in (("many", 60), ("few", 10)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            source = shared / "samples" / "s2_xcube_rgb_cog.tif"
            shutil.copyfile(source, tmp_path / folder / f"scene-{number:02}.tif")
        (tmp_path / folder / "cut.tif").write_bytes(source.read_bytes()[:1000])
    span = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}
    many, few = (describe(Order(str(tmp_path / folder), "test", **span)) for folder in ("many", "few"))
    assert len(many.items) == 60 and many.items[:10] == few.items and many.remarks == few.remarks
    assert many.files[:11] == few.files
