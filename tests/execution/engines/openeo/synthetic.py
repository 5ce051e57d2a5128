"""Cubes of the right shape for published graphs, whatever collection they load: made up, and the same every time."""

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dask.array as da
import numpy as np
import xarray as xr

from terrafair.execution.engines.openeo import dimensions, instants
from terrafair.execution.engines.openeo.area import Box
from terrafair.execution.engines.openeo.evaluate import Environment, Process
from terrafair.execution.engines.openeo.load import area_of
from terrafair.execution.engines.openeo.processes.models import Model
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.save import Results

SENTINEL_2 = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12", "SCL")
PIXELS = 24
BOX = Box(5.0, 51.2, 5.1, 51.3)
COMMON = {"B02": "blue", "B03": "green", "B04": "red", "B08": "nir", "B11": "swir16", "B12": "swir22"}


def load(
    environment: Environment, reference: str, spatial: Any, temporal: Any, bands: Any, properties: Any
) -> xr.DataArray:
    for condition in (properties or {}).values():
        # Conditions must be able to run, whatever they decide.
        condition(value=10.0)
    box = area_of(spatial)[0] or BOX
    degrees = box.to("EPSG:4326")
    zone = f"EPSG:{32601 + int((degrees.west + 180) // 6)}"
    west, north = degrees.to(zone).west // 10 * 10, degrees.to(zone).north // 10 * 10
    names = list(bands or _bands(reference))
    moments = _dates(temporal)
    shape = (len(moments), len(names), PIXELS, PIXELS)
    random = np.random.default_rng(zlib.crc32(reference.encode()))
    values = random.integers(1, 8000, shape).astype(np.uint16)
    for number, name in enumerate(names):
        if name in {"SCL", "scl", "SCENECLASSIFICATION_20M"}:
            values[:, number] = random.choice([4, 4, 4, 5, 5, 6, 8, 3], shape[:1] + shape[2:])
    about = {"type": "spatial", "reference_system": zone}
    coords = {
        "t": dimensions.coordinate("t", moments, {"type": "temporal", "alias": ["time", "temporal"]}),
        "bands": dimensions.coordinate("bands", names, {"type": "bands", "common_names": COMMON}),
        "y": dimensions.coordinate("y", north - 5.0 - 10 * np.arange(PIXELS), {**about, "axis": "y"}),
        "x": dimensions.coordinate("x", west + 5.0 + 10 * np.arange(PIXELS), {**about, "axis": "x"}),
    }
    data = da.from_array(values, chunks=(1, -1, -1, -1))
    return xr.DataArray(data, dims=("t", "bands", "y", "x"), coords=coords)


def _bands(reference: str) -> tuple[str, ...]:
    name = reference.upper()
    if "SENTINEL1" in name or "SENTINEL-1" in name:
        return ("VV", "VH")
    if "DEM" in name or "COPERNICUS_30" in name:
        return ("DEM",)
    return SENTINEL_2 if "SENTINEL2" in name or "SENTINEL-2" in name else ("B01", "B02", "B03", "B04")


def _dates(temporal: Any) -> Any:
    start, end = (None, None) if temporal is None else instants.interval(temporal, same_day=True)
    first = np.datetime64("2021-01-01", "ns") if start is None else start
    last = first + np.timedelta64(60, "D") if end is None else end
    days = max(int((last - first) / np.timedelta64(1, "D")), 1)
    return first + (np.arange(min(days, 8)) * max(days // 8, 1)).astype("timedelta64[D]")


def load_collection(
    environment: Environment, id: Any, spatial_extent: Any = None, temporal_extent: Any = None, bands: Any = None,
    properties: Any = None,
) -> xr.DataArray:  # fmt: skip
    return load(environment, str(id), spatial_extent, temporal_extent, bands, properties)


def load_stac(
    environment: Environment, url: Any, spatial_extent: Any = None, temporal_extent: Any = None, bands: Any = None,
    properties: Any = None,
) -> xr.DataArray:  # fmt: skip
    return load(environment, str(url), spatial_extent, temporal_extent, bands, properties)


def load_ml_model(id: Any) -> Model:
    """A forest that is trained on whatever features come first."""
    from sklearn.ensemble import RandomForestClassifier

    trained: list[Any] = []

    def predict(features: Any) -> Any:
        if not trained:
            random = np.random.default_rng(1)
            table = random.normal(size=(60, features.shape[1]))
            trained.append(RandomForestClassifier(5, random_state=1).fit(table, table[:, 0] > 0))
        return trained[0].predict(features).astype(np.float32)

    return Model(str(id), predict)


def load_url(url: Any, format: Any = None, options: Any = None) -> Any:
    return POLYGON


def library() -> dict[str, Process]:
    made = {
        "load_collection": load_collection, "load_stac": load_stac, "load_ml_model": load_ml_model,
        "load_url": load_url,
    }  # fmt: skip
    return {**processes(), **{name: Process.of(name, function) for name, function in made.items()}}


def environment(folder: Path, said: list[tuple[str, str]]) -> Environment:
    return Environment(results=Results(folder), say=lambda message, level: said.append((level, message)), strict=False)


POLYGON = {
    "type": "Polygon",
    "coordinates": [[[5.0002, 51.2999], [5.0002, 51.2986], [5.0028, 51.2986], [5.0028, 51.2999], [5.0002, 51.2999]]],
}
EXTENT = {"west": 5.0, "south": 51.2, "east": 5.1, "north": 51.3}
NAMED: Mapping[str, Any] = {
    "startdate": "2021-03-01", "enddate": "2021-06-01", "collection-id": "SENTINEL2_L2A", "padding_window_size": 9,
    "orbit_state": "ASCENDING", "polarization": "VV", "temporal_baseline": 12, "season_ids": ["s1"],
    "season_windows": {"s1": ["2021-01-01", "2021-06-01"]}, "mask": POLYGON,
    "Previous_date": ["2020-03-01", "2020-06-01"],
}  # fmt: skip


def value_for(parameter: Mapping[str, Any]) -> Any:
    """A value of the right type for a parameter that has none."""
    schemas = parameter.get("schema") or {}
    schema = schemas[0] if isinstance(schemas, list) else schemas
    if parameter["name"] in NAMED:
        return NAMED[parameter["name"]]
    subtype, kind = schema.get("subtype"), schema.get("type")
    if subtype == "geojson":
        return POLYGON
    if subtype == "bounding-box" or "spatial" in parameter["name"]:
        return EXTENT
    if subtype == "temporal-interval" or "temporal" in parameter["name"]:
        return ["2021-03-01", "2021-06-01"]
    if subtype in {"raster-cube", "datacube"}:
        return load(Environment(), "SENTINEL2_L2A", EXTENT, ["2021-03-01", "2021-06-01"], None, None)
    return {"array": [1, 2, None], "number": 1.0, "integer": 1, "boolean": False, "string": "a"}.get(str(kind))
