"""save_result: writes cubes and values into the job's outputs, each named after its node."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions, emptiness, write
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.values import LabelledArray, Stack, describe, plain

FORMATS: Mapping[str, str] = {
    "gtiff": "tif", "geotiff": "tif", "cog": "tif", "tiff": "tif", "tif": "tif", "netcdf": "nc", "nc": "nc",
    "netcdf4": "nc", "zarr": "zarr", "json": "json", "csv": "csv", "png": "png", "geojson": "geojson",
    "parquet": "parquet", "geoparquet": "parquet",
}  # fmt: skip
"""Format name in lower case -> file name extension."""
NAMES = "GTiff, COG, netCDF, Zarr, JSON, CSV, PNG, GeoJSON, GeoParquet"


KEPT = 64 * 2**20
"""Bytes up to which a result is kept in memory when it is saved; larger ones go to disk block by block."""
_STREAMED = frozenset({"tif", "nc", "zarr"})


@dataclass(frozen=True, slots=True)
class Saved:
    """What save_result gives: the value goes on, and is not saved once more."""

    data: Any
    outputs: tuple[str, ...] = ()
    """The names of what was written."""


@dataclass(slots=True)
class Results:
    """The outputs of one job."""

    folder: Path
    outputs: dict[str, str] = field(default_factory=dict)
    """Name -> path relative to the folder."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Output name -> JSON merge patch for its STAC metadata."""
    emptied: list[str] = field(default_factory=list)
    """What the evaluation knows of cubes that became empty."""
    _saved: list[Any] = field(default_factory=list)

    def saved(self, value: Any) -> bool:
        """Whether this value has been written already."""
        return any(each is value for each in self._saved)

    def save(self, data: Any, form: str, options: Mapping[str, Any], node: str) -> None:
        """Write it; raises `InvalidInput` for formats that are not known or cannot hold it."""
        extension = FORMATS.get(str(form).lower())
        if extension is None:
            what = f"The format {form!r} is not known."
            raise InvalidInput(what, remedy=f"Known: {NAMES}.", code="format-unsupported")
        if isinstance(data, xr.DataArray) and not data.size:
            raise emptiness.fault(data, self.emptied)
        self._saved.append(data)
        name = self._free(str(options.get("filename_prefix") or "") or node)
        if isinstance(data, xr.DataArray):
            if data.nbytes <= KEPT or extension not in _STREAMED:
                # In place: what is saved twice is computed once.
                data.load()
            written = write.cube(data, self.folder, name, extension, options)
        else:
            written = self._plain(data, extension, form, name)
        self.outputs.update(written)

    def save_default(self, data: Any, node: str) -> None:
        """Write a result that no save_result did: cubes as netCDF, vector cubes and plain values as JSON."""
        cube = isinstance(data, xr.DataArray)
        vector = cube and bool(dimensions.of_kind(data, "geometry"))
        self.save(data, "geojson" if vector else "netcdf" if cube else "json", {}, node)

    def _plain(self, data: Any, extension: str, form: str, name: str) -> dict[str, str]:
        if extension == "csv" and isinstance(data, list | tuple | LabelledArray):
            return write.table(data, self.folder, name)
        if extension not in {"json", "geojson"}:
            what = f"The result is {describe(data)}; {form} holds data cubes."
            raise InvalidInput(what, remedy="Save it as JSON.", code="format-unsuitable")
        return write.document(jsonable(data), self.folder, f"{name}.{extension}", name)

    def _free(self, node: str) -> str:
        """A file name for a node that no other output has."""
        name = re.sub(r"[^\w.-]+", "_", node).strip("._") or "result"
        taken = {Path(path).name.partition(".")[0] for path in self.outputs.values()} | {*self.outputs}
        number, found = 2, name
        while found in taken:
            found, number = f"{name}_{number}", number + 1
        return found


def save_result(environment: Environment, data: Any, format: Any = "", options: Any = None) -> Saved:  # noqa: A002
    """Without a format it is chosen by what the data is."""
    if isinstance(data, Saved):
        data = data.data
    if environment.results is None:
        raise InvalidInput("Nothing can be saved here.", "save_result stands inside a callback or a dry run.")
    before = set(environment.results.outputs)
    if format:
        environment.results.save(data, format, options or {}, environment.node)
    else:
        environment.results.save_default(data, environment.node)
    return Saved(data, tuple(name for name in environment.results.outputs if name not in before))


def stac_modify(environment: Environment, data: Any, changes: Any) -> Any:
    """A record is patched; of a saved result, the metadata of every file that save_result wrote."""
    if not isinstance(changes, Mapping):
        raise InvalidInput(f"`changes` is {describe(changes)}, not an object.", code="argument-type")
    if isinstance(data, Mapping):
        return _patched(data, changes)
    if not isinstance(data, Saved):
        what = f"`data` is {describe(data)}, neither a STAC record nor a saved result."
        raise InvalidInput(what, remedy="Put save_result before it.", code="argument-type")
    for name in data.outputs:
        environment.results.changes[name] = {**environment.results.changes.get(name, {}), **changes}
    return data


def _patched(document: Any, changes: Any) -> Any:
    """A JSON merge patch (RFC 7386): null removes, objects merge, all else replaces."""
    if not isinstance(changes, Mapping):
        return changes
    kept = dict(document) if isinstance(document, Mapping) else {}
    for name, value in changes.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = _patched(kept.get(name), value)
    return kept


def jsonable(value: Any) -> Any:
    """A plain value as JSON has it: no numpy, no not-a-number."""
    value = plain(value)
    if isinstance(value, LabelledArray):
        return {str(label): jsonable(item) for label, item in zip(value.labels, value.values, strict=True)}
    if isinstance(value, Stack):
        return jsonable(value.values)
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, Mapping):
        return {str(key): jsonable(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)
