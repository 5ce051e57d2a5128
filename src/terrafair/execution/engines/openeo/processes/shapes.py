"""Processes that join dimensions to one and split one into several."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.values import as_array, items_of


def flatten_dimensions(data: Any, dimensions: Any, target_dimension: str, label_separator: str = "~") -> xr.DataArray:
    return _flattened(data, items_of(as_array(dimensions, "dimensions")), target_dimension, label_separator)


def _flattened(data: Any, wanted: list[Any], target: str, separator: str) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    names = [dimensions.find(cube, name, "dimensions") for name in wanted]
    if not names:
        raise InvalidInput("`dimensions` names none.", remedy="Name those to join.", code="argument-value")
    if target in cube.dims and target not in names:
        raise InvalidInput(f"The cube has a dimension {target} already.", code="target-dimension-exists")
    labels: list[str] = [""]
    for number, name in enumerate(names):
        own = [str(label) for label in dimensions.labels(cube, name)]
        labels = [f"{before}{separator if number else ''}{each}" for before in labels for each in own]
    rest = [str(each) for each in cube.dims if each not in names]
    moved = cube.transpose(*rest, *names)
    shaped = moved.data.reshape(*(cube.sizes[each] for each in rest), len(labels))
    extra = {target: dimensions.coordinate(target, labels, {"type": "other"})}
    place = [str(each) for each in cube.dims].index(names[0])
    result = dimensions.rebuilt(cube, shaped, [*rest, target], extra)
    ahead = [each for each in rest if [str(d) for d in cube.dims].index(each) < place]
    return result.transpose(*ahead, target, ...)


def unflatten_dimension(
    data: Any, dimension: str, target_dimensions: Any, label_separator: str = "~"
) -> xr.DataArray:  # fmt: skip
    """Combinations that do not occur are no-data."""
    cube = dimensions.as_cube(data)
    name = dimensions.find(cube, dimension)
    targets = [str(each) for each in items_of(as_array(target_dimensions, "target_dimensions"))]
    if taken := [each for each in targets if each in cube.dims and each != name]:
        raise InvalidInput(f"The cube has a dimension {taken[0]} already.", code="target-dimension-exists")
    parts = [str(label).split(label_separator) for label in dimensions.labels(cube, name)]
    if odd := next((each for each in parts if len(each) != len(targets)), None):
        what = f"The label {label_separator.join(odd)!r} has {len(odd)} parts for {len(targets)} dimensions."
        raise InvalidInput(what, f"Parts are split at {label_separator!r}.", code="label-mismatch")
    labels = [list(dict.fromkeys(each[number] for each in parts)) for number in range(len(targets))]
    sizes = [len(each) for each in labels]
    places = [
        np.ravel_multi_index([own.index(p) for own, p in zip(labels, each, strict=True)], sizes) for each in parts
    ]
    rest = [str(each) for each in cube.dims if each != name]
    order = np.full(int(np.prod(sizes)), -1)
    order[places] = np.arange(len(places))
    taken_from = cube.transpose(*rest, name).isel({name: np.maximum(order, 0)})
    if (order < 0).any():
        taken_from = taken_from.where(xr.DataArray(order >= 0, dims=(name,)))
    shaped = taken_from.data.reshape(*(cube.sizes[each] for each in rest), *sizes)
    extra = {
        each: dimensions.coordinate(each, own, {"type": "other"}) for each, own in zip(targets, labels, strict=True)
    }
    place = [str(each) for each in cube.dims].index(name)
    ahead = [str(each) for each in cube.dims][:place]
    return dimensions.rebuilt(cube, shaped, [*rest, *targets], extra).transpose(*ahead, *targets, ...)
