"""The processes that load data: all of it has been staged, and `Environment.sources` says where."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.engines.openeo import area, dimensions, instants, read, stac
from terrafair.execution.engines.openeo.area import Box, Geometries
from terrafair.execution.engines.openeo.evaluate import Callback, Environment
from terrafair.execution.engines.openeo.processes.filters import between, keep_where, within
from terrafair.execution.engines.openeo.values import as_array, describe, items_of

VECTORS = frozenset({".geojson", ".json"})


def load_collection(
    environment: Environment,
    id: Any,  # noqa: A002
    spatial_extent: Any = None,
    temporal_extent: Any = None,
    bands: Any = None,
    properties: Any = None,
) -> xr.DataArray:
    return _load(environment, str(id), spatial_extent, temporal_extent, bands, properties)


def load_stac(
    environment: Environment,
    url: Any,
    spatial_extent: Any = None,
    temporal_extent: Any = None,
    bands: Any = None,
    properties: Any = None,
) -> xr.DataArray:
    return _load(environment, str(url), spatial_extent, temporal_extent, bands, properties)


def load_url(environment: Environment, url: Any, format: Any = None, options: Any = None) -> Any:  # noqa: A002, ARG001
    """The file's content tells its format; the argument is not needed."""
    return _file(environment, url, str(format or ""))


def load_uploaded_files(environment: Environment, paths: Any, format: Any = None, options: Any = None) -> Any:  # noqa: A002, ARG001
    """Several files become one cube: along time, or as bands."""
    listed = items_of(as_array([paths] if isinstance(paths, str) else paths, "paths"))
    if not listed:
        raise InvalidInput("`paths` names no file.", remedy="Name at least one.", code="argument-value")
    loaded = [_file(environment, path, str(format or "")) for path in listed]
    return stac.joined(loaded) if len(loaded) > 1 else loaded[0]


def load_geojson(data: Any, properties: Any = ()) -> xr.DataArray:
    """A vector cube: geometries, and the wanted properties as bands."""
    return _vector(Geometries.of(data, "data"), list(properties or []))


def _vector(shapes: Geometries, names: list[str]) -> xr.DataArray:
    values = [[_number(about.get(name)) for name in names] for about in shapes.properties]
    attributes = {"type": "geometry", "reference_system": shapes.crs}
    coords = {"geometry": dimensions.coordinate("geometry", list(shapes.shapes), attributes)}
    if not names:
        cube = xr.DataArray(np.full(len(shapes.shapes), np.nan, np.float32), dims=("geometry",), coords=coords)
    else:
        coords["properties"] = dimensions.coordinate("properties", names, {"type": "bands"})
        cube = xr.DataArray(np.array(values, np.float64), dims=("geometry", "properties"), coords=coords)
    cube.attrs["properties"] = list(shapes.properties)
    return cube


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")


def staged(environment: Environment, reference: Any) -> Path:
    """The local path of a reference; raises `InvalidInput` when it has not been staged."""
    path = environment.sources.get(str(reference))
    if path is None:
        what = f"{reference!r} has not been staged."
        why = "What a graph loads must stand in it, or in its parameters, before it runs; it cannot be computed."
        raise InvalidInput(what, why, "Write the reference into the graph.", code="source-missing")
    return Path(path)


def _file(environment: Environment, reference: Any, form: str) -> Any:
    if not isinstance(reference, str):
        raise InvalidInput(f"The reference is {describe(reference)}, not a text.", code="argument-type")
    path = staged(environment, reference)
    if path.is_file() and _starts(path, b"PAR1"):
        return _geoparquet(path, reference)
    if form.lower() in {"geojson", "json"} or path.suffix.lower() in VECTORS:
        try:
            document = json.loads(path.read_bytes())
        except (OSError, ValueError) as fault:
            what = f"{reference} is not valid JSON: {fault}."
            raise InvalidInput(what, where=reference, code="asset-unreadable") from None
        return load_geojson(document) if isinstance(document, Mapping) and "type" in document else document
    return read.cube_of(path, reference)


def _starts(path: Path, wanted: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(wanted)) == wanted


def _geoparquet(path: Path, reference: str) -> xr.DataArray:
    """A vector cube with the numbers of the table as properties."""
    try:
        import geopandas
    except ImportError:
        what = f"{reference} is GeoParquet, for which the package geopandas is not installed here."
        raise InvalidInput(what, remedy="Give it as GeoJSON.", where=reference, code="asset-unreadable") from None
    try:
        table = geopandas.read_parquet(path)
    except (ValueError, OSError) as fault:
        raise InvalidInput(
            f"{reference} is no GeoParquet: {fault}.", where=reference, code="asset-unreadable"
        ) from None
    names = [str(name) for name in table.columns if table[name].dtype.kind in "iufb"]
    rows = table[names].to_numpy(float).tolist()
    properties = tuple(dict(zip(names, values, strict=True)) for values in rows)
    crs = table.crs.to_wkt() if table.crs is not None else dimensions.WGS84
    epsg = table.crs.to_epsg() if table.crs is not None else None
    return _vector(Geometries(tuple(table.geometry), properties, f"EPSG:{epsg}" if epsg else crs), names)


def _load(
    environment: Environment, reference: str, spatial: Any, temporal: Any, bands: Any, properties: Any
) -> xr.DataArray:
    path = staged(environment, reference)
    start, end = (None, None) if temporal is None else instants.interval(temporal, same_day=True)
    box, shapes = area_of(spatial)
    if bands is not None and not isinstance(bands, list | tuple):
        what = f"`bands` is {describe(bands)}, not a list."
        raise InvalidInput(what, remedy='Write it as ["B04", "B08"].', code="argument-type")
    if path.is_file() and path.suffix.lower() in {".json", ".geojson"}:
        around = _hint(environment.around)
        cube = stac.cube_of(path, reference, box, start, end, bands or (), _condition(properties), around)
    else:
        cube = read.select_bands(read.cube_of(path, reference), bands)
        if dimensions.of_kind(cube, "temporal") and (start is not None or end is not None):
            cube = between(cube, dimensions.temporal(cube, None), start, end)
        cube = within(cube, box) if box is not None else cube
    return cube if shapes is None else keep_where(cube, area.mask(cube, shapes))


def _hint(extent: Any) -> Box | None:
    """The area of a filter further on, which will tell itself what is wrong with it."""
    try:
        return None if extent is None else Box.of(extent)
    except TerrafairError:
        return None


def area_of(extent: Any) -> tuple[Box | None, Geometries | None]:
    """The bounding box of an extent, and its polygons where it is GeoJSON or a vector cube."""
    if extent is None:
        return None, None
    if isinstance(extent, Mapping) and "west" in extent:
        return Box.of(extent, "spatial_extent"), None
    if isinstance(extent, xr.DataArray) and dimensions.is_raster(extent):
        y, x = dimensions.horizontal(extent)
        rows, columns = extent[y].values, extent[x].values
        bounds = (float(columns.min()), float(rows.min()), float(columns.max()), float(rows.max()))
        return Box(*bounds, dimensions.reference_system(extent)), None
    if isinstance(extent, xr.DataArray) or (isinstance(extent, Mapping) and "type" in extent):
        shapes = Geometries.of(extent, "spatial_extent")
        return shapes.box(), shapes
    return Box.of(extent, "spatial_extent"), None


def _condition(properties: Any) -> stac.Accepts:
    """Whether an item's properties meet all conditions; a property that is missing does not."""
    if not properties:
        return lambda _: True
    conditions = dict(properties)

    def accepts(found: Mapping[str, Any]) -> bool:
        for name, condition in conditions.items():
            value = found.get(name)
            passed = condition(value=value) if isinstance(condition, Callback) else value == condition
            if passed is not True:
                return False
        return True

    return accepts
