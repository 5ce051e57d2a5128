"""Differences of numbers, gathered block by block so that memory stays bounded."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from terrafair.execution.comparison.findings import Difference, Tolerance

Array = npt.NDArray[Any]
Locate = Callable[[tuple[int, ...]], str]
"""Words for an index of the whole array."""

EXAMPLES = 5


@dataclass(slots=True)
class Tally:
    """What differs between two arrays, gathered from pairs of blocks."""

    tolerance: Tolerance
    compared: int = 0
    differing: int = 0
    only_expected: int = 0
    """Values that are there in the expected array and missing in the new one."""
    only_found: int = 0
    largest: float = 0.0
    """Of what differs beyond the tolerance; likewise relative."""
    largest_relative: float = 0.0
    within: float = 0.0
    """Largest difference inside the tolerance."""
    first: list[tuple[tuple[int, ...], str, str]] = field(default_factory=list)
    low: tuple[int, ...] = ()
    """Smallest index along each dimension among all that differs."""
    high: tuple[int, ...] = ()
    decades: Counter[int] = field(default_factory=Counter)
    unmeasured: int = 0
    """Values that differ without a distance: texts, infinities."""

    def add(
        self,
        expected: Array,
        found: Array,
        offset: Sequence[int],
        valid_expected: Array | None = None,
        valid_found: Array | None = None,
    ) -> None:
        """Take a pair of blocks of one shape that start at `offset`; missing values are equal to each other."""
        self.compared += expected.size
        if _same_bits(expected, found) and _same_masks(valid_expected, valid_found):
            return
        known = _known(expected) if valid_expected is None else valid_expected & _known(expected)
        known_found = _known(found) if valid_found is None else valid_found & _known(found)
        self.only_expected += int(np.count_nonzero(known & ~known_found))
        self.only_found += int(np.count_nonzero(~known & known_found))
        wrong = known ^ known_found
        both = known & known_found
        if _is_number(expected) and _is_number(found):
            wrong = wrong | self._numbers(expected, found, both)
        else:
            unequal = both & _unequal(expected, found)
            self.unmeasured += int(np.count_nonzero(unequal))
            wrong = wrong | unequal
        self._places(wrong, expected, found, known, known_found, offset)

    def difference(self, where: str, locate: Locate) -> Difference | None:
        """All of it as one finding; None when nothing differs."""
        if not self.differing:
            return None
        words = [f"{self.differing} of {self.compared} values differ"]
        if self.decades:
            relative = f" ({self.largest_relative:.3g} relative)" if self.largest_relative else ""
            words.append(f"by up to {self.largest:.6g}{relative}")
        missing = [
            f"{number} have a value in the {side} file only"
            for number, side in ((self.only_expected, "expected"), (self.only_found, "new"))
            if number
        ]
        return Difference(
            where,
            "; ".join([" ".join(words), *missing]),
            count=self.differing,
            compared=self.compared,
            largest=self.largest if self.decades else None,
            largest_relative=self.largest_relative if self.decades and self.largest_relative else None,
            examples=tuple(f"{locate(index)}: {old} expected, {new} found" for index, old, new in self.first),
            spread=self._spread(),
        )

    def _numbers(self, expected: Array, found: Array, both: Array) -> Array:
        """Which numbers lie too far apart; whole numbers must be the same."""
        if expected.dtype.kind in "iub" and found.dtype.kind in "iub":
            wrong = both & np.not_equal(expected, found)
        else:
            with np.errstate(invalid="ignore", over="ignore"):
                distance = _distance(expected, found)
                allowed = self.tolerance.absolute + self.tolerance.relative * _size(expected)
                close = np.equal(expected, found) | (distance <= allowed)
                # An infinite allowance would let any number pass for an infinity.
                close &= np.equal(expected, found) | np.isfinite(_size(expected))
            wrong = both & ~close
            passed = both & close & np.isfinite(distance)
            if passed.any():
                self.within = max(self.within, float(distance[passed].max()))
        if wrong.any():
            self._measure(expected[wrong], found[wrong])
        return wrong

    def _measure(self, expected: Array, found: Array) -> None:
        with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
            distance = _distance(expected, found)
            relative = distance / _size(expected)
        finite = np.isfinite(distance)
        self.unmeasured += int(np.count_nonzero(~finite))
        # Whole numbers beyond 2^53 may differ by less than a double can tell.
        finite &= distance > 0
        if finite.any():
            self.largest = max(self.largest, float(distance[finite].max()))
            exponents, numbers = np.unique(np.floor(np.log10(distance[finite])).astype(int), return_counts=True)
            self.decades.update(dict(zip(exponents.tolist(), numbers.tolist(), strict=True)))
        relative = relative[np.isfinite(relative)]
        if relative.size:
            self.largest_relative = max(self.largest_relative, float(relative.max()))

    def _places(
        self, wrong: Array, expected: Array, found: Array, known: Array, known_found: Array, offset: Sequence[int]
    ) -> None:
        number = int(np.count_nonzero(wrong))
        if not number:
            return
        self.differing += number
        # A single value has no index.
        where = np.nonzero(wrong) if wrong.ndim else ()
        low = tuple(int(axis.min()) + start for axis, start in zip(where, offset, strict=True))
        high = tuple(int(axis.max()) + start for axis, start in zip(where, offset, strict=True))
        self.low = tuple(map(min, self.low, low)) if self.low else low
        self.high = tuple(map(max, self.high, high)) if self.high else high
        for position in range(min(number, EXAMPLES - len(self.first))):
            index = tuple(int(axis[position]) for axis in where)
            old = _text(expected[index]) if known[index] else "no value"
            new = _text(found[index]) if known_found[index] else "no value"
            self.first.append((tuple(part + start for part, start in zip(index, offset, strict=True)), old, new))

    def _spread(self) -> tuple[tuple[str, int], ...]:
        steps = [(f"1e{exponent} to 1e{exponent + 1}", self.decades[exponent]) for exponent in sorted(self.decades)]
        others = (
            ("not a distance", self.unmeasured),
            ("only in the expected file", self.only_expected),
            ("only in the new file", self.only_found),
        )
        return (*steps, *((name, number) for name, number in others if number))


def _same_bits(expected: Array, found: Array) -> bool:
    """Whether two arrays hold the same bytes, which is quickly seen and mostly so."""
    if expected.dtype != found.dtype or expected.dtype.kind not in "iubfmM":
        return False
    words = f"u{expected.dtype.itemsize}"
    if expected.dtype.itemsize not in {1, 2, 4, 8} or not (expected.flags.c_contiguous and found.flags.c_contiguous):
        return False
    return bool(np.array_equal(expected.view(words), found.view(words)))


def _same_masks(expected: Array | None, found: Array | None) -> bool:
    if expected is None or found is None:
        return expected is found
    return bool(np.array_equal(expected, found))


def _is_number(values: Array) -> bool:
    return values.dtype.kind in "iubfc"


def _known(values: Array) -> Array:
    if values.dtype.kind in "fc":
        return ~np.isnan(values)
    if values.dtype.kind in "mM":
        return ~np.isnat(values)
    if values.dtype.kind == "O":
        import pandas as pd

        return np.asarray(~pd.isna(values), dtype=bool)
    return np.ones(values.shape, dtype=bool)


def _unequal(expected: Array, found: Array) -> Array:
    if expected.dtype.kind == found.dtype.kind and expected.dtype.kind != "O":
        return np.asarray(expected != found, dtype=bool)
    pairs = zip(expected.ravel().tolist(), found.ravel().tolist(), strict=True)
    return np.asarray([not _same(old, new) for old, new in pairs], dtype=bool).reshape(expected.shape)


def _same(old: Any, new: Any) -> bool:
    if isinstance(old, np.ndarray) or isinstance(new, np.ndarray):
        return bool(np.array_equal(old, new))
    try:
        return bool(old == new)
    except TypeError:
        # Dates of two calendars.
        return False


def _distance(expected: Array, found: Array) -> Array:
    wide = np.complex128 if "c" in expected.dtype.kind + found.dtype.kind else np.float64
    return np.asarray(np.abs(found.astype(wide) - expected.astype(wide)))


def _size(values: Array) -> Array:
    return np.asarray(np.abs(values.astype(np.complex128 if values.dtype.kind == "c" else np.float64)))


def _text(value: Any) -> str:
    text = f"{value:.9g}" if isinstance(value, (float, np.floating)) else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
