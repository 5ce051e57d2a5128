"""What is known of one file, before it becomes a STAC asset."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.data.classify import Kind
from terrafair.data.footprint import Footprint
from terrafair.data.moments import Span
from terrafair.errors import Problem


@dataclass(frozen=True, slots=True)
class Facts:
    """One file, read."""

    kind: Kind
    media_type: str
    roles: tuple[str, ...] = ("data",)
    asset: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the asset, e.g. `bands`."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the item that holds it, e.g. `cube:dimensions`."""
    projection: Mapping[str, Any] = field(default_factory=dict)
    """`proj:` fields."""
    footprint: Footprint | None = None
    """Where it lies; None where it says nothing."""
    span: Span | None = None
    """When it applies; None where it says nothing."""
    remarks: tuple[Problem, ...] = ()
    """What is odd and does not stop the description."""


def plain(value: Any) -> Any:
    """The value in JSON's own types: numpy's are unpacked, NaN and infinities become None."""
    if type(value) in {str, int, bool} or value is None:
        return value
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if value is None or isinstance(value, (bool, int, str)) else str(value)


def table(columns: Iterable[tuple[str, str]], rows: int, geometry: str = "") -> dict[str, Any]:
    """Fields of the table extension; two columns may have one name."""
    named = [{"name": name, "type": kind} for name, kind in columns if name]
    if not named:
        return {}
    fields: dict[str, Any] = {"table:columns": named, "table:row_count": rows}
    if geometry:
        fields["table:primary_geometry"] = geometry
    return fields


def nodata_value(value: Any) -> float | int | str | None:
    """A no-data value as STAC writes it; None where there is none."""
    if value is None:
        return None
    number = plain_number(value)
    if isinstance(number, float):
        if math.isnan(number):
            return "nan"
        if math.isinf(number):
            return "inf" if number > 0 else "-inf"
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return number


def plain_number(value: Any) -> float | int:
    """A number of numpy's as one of Python's."""
    number = value.item() if hasattr(value, "item") else value
    return number if isinstance(number, int) else float(number)


DATA_TYPES = {
    "int8",
    "int16",
    "int32",
    "int64",
    "uint8",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "float32",
    "float64",
}


def data_type(name: str) -> str:
    """STAC's name of a numpy or GDAL type."""
    complexes = {
        "complex64": "cfloat32",
        "complex128": "cfloat64",
        "complex_int16": "cint16",
        "complex_int32": "cint32",
        "bool": "uint8",
    }
    return name if name in DATA_TYPES else complexes.get(name, "other")
