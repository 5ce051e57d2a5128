"""Comparison of two raster files, pixel by pixel and band by band."""

import itertools
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from terrafair.data.classify import Kind, classify
from terrafair.data.rasters import OPTIONS, window_size
from terrafair.data.tiff import check_whole, directories
from terrafair.errors import InvalidInput
from terrafair.execution.comparison.arrays import Array, Tally
from terrafair.execution.comparison.findings import Contents, Difference, Tolerance, Unreadable

DRIVERS = {
    Kind.TIFF: "GTiff",
    Kind.GRIB: "GRIB",
    Kind.JP2: "JP2OpenJPEG",
    Kind.PNG: "PNG",
    Kind.JPEG: "JPEG",
    Kind.GIF: "GIF",
    Kind.WEBP: "WEBP",
}
"""The one driver that may open a file: GDAL's own choice can lead to any other file (VRT)."""
PIXELS = 4 * 2**20
"""Values in memory at a time."""


def compare(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare grid, masks and values; raises `Unreadable`."""
    with _open(expected) as old, _open(found) as new:
        if structure := tuple(_structure(old, new)):
            return Contents(structure)
        differences, remarks, largest = [], list(_remarks(old, new)), 0.0
        for band in range(1, old.count + 1):
            tally = _band(old, new, band, tolerance)
            largest = max(largest, tally.within)
            if difference := tally.difference(_band_name(old, band), lambda index: _place(old, index)):
                differences.append(_located(difference, old, tally))
        return Contents(tuple(differences), tuple(remarks), largest)


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    import rasterio
    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    with warnings.catch_warnings(), rasterio.Env(**OPTIONS):
        # Pictures have no place on earth, and that is well.
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        try:
            kind = classify(path)
            if kind is Kind.TIFF:
                check_whole(path, directories(path))
            dataset = rasterio.open(path, driver=DRIVERS.get(kind, "GTiff"))
        except InvalidInput as fault:
            raise Unreadable(path, fault.problem.what) from fault
        except (RasterioError, OSError, ValueError) as fault:
            raise Unreadable(path, _first_line(fault)) from fault
        with dataset:
            if not dataset.count:
                raise Unreadable(path, "It has no bands.")
            yield dataset


def _structure(old: Any, new: Any) -> Iterator[Difference]:
    """What makes pixels incomparable: size, bands, reference system, grid."""
    if (old.height, old.width) != (new.height, new.width):
        what = f"{old.height} rows x {old.width} columns expected, {new.height} x {new.width} found"
        yield Difference("shape", what)
    if old.count != new.count:
        yield Difference("bands", f"{old.count} expected, {new.count} found")
    if not _same_crs(old.crs, new.crs):
        yield Difference("crs", f"{_crs(old)} expected, {_crs(new)} found")
    if not _same_grid(old, new):
        what = f"{_grid(old)} expected, {_grid(new)} found"
        yield Difference("transform", what, bbox=tuple(new.bounds), crs=_crs(new))


def _remarks(old: Any, new: Any) -> Iterator[str]:
    if old.dtypes != new.dtypes:
        yield f"The data type is {_listed(old.dtypes)} in the expected file and {_listed(new.dtypes)} in the new one."
    if old.descriptions != new.descriptions:
        yield f"The bands are named {_listed(old.descriptions)} and {_listed(new.descriptions)}."
    if any(_text(a) != _text(b) for a, b in zip(old.nodatavals, new.nodatavals, strict=True)):
        yield f"The value for no data is {_listed(old.nodatavals)} and {_listed(new.nodatavals)}."
    if _packing(old) != _packing(new):
        yield "The values are packed with another scale or offset; they were compared unpacked."


def _band(old: Any, new: Any, band: int, tolerance: Tolerance) -> Tally:
    from rasterio.windows import Window

    tally = Tally(tolerance)
    unpack = _packing(old)[band - 1] != _packing(new)[band - 1]
    height, width = window_size(old, PIXELS)
    for row, column in itertools.product(range(0, old.height, height), range(0, old.width, width)):
        window = Window(column, row, min(width, old.width - column), min(height, old.height - row))
        expected, valid = _read(old, band, window, unpack=unpack)
        found, valid_found = _read(new, band, window, unpack=unpack)
        tally.add(expected, found, (row, column), valid, valid_found)
    return tally


def _read(dataset: Any, band: int, window: Any, *, unpack: bool) -> tuple[Array, Array]:
    from rasterio.errors import RasterioError

    try:
        values = dataset.read(band, window=window)
        valid = dataset.read_masks(band, window=window) != 0
    except (RasterioError, OSError, ValueError) as fault:
        cause = fault.__cause__ or fault
        place = f"band {band}, rows from {window.row_off}, columns from {window.col_off}"
        raise Unreadable(Path(dataset.name), f"Reading {place} fails: {_first_line(cause)}") from fault
    if unpack:
        values = values * dataset.scales[band - 1] + dataset.offsets[band - 1]
    return values, valid


def _located(difference: Difference, dataset: Any, tally: Tally) -> Difference:
    """The finding with the area of all that differs."""
    (top, left), (bottom, right) = tally.low, tally.high
    corners = [dataset.transform @ (x, y) for x in (left, right + 1) for y in (top, bottom + 1)]
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    crs = _crs(dataset) if dataset.crs else "pixels"
    return replace(difference, bbox=(min(xs), min(ys), max(xs), max(ys)), crs=crs)


def _same_crs(old: Any, new: Any) -> bool:
    if old == new:
        return True
    if not old or not new:
        return not old and not new
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    try:
        return CRS.from_wkt(old.to_wkt()).equals(CRS.from_wkt(new.to_wkt()), ignore_axis_order=True)
    except CRSError:
        return False


def _same_grid(old: Any, new: Any) -> bool:
    """Whether all corners lie within a thousandth of a pixel."""
    pixel = max(math.hypot(old.transform.a, old.transform.d), math.hypot(old.transform.b, old.transform.e))
    size = max(abs(value) for value in (*old.bounds, 1.0))
    allowed = max(pixel * 1e-3, size * 1e-12)
    corners = ((0, 0), (old.width, 0), (0, old.height), (old.width, old.height))
    return all(
        abs(a - b) <= allowed
        for x, y in corners
        for a, b in zip(old.transform @ (x, y), new.transform @ (x, y), strict=True)
    )


def _packing(dataset: Any) -> list[tuple[float, float]]:
    return list(zip(dataset.scales, dataset.offsets, strict=True))


def _crs(dataset: Any) -> str:
    return str(dataset.crs.to_string())[:200] if dataset.crs else "none"


def _grid(dataset: Any) -> str:
    left, top = dataset.transform @ (0, 0)
    return f"{_text(dataset.transform.a)} x {_text(dataset.transform.e)} from ({_text(left)}, {_text(top)})"


def _band_name(dataset: Any, band: int) -> str:
    name = dataset.descriptions[band - 1]
    return f"band {band} ({name})" if name else f"band {band}"


def _place(dataset: Any, index: tuple[int, ...]) -> str:
    row, column = index
    place = f"row {row}, column {column}"
    if not dataset.crs:
        return place
    x, y = dataset.transform @ (column + 0.5, row + 0.5)
    return f"{place} ({_text(x)}, {_text(y)})"


def _listed(values: Any) -> str:
    return ", ".join(dict.fromkeys(_text(value) for value in values))


def _text(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, (float, np.floating)) else str(value)


def _first_line(fault: BaseException) -> str:
    return (str(fault) or type(fault).__name__).splitlines()[0][:300]
