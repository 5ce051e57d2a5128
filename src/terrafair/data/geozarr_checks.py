"""Whether a cube's data can be put on a map, by what GeoZarr takes over from CF: axes, a grid mapping for metres."""

from collections.abc import Iterator, Sequence
from typing import Any

from terrafair.data.cube_source import Array, Group
from terrafair.errors import Problem

_PROJECTED = {"projection_x_coordinate", "projection_y_coordinate"}
_DEGREES = ("degree", "degrees")
SHOWN = 4
"""Variables that one finding names."""


def check_place(groups: Sequence[Group], name: str) -> tuple[Problem, ...]:
    """Data variables whose place nobody can tell, by what they lack; findings about the author's data."""
    known: dict[str, Array] = {}
    for group in groups:
        known |= {array.name: array for array in group.arrays}
    named = {word for array in known.values() for word in _auxiliary(array)}
    found: dict[tuple[str, str], list[str]] = {}
    for array in known.values():
        if len(array.dims) < 2 or array.name in named or array.dtype.kind == "O" or _is_degrees(array):
            continue
        for fault in _faults(array, known):
            found.setdefault(fault, []).append(array.name)
    return tuple(_finding(names, what, remedy, name) for (what, remedy), names in found.items())


def _finding(names: list[str], what: str, remedy: str, where: str) -> Problem:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return Problem(f"{', '.join(names[:SHOWN])}{more}: {what}.", "GeoZarr asks for it.", remedy, where, "geozarr")


def _faults(array: Array, known: dict[str, Array]) -> Iterator[tuple[str, str]]:
    axes = [known[each] for each in array.dims if each in known and known[each].dims == (each,)]
    projected = [axis for axis in axes if axis.attributes.get("standard_name") in _PROJECTED]
    curvilinear = [
        word for word in str(array.attributes.get("coordinates", "")).split() if _is_degrees(known.get(word))
    ]
    if projected and not array.attributes.get("grid_mapping") and len(curvilinear) < 2:
        yield "on projected axes without a grid_mapping", "Add a variable that describes the projection."
    if not projected and len(curvilinear) < 2 and sum(map(_is_degrees, axes)) < 2:
        yield "no axes with a place on the globe", "Give its axes units degrees_north and degrees_east."


def _is_degrees(array: Array | None) -> bool:
    units = str(array.attributes.get("units", "")).lower() if array else ""
    return units.startswith(_DEGREES) and units not in _DEGREES


def _auxiliary(array: Array) -> Iterator[str]:
    for key in ("bounds", "climatology", "coordinates", "ancillary_variables"):
        value: Any = array.attributes.get(key)
        yield from value.split() if isinstance(value, str) else ()
