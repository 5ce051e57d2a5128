"""Cloud masks from the classes that optical products carry."""

# ruff: noqa: D103 -- processes and their parameters are named by the specification

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.processes.filters import choose
from terrafair.execution.engines.openeo.values import Block

CLEAR, CLOUDY = (2, 4, 5, 6, 7), (3, 8, 9, 10, 11)
_CLASSES = ("SCL", "scl", "scene_classification", "sceneClassificationData")
_DISTURBANCES = {"cloud": (8, 9, 10), "cloud shadow": (3,), "snow": (11,)}


def to_scl_dilation_mask(
    data: Any, erosion_kernel_size: int = 0, kernel1_size: int = 17, kernel2_size: int = 201,
    mask1_values: Any = CLEAR, mask2_values: Any = CLOUDY, scl_band_name: str = "SCL",
) -> xr.DataArray:  # fmt: skip
    """1 where not clear or near clouds, else 0; no-data of the classes counts as not clear.

    The two masks are eroded first, which drops single pixels, then grown by discs of the kernel sizes.
    """
    cube = dimensions.as_cube(data)
    name = next(iter(dimensions.of_kind(cube, "bands")), None)
    if name is not None and cube.sizes[name] > 1:
        number = next(
            (n for n, band in enumerate(dimensions.labels(cube, name)) if band in {scl_band_name, *_CLASSES}), None
        )
        if number is None:
            what = f"The cube has {cube.sizes[name]} bands; which one holds the classes is not known."
            raise InvalidInput(what, remedy="Choose it with filter_bands.", code="band-unknown")
        cube = cube.isel({name: [number]})
    y, x = dimensions.horizontal(cube)
    sizes = (int(erosion_kernel_size), int(kernel1_size), int(kernel2_size))

    def work(plane: Block) -> Block:
        flat = plane.reshape(-1, *plane.shape[-2:])
        found = np.stack([_grown(each, sizes, mask1_values, mask2_values) for each in flat])
        return found.reshape(plane.shape)

    whole = cube.chunk({y: -1, x: -1}) if cube.chunks else cube
    result: xr.DataArray = xr.apply_ufunc(
        work, whole, input_core_dims=[[y, x]], output_core_dims=[[y, x]], dask="parallelized",
        output_dtypes=[np.uint8], keep_attrs=True,
    )  # fmt: skip
    return dimensions.rebuilt(cube, result.transpose(*cube.dims).data, [str(each) for each in cube.dims])


def _grown(classes: Block, sizes: tuple[int, int, int], clear: Sequence[int], cloudy: Sequence[int]) -> Block:
    from scipy import ndimage

    erosion, first, second = sizes
    hidden = [~np.isin(classes, list(clear)), np.isin(classes, list(cloudy))]
    result = np.zeros(classes.shape, bool)
    for mask, size in zip(hidden, (first, second), strict=True):
        kept = ndimage.binary_erosion(mask, _disc(erosion), border_value=1) if erosion > 1 else mask
        # Distance to the nearest hidden pixel: one pass, however large the disc.
        near = ndimage.distance_transform_edt(~kept) <= size / 2 if size > 1 and kept.any() else kept
        result |= near
    return result.astype(np.uint8)


def _disc(size: int) -> Block:
    radius = size / 2
    ticks = np.arange(size) - (size - 1) / 2
    return ticks[:, None] ** 2 + ticks[None] ** 2 <= radius**2


def mask_scl_dilation(
    data: Any, scl_band_name: str = "SCL", erosion_kernel_size: int = 0, kernel1_size: int = 17,
    kernel2_size: int = 77, mask1_values: Any = CLEAR, mask2_values: Any = CLOUDY,
) -> xr.DataArray:  # fmt: skip
    cube = dimensions.as_cube(data)
    name, classes = _classes(cube, scl_band_name)
    hidden = to_scl_dilation_mask(
        classes, erosion_kernel_size, kernel1_size, kernel2_size, mask1_values, mask2_values
    )  # fmt: skip
    return choose(cube, hidden.squeeze(name, drop=True) == 0, None)


def cloud_detection(data: Any, method: str | None = None, options: Any = None) -> xr.DataArray:  # noqa: ARG001
    """Read from the product's own scene classification, whatever method is asked: 0 or 1 for each disturbance."""
    cube = dimensions.as_cube(data)
    name, classes = _classes(cube, None)
    single = classes.squeeze(name, drop=True)
    masks = [xr.apply_ufunc(np.isin, single, list(values), dask="parallelized", output_dtypes=[bool])
             for values in _DISTURBANCES.values()]  # fmt: skip
    joined = xr.concat([mask.astype(np.uint8) for mask in masks], name, join="override")
    coordinate = dimensions.coordinate(name, list(_DISTURBANCES), {"type": "bands"})
    return joined.assign_coords({name: coordinate}).transpose(*cube.dims)


def _classes(cube: xr.DataArray, band: str | None) -> tuple[str, xr.DataArray]:
    name = dimensions.bands(cube)
    for wanted in (band,) if band else _CLASSES:
        if (number := dimensions.position(cube, name, wanted)) is not None:
            return name, cube.isel({name: [number]})
    bands = ", ".join(map(str, dimensions.labels(cube, name)))
    what = f"The cube has no band {band or 'with a scene classification (SCL)'}."
    raise InvalidInput(what, f"Bands: {bands}.", "Load it too.", code="band-unknown")
