"""Processes on the shape of cubes: dimensions and labels."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions, instants
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.values import as_array, items_of

KINDS = ("spatial", "temporal", "bands", "geometry", "other")
DIMENSIONS = 32
"""Of a cube at most: callbacks and labels need some more for themselves than numpy's 64 leave."""


def dimension_labels(data: Any, dimension: str) -> list[Any]:
    cube = dimensions.as_cube(data)
    return dimensions.labels(cube, dimensions.find(cube, dimension))


def create_data_cube() -> xr.DataArray:
    return xr.DataArray(np.full((), np.nan, np.float32))


def add_dimension(data: Any, name: str, label: Any, type: str = "other") -> xr.DataArray:  # noqa: A002
    cube = dimensions.as_cube(data)
    if name in cube.dims:
        raise InvalidInput(f"The cube has a dimension {name} already.", code="dimension-exists")
    if cube.ndim >= DIMENSIONS:
        raise InvalidInput(f"The cube has {cube.ndim} dimensions.", "It may have no more.", code="graph-too-large")
    if type not in KINDS:
        raise InvalidInput(f"The type {type!r} is not known.", remedy=f"Known: {', '.join(KINDS)}.")
    value = instants.instant(label, "label") if type == "temporal" else label
    fresh = cube.drop_vars(name, errors="ignore").expand_dims({name: 1})
    return fresh.assign_coords({name: dimensions.coordinate(name, [value], {"type": type})})


def drop_dimension(data: Any, name: str) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    found = dimensions.find(cube, name, "name")
    if cube.sizes[found] > 1:
        what = f"The dimension {found} has {cube.sizes[found]} labels."
        why = "Only one with a single label can be dropped."
        raise InvalidInput(what, why, "Reduce or filter it first.", code="dimension-label-count-mismatch")
    return cube.isel({found: 0}, drop=True)


def rename_dimension(data: Any, source: str, target: str) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    found = dimensions.find(cube, source, "source")
    if target == found:
        return cube
    if target in cube.dims:
        raise InvalidInput(f"The cube has a dimension {target} already.", code="dimension-exists")
    renamed = cube.rename({found: target})
    if target in renamed.coords:
        attributes = {key: value for key, value in cube[found].attrs.items() if key != "alias"}
        attributes["type"] = dimensions.kind(cube, found)
        if attributes["type"] == "spatial":
            attributes.setdefault("axis", found)
        renamed[target].attrs = attributes
    return renamed


def rename_labels(
    environment: Environment, data: Any, dimension: str, target: Any = None, source: Any = None
) -> xr.DataArray:
    """Without a source the labels must be numbered; published graphs rename others too, by their order.

    A single list of labels is the target, under either name; the static check asks for the right one.
    """
    cube = dimensions.as_cube(data)
    if target is None:
        if not source:
            raise InvalidInput("Neither `target` nor `source` has labels.", code="argument-missing")
        target, source = source, None
    name = dimensions.find(cube, dimension)
    old, fresh = dimensions.labels(cube, name), items_of(as_array(target, "target"))
    given = items_of(as_array(source, "source")) if source else []
    if given:
        if len(given) != len(fresh):
            what = f"There are {len(fresh)} new labels for {len(given)} old ones."
            raise InvalidInput(what, code="label-mismatch")
        changes = {_position(cube, name, each): label for each, label in zip(given, fresh, strict=True)}
        labels = [changes.get(number, each) for number, each in enumerate(old)]
    elif not environment.strict and len(fresh) == len(old):
        if name in cube.coords and old != list(range(len(old))):
            what = f"The labels of {name} are renamed in their order: {', '.join(map(str, old[:20]))}."
            environment.say(what, "warning")
        labels = list(fresh)
    elif name in cube.coords and old != list(range(len(old))):
        what = f"The labels of {name} are not numbered 0, 1, 2 ...: {', '.join(map(str, old[:20]))}."
        raise InvalidInput(what, "", "Name those to change in `source`.", code="labels-not-enumerated")
    else:
        labels = [*fresh, *old[len(fresh) :]]
        if len(fresh) > len(old):
            what = f"There are {len(fresh)} new labels for the {len(old)} of {name}."
            raise InvalidInput(what, remedy="Give no more than there are.", code="label-mismatch")
    if len({str(label) for label in labels}) < len(labels):
        twice = next(label for label in labels if [str(each) for each in labels].count(str(label)) > 1)
        raise InvalidInput(f"The label {twice!r} would stand twice in {name}.", code="label-exists")
    if dimensions.kind(cube, name) == "temporal" and all(instants.is_date(each) or "T" in str(each) for each in labels):
        labels = [instants.instant(each) for each in labels]
    return dimensions.with_labels(cube, name, labels)


def _position(cube: xr.DataArray, name: str, label: Any) -> int:
    found = dimensions.position(cube, name, label)
    if found is None:
        listed = ", ".join(map(str, dimensions.labels(cube, name)[:20]))
        raise InvalidInput(f"{name} has no label {label!r}.", f"Labels: {listed}.", code="label-not-available")
    return found
