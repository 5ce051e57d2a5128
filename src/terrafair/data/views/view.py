"""The view of a file, chosen by its kind; a plain document that holds no markup."""

from pathlib import Path
from typing import Any

from terrafair.data.classify import Kind, classify, media_type
from terrafair.data.refusals import check_known
from terrafair.data.vectors import is_vector
from terrafair.data.views import facts, features, header, notebook, text
from terrafair.data.views.rows import rows

CUBES = frozenset({Kind.NETCDF, Kind.HDF5, Kind.ZARR})
RASTERS = frozenset({Kind.TIFF, Kind.JP2, Kind.GRIB})
PICTURES = frozenset({Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.SVG})
VECTORS = frozenset({Kind.GEOJSON, Kind.GPKG, Kind.SHAPEFILE})
TEXTS = frozenset({Kind.JSON, Kind.STAC, Kind.TEXT, Kind.XML, Kind.HTML, Kind.VRT})


def view(path: Path, start: int = 0) -> dict[str, Any]:
    """`{kind, type, view, ...}` of a file; `start`: the first row of a table.

    `view` is `raster`, `cube`, `table`, `features`, `notebook`, `text`, `picture`, or empty: only to be downloaded.
    Raises `InvalidInput` for what is damaged.
    """
    kind = classify(path)
    shown = {"kind": kind.value, "type": media_type(path, kind), "view": ""}
    if kind in RASTERS:
        return {**shown, "view": "raster"}
    if kind in CUBES:
        return {**shown, "view": "cube", "header": header.read(path)}
    if kind in PICTURES:
        return {**shown, "view": "picture", "facts": [] if kind is Kind.SVG else facts.picture(path)}
    if kind is Kind.PDF:
        return {**shown, "facts": facts.pdf(path)}
    if kind is Kind.NOTEBOOK:
        return {**shown, "view": "notebook", "cells": notebook.cells(path)}
    if kind is Kind.CSV or kind is Kind.PARQUET:
        table = rows(path, kind, start)
        geometry = features.geometry_column(path) if kind is Kind.PARQUET else ""
        return {**shown, "view": "features" if geometry else "table", "table": table}
    # FlatGeobuf and SpatiaLite; what is text as well is shown as text.
    if kind in VECTORS or (kind in {Kind.BINARY, Kind.SQLITE} and is_vector(path, kind)):
        return {**shown, "view": "features", "table": None}
    if kind in TEXTS:
        return {**shown, "view": "text", **text.read(path, pretty=kind in {Kind.JSON, Kind.STAC})}
    check_known(path, kind)
    return shown
