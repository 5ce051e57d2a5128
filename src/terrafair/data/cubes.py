"""Data cubes: NetCDF 3 and 4 and Zarr 2 and 3, read once from end to end.

Statistics of packed variables are those of the unpacked values, as `unit` means them; `data_type` and `nodata` are
those of the stored numbers, with `raster:scale` and `raster:offset` between the two.
"""

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from terrafair.data.axes import Axis, axis_of, could_be_temporal, crs_in, is_geographic, letter, moments_of
from terrafair.data.classify import MEDIA_TYPES, Kind
from terrafair.data.facts import Facts, data_type, nodata_value, plain, plain_number
from terrafair.data.footprint import Footprint, of_box, of_corners, of_points, of_ring
from terrafair.data.moments import Span, from_tags, text
from terrafair.data.rasters import code_of
from terrafair.data.statistics import Running
from terrafair.errors import InvalidInput, Problem, TerrafairError

BLOCK = 2**22
"""Values read at once."""
MOST = 2**33
"""Values beyond which statistics are left out: they would take hours."""
LISTED = 1000
"""Longer coordinates are given by extent and step only."""
NETCDF_FILL = 9.969209968386869e36


def read(path: Path, kind: Kind) -> Facts:
    """Everything that the cube says; raises `InvalidInput` for one that is damaged or empty."""
    if kind is Kind.HDF5 and not _is_netcdf(path):
        what = f"{path.name} is HDF5 without the dimensions of NetCDF."
        remark = Problem(
            what, "It is described as a file only.", "Write NetCDF or Zarr to have it described.", path.name
        )
        return Facts(kind, MEDIA_TYPES[kind], remarks=(remark,))
    with _opened(path, kind) as (dataset, undated):
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
        described = {"description": text_} if (text_ := _described(variable)) else {}
        if found == "t":
            return {**_temporal(variable), **described}
        axis = axis_of(name, variable, self.dataset)
        if found in {"x", "y"} and axis:
            return {**self._horizontal(axis, found, projection), **described}
        return {**self._other(name, variable, axis, found), **described}

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
            if description := _described(variable):
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
            stored = variable.encoding.get("dtype", variable.dtype)
            band: dict[str, Any] = {"name": name, "data_type": data_type(str(stored))}
            if description := _described(variable):
                band["description"] = description
            for key in ("_FillValue", "missing_value"):
                if "nodata" not in band and (fill := variable.encoding.get(key, variable.attrs.get(key))) is not None:
                    band |= {"nodata": value} if (value := _fill(fill)) is not None else {}
            if units := variable.attrs.get("units"):
                band["unit"] = str(units)
            scale, offset = variable.encoding.get("scale_factor"), variable.encoding.get("add_offset")
            if scale is not None or offset is not None:
                band["raster:scale"] = _number(scale, 1.0)
                band["raster:offset"] = _number(offset, 0.0)
            left -= variable.size
            default = _default_fill(variable, self.kind) if "nodata" not in band else None
            if variable.dtype.kind in "fiub" and variable.size and left >= 0:
                band["statistics"], unwritten = _statistics(variable, default)
                band |= {"nodata": default} if unwritten else {}
            found.append(plain(band))
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


def _described(variable: Any) -> str:
    for key in ("long_name", "standard_name", "description"):
        value = variable.attrs.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:500]
    return ""


def _fill(value: Any) -> float | int | str | None:
    """A no-data value where it is one number."""
    if isinstance(value, (str, bytes)) or (hasattr(value, "size") and value.size != 1):
        return None
    try:
        return nodata_value(value.ravel()[0] if hasattr(value, "ravel") else value)
    except (TypeError, ValueError):
        return None


def _number(value: Any, default: float) -> float:
    return default if value is None else float(plain_number(value.ravel()[0] if hasattr(value, "ravel") else value))


def _default_fill(variable: Any, kind: Kind) -> float | None:
    """What the NetCDF library writes where nothing was written; xarray takes it for data."""
    return NETCDF_FILL if kind is not Kind.ZARR and str(variable.dtype) in {"float32", "float64"} else None


def _statistics(variable: Any, fill: float | None) -> tuple[dict[str, float], bool]:
    """The statistics, and whether `fill` was seen."""
    import numpy as np

    running, seen = Running(), False
    for block in _blocks(variable.shape, variable.encoding.get("chunksizes") or variable.encoding.get("chunks")):
        values = np.asarray(variable[block].values)
        unwritten = None if fill is None else values == values.dtype.type(fill)
        seen = seen or (unwritten is not None and bool(unwritten.any()))
        running.add(values, unwritten)
    return running.document(), seen


def _blocks(shape: Sequence[int], chunks: Sequence[int] | None) -> Iterator[tuple[slice, ...]]:
    """Parts of an array, made of whole chunks so that none is decompressed twice."""
    sizes = [max(1, min(chunk, size)) for chunk, size in zip(chunks or [1] * len(shape), shape, strict=True)]
    for axis in reversed(range(len(shape))):
        room = BLOCK // max(math.prod(sizes), 1)
        if room > 1:
            sizes[axis] = min(shape[axis], sizes[axis] * room)
    starts = itertools.product(*(range(0, length, size) for length, size in zip(shape, sizes, strict=True)))
    for start in starts:
        yield tuple(slice(begin, begin + size) for begin, size in zip(start, sizes, strict=True))


@contextmanager
def _opened(path: Path, kind: Kind) -> Iterator[tuple[Any, bool]]:
    """The dataset, and whether its time had to be left undecoded."""
    options: dict[str, Any] = {"engine": "netcdf4", "cache": False}
    if kind is Kind.ZARR:
        _check_zarr(path)
        consolidated = True if (path / ".zmetadata").is_file() else None
        options = {"engine": "zarr", "cache": False, "consolidated": consolidated, "chunks": None}
    with warnings.catch_warnings(), ExitStack() as stack:
        # Odd calendars, unknown codecs, absent consolidated metadata: what matters of them ends in the remarks.
        warnings.simplefilter("ignore")
        try:
            try:
                dataset, undated = _root_or_group(path, options, stack), False
            except (ValueError, OverflowError) as fault:
                if "decod" not in str(fault):
                    raise
                dataset, undated = _root_or_group(path, {**options, "decode_times": False}, stack), True
            yield dataset, undated
        except TerrafairError:
            raise
        except Exception as fault:
            # NetCDF, HDF5, Zarr and their codecs each raise their own kinds.
            raise _unreadable(path, fault) from fault


def _root_or_group(path: Path, options: dict[str, Any], stack: ExitStack) -> Any:
    """The root group, or where it holds no data, the group that holds most (as in Sentinel-5P products)."""
    import xarray

    root = stack.enter_context(xarray.open_dataset(path, **options))
    if root.data_vars:
        return root
    found = [stack.enter_context(group) for group in xarray.open_groups(path, **options).values()]
    most = max(found, key=lambda group: sum(variable.size for variable in group.data_vars.values()), default=root)
    return most.assign_attrs({**root.attrs, **most.attrs}) if most.data_vars else root


def _is_netcdf(path: Path) -> bool:
    """Whether an HDF5 file was written as NetCDF-4: its dimensions are scales."""
    import h5py

    def marked(_: str, node: Any) -> bool | None:
        return True if node.attrs.get("CLASS") == b"DIMENSION_SCALE" else None

    try:
        with h5py.File(path, "r") as file:
            return "_NCProperties" in file.attrs or bool(file.visititems(marked))
    except (OSError, RuntimeError) as fault:
        raise _unreadable(path, fault) from fault


def _check_zarr(path: Path) -> None:
    """A Zarr folder may hold links that lead out of it."""
    root = path.resolve()
    for entry in path.rglob("*"):
        if entry.is_symlink() and not entry.resolve().is_relative_to(root):
            raise InvalidInput(f"{path.name} holds a link that leads out of it.", where=str(entry.relative_to(path)))


def _unreadable(path: Path, fault: Exception) -> InvalidInput:
    return InvalidInput(
        f"{path.name} cannot be read as a data cube.",
        f"{type(fault).__name__}: {str(fault).strip().splitlines()[0][:300]}" if str(fault).strip() else "",
        "Write it again and check it with ncdump -h or xarray.",
        path.name,
    )
