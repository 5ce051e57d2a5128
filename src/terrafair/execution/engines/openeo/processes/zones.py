"""Aggregation of the pixels in each geometry: every chunk is read once, and only the pixels in geometries are kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, blocks, dimensions
from terrafair.execution.engines.openeo.area import Geometries
from terrafair.execution.engines.openeo.evaluate import Callback
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.values import Block, widen

_BYTES = 64 * 2**20
"""Picked pixels are put together to blocks of this size, so that reducers run seldom and on much."""
_COUNTS = ("value", "total_count", "valid_count")


def aggregate_spatial(
    data: Any, geometries: Any, reducer: Any, target_dimension: str | None = None, context: Any = None
) -> xr.DataArray:
    """One value for each geometry, from the pixels whose centres lie in it; points take the nearest.

    With a target dimension also the number of pixels, and of valid ones.
    """
    cube, run = dimensions.as_cube(data), callback(reducer, "reducer")
    shapes = Geometries.of(geometries)
    if target_dimension is not None and target_dimension in cube.dims:
        what = f"The cube has a dimension {target_dimension} already."
        raise InvalidInput(what, remedy="Choose another `target_dimension`.", code="target-dimension-exists")
    y, x = dimensions.horizontal(cube)
    rest = [str(each) for each in cube.dims if each not in (y, x)]
    places = [np.flatnonzero(area.mask(cube, Geometries((shape,), ({},), shapes.crs))) for shape in shapes.shapes]
    pixels, groups = _together(places)
    picked = _picked(cube.transpose(*rest, y, x), pixels)
    counted = target_dimension is not None
    found = _reduced(picked, groups, run, context, counted=counted)
    system = {"type": "geometry", "reference_system": shapes.crs}
    extra = {"geometry": dimensions.coordinate("geometry", list(shapes.shapes), system)}
    names = ["geometry", *rest]
    if target_dimension is not None:
        names.append(target_dimension)
        extra[target_dimension] = dimensions.coordinate(target_dimension, list(_COUNTS), {"type": "other"})
    order = (
        [found.ndim - 2, *range(found.ndim - 2), found.ndim - 1]
        if counted
        else [found.ndim - 1, *range(found.ndim - 1)]
    )
    result = dimensions.rebuilt(cube, found.transpose(order), names, extra)
    result.attrs = {**cube.attrs, "properties": list(shapes.properties)}
    return result


def _together(places: Sequence[Block]) -> tuple[Block, list[Block]]:
    """All pixels once, and where each geometry's are among them."""
    pixels = np.unique(np.concatenate(places)) if places else np.empty(0, np.intp)
    return pixels, [np.searchsorted(pixels, own) for own in places]


def _picked(moved: xr.DataArray, pixels: Block) -> Any:
    """(rest ..., pixels), in the order of the pixels."""
    import dask.array as da

    width = moved.shape[-1]
    rows, columns = np.divmod(pixels, width)
    data = moved.data
    if not isinstance(data, da.Array):
        return np.asarray(data)[..., rows, columns]
    parts, order = [], []
    tops = np.cumsum((0, *data.chunks[-2]))
    lefts = np.cumsum((0, *data.chunks[-1]))
    for line in range(len(tops) - 1):
        for place in range(len(lefts) - 1):
            own = np.flatnonzero(
                (rows >= tops[line])
                & (rows < tops[line + 1])
                & (columns >= lefts[place])
                & (columns < lefts[place + 1])
            )
            if not len(own):
                continue
            chunk = data[..., tops[line] : tops[line + 1], lefts[place] : lefts[place + 1]]
            parts.append(_of_chunk(chunk, rows[own] - tops[line], columns[own] - lefts[place]))
            order.append(own)
    if not parts:
        return np.empty((*moved.shape[:-2], 0), data.dtype)
    joined = da.concatenate(parts, axis=-1)
    back = np.argsort(np.concatenate(order))
    # One block along the pixels; many along the rest, of a size that is worth a call.
    count = max(1, int(_BYTES // max(1, len(pixels) * data.dtype.itemsize)))
    joined = joined.rechunk({joined.ndim - 1: -1})
    joined = joined.map_blocks(lambda block: block[..., back], dtype=data.dtype)
    rest = {axis: _fewer(joined.chunks[axis], count) for axis in range(joined.ndim - 1)}
    return joined.rechunk(rest)


def _of_chunk(chunk: Any, rows: Block, columns: Block) -> Any:
    chunks = (*chunk.chunks[:-2], (len(rows),))
    last = chunk.ndim - 1
    return chunk.map_blocks(
        lambda block: block[..., rows, columns], dtype=chunk.dtype, chunks=chunks, drop_axis=[last - 1, last],
        new_axis=last - 1,
    )  # fmt: skip


def _fewer(sizes: tuple[int, ...], count: int) -> int:
    return min(sum(sizes), max(count, max(sizes, default=1)))


def _reduced(picked: Any, groups: Sequence[Block], run: Callback, context: Any, *, counted: bool) -> Any:
    """(rest ..., geometries), and the counts as a last axis where they are wanted."""
    import dask.array as da

    if run.uses("run_udf"):
        what = "A UDF cannot reduce the pixels of geometries."
        raise InvalidInput(what, "It would have to run once for each.", "Use apply_polygon.", code="udf-place")

    def work(block: Block) -> Block:
        with blocks.quiet():
            found = [blocks.reduced(block[..., own], run, context) for own in groups]
            kind = np.result_type(np.float32, *(each.dtype for each in found)) if found else np.dtype(np.float32)
            values = np.stack(found, -1).astype(kind) if found else np.empty((*block.shape[:-1], 0), kind)
            if not counted:
                return values
            total = np.broadcast_to(np.array([len(own) for own in groups], kind), values.shape)
            valid = [np.isfinite(widen(block[..., own])).sum(-1) for own in groups]
            known = np.stack(valid, -1).astype(kind) if valid else total
            return np.stack([values, total, known], -1)

    if not isinstance(picked, da.Array):
        return work(np.asarray(picked))
    sample = work(np.ones((1,) * (picked.ndim - 1) + picked.shape[-1:], picked.dtype))
    chunks = (*picked.chunks[:-1], (len(groups),), *(((len(_COUNTS),),) if counted else ()))
    last = picked.ndim - 1
    return da.map_blocks(
        work, picked, dtype=sample.dtype, chunks=chunks, drop_axis=[last] if counted else None,
        new_axis=[last, last + 1] if counted else None,
    )  # fmt: skip
