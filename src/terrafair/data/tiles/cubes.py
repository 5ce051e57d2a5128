"""Tiles of cubes: one slice of a variable of a Zarr store or a NetCDF file."""

from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from terrafair.data import axes
from terrafair.data.tiles import sampling, swath
from terrafair.data.tiles.mercator import Tile
from terrafair.data.tiles.projection import Difficult, Places, exact, places, reach
from terrafair.data.tiles.sampling import Grid, Picked, Window
from terrafair.data.tiles.style import Style
from terrafair.data.tiles.swath import Swath
from terrafair.errors import InvalidInput

OPEN = 16
CHUNK_BYTES = 256 * 2**20
"""Slices kept in memory, all cubes together."""
COLUMN_BYTES = 16 * 2**20
BLOCKS = 8
"""Series of neighbouring cells, kept for the next click near by."""
X_NAMES = ("x", "lon", "longitude", "easting", "projection_x_coordinate", "rlon")
Y_NAMES = ("y", "lat", "latitude", "northing", "projection_y_coordinate", "rlat")


@dataclass(frozen=True, slots=True, eq=False)
class CubeLayer:
    """One variable with a regular grid; itself alone is equal to it."""

    array: Any
    """xarray.DataArray, lazy."""
    x: str
    y: str
    grid: Grid
    crs: str
    """Empty: the cube does not say where it lies."""
    reach: tuple[float, float, float, float] | None
    """West, south, east, north in degrees."""
    swath: Swath | None = None
    """Where the array's pixels are found on the grid, for arrays that are no grid themselves."""

    @property
    def others(self) -> tuple[str, ...]:
        """Dimensions that a picture must be cut from."""
        return tuple(str(name) for name in self.array.dims if name not in (self.x, self.y))


class Cubes:
    """The cubes of one process; not for several threads at once."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Any] = OrderedDict()
        self._layers: dict[tuple[str, str], CubeLayer] = {}
        self._slices: OrderedDict[tuple[Any, ...], NDArray[np.generic]] = OrderedDict()
        self._bytes = 0
        self._blocks: OrderedDict[tuple[Any, ...], NDArray[np.generic]] = OrderedDict()

    def tile(self, path: str, tile: Tile, style: Style) -> Picked | None:
        """The pixels of a tile; None where the cube does not reach."""
        layer = self.layer(path, style.variable)
        grid, (crs, bounds) = layer.grid, placed(layer)
        try:
            there = places(tile, crs, style.size, min(abs(grid.width), abs(grid.height)))
        except Difficult:
            there = exact(tile, crs, style.size, bounds)
        there = _turned(there, layer)
        at = self.position(layer, style)

        def read(window: Window) -> tuple[NDArray[np.generic], NDArray[np.bool_] | None]:
            part = self.slice(path, layer, at)[
                window.row : window.row + window.rows, window.column : window.column + window.columns
            ]
            return part[None], np.isfinite(part) if part.dtype.kind == "f" else None

        return sampling.pick(there, grid, read, resampling=style.resampling, size=style.size)

    def scales(self, path: str, style: Style) -> tuple[tuple[float, float], ...]:
        """The values shown darkest and brightest: as asked, else 2 to 98 per cent of the slice."""
        if style.rescale:
            return style.rescale
        layer = self.layer(path, style.variable)
        known = self.sample(path, layer, style)
        if not len(known):
            return ((0.0, 1.0),)
        low, high = (float(value) for value in np.percentile(known.astype(np.float64), (2, 98)))
        return ((low, high if high > low else low + 1.0),)

    def sample(self, path: str, layer: CubeLayer, style: Style) -> NDArray[np.generic]:
        """Some of a slice's data, evenly picked, without what is none."""
        values = self.slice(path, layer, self.position(layer, style))
        step = max(int((values.size / 250_000) ** 0.5), 1)
        known = values[::step, ::step]
        return known[np.isfinite(known)] if known.dtype.kind == "f" else known.ravel()

    def layer(self, path: str, variable: str = "") -> CubeLayer:
        """A variable; raises `InvalidInput` with the variables that there are."""
        known = self._layers.get((path, variable))
        if known is None:
            known = self._layers[path, variable] = _layer(self._dataset(path), variable)
        return known

    def variables(self, path: str) -> list[str]:
        """The names that can be drawn."""
        return list(_placed(self._dataset(path)))

    def position(self, layer: CubeLayer, style: Style) -> tuple[tuple[str, int], ...]:
        """Where along the other dimensions; the first place where nothing is said."""
        asked = dict(style.index)
        if unknown := [name for name in asked if name not in layer.others]:
            has = ", ".join(layer.others) or "none besides its two of place"
            raise InvalidInput(f"There is no dimension {unknown[0]!r}.", f"The variable has {has}.", where="index")
        found = []
        for name in layer.others:
            length, index = layer.array.sizes[name], asked.get(name, 0)
            if not -length <= index < length:
                raise InvalidInput(f"{name} has no place {index}.", f"It has {length}.", where="index")
            found.append((name, index % length))
        return tuple(found)

    def slice(self, path: str, layer: CubeLayer, at: tuple[tuple[str, int], ...]) -> NDArray[np.generic]:
        """The values of one slice, shape (y, x), kept in memory."""
        key = (path, layer.array.name, at)
        if key in self._slices:
            self._slices.move_to_end(key)
            return self._slices[key]
        values = np.asarray(layer.array.isel(dict(at)).transpose(layer.y, layer.x).values)
        if layer.swath is not None:
            values = layer.swath.laid(values)
        self._slices[key] = values
        self._bytes += values.nbytes
        while self._bytes > CHUNK_BYTES and len(self._slices) > 1:
            self._bytes -= self._slices.popitem(last=False)[1].nbytes
        return values

    def column(self, path: str, layer: CubeLayer, row: int, column: int, time: str) -> NDArray[np.generic]:
        """One cell's values along `time`, at the first place of all other dimensions.

        A cell costs as much to read as its whole chunk: the cells beside it are kept for the next click.
        """
        if layer.swath is not None:
            pixel = layer.swath.pixel(row, column)
            if pixel is None:
                return np.full(layer.array.sizes[time] if time else 1, np.nan)
            row, column = pixel
        first = {name: 0 for name in layer.others if name != time}
        length = layer.array.sizes[time] if time else 1
        side = max(int((COLUMN_BYTES / (length * layer.array.dtype.itemsize)) ** 0.5), 1)
        chunks = layer.array.encoding.get("preferred_chunks") or {}
        rows = _around(row, layer.array.sizes[layer.y], int(chunks.get(layer.y, 1)), side)
        columns = _around(column, layer.array.sizes[layer.x], int(chunks.get(layer.x, 1)), side)
        key = (path, layer.array.name, rows.start, rows.stop, columns.start, columns.stop)
        block = self._blocks.get(key)
        if block is None:
            part = layer.array.isel({**first, layer.y: rows, layer.x: columns})
            order = ([time] if time else []) + [layer.y, layer.x]
            block = np.asarray(part.transpose(*order).values).reshape(length, *_shape(rows, columns))
            self._blocks[key] = block
            while len(self._blocks) > BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return block[:, row - rows.start, column - columns.start]

    def _dataset(self, path: str) -> Any:
        if path not in self._open:
            self._open[path] = open_cube(path)
            if len(self._open) > OPEN:
                gone, old = self._open.popitem(last=False)
                self._layers = {key: layer for key, layer in self._layers.items() if key[0] != gone}
                old.close()
        self._open.move_to_end(path)
        return self._open[path]


def _around(at: int, size: int, chunk: int, side: int) -> slice:
    """The places of the chunk around one place, at most so many."""
    start = at // chunk * chunk
    if chunk > side:
        start += (at - start) // side * side
    return slice(start, min(start + min(chunk, side), at // chunk * chunk + chunk, size))


def _shape(rows: slice, columns: slice) -> tuple[int, int]:
    return rows.stop - rows.start, columns.stop - columns.start


def _turned(there: Places, layer: CubeLayer) -> Places:
    """Longitudes as the cube counts them: the map's go from -180, many cubes' from 0."""
    if layer.crs != "EPSG:4326" or layer.grid.left + layer.grid.width * layer.grid.columns <= 180.5:
        return there
    return Places(np.where(there.x < layer.grid.left, there.x + 360, there.x), there.y, there.seen)


def open_cube(path: str) -> Any:
    """A Zarr folder or a NetCDF file as an xarray.Dataset; raises `InvalidInput`."""
    import xarray as xr

    folder = Path(path).is_dir()

    def read(**options: Any) -> Any:
        if folder:
            return xr.open_zarr(path, chunks=None, consolidated=None, **options)
        return xr.open_dataset(path, engine=None, decode_timedelta=False, **options)

    try:
        try:
            return read()
        except ValueError:
            # Times before the year 1, or of a calendar that nobody knows, are numbers then.
            return read(decode_times=False)
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{Path(path).name} cannot be read as a cube.", str(fault)[:200]) from None


def _layer(dataset: Any, variable: str) -> CubeLayer:
    found = _placed(dataset)
    chosen = variable or next(iter(found), "")
    if chosen not in found:
        what = f"There is no variable {chosen!r} to draw." if chosen else "The cube has no variable that has a place."
        raise InvalidInput(what, remedy=f"It has: {', '.join(found) or 'none'}.", where="variable")
    array, x, y = found[chosen]
    crs = _crs(dataset, array, x)
    laid = _swath(dataset, array, x, y, crs)
    if laid is not None:
        return CubeLayer(array, x, y, laid.grid, "EPSG:4326", reach("EPSG:4326", laid.grid.box), laid)
    grid = _grid(array, x, y)
    return CubeLayer(array, x, y, grid, crs, reach(crs, grid.box) if crs else None)


def _swath(dataset: Any, array: Any, x: str, y: str, crs: str) -> Swath | None:
    """Of an array that lies on no regular grid, or on one of a reference system that it does not tell."""
    even = all(_step(array, name) is not None for name in (x, y))
    if crs and even:
        return None
    if pair := swath.located(array, swath.pairs(dataset), dataset):
        read = (np.asarray(dataset[name].transpose(y, x).values) for name in pair)
        return swath.swath(*read)
    if crs == "EPSG:4326" and x in array.coords and y in array.coords:
        return swath.swath(*np.meshgrid(array.coords[x].values, array.coords[y].values))
    return None


def _placed(dataset: Any) -> dict[str, tuple[Any, str, str]]:
    """Variables with the names of their two dimensions of place; what is measured before flags of its quality."""
    found = {}
    known = swath.pairs(dataset)
    for name, array in dataset.data_vars.items():
        x, y = _axis(array, X_NAMES, "x"), _axis(array, Y_NAMES, "y")
        if not (x and y) and (pair := swath.located(array, known, dataset)):
            y, x = (str(each) for each in dataset.variables[pair[0]].dims)
        if x and y and array.dtype.kind in "fiub":
            found[str(name)] = (array, x, y)
    return dict(
        sorted(found.items(), key=lambda pair: not {"flag_meanings", "flag_masks"}.isdisjoint(pair[1][0].attrs))
    )


def _axis(array: Any, names: tuple[str, ...], letter: str) -> str:
    for name in array.dims:
        known = axes.letter(str(name), array.coords[name].variable) if name in array.coords else None
        if str(name).lower() in names or known == letter:
            return str(name)
    return ""


def _grid(array: Any, x: str, y: str) -> Grid:
    steps = []
    for name in (x, y):
        if array.sizes[name] < 2:
            raise InvalidInput(f"{name} has {array.sizes[name]} place.", "A map needs two at least.")
        step = _step(array, name)
        if step is None:
            raise InvalidInput(f"The places along {name} are not evenly spaced.", "Such a grid is not drawn here.")
        first = float(array.coords[name].values[0]) if name in array.coords else 0.0
        steps.append((first - step / 2, step))
    (left, width), (top, height) = steps
    return Grid(left, top, width, height, array.sizes[x], array.sizes[y])


def _step(array: Any, name: str) -> float | None:
    """Between the places along a dimension; None where they are not evenly spaced."""
    values = np.asarray(array.coords[name].values if name in array.coords else np.arange(array.sizes[name]), float)
    if len(values) < 2:
        return None
    step = (values[-1] - values[0]) / (len(values) - 1)
    return float(step) if np.allclose(np.diff(values), step, rtol=0.02, atol=abs(step) * 0.02) else None


def _crs(dataset: Any, array: Any, x: str) -> str:
    name = array.attrs.get("grid_mapping") or array.encoding.get("grid_mapping") or "spatial_ref"
    described = dataset.variables.get(name) if isinstance(name, str) else None
    if described is not None:
        attributes = described.attrs
        wkt = attributes.get("crs_wkt") or attributes.get("spatial_ref") or attributes.get("epsg_code")
        if wkt:
            from pyproj import CRS

            crs = CRS.from_user_input(str(wkt))
            return f"EPSG:{code}" if (code := crs.to_epsg()) else crs.to_wkt()
    if x.lower() in ("lon", "longitude") or (
        x in array.coords
        and array.coords[x].attrs.get("units", "").startswith("degree")
        and array.coords[x].attrs.get("standard_name") != "grid_longitude"
    ):
        return "EPSG:4326"
    told = axes.crs_in(dataset) if described is not None else None
    return told.to_wkt() if told is not None else ""


def placed(layer: CubeLayer) -> tuple[str, tuple[float, float, float, float]]:
    """Reference system and reach; raises `InvalidInput` where there are none."""
    if layer.reach is None:
        raise InvalidInput("The cube does not say where it lies.", "It has no grid_mapping with a crs_wkt.")
    return layer.crs, layer.reach
