"""Three-valued logic of single values, and the choice between two."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.processes.comparison import ternary
from terrafair.execution.engines.openeo.values import (
    Block,
    LabelledArray,
    Stack,
    describe,
    is_block,
    items_of,
    number_block,
    pile,
)


def truth(value: Any) -> Block:
    """True where a value is true or a number other than zero; no-data is not true."""
    block = number_block(value)
    if block.dtype.kind == "f":
        return np.nan_to_num(block, nan=0.0) != 0
    return block.astype(bool)


def _false(value: Any) -> Block:
    """True where a value is false; no-data is neither."""
    return number_block(value) == 0


def _boolean(value: Any, name: str) -> Any:
    """Check a plain truth value."""
    if value is None or isinstance(value, bool | np.bool_):
        return value
    if isinstance(value, float) and np.isnan(value):
        return None
    if isinstance(value, int | float) and value in {0, 1}:
        return bool(value)
    what = f"`{name}` is {describe(value)}, not a boolean."
    raise InvalidInput(what, remedy="Compare it first, e.g. with eq or gt.", code="argument-type")


def _blocks(*values: Any) -> bool:
    return any(is_block(value) for value in values)


def _decided(true: Block, false: Block, *operands: Any) -> Block:
    """Where neither is known the result is no-data."""
    if not any((is_block(value) and value.dtype.kind == "f") or value is None for value in operands):
        return true
    return np.where(true, np.float32(1), np.where(false, np.float32(0), np.float32(np.nan)))


def and_(x: Any, y: Any) -> Any:
    if _blocks(x, y):
        return _decided(truth(x) & truth(y), _false(x) | _false(y), x, y)
    one, two = _boolean(x, "x"), _boolean(y, "y")
    if one is False or two is False:
        return False
    return None if one is None or two is None else True


def or_(x: Any, y: Any) -> Any:
    if _blocks(x, y):
        return _decided(truth(x) | truth(y), _false(x) & _false(y), x, y)
    one, two = _boolean(x, "x"), _boolean(y, "y")
    if one or two:
        return True
    return None if one is None or two is None else False


def xor(x: Any, y: Any) -> Any:
    if _blocks(x, y):
        return ternary(np.asarray(truth(x) ^ truth(y)), x, y)
    one, two = _boolean(x, "x"), _boolean(y, "y")
    return None if one is None or two is None else bool(one) != bool(two)


def not_(x: Any) -> Any:
    if is_block(x):
        return ternary(~truth(x), x)
    one = _boolean(x, "x")
    return None if one is None else not one


def if_(value: Any, accept: Any, reject: Any = None) -> Any:
    """Choose for each pixel where the condition has pixels; no-data is not true."""
    if isinstance(value, Stack) and len(value) == 1:
        value = value.values[0]
    if not is_block(value):
        return accept if _boolean(value, "value") else reject
    if any(isinstance(each, Stack | LabelledArray | list) for each in (accept, reject)):
        return _choose_stack(truth(value), accept, reject)
    chosen, other = number_block(accept), number_block(reject)
    return np.where(truth(value), chosen, other)


def _choose_stack(condition: Block, accept: Any, reject: Any) -> Stack:
    one, two = (_layers(each, condition) for each in (accept, reject))
    if one.shape[0] != two.shape[0] and 1 not in (one.shape[0], two.shape[0]):
        what = f"One choice has {one.shape[0]} elements, the other {two.shape[0]}."
        raise InvalidInput(what, "All pixels of a cube have the same labels.", code="length-varies")
    labels = next((each.labels for each in (accept, reject) if isinstance(each, Stack | LabelledArray)), None)
    return Stack(np.where(condition[None], one, two), labels)


def _layers(value: Any, condition: Block) -> Block:
    """The elements of an array along a new first axis; a single value is one of them."""
    if isinstance(value, Stack):
        return value.values
    if isinstance(value, LabelledArray | list):
        return pile(items_of(value)).values.reshape(len(value), *(1,) * condition.ndim)
    return number_block(value)[None]
