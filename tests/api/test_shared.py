"""What web processes know of each other: rates are kept over all of them."""

import subprocess
import sys
from pathlib import Path

import pytest

from terrafair.api.shared import PLACES, WAYS, SharedMemory, SharedRate

OTHER = """
import sys
from pathlib import Path
from terrafair.api.shared import SharedMemory, SharedRate
memory = SharedMemory(Path(sys.argv[1]), 2)
rate = SharedRate(memory, 1, 0.001, 50)
print(sum(rate.wait("ada") == 0 for _ in range(200)))
"""


@pytest.fixture
def memory(tmp_path: Path) -> SharedMemory:
    return SharedMemory(tmp_path / "shared", 2, make=True)


def test_processes_share_one_rate(memory: SharedMemory, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OTHER, str(tmp_path / "shared")]
    others = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    taken = sum(int(other.communicate(timeout=60)[0]) for other in others)
    assert taken == 50
    assert SharedRate(memory, 1, 0.001, 50).wait("ada") > 0
    assert SharedRate(memory, 0, 0.001, 50).wait("ada") == 0
    memory.close()


def test_a_bucket_fills_again(memory: SharedMemory) -> None:
    moment = [100.0]
    rate = SharedRate(memory, 0, 2, 3, lambda: moment[0])
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    moment[0] += 0.5
    assert rate.wait("a") == 0 and rate.wait("a") == 0.5
    moment[0] += 100
    assert [rate.wait("a") for _ in range(4)] == [0, 0, 0, 0.5]
    memory.close()


def test_many_askers_take_nobody_elses_place_while_it_is_used(memory: SharedMemory) -> None:
    rate = SharedRate(memory, 0, 0.001, 5, lambda: 50.0)
    while rate.wait("greedy") == 0:
        pass
    for number in range(PLACES // WAYS):
        assert rate.wait(f"asker {number}") == 0
    assert rate.wait("greedy") > 0
    memory.close()
