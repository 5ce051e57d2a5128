"""The axes of a data cube: which dimension is x, y, z or time, and the coordinate system, after the CF conventions."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

_TEMPORAL = {"time", "t", "valid_time"}
_NAMES = {
    "x": {"x", "lon", "longitude", "long", "easting", "rlon", "xc", "projection_x_coordinate", "nav_lon"},
    "y": {"y", "lat", "latitude", "northing", "rlat", "yc", "projection_y_coordinate", "nav_lat"},
    "z": {"z", "depth", "height", "altitude", "lev", "level", "plev", "pressure", "elevation"},
}
_STANDARD = {
    "x": {"longitude", "projection_x_coordinate", "grid_longitude"},
    "y": {"latitude", "projection_y_coordinate", "grid_latitude"},
    "z": {"depth", "height", "altitude", "air_pressure", "model_level_number"},
}
_EAST = {"degrees_east", "degree_east", "degree_e", "degrees_e", "degreee", "degreese"}
_NORTH = {"degrees_north", "degree_north", "degree_n", "degrees_n", "degreen", "degreesn"}


@dataclass(frozen=True, slots=True)
class Axis:
    """One spatial axis with its coordinates."""

    dimension: str
    values: Any
    """Cell centres, as stored (a descending axis stays so)."""
    edges: Any
    """One more than values, or empty for a single cell of unknown width."""
    step: float | None
    """Signed; None where it is irregular or there is one cell."""

    @property
    def limits(self) -> tuple[float, float]:
        """Lower and upper end, with the cells' width."""
        found = self.edges if len(self.edges) else self.values
        return float(np.min(found)), float(np.max(found))


def letter(name: str, variable: Any) -> str | None:
    """`x`, `y`, `z` or `t` for a coordinate variable; None for another."""
    attributes = {str(key).lower(): str(value).strip() for key, value in variable.attrs.items()}
    if is_temporal(variable):
        return "t"
    units = attributes.get("units", "").lower()
    if units in _EAST:
        return "x"
    if units in _NORTH:
        return "y"
    axis = attributes.get("axis", "").lower()
    if axis in {"x", "y", "z", "t"}:
        return axis
    standard = attributes.get("standard_name", "").lower()
    for found, names in _STANDARD.items():
        if standard in names:
            return found
    if "positive" in attributes:
        return "z"
    return next((found for found, names in _NAMES.items() if name.lower() in names), None)


def is_temporal(variable: Any) -> bool:
    """Whether a decoded variable holds dates, cftime's included."""
    if variable.dtype.kind == "M":
        return True
    if variable.dtype.kind != "O" or not variable.size:
        return False
    return hasattr(variable.values.ravel()[0], "calendar")


def could_be_temporal(name: str, variable: Any) -> bool:
    """Whether a variable that could not be decoded is meant as time."""
    units = str(variable.attrs.get("units", "")).lower()
    return name.lower() in _TEMPORAL or " since " in units


def is_geographic(name: str, variable: Any) -> bool:
    """Whether a coordinate is in degrees of longitude or latitude."""
    units = str(variable.attrs.get("units", "")).strip().lower()
    standard = str(variable.attrs.get("standard_name", "")).lower()
    named = name.lower() in {"lon", "lat", "longitude", "latitude", "long", "nav_lon", "nav_lat"}
    return (
        units in _EAST | _NORTH
        or standard in {"longitude", "latitude"}
        or (named and units in {"", "degrees", "degree"})
    )


def axis_of(dimension: str, variable: Any, dataset: Any) -> Axis | None:
    """The axis of a one-dimensional numeric coordinate; None where it holds no finite number."""
    if variable.ndim != 1 or variable.dtype.kind not in "fiu" or not variable.size:
        return None
    values = np.asarray(variable.values, dtype=np.float64)
    if not np.isfinite(values).all():
        return None
    bounds = dataset.variables.get(str(variable.attrs.get("bounds", "")))
    if bounds is not None and bounds.shape == (len(values), 2) and np.isfinite(bounds.values).all():
        pairs = np.asarray(bounds.values, dtype=np.float64)
        edges = np.append(pairs[:, 0], pairs[-1, 1])
    elif len(values) > 1:
        middle = (values[1:] + values[:-1]) / 2
        edges = np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])
    else:
        edges = np.empty(0)
    return Axis(dimension, values, edges, _step(values))


def moments_of(variable: Any) -> list[datetime]:
    """The dates of a decoded variable in its own order; those that are missing or on no real day are left out."""
    if variable.dtype.kind == "M":
        found = variable.values.ravel()
        stamps = found[~np.isnat(found)].astype("datetime64[us]")
        return [stamp.replace(tzinfo=UTC) for stamp in stamps.tolist() if isinstance(stamp, datetime)]
    moments = []
    for date in variable.values.ravel():
        try:
            moments.append(
                datetime(
                    date.year, date.month, date.day, date.hour, date.minute, date.second, date.microsecond, tzinfo=UTC
                )
            )
        except (AttributeError, ValueError):
            # The 30th of February of a 360-day calendar, a missing value, or a year before 1.
            if hasattr(date, "calendar") and date.year >= 1:
                moments.append(datetime(date.year, date.month, 28, date.hour, date.minute, date.second, tzinfo=UTC))
    return moments


def crs_in(dataset: Any) -> Any | None:
    """The coordinate system that a grid mapping describes; None where none does."""
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    for name in _mapping_names(dataset):
        attributes = dict(dataset.variables[name].attrs)
        for key in ("crs_wkt", "spatial_ref", "esri_pe_string", "epsg_code", "proj4"):
            try:
                if attributes.get(key):
                    return CRS.from_user_input(str(attributes[key]))
            except CRSError:
                continue
        try:
            return CRS.from_cf({key: value for key, value in attributes.items() if key != "spatial_ref"})
        except (CRSError, KeyError, ValueError, TypeError):
            continue
    for key in ("crs", "proj:code", "spatial_ref", "geospatial_bounds_crs"):
        try:
            if isinstance(dataset.attrs.get(key), str):
                return CRS.from_user_input(dataset.attrs[key])
        except CRSError:
            continue
    return None


def _mapping_names(dataset: Any) -> list[str]:
    """Variables that describe the coordinate system: those that data name, then those that look like one."""
    named = [
        str(mapping).split(":", maxsplit=1)[0].strip()
        for variable in dataset.variables.values()
        if (mapping := variable.attrs.get("grid_mapping") or variable.encoding.get("grid_mapping"))
    ]
    looks = [
        str(name)
        for name, variable in dataset.variables.items()
        if {"grid_mapping_name", "crs_wkt", "spatial_ref"} & variable.attrs.keys()
    ]
    return [name for name in dict.fromkeys([*named, *looks]) if name in dataset.variables]


def _step(values: Any) -> float | None:
    """The spacing where it is regular, as exact as the stored precision gives it."""
    if len(values) < 2:
        return None
    step = (values[-1] - values[0]) / (len(values) - 1)
    # Coordinates in single precision wobble in their seventh digit.
    wobble = max(abs(step) * 1e-3, float(np.abs(values).max()) * 4e-7)
    return float(step) if step and np.abs(np.diff(values) - step).max() <= wobble else None
