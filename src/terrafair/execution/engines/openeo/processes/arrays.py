"""Arrays: make, look up, cut, join, sort, interpolate."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

import contextlib
import math
from typing import Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo.instants import instant
from terrafair.execution.engines.openeo.processes.comparison import eq, is_nodata
from terrafair.execution.engines.openeo.processes.logic import truth
from terrafair.execution.engines.openeo.values import (
    VALUES,
    Array,
    Block,
    LabelledArray,
    Stack,
    as_array,
    describe,
    is_block,
    is_number,
    items_of,
    labels_of,
    rebuild,
    widen,
)

LENGTH_LIMIT = 1_000_000


def array_create(data: Any = (), repeat: int = 1) -> Any:
    if not isinstance(data, list | tuple | Stack | LabelledArray):
        data = [data]
    items = items_of(as_array(data)) if not isinstance(data, list | tuple) else list(data)
    if not isinstance(repeat, int) or repeat < 1:
        raise InvalidInput(f"`repeat` is {repeat!r}; it must be 1 or more.", code="argument-value")
    _check_length(len(items) * repeat)
    return as_array(items * repeat)


def _check_length(size: int) -> None:
    if size > LENGTH_LIMIT:
        what = f"The array would have {size} elements."
        raise InvalidInput(what, f"The limit is {LENGTH_LIMIT}.", "Make it shorter.", code="graph-too-large")


def array_create_labeled(data: Any, labels: Any) -> Any:
    array = as_array(data)
    names = items_of(as_array(labels, "labels"))
    if len(array) != len(names):
        what = f"There are {len(names)} labels for {len(array)} values."
        raise InvalidInput(what, "Each value has one label.", code="array-length-mismatch")
    return rebuild(array, items_of(array), names)


def array_element(data: Any, index: Any = None, label: Any = None, return_nodata: bool = False) -> Any:
    array = as_array(data)
    if index is None and label is None:
        raise InvalidInput("Neither `index` nor `label` is given.", code="array-element-parameter-missing")
    if index is not None and label is not None:
        raise InvalidInput("`index` and `label` exclude each other.", code="array-element-parameter-conflict")
    if label is not None:
        return _by_label(array, label, return_nodata)
    if is_block(index):
        return _by_indices(array, index)
    number = int(index) if is_number(index) and float(index).is_integer() else None
    if number is None:
        raise InvalidInput(f"`index` is {describe(index)}, not an integer.", code="argument-type")
    if 0 <= number < len(array):
        return items_of(array)[number] if not isinstance(array, Stack) else array.values[number]
    if return_nodata:
        return _nothing(array)
    what = f"The array has no element {number}; it has {len(array)}."
    raise InvalidInput(
        what, "Indices start at 0.", "Set `return_nodata`, or choose another.", code="array-element-not-available"
    )


def _by_label(array: Array, label: Any, return_nodata: bool) -> Any:
    labels = labels_of(array)
    if labels is None:
        raise InvalidInput(f"The array has no labels; {label!r} was asked for.", code="array-not-labeled")
    if (number := _position(array, label)) is not None:
        return array.values[number]  # type: ignore[union-attr]
    if return_nodata:
        return _nothing(array)
    listed = ", ".join(map(str, labels[:20]))
    raise InvalidInput(
        f"The array has no element labelled {label!r}.", f"Labels: {listed}.", code="array-element-not-available"
    )


def _position(array: Array, label: Any) -> int | None:
    for number, each in enumerate(labels_of(array) or ()):
        if each == label and isinstance(each, str) == isinstance(label, str):
            return number
    return None


def _by_indices(array: Array, index: Block) -> Any:
    """Another element for each pixel."""
    stack = array if isinstance(array, Stack) else None
    values = widen(stack.values) if stack else np.asarray(items_of(array), np.float32)
    number = np.nan_to_num(np.asarray(index, np.float64), nan=-1).astype(np.intp)
    inside = (number >= 0) & (number < len(values))
    safe = np.where(inside, number, 0)
    found = np.take_along_axis(values, safe[None], 0)[0] if stack else values[safe]
    return np.where(inside, found, np.float32(np.nan))


def _nothing(array: Array) -> Any:
    return np.full(array.values.shape[1:], np.nan, np.float32) if isinstance(array, Stack) else None


def array_labels(data: Any) -> list[Any]:
    array = as_array(data)
    labels = labels_of(array)
    return list(range(len(array))) if labels is None else list(labels)


def array_find(data: Any, value: Any, reverse: bool = False) -> Any:
    array = as_array(data)
    if value is None or isinstance(value, list | dict | LabelledArray | Stack):
        return _nothing(array)
    items = items_of(array)
    order = range(len(items) - 1, -1, -1) if reverse else range(len(items))
    if isinstance(array, Stack):
        result = np.full(array.values.shape[1:], np.nan, np.float32)
        for number in order:
            result = np.where(np.isnan(result) & truth(eq(items[number], value)), np.float32(number), result)
        return result
    return next((number for number in order if eq(items[number], value) is True), None)


def array_find_label(data: Any, label: Any) -> Any:
    return _position(as_array(data), label)


def array_contains(data: Any, value: Any) -> Any:
    array = as_array(data)
    if value is None or isinstance(value, list | dict | LabelledArray | Stack):
        return False
    matches = [eq(item, value) for item in items_of(array)]
    if isinstance(array, Stack) or is_block(value):
        found = np.zeros(np.shape(matches[0]) if matches else (), bool)
        for match in matches:
            found = found | truth(match)
        return found
    return any(match is True for match in matches)


def array_apply(data: Any, process: Any, context: Any = None) -> Any:
    array = as_array(data)
    labels = labels_of(array)
    found: list[Any] = []
    total = 0
    for number, item in enumerate(items_of(array)):
        found.append(process(x=item, index=number, label=labels[number] if labels else None, context=context))
        total += len(found[-1]) if isinstance(found[-1], list) else 1
        if total > VALUES:
            what = f"The arrays that array_apply puts together have more than {VALUES} elements."
            raise InvalidInput(what, remedy="Make them shorter.", code="graph-too-large")
    return rebuild(array, found, labels)


def array_filter(data: Any, condition: Any, context: Any = None) -> Any:
    """By index or label for stacks: a condition on the values would give each pixel another length."""
    array = as_array(data)
    labels = labels_of(array)
    kept = []
    for number, item in enumerate(items_of(array)):
        found = condition(x=item, index=number, label=labels[number] if labels else None, context=context)
        if is_block(found):
            raise InvalidInput(
                "array_filter selects by the values of pixels here.",
                "Each pixel would get an array of another length.",
                "Use `if` or mask to set values to no-data instead.",
                code="length-varies",
            )
        if found is True or (is_number(found) and found > 0):
            # The specification asks for a boolean and leaves numbers open; the official case keeps those above zero.
            kept.append(number)
    items = items_of(array)
    return rebuild(array, [items[n] for n in kept], None if labels is None else [labels[n] for n in kept])


def array_append(data: Any, value: Any, label: Any = None) -> Any:
    array = as_array(data)
    labels = labels_of(array)
    if labels is None:
        if label is not None:
            raise InvalidInput(f"The array has no labels; {label!r} cannot be added.", code="array-not-labeled")
        return rebuild(array, [*items_of(array), value], None)
    fresh = len(array) if label is None else label
    if fresh in labels:
        raise InvalidInput(f"The label {fresh!r} exists already.", code="label-exists")
    return rebuild(array, [*items_of(array), value], [*labels, fresh])


def array_concat(array1: Any, array2: Any) -> Any:
    first, second = as_array(array1, "array1"), as_array(array2, "array2")
    _check_length(len(first) + len(second))
    one, two = labels_of(first), labels_of(second)
    labels = None
    if one is not None and two is not None:
        if both := set(one) & set(two):
            raise InvalidInput(
                f"Both arrays have the label {sorted(map(str, both))[0]!r}.", code="array-label-conflict"
            )
        labels = [*one, *two]
    return rebuild(first, [*items_of(first), *items_of(second)], labels)


def array_modify(data: Any, values: Any, index: int, length: int | None = None) -> Any:
    """Without a length values are inserted; without values either, one is removed, as the specification's example."""
    array, fresh = as_array(data), as_array(values, "values")
    if length is None:
        length = 0 if len(fresh) else 1
    if index > len(array):
        what = f"The index {index} lies beyond the array of {len(array)} elements."
        raise InvalidInput(what, code="array-element-not-available")
    items, old, new = items_of(array), labels_of(array), labels_of(fresh)
    changed = [*items[:index], *items_of(fresh), *items[index + length :]]
    labels = None
    if old is not None and (new is not None or not len(fresh)):
        labels = [*old[:index], *(new or ()), *old[index + length :]]
        if len(set(labels)) < len(labels):
            raise InvalidInput("A label would stand twice in the array.", code="array-label-conflict")
    return rebuild(array, changed, labels)


def order(data: Any, asc: bool = True, nodata: bool | None = None) -> Any:
    """For stacks no-data goes to the end unless it is wanted at the start: lengths cannot vary by pixel."""
    array = as_array(data)
    if isinstance(array, Stack):
        return Stack(_stack_order(array, asc, nodata))
    items = items_of(array)
    known = [number for number, item in enumerate(items) if not _missing(item)]
    missing = [number for number, item in enumerate(items) if _missing(item)]
    found = _sorted(known, items, asc)
    if nodata is None:
        return found
    return [*found, *missing] if nodata else [*missing, *found]


def _missing(item: Any) -> bool:
    return is_nodata(item) or (isinstance(item, float) and math.isnan(item))


def _sorted(numbers: list[int], items: list[Any], asc: bool) -> list[int]:
    keys = {number: items[number] for number in numbers}
    if keys and all(isinstance(key, str) for key in keys.values()):
        # Texts that are no dates sort as texts.
        with contextlib.suppress(InvalidInput):
            keys = {number: instant(key) for number, key in keys.items()}
    try:
        # Equal values keep their order both ways, which `reverse` alone preserves.
        return sorted(numbers, key=lambda number: keys[number], reverse=not asc)
    except TypeError:
        raise InvalidInput("The array mixes kinds of values; they have no order.", code="argument-type") from None


def _stack_order(array: Stack, asc: bool, nodata: bool | None) -> Block:
    values = widen(array.values)
    keys = values if asc else -values
    if nodata is False:
        keys = np.where(np.isnan(keys), -np.inf, keys)
    return np.argsort(keys, axis=0, kind="stable")


def sort(data: Any, asc: bool = True, nodata: bool | None = None) -> Any:
    array = as_array(data)
    if isinstance(array, Stack):
        return Stack(np.take_along_axis(array.values, _stack_order(array, asc, nodata), 0))
    items = items_of(array)
    return [items[number] for number in order(array, asc, nodata)]


def rearrange(data: Any, order: Any) -> Any:
    array, places = as_array(data), as_array(order, "order")
    if isinstance(places, Stack):
        values = array.values if isinstance(array, Stack) else np.asarray(items_of(array))
        return Stack(np.take_along_axis(np.asarray(values), places.values.astype(np.intp), 0))
    items, labels = items_of(array), labels_of(array)
    numbers = [number for number in items_of(places) if isinstance(number, int) and 0 <= number < len(items)]
    if len(numbers) < len(places):
        raise InvalidInput(f"`order` names elements that the array of {len(items)} has not.", code="argument-value")
    return rebuild(array, [items[n] for n in numbers], None if labels is None else [labels[n] for n in numbers])


def array_interpolate_linear(data: Any) -> Any:
    array = as_array(data)
    labels = labels_of(array)
    if isinstance(array, Stack):
        return Stack(_interpolate(widen(array.values), _places(labels, len(array))), labels)
    items = items_of(array)
    values = np.array([np.nan if item is None else float(item) for item in items], np.float64)
    if np.isfinite(values).sum() < 2:
        return array
    filled = _interpolate(values[:, None], _places(labels, len(array)))[:, 0]
    found = [
        item if not _missing(item) or math.isnan(new) else new for item, new in zip(items, filled.tolist(), strict=True)
    ]
    return rebuild(array, found, labels)


def _places(labels: tuple[Any, ...] | None, size: int) -> Any:
    """Where the elements lie on the axis: dates and numbers as they are, else one apart."""
    if labels and all(is_number(label) for label in labels):
        return np.asarray(labels, np.float64)
    if labels and all(isinstance(label, str) for label in labels):
        try:
            moments = np.array([instant(label) for label in labels])
            return (moments - moments[0]).astype(np.float64)
        except InvalidInput:
            pass
    return np.arange(size, dtype=np.float64)


def _interpolate(values: Block, places: Any) -> Block:
    """Fill gaps between the last value before and the first after; both searches are one pass."""
    known = ~np.isnan(values)
    number = np.arange(len(values)).reshape(-1, *(1,) * (values.ndim - 1))
    before = np.maximum.accumulate(np.where(known, number, -1), 0)
    after = np.minimum.accumulate(np.where(known, number, len(values))[::-1], 0)[::-1]
    inside = ~known & (before >= 0) & (after < len(values))
    one, two = np.clip(before, 0, None), np.clip(after, None, len(values) - 1)
    low, high = np.take_along_axis(values, one, 0), np.take_along_axis(values, two, 0)
    with np.errstate(all="ignore"):
        part = (places[number] - places[one]) / (places[two] - places[one])
        filled = low * (1 - part) + high * part
    return np.where(inside, filled, values).astype(values.dtype, copy=False)
