"""Comparison of two NetCDF, HDF5 or Zarr datasets: groups, variables, coordinates, values."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from terrafair.data import netcdf3
from terrafair.data.classify import Kind, classify
from terrafair.data.variables import blocks
from terrafair.errors import InvalidInput
from terrafair.execution.comparison.arrays import Tally
from terrafair.execution.comparison.findings import Contents, Difference, Tolerance, Unreadable

PACKING = ("scale_factor", "add_offset", "dtype")


def compare(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare every variable of every group, coordinates first; attributes do not count. Raises `Unreadable`."""
    with _open(expected) as old, _open(found) as new:
        differences = list(_names("group", old, new))
        remarks: list[str] = []
        largest = 0.0
        for group in sorted(old.keys() & new.keys()):
            contents = _group(group, (old[group], expected), (new[group], found), tolerance)
            differences += contents.differences
            remarks += contents.remarks
            largest = max(largest, contents.largest)
        return Contents(tuple(differences), tuple(remarks), largest)


def _group(group: str, expected: tuple[Any, Path], found: tuple[Any, Path], tolerance: Tolerance) -> Contents:
    (old, _), (new, _) = expected, found
    differences = list(_names("variable" if group == "/" else f"{group}: variable", old.variables, new.variables))
    remarks: list[str] = []
    largest = 0.0
    shared = [name for name in old.variables if name in new.variables]
    for name in sorted(shared, key=lambda name: (name not in old.coords, str(name))):
        where = f"{'coordinate' if name in old.coords else 'variable'} {group.strip('/')}{'/' * (group != '/')}{name}"
        if structure := list(_structure(where, old[name], new[name])):
            differences += structure
            continue
        remarks += _remarks(str(name), old[name], new[name])
        tally = _values(name, expected, found, tolerance)
        largest = max(largest, tally.within)
        if difference := tally.difference(where, partial(_place, old, name)):
            differences.append(_located(difference, old, name, tally))
    return Contents(tuple(differences), tuple(remarks), largest)


def _names(what: str, old: Mapping[Any, Any], new: Mapping[Any, Any]) -> Iterator[Difference]:
    for name in sorted(old.keys() - new.keys(), key=str):
        yield Difference(f"{what} {name}".lstrip("/"), "missing in the new file")
    for name in sorted(new.keys() - old.keys(), key=str):
        yield Difference(f"{what} {name}".lstrip("/"), "only in the new file")


def _structure(where: str, old: Any, new: Any) -> Iterator[Difference]:
    if old.dims != new.dims:
        yield Difference(where, f"dimensions ({', '.join(old.dims)}) expected, ({', '.join(new.dims)}) found")
    elif old.shape != new.shape:
        sizes = " x ".join(map(str, old.shape)), " x ".join(map(str, new.shape))
        yield Difference(where, f"{sizes[0]} values along ({', '.join(old.dims)}) expected, {sizes[1]} found")


def _remarks(name: str, old: Any, new: Any) -> Iterator[str]:
    if [old.encoding.get(key) for key in PACKING[:2]] != [new.encoding.get(key) for key in PACKING[:2]]:
        yield f"{name} is packed with another scale or offset; it was compared unpacked."
    elif old.dtype != new.dtype:
        yield f"The data type of {name} is {old.dtype} in the expected file and {new.dtype} in the new one."


def _values(name: Any, expected: tuple[Any, Path], found: tuple[Any, Path], tolerance: Tolerance) -> Tally:
    (old, old_path), (new, new_path) = expected, found
    tally = Tally(tolerance)
    for block in blocks(old[name].shape, old[name].encoding.get("chunksizes") or old[name].encoding.get("chunks")):
        pair = _read(old[name], block, old_path), _read(new[name], block, new_path)
        tally.add(*pair, [part.start for part in block])
    return tally


def _read(variable: Any, block: tuple[slice, ...], path: Path) -> Any:
    try:
        return np.asarray(variable[block].values)
    except Exception as fault:  # each format's library has errors of its own
        raise Unreadable(path, f"Reading {variable.name} fails: {_first_line(fault)}") from fault


@contextmanager
def _open(path: Path) -> Iterator[dict[str, Any]]:
    """Group -> dataset, read lazily, values unpacked."""
    import xarray as xr

    if classify(path) is Kind.NETCDF:
        try:
            netcdf3.check_whole(path)
        except InvalidInput as fault:
            raise Unreadable(path, fault.problem.what) from fault
    with ExitStack() as stack, warnings.catch_warnings():
        # Odd fill values and calendars are the file's affair; values are compared as they come out on both sides.
        warnings.simplefilter("ignore")
        faults = []
        for options in _ways(path):
            try:
                groups = dict(xr.open_groups(path, chunks=None, cache=False, **options))
            except Exception as fault:  # each format's library has errors of its own
                faults.append(fault)
                continue
            for dataset in groups.values():
                stack.callback(dataset.close)
            yield groups
            return
        raise Unreadable(path, _first_line(faults[-1])) from faults[-1]


def _ways(path: Path) -> Iterator[dict[str, Any]]:
    """Options to try: times decoded, else as numbers; the libraries that read the format."""
    if path.is_dir():
        engines: list[dict[str, Any]] = [{"engine": "zarr", "consolidated": None}]
    else:
        engines = [{"engine": "netcdf4"}, {"engine": "h5netcdf", "phony_dims": "access"}]
    for engine in engines:
        yield {**engine, "decode_times": True}
        yield {**engine, "decode_times": False}


def _place(dataset: Any, name: Any, index: tuple[int, ...]) -> str:
    """An index in coordinate values where there are some."""
    if not index:
        return "the value"
    parts = []
    for dimension, position in zip(dataset[name].dims, index, strict=True):
        axis = dataset.variables.get(dimension)
        known = axis is not None and dimension != name and axis.dims == (dimension,)
        parts.append(f"{dimension}={_text(axis.values[position])}" if known else f"{dimension}[{position}]")
    return ", ".join(parts)


def _located(difference: Difference, dataset: Any, name: Any, tally: Tally) -> Difference:
    """The finding with the area of all that differs, where x and y are known."""
    spans: dict[str, tuple[float, float]] = {}
    for dimension, low, high in zip(dataset[name].dims, tally.low, tally.high, strict=True):
        axis = dataset.variables.get(dimension)
        if axis is None or dimension == name or axis.dims != (dimension,) or axis.dtype.kind not in "iuf":
            continue
        values = np.asarray(axis.values[low : high + 1], dtype=float)
        letter = {"x": "x", "lon": "x", "longitude": "x", "y": "y", "lat": "y", "latitude": "y"}.get(
            str(dimension).lower(), ""
        )
        if letter and np.isfinite(values).all():
            spans[letter] = (float(values.min()), float(values.max()))
    if set(spans) != {"x", "y"}:
        return difference
    return replace(difference, bbox=(spans["x"][0], spans["y"][0], spans["x"][1], spans["y"][1]), crs="coordinates")


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, (float, np.floating)) else str(value)


def _first_line(fault: BaseException) -> str:
    return (str(fault) or type(fault).__name__).splitlines()[0][:300]
