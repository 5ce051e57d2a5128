"""Joins two cubes."""

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, blocks, dimensions, periods
from terrafair.execution.engines.openeo.evaluate import Callback, Environment
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.processes.filters import on_grid


def merge_cubes(
    environment: Environment, cube1: Any, cube2: Any, overlap_resolver: Any = None, context: Any = None
) -> xr.DataArray:
    """Join along the one dimension whose labels differ, or resolve what both have.

    A cube that lacks dimensions counts for each label of them. A second raster on another grid is resampled to the
    first by the nearest pixel; where pixels coincide, areas may differ.
    """
    one, two = dimensions.as_cube(cube1, "cube1"), dimensions.as_cube(cube2, "cube2")
    resolver = None if overlap_resolver is None else callback(overlap_resolver, "overlap_resolver")
    return merged(one, two, resolver, context, strict=environment.strict)


def merged(
    one: xr.DataArray, two: xr.DataArray, resolver: Callback | None = None, context: Any = None, *, strict: bool = True
) -> xr.DataArray:
    """The union of two cubes."""
    two = _dated(one, _aligned_names(one, two))
    one = _dated(two, one)
    two = two if strict else _without_strange_band(one, two)
    if dimensions.is_raster(one) and dimensions.is_raster(two) and not _grids_meet(one, two):
        two = on_grid(two, one)
    _check_shared(one, two, [str(name) for name in one.dims if name in two.dims])
    if set(one.dims) != set(two.dims):
        one, two = _broadcast(one, two)
    shared = [str(name) for name in one.dims]
    two = two.transpose(*one.dims)
    differing = [name for name in shared if not _same(one, two, name)]
    if not differing:
        return _resolved(one, _labelled_like(two, one), resolver, context)
    return _joined(one, two, differing, resolver, context)


def _aligned_names(one: xr.DataArray, two: xr.DataArray) -> xr.DataArray:
    """The second cube under the first's names, where only an alias differs."""
    changes = {}
    for name in map(str, two.dims):
        if name in one.dims:
            continue
        aliases = two[name].attrs.get("alias", ()) if name in two.coords else ()
        match = next((alias for alias in aliases if alias in one.dims and alias not in two.dims), None)
        if match:
            changes[name] = match
    return two.rename(changes) if changes else two


def _dated(model: xr.DataArray, cube: xr.DataArray) -> xr.DataArray:
    """Periods such as 2024-06 as their first instants, where the other cube has instants."""
    for name in dimensions.of_kind(cube, "temporal"):
        if cube[name].dtype.kind == "M" or name not in model.coords or model[name].dtype.kind != "M":
            continue
        period = str(cube[name].attrs.get("period", "month"))
        moments = np.array([periods.start(str(label), period) for label in cube[name].values], "datetime64[ns]")
        cube = dimensions.with_labels(cube, name, moments)
    return cube


def _without_strange_band(one: xr.DataArray, two: xr.DataArray) -> xr.DataArray:
    """Back-ends with a single band dimension take one of another name, with one label, for it."""
    strange = [name for name in dimensions.of_kind(two, "bands") if name not in one.dims and two.sizes[name] == 1]
    alone = [name for name in dimensions.of_kind(one, "bands") if name not in two.dims]
    return two.squeeze(strange[0], drop=True) if len(strange) == len(alone) == 1 else two


def _check_shared(one: xr.DataArray, two: xr.DataArray, shared: list[str]) -> None:
    for name in shared:
        if dimensions.kind(one, name) != dimensions.kind(two, name):
            what = f"{name} is {dimensions.kind(one, name)} in one cube and {dimensions.kind(two, name)} in the other."
            raise InvalidInput(what, remedy="Rename one of them.", code="incompatible-data-cubes")


def _grids_meet(one: xr.DataArray, two: xr.DataArray) -> bool:
    """Whether pixels coincide where the areas overlap; then nothing needs to be resampled."""
    names = [*dimensions.horizontal(one), *dimensions.horizontal(two)]
    if any(name not in cube.coords for cube in (one, two) for name in names if name in cube.dims):
        return True
    if not area.same_system(dimensions.reference_system(one), dimensions.reference_system(two)):
        return False
    pairs = zip(dimensions.horizontal(one), dimensions.horizontal(two), strict=True)
    return all(_fits(one[first].values, two[second].values) for first, second in pairs)


def _fits(one: Any, two: Any) -> bool:
    if not len(one) or not len(two):
        return True
    step = area.resolution(one) or area.resolution(two) or 1.0
    other = area.resolution(two) or step
    shift = (float(two[0]) - float(one[0])) / step
    return abs(other / step - 1) <= 1e-4 and abs(shift - round(shift)) <= 1e-2


def _same(one: xr.DataArray, two: xr.DataArray, name: str) -> bool:
    if one.sizes[name] != two.sizes[name]:
        return False
    if dimensions.kind(one, name) == "spatial" and name in one.coords and name in two.coords:
        slack = abs(area.resolution(one[name].values)) * 1e-3 or 1e-9
        return bool(np.allclose(one[name].values.astype(float), two[name].values.astype(float), rtol=0, atol=slack))
    return dimensions.labels(one, name) == dimensions.labels(two, name)


def _labelled_like(two: xr.DataArray, one: xr.DataArray) -> xr.DataArray:
    return two.assign_coords({name: one[name] for name in one.dims if name in one.coords})


def _resolved(one: xr.DataArray, two: xr.DataArray, resolver: Callback | None, context: Any) -> xr.DataArray:
    if resolver is None:
        what = "Both cubes have values at the same labels."
        raise InvalidInput(what, remedy="Give an `overlap_resolver`.", code="overlap-resolver-missing")
    data = blocks.combine(one.data, two.data, resolver, context)
    return dimensions.rebuilt(one, data, [str(name) for name in one.dims])


def _broadcast(one: xr.DataArray, two: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Both with all dimensions; the cube with fewer of them counts for each label of the others."""
    if set(one.dims) < set(two.dims):
        return _widened(one, two), two
    if set(two.dims) < set(one.dims):
        return one, _widened(two, one)
    alone = [str(name) for name in set(one.dims) ^ set(two.dims)]
    what = f"Each cube has dimensions that the other lacks: {', '.join(sorted(alone))}."
    raise InvalidInput(what, remedy="Add or reduce dimensions first.", code="incompatible-data-cubes")


def _widened(cube: xr.DataArray, wide: xr.DataArray) -> xr.DataArray:
    missing = [str(name) for name in wide.dims if name not in cube.dims]
    bare = cube.drop_vars([name for name in missing if name in cube.coords])
    found = bare.expand_dims({name: wide.sizes[name] for name in missing})
    return found.assign_coords({name: wide[name] for name in missing if name in wide.coords}).transpose(*wide.dims)


def _joined(
    one: xr.DataArray, two: xr.DataArray, differing: list[str], resolver: Callback | None, context: Any
) -> xr.DataArray:
    """The union of the labels; where both have some, the resolver decides; gaps are no-data."""
    keys = {name: _keys(one, two, name) for name in differing}
    both = all(set(first) & set(second) for first, second, _ in keys.values())
    if both and resolver is None:
        shown = ", ".join(differing)
        what = f"The cubes overlap: they share some labels along {shown} and all along the other dimensions."
        raise InvalidInput(what, remedy="Give an `overlap_resolver`.", code="overlap-resolver-missing")
    if len(differing) == 1 and not both:
        return _appended(one, two, differing[0])
    wide_one, wide_two = (_spread(cube, keys, number) for number, cube in enumerate((one, two)))
    if resolver is None:
        joined = wide_one.combine_first(wide_two)
    else:
        solved = blocks.combine(wide_one.data, wide_two.data, resolver, context)
        inside_one, inside_two = (_present(wide_one, keys, number) for number in (0, 1))
        either = xr.where(inside_one, wide_one, wide_two)
        joined = xr.where(inside_one & inside_two, wide_one.copy(data=solved), either)
    joined = joined.transpose(*one.dims)
    extra = {name: dimensions.coordinate(name, keys[name][2], one[name].attrs) for name in differing}
    return dimensions.rebuilt(one, joined.data, [str(name) for name in one.dims], extra)


def _appended(one: xr.DataArray, two: xr.DataArray, name: str) -> xr.DataArray:
    kind = np.result_type(one.dtype, two.dtype)
    joined = xr.concat(
        [one.astype(kind), _others_like(two, one, name).astype(kind)], name, join="override", coords="minimal",
        compat="override",
    )  # fmt: skip
    attributes = dict(one[name].attrs)
    for key in ("common_names", "wavelengths"):
        if key in two[name].attrs:
            attributes[key] = {**two[name].attrs[key], **attributes.get(key, {})}
    labels = _values(one, name) + _values(two, name)
    order = range(len(labels))
    if dimensions.kind(one, name) in {"temporal", "spatial"}:
        falling = dimensions.kind(one, name) == "spatial" and area.resolution(one[name].values) < 0
        order = sorted(order, key=lambda number: labels[number], reverse=falling)  # type: ignore[assignment]
    joined = joined.isel({name: list(order)})
    joined = joined.drop_vars(name).assign_coords(
        {name: dimensions.coordinate(name, [labels[number] for number in order], attributes)}
    )
    joined.attrs = dict(one.attrs)
    return joined.transpose(*one.dims)


def _others_like(two: xr.DataArray, one: xr.DataArray, name: str) -> xr.DataArray:
    return two.assign_coords({each: one[each] for each in one.dims if each != name and each in one.coords})


def _values(cube: xr.DataArray, name: str) -> list[Any]:
    return list(cube[name].values) if name in cube.coords else dimensions.labels(cube, name)


def _keys(one: xr.DataArray, two: xr.DataArray, name: str) -> tuple[list[Any], list[Any], list[Any]]:
    """Labels of both as positions in their union, and the union."""
    if dimensions.kind(one, name) == "spatial":
        # Counted in pixels: floats of equal places differ in their last digits.
        origin, step = float(one[name].values[0]), area.resolution(one[name].values) or 1.0
        first, second = ([round((float(v) - origin) / step) for v in cube[name].values] for cube in (one, two))
        known = {place: value for cube, places in ((two, second), (one, first))
                 for place, value in zip(places, cube[name].values, strict=True)}  # fmt: skip
        places = list(range(min(known), max(known) + 1))
        union = [known.get(place, origin + place * step) for place in places]
        return [p - places[0] for p in first], [p - places[0] for p in second], union
    values = [*_values(one, name), *(v for v in _values(two, name) if v not in set(_values(one, name)))]
    if dimensions.kind(one, name) == "temporal":
        values = sorted(values)
    place = {value: number for number, value in enumerate(values)}
    return [place[v] for v in _values(one, name)], [place[v] for v in _values(two, name)], values


def _spread(cube: xr.DataArray, keys: dict[str, tuple[list[Any], list[Any], list[Any]]], number: int) -> xr.DataArray:
    """The cube at the places of the union, no-data elsewhere."""
    wide = cube.drop_vars(list(cube.coords))
    gaps = any(len(found[number]) < len(found[2]) for found in keys.values())
    if gaps and wide.dtype.kind != "f":
        wide = wide.astype(np.float32 if wide.dtype.itemsize <= 2 else np.float64)
    for name, found in keys.items():
        wide = wide.assign_coords({name: found[number]}).reindex({name: list(range(len(found[2])))}).drop_vars(name)
    return wide


def _present(wide: xr.DataArray, keys: dict[str, tuple[list[Any], list[Any], list[Any]]], number: int) -> xr.DataArray:
    present = xr.DataArray(True)
    for name, found in keys.items():
        flags = np.zeros(len(found[2]), bool)
        flags[found[number]] = True
        present = present & xr.DataArray(flags, dims=(name,))
    return present.broadcast_like(wide)
