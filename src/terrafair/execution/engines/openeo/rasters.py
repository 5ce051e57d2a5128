"""Reads rasters (GeoTIFF, GRIB, JPEG 2000, PNG) lazily onto one grid, in the values as stored: no scale, no offset."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions

STARTS = (
    (b"II", "GTiff"),
    (b"MM", "GTiff"),
    (b"GRIB", "GRIB"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8", "JPEG"),
    (b"\x00\x00\x00\x0cjP", "JP2OpenJPEG"),
    (b"\xff\x4f\xff\x51", "JP2OpenJPEG"),
)
"""First bytes -> GDAL's driver; all of these hold their own pixels, while a VRT can name any file of the machine."""
CHUNK = 2048


@dataclass(frozen=True, slots=True)
class Raster:
    """The header of one file."""

    path: Path
    driver: str
    reference: str
    crs: Any
    transform: Any
    width: int
    height: int
    count: int
    dtype: np.dtype[Any]
    nodata: float | None
    names: tuple[str, ...]
    """Band descriptions; empty texts where the file has none."""
    times: tuple[np.datetime64 | None, ...] = ()
    """Valid times of GRIB messages."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A regular grid of pixels."""

    crs: Any
    transform: Any
    width: int
    height: int

    def columns(self) -> Any:
        """Longitudes or eastings of the centres."""
        return self.transform.c + (np.arange(self.width) + 0.5) * self.transform.a

    def rows(self) -> Any:
        """Latitudes or northings of the centres."""
        return self.transform.f + (np.arange(self.height) + 0.5) * self.transform.e

    def part(self, left: int, top: int, width: int, height: int) -> "Frame":
        """A window of it."""
        from rasterio.transform import Affine

        return Frame(self.crs, self.transform @ Affine.translation(left, top), width, height)


@dataclass(frozen=True, slots=True)
class Layer:
    """One band of one file."""

    raster: Raster
    number: int
    """Counted from 1."""


def header(path: Path, reference: str) -> Raster:
    """Read what a file says of itself; raises `InvalidInput` naming the reference."""
    import rasterio

    driver = driver_of(path)
    if not driver:
        raise unreadable(reference, ValueError("Its first bytes are those of no raster format."))
    try:
        with rasterio.open(path, driver=driver) as source:
            tags = [source.tags(number) for number in source.indexes] if source.driver == "GRIB" else []
            names = tuple(tag.get("GRIB_ELEMENT", "") for tag in tags) or tuple(n or "" for n in source.descriptions)
            return Raster(
                path, driver, reference, source.crs, source.transform, source.width, source.height, source.count,
                np.dtype(source.dtypes[0]), source.nodata, names, tuple(_valid_time(tag) for tag in tags),
            )  # fmt: skip
    except rasterio.errors.RasterioError as fault:
        raise unreadable(reference, fault) from fault


def driver_of(path: Path) -> str:
    """GDAL's driver for a file, by its first bytes; empty: none that is read here."""
    with path.open("rb") as file:
        start = file.read(16)
    return next((driver for begin, driver in STARTS if start.startswith(begin)), "")


def unreadable(reference: str, fault: Exception) -> InvalidInput:
    """The error for a file that no reader understands."""
    text = " ".join(str(fault).split())[:300]
    what = f"{reference} cannot be read as a raster."
    remedy = "Check the file; formats read here: GeoTIFF, NetCDF, Zarr, GRIB, JPEG 2000, PNG."
    return InvalidInput(what, text, remedy, reference, "asset-unreadable")


def _valid_time(tags: dict[str, str]) -> np.datetime64 | None:
    text = tags.get("GRIB_VALID_TIME", "").split()
    return np.datetime64(int(text[0]), "s").astype("datetime64[ns]") if text and text[0].isdigit() else None


def value_type(rasters: Sequence[Raster], *, gaps: bool) -> np.dtype[Any]:
    """A type for the values of all; a float where there is no-data."""
    kind = np.result_type(*(raster.dtype for raster in rasters))
    missing = gaps or any(raster.nodata is not None for raster in rasters)
    if kind.kind in "fc" or not missing:
        return kind
    return np.dtype(np.float32 if kind.itemsize <= 2 else np.float64)


def frame_of(raster: Raster) -> Frame:
    """The file's own grid."""
    return Frame(raster.crs, raster.transform, raster.width, raster.height)


def planes(plan: Sequence[Sequence[Sequence[Layer]]], frame: Frame, kind: np.dtype[Any]) -> Any:
    """A lazy array (t, bands, y, x): for each date and band its files; the first that has a value wins.

    The graph is written by hand: what `dask.delayed` looks for in each header takes longer than reading the pixels.
    """
    import dask.array as da

    rows, columns = _pieces(frame.height), _pieces(frame.width)
    name = f"planes-{uuid.uuid4().hex}"
    graph = {}
    for moment, bands in enumerate(plan):
        for band, layers in enumerate(bands):
            for down, top in enumerate(_starts(rows)):
                for across, left in enumerate(_starts(columns)):
                    part = frame.part(left, top, columns[across], rows[down])
                    graph[name, moment, band, down, across] = (partial(_plane, tuple(layers), part, kind),)
    chunks = ((1,) * len(plan), (1,) * len(plan[0]), tuple(rows), tuple(columns))
    return da.Array(graph, name, chunks, dtype=kind)


def _pieces(size: int) -> list[int]:
    return [min(CHUNK, size - start) for start in range(0, size, CHUNK)]


def _starts(sizes: Sequence[int]) -> list[int]:
    return [number * CHUNK for number in range(len(sizes))]


def _plane(layers: tuple[Layer, ...], frame: Frame, kind: np.dtype[Any]) -> Any:
    return read(layers, frame, kind)[None, None]


def read(layers: tuple[Layer, ...], frame: Frame, kind: np.dtype[Any]) -> Any:
    """The values on the frame, not-a-number for no-data."""
    fill = np.nan if kind.kind == "f" else 0
    if not layers:
        return np.full((frame.height, frame.width), fill, kind)
    values, known = _one(layers[0], frame, kind)
    result = values.astype(kind, copy=False)
    if known is None:
        return result
    empty = ~known
    if not empty.any():
        return result
    result[empty] = fill
    for layer in layers[1:]:
        values, known = _one(layer, frame, kind)
        take = empty if known is None else known & empty
        result[take] = values[take]
        empty &= ~take
        if not empty.any():
            break
    return result


def _one(layer: Layer, frame: Frame, kind: np.dtype[Any]) -> tuple[Any, Any]:
    """Values, and where there are any or None for everywhere.

    Copied where the grids coincide, at once in the type that is wanted; warped by nearest neighbour elsewhere.
    """
    import rasterio
    from rasterio.enums import Resampling
    from rasterio.vrt import WarpedVRT

    raster = layer.raster
    try:
        with rasterio.open(raster.path, driver=raster.driver) as source:
            offset = _offset(raster, frame)
            if offset is not None:
                return _window(source, layer, frame, offset, kind)
            with WarpedVRT(
                source, crs=frame.crs, transform=frame.transform, width=frame.width, height=frame.height,
                resampling=Resampling.nearest, src_nodata=raster.nodata, add_alpha=raster.nodata is None,
            ) as warped:  # fmt: skip
                values = warped.read(layer.number)
                inside = warped.read(warped.count) > 0 if raster.nodata is None else warped.read_masks(layer.number) > 0
                known = _known(values, raster)
                return values, inside if known is None else inside & known
    except rasterio.errors.RasterioError as fault:
        raise unreadable(raster.reference, fault) from fault


def _offset(raster: Raster, frame: Frame) -> tuple[int, int] | None:
    """Column and row of the frame's corner in the file, if pixels coincide."""
    one, two = raster.transform, frame.transform
    same = raster.crs == frame.crs or (raster.crs is None and frame.crs is None)
    if not same or abs(one.b) + abs(one.d) > 0:
        return (0, 0) if one == two else None
    if not np.allclose((one.a, one.e), (two.a, two.e), rtol=1e-9):
        return None
    column, row = (two.c - one.c) / one.a, (two.f - one.f) / one.e
    if abs(column - round(column)) > 1e-3 or abs(row - round(row)) > 1e-3:
        return None
    return round(column), round(row)


def _window(source: Any, layer: Layer, frame: Frame, offset: tuple[int, int], kind: np.dtype[Any]) -> tuple[Any, Any]:
    from rasterio.windows import Window

    column, row = offset
    left, top = max(column, 0), max(row, 0)
    right, bottom = min(column + frame.width, source.width), min(row + frame.height, source.height)
    if (left, top, right - left, bottom - top) == (column, row, frame.width, frame.height):
        values = source.read(layer.number, window=Window(left, top, frame.width, frame.height), out_dtype=kind)
        return values, _known(values, layer.raster)
    values = np.zeros((frame.height, frame.width), kind)
    known = np.zeros(values.shape, bool)
    if right > left and bottom > top:
        window = Window(left, top, right - left, bottom - top)
        part = source.read(layer.number, window=window, out_dtype=kind)
        place = (slice(top - row, bottom - row), slice(left - column, right - column))
        values[place] = part
        found = _known(part, layer.raster)
        known[place] = True if found is None else found
    return values, known


def _known(values: Any, raster: Raster) -> Any:
    missing = np.isnan(values) if values.dtype.kind == "f" and raster.dtype.kind == "f" else None
    nodata = raster.nodata
    if nodata is not None and not np.isnan(nodata):
        # As the file's own type has it: 0.1 is another number in 32 bits.
        same = values == (float(raster.dtype.type(nodata)) if raster.dtype.kind == "f" else nodata)
        missing = same if missing is None else missing | same
    return ~missing if missing is not None and missing.any() else None


def cube_of(path: Path, reference: str) -> xr.DataArray:
    """One file as a cube: bands, y, x; GRIB messages with valid times as t, bands, y, x."""
    raster = header(path, reference)
    frame = frame_of(raster)
    kind = value_type([raster], gaps=False)
    moments = sorted({time for time in raster.times if time is not None})
    names = _band_names(raster)
    if moments and len(set(zip(raster.times, names, strict=True))) == raster.count:
        return _by_time(raster, frame, kind, moments, names)
    if len(set(names)) < len(names):
        names = [f"B{number}" for number in range(1, raster.count + 1)]
    layers = [[Layer(raster, number)] for number in range(1, raster.count + 1)]
    return assemble(planes([layers], frame, kind), frame, names, []).isel(t=0, drop=True)


def _by_time(
    raster: Raster, frame: Frame, kind: np.dtype[Any], moments: list[np.datetime64], names: list[str]
) -> xr.DataArray:
    bands = list(dict.fromkeys(names))
    places = {(time, name): n + 1 for n, (time, name) in enumerate(zip(raster.times, names, strict=True))}
    complete = all((moment, band) in places for moment in moments for band in bands)
    kind = kind if complete else value_type([raster], gaps=True)
    plan = [[[Layer(raster, places[m, b])] if (m, b) in places else [] for b in bands] for m in moments]
    return assemble(planes(plan, frame, kind), frame, bands, moments)


def _band_names(raster: Raster) -> list[str]:
    if all(raster.names) and (len(set(raster.names)) == raster.count or raster.times):
        return list(raster.names)
    return [f"B{number}" for number in range(1, raster.count + 1)]


def assemble(
    data: Any, frame: Frame, bands: Sequence[str], moments: Sequence[np.datetime64], **attributes: Any
) -> xr.DataArray:
    """A cube (t, bands, y, x) with coordinates that tell what openEO wants to know."""
    crs = _system(frame)
    system = {"type": "spatial", "reference_system": crs}
    coords = {
        "bands": dimensions.coordinate("bands", list(bands), {"type": "bands", "alias": ["band"], **attributes}),
        "y": dimensions.coordinate("y", frame.rows(), {**system, "axis": "y"}),
        "x": dimensions.coordinate("x", frame.columns(), {**system, "axis": "x"}),
    }
    if len(moments):
        times = np.array(moments, "datetime64[ns]")
        coords["t"] = dimensions.coordinate("t", times, {"type": "temporal", "alias": ["time", "temporal"]})
    return xr.DataArray(data, dims=("t", "bands", "y", "x"), coords=coords)


def _system(frame: Frame) -> Any:
    if frame.crs is None:
        return dimensions.WGS84
    epsg = frame.crs.to_epsg()
    return f"EPSG:{epsg}" if epsg else frame.crs.to_wkt()
