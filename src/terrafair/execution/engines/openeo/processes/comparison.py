"""Comparison of single values; a comparison with no-data is no-data."""

# ruff: noqa: A002, D103 -- processes and their parameters are named by the specification

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from terrafair.execution.engines.openeo.values import Block, is_block, is_number, widen


def ternary(result: Block, *operands: Any) -> Block:
    """A truth value for each pixel: booleans where no operand can hold no-data, else 0, 1 and not-a-number."""
    missing = [np.isnan(value) for value in operands if is_block(value) and value.dtype.kind == "f"]
    if any(value is None for value in operands):
        return np.full(np.shape(result), np.nan, np.float32)
    if not missing:
        return result
    absent = missing[0]
    for other in missing[1:]:
        absent = absent | other
    return np.where(absent, np.float32(np.nan), result.astype(np.float32))


_OR_EQUAL = (np.greater_equal, np.less_equal)


def _compare(function: Callable[[Any, Any], Any], x: Any, y: Any) -> Any:
    if is_block(x) or is_block(y):
        if isinstance(x, str) or isinstance(y, str):
            return np.zeros(np.shape(x if is_block(x) else y), bool)
        return ternary(function(_comparable(x), _comparable(y)), x, y)
    if x is None or y is None:
        return None
    if function in _OR_EQUAL and eq(x, y):
        return True
    return is_number(x) and is_number(y) and bool(function(x, y))


def _comparable(value: Any) -> Any:
    return np.nan if value is None else value


def _kind(value: Any) -> str:
    if isinstance(value, bool | np.bool_):
        return "boolean"
    if is_number(value):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def eq(x: Any, y: Any, delta: Any = None, case_sensitive: bool = True) -> Any:
    if is_block(x) or is_block(y):
        if isinstance(x, str) or isinstance(y, str):
            return np.zeros(np.shape(x if is_block(x) else y), bool)
        one, two = _comparable(x), _comparable(y)
        found = np.abs(np.subtract(widen(one), widen(two))) <= delta if delta else np.equal(one, two)
        return ternary(np.asarray(found), x, y)
    if x is None or y is None:
        return None
    if isinstance(x, str) and isinstance(y, str):
        return x == y if case_sensitive else x.casefold() == y.casefold()
    if _kind(x) != _kind(y):
        return False
    if delta and is_number(x):
        return bool(abs(x - y) <= delta)
    return bool(x == y)


def neq(x: Any, y: Any, delta: Any = None, case_sensitive: bool = True) -> Any:
    found = eq(x, y, delta, case_sensitive)
    if found is None:
        return None
    if not is_block(found):
        return not found
    return ~found if found.dtype.kind == "b" else 1 - found


def gt(x: Any, y: Any) -> Any:
    return _compare(np.greater, x, y)


def gte(x: Any, y: Any) -> Any:
    return _compare(np.greater_equal, x, y)


def lt(x: Any, y: Any) -> Any:
    return _compare(np.less, x, y)


def lte(x: Any, y: Any) -> Any:
    return _compare(np.less_equal, x, y)


def between(x: Any, min: Any, max: Any, exclude_max: bool = False) -> Any:
    if is_block(x) or is_block(min) or is_block(max):
        upper = np.less if exclude_max else np.less_equal
        found = np.greater_equal(_comparable(x), _comparable(min)) & upper(_comparable(x), _comparable(max))
        return ternary(np.asarray(found), x, min, max)
    low, high = gte(x, min), (lt if exclude_max else lte)(x, max)
    return None if low is None or high is None else low and high


def is_nan(x: Any) -> Any:
    if is_block(x):
        return np.isnan(x) if x.dtype.kind == "f" else np.zeros(x.shape, bool)
    return isinstance(x, float) and math.isnan(x)


def is_nodata(x: Any) -> Any:
    return is_nan(x) if is_block(x) else x is None


def is_infinite(x: Any) -> Any:
    if is_block(x):
        return np.isinf(x)
    return isinstance(x, float) and math.isinf(x)


def is_valid(x: Any) -> Any:
    if is_block(x):
        return np.isfinite(x) if x.dtype.kind == "f" else np.ones(x.shape, bool)
    if isinstance(x, float):
        return math.isfinite(x)
    return x is not None
