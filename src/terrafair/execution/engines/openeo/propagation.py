"""What processes do to the metadata of cubes: dimensions, labels, sizes. Faults found on the way are reported.

A rule takes a `Call` and gives what is known of the result. Processes without a rule give the kind that their
definition names.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from terrafair.execution.engines.openeo import array_rules
from terrafair.execution.engines.openeo.abstract import ANY, Cube, Dimension, Items, Some, nearest
from terrafair.execution.engines.openeo.call import Call, check_bands
from terrafair.execution.engines.openeo.sizes import finer


def result(call: Call, returns: str) -> Any:
    """What a call gives."""
    rule = RULES.get(call.process)
    return rule(call) if rule is not None else of_type(returns)


def of_type(returns: str) -> Any:
    """The value that a definition's type stands for."""
    first = returns.partition(" | ")[0].partition("(")[0].rstrip("?")
    if first in {"cube", "raster", "timed", "banded", "bandraster"}:
        return Cube()
    if first in {"vector", "polygons", "points"}:
        return Cube((Dimension("geometry", "geometry"),))
    if first.startswith("[") or first == "labelled":
        return Items()
    kinds = {"integer": "number", "date": "string", "date-time": "string", "ml-model": "model"}
    kind = kinds.get(first, first)
    return Some(kind) if kind in {"number", "boolean", "string", "stac", "model"} else ANY


# Rules


def _same(call: Call) -> Any:
    return call.arguments.get("data", ANY)


def _reduce_dimension(call: Call) -> Cube:
    cube = call.cube()
    found = call.dimension(cube, "dimension")
    return cube.without([found.name]) if found is not None else Cube()


def _reduce_spatial(call: Call) -> Cube:
    cube = call.cube()
    return cube.without(each.name for each in call.plane(cube))


def _apply_dimension(call: Call) -> Cube:
    cube = call.cube()
    found = call.dimension(cube, "dimension")
    if found is None:
        return Cube()
    target = call.get("target_dimension")
    given = call.inside.get("process")
    size = given.size if isinstance(given, Items) else None
    if target is None or target == found.name:
        # As many values keep their labels.
        kept = found if size is not None and size == found.count else found.without_labels(size)
        return cube.changed(found, kept)
    fresh = Dimension(str(target), "other", None, size, numbered=True)
    other = cube.find(target)
    if other is None:
        return cube.changed(found, fresh)
    return cube.without([found.name]).changed(other, other.without_labels(size))


def _temporal(call: Call) -> Cube:
    cube = call.cube()
    named = call.get("dimension") is not None
    found = call.dimension(cube, "dimension", "temporal") if named else call.only(cube, "temporal")
    if found is None:
        return Cube()
    intervals = call.get("intervals")
    labels = call.get("labels")
    if isinstance(intervals, list) and isinstance(labels, list) and labels and len(labels) != len(intervals):
        what = f"{call.process}: there are {len(labels)} labels for {len(intervals)} intervals."
        call.report(what, "Each interval has one label.", "", "labels", "argument-value")
    size = len(intervals) if isinstance(intervals, list) else None
    return cube.changed(found, found.without_labels(size))


def _filter_temporal(call: Call) -> Cube:
    cube = call.cube()
    if call.get("dimension") is not None:
        call.dimension(cube, "dimension", "temporal")
    elif cube.dimensions is not None and not cube.of_kind("temporal"):
        call.only(cube, "temporal")
    found = [each.without_labels() if each.kind == "temporal" else each for each in cube.dimensions or ()]
    return cube if cube.dimensions is None else cube.with_dimensions(found)


def _filter_bands(call: Call) -> Cube:
    cube = call.cube()
    found = call.only(cube, "bands")
    wanted, ranges = call.get("bands"), call.get("wavelengths")
    if "bands" not in call.arguments and "wavelengths" not in call.arguments:
        what = "filter_bands: neither `bands` nor `wavelengths` is given."
        call.report(what, "", "Name at least one band.", "bands", "band-filter-parameter-missing")
    if found is None:
        return cube
    if not isinstance(wanted, list) or ranges or any(isinstance(each, Some | Items) for each in wanted):
        return cube.changed(found, found.without_labels())
    check_bands(call, found, wanted, "bands")
    return cube.changed(found, replace(found, labels=tuple(wanted)))


def _filter_labels(call: Call) -> Cube:
    cube = call.cube()
    found = call.dimension(cube, "dimension")
    return cube.changed(found, found.without_labels()) if found is not None else cube


def _cut(call: Call) -> Cube:
    """Any smaller size along x and y."""
    cube = call.cube()
    if cube.dimensions is None or (cube.of_kind("geometry") and not cube.of_kind("spatial")):
        return cube
    plane = call.plane(cube)
    return cube.with_dimensions(each.without_labels() if each in plane else each for each in cube.dimensions)


def _on_plane(call: Call) -> Cube:
    cube = call.cube()
    call.plane(cube)
    return cube


def _neighborhood(call: Call) -> Cube:
    cube = call.cube()
    for argument in ("size", "overlap"):
        for entry in call.get(argument) or ():
            name = entry.get("dimension") if isinstance(entry, Mapping) else None
            if isinstance(name, str) and cube.dimensions is not None and cube.find(name) is None:
                known = [each.name for each in cube.dimensions]
                what = f"{call.process}: the cube has no dimension {name!r}."
                why = f"It has: {', '.join(known)}."
                call.report(what, why, nearest(name, known), argument, "dimension-not-available")
    # User-defined functions may change other dimensions than those that are cut.
    return Cube() if call.inside.get("process") is ANY else cube


def _aggregate_spatial(call: Call) -> Cube:
    cube = call.cube()
    plane = call.plane(cube)
    target = call.get("target_dimension")
    if cube.dimensions is None:
        return Cube()
    if target is not None and cube.find(target):
        what = f"aggregate_spatial: the cube has a dimension {target} already."
        call.report(what, "", "Choose another name.", "target_dimension", "target-dimension-exists")
    rest = cube.without(each.name for each in plane).dimensions or ()
    extra = (Dimension(str(target), "other", ("value", "total_count", "valid_count")),) if target else ()
    return cube.with_dimensions([Dimension("geometry", "geometry"), *rest, *extra])


def _add_dimension(call: Call) -> Cube:
    cube, name = call.cube(), call.get("name")
    if cube.dimensions is None or not isinstance(name, str):
        return Cube()
    if any(each.name == name for each in cube.dimensions):
        what = f"add_dimension: the cube has a dimension {name} already."
        call.report(what, "", "Choose another name.", "name", "dimension-exists")
        return cube
    label = call.get("label")
    kind = call.get("type") or "other"
    fresh = Dimension(name, str(kind), None if label is None else (label,), 1)
    return cube.with_dimensions([fresh, *cube.dimensions])


def _drop_dimension(call: Call) -> Cube:
    cube = call.cube()
    found = call.dimension(cube, "name")
    if found is None:
        return Cube()
    if found.count is not None and found.count > 1:
        what = f"drop_dimension: the dimension {found.name} has {found.count} labels."
        why = "Only one with a single label can be dropped."
        call.report(what, why, "Reduce or filter it first.", "name", "dimension-label-count-mismatch")
    return cube.without([found.name])


def _rename_dimension(call: Call) -> Cube:
    cube, target = call.cube(), call.get("target")
    found = call.dimension(cube, "source")
    if found is None or not isinstance(target, str):
        return Cube()
    if target != found.name and any(each.name == target for each in cube.dimensions or ()):
        what = f"rename_dimension: the cube has a dimension {target} already."
        call.report(what, "", "Choose another name.", "target", "dimension-exists")
    return cube.changed(found, replace(found, name=target, aliases=frozenset()))


def _rename_labels(call: Call) -> Cube:
    cube, target, source = call.cube(), call.get("target"), call.get("source")
    found = call.dimension(cube, "dimension")
    if found is None:
        return Cube()
    if not isinstance(target, list):
        return cube.changed(found, found.without_labels(found.count))
    if source and isinstance(source, list):
        if len(source) != len(target):
            what = f"rename_labels: there are {len(target)} new labels for {len(source)} old ones."
            call.report(what, "Each old label gets one new.", "", "target", "label-mismatch")
            return cube.changed(found, found.without_labels(found.count))
        if found.labels is None:
            return cube
        for label in source:
            if label not in found.labels and label not in found.aliases:
                what = f"rename_labels: {found.name} has no label {label!r}."
                why = f"Labels: {', '.join(map(str, found.labels[:30]))}."
                call.report(what, why, nearest(label, found.labels), "source", "label-not-available")
        changes = dict(zip(source, target, strict=True))
        return cube.changed(found, replace(found, labels=tuple(changes.get(each, each) for each in found.labels)))
    if found.count is not None and len(target) > found.count:
        what = f"rename_labels: there are {len(target)} new labels for the {found.count} of {found.name}."
        call.report(what, "", "Give no more than there are.", "target", "label-mismatch")
    return cube.changed(found, replace(found, labels=tuple(target), numbered=False))


def _merge_cubes(call: Call) -> Cube:
    one, two = call.cube("cube1"), call.cube("cube2")
    if one.dimensions is None or two.dimensions is None:
        return Cube()
    first, second = ({each.name for each in cube.dimensions or ()} for cube in (one, two))
    if not (first <= second or second <= first):
        bands = [cube.of_kind("bands") for cube in (one, two)]
        if all(len(own) == 1 and own[0].count in {1, None} for own in bands):
            return one
        what = "merge_cubes: each cube has dimensions that the other lacks."
        why = f"They have {', '.join(sorted(first))} and {', '.join(sorted(second))}."
        call.report(what, why, "Add or reduce dimensions first.", "cube2", "incompatible-data-cubes")
        return Cube()
    wide, slim = (one, two) if second <= first else (two, one)
    pairs = [(each, slim.find(each.name)) for each in wide.dimensions or ()]
    known = all(
        o is None or (each.labels is not None and o.labels is not None) for each, o in pairs if each.kind == "bands"
    )
    union = [_union(each, other) for each, other in pairs]
    apart = any(o is not None and each.kind == "bands" and each.labels != o.labels for each, o in pairs)
    overlap = call.arguments.get("overlap_resolver")
    if overlap is None and first == second and known and not apart and _alike(pairs):
        what = "merge_cubes: both cubes have the same labels, and nothing says what becomes of two values."
        call.report(what, "", "Give an `overlap_resolver`.", "overlap_resolver", "overlap-resolver-missing")
    return wide.with_dimensions(union)


def _alike(pairs: list[tuple[Dimension, Dimension | None]]) -> bool:
    """Whether all labels are known to be the same; dates that are not known may differ."""
    return all(o is not None and o.labels is not None and o.labels == each.labels for each, o in pairs)


def _union(one: Dimension, two: Dimension | None) -> Dimension:
    if two is None:
        return one
    if one.labels is not None and two.labels is not None:
        return replace(one, labels=tuple(dict.fromkeys([*one.labels, *two.labels])))
    sizes = (one.count, two.count)
    return one.without_labels(max(size for size in sizes if size is not None) if None not in sizes else None)


def _mask(call: Call) -> Cube:
    cube, mask = call.cube(), call.cube("mask")
    if cube.dimensions is not None and mask.dimensions is not None:
        names = {each.name for each in cube.dimensions}
        more = [each.name for each in mask.dimensions if each.name not in names and (each.count or 1) > 1]
        if more:
            what = f"mask: the mask has dimensions that the data has not: {', '.join(more)}."
            call.report(what, "", "Reduce them first.", "mask", "incompatible-data-cubes")
    return cube


def _ndvi(call: Call) -> Cube:
    cube = call.cube()
    found = call.only(cube, "bands")
    if found is None:
        return Cube()
    for argument in ("nir", "red"):
        if call.get(argument) is not None:
            check_bands(call, found, call.get(argument), argument)
    target = call.get("target_band")
    if target is None:
        return cube.without([found.name])
    if found.labels is not None and target in found.labels:
        what = f"ndvi: the cube has a band {target} already."
        call.report(what, "", "Choose another name.", "target_band", "band-exists")
    return cube.changed(found, found if found.labels is None else replace(found, labels=(*found.labels, target)))


def _resampled(call: Call) -> Cube:
    cube, target = call.cube(), call.cube("target")
    if cube.dimensions is None:
        return cube
    plane = call.plane(cube)
    axes = {each.name: each for each in target.of_kind("spatial")}
    sizes = {each.name: axes[each.name].count if each.name in axes else None for each in plane}
    sizes |= finer(call, cube)
    changed = [each.without_labels(sizes[each.name]) if each in plane else each for each in cube.dimensions]
    return replace(cube.with_dimensions(changed), crs=target.crs or call.get("projection") or cube.crs)


def _flattened(call: Call) -> Cube:
    cube, names, target = call.cube(), call.get("dimensions"), call.get("target_dimension")
    if cube.dimensions is None or not isinstance(names, list) or not isinstance(target, str):
        return Cube()
    for name in names:
        if isinstance(name, str) and cube.find(name) is None:
            known = [each.name for each in cube.dimensions]
            what = f"flatten_dimensions: the cube has no dimension {name!r}."
            call.report(
                what, f"It has: {', '.join(known)}.", nearest(name, known), "dimensions", "dimension-not-available"
            )
    return cube.without(map(str, names)).with_dimensions(
        [*(cube.without(map(str, names)).dimensions or ()), Dimension(target, "other")]
    )


def _unflattened(call: Call) -> Cube:
    cube, targets = call.cube(), call.get("target_dimensions")
    found = call.dimension(cube, "dimension")
    if found is None or not isinstance(targets, list):
        return Cube()
    return cube.without([found.name]).with_dimensions(
        [*(cube.without([found.name]).dimensions or ()), *(Dimension(str(each), "other") for each in targets)]
    )


RULES: Mapping[str, Callable[[Call], Any]] = {
    "add_dimension": _add_dimension,
    "aggregate_spatial": _aggregate_spatial,
    "aggregate_spatial_window": _cut,
    "aggregate_temporal": _temporal,
    "aggregate_temporal_period": _temporal,
    "anomaly": _same,
    "apply": _same,
    "apply_dimension": _apply_dimension,
    "apply_kernel": _on_plane,
    "apply_neighborhood": _neighborhood,
    "apply_polygon": _neighborhood,
    "ard_normalized_radar_backscatter": _same,
    "ard_surface_reflectance": _same,
    "array_apply": array_rules.array_same,
    "array_create": array_rules.array_create,
    "array_element": array_rules.array_element,
    "array_interpolate_linear": array_rules.array_same,
    "atmospheric_correction": _same,
    "chunk_polygon": _neighborhood,
    "climatological_normal": _temporal,
    "constant": array_rules.constant,
    "cummax": array_rules.array_same,
    "cummin": array_rules.array_same,
    "cumproduct": array_rules.array_same,
    "cumsum": array_rules.array_same,
    "dimension_labels": array_rules.dimension_labels,
    "drop_dimension": _drop_dimension,
    "filter_bands": _filter_bands,
    "filter_bbox": _cut,
    "filter_labels": _filter_labels,
    "filter_spatial": _cut,
    "filter_temporal": _filter_temporal,
    "flatten_dimensions": _flattened,
    "if": array_rules.if_,
    "inspect": _same,
    "mask": _mask,
    "mask_polygon": _on_plane,
    "mask_scl_dilation": _same,
    "merge_cubes": _merge_cubes,
    "ndvi": _ndvi,
    "reduce_dimension": _reduce_dimension,
    "reduce_spatial": _reduce_spatial,
    "rename_dimension": _rename_dimension,
    "rename_labels": _rename_labels,
    "resample_cube_spatial": _resampled,
    "resample_spatial": _resampled,
    "run_udf": array_rules.run_udf,
    "sar_backscatter": _same,
    "to_scl_dilation_mask": _on_plane,
    "trim_cube": _same,
    "unflatten_dimension": _unflattened,
}
ELEMENTWISE: Callable[[Call], Any] = array_rules.elementwise
