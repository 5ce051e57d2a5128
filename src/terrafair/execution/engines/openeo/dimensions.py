"""What openEO knows of a cube's dimensions, kept in the attributes of xarray coordinates.

type              spatial | temporal | bands | geometry | other
axis              x | y | z of a spatial dimension
reference_system  EPSG code or WKT of x, y and geometry
alias             the openEO name of a dimension that a file names otherwise (t for time, x for lon)
common_names      band -> common name;  wavelengths: band -> centre in micrometres
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import instants
from terrafair.execution.engines.openeo.values import describe

if TYPE_CHECKING:
    import xarray as xr

WGS84 = "EPSG:4326"


def as_cube(value: Any, argument: str = "data") -> "xr.DataArray":
    """Check that a value is a data cube."""
    import xarray as xr

    if isinstance(value, xr.DataArray):
        return value
    raise InvalidInput(
        f"`{argument}` is {describe(value)}, not a data cube.",
        remedy="Give it the result of a process that loads or changes a cube.",
        code="argument-type",
    )


def kind(cube: "xr.DataArray", dimension: str) -> str:
    """The type of a dimension."""
    coordinate = cube.coords.get(dimension)
    if coordinate is not None and "type" in coordinate.attrs:
        return str(coordinate.attrs["type"])
    if coordinate is not None and coordinate.dtype.kind == "M":
        return "temporal"
    if dimension in {"x", "y", "z"}:
        return "spatial"
    return "bands" if dimension == "bands" else "other"


def of_kind(cube: "xr.DataArray", wanted: str) -> list[str]:
    """The names of all dimensions of a type."""
    return [str(name) for name in cube.dims if kind(cube, str(name)) == wanted]


def find(cube: "xr.DataArray", name: Any, argument: str = "dimension") -> str:
    """The cube's own name of a dimension, by name or alias; raises `InvalidInput` naming those that exist."""
    names = [str(each) for each in cube.dims]
    if name in names:
        return str(name)
    for each in names:
        if each in cube.coords and name in cube.coords[each].attrs.get("alias", ()):
            return each
    near = difflib.get_close_matches(str(name), names, 1)
    raise InvalidInput(
        f"The cube has no dimension {name!r} (`{argument}`).",
        f"It has: {', '.join(names)}.",
        f"Did you mean {near[0]}?" if near else "",
        code="dimension-not-available",
    )


def temporal(cube: "xr.DataArray", name: str | None) -> str:
    """The temporal dimension that a process works along."""
    if name is not None:
        found = find(cube, name)
        if kind(cube, found) != "temporal":
            what = f"The dimension {found} is of type {kind(cube, found)}, not temporal."
            raise InvalidInput(what, remedy=_temporal_ones(cube), code="dimension-not-available")
        return found
    names = of_kind(cube, "temporal")
    if len(names) > 1:
        what = f"The cube has {len(names)} temporal dimensions: {', '.join(names)}."
        raise InvalidInput(what, remedy="Name one in `dimension`.", code="too-many-dimensions")
    if not names:
        what = f"The cube has no temporal dimension; it has {', '.join(map(str, cube.dims))}."
        raise InvalidInput(what, code="dimension-not-available")
    return names[0]


def _temporal_ones(cube: "xr.DataArray") -> str:
    return f"Temporal dimensions: {', '.join(of_kind(cube, 'temporal')) or 'none'}."


def bands(cube: "xr.DataArray") -> str:
    """The one dimension of type bands."""
    names = of_kind(cube, "bands")
    if not names:
        what = f"The cube has no bands; its dimensions are {', '.join(map(str, cube.dims))}."
        raise InvalidInput(what, code="dimension-missing")
    if len(names) > 1:
        raise InvalidInput(f"The cube has several band dimensions: {', '.join(names)}.", code="dimension-ambiguous")
    return names[0]


def horizontal(cube: "xr.DataArray") -> tuple[str, str]:
    """The names of the y and the x dimension."""
    found = {}
    for name in of_kind(cube, "spatial"):
        attributes = cube.coords[name].attrs if name in cube.coords else {}
        found[attributes.get("axis", name)] = name
    if "x" not in found or "y" not in found:
        what = f"The cube has no horizontal dimensions; it has {', '.join(map(str, cube.dims))}."
        raise InvalidInput(what, "The process works on rasters with x and y.", code="dimension-missing")
    return found["y"], found["x"]


def is_raster(cube: "xr.DataArray") -> bool:
    """Whether it has x and y."""
    axes = {cube.coords[n].attrs.get("axis", n) if n in cube.coords else n for n in of_kind(cube, "spatial")}
    return {"x", "y"} <= axes


def reference_system(cube: "xr.DataArray") -> Any:
    """The reference system of x and y, or of the geometries; degrees where nothing is said."""
    return stated_system(cube) or WGS84


def stated_system(cube: "xr.DataArray") -> Any:
    """The reference system that a cube names itself, or None."""
    named = (cube.coords[name].attrs.get("reference_system") for name in cube.dims if name in cube.coords)
    return next((found for found in named if found), None)


def labels(cube: "xr.DataArray", dimension: str) -> list[Any]:
    """The labels of a dimension as openEO writes them; indices where there are none."""
    if dimension not in cube.coords:
        return list(range(cube.sizes[dimension]))
    coordinate = cube.coords[dimension]
    if coordinate.dtype.kind == "M":
        return [instants.text(value) for value in coordinate.values]
    return [value.item() if isinstance(value, np.generic) else value for value in coordinate.values]


def position(cube: "xr.DataArray", dimension: str, label: Any) -> int | None:
    """Where a label stands, by value; common band names count where no band has the name."""
    found = labels(cube, dimension)
    for number, each in enumerate(found):
        if each == label and isinstance(each, str) == isinstance(label, str):
            return number
    names: Mapping[str, str] = cube.coords[dimension].attrs.get("common_names", {}) if dimension in cube.coords else {}
    for number, each in enumerate(found):
        if names.get(each) == label:
            return number
    return None


def positions(cube: "xr.DataArray", dimension: str, label: Any) -> list[int]:
    """Where a label stands; all bands with that common name where no band has the name."""
    found = labels(cube, dimension)
    own = [n for n, each in enumerate(found) if each == label and isinstance(each, str) == isinstance(label, str)]
    names: Mapping[str, str] = cube.coords[dimension].attrs.get("common_names", {}) if dimension in cube.coords else {}
    return own or [n for n, each in enumerate(found) if names.get(each) == label]


def coordinate(dimension: str, values: Any, attributes: Mapping[str, Any]) -> "xr.DataArray":
    """A coordinate with labels of any type."""
    array: Any = values if isinstance(values, np.ndarray) else _label_array(values)
    import xarray as xr

    return xr.DataArray(array, dims=(dimension,), attrs=dict(attributes), name=dimension)


def _label_array(values: Sequence[Any]) -> Any:
    plain = list(values)
    if plain and all(isinstance(each, np.datetime64) for each in plain):
        return np.array(plain, "datetime64[ns]")
    if plain and all(isinstance(each, int | float) and not isinstance(each, bool) for each in plain):
        return np.array(plain)
    array = np.empty(len(plain), object)
    array[:] = plain
    return array


def with_labels(cube: "xr.DataArray", dimension: str, values: Any, **attributes: Any) -> "xr.DataArray":
    """The cube with other labels of a dimension; its attributes stay."""
    old = dict(cube.coords[dimension].attrs) if dimension in cube.coords else {}
    old.setdefault("type", kind(cube, dimension))
    fresh = coordinate(dimension, values, {**old, **attributes})
    return cube.drop_vars(dimension, errors="ignore").assign_coords({dimension: fresh})


def rebuilt(
    template: "xr.DataArray", data: Any, dims: Sequence[str], extra: Mapping[str, Any] | None = None
) -> "xr.DataArray":
    """A cube of other data; coordinates come from `extra`, then from the template."""
    coords = {name: template.coords[name] for name in dims if name in template.coords}
    coords = {name: each for name, each in coords.items() if each.dims == (name,)}
    coords.update(extra or {})
    import xarray as xr

    return xr.DataArray(data, dims=tuple(dims), coords=coords, attrs=dict(template.attrs))
