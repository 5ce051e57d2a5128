"""Processes that bring a cube to another grid or other dates."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions
from terrafair.execution.engines.openeo.area import Box
from terrafair.execution.engines.openeo.sizes import PIXELS
from terrafair.execution.engines.openeo.values import describe

METHODS = {
    "near": "nearest", "bilinear": "bilinear", "cubic": "cubic", "cubicspline": "cubic_spline", "lanczos": "lanczos",
    "average": "average", "mode": "mode", "max": "max", "min": "min", "med": "med", "q1": "q1", "q3": "q3",
    "sum": "sum", "rms": "rms",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Grid:
    """Centres of the pixels of a raster."""

    rows: Any
    columns: Any
    crs: Any

    @classmethod
    def of(cls, cube: xr.DataArray) -> "Grid":
        """The grid of a cube."""
        y, x = dimensions.horizontal(cube)
        if y not in cube.coords or x not in cube.coords:
            what = "The cube has no coordinates along x and y."
            raise InvalidInput(what, "It cannot be resampled.", code="grid-missing")
        rows, columns = (np.asarray(cube[name].values, float) for name in (y, x))
        return cls(rows, columns, dimensions.reference_system(cube))

    @property
    def transform(self) -> Any:
        """From pixel corners to coordinates, as rasterio has it."""
        from rasterio.transform import Affine

        dx, dy = area.resolution(self.columns), area.resolution(self.rows)
        dx, dy = dx or abs(dy) or 1.0, dy or -abs(dx) or -1.0
        return Affine(dx, 0, self.columns[0] - dx / 2, 0, dy, self.rows[0] - dy / 2)


def resample_spatial(
    data: Any, resolution: Any = 0, projection: Any = None, method: str = "near", align: str = "upper-left"
) -> xr.DataArray:
    """Resolution 0 keeps that of the cube, or fits one to the other reference system."""
    cube = dimensions.as_cube(data)
    grid = Grid.of(cube)
    crs = grid.crs if projection is None else projection
    # Raises for a reference system that nobody knows.
    area.reference_system(crs)
    wide, high = _sizes(resolution)
    if (not wide or not high) and area.same_system(crs, grid.crs):
        wide, high = wide or abs(area.resolution(grid.columns)), high or abs(area.resolution(grid.rows))
    if not wide or not high:
        wide, high = _fitting(grid, crs)
    bounds = _edges(grid).to(crs)
    columns = max(1, round((bounds.east - bounds.west) / wide))
    rows = max(1, round((bounds.north - bounds.south) / high))
    if columns * rows > PIXELS:
        what = f"The result would have {columns} x {rows} pixels."
        raise InvalidInput(
            what, f"{PIXELS} are the most.", "Choose a coarser resolution, in the unit of the reference system."
        )
    west = bounds.west if "left" in align else bounds.east - columns * wide
    north = bounds.north if "upper" in align else bounds.south + rows * high
    target = Grid(north - (np.arange(rows) + 0.5) * high, west + (np.arange(columns) + 0.5) * wide, crs)
    return onto(cube, target, method)


def _sizes(resolution: Any) -> tuple[float, float]:
    pair = list(resolution) if isinstance(resolution, list | tuple) else [resolution, resolution]
    if len(pair) != 2 or any(not isinstance(each, int | float) or each < 0 for each in pair):
        raise InvalidInput(f"`resolution` is {describe(resolution)}.", remedy="Give a number of 0 or more, or two.")
    return float(pair[0]), float(pair[1])


def _edges(grid: Grid) -> Box:
    step_x, step_y = abs(area.resolution(grid.columns)) / 2, abs(area.resolution(grid.rows)) / 2
    return Box(
        float(grid.columns.min() - step_x), float(grid.rows.min() - step_y),
        float(grid.columns.max() + step_x), float(grid.rows.max() + step_y), grid.crs,
    )  # fmt: skip


def _fitting(grid: Grid, crs: Any) -> tuple[float, float]:
    from rasterio.warp import calculate_default_transform

    edges = _edges(grid)
    transform, _, _ = calculate_default_transform(
        _wkt(grid.crs), _wkt(crs), len(grid.columns), len(grid.rows),
        left=edges.west, bottom=edges.south, right=edges.east, top=edges.north,
    )  # fmt: skip
    return abs(transform.a), abs(transform.e)


def _wkt(crs: Any) -> str:
    return str(area.reference_system(crs).to_wkt())


def resample_cube_spatial(data: Any, target: Any, method: str = "near") -> xr.DataArray:
    cube, model = dimensions.as_cube(data), dimensions.as_cube(target, "target")
    return onto(cube, Grid.of(model), method)


def onto(cube: xr.DataArray, target: Grid, method: str) -> xr.DataArray:
    """Warp every (y, x) plane to the grid."""
    if method not in METHODS:
        what = f"The method {method!r} is not known."
        raise InvalidInput(what, remedy=f"Known: {', '.join(METHODS)}.", code="argument-value")
    y, x = dimensions.horizontal(cube)
    source = Grid.of(cube)
    crs = (_wkt(source.crs), _wkt(target.crs))
    kind = cube.dtype if cube.dtype.kind == "f" else np.dtype(np.float32 if cube.dtype.itemsize <= 2 else np.float64)
    moved = cube.astype(kind).transpose(..., y, x)
    rest = [str(name) for name in moved.dims[:-2]]

    def work(block: Any) -> Any:
        return _warp(block, source, target, crs, method)

    if moved.chunks:
        import dask.array as da

        lazy = moved.data.rechunk({moved.ndim - 2: -1, moved.ndim - 1: -1})
        chunks = (*lazy.chunks[:-2], (len(target.rows),), (len(target.columns),))
        data = da.map_blocks(work, lazy, dtype=kind, chunks=chunks, meta=np.empty((0,) * moved.ndim, kind))
    else:
        data = work(np.asarray(moved.data))
    extra = {
        y: dimensions.coordinate(y, target.rows, {**_attributes(cube, y), "reference_system": target.crs}),
        x: dimensions.coordinate(x, target.columns, {**_attributes(cube, x), "reference_system": target.crs}),
    }
    return dimensions.rebuilt(cube, data, [*rest, y, x], extra).transpose(*cube.dims)


def _attributes(cube: xr.DataArray, name: str) -> dict[str, Any]:
    return {**cube[name].attrs, "type": "spatial"}


def _warp(block: Any, source: Grid, target: Grid, crs: tuple[str, str], method: str) -> Any:
    from rasterio.enums import Resampling
    from rasterio.warp import reproject

    planes = block.reshape(-1, *block.shape[-2:])
    result = np.full((len(planes), len(target.rows), len(target.columns)), np.nan, block.dtype)
    for plane, into in zip(planes, result, strict=True):
        reproject(
            plane, into, src_transform=source.transform, src_crs=crs[0], dst_transform=target.transform,
            dst_crs=crs[1], src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling[METHODS[method]],
        )  # fmt: skip
    return result.reshape(*block.shape[:-2], *result.shape[1:])


def resample_cube_temporal(
    data: Any, target: Any, dimension: str | None = None, valid_within: float | None = None
) -> xr.DataArray:
    """The nearest date for each of the target's; of two as near the earlier.

    With `valid_within`, in days, the nearest that has a value, for each pixel.
    """
    cube, model = dimensions.as_cube(data), dimensions.as_cube(target, "target")
    for name in _temporal(cube, model, dimension):
        cube = _nearest(cube, name, model[name].values, valid_within)
    return cube


def _temporal(cube: xr.DataArray, model: xr.DataArray, dimension: str | None) -> list[str]:
    if dimension is None:
        names = [n for n in dimensions.of_kind(cube, "temporal") if n in dimensions.of_kind(model, "temporal")]
        if names:
            return names
        what = "The cubes have no temporal dimension of the same name."
        raise InvalidInput(what, remedy="Rename one with rename_dimension.", code="dimension-mismatch")
    for each in (cube, model):
        found = dimensions.find(each, dimension)
        if dimensions.kind(each, found) != "temporal" or found != dimension:
            what = f"The dimension {dimension} is not temporal in both cubes."
            raise InvalidInput(what, code="dimension-mismatch")
    return [dimension]


def _nearest(cube: xr.DataArray, name: str, wanted: Any, within: float | None) -> xr.DataArray:
    own = cube[name].values
    if not len(own):
        raise InvalidInput("The cube has no dates.", code="extent-empty")
    apart = np.abs(wanted[:, None] - own[None])
    # A stable sort by distance of dates in order: of two as near, the earlier stands first.
    order = np.argsort(own, kind="stable")
    ranked = order[np.argsort(apart[:, order], 1, kind="stable")]
    fresh = {name: dimensions.coordinate(name, wanted, dict(cube[name].attrs))}
    if within is None:
        return cube.isel({name: ranked[:, 0]}).drop_vars(name).assign_coords(fresh)
    limit = np.timedelta64(round(within * 86400), "s")
    floats = cube if cube.dtype.kind == "f" else cube.astype(np.float32 if cube.dtype.itemsize <= 2 else np.float64)
    found: list[xr.DataArray] = []
    for number in range(len(wanted)):
        near = [place for place in ranked[number] if apart[number, place] <= limit]
        best = xr.full_like(floats.isel({name: 0}, drop=True), np.nan)
        for place in near:
            candidate = floats.isel({name: int(place)}, drop=True)
            best = best.where(np.isfinite(best), candidate.where(np.isfinite(candidate)))
        found.append(best)
    joined = xr.concat(found, name, join="override", coords="minimal", compat="override")
    return joined.assign_coords(fresh).transpose(*cube.dims)
