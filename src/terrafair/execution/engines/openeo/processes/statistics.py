"""Reducers: arrays to one value. Over stacks they take one pass along the first axis; not-a-number is no-data there."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.processes.comparison import is_valid
from terrafair.execution.engines.openeo.processes.logic import truth
from terrafair.execution.engines.openeo.values import (
    Block,
    Stack,
    as_array,
    describe,
    is_block,
    is_number,
    items_of,
    labels_of,
    plain,
    widen,
)

Floats = Any
INTERVALS = 10_000
"""Between quantiles, at most."""


def _reduce(
    data: Any,
    ignore_nodata: bool,
    on_stack: Callable[[Block, Block], Block],
    on_numbers: Callable[[list[Any]], Any],
) -> Any:
    """Route to stacks, given values and the count of valid ones, or to plain numbers without no-data."""
    array = as_array(data)
    if isinstance(array, Stack):
        if not len(array):
            return np.full(array.values.shape[1:], np.nan, np.float32)
        values = widen(array.values)
        result = on_stack(values, _count_valid(values)).astype(values.dtype, copy=False)
        return result if ignore_nodata else np.where(_any_missing(values), values.dtype.type(np.nan), result)
    values = _numbers(items_of(array))
    present = [value for value in values if value is not None]
    if not present or (not ignore_nodata and len(present) < len(values)):
        return None
    with np.errstate(all="ignore"):
        return plain(on_numbers(present))


def _numbers(items: list[Any]) -> list[Any]:
    for item in items:
        if item is not None and not is_number(item) and not isinstance(item, bool):
            raise InvalidInput(f"`data` holds {describe(item)}, not numbers only.", code="argument-type")
    return [int(item) if isinstance(item, bool) else item for item in items]


def _slabs(values: Block) -> list[Block]:
    """Many layers of few pixels in slabs of some thousand values; empty for thick layers, which go one by one."""
    size = max(1, values[0].size)
    if size >= 1024 or len(values) < 64:
        return []
    step = max(1, 65536 // size)
    return [values[start : start + step] for start in range(0, len(values), step)]


def _count_valid(values: Block) -> Block:
    if slabs := _slabs(values):
        return len(values) - sum(np.count_nonzero(np.isnan(slab), 0) for slab in slabs)
    missing = [np.isnan(layer) for layer in values]
    count = np.full(values.shape[1:], len(values), np.int32)
    for layer in missing:
        if layer.any():
            count -= layer
    return count


def _any_missing(values: Block) -> Block:
    missing = np.zeros(values.shape[1:], bool)
    for slab in (slabs := _slabs(values)):
        missing |= np.isnan(slab).any(0)
    for layer in () if slabs else values:
        missing |= np.isnan(layer)
    return missing


def _total(values: Block) -> Block:
    """In double precision: float32 loses digits over long series."""
    if len(values) == 1:
        return values[0].astype(np.float64)
    if slabs := _slabs(values):
        return np.asarray(sum(np.add.reduce(slab, 0, dtype=np.float64) for slab in slabs))
    total = np.add(values[0], values[1], dtype=np.float64)
    for layer in values[2:]:
        total += layer
    return total


def _add_up(values: Block) -> Block:
    """The sum of what is valid."""
    total = _total(values)
    # Not-a-number anywhere shows in the sum; most blocks have none, and are done.
    if np.isnan(total).any() and (slabs := _slabs(values)):
        return np.asarray(sum(np.add.reduce(slab, 0, dtype=np.float64, where=~np.isnan(slab)) for slab in slabs))
    if np.isnan(total).any():
        total = np.where(np.isnan(values[0]), 0, values[0].astype(np.float64))
        for layer in values[1:]:
            total += np.where(np.isnan(layer), 0, layer)
    return total


def _known(result: Block, count: Block, least: int = 1) -> Block:
    short = count < least
    return np.where(short, np.nan, result) if short.any() else result


def sum_(data: Any, ignore_nodata: bool = True) -> Any:
    return _reduce(
        data,
        ignore_nodata,
        lambda v, n: _known(_add_up(v), n),
        lambda v: sum(v) if _whole(v) else math.fsum(v) if _finite(v) else np.sum(v),
    )


def product(data: Any, ignore_nodata: bool = True) -> Any:
    def multiply(values: Block, count: Block) -> Block:
        total = np.ones(values.shape[1:], np.float64)
        for slab in (slabs := _slabs(values)):
            total *= np.multiply.reduce(slab, 0, dtype=np.float64, where=~np.isnan(slab))
        for layer in () if slabs else values:
            total *= np.where(np.isnan(layer), 1, layer)
        return _known(total, count)

    return _reduce(data, ignore_nodata, multiply, math.prod)


def mean(data: Any, ignore_nodata: bool = True) -> Any:
    if isinstance(data, Stack) and len(data):
        values = widen(data.values)
        total = _total(values)
        if not np.isnan(total).any():
            # Most blocks have no gaps, and need no count of their own for every pixel.
            total /= len(values)
            return total.astype(values.dtype, copy=False)
    return _reduce(
        data,
        ignore_nodata,
        lambda v, n: _known(_add_up(v) / np.maximum(n, 1), n),
        lambda v: np.mean(np.asarray(v, np.float64)),
    )


def _squares(values: Block, count: Block) -> Block:
    """Two passes: the difference of large squares would lose the variance."""
    centre = _add_up(values) / np.maximum(count, 1)
    total = np.zeros(values.shape[1:], np.float64)
    for slab in (slabs := _slabs(values)):
        total += np.add.reduce((slab - centre) ** 2, 0, where=~np.isnan(slab))
    for layer in () if slabs else values:
        total += np.where(np.isnan(layer), 0, (layer - centre) ** 2)
    return _known(total / np.maximum(count - 1, 1), count, 2)


def variance(data: Any, ignore_nodata: bool = True) -> Any:
    return _reduce(data, ignore_nodata, _squares, lambda v: _sample(v, np.var))


def sd(data: Any, ignore_nodata: bool = True) -> Any:
    return _reduce(data, ignore_nodata, lambda v, n: np.sqrt(_squares(v, n)), lambda v: _sample(v, np.std))


def _sample(values: list[Any], function: Callable[..., Any]) -> Any:
    return function(np.asarray(values, np.float64), ddof=1) if len(values) > 1 else None


def median(data: Any, ignore_nodata: bool = True) -> Any:
    return _reduce(
        data,
        ignore_nodata,
        lambda v, n: _quantile(np.sort(v, 0), n, 0.5),
        lambda v: np.median(np.asarray(v, np.float64)),
    )


def _extreme(data: Any, ignore_nodata: bool, pick: Any, on_numbers: Callable[..., Any]) -> Any:
    array = as_array(data)
    if isinstance(array, Stack) and len(array) and array.values.dtype.kind != "f":
        return pick.reduce(array.values, 0)
    return _reduce(array, ignore_nodata, lambda v, _: pick.reduce(v, 0), lambda v: plain(on_numbers(v)))


def min_(data: Any, ignore_nodata: bool = True) -> Any:
    return _extreme(data, ignore_nodata, np.fmin, np.min)


def max_(data: Any, ignore_nodata: bool = True) -> Any:
    return _extreme(data, ignore_nodata, np.fmax, np.max)


def extrema(data: Any, ignore_nodata: bool = True) -> Any:
    array = as_array(data)
    return [min_(array, ignore_nodata), max_(array, ignore_nodata)]


def quantiles(data: Any, probabilities: Any = None, q: Any = None, ignore_nodata: bool = True) -> Any:
    """Type 7 of Hyndman and Fan (1996)."""
    if probabilities is None and q is None:
        raise InvalidInput("Neither `probabilities` nor `q` is given.", code="quantiles-parameter-missing")
    if probabilities is not None and q is not None:
        raise InvalidInput("`probabilities` and `q` exclude each other.", code="quantiles-parameter-conflict")
    shares = _shares(probabilities if probabilities is not None else q)
    array = as_array(data)
    if isinstance(array, Stack):
        values = widen(array.values)
        ordered, count = np.sort(values, 0), _count_valid(values)
        missing = np.zeros(values.shape[1:], bool) if ignore_nodata else _any_missing(values)
        found = [np.where(missing, np.nan, _quantile(ordered, count, share)) for share in shares]
        return Stack(np.stack(found).astype(values.dtype, copy=False))
    numbers = _numbers(items_of(array))
    present = [value for value in numbers if value is not None]
    if not present or (not ignore_nodata and len(present) < len(numbers)):
        # Not-a-number is a number, and spreads.
        return [None] * len(shares)
    ordered = np.sort(np.asarray(present, np.float64))
    if np.isnan(ordered[-1]):
        return [math.nan] * len(shares)
    count = np.asarray(len(ordered))
    return [_quantile(ordered, count, share).item() for share in shares]


def _shares(probabilities: Any) -> list[float]:
    if is_number(probabilities):
        if probabilities < 2 or int(probabilities) != probabilities:
            raise InvalidInput(f"{probabilities} intervals cannot be made.", remedy="Give an integer of 2 or more.")
        if probabilities > INTERVALS:
            what = f"{probabilities} quantiles are more than {INTERVALS}."
            raise InvalidInput(what, remedy="Ask for fewer.", code="argument-value")
        return [number / probabilities for number in range(1, int(probabilities))]
    shares = items_of(as_array(probabilities, "probabilities"))
    if any(not is_number(share) or not 0 <= share <= 1 for share in shares):
        raise InvalidInput(f"`probabilities` {shares} are not all between 0 and 1.", code="argument-value")
    if shares != sorted(shares):
        raise InvalidInput("`probabilities` are not ascending.", code="ascending-probabilities-required")
    return shares


def _quantile(ordered: Block, count: Block, share: float) -> Block:
    """Interpolate between the neighbours among the valid values, which stand first."""
    place = np.maximum(count - 1, 0) * share
    below = np.floor(place).astype(np.intp)
    above = np.minimum(below + 1, np.maximum(count - 1, 0)).astype(np.intp)
    low = np.take_along_axis(ordered, below[None], 0)[0].astype(np.float64)
    high = np.take_along_axis(ordered, above[None], 0)[0].astype(np.float64)
    part = place - below
    with np.errstate(all="ignore"):
        between = np.where(low == high, low, low * (1 - part) + high * part)
    # Infinity times zero must not spread.
    return np.where(count > 0, np.where(part == 0, low, between), np.nan)


def first(data: Any, ignore_nodata: bool = True) -> Any:
    return _end(data, ignore_nodata, 1)


def last(data: Any, ignore_nodata: bool = True) -> Any:
    return _end(data, ignore_nodata, -1)


def _end(data: Any, ignore_nodata: bool, step: int) -> Any:
    array = as_array(data)
    if isinstance(array, Stack):
        if not len(array):
            return np.full(array.values.shape[1:], np.nan, np.float32)
        layers = array.values[::step]
        if not ignore_nodata or layers.dtype.kind != "f":
            return layers[0].copy()
        result = layers[0].copy()
        for layer in layers[1:]:
            if not (missing := np.isnan(result)).any():
                break
            result[missing] = layer[missing]
        return result
    items = items_of(array)[::step]
    present = [item for item in items if item is not None or not ignore_nodata]
    return present[0] if present else None


def any_(data: Any, ignore_nodata: bool = True) -> Any:
    return _logical(data, ignore_nodata, decisive=True)


def all_(data: Any, ignore_nodata: bool = True) -> Any:
    return _logical(data, ignore_nodata, decisive=False)


def _logical(data: Any, ignore_nodata: bool, *, decisive: bool) -> Any:
    """`decisive` is the value that settles the outcome at once.

    A single no-data value leaves what an empty array gives: there is no pair to reduce, and the official cases say so.
    """
    array = as_array(data)
    if isinstance(array, Stack):
        floats = array.values.dtype.kind == "f"
        missing = np.isnan(array.values) if floats else np.zeros(array.values.shape, bool)
        true = truth(array.values)
        settled = (true == decisive) & ~missing
        found = settled.any(0) == decisive
        if ignore_nodata or not floats:
            return found
        unknown = missing.any(0) & ~settled.any(0)
        return np.where(unknown, np.float32(np.nan), found.astype(np.float32))
    items = items_of(array)
    if any(item is not None and bool(item) == decisive for item in items):
        return decisive
    if not ignore_nodata and len(items) > 1 and any(item is None for item in items):
        return None
    return not decisive


def count(data: Any, condition: Any = None, context: Any = None) -> Any:
    array = as_array(data)
    items, labels = items_of(array), labels_of(array)
    if condition is False:
        raise InvalidInput("`condition` is false.", remedy="Use null, true or a process.", code="argument-value")
    if condition is None:
        matches = [is_valid(item) for item in items]
    elif condition is True:
        matches = [True] * len(items)
    else:
        matches = [
            condition(x=item, element=item, index=number, label=labels[number] if labels else None, context=context)
            for number, item in enumerate(items)
        ]
    shape = array.values.shape[1:] if isinstance(array, Stack) else None
    if shape is None and not any(is_block(match) for match in matches):
        return len([match for match in matches if match is True])
    total = np.zeros(shape or next(match.shape for match in matches if is_block(match)), np.int32)
    for match in matches:
        total += truth(match)
    return total


def _whole(values: list[Any]) -> bool:
    return all(isinstance(value, int) for value in values)


def _finite(values: list[Any]) -> bool:
    return all(math.isfinite(value) for value in values)
