"""run_udf: other people's Python on cubes, series and arrays."""

from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions
from terrafair.execution.engines.openeo.evaluate import Environment
from terrafair.execution.engines.openeo.udf import run as udf
from terrafair.execution.engines.openeo.values import Stack, is_block, items_of, labels_of

RUNTIMES = ("python", "python-jep", "eoap-cwl-python")


def run_udf(
    environment: Environment, data: Any, udf: Any, runtime: str = "Python", version: Any = None, context: Any = None
) -> Any:
    """The code stands in the graph, or is a file of it that has been staged."""
    if str(runtime).lower() not in RUNTIMES:
        what = f"The UDF runtime {runtime!r} is not here."
        raise InvalidInput(what, remedy="Write it for the runtime Python.", code="udf-runtime")
    if version is not None and not _here(str(version)):
        environment.say(f"The UDF asks for Python {version}; it runs in another.", "warning")
    code = _code(environment, udf)
    if isinstance(data, Stack) and data.cube is not None:
        return _on_stack(environment, data, code, context)
    if isinstance(data, xr.DataArray):
        return _on_cube(environment, data, code, context)
    if isinstance(data, Stack) or is_block(data):
        what = "A UDF cannot work here on parts of a cube."
        raise InvalidInput(what, "It needs the labels.", "Make it the only process of the callback.", code="udf-place")
    labels = labels_of(data) if not isinstance(data, list | str | int | float | dict | None) else None
    plain = dict(zip(labels, items_of(data), strict=True)) if labels else data
    return _run(code, plain, context, environment)


def _run(code: str, value: Any, context: Any, environment: Environment) -> Any:
    return udf.run(code, value, context, environment.say)


def _here(version: str) -> bool:
    return udf.python_version().startswith(version.rstrip(".x"))


def _code(environment: Environment, text: Any) -> str:
    if not isinstance(text, str) or not text.strip():
        raise InvalidInput("`udf` holds no code.", code="argument-type")
    if "\n" in text.strip():
        return text
    if (path := environment.sources.get(text.strip())) is not None:
        from pathlib import Path

        return Path(path).read_text("utf-8")
    if text.strip().startswith(("http://", "https://", "s3://", "file://", "/")):
        raise InvalidInput(f"The UDF {text.strip()} has not been staged.", code="source-missing")
    return text


def _on_stack(environment: Environment, data: Stack, code: str, context: Any) -> Any:
    """Called in a callback: the cube around it, and back to elements along the callback's dimension."""
    cube: xr.DataArray = data.cube
    if data.dimension is None:
        result = _on_cube(environment, cube, code, context)
        return _aligned(result, cube, [str(name) for name in cube.dims], None).values
    rest = [str(name) for name in cube.dims if name != data.dimension]
    found = _aligned(_on_cube(environment, cube, code, context), cube, rest, data.dimension)
    if data.dimension not in found.dims:
        return np.asarray(found.values)
    labels = tuple(dimensions.labels(found, data.dimension))
    return Stack(np.asarray(found.values), labels)


def _on_cube(environment: Environment, cube: xr.DataArray, code: str, context: Any) -> xr.DataArray:
    bare = cube.load().copy()
    wide, added = udf.standard(_without_attributes(bare))
    result = _run(code, wide, context, environment)
    if isinstance(result, np.ndarray) and result.ndim == wide.ndim:
        result = xr.DataArray(result, dims=wide.dims)
    if not isinstance(result, xr.DataArray):
        if isinstance(result, int | float | np.generic):
            return xr.DataArray(np.float32(result))
        what = f"The UDF gives {type(result).__name__} for a cube."
        raise InvalidInput(what, "A cube is needed.", code="udf-result")
    for name in added:
        if name in result.dims and result.sizes[name] == 1:
            result = result.isel({name: 0}, drop=True)
    return _described(result, cube)


def _without_attributes(cube: xr.DataArray) -> xr.DataArray:
    plain = {name: (name, _texts(cube[name].values)) for name in map(str, cube.dims) if name in cube.coords}
    return xr.DataArray(cube.values, dims=cube.dims, coords=plain)


def _texts(values: Any) -> Any:
    """Labels that are all texts as numpy texts: `object` arrays surprise user code."""
    if values.dtype == object and all(isinstance(value, str) for value in values):
        return np.array([str(value) for value in values])
    return values


def _described(result: xr.DataArray, cube: xr.DataArray) -> xr.DataArray:
    """The result with what is known of the dimensions that it kept."""
    found = result.drop_vars([name for name in result.coords if name not in result.dims])
    for name in map(str, found.dims):
        if name in cube.coords and found.sizes[name] == cube.sizes[name]:
            keep = name not in found.coords or dimensions.kind(cube, name) == "spatial"
            values = cube[name].values if keep else _objects(found[name].values)
            found = found.assign_coords({name: dimensions.coordinate(name, values, cube[name].attrs)})
        elif name in cube.coords:
            values = _objects(found[name].values) if name in found.coords else list(range(found.sizes[name]))
            found = found.assign_coords({name: dimensions.coordinate(name, values, cube[name].attrs)})
        elif name in found.coords:
            kind = {"type": "bands"} if name == "bands" else {}
            found = found.assign_coords({name: dimensions.coordinate(name, _objects(found[name].values), kind)})
    found.attrs, found.name = dict(cube.attrs), None
    return found


def _objects(values: Any) -> Any:
    return values.astype(object) if values.dtype.kind == "U" else values


def _aligned(result: xr.DataArray, cube: xr.DataArray, rest: list[str], along: str | None) -> xr.DataArray:
    """The callback's dimension first, then the cube's others in their order."""
    extra = [str(name) for name in result.dims if name not in rest and name != along]
    for name in extra:
        if result.sizes[name] > 1:
            what = f"The UDF adds the dimension {name} with {result.sizes[name]} labels."
            raise InvalidInput(
                what, "A callback keeps the others.", "Use run_udf on the cube itself.", code="udf-result"
            )
        result = result.isel({name: 0}, drop=True)
    for name in rest:
        if name not in result.dims:
            result = result.expand_dims({name: cube.sizes[name]})
        elif result.sizes[name] != cube.sizes[name]:
            what = f"The UDF gives {result.sizes[name]} labels along {name}; the cube has {cube.sizes[name]}."
            why = f"Called along {along}, it must keep the other dimensions." if along else "It must keep all of them."
            raise InvalidInput(what, why, code="udf-result")
    return result.transpose(*([along] if along in result.dims else []), *rest)
