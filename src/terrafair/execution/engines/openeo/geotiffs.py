"""Writes cloud-optimised GeoTIFFs: blocks go to disk as they are computed, each once, with their first overview."""

import contextlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area
from terrafair.execution.engines.openeo.processes.resampling import Grid

COMPRESSIONS = ("ZSTD", "DEFLATE", "LZW", "NONE")
AT_ONCE = 16
"""Blocks that come from a cluster at a time."""
AT_WORK = 2
"""Threads that compress."""
TILE = 512
GAIN = 0.9
"""The size that differences must come down to, for they cost more time than the compression itself."""
_LEVELLED = frozenset({"ZSTD", "DEFLATE"})
_ROWS = 64
"""Rows that are halved at once, so that they stay in the processor's cache."""

File = tuple[tuple[int, ...], str, str]
"""Where a file's pixels stand in the cube, its name, and its date."""


@dataclass(frozen=True, slots=True)
class _Rough:
    """A plain file that takes blocks in any order, and its first overview beside it, where blocks have halves."""

    whole: Any
    half: Any = None

    def write(self, pixels: Any, half: Any, numbers: list[int], corner: tuple[int, int]) -> None:
        self.whole.write(pixels, numbers, window=_window(pixels, corner))
        if half is not None:
            self.half.write(half, numbers, window=_window(half, (corner[0] // 2, corner[1] // 2)))


def _window(pixels: Any, corner: tuple[int, int]) -> Any:
    from rasterio.windows import Window

    return Window(corner[1], corner[0], pixels.shape[-1], pixels.shape[-2])


def write(
    moved: xr.DataArray, folder: Path, files: Sequence[File], grid: Grid, names: list[str], options: Mapping[str, Any]
) -> None:
    """Write the planes (..., bands, y, x) of a cube; rows go from north to south."""
    compress = str(options.get("compress") or "ZSTD").upper()
    if compress not in COMPRESSIONS:
        what = f"The compression {compress} is not known."
        raise InvalidInput(what, remedy=f"Known: {', '.join(COMPRESSIONS)}.", code="argument-value")
    profile = {
        "driver": "GTiff", "width": moved.shape[-1], "height": moved.shape[-2], "count": moved.shape[-3],
        "dtype": moved.dtype, "nodata": np.nan if moved.dtype.kind == "f" else None, "transform": grid.transform,
        "crs": area.reference_system(grid.crs).to_wkt(), "tiled": True, "blockxsize": TILE, "blockysize": TILE,
        "BIGTIFF": "IF_SAFER",
    }  # fmt: skip
    with _rough(folder, files, profile, names, halves=_halves(moved)) as opened:
        if moved.chunks:
            _store(moved.data, _Sink(opened))
        else:
            whole = tuple(slice(0, size) for size in moved.shape)
            _Sink(opened)[whole] = np.asarray(moved.values)
    if compress == "NONE" or not files:
        more: dict[str, Any] = {}
    else:
        # One look for all: the files of a cube hold values of one kind.
        predicted = moved.dtype.itemsize > 1 and _predictable(folder / f"{files[0][1]}.part", moved.dtype)
        more = {"predictor": "YES" if predicted else "NO"} | ({"level": 1} if compress in _LEVELLED else {})
    with ThreadPoolExecutor(AT_WORK) as pool:
        # File by file on a thread each; threads within a file cost a third more.
        threads = AT_WORK if len(files) == 1 else 1
        list(pool.map(lambda file: _optimised(folder, file[1], compress, moved.dtype, threads, more), files))


def _halves(moved: xr.DataArray) -> bool:
    """Whether the blocks of a cube can be halved each on its own, and need to be."""
    height, width = moved.shape[-2:]
    chunks = moved.chunks[-2:] if moved.chunks else ((height,), (width,))
    even = all(size % 2 == 0 for sizes in chunks for size in sizes)
    # Classes and counts are picked, not averaged; GDAL does that at little cost.
    return moved.dtype.kind == "f" and even and max(height, width) > TILE


def halved(pixels: Any) -> Any:
    """The mean of the known ones of each two by two pixels; not-a-number where there is none."""
    *outer, height, width = pixels.shape
    result = np.empty((*outer, height // 2, width // 2), pixels.dtype)
    for top in range(0, height, 2 * _ROWS):
        rows = pixels[..., top : top + 2 * _ROWS, :]
        four = [rows[..., down::2, across::2] for down in (0, 1) for across in (0, 1)]
        part = result[..., top // 2 : top // 2 + _ROWS, :]
        with np.errstate(all="ignore"):
            np.add(four[0], four[1], out=part)
            part += four[2]
            part += four[3]
            part *= 0.25
            gaps = np.isnan(part)
            if gaps.any():
                some = np.stack([each[gaps] for each in four])
                known = ~np.isnan(some)
                part[gaps] = np.where(known, some, 0).sum(0) / known.sum(0)
    return result


class _Sink:
    """Takes blocks of the whole cube, as `dask.array.store` gives them, and puts the planes into their files."""

    def __init__(self, files: Mapping[tuple[int, ...], "_Rough"]) -> None:
        self._files = files
        self._lock = Lock()

    def __setitem__(self, index: tuple[slice, ...], block: Any) -> None:
        *outer, bands, rows, columns = index
        corner = (rows.start, columns.start)
        numbers = list(range(bands.start + 1, bands.stop + 1))
        for place in np.ndindex(block.shape[:-3]):
            own = tuple(part.start + n for part, n in zip(outer, place, strict=True))
            pixels = np.ascontiguousarray(block[place])
            half = halved(pixels) if self._files[own].half else None
            with self._lock:
                self._files[own].write(pixels, half, numbers, corner)


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


@contextlib.contextmanager
def _rough(
    folder: Path, files: Sequence[File], profile: Mapping[str, Any], names: list[str], *, halves: bool
) -> Iterator[dict[tuple[int, ...], _Rough]]:
    """Plain files, from which the optimised ones are made; GDAL finds the overviews beside them by their name."""
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
            half = None
            if halves:
                smaller = {**profile, "width": file.width // 2, "height": file.height // 2}
                half = stack.enter_context(rasterio.open(folder / f"{own}.part.ovr", "w", **smaller))
            opened[place] = _Rough(file, half)
        yield opened


def _optimised(
    folder: Path, own: str, compress: str, kind: np.dtype[Any], threads: int, given: Mapping[str, Any]
) -> None:
    import rasterio
    from rasterio.shutil import copy

    rough = folder / f"{own}.part"
    more = dict(given)
    half = folder / f"{own}.part.ovr"
    if _overviews(half if half.exists() else rough, kind) or half.exists():
        # Made here they cost a third of what the COG driver's own cost.
        more["overviews"] = "FORCE_USE_EXISTING"
    with rasterio.Env(GDAL_NUM_THREADS=str(threads)), rasterio.open(rough, driver="GTiff") as source:
        copy(source, folder / f"{own}.tif", driver="COG", compress=compress, **more)
    rough.unlink()
    half.unlink(missing_ok=True)


def _predictable(rough: Path, kind: np.dtype[Any]) -> bool:
    """Whether differences of neighbours compress better than the values, seen at the middle of a picture."""
    import rasterio
    from rasterio.windows import Window

    if kind.kind != "f":
        return True
    with rasterio.open(rough, driver="GTiff") as source:
        width, height = min(512, source.width), min(128, source.height)
        window = Window((source.width - width) // 2, (source.height - height) // 2, width, height)
        values = source.read(1, window=window)
    # As the TIFF predictor 3 does it: the bytes of a row by significance, then differences.
    rows = values.astype(kind.newbyteorder(">")).view(np.uint8).reshape(*values.shape, kind.itemsize)
    sorted_bytes = rows.transpose(0, 2, 1).reshape(len(values), -1)
    return len(zlib.compress(np.diff(sorted_bytes), 1)) < GAIN * len(zlib.compress(values, 1))


def _overviews(path: Path, kind: np.dtype[Any]) -> bool:
    """Means of measured values; classes and counts are picked, for their means would be others."""
    import rasterio
    from rasterio.enums import Resampling

    with rasterio.open(path, "r+", driver="GTiff") as file:
        factors = [2**n for n in range(1, 20) if max(file.width, file.height) / 2 ** (n - 1) > TILE]
        if factors:
            file.build_overviews(factors, Resampling.average if kind.kind == "f" else Resampling.nearest)
    return bool(factors)
