"""Mean, spread and range of values that come in blocks."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

PART = 2**15
"""Values looked at together: as many as the processor's own memory holds through all steps."""


class Running:
    """Statistics over all blocks added so far, in one pass (Chan, Golub and LeVeque 1979)."""

    def __init__(self) -> None:
        self.total = 0
        """All values, valid or not."""
        self.count = 0
        """Finite values that are not masked."""
        self._mean = 0.0
        self._squares = 0.0
        self._minimum = math.inf
        self._maximum = -math.inf

    def add(self, values: NDArray[Any], invalid: NDArray[np.bool_] | None = None) -> None:
        """Take in a block; `invalid` marks values that are no data."""
        self.total += values.size
        flat = values.ravel() if invalid is None else values[~invalid]
        # Values near the end of double precision have a range, and neither a mean nor a spread.
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, flat.size, PART):
                self._add_part(flat[start : start + PART])

    def _add_part(self, flat: NDArray[Any]) -> None:
        centred = flat.astype(np.float64)
        total = float(centred.sum())
        if flat.dtype.kind == "f" and not math.isfinite(total):
            flat = flat[np.isfinite(flat)]
            centred = flat.astype(np.float64)
            total = float(centred.sum())
        if not flat.size:
            return
        self._minimum = min(self._minimum, float(flat.min()))
        self._maximum = max(self._maximum, float(flat.max()))
        mean = total / flat.size
        centred -= mean
        # Not by np.dot: its threads wait for each other longer than the sum takes.
        squares = float(np.square(centred, out=centred).sum())
        both, shift = self.count + flat.size, mean - self._mean
        self._squares += squares + shift * shift * self.count * flat.size / both
        self._mean += shift * flat.size / both
        self.count = both

    def document(self) -> dict[str, float]:
        """As STAC's `statistics` object; only `valid_percent` where nothing is valid."""
        percent = 100.0 * self.count / self.total if self.total else 0.0
        if not self.count:
            return {"valid_percent": percent}
        found = {
            "minimum": self._minimum,
            "maximum": self._maximum,
            "mean": min(max(self._mean, self._minimum), self._maximum) if math.isfinite(self._mean) else math.nan,
            "stddev": math.sqrt(max(self._squares, 0.0) / self.count),
            "valid_percent": percent,
        }
        return {name: value for name, value in found.items() if math.isfinite(value)}
