"""Bounding boxes and geometries on the grid of a cube."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.dimensions import WGS84
from terrafair.execution.engines.openeo.values import describe

if TYPE_CHECKING:
    import xarray as xr

POLYGONS = frozenset({"Polygon", "MultiPolygon"})


@dataclass(frozen=True, slots=True)
class Box:
    """A bounding box with its reference system."""

    west: float
    south: float
    east: float
    north: float
    crs: Any = WGS84

    @classmethod
    def of(cls, extent: Any, argument: str = "extent") -> "Box":
        """Read an openEO bounding box; raises `InvalidInput`."""
        if not isinstance(extent, Mapping):
            raise InvalidInput(f"`{argument}` is {describe(extent)}, not a bounding box.", code="argument-type")
        missing = [name for name in ("west", "south", "east", "north") if extent.get(name) is None]
        if missing:
            what = f"`{argument}` lacks {', '.join(missing)}."
            raise InvalidInput(what, "A bounding box has west, south, east and north.", code="bounding-box")
        try:
            west, south, east, north = (float(extent[name]) for name in ("west", "south", "east", "north"))
        except (TypeError, ValueError):
            raise InvalidInput(f"`{argument}` holds values that are no numbers: {dict(extent)}.") from None
        crs = extent.get("crs")
        box = cls(west, south, east, north, WGS84 if crs in (None, "") else crs)
        box.check(argument)
        return box

    def check(self, argument: str) -> None:
        """Raise `InvalidInput` for bounds that are swapped or lie off the Earth."""
        system = reference_system(self.crs)
        if self.south > self.north or (self.west > self.east and not system.is_geographic):
            bounds = f"west {self.west}, south {self.south}, east {self.east}, north {self.north}"
            what = f"`{argument}` is turned round: {bounds}."
            raise InvalidInput(what, remedy="Swap the bounds.", code="bounding-box")
        off = abs(self.south) > 90 or abs(self.north) > 90 or abs(self.west) > 360 or abs(self.east) > 360
        if system.is_geographic and off:
            what = f"`{argument}` lies off the Earth: {self.west}, {self.south}, {self.east}, {self.north}."
            raise InvalidInput(
                what, "Without `crs` the bounds are degrees.", "Add `crs`, e.g. 32632.", code="bounding-box"
            )

    def to(self, crs: Any) -> "Box":
        """The box around this one in another reference system; edges are followed, they bend."""
        if same_system(self.crs, crs):
            return Box(self.west, self.south, self.east, self.north, crs)
        moved = _transformer(_key(self.crs), _key(crs)).transform_bounds(
            self.west, self.south, self.east, self.north, densify_pts=21
        )
        if not np.all(np.isfinite(moved)):
            raise InvalidInput(f"The bounding box {self} cannot be expressed in {crs}.", code="bounding-box")
        west, south, east, north = map(float, moved)
        return Box(west, south, east, north, crs)


def reference_system(value: Any) -> Any:
    """A pyproj CRS of an EPSG code, WKT or PROJJSON; raises `InvalidInput`."""
    return _system(_key(value))


def same_system(one: Any, other: Any) -> bool:
    """Tell whether two reference systems are the same, axis order aside: data is always x, y here."""
    if one == other:
        return True
    return bool(reference_system(one).equals(reference_system(other), ignore_axis_order=True))


def _key(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        raise InvalidInput(f"{value!r} is no reference system.", code="crs-invalid")
    if isinstance(value, int | np.integer) or (isinstance(value, str) and value.isdigit()):
        return f"EPSG:{int(value)}"
    if isinstance(value, Mapping):
        import json

        return json.dumps(value)
    return str(value)


@lru_cache(64)
def _system(text: str) -> Any:
    import pyproj

    try:
        return pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError:
        what = f"The reference system {text[:80]!r} is not known."
        raise InvalidInput(what, remedy="Give an EPSG code such as 32632, or WKT2.", code="crs-invalid") from None


@lru_cache(64)
def _transformer(source: str, target: str) -> Any:
    import pyproj

    return pyproj.Transformer.from_crs(_system(source), _system(target), always_xy=True)


# Grids


def resolution(values: Any) -> float:
    """The signed step of evenly spaced labels; 0 for a single one."""
    return float(values[-1] - values[0]) / (len(values) - 1) if len(values) > 1 else 0.0


def crop(cube: "xr.DataArray", box: Box) -> "xr.DataArray":
    """The pixels whose centres lie in the box or on its edge."""
    y, x = dimensions.horizontal(cube)
    crs = dimensions.reference_system(cube)
    moved = box.to(crs)
    rows, columns = np.asarray(cube[y].values, float), np.asarray(cube[x].values, float)
    # Half a millionth of a pixel: transformed bounds on a centre must not lose it to rounding.
    slack_y, slack_x = abs(resolution(rows)) * 1e-6, abs(resolution(columns)) * 1e-6
    inside_y = (rows >= moved.south - slack_y) & (rows <= moved.north + slack_y)
    inside_x = in_longitudes(columns, moved.west - slack_x, moved.east + slack_x, crs)
    return cube.isel({y: _picked(inside_y), x: _picked(inside_x)})


def _picked(inside: Any) -> Any:
    """Neighbours as a slice, which reads no more than its part and copies nothing."""
    places = np.flatnonzero(inside)
    if len(places) and places[-1] - places[0] + 1 == len(places):
        return slice(int(places[0]), int(places[-1]) + 1)
    return places


def in_longitudes(columns: Any, west: float, east: float, crs: Any) -> Any:
    """Which columns lie between two bounds; longitudes also match a turn away (0..360 against -180..180)."""
    if not reference_system(crs).is_geographic:
        return (columns >= west) & (columns <= east)
    if west > east:
        east += 360
    inside = (columns >= west) & (columns <= east)
    for turn in (-360, 360):
        inside |= (columns + turn >= west) & (columns + turn <= east)
    return inside


# Geometries


@dataclass(frozen=True, slots=True)
class Geometries:
    """Geometries with their properties, in one reference system."""

    shapes: tuple[Any, ...]
    """shapely geometries."""
    properties: tuple[Mapping[str, Any], ...]
    crs: Any = WGS84

    @classmethod
    def of(cls, value: Any, argument: str = "geometries") -> "Geometries":
        """Read GeoJSON or a vector cube; raises `InvalidInput`."""
        import xarray as xr

        if isinstance(value, xr.DataArray):
            names = dimensions.of_kind(value, "geometry")
            if not names:
                raise InvalidInput(f"`{argument}` is {describe(value)} without geometries.", code="argument-type")
            shapes = tuple(value[names[0]].values)
            return cls(shapes, tuple({} for _ in shapes), dimensions.reference_system(value))
        if not isinstance(value, Mapping) or not isinstance(value.get("type"), str):
            raise InvalidInput(f"`{argument}` is {describe(value)}, not GeoJSON.", code="geometry-invalid")
        found = list(_features(value, argument))
        crs = value.get("crs")
        name = crs.get("properties", {}).get("name") if isinstance(crs, Mapping) else crs
        return cls(tuple(shape for shape, _ in found), tuple(about for _, about in found), name or WGS84)

    def polygons(self, argument: str) -> "Geometries":
        """Only the polygons; raises `InvalidInput` when there are none."""
        kept = [n for n, shape in enumerate(self.shapes) if shape.geom_type in POLYGONS and not shape.is_empty]
        if not kept:
            raise InvalidInput(f"`{argument}` holds no polygon.", "A mask needs at least one.", code="geometry-invalid")
        return Geometries(tuple(self.shapes[n] for n in kept), tuple(self.properties[n] for n in kept), self.crs)

    def to(self, crs: Any) -> "Geometries":
        """The same in another reference system."""
        if same_system(self.crs, crs):
            return Geometries(self.shapes, self.properties, crs)
        import shapely

        change = _transformer(_key(self.crs), _key(crs))
        moved = tuple(
            shapely.transform(shape, lambda xy: np.column_stack(change.transform(xy[:, 0], xy[:, 1])))
            for shape in self.shapes
        )
        return Geometries(moved, self.properties, crs)

    def box(self) -> Box:
        """Their bounds."""
        import shapely

        bounds = shapely.total_bounds(np.array(self.shapes, object))
        if not np.all(np.isfinite(bounds)):
            raise InvalidInput("The geometries are empty.", code="geometry-invalid")
        west, south, east, north = map(float, bounds)
        return Box(west, south, east, north, self.crs)


def _features(value: Mapping[str, Any], argument: str) -> Iterator[tuple[Any, Mapping[str, Any]]]:
    kind = value.get("type")
    if kind == "FeatureCollection":
        for feature in value.get("features") or ():
            yield from _features(feature, argument)
        return
    if kind == "Feature":
        if value.get("geometry") is not None:
            yield _shape(value["geometry"], argument), value.get("properties") or {}
        return
    if kind == "GeometryCollection":
        for geometry in value.get("geometries") or ():
            yield _shape(geometry, argument), {}
        return
    yield _shape(value, argument), {}


def _shape(geometry: Any, argument: str) -> Any:
    import shapely
    import shapely.geometry

    try:
        shape = shapely.geometry.shape(geometry)
        return shape if shape.is_valid else shapely.make_valid(shape)
    except Exception as fault:
        kind = geometry.get("type") if isinstance(geometry, Mapping) else geometry
        what = f"`{argument}` holds a geometry {kind!r} that cannot be read: {fault}."
        raise InvalidInput(what, code="geometry-invalid") from None


def mask(cube: "xr.DataArray", geometries: Geometries) -> Any:
    """True for each pixel (y, x) whose centre lies in a geometry or on its edge; points and lines take the nearest."""
    y, x = dimensions.horizontal(cube)
    moved = geometries.to(dimensions.reference_system(cube))
    rows, columns = np.asarray(cube[y].values, float), np.asarray(cube[x].values, float)
    found = np.zeros((len(rows), len(columns)), bool)
    for shape in moved.shapes:
        found |= _covered(shape, rows, columns)
    return found


def _covered(shape: Any, rows: Any, columns: Any) -> Any:
    import shapely

    found = np.zeros((len(rows), len(columns)), bool)
    if shape.is_empty or not len(rows) or not len(columns):
        return found
    step_y, step_x = abs(resolution(rows)) or 1, abs(resolution(columns)) or 1
    west, south, east, north = shape.bounds
    near_y = np.flatnonzero((rows >= south - step_y) & (rows <= north + step_y))
    near_x = np.flatnonzero((columns >= west - step_x) & (columns <= east + step_x))
    if not near_y.size or not near_x.size:
        return found
    shapely.prepare(shape)
    if shape.geom_type in POLYGONS or shape.geom_type == "GeometryCollection":
        grid_x, grid_y = np.meshgrid(columns[near_x], rows[near_y])
        found[np.ix_(near_y, near_x)] = shapely.intersects_xy(shape, grid_x, grid_y)
        return found
    for point_x, point_y in _along(shape, min(step_x, step_y) / 4):
        row, column = int(np.argmin(abs(rows - point_y))), int(np.argmin(abs(columns - point_x)))
        if (
            abs(rows[row] - point_y) <= step_y / 2 * 1.000001
            and abs(columns[column] - point_x) <= step_x / 2 * 1.000001
        ):
            found[row, column] = True
    return found


def _along(shape: Any, step: float) -> Sequence[tuple[float, float]]:
    import shapely

    dense = shapely.segmentize(shape, step) if "Line" in shape.geom_type else shape
    return [(float(x), float(y)) for x, y in shapely.get_coordinates(dense)]
