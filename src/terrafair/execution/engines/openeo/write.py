"""Writes cubes to files: cloud-optimised GeoTIFF, CF netCDF, Zarr, PNG, JSON, CSV, GeoJSON, GeoParquet."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions, images
from terrafair.execution.engines.openeo.values import LabelledArray

Written = dict[str, str]


def cube(data: xr.DataArray, folder: Path, name: str, extension: str, options: Mapping[str, Any]) -> Written:
    """Write a cube in one format; gives output name -> relative path."""
    if extension in {"tif", "png"}:
        return images.write(data, folder, name, extension, options)
    if extension in {"nc", "zarr"}:
        return _dataset(data, folder, name, extension)
    if extension == "geojson":
        return _features(data, folder, name)
    if extension == "parquet":
        return _geoparquet(data, folder, name)
    if extension == "csv":
        return _rows(data, folder, name)
    return document(_plain_cube(data), folder, f"{name}.json", name)


def document(value: Any, folder: Path, file: str, name: str) -> Written:
    """Write JSON."""
    (folder / file).write_text(json.dumps(value, ensure_ascii=False), "utf-8")
    return {name: file}


def table(data: Any, folder: Path, name: str) -> Written:
    """Write a plain array as CSV."""
    labels = data.labels if isinstance(data, LabelledArray) else range(len(data))
    values = data.values if isinstance(data, LabelledArray) else data
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["label", "value"])
        writer.writerows(zip(labels, values, strict=True))
    return {name: f"{name}.csv"}


# Cubes


def _dataset(data: xr.DataArray, folder: Path, name: str, extension: str) -> Written:
    """One variable for each band, CF coordinates, and the reference system as a grid mapping."""
    if dimensions.of_kind(data, "geometry"):
        what = "A vector cube cannot be saved as netCDF or Zarr here."
        raise InvalidInput(what, remedy="Save it as GeoJSON, CSV or JSON.", code="format-unsuitable")
    dataset = _variables(data)
    raster = dimensions.is_raster(data) and all(axis in data.coords for axis in dimensions.horizontal(data))
    for each in map(str, data.dims):
        if each in dataset.coords:
            dataset[each].attrs = _cf(data, each)
    if raster:
        crs = area.reference_system(dimensions.reference_system(data))
        dataset["spatial_ref"] = ((), np.int32(0), {**crs.to_cf(), "spatial_ref": crs.to_wkt()})
        for variable in dataset.data_vars:
            if variable != "spatial_ref":
                dataset[variable].attrs["grid_mapping"] = "spatial_ref"
        dataset = dataset.set_coords("spatial_ref")
    dataset.attrs["Conventions"] = "CF-1.9"
    path = folder / f"{name}.{extension}"
    if extension == "nc":
        encoding: dict[Any, dict[str, Any]] = {each: {"zlib": True, "complevel": 1} for each in dataset.data_vars}
        dataset.to_netcdf(path, engine="netcdf4", format="NETCDF4", encoding=encoding)
    else:
        dataset.to_zarr(path, mode="w", consolidated=True, zarr_format=2)
    return {name: path.name}


def _variables(data: xr.DataArray) -> xr.Dataset:
    bare = data.copy(deep=False)
    bare.attrs = {}
    for each in map(str, bare.dims):
        if each in bare.coords and bare[each].dtype == object:
            texts = np.array([str(label) for label in bare[each].values])
            bare = bare.assign_coords({each: (each, texts)})
    if bare.dtype.kind == "b":
        bare = bare.astype(np.uint8)
    bands = dimensions.of_kind(data, "bands")
    if not bands:
        return bare.to_dataset(name="result")
    labels = [str(label) for label in dimensions.labels(data, bands[0])]
    units = data[bands[0]].attrs.get("units_of", {}) if bands[0] in data.coords else {}
    found: dict[str, xr.DataArray] = {}
    for number, label in enumerate(labels):
        variable = bare.isel({bands[0]: number}, drop=True)
        variable.attrs = {"units": units[label]} if label in units else {}
        found[_variable_name(label, {*found, *map(str, data.dims)})] = variable
    return xr.Dataset(found)


def _variable_name(label: str, taken: set[str]) -> str:
    """NetCDF allows no slash, and no variable may be named as a dimension."""
    name = label.replace("/", "_") or "band"
    return name if name not in taken else _variable_name(f"{name}_", taken)


def _cf(data: xr.DataArray, name: str) -> dict[str, Any]:
    kind = dimensions.kind(data, name)
    if kind == "temporal":
        return {"standard_name": "time", "axis": "T"} if data[name].dtype.kind == "M" else {}
    axis = str(data[name].attrs.get("axis", name))
    if kind != "spatial" or axis not in {"x", "y"}:
        return {}
    if area.reference_system(dimensions.reference_system(data)).is_geographic:
        names = {"x": ("longitude", "degrees_east"), "y": ("latitude", "degrees_north")}
        return {"standard_name": names[axis][0], "units": names[axis][1], "axis": axis.upper()}
    return {"standard_name": f"projection_{axis}_coordinate", "units": "m", "axis": axis.upper()}


# Tables and features


def _plain_cube(data: xr.DataArray) -> Any:
    """Dimensions with labels, and nested lists; a cube without dimensions is its value."""
    from terrafair.execution.engines.openeo.save import jsonable

    if not data.dims:
        return jsonable(data.values.item())
    labels = {str(each): _json_labels(data, str(each)) for each in data.dims}
    return {"dims": [str(each) for each in data.dims], "coords": labels, "data": jsonable(data.values)}


def _json_labels(data: xr.DataArray, name: str) -> list[Any]:
    import shapely.geometry

    if dimensions.kind(data, name) == "geometry":
        return [shapely.geometry.mapping(shape) for shape in data[name].values]
    return dimensions.labels(data, name)


def _rows(data: xr.DataArray, folder: Path, name: str) -> Written:
    """One line for each label combination, bands side by side; geometries by their number."""
    bands = dimensions.of_kind(data, "bands")[:1]
    others = [str(each) for each in data.dims if each not in bands]
    moved = data.transpose(*others, *bands)
    columns = [str(label) for label in dimensions.labels(data, bands[0])] if bands else ["value"]
    labels = {each: _row_labels(data, each) for each in others}
    with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*others, *columns])
        for place in np.ndindex(*(data.sizes[each] for each in others)):
            values = np.atleast_1d(np.asarray(moved.values[place])).tolist()
            cells = ["" if value != value else value for value in values]  # noqa: PLR0124
            writer.writerow([*(labels[each][n] for each, n in zip(others, place, strict=True)), *cells])
    return {name: f"{name}.csv"}


def _row_labels(data: xr.DataArray, name: str) -> list[Any]:
    if dimensions.kind(data, name) == "geometry":
        return list(range(data.sizes[name]))
    return dimensions.labels(data, name)


def _properties(data: xr.DataArray, count: int) -> list[Mapping[str, Any]]:
    """What the features say of themselves; nothing where geometries have been picked since."""
    known = list(data.attrs.get("properties") or ())
    return known if len(known) == count else [{} for _ in range(count)]


def _geoparquet(data: xr.DataArray, folder: Path, name: str) -> Written:
    """One row for each geometry and label beside the bands, which are columns."""
    try:
        import geopandas
    except ImportError:
        what = "GeoParquet needs the package geopandas, which is not installed here."
        raise InvalidInput(what, remedy="Save it as GeoJSON, or install terrafair with the extra `vectors`.") from None
    geometries = dimensions.of_kind(data, "geometry")
    if not geometries:
        what = "A raster cube has no geometries to save as GeoParquet."
        raise InvalidInput(
            what, remedy="Aggregate it with aggregate_spatial, or save it as GTiff.", code="format-unsuitable"
        )
    shapes = area.Geometries.of(data)
    bands = dimensions.of_kind(data, "bands")[:1]
    others = [str(each) for each in data.dims if each not in (*geometries, *bands)]
    moved = data.transpose(geometries[0], *others, *bands)
    columns = [str(label) for label in dimensions.labels(data, bands[0])] if bands else ["value"]
    known = _properties(data, len(shapes.shapes))
    labels = {each: dimensions.labels(data, each) for each in others}
    rows: list[dict[str, Any]] = []
    for place in np.ndindex(*moved.shape[: 1 + len(others)]):
        about = {str(key): value for key, value in known[place[0]].items() if isinstance(value, str | int | float)}
        about |= {each: labels[each][n] for each, n in zip(others, place[1:], strict=True)}
        values = np.atleast_1d(np.asarray(moved.values[place])).tolist()
        rows.append({**about, **dict(zip(columns, values, strict=True)), "geometry": shapes.shapes[place[0]]})
    crs = area.reference_system(shapes.crs)
    geopandas.GeoDataFrame(rows, geometry="geometry", crs=crs).to_parquet(folder / f"{name}.parquet")
    return {name: f"{name}.parquet"}


def _features(data: xr.DataArray, folder: Path, name: str) -> Written:
    """Each geometry with its properties; values are named by their labels, as in `2024-06-01~B04`."""
    from terrafair.execution.engines.openeo.save import jsonable

    names = dimensions.of_kind(data, "geometry")
    if not names:
        what = "A raster cube has no geometries to save as GeoJSON."
        raise InvalidInput(what, remedy="Aggregate it with aggregate_spatial, or save it as GTiff.")
    import shapely.geometry

    others = [str(each) for each in data.dims if each != names[0]]
    moved = data.transpose(names[0], *others)
    shapes = area.Geometries.of(data).to(dimensions.WGS84).shapes
    known = _properties(data, len(shapes))
    features = []
    for number, (shape, about) in enumerate(zip(shapes, known, strict=True)):
        properties = dict(about)
        for place in np.ndindex(*(data.sizes[each] for each in others)):
            labels = [str(dimensions.labels(data, each)[n]) for each, n in zip(others, place, strict=True)]
            properties["~".join(labels) or "value"] = jsonable(moved.values[(number, *place)])
        geometry = shapely.geometry.mapping(shape)
        features.append({"type": "Feature", "geometry": geometry, "properties": properties})
    return document({"type": "FeatureCollection", "features": features}, folder, f"{name}.geojson", name)
