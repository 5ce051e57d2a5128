"""Running sums, products and extremes along an array."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

import math
from typing import Any

import numpy as np

from terrafair.execution.engines.openeo.values import Stack, as_array, items_of, labels_of, plain, rebuild, widen


def _run(data: Any, ignore_nodata: bool, function: Any, neutral: float) -> Any:
    """No-data stays where it is; it is skipped, or spreads to all that follows."""
    array = as_array(data)
    if isinstance(array, Stack):
        values = widen(array.values)
        missing = np.isnan(values)
        filled = np.where(missing, values.dtype.type(neutral), values) if ignore_nodata else values
        result = function.accumulate(filled, 0)
        return Stack(np.where(missing, values.dtype.type(np.nan), result), array.labels)
    found: list[Any] = []
    total: Any = None
    spread = False
    for item in items_of(array):
        spread = spread or (item is None and not ignore_nodata)
        if item is None or spread:
            found.append(None)
            continue
        with np.errstate(all="ignore"):
            total = item if total is None else plain(function(total, item))
        found.append(total)
    return rebuild(array, found, labels_of(array))


def cumsum(data: Any, ignore_nodata: bool = True) -> Any:
    return _run(data, ignore_nodata, np.add, 0)


def cumproduct(data: Any, ignore_nodata: bool = True) -> Any:
    return _run(data, ignore_nodata, np.multiply, 1)


def cummin(data: Any, ignore_nodata: bool = True) -> Any:
    return _run(data, ignore_nodata, np.minimum, math.inf)


def cummax(data: Any, ignore_nodata: bool = True) -> Any:
    return _run(data, ignore_nodata, np.maximum, -math.inf)
