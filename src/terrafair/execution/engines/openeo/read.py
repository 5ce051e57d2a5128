"""Opens files as cubes: NetCDF, Zarr and everything else that xarray reads; rasters go to `rasters`.

Dimensions get openEO's names (x, y, t, bands); the file's own stay as aliases.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions, rasters
from terrafair.execution.engines.openeo.processes.filters import unknown_band

_AXES = {
    "x": ("x", "lon", "longitude", "easting", "projection_x_coordinate"),
    "y": ("y", "lat", "latitude", "northing", "projection_y_coordinate"),
    "t": ("t", "time", "date", "datetime"),
    "bands": ("bands", "band"),
}
_UNITS = {"degrees_east": "x", "degree_east": "x", "degrees_north": "y", "degree_north": "y"}
_CF_AXES = {"X": "x", "Y": "y", "T": "t"}
NETCDF = frozenset({".nc", ".nc4", ".cdf", ".netcdf", ".h5", ".hdf5"})


def cube_of(path: Path, reference: str) -> xr.DataArray:
    """Open one staged file or store, lazily.

    Raises `InvalidInput` naming the reference for what no reader understands.
    """
    if not path.exists():
        raise InvalidInput(f"{reference} has not been staged.", where=reference, code="asset-unreadable")
    found = _kind(path)
    try:
        if found == "raster":
            return rasters.cube_of(path, reference)
        return from_dataset(_dataset(path, found))
    except InvalidInput:
        raise
    except Exception as fault:
        # Readers raise whatever they like for damaged files.
        text = " ".join(str(fault).split())[:300] or type(fault).__name__
        what = f"{reference} cannot be read as {_NAMES[found]}."
        raise InvalidInput(what, text, "Check the file; it may be damaged.", code="asset-unreadable") from fault


_NAMES = {"raster": "a raster", "netcdf": "NetCDF", "zarr": "Zarr"}


def _kind(path: Path) -> str:
    """By content; names only where that says nothing."""
    if path.is_dir():
        return "zarr"
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith((b"CDF", b"\x89HDF")):
        return "netcdf"
    known = start.startswith((b"II", b"MM", b"GRIB", b"\x89PNG", b"\xff\xd8", b"\x00\x00\x00\x0c"))
    return "netcdf" if path.suffix.lower() in NETCDF and not known else "raster"


def _dataset(path: Path, kind: str) -> xr.Dataset:
    import warnings

    with warnings.catch_warnings():
        # Odd calendars and fill values are told by what the cube then holds.
        warnings.simplefilter("ignore")
        for times in (xr.coders.CFDatetimeCoder(), False):
            try:
                if kind == "zarr":
                    return xr.open_zarr(path, decode_timedelta=False, decode_times=times)
                return xr.open_dataset(path, chunks={}, decode_timedelta=False, decode_times=times, engine="netcdf4")
            except ValueError as fault:
                # Climatologies count from the year 0, which no calendar of ours has: their labels stay numbers.
                if "decode time" not in str(fault) or not times:
                    raise
    raise AssertionError


def from_dataset(dataset: xr.Dataset) -> xr.DataArray:
    """One cube of a dataset's variables: each that has all the dimensions of the richest becomes a band."""
    names = {str(name): wanted for name in dataset.dims if (wanted := _axis(dataset, str(name)))}
    chosen = _unique(names, dataset)
    crs = _reference_system(dataset)
    system = crs or (dimensions.WGS84 if _degrees(dataset, chosen) else None)
    bands = _bands(dataset, chosen)
    if not bands:
        listed = ", ".join(map(str, dataset.data_vars)) or "none"
        raise InvalidInput("The file holds no gridded variable.", f"Variables: {listed}.", code="asset-unreadable")
    arrays = [dataset[name] for name in bands]
    kind = np.result_type(*(array.dtype for array in arrays))
    if "bands" in chosen.values():
        joined, attributes = arrays[0], {}
        labels: list[Any] = []
    else:
        bare = [array.astype(kind).drop_vars(list(array.coords)) for array in arrays]
        joined = xr.concat(bare, "bands", join="override", coords="minimal", compat="override")
        joined = joined.assign_coords({name: dataset[name] for name in joined.dims if name in dataset.coords})
        labels, attributes = bands, _named(dataset, bands)
    cube = joined.drop_vars([name for name in joined.coords if name not in joined.dims])
    cube = cube.rename({old: new for old, new in chosen.items() if old != new and old in cube.dims})
    if labels:
        cube = cube.assign_coords({"bands": dimensions.coordinate("bands", labels, {"type": "bands", **attributes})})
    cube = _scalar_time(cube, dataset)
    for old, new in chosen.items():
        _describe(cube, new, old, system)
    cube.attrs, cube.name = {}, None
    order = [name for name in ("t", "bands", "y", "x") if name in cube.dims]
    return cube.transpose(*[n for n in cube.dims if n not in order], *order)


def _axis(dataset: xr.Dataset, name: str) -> str:
    """What a dimension is, by its CF attributes, then by its name; empty: something else."""
    attributes: Mapping[str, Any] = dataset[name].attrs if name in dataset.variables else {}
    if name in dataset.variables and _is_time(dataset[name]):
        return "t"
    found = _CF_AXES.get(str(attributes.get("axis", "")).upper()) or _UNITS.get(str(attributes.get("units", "")))
    texts = {name.lower(), str(attributes.get("standard_name", "")).lower()}
    return found or next((axis for axis, known in _AXES.items() if texts & {*known}), "")


def _is_time(variable: xr.DataArray) -> bool:
    return variable.dtype.kind == "M" or (variable.dtype.kind == "O" and "calendar" in variable.encoding)


def _unique(names: dict[str, str], dataset: xr.Dataset) -> dict[str, str]:
    """One dimension for each axis: the one that most variables have."""
    chosen: dict[str, str] = {}
    for axis in _AXES:
        candidates = [name for name, found in names.items() if found == axis]
        if candidates:
            users = {n: sum(n in variable.dims for variable in dataset.data_vars.values()) for n in candidates}
            chosen[max(candidates, key=lambda name: users[name])] = axis
    return chosen


def _bands(dataset: xr.Dataset, chosen: dict[str, str]) -> list[str]:
    spatial = {name for name, axis in chosen.items() if axis in {"x", "y"}}
    numeric = {
        str(name): {str(d) for d in variable.dims}
        for name, variable in dataset.data_vars.items()
        if variable.dtype.kind in "iufb" and variable.dims and str(name) not in dataset.dims
    }
    bounds = {str(v.attrs.get("bounds", v.encoding.get("bounds", ""))) for v in dataset.variables.values()}
    numeric = {name: dims for name, dims in numeric.items() if name not in bounds}
    fitting = {name: dims for name, dims in numeric.items() if spatial <= dims} or numeric
    if not fitting:
        return []
    richest = max(fitting.values(), key=len)
    return [name for name, dims in fitting.items() if dims == richest]


def _named(dataset: xr.Dataset, bands: list[str]) -> dict[str, Any]:
    """Standard names serve as common names where they tell the bands apart; units are kept for saving."""
    names = {band: str(dataset[band].attrs.get("standard_name", "")) for band in bands}
    known = [name for name in names.values() if name]
    common = {band: name for band, name in names.items() if name and known.count(name) == 1}
    units = {band: str(dataset[band].attrs["units"]) for band in bands if "units" in dataset[band].attrs}
    return {"common_names": common, "units_of": units}


def _scalar_time(cube: xr.DataArray, dataset: xr.Dataset) -> xr.DataArray:
    """A single date that the file keeps beside its variables becomes the temporal dimension."""
    if "t" in cube.dims:
        return cube
    for name, variable in dataset.coords.items():
        if not variable.dims and variable.dtype.kind == "M" and variable.attrs.get("standard_name", "time") == "time":
            fresh = dimensions.coordinate("t", [variable.values], {"type": "temporal", "alias": [str(name)]})
            return cube.expand_dims("t").assign_coords({"t": fresh})
    return cube


def _describe(cube: xr.DataArray, name: str, own: str, crs: Any) -> None:
    """Write what openEO wants to know into the coordinate's attributes."""
    if name not in cube.dims:
        return
    if name not in cube.coords:
        if name in {"x", "y"}:
            return
        cube.coords[name] = (name, np.arange(cube.sizes[name]))
    kept = {key: value for key, value in cube[name].attrs.items() if key in {"common_names", "units_of"}}
    kind = {"x": "spatial", "y": "spatial", "t": "temporal", "bands": "bands"}[name]
    attributes: dict[str, Any] = {"type": kind, **kept}
    if kind == "spatial":
        attributes["axis"] = name
        attributes["reference_system"] = crs or dimensions.WGS84
    aliases = [alias for alias in dict.fromkeys((own, *_ALIASES.get(name, ()))) if alias != name]
    if aliases:
        attributes["alias"] = aliases
    values = cube[name].values
    if kind == "temporal" and values.dtype.kind == "O":
        values = _instants(values)
    if kind == "temporal" and values.dtype.kind != "M":
        attributes["type"] = "other"
    cube.coords[name] = dimensions.coordinate(name, values, attributes)


_ALIASES = {"t": ("time", "temporal"), "x": ("lon", "longitude"), "y": ("lat", "latitude"), "bands": ("band",)}


def _instants(values: Any) -> Any:
    """Dates of other calendars (360 days, no leap years) as those of ours; a day that ours lacks becomes the last."""
    import calendar

    found = []
    for moment in values:
        day = min(moment.day, calendar.monthrange(moment.year, moment.month)[1])
        text = (
            f"{moment.year:04d}-{moment.month:02d}-{day:02d}T{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d}"
        )
        found.append(np.datetime64(text, "ns"))
    return np.array(found, "datetime64[ns]")


def _reference_system(dataset: xr.Dataset) -> Any:
    """The EPSG code or WKT that a grid-mapping variable holds, if the file has one."""
    import pyproj

    for name, variable in dataset.variables.items():
        attributes = variable.attrs
        mapping = {"crs_wkt", "spatial_ref", "grid_mapping_name", "epsg_code"} & attributes.keys()
        if variable.ndim > 1 or not mapping or (name in dataset.dims and dataset.sizes[name] > 1):
            continue
        try:
            text = attributes.get("crs_wkt") or attributes.get("spatial_ref") or attributes.get("epsg_code")
            crs = pyproj.CRS.from_user_input(text) if text else pyproj.CRS.from_cf(dict(attributes))
        except pyproj.exceptions.CRSError:
            continue
        epsg = crs.to_epsg()
        if epsg is None and crs.is_geographic:
            # A sphere without a code: degrees are all that matters at the size of these pixels.
            return dimensions.WGS84
        return f"EPSG:{epsg}" if epsg else crs.to_wkt()
    return None


def _degrees(dataset: xr.Dataset, chosen: dict[str, str]) -> bool:
    units = {str(dataset[name].attrs.get("units", "")) for name in chosen if name in dataset.variables}
    return bool(units & {*_UNITS}) or bool({"lon", "longitude"} & {name.lower() for name in chosen})


def select_bands(cube: xr.DataArray, bands: Any) -> xr.DataArray:
    """The wanted bands in that order; raises `InvalidInput` for one that is not there."""
    if not bands:
        return cube
    name = dimensions.bands(cube)
    numbers = []
    for band in bands:
        if (found := dimensions.position(cube, name, band)) is None:
            raise unknown_band(band, [str(label) for label in dimensions.labels(cube, name)])
        numbers.append(found)
    return cube.isel({name: numbers})
