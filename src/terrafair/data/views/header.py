"""The header of a cube: dimensions, variables, attributes - what `ncdump -h` says."""

from pathlib import Path
from typing import Any

from terrafair.data.tiles.cubes import open_cube
from terrafair.data.views.rows import shown

VARIABLES = 200
ATTRIBUTES = 100


def read(path: Path) -> dict[str, Any]:
    """`{dimensions, variables: [{name, type, dimensions, shape, unit, title, chunks, attributes}], attributes}`."""
    with open_cube(str(path)) as dataset:
        names = [*dataset.data_vars, *dataset.coords]
        return {
            "dimensions": [[shown(name), int(size)] for name, size in dataset.sizes.items()],
            "variables": [_variable(dataset[name], name in dataset.coords) for name in names[:VARIABLES]],
            "left": max(len(names) - VARIABLES, 0),
            "attributes": _attributes(dataset.attrs),
        }


def _variable(array: Any, coordinate: bool) -> dict[str, Any]:
    chunks = array.encoding.get("preferred_chunks") or {}
    return {
        "name": shown(array.name),
        "coordinate": coordinate,
        "type": str(array.dtype),
        "dimensions": [shown(name) for name in array.dims],
        "shape": [int(size) for size in array.shape],
        "unit": shown(array.attrs.get("units", "")),
        "title": shown(array.attrs.get("long_name") or array.attrs.get("standard_name") or ""),
        "chunks": [int(chunks[name]) for name in array.dims if name in chunks],
        "attributes": _attributes(array.attrs),
    }


def _attributes(given: Any) -> list[list[str]]:
    return [[shown(name), shown(value)] for name, value in list(given.items())[:ATTRIBUTES]]
