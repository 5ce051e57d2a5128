"""One picture of a whole raster or cube slice, as it lies: for pages and lists without a map."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling

from terrafair.data.tiles.cubes import Cubes
from terrafair.data.tiles.rasters import Layer, Rasters
from terrafair.data.tiles.sampling import Picked
from terrafair.data.tiles.style import Style

WIDEST = 640
"""Pixels of the longer side."""


def of_raster(rasters: Rasters, path: str, style: Style) -> tuple[Picked, Layer]:
    """All of a raster, read from the overview that is near in size; rows and columns as they lie in the file."""
    layer = rasters.open(path)
    bands = rasters.bands(layer, style)
    handle = layer.handles[0]
    rows, columns = shape_within(handle.height, handle.width)
    method = Resampling.nearest if layer.table is not None or style.resampling == "nearest" else Resampling.average
    read = handle.read(list(bands), out_shape=(len(bands), rows, columns), resampling=method, masked=True)
    valid = np.asarray(~np.ma.getmaskarray(read).all(axis=0))
    values = np.asarray(read.data)
    if values.dtype.kind == "f":
        valid &= np.isfinite(values).all(axis=0)
    return Picked(values, valid), layer


def of_cube(cubes: Cubes, path: str, style: Style) -> Picked:
    """All of one slice, thinned out, north up."""
    layer = cubes.layer(path, style.variable)
    values = cubes.slice(path, layer, cubes.position(layer, style))
    if layer.grid.height > 0:
        values = values[::-1]
    rows, columns = shape_within(*values.shape)
    down = np.linspace(0, values.shape[0] - 1, rows).round().astype(np.intp)
    across = np.linspace(0, values.shape[1] - 1, columns).round().astype(np.intp)
    part: NDArray[Any] = values[down][:, across]
    return Picked(part[None], np.isfinite(part) if part.dtype.kind == "f" else None)


def shape_within(rows: int, columns: int) -> tuple[int, int]:
    """Rows and columns of the picture: small data is enlarged in whole steps, large data shrunk."""
    longest = max(rows, columns)
    if longest > WIDEST:
        return max(round(rows * WIDEST / longest), 1), max(round(columns * WIDEST / longest), 1)
    return rows, columns
