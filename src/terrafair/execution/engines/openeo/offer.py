"""What this back-end offers, in the documents of the openEO API: processes, file formats, UDF runtimes."""

import importlib.metadata
from collections.abc import Mapping
from typing import Any

from terrafair.execution.engines.openeo.definition import definitions as _definitions
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.udf.run import python_version

_LIBRARIES = ("numpy", "xarray", "scipy", "pandas", "shapely", "pyproj", "rasterio", "scikit-learn", "onnxruntime")
_PREFIX = {
    "filename_prefix": {
        "description": "Begins the names of the files.", "schema": {"type": "string"}, "required": False, "default": "",
    },
}  # fmt: skip
_COMPRESS = {
    "compress": {
        "description": "How the pixels are compressed, without loss.",
        "schema": {"type": "string", "enum": ["ZSTD", "DEFLATE", "LZW", "NONE"]}, "required": False, "default": "ZSTD",
    },
}  # fmt: skip


def definitions() -> list[dict[str, Any]]:
    """The predefined processes that run here, as /processes lists them."""
    library = processes()
    return [definition.document() for name, definition in _definitions().items() if name in library]


def formats() -> dict[str, dict[str, Any]]:
    """The file formats, as /file_formats lists them."""
    raster, vector, table, other = ["raster"], ["vector"], ["table"], ["other"]
    return {
        "input": {
            "GTiff": _format("GeoTIFF and Cloud-Optimised GeoTIFF", raster),
            "netCDF": _format("netCDF, version 3 and 4", raster),
            "Zarr": _format("Zarr, version 2 and 3", raster),
            "GRIB": _format("GRIB, edition 1 and 2", raster),
            "JPEG2000": _format("JPEG 2000", raster),
            "PNG": _format("PNG", raster),
            "GeoJSON": _format("GeoJSON", vector),
            "GeoParquet": _format("GeoParquet", vector),
            "JSON": _format("JSON", other),
        },
        "output": {
            "GTiff": _format("Cloud-Optimised GeoTIFF", raster, {**_PREFIX, **_COMPRESS}),
            "COG": _format("Cloud-Optimised GeoTIFF", raster, {**_PREFIX, **_COMPRESS}),
            "netCDF": _format("netCDF 4 by the CF conventions", raster, _PREFIX),
            "Zarr": _format("Zarr, version 2", raster, _PREFIX),
            "PNG": _format("PNG", raster, _PREFIX),
            "GeoParquet": _format("GeoParquet", [*vector, *table], _PREFIX),
            "GeoJSON": _format("GeoJSON", vector, _PREFIX),
            "CSV": _format("Comma-separated values", [*table, *vector, *raster], _PREFIX),
            "JSON": _format("JSON", [*other, *table, *raster, *vector], _PREFIX),
        },
    }


def _format(title: str, kinds: list[str], parameters: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return {"title": title, "gis_data_types": list(kinds), "parameters": dict(parameters or {})}


def runtimes() -> dict[str, dict[str, Any]]:
    """The UDF runtimes, as /udf_runtimes lists them."""
    version = python_version()
    short = ".".join(version.split(".")[:2])
    libraries = {name: {"version": found} for name in _LIBRARIES if (found := _installed(name))}
    return {
        "Python": {
            "title": "Python",
            "description": "Functions named apply_datacube, apply_timeseries or apply_udf_data, in a sandbox.",
            "type": "language",
            "default": short,
            "versions": {short: {"libraries": libraries}},
        }
    }


def _installed(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
