"""Cubes as they are stored: numbers unscaled, times undecoded, attributes kept; nothing is read before it is asked.

So packed values, encodings of time and grid mappings pass from one format to another without a change.
"""

import errno
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terrafair.data import netcdf3
from terrafair.data.classify import Kind
from terrafair.data.datasets import check_zarr, unreadable
from terrafair.data.facts import plain
from terrafair.errors import InvalidInput, TerrafairError

Block = tuple[slice, ...]
NETCDF_FILL = 9.969209968386869e36
"""What the NetCDF library writes into reals where nothing was written."""
_NANOSECONDS = {"units": "nanoseconds since 1970-01-01", "calendar": "proleptic_gregorian"}


@dataclass(frozen=True, slots=True)
class Array:
    """One variable of a cube."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: Any
    """numpy's, of the stored values, in this machine's byte order; `object` for texts of any length."""
    attributes: Mapping[str, Any]
    """In JSON's own types; without `_FillValue`."""
    read: Callable[[Block], Any]
    """The stored values of a part."""
    fill: Any = None
    """The stored value that means no data."""
    chunks: tuple[int, ...] | None = None
    """How the source cuts it; None where it does not."""
    default_fill: bool = False
    """Whether its library marks unwritten values by a number of its own."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of variables; the root's path is empty."""

    path: str
    attributes: Mapping[str, Any]
    arrays: tuple[Array, ...]


@contextmanager
def opened(path: Path, kind: Kind) -> Iterator[tuple[Group, ...]]:
    """All groups of a NetCDF or Zarr; raises `InvalidInput` for one that cannot be read or holds nothing."""
    options: dict[str, Any] = {"engine": "netcdf4", "cache": False}
    if kind is Kind.NETCDF:
        netcdf3.check_whole(path)
    if kind is Kind.ZARR:
        if path.is_dir():
            check_zarr(path)
        options = {"engine": "zarr", "cache": False, "chunks": None}
    raw = {"mask_and_scale": False, "decode_times": False, "decode_coords": False, "decode_timedelta": False}
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore")
        try:
            groups = _groups(path, {**options, **raw}, stack, default_fill=kind is not Kind.ZARR)
            if not any(group.arrays for group in groups):
                raise InvalidInput(f"{path.name} holds no variable.", "There is nothing to convert.", where=path.name)
            yield groups
        except TerrafairError:
            raise
        except OSError as fault:
            if fault.errno in {errno.ENOSPC, errno.EDQUOT}:
                # Not the file's doing: the place where it is written to is full.
                raise
            raise unreadable(path, fault) from fault
        except Exception as fault:  # NetCDF, HDF5, Zarr and their codecs each raise their own kinds
            raise unreadable(path, fault) from fault


def _groups(path: Path, options: dict[str, Any], stack: ExitStack, *, default_fill: bool) -> tuple[Group, ...]:
    import xarray

    found = []
    source: Any = path
    if path.suffix == ".zip":
        from zarr.storage import ZipStore

        source = stack.enter_context(ZipStore(path, mode="r"))
    for name, dataset in xarray.open_groups(source, **options).items():
        stack.enter_context(dataset)
        arrays = tuple(_array(str(key), dataset.variables[key], default_fill=default_fill) for key in dataset.variables)
        found.append(Group(name.strip("/"), plain_attributes(dataset.attrs), arrays))
    return tuple(found)


def _array(name: str, variable: Any, *, default_fill: bool) -> Array:
    import numpy as np

    attributes = dict(variable.attrs)
    fill = attributes.pop("_FillValue", variable.encoding.get("_FillValue"))
    kind = variable.dtype.kind
    if kind not in "biufcSUOTmM":
        raise InvalidInput(
            f"The variable {name} is of the type {variable.dtype}.",
            "Zarr holds numbers and texts.",
            "Write each member as a variable of its own.",
            name,
        )
    dtype = np.dtype(object) if kind in "SUOT" else variable.dtype.newbyteorder("=")
    if kind in "mM":
        # Dates as a type of their own are known to few readers, CF's numbers to all.
        dtype, fill = np.dtype(np.int64), np.iinfo(np.int64).min
        attributes |= _NANOSECONDS if kind == "M" else {"units": "nanoseconds"}
    return Array(
        name,
        tuple(map(str, variable.dims)),
        tuple(variable.shape),
        dtype,
        plain_attributes(attributes),
        lambda block: _stored(np.asarray(variable[block].values)),
        fill=None if dtype.kind == "O" or fill is None else np.asarray(fill).ravel()[0],
        chunks=_chunks(variable.encoding),
        default_fill=default_fill,
    )


def _chunks(encoding: Mapping[str, Any]) -> tuple[int, ...] | None:
    cut = encoding.get("preferred_chunks")
    chunks = encoding.get("chunksizes") or (tuple(cut.values()) if cut else None)
    return tuple(chunks) if chunks and not encoding.get("contiguous") else None


def _stored(values: Any) -> Any:
    kind = values.dtype.kind
    if kind in "SUOT":
        return _texts(values)
    if kind in "mM":
        return values.astype(f"{kind}8[ns]").astype("int64")
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _texts(values: Any) -> Any:
    import numpy as np

    def text(value: Any) -> str:
        if not isinstance(value, (str, bytes)):
            raise InvalidInput(
                f"A variable holds lists of any length ({str(value)[:40]}).",
                "Zarr holds numbers and texts.",
                "Write them as rows of one length.",
            )
        return value.decode("utf-8", "replace").rstrip("\0") if isinstance(value, bytes) else str(value)

    found = np.empty(values.shape, dtype=object)
    flat = found.reshape(-1)
    for number, value in enumerate(values.ravel()):
        flat[number] = text(value)
    return found


def plain_attributes(attributes: Mapping[Any, Any]) -> dict[str, Any]:
    """Attributes in JSON's own types: a NaN that means no data is left out, since reals have that meaning anyway."""
    found = {}
    for name, value in attributes.items():
        made = plain(value)
        if made is None and name in {"missing_value", "valid_min", "valid_max"}:
            continue
        found[str(name)] = "NaN" if made is None and value is not None else made
    return found
