"""Runs callbacks over cubes block by block: lazy where the cube is, one pass over each block, never pixel by pixel."""

import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.values import Block, Stack, as_array, describe, is_block, number_block, pile

SLAB = 512 * 1024
"""Bytes of input that callbacks get at once."""
Reducer = Callback
"""A callback with the parameters `data` and `context` that gives one value."""


def apply_each(cube: xr.DataArray, process: Callback, context: Any) -> xr.DataArray:
    """Replace every value by what the callback makes of it (parameter `x`)."""
    if process.uses("run_udf"):
        values = np.asarray(cube.data)
        found = process(x=Stack(values[None], None, cube.copy(data=values)), context=context)
        return dimensions.rebuilt(cube, _shaped(_single(found), values.shape), [str(d) for d in cube.dims])

    def work(block: Block) -> Block:
        with quiet():
            return _shaped(_single(process(x=block, context=context)), block.shape)

    data = cube.data
    if isinstance(data, da.Array):
        sample = work(np.ones((1,) * cube.ndim, cube.dtype))
        meta = np.empty((0,) * cube.ndim, sample.dtype)
        data = da.map_blocks(_in_slabs(work, None, 0), data, dtype=sample.dtype, meta=meta)
    else:
        data = work(np.asarray(data))
    return dimensions.rebuilt(cube, data, [str(d) for d in cube.dims])


def reduce_along(cube: xr.DataArray, along: Sequence[str], reducer: Reducer, context: Any) -> xr.DataArray:
    """Reduce the values along one or more dimensions to one (parameter `data`)."""
    rest = [str(name) for name in cube.dims if name not in along]
    moved = cube.transpose(*along, *rest)
    data = moved.data
    labels: tuple[Any, ...] | None = None
    if len(along) > 1:
        data = data.reshape((int(np.prod(data.shape[: len(along)])), *data.shape[len(along) :]))
    else:
        labels = tuple(dimensions.labels(cube, along[0]))
    if reducer.uses("run_udf"):
        values = np.asarray(data)
        whole = moved.copy(data=values) if len(along) == 1 else cube
        result = _single(reducer(data=Stack(values, labels, whole, along[0]), context=context))
        return dimensions.rebuilt(cube, _shaped(result, values.shape[1:]), rest)

    def work(block: Block) -> Block:
        with quiet():
            return _shaped(_single(reducer(data=Stack(block, labels), context=context)), block.shape[1:])

    return dimensions.rebuilt(cube, _over_blocks(_in_slabs(work), data, None), rest)


def reduced(block: Block, reducer: Reducer, context: Any) -> Block:
    """Reduce a block along its last axis; the values have no labels."""
    return _shaped(_single(reducer(data=Stack(np.moveaxis(block, -1, 0)), context=context)), block.shape[:-1])


def reduce_group(
    cube: xr.DataArray, dimension: str, group: Sequence[int], reducer: Reducer, context: Any
) -> xr.DataArray:
    """Reduce the values at some positions of a dimension; the reducer also says what nothing at all gives."""
    if len(group):
        return reduce_along(cube.isel({dimension: _picked(group)}), [dimension], reducer, context)
    rest = [str(name) for name in cube.dims if name != dimension]
    shape = (1,) * len(rest)
    with quiet():
        value = _shaped(_single(reducer(data=Stack(np.empty((0, *shape), cube.dtype), ()), context=context)), shape)
    template = cube.isel({dimension: 0}, drop=True)
    empty = xr.full_like(template, value.reshape(-1)[0], dtype=value.dtype)
    return dimensions.rebuilt(cube, empty.data, rest)


def _picked(group: Sequence[int]) -> Any:
    """Neighbours as a slice, which copies nothing."""
    first, last = int(group[0]), int(group[-1])
    if list(group) == list(range(first, last + 1)):
        return slice(first, last + 1)
    return np.asarray(group, np.intp)


def transform_along(
    cube: xr.DataArray, dimension: str, process: Callback, context: Any
) -> tuple[xr.DataArray, tuple[Any, ...] | None]:
    """Replace the values along a dimension by an array of any length; it becomes the first dimension.

    Also gives the labels of the result, if the callback's array had any.
    """
    rest = [str(name) for name in cube.dims if name != dimension]
    moved = cube.transpose(dimension, *rest)
    labels = tuple(dimensions.labels(cube, dimension))
    if process.uses("run_udf"):
        values = np.asarray(moved.data)
        whole = moved.copy(data=values)
        found = _several(process(data=Stack(values, labels, whole, dimension), context=context), values.shape[1:])
        return dimensions.rebuilt(cube, found.values, [dimension, *rest], {}), found.labels

    def run(block: Block) -> Stack:
        with quiet():
            return _several(process(data=Stack(block, labels), context=context), block.shape[1:])

    sample = run(np.ones((len(labels),) + (1,) * len(rest), cube.dtype))
    size = len(sample)

    def work(block: Block) -> Block:
        found = run(block)
        if len(found) != size:
            what = f"The process gives {len(found)} values for some pixels and {size} for others."
            raise InvalidInput(what, "All pixels of a cube have the same labels.", code="length-varies")
        return found.values

    data = _over_blocks(_in_slabs(work, size), moved.data, size, sample.values.dtype)
    coords = {name: cube.coords[name] for name in rest if name in cube.coords}
    result = xr.DataArray(data, dims=(dimension, *rest), coords=coords, attrs=dict(cube.attrs))
    return result, sample.labels


def pixelwise(function: Callable[[Block, Block], Block], one: xr.DataArray, two: xr.DataArray) -> Any:
    """Values of two rasters of equal shape put together by a function that knows no neighbours, in slabs."""

    def work(first: Block, second: Block) -> Block:
        step = max(1, SLAB // max(1, first.dtype.itemsize))
        flat, other = first.reshape(-1), second.reshape(-1)
        if flat.size <= step:
            return function(first, second)
        result = np.empty(flat.size, function(flat[:1], other[:1]).dtype)
        for start in range(0, flat.size, step):
            part = slice(start, start + step)
            result[part] = function(flat[part], other[part])
        return result.reshape(first.shape)

    if isinstance(one.data, da.Array):
        kind = function(np.ones(1, one.dtype), np.ones(1, two.dtype)).dtype
        return da.map_blocks(work, one.data, two.data, dtype=kind)
    return work(np.asarray(one.data), np.asarray(two.data))


def combine(first: Any, second: Any, resolver: Callback, context: Any) -> Any:
    """Resolve two arrays of equal shape element by element (parameters `x` and `y`)."""

    def work(one: Block, two: Block) -> Block:
        with quiet():
            return _shaped(_single(resolver(x=one, y=two, context=context)), one.shape)

    if isinstance(first, da.Array) or isinstance(second, da.Array):
        sample = work(np.ones((1,) * first.ndim, first.dtype), np.ones((1,) * first.ndim, second.dtype))
        one, two = da.asarray(first), da.asarray(second)
        return da.map_blocks(work, *da.unify_chunks(*_indexed(one, two))[1], dtype=sample.dtype)
    return work(np.asarray(first), np.asarray(second))


def _indexed(*arrays: Any) -> list[Any]:
    return [part for array in arrays for part in (array, tuple(range(array.ndim)))]


def _in_slabs(work: Callable[[Block], Block], size: int | None = None, core: int = 1) -> Callable[[Block], Block]:
    """Call `work` on slabs of a block that stay in the processor's cache from the first node to the last.

    The pixels of the axes after the first `core` ones are independent of each other; `size` is the length of the first
    axis of the result, None where it has none. Numpy's passes over a whole block would each fetch it from memory again.
    """

    def on_slabs(block: Block | list[Block]) -> Block:
        # Blocks that stand behind each other along the first axis are put together slab by slab, never as a whole.
        blocks = block if isinstance(block, list) else [block]
        outer = blocks[0].shape[core:]
        pixels = int(np.prod(outer))
        depth = sum(each.nbytes for each in blocks) // max(1, pixels)
        step = max(1, SLAB // max(1, depth))
        if pixels < 2 * step:
            return work(_joined(blocks))
        flat = [each.reshape(*each.shape[:core], pixels) for each in blocks]
        before = () if size is None else (size,)
        result: Block | None = None
        for start in range(0, pixels, step):
            found = work(_joined([each[..., start : start + step] for each in flat]))
            if result is None:
                result = np.empty((*before, pixels), found.dtype)
            result[..., start : start + step] = found
        return np.empty((*before, *outer)) if result is None else result.reshape(*before, *outer)

    return on_slabs


def _joined(blocks: list[Block]) -> Block:
    return blocks[0] if len(blocks) == 1 else np.concatenate(blocks)


def _over_blocks(work: Any, data: Any, size: int | None, dtype: Any = None) -> Any:
    """Call `work` on blocks that are whole along the first axis, which it takes away or makes `size` long."""
    if not isinstance(data, da.Array):
        return work(np.asarray(data))
    if dtype is None:
        dtype = work(np.ones(data.shape[:1] + (1,) * (data.ndim - 1), data.dtype)).dtype
    if size is None:
        axes, meta = tuple(range(data.ndim)), np.empty((0,) * (data.ndim - 1), dtype)
        # A name of its own: dask would pickle the callback to find one, for each of many groups.
        name = f"reduced-{uuid.uuid4().hex}"
        return da.blockwise(work, axes[1:], data, axes, name=name, dtype=dtype, meta=meta, concatenate=False)
    data = data.rechunk({0: -1})
    meta = np.empty((0,) * data.ndim, dtype)
    return da.map_blocks(work, data, dtype=dtype, chunks=((size,), *data.chunks[1:]), meta=meta)


def _single(value: Any) -> Any:
    """The one value that a callback must give."""
    if isinstance(value, xr.DataArray):
        return np.asarray(value.data)
    if isinstance(value, Stack | list | tuple):
        array = as_array(value)
        if len(array) == 1:
            return array.values[0] if isinstance(array, Stack) else array[0]  # type: ignore[index]
        what = f"The callback gives an array of {len(array)} elements."
        raise InvalidInput(what, "One value is needed here.", "End it with a reducer, e.g. mean.", code="result-type")
    return value


def _several(value: Any, shape: tuple[int, ...]) -> Stack:
    """The array that a callback must give; a single value is an array of one."""
    if is_block(value):
        return Stack(np.broadcast_to(value, shape)[None])
    if value is None or isinstance(value, bool | int | float):
        return Stack(np.broadcast_to(number_block(value), (1, *shape)))
    array = as_array(value, "the callback's result")
    if not isinstance(array, Stack):
        array = pile(list(array.values if not isinstance(array, list) else array), getattr(array, "labels", None))
    if not len(array):
        raise InvalidInput("The callback gives an empty array.", "At least one element is needed.", code="result-type")
    values = array.values
    if values.shape[1:] != shape:
        values = np.broadcast_to(
            values.reshape(values.shape[0], *(1,) * (len(shape) - values.ndim + 1), *values.shape[1:]),
            (values.shape[0], *shape),
        )
    return Stack(values, array.labels)


def _shaped(value: Any, shape: tuple[int, ...]) -> Block:
    """A callback's result for each pixel; a plain value counts for all of them."""
    if isinstance(value, str | dict):
        raise InvalidInput(
            f"The callback gives {describe(value)}; pixels hold numbers and booleans.", code="result-type"
        )
    block = number_block(value)
    if block.shape == shape:
        return block
    try:
        return np.broadcast_to(block, shape).copy()
    except ValueError:
        what = f"The callback gives values of shape {block.shape} for pixels of shape {shape}."
        raise InvalidInput(what, code="result-type") from None


@contextmanager
def quiet() -> Iterator[None]:
    """Division by zero and empty slices are no news in pixel arithmetic: IEEE 754 says what comes out."""
    with np.errstate(all="ignore"):
        yield


@contextmanager
def silent() -> Iterator[None]:
    """Keep numpy's warnings about slices of nothing but no-data, and the like, out of the job's log."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
