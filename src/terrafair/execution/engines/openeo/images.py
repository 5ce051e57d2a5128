"""Writes rasters as images: one file for each combination of the labels beside bands, y and x."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions, geotiffs
from terrafair.execution.engines.openeo.processes.resampling import Grid

Written = dict[str, str]


def write(data: xr.DataArray, folder: Path, name: str, extension: str, options: Mapping[str, Any]) -> Written:
    """One file for each combination of the labels beside bands, y and x."""
    if not dimensions.is_raster(data):
        what = f"A cube with the dimensions {', '.join(map(str, data.dims)) or 'none'} is no image."
        raise InvalidInput(what, "It has no x and y.", "Save it as netCDF, JSON or CSV.", code="format-unsuitable")
    y, x = dimensions.horizontal(data)
    bands = dimensions.of_kind(data, "bands")[:1]
    others = [str(each) for each in data.dims if each not in (y, x, *bands)]
    moved = _storable(data.transpose(*others, *bands, y, x))
    if not bands:
        moved = moved.expand_dims("bands", axis=-3)
    grid = Grid.of(data)
    if area.resolution(grid.rows) > 0:
        # Rows from north to south, as every reader of images expects.
        moved, grid = moved.isel({y: slice(None, None, -1)}), Grid(grid.rows[::-1], grid.columns, grid.crs)
    names = [str(label) for label in dimensions.labels(data, bands[0])] if bands else [""]
    files = _files(data, others, name)
    if extension == "png":
        for place, own, _ in files:
            _png(folder / f"{own}.png", np.asarray(moved.values[place]))
    else:
        geotiffs.write(moved, folder, files, grid, names, options)
    return {own: f"{own}.{extension}" for _, own, _ in files}


def _files(data: xr.DataArray, others: Sequence[str], name: str) -> list[tuple[tuple[int, ...], str, str]]:
    """Where a file's pixels stand, its name, and its date."""
    found = []
    shape = [data.sizes[each] for each in others]
    own_labels = {each: dimensions.labels(data, each) for each in others}
    for place in np.ndindex(*shape):
        labels = [_file_label(own_labels[each][n]) for each, n in zip(others, place, strict=True)]
        suffix = "_".join(labels) if int(np.prod(shape)) > 1 else ""
        moment = next((labels[n] for n, each in enumerate(others) if dimensions.kind(data, each) == "temporal"), "")
        found.append((place, f"{name}_{suffix}" if suffix else name, moment))
    return found


def _file_label(label: Any) -> str:
    text = str(label).removesuffix("T00:00:00Z")
    return "".join(letter if letter.isalnum() or letter in "-." else "" for letter in text)


def _storable(data: xr.DataArray) -> xr.DataArray:
    """Values in a type that TIFF readers know."""
    if data.dtype.kind == "b":
        return data.astype(np.uint8)
    if data.dtype == np.float16:
        return data.astype(np.float32)
    if data.dtype.kind in "iu" and data.dtype.itemsize == 8:
        low, high = int(data.min()), int(data.max())
        return data.astype(np.int32) if low >= -(2**31) and high < 2**31 else data.astype(np.float64)
    return data


def _png(path: Path, planes: Any) -> None:
    """Grey or red, green, blue in 0..255; not-a-number is transparent."""
    import rasterio

    if len(planes) not in {1, 3}:
        what = f"The result has {len(planes)} bands; a PNG has 1 or 3."
        raise InvalidInput(what, remedy="Choose bands with filter_bands.", code="format-unsuitable")
    known = np.all(np.isfinite(planes), 0) if planes.dtype.kind == "f" else np.ones(planes.shape[1:], bool)
    finite = planes[:, known]
    values = np.nan_to_num(planes.astype(np.float64))
    if finite.size and (finite.min() < 0 or finite.max() <= 1 or finite.max() > 255):
        # No picture yet: stretched from its least to its greatest value.
        low, high = float(finite.min()), float(finite.max())
        values = (values - low) / ((high - low) or 1) * 255
    pixels = np.clip(np.round(values), 0, 255).astype(np.uint8)
    layers = np.concatenate([pixels, np.where(known, 255, 0).astype(np.uint8)[None]])
    with rasterio.open(
        path, "w", driver="PNG", width=layers.shape[2], height=layers.shape[1], count=len(layers), dtype="uint8"
    ) as target:
        target.write(layers)
