"""The arrays that processes see inside callbacks, and the rules for no-data in them.

Three kinds of value meet here. A *block* is a numpy array: one element for every pixel of a part of a cube, with
not-a-number as no-data. A *stack* is an openEO array of blocks along its first axis. Everything else is plain JSON,
where None is no-data and not-a-number is a number, as the specification has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from terrafair.errors import InvalidInput

Block = npt.NDArray[Any]
Label = Any


@dataclass(frozen=True, slots=True)
class Stack:
    """An array whose elements are blocks."""

    values: Block
    """Shape (elements, ...)."""
    labels: tuple[Label, ...] | None = None
    cube: Any = None
    """The xarray.DataArray that it was cut from, for UDFs, which see names and labels."""
    dimension: str | None = None
    """The cube's dimension that became the first axis; None: the whole cube is the only element."""

    def __len__(self) -> int:
        return int(self.values.shape[0])


@dataclass(frozen=True, slots=True)
class LabelledArray:
    """A plain array whose elements have labels."""

    values: tuple[Any, ...]
    labels: tuple[Label, ...]

    def __post_init__(self) -> None:
        if len(self.values) != len(self.labels):
            what = f"There are {len(self.labels)} labels for {len(self.values)} values."
            raise InvalidInput(what, "Each value has one label.", code="array-length-mismatch")

    def __len__(self) -> int:
        return len(self.values)


VALUES = 2_000_000
"""Plain values that an array may hold, with those of the arrays in it."""
Array = list[Any] | LabelledArray | Stack


def is_block(value: Any) -> bool:
    """Tell blocks from plain values."""
    return isinstance(value, np.ndarray)


def as_array(value: Any, argument: str = "data") -> Array:
    """Check that a value is an array; lists that hold blocks become a stack."""
    if isinstance(value, Stack | LabelledArray):
        return value
    if isinstance(value, tuple | list):
        items = list(value)
        if any(is_block(item) for item in items):
            return pile(items)
        return items
    raise InvalidInput(f"`{argument}` is {describe(value)}, not an array.", code="argument-type")


def pile(items: Sequence[Any], labels: tuple[Label, ...] | None = None) -> Stack:
    """Make one stack of blocks and plain numbers."""
    blocks = np.broadcast_arrays(*(number_block(item) for item in items)) if items else [np.empty(0)]
    return Stack(np.stack(blocks) if items else np.empty((0,)), labels)


def number_block(value: Any) -> Block:
    """A block of one plain value; None is no-data."""
    if is_block(value):
        return np.asarray(value)
    if value is None:
        return np.asarray(np.float32(np.nan))
    if isinstance(value, bool | int | float | np.generic):
        array = np.asarray(value)
        # A plain number must not widen the blocks beside it.
        return array.astype(np.float32) if array.dtype == np.float64 else array
    raise InvalidInput(f"{describe(value)} cannot stand among pixel values.", code="argument-type")


def items_of(data: Array) -> list[Any]:
    """The elements of an array."""
    if isinstance(data, Stack):
        return [data.values[number] for number in range(len(data))]
    return list(data.values) if isinstance(data, LabelledArray) else list(data)


def labels_of(data: Array) -> tuple[Label, ...] | None:
    """The labels of an array, if it has any."""
    return None if isinstance(data, list) else data.labels


def rebuild(data: Array, items: Sequence[Any], labels: Sequence[Label] | None) -> Array:
    """An array of the same kind with other elements."""
    if isinstance(data, Stack) or any(is_block(item) for item in items):
        if not items:
            shape = data.values.shape[1:] if isinstance(data, Stack) else ()
            dtype = data.values.dtype if isinstance(data, Stack) else np.float32
            return Stack(np.empty((0, *shape), dtype), tuple(labels) if labels is not None else None)
        return pile(items, tuple(labels) if labels is not None else None)
    return list(items) if labels is None else LabelledArray(tuple(items), tuple(labels))


def widen(value: Any) -> Any:
    """A block in a float type that holds its values and the results of arithmetic: float32 up to 16 bits."""
    if value is None:
        return np.float32(np.nan)
    if not is_block(value):
        return value
    if value.dtype.kind == "f":
        return value.astype(np.float32) if value.dtype.itemsize < 4 else value
    if value.dtype.kind == "b" or value.dtype.itemsize <= 2:
        return value.astype(np.float32)
    if value.dtype.kind in "iu":
        return value.astype(np.float64)
    raise InvalidInput(f"Values of type {value.dtype} are not numbers.", code="argument-type")


def is_number(value: Any) -> bool:
    """Tell whether a plain value is a number; booleans are not."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def plain(value: Any) -> Any:
    """A numpy scalar as a Python one."""
    return value.item() if isinstance(value, np.generic) else value


def describe(value: Any) -> str:
    """What a value is, in a few words for messages."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {value[:40]!r}"
    if isinstance(value, Stack | LabelledArray | list | tuple):
        return f"an array of {len(value)} elements"
    if type(value).__name__ == "DataArray":
        return f"a data cube ({', '.join(map(str, value.dims))})"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"


def json_type(value: Any) -> str | None:
    """The JSON type of a plain value; None for cubes and blocks."""
    if value is None:
        return "null"
    for types, name in (((bool,), "boolean"), ((int,), "integer"), ((float,), "number"), ((str,), "string")):
        if isinstance(value, types):
            return name
    if isinstance(value, list | tuple):
        return "array"
    return "object" if isinstance(value, dict) else None


def bounded(value: Any) -> Any:
    """The value; raises `InvalidInput` for arrays that hold each other so often that nobody could write them down."""
    if isinstance(value, list | dict) and (total := _weight(value, {})) > VALUES:
        what = f"The value would have {total} elements, written out."
        raise InvalidInput(what, f"The limit is {VALUES}.", "Do not put an array into itself.", code="graph-too-large")
    return value


def _weight(value: Any, known: dict[int, int]) -> int:
    """How many plain values there are; each array is counted once and multiplied by how often it stands."""
    if not isinstance(value, list | dict):
        return 1
    if id(value) not in known:
        items = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_weight(each, known) if isinstance(each, list | dict) else 1 for each in items)
    return known[id(value)]
