"""Applies number functions to plain values and to blocks by the same rules for no-data."""

from collections.abc import Callable
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.values import describe, is_block, is_number, widen

SAFE = 2**53
"""The largest integer up to which floats hold all."""


def numbers(function: Callable[..., Any], **operands: Any) -> Any:
    """Apply a numpy function: no-data in, no-data out; blocks in float types that hold their values."""
    if any(is_block(value) for value in operands.values()):
        for name, value in operands.items():
            if not is_block(value):
                _check(name, value)
        with np.errstate(all="ignore"):
            return function(*(widen(value) for value in operands.values()))
    for name, value in operands.items():
        _check(name, value)
    if any(value is None for value in operands.values()):
        return None
    with np.errstate(all="ignore"):
        result = function(*(_wide(value) for value in operands.values()))
    return result.item() if isinstance(result, np.generic | np.ndarray) else result


def _wide(value: Any) -> Any:
    """Booleans count as 0 and 1; integers beyond the float's reach would overflow as int64."""
    if isinstance(value, bool):
        return int(value)
    return float(value) if isinstance(value, int) and abs(value) > SAFE else value


def _check(name: str, value: Any) -> None:
    if value is None or isinstance(value, bool) or is_number(value):
        return
    cube = type(value).__name__ == "DataArray"
    raise InvalidInput(
        f"`{name}` is {describe(value)}, not a number.",
        remedy="Use it inside apply, reduce_dimension or merge_cubes." if cube else "Give a number.",
        code="argument-type",
    )
