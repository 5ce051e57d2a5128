"""Functions fitted to series, for all pixels at once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions, instants
from terrafair.execution.engines.openeo.processes.callbacks import callback
from terrafair.execution.engines.openeo.values import (
    Block,
    Stack,
    as_array,
    is_number,
    items_of,
    labels_of,
    number_block,
    widen,
)

STEPS = 100
_TOLERANCE = 1e-10


def fit_curve(data: Any, parameters: Any, function: Any, ignore_nodata: bool = True) -> Any:
    """Least squares by Levenberg and Marquardt; dates count in seconds since 1970."""
    array, start = as_array(data), [float(each) for each in items_of(as_array(parameters, "parameters"))]
    run = callback(function, "function")
    places = places_of(labels_of(array), len(array))
    values = array.values if isinstance(array, Stack) else np.array(
        [np.nan if item is None else item for item in items_of(array)], np.float64
    )[:, None]  # fmt: skip
    observed = np.asarray(widen(values), np.float64).reshape(len(places), -1)

    def model(found: Block) -> Block:
        return _curve(run, places, found)

    fitted = _fit(model, observed, np.array(start), ignore_nodata=ignore_nodata)
    if isinstance(array, Stack):
        return Stack(fitted.reshape(len(start), *array.values.shape[1:]))
    return [None if np.isnan(each) else float(each) for each in fitted[:, 0]]


def places_of(labels: Any, size: int) -> Block:
    """Where the values lie: numbers as they are, dates in seconds since 1970, else counted."""
    if labels is None:
        return np.arange(size, dtype=np.float64)
    if all(is_number(label) for label in labels):
        return np.asarray(labels, np.float64)
    epoch = np.datetime64("1970-01-01", "ns")
    return np.array([(instants.instant(label, "labels") - epoch) / np.timedelta64(1, "s") for label in labels])


def _curve(run: Callable[..., Any], places: Block, parameters: Block) -> Block:
    """The function at all places (rows) for all series (columns)."""
    columns = [parameters[number] for number in range(len(parameters))]
    rows = [number_block(run(x=float(place), parameters=Stack(np.stack(columns)))) for place in places]
    return np.stack([np.broadcast_to(row, parameters.shape[1:]) for row in rows]).astype(np.float64)


def _fit(model: Callable[[Block], Block], observed: Block, start: Block, *, ignore_nodata: bool) -> Block:
    count = len(start)
    known = np.isfinite(observed)
    usable = known.sum(0) >= count if ignore_nodata else known.all(0)
    weights, target = known.astype(np.float64), np.nan_to_num(observed)
    found = np.repeat(start[:, None], observed.shape[1], 1)
    damping = np.full(observed.shape[1], 1e-3)
    values = model(found)
    error = (weights * (target - values) ** 2).sum(0)
    for _ in range(STEPS):
        slope = np.stack([_derivative(model, found, values, number) for number in range(count)])
        normal = np.einsum("ktp,tp,jtp->pkj", slope, weights, slope)
        gradient = np.einsum("ktp,tp->pk", slope, weights * (target - values))
        scale = np.einsum("pkk->pk", normal)
        damped = normal + (damping[:, None] * np.maximum(scale, 1e-12))[..., None] * np.eye(count)
        step = np.linalg.solve(damped, gradient[..., None])[..., 0].T
        trial = found + step
        fresh = model(trial)
        wrong = (weights * (target - fresh) ** 2).sum(0)
        better = wrong < error
        gain = np.where(better, error - wrong, 0)
        found, values = np.where(better, trial, found), np.where(better, fresh, values)
        done = ~better & (damping > 1e8) | (better & (gain <= _TOLERANCE * np.maximum(error, 1e-30)))
        error = np.where(better, wrong, error)
        damping = np.clip(np.where(better, damping / 10, damping * 10), 1e-12, 1e12)
        if (done | ~usable).all():
            break
    return np.where(usable, found, np.nan)


def _derivative(model: Callable[[Block], Block], found: Block, values: Block, number: int) -> Block:
    step = np.maximum(np.abs(found[number]), 1.0) * 1e-6
    moved = found.copy()
    moved[number] += step
    return (model(moved) - values) / step


def predict_curve(parameters: Any, function: Any, dimension: str, labels: Any = None) -> xr.DataArray:
    """The fitted parameters lie along the dimension, which gets the labels."""
    cube = dimensions.as_cube(parameters, "parameters")
    name = dimensions.find(cube, dimension)
    run = callback(function, "function")
    if not labels:
        what = "predict_curve has no `labels`."
        remedy = "Name the dates or numbers to predict for."
        raise InvalidInput(what, "The cube of parameters holds no gaps to fill.", remedy, code="argument-missing")
    wanted = items_of(as_array(labels, "labels"))
    places = places_of(tuple(wanted), len(wanted))
    rest = [str(each) for each in cube.dims if each != name]

    def work(block: Block) -> Block:
        moved = np.moveaxis(block, -1, 0)
        found = _curve(run, places, moved.reshape(len(moved), -1).astype(np.float64))
        return np.moveaxis(found.reshape(len(places), *moved.shape[1:]), 0, -1)

    whole = cube.chunk({name: -1}) if cube.chunks else cube
    result = xr.apply_ufunc(
        work, whole.drop_vars(name, errors="ignore"), input_core_dims=[[name]], output_core_dims=[[name]],
        exclude_dims={name}, dask="parallelized", output_dtypes=[np.float64],
        dask_gufunc_kwargs={"output_sizes": {name: len(places)}},
    )  # fmt: skip
    dated = not all(is_number(label) for label in wanted)
    fresh: Any = np.array([instants.instant(label) for label in wanted]) if dated else wanted
    kind = {"type": "temporal" if dated else dimensions.kind(cube, name)}
    extra = {name: dimensions.coordinate(name, fresh, kind)}
    return dimensions.rebuilt(cube, result.transpose(*rest, name).data, [*rest, name], extra).transpose(*cube.dims)
