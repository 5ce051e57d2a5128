"""Why nothing is left: the node that emptied a cube, what it was asked for, and what there was."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.values import describe

if TYPE_CHECKING:
    import xarray as xr

SHOWN = 20
"""Labels that a message lists."""
_PLAIN = (str, int, float, bool)


def reason(where: str, process: str, arguments: Mapping[str, Any], found: Any) -> str:
    """One sentence where a process made an empty cube of one that was not; else an empty text."""
    import xarray as xr

    if not isinstance(found, xr.DataArray) or found.size:
        return ""
    before = next((each for each in arguments.values() if isinstance(each, xr.DataArray) and each.size), None)
    if before is None:
        return ""
    lost = [str(name) for name in before.dims if found.sizes.get(name) == 0]
    there = "; ".join(_listed(before, name) for name in lost)
    return f"{process} at node {where!r} asked for {_asked(arguments)}; the data has {there}."


def fault(data: "xr.DataArray", reasons: list[str]) -> InvalidInput:
    """The error for a result without a value."""
    sizes = ", ".join(f"{name} {size}" for name, size in data.sizes.items())
    why = " ".join(reasons[-3:]) or "The data that was loaded holds nothing."
    remedy = "Ask for what the data has." if reasons else ""
    return InvalidInput(f"The result is empty ({sizes}); there is nothing to save.", why, remedy, code="result-empty")


def _listed(cube: "xr.DataArray", name: str) -> str:
    if dimensions.kind(cube, name) == "spatial" and name in cube.coords:
        values = cube[name].values
        return f"{name} from {values.min():.10g} to {values.max():.10g} ({dimensions.reference_system(cube)})"
    if dimensions.kind(cube, name) == "geometry":
        return f"{cube.sizes[name]} geometries"
    labels = [str(label) for label in dimensions.labels(cube, name)]
    if dimensions.kind(cube, name) == "temporal" and len(labels) > 2:
        return f"{len(labels)} dates from {min(labels)} to {max(labels)}"
    more = f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else ""
    return ", ".join(labels[:SHOWN]) + more


def _asked(arguments: Mapping[str, Any]) -> str:
    import xarray as xr

    asked = [
        _text(value)
        for name, value in arguments.items()
        if not isinstance(value, xr.DataArray) and value is not None and name not in {"context", "dimension"}
    ]
    return ", ".join(asked) or "less than there is"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        if "west" in value:
            return ", ".join(f"{key} {each}" for key, each in value.items() if isinstance(each, _PLAIN))
        return describe(value)
    if isinstance(value, list | tuple):
        return " to ".join(map(str, value)) if None in value else ", ".join(str(each) for each in value[:SHOWN])
    return str(value) if isinstance(value, _PLAIN) else "labels that meet its condition"
