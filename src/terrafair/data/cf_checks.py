"""What the CF conventions ask of a cube, as far as it decides whether others can read it (CF 1.11).

Findings are about the author's data: nothing is changed for them.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from terrafair.data.cube_source import Array, Group
from terrafair.errors import Problem

_NAMING = ("coordinates", "bounds", "climatology", "ancillary_variables")
_CALENDARS = {
    *("standard", "gregorian", "proleptic_gregorian", "noleap", "365_day", "360_day", "julian", "all_leap", "366_day"),
    *("utc", "tai", "none"),
}


def check_cf(groups: Sequence[Group], name: str) -> tuple[Problem, ...]:
    """What a reader of CF would stumble on, in the order of the variables."""
    found: list[Problem] = []
    known: dict[str, Array] = {}
    for group in groups:
        known |= {array.name: array for array in group.arrays}
    root = groups[0].attributes if groups else {}
    if "CF-" not in str(root.get("Conventions", "")):
        found.append(
            _finding(name, "It does not say that it follows CF", "2.6.1", "Set the global attribute Conventions.")
        )
    for group in groups:
        for array in group.arrays:
            for what, section, remedy in _array(array, known):
                found.append(_finding(name, f"{array.name} {what}", section, remedy))
    return tuple(found)


def _array(array: Array, known: dict[str, Array]) -> Iterator[tuple[str, str, str]]:
    attributes = array.attributes
    yield from _references(attributes, known)
    yield from _time(array)
    if array.dims == (array.name,) and array.dtype.kind in "iuf" and not attributes.get("units"):
        letter = array.name.lower()
        if letter in {"lat", "latitude", "lon", "longitude", "x", "y", "time"}:
            yield "is a coordinate without units", "4", "Give it units, e.g. degrees_north."
    standard = attributes.get("standard_name")
    # A modifier may follow the name: `sea_surface_temperature status_flag`.
    if isinstance(standard, str) and not re.fullmatch(r"[a-z0-9_]+( [a-z_]+)?", standard):
        yield f"has the standard name {standard!r}", "3.3", "Take one from the table of standard names."
    yield from _flags(attributes)
    if "scale_factor" in attributes and not isinstance(attributes["scale_factor"], (int, float)):
        yield f"has the scale factor {attributes['scale_factor']!r}", "8.1", "It must be one number."


def _references(attributes: Any, known: dict[str, Array]) -> Iterator[tuple[str, str, str]]:
    for key in _NAMING:
        value = attributes.get(key)
        for target in value.split() if isinstance(value, str) else ():
            if target not in known:
                yield f"names {target} as its {key}, which does not exist", "5", f"Add {target}, or leave it out."
    mapping = attributes.get("grid_mapping")
    for target in _mappings(mapping) if isinstance(mapping, str) else ():
        there = known.get(target)
        if there is None:
            yield f"names the grid mapping {target}, which does not exist", "5.6", f"Add {target}."
        elif not {"grid_mapping_name", "crs_wkt", "spatial_ref"} & there.attributes.keys():
            yield f"names the grid mapping {target}, which describes none", "5.6", f"Give {target} a grid_mapping_name."


def _mappings(text: str) -> list[str]:
    """The variables of both forms: `crs`, and `crs: x y other: lat lon`."""
    words = text.split()
    named = [word.rstrip(":") for word in words if word.endswith(":")]
    return named or words[:1]


def _time(array: Array) -> Iterator[tuple[str, str, str]]:
    units = str(array.attributes.get("units", ""))
    if " since " not in units:
        return
    calendar = str(array.attributes.get("calendar", "standard")).lower()
    if calendar not in _CALENDARS:
        yield f"has the unknown calendar {calendar!r}", "4.4.1", "Take one of CF's calendars."
        return
    import cftime

    try:
        # cftime knows no unit below the microsecond; every other reader does.
        cftime.num2date(
            0,
            units.replace("nanosecond", "microsecond"),
            "standard" if calendar in {"utc", "tai", "none"} else calendar,
        )
    except (ValueError, OverflowError, TypeError):
        yield f"has the units {units!r}, which name no date", "4.4", "Count from a date that exists in the calendar."


def _flags(attributes: Any) -> Iterator[tuple[str, str, str]]:
    meanings = attributes.get("flag_meanings")
    for key in ("flag_values", "flag_masks"):
        values = attributes.get(key)
        if values is None:
            continue
        count = len(values) if isinstance(values, list) else 1
        words = len(meanings.split()) if isinstance(meanings, str) else 0
        if count != words:
            yield f"has {count} {key} and {words} flag_meanings", "3.5", "Give each value one word."


def _finding(where: str, what: str, section: str, remedy: str) -> Problem:
    return Problem(f"{what}.", f"CF conventions, section {section}.", remedy, where, "cf")
