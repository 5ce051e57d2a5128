"""Tiles of rasters: open handles of every overview, read where they lie; what is bent goes through rio-tiler."""

import contextlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioError
from rasterio.warp import transform
from rasterio.windows import Window as RasterWindow

from terrafair.data.tiles import sampling
from terrafair.data.tiles.mercator import Tile
from terrafair.data.tiles.projection import Difficult, places
from terrafair.data.tiles.sampling import Grid, Picked, Window
from terrafair.data.tiles.style import Style
from terrafair.errors import InvalidInput

OPEN = 32
"""Files that are kept open."""
DRIVERS = ("GTiff", "JP2OpenJPEG", "PNG", "JPEG", "GRIB")
"""Formats that carry their data in themselves: none of them names another file to be opened."""
STATISTICS_PIXELS = 1024
BANDS = 2_000
"""Whose values at a place are told."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One open raster."""

    handles: tuple[Any, ...]
    """The file itself, then its overviews, finest first."""
    grids: tuple[Grid, ...]
    crs: str
    """Empty: the file is not north-up, or says nothing of where it lies in this simple way."""
    picture: bool
    """Three bytes per pixel that are colours."""
    table: NDArray[np.uint8] | None
    """Colours of categories, shape (256, 4)."""


class Rasters:
    """The rasters of one process; not for several threads at once."""

    def __init__(self) -> None:
        self._layers: OrderedDict[str, Layer] = OrderedDict()
        self._scales: dict[tuple[str, tuple[int, ...]], tuple[tuple[float, float], ...]] = {}

    def tile(self, path: str, tile: Tile, style: Style) -> tuple[Picked | None, Layer]:
        """The pixels of a tile; None where the raster does not reach."""
        layer = self.open(path)
        bands = self.bands(layer, style)
        if layer.crs:
            try:
                there = places(tile, layer.crs, style.size, min(abs(layer.grids[0].width), abs(layer.grids[0].height)))
                return self._read(layer, there, bands, style), layer
            except Difficult:
                pass
        return _bent(path, tile, bands, style), layer

    def bands(self, layer: Layer, style: Style) -> tuple[int, ...]:
        """Those that are shown; raises `InvalidInput` for one that is not there."""
        count = layer.handles[0].count
        bands = style.bands or ((1, 2, 3) if layer.picture else (1,))
        if missing := [band for band in bands if band > count]:
            raise InvalidInput(f"There is no band {missing[0]}.", f"The file has {count}.", where="bands")
        return bands

    def scales(self, path: str, style: Style) -> tuple[tuple[float, float], ...]:
        """The values shown darkest and brightest: as asked, else 2 to 98 per cent of an overview's data."""
        if style.rescale:
            return style.rescale
        layer = self.open(path)
        bands = self.bands(layer, style)
        if layer.picture and not style.bands:
            return ((0.0, 255.0),)
        known = self._scales.get((path, bands))
        if known is None:
            known = tuple(_spread(self.sample(layer, band)) for band in bands)
            self._scales[path, bands] = known
        return known

    def sample(self, layer: Layer, band: int) -> NDArray[np.generic]:
        """The data of a band at low resolution, without what is none."""
        handle = layer.handles[0]
        factor = max(handle.width, handle.height) / STATISTICS_PIXELS
        shape = (max(round(handle.height / max(factor, 1)), 1), max(round(handle.width / max(factor, 1)), 1))
        values = handle.read(band, out_shape=shape, masked=True)
        known = np.asarray(values.compressed())
        return known[np.isfinite(known)] if known.dtype.kind == "f" else known

    def values_at(self, path: str, longitude: float, latitude: float) -> dict[str, Any]:
        """The values of all bands in the pixel of a place, as a series has them."""
        if not (-360 <= longitude <= 360 and -90 <= latitude <= 90):
            raise InvalidInput(f"There is no place {longitude}, {latitude}.", "Longitude and latitude are in degrees.")
        handle = self.open(path).handles[0]
        if handle.crs is None or handle.gcps[0]:
            raise InvalidInput("The file does not say where its pixels lie.", "It has no simple grid.")
        (x,), (y,) = transform("EPSG:4326", handle.crs, [longitude], [latitude])
        row, column = handle.index(x, y)
        if not (0 <= row < handle.height and 0 <= column < handle.width):
            raise InvalidInput(f"The place {longitude}, {latitude} lies beside the data.", where="place")
        bands = list(range(1, min(handle.count, BANDS) + 1))
        values = handle.read(bands, window=RasterWindow(column, row, 1, 1), masked=True).reshape(-1)
        return {
            "variable": "value",
            "title": "Value" if len(bands) == 1 else "Values of the bands",
            "unit": str(handle.units[0] or ""),
            "times": [
                str(name) if name else f"band {band}" for name, band in zip(handle.descriptions, bands, strict=False)
            ],
            "values": [float(each) if each is not np.ma.masked and np.isfinite(each) else None for each in values],
            "cell": [int(row), int(column)],
        }

    def open(self, path: str) -> Layer:
        """The open raster; raises `InvalidInput` for what is none."""
        if path in self._layers:
            self._layers.move_to_end(path)
            return self._layers[path]
        try:
            layer = _open(path)
        except RasterioError as fault:
            raise InvalidInput(f"{Path(path).name} cannot be read as a raster.", str(fault)[:200]) from None
        self._layers[path] = layer
        if len(self._layers) > OPEN:
            _, old = self._layers.popitem(last=False)
            for handle in old.handles:
                handle.close()
        return layer

    def _read(self, layer: Layer, there: Any, bands: Sequence[int], style: Style) -> Picked | None:
        level = sampling.best(list(layer.grids), there)
        handle = layer.handles[level]

        def read(window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
            part = RasterWindow(window.column, window.row, window.columns, window.rows)
            values = handle.read(list(bands), window=part)
            return values, _valid(handle, values, part, bands[0])

        resampling = style.resampling or ("nearest" if layer.table is not None else "")
        return sampling.pick(there, layer.grids[level], read, resampling=resampling, size=style.size)


def _valid(handle: Any, values: Any, part: RasterWindow, band: int) -> "NDArray[np.bool_] | None":
    flags = handle.mask_flag_enums[band - 1]
    found: NDArray[np.bool_] | None = None
    if MaskFlags.nodata in flags:
        found = _unlike(values, handle.nodata)
    elif MaskFlags.all_valid not in flags:
        found = handle.read_masks(band, window=part) > 0
    # A sum is finite only where all of it is: quicker than to look at each value.
    if values.dtype.kind == "f" and not np.isfinite(values.sum(dtype=np.float64)):
        finite = np.isfinite(values).all(axis=0)
        found = finite if found is None else found & finite
    return found


def _unlike(values: Any, nodata: float) -> "NDArray[np.bool_] | None":
    """Where there is data; a place is empty when all shown bands are: black water is no gap in a picture."""
    empty: NDArray[np.bool_] | None = None
    for band in values:
        nothing = np.isnan(band) if np.isnan(nodata) else band == nodata
        empty = nothing if empty is None else empty & nothing
        if not empty.any():
            return None
    return None if empty is None else ~empty


def _open(path: str) -> Layer:
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(rasterio.open(path, driver=_driver(path)))
        handles = [first]
        handles += [
            stack.enter_context(rasterio.open(path, driver=_driver(path), overview_level=level))
            for level in range(len(first.overviews(1)))
        ]
        stack.pop_all()
    transform = first.transform
    straight = transform.b == 0 and transform.d == 0 and not first.gcps[0] and first.crs is not None
    grids = tuple(
        Grid(
            transform.c,
            transform.f,
            transform.a * first.width / handle.width,
            transform.e * first.height / handle.height,
            handle.width,
            handle.height,
        )
        for handle in handles
    )
    colours = first.colorinterp[:3]
    picture = first.count >= 3 and first.dtypes[0] == "uint8" and colours[0] is not ColorInterp.palette
    crs = f"EPSG:{code}" if straight and (code := first.crs.to_epsg()) else first.crs.to_wkt() if straight else ""
    return Layer(tuple(handles), grids, crs, picture, _colour_table(first))


def _driver(path: str) -> str:
    """By the first bytes: GDAL itself would try drivers that open other files."""
    with Path(path).open("rb") as file:
        head = file.read(12)
    for magic, driver in (
        (b"II*\0", "GTiff"),
        (b"MM\0*", "GTiff"),
        (b"II+\0", "GTiff"),
        (b"MM\0+", "GTiff"),
        (b"\0\0\0\x0cjP  ", "JP2OpenJPEG"),
        (b"\x89PNG", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GRIB", "GRIB"),
    ):
        if head.startswith(magic):
            return driver
    raise InvalidInput(f"{Path(path).name} is no raster that is drawn here.", f"Known: {', '.join(DRIVERS)}.")


def _colour_table(handle: Any) -> "NDArray[np.uint8] | None":
    try:
        colours = handle.colormap(1)
    except (ValueError, RasterioError):
        return None
    if handle.dtypes[0] != "uint8":
        return None
    table = np.zeros((256, 4), np.uint8)
    for index, colour in colours.items():
        if 0 <= index < 256:
            table[index] = colour
    return table


def _bent(path: str, tile: Tile, bands: Sequence[int], style: Style) -> Picked | None:
    from rio_tiler.errors import TileOutsideBounds
    from rio_tiler.io import Reader

    method = "nearest" if style.resampling == "nearest" else "bilinear"
    with Reader(path) as reader:
        try:
            found = reader.tile(
                tile.x,
                tile.y,
                tile.z,
                tilesize=style.size,
                indexes=tuple(bands),
                resampling_method=method,
                reproject_method=method,
            )
        except TileOutsideBounds:
            return None
    return Picked(found.data, found.mask > 0)


def _spread(values: NDArray[np.generic]) -> tuple[float, float]:
    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values.astype(np.float64), (2, 98)))
    return (low, high) if low < high else (low, low + 1.0)
