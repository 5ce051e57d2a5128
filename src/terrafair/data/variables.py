"""The variables of a data cube as STAC bands, with the statistics of their values."""

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.facts import data_type, nodata_value, plain, plain_number
from terrafair.data.statistics import Running

BLOCK = 2**22
"""Values read at once."""
MOST = 2**33
"""Values beyond which statistics are left out: they would take hours."""
NETCDF_FILL = 9.969209968386869e36


def band(name: str, variable: Any, kind: Kind, *, measured: bool) -> dict[str, Any]:
    """One variable; with its statistics where it is to be measured."""
    found: dict[str, Any] = {"name": name, "data_type": data_type(_stored_type(variable))}
    if description := described(variable):
        found["description"] = description
    for key in ("_FillValue", "missing_value"):
        if "nodata" not in found and (fill := variable.encoding.get(key, variable.attrs.get(key))) is not None:
            found |= {"nodata": value} if (value := _fill(fill)) is not None else {}
    if units := variable.attrs.get("units"):
        found["unit"] = str(units)
    scale, offset = variable.encoding.get("scale_factor"), variable.encoding.get("add_offset")
    if scale is not None or offset is not None:
        found["raster:scale"] = _number(scale, 1.0)
        found["raster:offset"] = _number(offset, 0.0)
    if measured and variable.dtype.kind in "fiub" and variable.size:
        default = _default_fill(variable, kind) if "nodata" not in found else None
        found["statistics"], unwritten = _statistics(variable, default)
        found |= {"nodata": default} if unwritten else {}
    return dict(plain(found))


def described(variable: Any) -> str:
    """What the variable says of itself, if anything."""
    for key in ("long_name", "standard_name", "description"):
        value = variable.attrs.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:500]
    return ""


def _stored_type(variable: Any) -> str:
    stored = str(variable.encoding.get("dtype", variable.dtype))
    # NetCDF-3 has no unsigned integers: an attribute says that these are meant so.
    unsigned = str(variable.encoding.get("_Unsigned", "")).lower() == "true"
    return f"u{stored}" if unsigned and stored.startswith("int") else stored


def _fill(value: Any) -> float | int | str | None:
    """A no-data value where it is one number."""
    if isinstance(value, (str, bytes)) or (hasattr(value, "size") and value.size != 1):
        return None
    try:
        return nodata_value(value.ravel()[0] if hasattr(value, "ravel") else value)
    except (TypeError, ValueError):
        return None


def _number(value: Any, default: float) -> float:
    return default if value is None else float(plain_number(value.ravel()[0] if hasattr(value, "ravel") else value))


def _default_fill(variable: Any, kind: Kind) -> float | None:
    """What the NetCDF library writes where nothing was written; xarray takes it for data."""
    return NETCDF_FILL if kind is not Kind.ZARR and str(variable.dtype) in {"float32", "float64"} else None


def _statistics(variable: Any, fill: float | None) -> tuple[dict[str, float], bool]:
    """The statistics, and whether `fill` was seen."""
    import numpy as np

    running, seen = Running(), False
    for block in blocks(variable.shape, variable.encoding.get("chunksizes") or variable.encoding.get("chunks")):
        values = np.asarray(variable[block].values)
        unwritten = None if fill is None else values == values.dtype.type(fill)
        seen = seen or (unwritten is not None and bool(unwritten.any()))
        running.add(values, unwritten)
    return running.document(), seen


def blocks(shape: Sequence[int], chunks: Sequence[int] | None) -> Iterator[tuple[slice, ...]]:
    """Parts of an array, made of whole chunks so that none is decompressed twice."""
    if 0 in shape:
        return
    sizes = [max(1, min(chunk, size)) for chunk, size in zip(chunks or [1] * len(shape), shape, strict=True)]
    for axis in reversed(range(len(shape))):
        room = BLOCK // max(math.prod(sizes), 1)
        if room > 1:
            sizes[axis] = min(shape[axis], sizes[axis] * room)
    starts = itertools.product(*(range(0, length, size) for length, size in zip(shape, sizes, strict=True)))
    for start in starts:
        yield tuple(slice(begin, begin + size) for begin, size in zip(start, sizes, strict=True))
