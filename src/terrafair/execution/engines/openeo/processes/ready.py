"""Corrections of raw data, which analysis-ready collections have had already: they pass, and the log says so."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from typing import Any

import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.values import describe

COEFFICIENTS = ("beta0", "sigma0-ellipsoid", "sigma0-terrain", "gamma0-ellipsoid", "gamma0-terrain")


def sar_backscatter(
    environment: Environment, data: Any, coefficient: str | None = "gamma0-terrain", elevation_model: Any = None,
    mask: bool = False, contributing_area: bool = False, local_incidence_angle: bool = False,
    ellipsoid_incidence_angle: bool = False, noise_removal: bool = True, options: Any = None,
) -> xr.DataArray:  # fmt: skip
    """For data that is backscatter already, as on every collection of gridded radar data."""
    del elevation_model, noise_removal, options
    if coefficient is not None and coefficient not in COEFFICIENTS:
        what = f"`coefficient` is {describe(coefficient)}."
        raise InvalidInput(what, remedy=f"Known: {', '.join(COEFFICIENTS)}.", code="argument-value")
    extra = {
        "mask": mask, "contributing_area": contributing_area, "local_incidence_angle": local_incidence_angle,
        "ellipsoid_incidence_angle": ellipsoid_incidence_angle,
    }  # fmt: skip
    return _ready(environment, data, f"sar_backscatter ({coefficient})", [name for name, on in extra.items() if on])


def ard_normalized_radar_backscatter(
    environment: Environment, data: Any, elevation_model: Any = None, contributing_area: bool = False,
    ellipsoid_incidence_angle: bool = False, noise_removal: bool = True, options: Any = None,
) -> xr.DataArray:  # fmt: skip
    del elevation_model, noise_removal, options
    extra = {"contributing_area": contributing_area, "ellipsoid_incidence_angle": ellipsoid_incidence_angle}
    wanted = [name for name, on in extra.items() if on]
    return _ready(environment, data, "ard_normalized_radar_backscatter", wanted)


def ard_surface_reflectance(
    environment: Environment, data: Any, atmospheric_correction_method: Any, cloud_detection_method: Any,
    elevation_model: Any = None, atmospheric_correction_options: Any = None, cloud_detection_options: Any = None,
) -> xr.DataArray:  # fmt: skip
    del atmospheric_correction_method, cloud_detection_method, elevation_model
    del atmospheric_correction_options, cloud_detection_options
    return _ready(environment, data, "ard_surface_reflectance", [])


def atmospheric_correction(
    environment: Environment, data: Any, method: Any = None, elevation_model: Any = None, options: Any = None
) -> xr.DataArray:
    del method, elevation_model, options
    return _ready(environment, data, "atmospheric_correction", [])


def _ready(environment: Environment, data: Any, process: str, wanted: list[str]) -> xr.DataArray:
    cube = dimensions.as_cube(data)
    name = dimensions.bands(cube)
    known = [str(label) for label in dimensions.labels(cube, name)]
    if missing := [each for each in wanted if each not in known]:
        what = f"{process} is to give {', '.join(missing)} as well."
        why = "Only data that is analysis-ready is processed here, and this cube has no such band."
        remedy = "Set it to false, or load the band with the data."
        raise InvalidInput(what, why, remedy, code="argument-value")
    environment.say(f"{process}: the data is taken to be analysis-ready; it passes as it is.", "info")
    return cube
