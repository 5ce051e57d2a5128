"""Writes rasters as cloud-optimised GeoTIFF and PNG: blocks go to disk as they are computed, each only once."""

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions
from terrafair.execution.engines.openeo.processes.resampling import Grid

Written = dict[str, str]
COMPRESSIONS = ("ZSTD", "DEFLATE", "LZW", "NONE")
AT_ONCE = 16
"""Blocks that come from a cluster at a time."""
_LEVELLED = frozenset({"ZSTD", "DEFLATE"})


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
        _geotiffs(moved, folder, files, grid, names, options)
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


class _Sink:
    """Takes blocks of the whole cube, as `dask.array.store` gives them, and puts the planes into their files."""

    def __init__(self, files: Mapping[tuple[int, ...], Any]) -> None:
        self._files = files
        self._lock = Lock()

    def __setitem__(self, index: tuple[slice, ...], block: Any) -> None:
        from rasterio.windows import Window

        *outer, bands, rows, columns = index
        window = Window(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        numbers = list(range(bands.start + 1, bands.stop + 1))
        for place in np.ndindex(block.shape[:-3]):
            own = tuple(part.start + n for part, n in zip(outer, place, strict=True))
            with self._lock:
                self._files[own].write(np.ascontiguousarray(block[place]), numbers, window=window)


def _store(data: Any, sink: _Sink) -> None:
    """Block by block; on a cluster a few blocks at a time come here, for only this process has the files open."""
    import dask.array as da
    from dask.base import get_scheduler

    if getattr(get_scheduler(), "__self__", None) is None:
        da.store(data, sink, lock=False)  # type: ignore[arg-type]  # any object that takes blocks
        return
    import dask.base

    places = da.core.slices_from_chunks(data.chunks)
    blocks = data.to_delayed().ravel()
    for start in range(0, len(places), AT_ONCE):
        found = dask.base.compute(*blocks[start : start + AT_ONCE])
        for place, block in zip(places[start : start + AT_ONCE], found, strict=True):
            sink[place] = block


def _geotiffs(
    moved: xr.DataArray, folder: Path, files: Sequence[tuple[tuple[int, ...], str, str]], grid: Grid,
    names: list[str], options: Mapping[str, Any],
) -> None:  # fmt: skip
    compress = str(options.get("compress") or "ZSTD").upper()
    if compress not in COMPRESSIONS:
        what = f"The compression {compress} is not known."
        raise InvalidInput(what, remedy=f"Known: {', '.join(COMPRESSIONS)}.", code="argument-value")
    profile = {
        "driver": "GTiff", "width": moved.shape[-1], "height": moved.shape[-2], "count": moved.shape[-3],
        "dtype": moved.dtype, "nodata": np.nan if moved.dtype.kind == "f" else None, "transform": grid.transform,
        "crs": area.reference_system(grid.crs).to_wkt(), "tiled": True, "blockxsize": 512, "blockysize": 512,
        "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with _rough(folder, files, profile, names) as opened:
        if moved.chunks:
            _store(moved.data, _Sink(opened))
        else:
            for place, file in opened.items():
                file.write(np.ascontiguousarray(moved.values[place]))
    for _, own, _ in files:
        _optimised(folder, own, compress, moved.dtype)


@contextlib.contextmanager
def _rough(
    folder: Path, files: Sequence[tuple[tuple[int, ...], str, str]], profile: Mapping[str, Any], names: list[str]
) -> Iterator[dict[tuple[int, ...], Any]]:
    """Plain files that take blocks in any order; the optimised ones are made from them."""
    import rasterio

    with contextlib.ExitStack() as stack:
        opened = {}
        for place, own, moment in files:
            file = stack.enter_context(rasterio.open(folder / f"{own}.part", "w", **profile))
            for number, band in enumerate(names, 1):
                if band:
                    file.set_band_description(number, band)
            if moment:
                # The one tag for it that TIFF has is in local time; this one says its zone.
                file.update_tags(datetime=moment)
            opened[place] = file
        yield opened


def _optimised(folder: Path, own: str, compress: str, kind: np.dtype[Any]) -> None:
    import rasterio
    from rasterio.shutil import copy

    rough = folder / f"{own}.part"
    more: dict[str, Any] = {"level": 1} if compress in _LEVELLED else {}
    if compress != "NONE":
        more["predictor"] = "YES" if kind.itemsize > 1 and _predictable(rough, kind) else "NO"
    if _overviews(rough, kind):
        # Made here they cost a third of what the COG driver's own cost.
        more["overviews"] = "FORCE_USE_EXISTING"
    with rasterio.Env(GDAL_NUM_THREADS="2"), rasterio.open(rough, driver="GTiff") as source:
        copy(source, folder / f"{own}.tif", driver="COG", compress=compress, **more)
    rough.unlink()


GAIN = 0.9
"""The size that differences must come down to, for they cost more time than the compression itself."""


def _predictable(rough: Path, kind: np.dtype[Any]) -> bool:
    """Whether differences of neighbours compress better than the values, seen at the middle of the picture."""
    import rasterio
    from rasterio.windows import Window

    if kind.kind != "f":
        return True
    with rasterio.open(rough, driver="GTiff") as source:
        width, height = min(512, source.width), min(512, source.height)
        window = Window((source.width - width) // 2, (source.height - height) // 2, width, height)
        values = source.read(1, window=window)
    # As the TIFF predictor 3 does it: the bytes of a row by significance, then differences.
    rows = values.astype(kind.newbyteorder(">")).view(np.uint8).reshape(*values.shape, kind.itemsize)
    sorted_bytes = rows.transpose(0, 2, 1).reshape(len(values), -1)
    return len(zlib.compress(np.diff(sorted_bytes), 1)) < GAIN * len(zlib.compress(values, 1))


def _overviews(rough: Path, kind: np.dtype[Any]) -> bool:
    """Means of measured values; classes and counts are picked, for their means would be others."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(rough, "r+") as file:
        factors = [2**n for n in range(1, 20) if max(file.width, file.height) / 2 ** (n - 1) > 512]
        if factors:
            file.build_overviews(factors, Resampling.average if kind.kind == "f" else Resampling.nearest)
    return bool(factors)


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
