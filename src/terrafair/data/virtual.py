"""NetCDF kept as it is, read like Zarr: a JSON file says where in it each chunk lies (kerchunk references).

https://fsspec.github.io/kerchunk/spec.html ; xarray opens it with `engine="kerchunk"`. All references name the file by
one template, `{{u}}`, so that a copy at another address needs one line changed (`rebased`).
"""

import json
import math
import warnings
from pathlib import Path
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.cube_source import Array, Group
from terrafair.errors import InvalidInput, Problem

SUFFIX = ".refs.json"
TEMPLATE = "u"
INLINE = 300
"""Chunks up to this many bytes go into the JSON itself."""
FETCH = 64 * 2**20
"""Bytes of a chunk beyond which a reader of one value waits for long."""


def references(path: Path, kind: Kind, address: str) -> dict[str, Any]:
    """The references into a NetCDF that will lie at `address`.

    Raises `InvalidInput` for what cannot be addressed so: HDF5 with rare filters, NetCDF-3 of 64-bit data.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = _hdf5(path) if kind is Kind.HDF5 else _classic(path)
    except Exception as fault:  # kerchunk, h5py and scipy each raise their own kinds
        raise InvalidInput(
            f"The chunks of {path.name} cannot be addressed from outside.",
            f"{type(fault).__name__}: {str(fault)[:200]}",
            "Convert it to Zarr.",
            path.name,
        ) from fault
    refs = {key: _placed(value, str(path)) for key, value in found["refs"].items()}
    return {"version": 1, "templates": {TEMPLATE: address}, "refs": refs}


def _hdf5(path: Path) -> Any:
    from kerchunk.hdf import SingleHdf5ToZarr

    # Rare filters raise here rather than when somebody reads.
    return SingleHdf5ToZarr(str(path), inline_threshold=INLINE, error="raise").translate()


def _classic(path: Path) -> Any:
    from kerchunk.netCDF3 import NetCDF3ToZarr

    return NetCDF3ToZarr(str(path), inline_threshold=INLINE, max_chunk_size=16 * 2**20).translate()


def _placed(value: Any, path: str) -> Any:
    if isinstance(value, (list, tuple)):
        address = "{{" + TEMPLATE + "}}" if str(value[0]).removeprefix("file://") == path else value[0]
        return [address, *map(int, value[1:])]
    return value.decode("utf-8") if isinstance(value, bytes) else value


def rebased(document: dict[str, Any], address: str) -> dict[str, Any]:
    """The same references for the file at another address."""
    return {**document, "templates": {**document["templates"], TEMPLATE: address}}


def open_virtual(document: dict[str, Any], file: Path) -> Any:
    """The dataset with stored values, read through the references from a local copy."""
    import xarray

    return xarray.open_dataset(
        "reference://",
        engine="zarr",
        consolidated=False,
        chunks=None,
        decode_cf=False,
        backend_kwargs={"storage_options": {"fo": json.loads(json.dumps(rebased(document, str(file))))}},
    )


def check_virtual(document: dict[str, Any], file: Path, groups: tuple[Group, ...], name: str) -> tuple[Problem, ...]:
    """What reads otherwise through the references than from the file: names, shapes, first and last values."""
    import numpy as np

    problems = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with open_virtual(document, file) as dataset:
            for array in groups[0].arrays:
                if array.name not in dataset.variables:
                    problems.append(_wrong(name, f"lacks the variable {array.name}"))
                    continue
                variable = dataset.variables[array.name]
                if array.dtype.kind == "O":
                    continue
                if tuple(variable.shape) != array.shape:
                    problems.append(_wrong(name, f"gives {array.name} the shape {variable.shape}"))
                elif math.prod(array.shape):
                    for block in _ends(array):
                        before, after = array.read(block), np.asarray(variable[block].values)
                        if before.astype(after.dtype).tobytes() != after.tobytes():
                            problems.append(_wrong(name, f"reads other values of {array.name}"))
                            break
    return tuple(problems)


def advice(groups: tuple[Group, ...], name: str) -> tuple[Problem, ...]:
    """Variables whose chunks are too large to be read in part over a network."""
    found = []
    for group in groups:
        for array in group.arrays:
            size = math.prod(array.chunks or array.shape) * max(array.dtype.itemsize, 1)
            if size > FETCH:
                what = f"{array.name} lies in pieces of {size // 2**20} MB."
                found.append(
                    Problem(
                        what, "A reader fetches whole pieces.", "Convert to Zarr (--zarr v3).", name, "large-chunks"
                    )
                )
    return tuple(found)


def _ends(array: Array) -> tuple[tuple[slice, ...], ...]:
    first = tuple(slice(0, min(size, 1)) for size in array.shape[:-1]) + tuple(slice(0, n) for n in array.shape[-1:])
    last = tuple(slice(size - 1, size) for size in array.shape[:-1]) + tuple(slice(0, n) for n in array.shape[-1:])
    return first, last


def _wrong(name: str, what: str) -> Problem:
    return Problem(f"{name} {what}.", "The references must read as the file does.", "", name, "references-invalid")
