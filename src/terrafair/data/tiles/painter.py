"""Paints tiles of any file that has a place; the state of one process, for its one thread."""

from pathlib import Path
from typing import Any

import numpy as np

from terrafair.data.classify import Kind, classify
from terrafair.data.tiles import picture, preview, series
from terrafair.data.tiles.colours import legend
from terrafair.data.tiles.cubes import Cubes
from terrafair.data.tiles.mercator import Tile
from terrafair.data.tiles.rasters import Rasters
from terrafair.data.tiles.style import Style
from terrafair.errors import InvalidInput

CLASSES = 40
"""Categories of a legend."""
PIXELS = "Its pixels lie on no regular grid: the map shows the nearest of each place."
CUBES = frozenset({Kind.NETCDF, Kind.HDF5, Kind.ZARR})


class Painter:
    """Keeps files open."""

    def __init__(self) -> None:
        self._rasters = Rasters()
        self._cubes = Cubes()
        self._kinds: dict[str, bool] = {}

    def tile(self, path: str, tile: Tile, style: Style) -> tuple[bytes, str]:
        """One encoded tile, and why there is nothing on it where that is so."""
        if self._is_cube(path):
            found, table, scales = self._cubes.tile(path, tile, style), None, self._cubes.scales(path, style)
        else:
            found, layer = self._rasters.tile(path, tile, style)
            table, scales = (None if style.ramp else layer.table), self._rasters.scales(path, style)
        if found is None:
            return picture.empty(style), "The data does not reach here."
        empty = found.valid is not None and not found.valid.any()
        note = "There is no data here." if empty else ""
        return picture.draw(found.values, found.valid, style, scales, table), note

    def preview(self, path: str, style: Style) -> bytes:
        """All of it as one picture, not on a map's grid."""
        if self._is_cube(path):
            found, table, scales = preview.of_cube(self._cubes, path, style), None, self._cubes.scales(path, style)
        else:
            found, layer = preview.of_raster(self._rasters, path, style)
            table, scales = (None if style.ramp else layer.table), self._rasters.scales(path, style)
        return picture.draw(found.values, found.valid, style, scales, table)

    def about(self, path: str, style: Style) -> dict[str, Any]:
        """What a map needs to know: bounds in degrees, zoom levels, values, legend, dimensions."""
        if self._is_cube(path):
            return self._about_cube(path, style)
        from rasterio.warp import transform_bounds

        layer = self._rasters.open(path)
        handle = layer.handles[0]
        bounds = list(transform_bounds(handle.crs, "EPSG:4326", *handle.bounds)) if handle.crs else None
        scales = self._rasters.scales(path, style)
        bands = self._rasters.bands(layer, style)
        histograms = [_histogram(self._rasters.sample(layer, band)) for band in bands]
        one = len(bands) == 1 and layer.table is None
        return {
            "kind": "raster",
            "bounds": bounds,
            "bands": [
                {"band": number + 1, "name": name or f"band {number + 1}"}
                for number, name in enumerate(handle.descriptions)
            ],
            "rescale": [list(pair) for pair in scales],
            "histograms": histograms,
            "legend": legend(style.ramp or "grey", *scales[0]) if one else [],
            "classes": _classes(self._rasters.sample(layer, bands[0]), layer.table) if layer.table is not None else [],
        }

    def series(
        self, path: str, variable: str, *, point: tuple[float, float] | None = None, area: Any = None
    ) -> dict[str, Any]:
        """A time series at a place or over an area."""
        if not self._is_cube(path):
            if point is None:
                raise InvalidInput("A raster has no series over an area.", remedy="Ask for a cube: Zarr or NetCDF.")
            return self._rasters.values_at(path, *point)
        if point is not None:
            return series.at_point(self._cubes, path, variable, *point)
        return series.over_area(self._cubes, path, variable, area)

    def _about_cube(self, path: str, style: Style) -> dict[str, Any]:
        layer = self._cubes.layer(path, style.variable)
        scales = self._cubes.scales(path, style)
        return {
            "kind": "cube",
            "bounds": list(layer.reach) if layer.reach else None,
            "variable": str(layer.array.name),
            "variables": self._cubes.variables(path),
            "title": str(layer.array.attrs.get("long_name", layer.array.name)),
            "unit": str(layer.array.attrs.get("units", "")),
            "note": PIXELS if layer.swath is not None else "",
            "dimensions": {name: _labels(layer.array, name) for name in layer.others},
            "rescale": [list(pair) for pair in scales],
            "histograms": [_histogram(self._cubes.sample(path, layer, style))],
            "legend": legend(style.ramp or "grey", *scales[0]),
        }

    def _is_cube(self, path: str) -> bool:
        if path not in self._kinds:
            self._kinds[path] = classify(Path(path)) in CUBES
        return self._kinds[path]


def _classes(values: Any, table: Any) -> list[dict[str, Any]]:
    """The categories that are there, the most frequent first, with their colours and shares."""
    found, counts = np.unique(values, return_counts=True)
    order = np.argsort(-counts)[:CLASSES]
    return [
        {
            "value": int(found[at]),
            "colour": "#" + "".join(f"{part:02x}" for part in table[found[at]][:3]),
            "share": round(float(counts[at] / counts.sum()), 4),
        }
        for at in order
        if table[found[at]][3]
    ]


def _labels(array: Any, name: str) -> list[str]:
    if name not in array.coords:
        return [str(number) for number in range(array.sizes[name])]
    values = array.coords[name].values
    if values.dtype.kind == "M":
        return [str(value) for value in np.datetime_as_string(values, unit="s")]
    return [str(value) for value in values]


def _histogram(values: Any) -> dict[str, Any]:
    if not len(values):
        return {"edges": [], "counts": [], "minimum": None, "maximum": None, "mean": None, "deviation": None}
    counts, edges = np.histogram(values, bins=32)
    return {
        "edges": [float(edge) for edge in edges],
        "counts": [int(count) for count in counts],
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean(dtype="float64")),
        "deviation": float(values.std(dtype="float64")),
    }
