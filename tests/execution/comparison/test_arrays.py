"""Differences of numbers: which count, how large they are, and where."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from terrafair.execution.comparison.arrays import Tally
from terrafair.execution.comparison.findings import Difference, Tolerance

Array = npt.NDArray[np.generic]


def tally(expected: object, found: object, tolerance: Tolerance | None = None) -> Tally:
    old, new = np.asarray(expected), np.asarray(found)
    result = Tally(tolerance or Tolerance())
    result.add(old, new, [0] * old.ndim)
    return result


def finding(result: Tally) -> Difference:
    found = result.difference("band 1", lambda index: f"at {index}")
    assert found
    return found


class TestFloats:
    def test_equal_values_give_nothing(self) -> None:
        result = tally([1.0, 2.0], [1.0, 2.0])
        assert result.difference("x", str) is None
        assert (result.compared, result.within) == (2, 0.0)

    def test_close_values_are_equal_and_their_distance_is_kept(self) -> None:
        result = tally([1.0, 100.0], [1.0, 100.00001])
        assert not result.differing
        assert result.within == pytest.approx(1e-5)

    def test_the_tolerance_is_relative_to_the_expected_value(self) -> None:
        loose = Tolerance(relative=0.1, absolute=0.0)
        assert not tally([100.0], [110.0], loose).differing
        assert tally([100.0], [110.1], loose).differing
        # 10 per cent of 110 would be enough the other way round.
        assert tally([100.0], [89.9], loose).differing

    def test_near_zero_the_absolute_part_counts(self) -> None:
        assert not tally([0.0], [1e-10]).differing
        assert tally([0.0], [1e-8]).differing

    def test_missing_values_are_equal_to_each_other_only(self) -> None:
        result = tally([np.nan, np.nan, 1.0], [np.nan, 1.0, np.nan])
        assert (result.differing, result.only_expected, result.only_found) == (2, 1, 1)
        assert finding(result).what == (
            "2 of 3 values differ; 1 have a value in the expected file only; 1 have a value in the new file only"
        )

    def test_infinities_are_values(self) -> None:
        assert not tally([np.inf, -np.inf], [np.inf, -np.inf]).differing
        result = tally([np.inf, 1.0, np.inf], [-np.inf, np.inf, 1e300])
        assert (result.differing, result.unmeasured) == (3, 3)
        assert finding(result).largest is None

    def test_single_and_double_precision_compare(self) -> None:
        assert not tally(np.array([0.1], "float32"), np.array([0.1], "float64")).differing

    def test_complex_numbers_have_a_distance(self) -> None:
        result = tally(np.array([1 + 1j], "complex64"), np.array([1 + 2j], "complex64"))
        assert finding(result).largest == 1.0


class TestIntegers:
    def test_whole_numbers_must_be_the_same(self) -> None:
        huge = Tolerance(relative=1.0, absolute=100.0)
        assert tally([1], [2], huge).differing

    def test_a_change_of_type_is_no_change_of_value(self) -> None:
        assert not tally(np.array([1, 255], "uint8"), np.array([1, 255], "int16")).differing
        assert not tally(np.array([1], "uint8"), np.array([1.0], "float32")).differing

    def test_numbers_do_not_wrap_around(self) -> None:
        result = tally(np.array([0], "uint8"), np.array([255], "uint8"))
        assert finding(result).largest == 255.0

    def test_numbers_beyond_double_precision_are_told_apart(self) -> None:
        result = tally(np.array([2**62], "int64"), np.array([2**62 + 1], "int64"))
        assert result.differing == 1
        assert finding(result).what == "1 of 1 values differ"

    def test_truth_values(self) -> None:
        assert tally([True, False], [True, True]).differing == 1


class TestOthers:
    def test_texts(self) -> None:
        result = tally(["a", "b"], ["a", "c"])
        assert finding(result).examples == ("at (1,): b expected, c found",)

    def test_dates(self) -> None:
        old = np.array(["2020-01-01", "NaT"], "datetime64[ns]")
        new = np.array(["2020-01-02", "NaT"], "datetime64[ns]")
        assert tally(old, new).differing == 1
        assert not tally(old, old).differing

    def test_objects(self) -> None:
        old = np.array(["a", None, np.arange(2)], dtype=object)
        same = np.array(["a", None, np.arange(2)], dtype=object)
        other = np.array(["a", "b", np.arange(3)], dtype=object)
        assert not tally(old, same).differing
        assert tally(old, other).differing == 2


class TestPlaces:
    def test_the_first_five_are_examples(self) -> None:
        found = finding(tally(np.zeros((4, 4)), np.ones((4, 4))))
        assert len(found.examples) == 5
        assert found.examples[0] == "at (0, 0): 0 expected, 1 found"

    def test_the_area_of_all_that_differs(self) -> None:
        new = np.zeros((10, 10))
        new[2, 7] = new[8, 3] = 1
        result = tally(np.zeros((10, 10)), new)
        assert (result.low, result.high) == ((2, 3), (8, 7))

    def test_blocks_add_up(self) -> None:
        old, new = np.zeros((8, 6)), np.zeros((8, 6))
        new[1, 1], new[7, 5] = 0.5, np.nan
        whole, parts = tally(old, new), Tally(Tolerance())
        for row in (0, 4):
            for column in (0, 3):
                part = (slice(row, row + 4), slice(column, column + 3))
                parts.add(old[part], new[part], (row, column))
        assert parts.difference("x", str) == whole.difference("x", str)
        assert (parts.low, parts.high) == (whole.low, whole.high) == ((1, 1), (7, 5))

    def test_the_spread_is_by_powers_of_ten(self) -> None:
        old = np.zeros(4)
        found = finding(tally(old, [0.02, 0.05, 3.0, np.nan]))
        assert found.spread == (("1e-2 to 1e-1", 2), ("1e0 to 1e1", 1), ("only in the expected file", 1))

    def test_a_mask_hides_values(self) -> None:
        result = Tally(Tolerance())
        valid = np.array([True, False])
        result.add(np.array([1.0, 5.0]), np.array([1.0, 9.0]), (0,), valid, valid)
        assert not result.differing
        result.add(np.array([1.0, 5.0]), np.array([1.0, 5.0]), (2,), valid, ~valid)
        assert (result.only_expected, result.only_found) == (1, 1)


floats = hnp.arrays(np.float64, 6, elements=st.floats(width=64, allow_infinity=True, allow_nan=True))


@given(floats)
def test_an_array_equals_itself(values: npt.NDArray[np.float64]) -> None:
    assert not tally(values, values.copy()).differing


@given(floats, floats)
def test_it_agrees_with_numpy(old: npt.NDArray[np.float64], new: npt.NDArray[np.float64]) -> None:
    with np.errstate(all="ignore"):
        close = np.isclose(new, old, rtol=1e-6, atol=1e-9, equal_nan=True)
    assert tally(old, new).differing == np.count_nonzero(~close)
