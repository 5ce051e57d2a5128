"""Runs a Python UDF on a cube, a series or plain values.

The whole engine runs in the sandbox, so the code runs in this very process.
"""

import inspect
import io
import sys
import typing
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput, WorkflowFailed
from terrafair.execution.engines.openeo.udf.interfaces import DataCube, StructuredData, UdfData, importable
from terrafair.execution.engines.openeo.values import describe

ENTRIES = ("apply_datacube", "apply_hypercube", "apply_timeseries", "apply_udf_data", "apply_feature_collection")
_DIMENSIONS = ("t", "bands", "y", "x")


def run(code: str, value: Any, context: Any, say: Callable[[str, str], None]) -> Any:
    """Call the UDF's entry function; cubes come back as arrays.

    Raises `InvalidInput` for code without an entry, `WorkflowFailed` with the code's own line where it breaks.
    """
    with importable(say):
        names = _execute(code)
        entry = next((name for name in ENTRIES if callable(names.get(name))), None)
        if entry is None:
            defined = ", ".join(n for n, each in names.items() if inspect.isfunction(each)) or "none"
            what = "The UDF defines none of the functions that can be called."
            raise InvalidInput(what, f"It defines: {defined}.", f"Name one {', '.join(ENTRIES[:4])}.", code="udf-entry")
        spoken = io.StringIO()
        try:
            # The child's standard output carries its report.
            with redirect_stdout(spoken):
                result = _call(entry, names[entry], value, context or {})
        except (KeyboardInterrupt, MemoryError):
            raise
        except BaseException as fault:
            raise _failed(code, fault) from fault
        finally:
            for line in spoken.getvalue().splitlines()[:1000]:
                say(line, "info")
    return _value(result)


def _execute(code: str) -> dict[str, Any]:
    import pandas as pd

    # Other back-ends run code where these are known, so published code uses them without an import.
    names: dict[str, Any] = {"__name__": "udf", "np": np, "numpy": np, "xr": xr, "xarray": xr, "pd": pd, "pandas": pd}
    try:
        exec(compile(code, "<udf>", "exec"), names)  # noqa: S102 -- the sandbox is around all of this process
    except SyntaxError as fault:
        what = f"The UDF is no valid Python: {fault.msg} in line {fault.lineno}."
        raise InvalidInput(what, remedy="Mend the code.", code="udf-syntax") from None
    except ModuleNotFoundError as fault:
        what = f"The UDF imports {fault.name}, which is not installed here."
        raise InvalidInput(what, remedy="Do without it, or ask the operator for it.", code="udf-import") from None
    except (KeyboardInterrupt, MemoryError):
        raise
    except BaseException as fault:
        # SystemExit too: no user code ends the engine without an outcome.
        raise _failed(code, fault) from fault
    return names


def _failed(code: str, fault: BaseException) -> WorkflowFailed | InvalidInput:
    if isinstance(fault, ModuleNotFoundError):
        what = f"The UDF imports {fault.name}, which is not installed here."
        return InvalidInput(what, remedy="Do without it, or ask the operator for it.", code="udf-import")
    line, trace = 0, fault.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "<udf>":
            line = trace.tb_lineno
        trace = trace.tb_next
    lines = code.splitlines()
    where = f"Line {line}: {lines[line - 1].strip()}" if 0 < line <= len(lines) else ""
    text = " ".join(str(fault).split())[:300]
    return WorkflowFailed(f"The UDF raised {type(fault).__name__}: {text}", where, "Mend the code.", code="udf-failed")


def _call(entry: str, function: Callable[..., Any], value: Any, context: Any) -> Any:
    if entry == "apply_udf_data":
        data = UdfData(datacube_list=[DataCube(value)] if isinstance(value, xr.DataArray) else [], user_context=context)
        if not isinstance(value, xr.DataArray):
            data.structured_data_list = [StructuredData(value)]
        given = function(data)
        return data if given is None else given
    if entry == "apply_timeseries":
        return _series(function, value, context)
    argument = DataCube(value) if isinstance(value, xr.DataArray) and not _wants_array(function) else value
    return _with_context(function, argument, context)


def _wants_array(function: Callable[..., Any]) -> bool:
    """New UDFs take an xarray.DataArray, and say so in their annotations; old ones take a cube around it."""
    try:
        annotations = typing.get_type_hints(function)
    except Exception:
        annotations = getattr(function, "__annotations__", {})
    first = next(iter(inspect.signature(function).parameters), "")
    wanted = annotations.get(first)
    return wanted is xr.DataArray or (isinstance(wanted, str) and wanted.endswith("DataArray"))


def _with_context(function: Callable[..., Any], argument: Any, context: Any) -> Any:
    parameters = list(inspect.signature(function).parameters.values())
    if any(each.name == "context" or each.kind is each.VAR_KEYWORD for each in parameters[1:]):
        return function(argument, context=context)
    return function(argument, context) if len(parameters) > 1 else function(argument)


def _series(function: Callable[..., Any], value: Any, context: Any) -> Any:
    """Every pixel's values over time as a pandas.Series; the result has the same dates, or is one number."""
    import pandas as pd

    if not isinstance(value, xr.DataArray) or "t" not in value.dims:
        raise TypeError("apply_timeseries needs a cube with the dimension t.")
    rest = [name for name in value.dims if name != "t"]
    moved = value.transpose("t", *rest)
    flat = moved.values.reshape(moved.sizes["t"], -1)
    index = moved.t.values if "t" in moved.coords else np.arange(moved.sizes["t"])
    columns = [_with_context(function, pd.Series(column, index), context) for column in flat.T]
    if columns and np.ndim(columns[0]) == 0:
        return moved.isel(t=0, drop=True).copy(data=np.array(columns).reshape(moved.shape[1:]))
    stacked = np.stack([np.asarray(column) for column in columns], 1)
    return moved.copy(data=stacked.reshape(moved.shape)).transpose(*value.dims)


def _value(result: Any) -> Any:
    if isinstance(result, UdfData):
        if len(result.datacube_list) == 1:
            return _value(result.datacube_list[0])
        if result.structured_data_list:
            return result.structured_data_list[0].data
        what = f"The UDF gives {len(result.datacube_list)} cubes."
        raise InvalidInput(what, "One is needed.", code="udf-result")
    if isinstance(result, DataCube) or (hasattr(result, "get_array") and callable(result.get_array)):
        return result.get_array()
    if isinstance(result, StructuredData):
        return result.data
    if result is None:
        raise InvalidInput("The UDF gives nothing.", remedy="End it with `return`.", code="udf-result")
    if isinstance(result, xr.DataArray | np.ndarray | list | dict | str | int | float | bool | np.generic):
        return result
    raise InvalidInput(f"The UDF gives {describe(result)}, not a cube.", code="udf-result")


def python_version() -> str:
    """The version that UDFs run in."""
    return ".".join(map(str, sys.version_info[:3]))


def standard(cube: xr.DataArray) -> tuple[xr.DataArray, tuple[str, ...]]:
    """The cube as UDFs expect rasters, (t,) bands, y, x; also names the dimensions that had to be added."""
    if not {"x", "y"} <= set(map(str, cube.dims)):
        return cube, ()
    missing = tuple(name for name in ("bands",) if name not in cube.dims)
    wide = cube
    for name in missing:
        wide = wide.drop_vars(name, errors="ignore").expand_dims({name: ["band"]})
    others = [name for name in wide.dims if name not in _DIMENSIONS]
    return wide.transpose(*others, *(name for name in _DIMENSIONS if name in wide.dims)), missing
