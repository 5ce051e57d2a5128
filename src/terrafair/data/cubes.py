"""Data cubes: NetCDF 3 and 4 and Zarr 2 and 3, read once from end to end.

Statistics of packed variables are those of the unpacked values, as `unit` means them; `data_type` and `nodata` are
those of the stored numbers, with `raster:scale` and `raster:offset` between the two.
"""

import itertools
import math
from pathlib import Path
from typing import Any

from terrafair.data.axes import Axis, axis_of, could_be_temporal, crs_in, is_geographic, letter, moments_of
from terrafair.data.classify import MEDIA_TYPES, Kind
from terrafair.data.datasets import is_netcdf, opened
from terrafair.data.facts import Facts, plain
from terrafair.data.footprint import Footprint, of_box, of_corners, of_points, of_ring
from terrafair.data.moments import Span, from_tags, text
from terrafair.data.rasters import code_of
from terrafair.data.variables import MOST, band, described
from terrafair.errors import InvalidInput, Problem

LISTED = 1000
"""Longer coordinates are given by extent and step only."""


def read(path: Path, kind: Kind) -> Facts:
    """Everything that the cube says; raises `InvalidInput` for one that is damaged or empty."""
    if kind is Kind.HDF5 and not is_netcdf(path):
        what = f"{path.name} is HDF5 without the dimensions of NetCDF."
        remark = Problem(
            what, "It is described as a file only.", "Write NetCDF or Zarr to have it described.", path.name
        )
        return Facts(kind, MEDIA_TYPES[kind], remarks=(remark,))
    with opened(path, kind) as (dataset, undated):
        if not dataset.variables:
            raise InvalidInput(
                f"{path.name} holds no variable.", "There is nothing in it to describe.", where=path.name
            )
        return _Cube(dataset, path.name, kind, undated=undated).facts()


class _Cube:
    """One dataset being described."""

    def __init__(self, dataset: Any, name: str, kind: Kind, *, undated: bool) -> None:
        self.dataset = dataset
        self.name = name
        self.kind = Kind.NETCDF if kind is Kind.HDF5 else kind
        self.undated = undated
        self.remarks: list[Problem] = []
        self.letters = {
            str(dimension): found
            for dimension in dataset.dims
            if dimension in dataset.variables and (found := letter(str(dimension), dataset.variables[dimension]))
        }
        self.auxiliary = {
            str(variable.attrs[key])
            for variable in dataset.variables.values()
            for key in ("bounds", "climatology")
            if isinstance(variable.attrs.get(key), str)
        }
        self.x, self.y = self._axis("x"), self._axis("y")

    def facts(self) -> Facts:
        """All of it."""
        projection, footprint = self._place()
        if footprint is None:
            what = f"{self.name} does not say where it lies."
            remedy = "Give it coordinates with units degrees_east and degrees_north, or a CF grid mapping."
            self.remarks.append(Problem(what, "It is described without a place.", remedy, self.name))
        if self.undated:
            what = f"The time of {self.name} cannot be decoded."
            why = "Its units or calendar name no date that exists (a climatology, perhaps)."
            self.remarks.append(Problem(what, why, "Write CF time units.", self.name))
        found = {"cube:dimensions": self._dimensions(projection), "cube:variables": self._variables()}
        properties: dict[str, Any] = {key: value for key, value in found.items() if value}
        if title := self._attribute("title"):
            properties["title"] = title
        return Facts(
            self.kind,
            MEDIA_TYPES[self.kind],
            asset={"bands": bands} if (bands := self._bands()) else {},
            properties=plain(properties) if "cube:dimensions" in properties else {},
            projection=plain(projection),
            footprint=footprint,
            span=self._span(),
            remarks=tuple(self.remarks),
        )

    def _attribute(self, name: str) -> str:
        value = self.dataset.attrs.get(name)
        return value.strip()[:300] if isinstance(value, str) else ""

    def _axis(self, wanted: str) -> Axis | None:
        # Several pairs of axes may share a file; the one that data use comes first.
        used = {dimension for name in self._data() for dimension in self.dataset.variables[name].dims}
        candidates = sorted(
            (name for name, found in self.letters.items() if found == wanted), key=lambda name: name not in used
        )
        for name in candidates:
            if axis := axis_of(name, self.dataset.variables[name], self.dataset):
                return axis
        return None

    def _data(self) -> list[str]:
        """Variables with measured values."""
        found = []
        for name in self.dataset.data_vars:
            variable = self.dataset.variables[name]
            mapping = {"grid_mapping_name", "crs_wkt", "spatial_ref"} & variable.attrs.keys()
            place = variable.dtype.kind == "f" and is_geographic(str(name), variable)
            if name not in self.auxiliary and not mapping and not place and variable.ndim:
                found.append(str(name))
        return found

    # Where

    def _place(self) -> tuple[dict[str, Any], Footprint | None]:
        crs = crs_in(self.dataset)
        if self.x and self.y:
            names = (self.x.dimension, self.y.dimension)
            degrees = all(is_geographic(name, self.dataset.variables[name]) for name in names)
            if degrees or crs is not None:
                return self._grid(self.x, self.y, crs, degrees=degrees)
        return {}, self._swath() or self._points() or self._announced()

    def _grid(self, x: Axis, y: Axis, crs: Any, *, degrees: bool) -> tuple[dict[str, Any], Footprint | None]:
        from pyproj import CRS

        west, east = x.limits
        south, north = y.limits
        # Latitudes and longitudes on somebody's own sphere are taken as WGS 84, as every viewer does.
        if degrees and (crs is None or not crs.is_geographic or crs.to_authority() is None):
            crs = CRS.from_epsg(4326)
        if degrees:
            south, north = max(south, -90.0), min(north, 90.0)
        fields: dict[str, Any] = {
            **code_of(crs),
            "proj:bbox": [west, south, east, north],
            "proj:shape": [len(y.values), len(x.values)],
        }
        if x.step and y.step:
            left, top = x.values[0] - x.step / 2, y.values[0] - y.step / 2
            fields["proj:transform"] = [x.step, 0.0, float(left), 0.0, y.step, float(top)]
        if degrees:
            if not (-90.0 <= south <= north <= 90.0 and west >= -540.0 and east <= 720.0):
                return {}, None
            return fields, of_box(west, south, east, north)
        return fields, of_corners([(west, south), (east, south), (east, north), (west, north)], crs)

    def _geographic(self) -> tuple[Any, Any] | None:
        """Longitude and latitude that share dimensions."""
        found: dict[str | None, Any] = {}
        for name, variable in self.dataset.variables.items():
            if is_geographic(str(name), variable) and variable.dtype.kind in "fiu" and str(name) not in self.auxiliary:
                found.setdefault(letter(str(name), variable), variable)
        x, y = found.get("x"), found.get("y")
        return (x, y) if x is not None and y is not None and x.dims == y.dims else None

    def _swath(self) -> Footprint | None:
        """The outline of a grid with longitude and latitude for each cell."""
        import numpy as np

        pair = self._geographic()
        if pair is None or pair[0].ndim != 2 or min(pair[0].shape) < 2:
            return None
        x, y = (np.asarray(each.values, dtype=np.float64) for each in pair)
        stride = max(1, max(x.shape) // 64)
        rows = [*range(0, x.shape[0] - 1, stride), x.shape[0] - 1]
        columns = [*range(0, x.shape[1] - 1, stride), x.shape[1] - 1]
        edge = [(0, column) for column in columns] + [(row, -1) for row in rows[1:]]
        edge += [(-1, column) for column in columns[-2::-1]] + [(row, 0) for row in rows[-2:0:-1]]
        ring = [(float(x[spot]), float(y[spot])) for spot in edge]
        if all(math.isfinite(a) and math.isfinite(b) for a, b in ring):
            return of_ring(ring)
        return of_points(zip(x.ravel().tolist(), y.ravel().tolist(), strict=True))

    def _points(self) -> Footprint | None:
        """The box around stations or a track."""
        pair = self._geographic()
        if pair is None or pair[0].ndim > 1:
            return None
        return of_points(zip(pair[0].values.ravel().tolist(), pair[1].values.ravel().tolist(), strict=True))

    def _announced(self) -> Footprint | None:
        """The box of the ACDD attributes."""
        keys = ("geospatial_lon_min", "geospatial_lat_min", "geospatial_lon_max", "geospatial_lat_max")
        try:
            west, south, east, north = (float(self.dataset.attrs[key]) for key in keys)
        except (KeyError, TypeError, ValueError):
            return None
        return of_box(west, south, east, north) if -90 <= south <= north <= 90 else None

    # When

    def _span(self) -> Span | None:
        times = [
            variable
            for name, variable in self.dataset.variables.items()
            if letter(str(name), variable) == "t" and str(name) not in self.auxiliary
        ]
        # A dimension speaks for the data; forecast reference times and the like only where there is none.
        times.sort(
            key=lambda variable: not set(variable.dims) & {d for d, found in self.letters.items() if found == "t"}
        )
        for variable in times:
            if span := Span.over(moments_of(variable)):
                return span
        return from_tags(self.dataset.attrs)

    # What

    def _dimensions(self, projection: dict[str, Any]) -> dict[str, Any]:
        used = {dimension for name in self._data() for dimension in self.dataset.variables[name].dims}
        return {str(name): self._dimension(str(name), projection) for name in self.dataset.sizes if name in used}

    def _dimension(self, name: str, projection: dict[str, Any]) -> dict[str, Any]:
        variable = self.dataset.variables.get(name)
        found = self.letters.get(name)
        if variable is None or variable.ndim != 1:
            return {"type": "count", "extent": [0, max(self.dataset.sizes[name] - 1, 0)]}
        title = described(variable)
        words = {"description": title} if title else {}
        if found == "t":
            return {**_temporal(variable), **words}
        axis = axis_of(name, variable, self.dataset)
        if found in {"x", "y"} and axis:
            return {**self._horizontal(axis, found, projection), **words}
        return {**self._other(name, variable, axis, found), **words}

    def _horizontal(self, axis: Axis, found: str, projection: dict[str, Any]) -> dict[str, Any]:
        lower, upper = axis.limits
        if found == "y" and is_geographic(axis.dimension, self.dataset.variables[axis.dimension]):
            lower, upper = max(lower, -90.0), min(upper, 90.0)
        dimension: dict[str, Any] = {"type": "spatial", "axis": found, "extent": [lower, upper]}
        if axis.step is not None:
            dimension["step"] = axis.step
        elif len(axis.values) <= LISTED:
            dimension["values"] = axis.values.tolist()
        code = str(projection.get("proj:code") or "")
        if code.startswith("EPSG:"):
            dimension["reference_system"] = int(code.removeprefix("EPSG:"))
        elif projection.get("proj:wkt2"):
            dimension["reference_system"] = projection["proj:wkt2"]
        return dimension

    def _other(self, name: str, variable: Any, axis: Axis | None, found: str | None) -> dict[str, Any]:
        undecoded = self.undated and could_be_temporal(name, variable)
        dimension: dict[str, Any] = {"type": "spatial", "axis": "z"} if found == "z" and axis else {"type": "other"}
        if undecoded:
            dimension = {"type": "other"}
        if axis is not None:
            dimension["extent"] = [float(axis.values.min()), float(axis.values.max())]
            if axis.step is not None:
                dimension["step"] = axis.step
        if variable.size <= LISTED:
            dimension["values"] = [each for each in plain(variable.values) if each is not None]
        elif axis is None:
            dimension["extent"] = [0, variable.size - 1]
        if units := variable.attrs.get("units"):
            dimension["unit"] = str(units)
        return dimension

    def _variables(self) -> dict[str, Any]:
        data = set(self._data())
        found = {}
        for name, variable in self.dataset.variables.items():
            if str(name) in self.dataset.dims or (not variable.ndim and str(name) not in data):
                continue
            entry: dict[str, Any] = {
                "dimensions": [str(dimension) for dimension in variable.dims],
                "type": "data" if str(name) in data else "auxiliary",
            }
            if description := described(variable):
                entry["description"] = description
            if units := variable.attrs.get("units"):
                entry["unit"] = str(units)
            found[str(name)] = entry
        return found

    def _bands(self) -> list[dict[str, Any]]:
        """One for each data variable."""
        found = []
        left = MOST
        for name in self._data():
            variable = self.dataset.variables[name]
            left -= variable.size
            found.append(band(name, variable, self.kind, measured=left >= 0))
        if left < 0:
            self.remarks.append(Problem(f"{self.name} is too large for all statistics.", where=self.name))
        return found


def _temporal(variable: Any) -> dict[str, Any]:
    moments = moments_of(variable)
    span = Span.over(moments)
    dimension: dict[str, Any] = {
        "type": "temporal",
        "extent": [text(span.start), text(span.end)] if span else [None, None],
    }
    if moments and len(moments) <= LISTED:
        dimension["values"] = [text(moment) for moment in moments]
    gaps = {after - before for before, after in itertools.pairwise(moments)}
    if len(gaps) == 1 and (seconds := gaps.pop().total_seconds()) > 0:
        dimension["step"] = f"P{seconds / 86400:.0f}D" if seconds % 86400 == 0 else f"PT{seconds:g}S"
    elif len(moments) > 1:
        dimension["step"] = None
    return dimension
