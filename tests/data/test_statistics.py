"""Statistics over blocks are those of the whole."""

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from terrafair.data.statistics import Running

values = hnp.arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e6, 1e6) | st.just(math.nan))


@given(values, st.integers(1, 10))
def test_they_agree_with_numpy(given_values: npt.NDArray[np.float64], block: int) -> None:
    running = Running()
    for start in range(0, len(given_values), block):
        running.add(given_values[start : start + block])
    known = given_values[np.isfinite(given_values)]
    found = running.document()
    assert found["valid_percent"] == pytest.approx(100 * len(known) / len(given_values))
    if len(known):
        assert (found["minimum"], found["maximum"]) == (known.min(), known.max())
        assert found["mean"] == pytest.approx(known.mean(), rel=1e-9, abs=1e-6)
        assert found["stddev"] == pytest.approx(known.std(), rel=1e-6, abs=1e-4)
    else:
        assert set(found) == {"valid_percent"}


def test_a_large_mean_does_not_drown_the_spread() -> None:
    running = Running()
    for _ in range(10):
        running.add(np.array([1e9, 1e9 + 1], "float64"))
    assert running.document()["stddev"] == pytest.approx(0.5)


def test_masked_values_count_as_invalid() -> None:
    running = Running()
    running.add(np.array([1, 2, 255], "uint8"), np.array([False, False, True]))
    assert running.document() == {
        "minimum": 1.0, "maximum": 2.0, "mean": 1.5, "stddev": 0.5, "valid_percent": pytest.approx(200 / 3),
    }  # fmt: skip


def test_infinities_count_as_invalid() -> None:
    running = Running()
    running.add(np.array([np.inf, -np.inf, 1.0]))
    assert running.document()["maximum"] == 1.0


def test_small_integers_do_not_overflow() -> None:
    running = Running()
    running.add(np.full(100_000, 255, "uint8"))
    assert running.document()["mean"] == 255


def test_nothing_at_all() -> None:
    assert Running().document() == {"valid_percent": 0.0}


def test_values_at_the_end_of_double_precision_have_a_range_only() -> None:
    running = Running()
    running.add(np.array([1.7e308, 1.7e308, -1.7e308]))
    running.add(np.array([1.7e308]))
    found = running.document()
    assert (found["minimum"], found["maximum"], found["valid_percent"]) == (-1.7e308, 1.7e308, 100)
    assert all(math.isfinite(value) for value in found.values())
