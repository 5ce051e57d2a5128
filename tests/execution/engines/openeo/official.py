"""The official process tests: cases from JSON5 files, run through the evaluator, compared as their own harness does."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import json5
import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import dimensions, instants
from terrafair.execution.engines.openeo.evaluate import Environment, Evaluator
from terrafair.execution.engines.openeo.graph import parse
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.save import Saved
from terrafair.execution.engines.openeo.values import LabelledArray, Stack


@dataclass(frozen=True, slots=True)
class Case:
    """One call of a process with what it must give or throw."""

    process: str
    number: int
    arguments: Mapping[str, Any]
    returns: Any
    throws: Any
    delta: float
    has_return: bool
    folder: Path

    @property
    def id(self) -> str:
        return f"{self.process}-{self.number}"


def cases(folder: Path) -> Iterator[Case]:
    for path in sorted(folder.glob("*.json5")):
        document = json5.loads(path.read_text("utf-8"))
        for number, test in enumerate(document["tests"]):
            yield Case(
                document["id"],
                number,
                test["arguments"],
                test.get("returns"),
                test.get("throws"),
                test.get("delta", 1e-10),
                "returns" in test,
                path.parent,
            )


def encoded(value: Any, folder: Path) -> Any:
    """Values as the engine has them: cubes, labelled arrays, None for no-data."""
    if isinstance(value, dict) and "$ref" in value:
        path = folder / value["$ref"]
        text = path.read_text("utf-8")
        value = json5.loads(text) if path.suffix in {".json", ".json5", ".geojson"} else text
    if isinstance(value, dict) and value.get("type") == "datacube":
        return cube(value)
    if isinstance(value, dict) and value.get("type") == "labeled-array":
        pairs = value["data"]
        return LabelledArray(
            tuple(encoded(each["value"], folder) for each in pairs), tuple(each["key"] for each in pairs)
        )
    if isinstance(value, dict) and value.get("type") == "nodata":
        return None
    if isinstance(value, dict) and "process_graph" not in value and "type" not in value:
        return {key: encoded(each, folder) for key, each in value.items()}
    return [encoded(each, folder) for each in value] if isinstance(value, list) else value


def cube(document: Mapping[str, Any]) -> xr.DataArray:
    coords = {}
    shape = []
    for name in document["order"]:
        about = document["dimensions"][name]
        labels = about["values"]
        if about["type"] == "temporal":
            labels = _moments(labels)
        attributes = {key: about[key] for key in ("type", "axis", "reference_system") if key in about}
        coords[name] = dimensions.coordinate(name, labels, attributes)
        shape.append(len(labels))
    data = document["data"]
    values = np.full(shape, np.nan, np.float32) if data is None else np.array(_floats(data))
    nodata = document.get("nodata")
    if isinstance(nodata, int | float) and (values == nodata).any():
        values = np.where(values == nodata, np.nan, values)
    return xr.DataArray(values, dims=document["order"], coords=coords)


def _moments(labels: list[Any]) -> Any:
    """Instants, or the texts where they are names of periods."""
    try:
        return np.array([instants.instant(label) for label in labels], "datetime64[ns]")
    except InvalidInput:
        return labels


def _floats(data: Any, nodata: Any = None) -> Any:
    if isinstance(data, list):
        return [_floats(each, nodata) for each in data]
    return np.nan if data is None or isinstance(data, dict) or data == nodata else data


def run(process: str, arguments: Mapping[str, Any], folder: Path) -> Any:
    """Call one process in a graph of its own; what is no JSON travels as parameters."""
    values: dict[str, Any] = {}
    written = {}
    for name, value in arguments.items():
        if isinstance(value, dict) and (
            "process_graph" in value or any("process_id" in each for each in value.values() if isinstance(each, dict))
        ):
            written[name] = value
        else:
            values[name] = encoded(value, folder)
            written[name] = {"from_parameter": name}
    node = {"process_id": process, "arguments": written, "result": True}
    graph = parse({"node": node}, tuple(values))
    return Evaluator(processes(), environment=Environment()).run(graph, values)["node"]


def decoded(value: Any) -> Any:
    if isinstance(value, Saved):
        value = value.data
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, LabelledArray):
        return [{"key": k, "value": decoded(v)} for k, v in zip(value.labels, value.values, strict=True)]
    if isinstance(value, xr.DataArray):
        return cube_document(value)
    if isinstance(value, Stack):
        return decoded(value.values)
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: decoded(each) for key, each in value.items()}
    return [decoded(each) for each in value] if isinstance(value, list | tuple) else value


def cube_document(value: xr.DataArray) -> dict[str, Any]:
    about = {}
    for name in map(str, value.dims):
        kind = dimensions.kind(value, name)
        about[name] = {"type": kind, "values": dimensions.labels(value, name)}
        if kind == "spatial":
            about[name]["axis"] = value[name].attrs.get("axis", name)
    return {
        "type": "datacube",
        "order": [str(name) for name in value.dims],
        "dimensions": about,
        "data": value.values.tolist() if value.dims or not np.isnan(value.values) else [],
    }


def differences(expected: Any, found: Any, delta: float, folder: Path, where: str = "") -> list[str]:
    """Empty when the result is as expected."""
    if isinstance(expected, dict) and "$ref" in expected:
        path = folder / expected["$ref"]
        expected = json5.loads(path.read_text("utf-8"))
    if isinstance(expected, dict) and expected.get("type") == "nodata":
        expected = None
    if isinstance(expected, dict) and expected.get("type") == "datetime":
        same = (
            isinstance(found, str) and "T" in found and instants.instant(found) == instants.instant(expected["value"])
        )
        return [] if same else [f"{where}: {expected['value']} != {found!r}"]
    if isinstance(expected, dict) and expected.get("type") == "labeled-array":
        expected = expected["data"]
    if isinstance(expected, dict) and expected.get("type") == "datacube":
        return _cube_differences(expected, found, delta, folder)
    if isinstance(expected, dict):
        if not isinstance(found, dict) or set(expected) != set(found):
            return [f"{where}: {expected} != {found!r}"]
        return [d for k in expected for d in differences(expected[k], found[k], delta, folder, f"{where}/{k}")]
    if isinstance(expected, list):
        if not isinstance(found, list) or len(expected) != len(found):
            return [f"{where}: {expected} != {found!r}"]
        pairs = enumerate(zip(expected, found, strict=True))
        return [d for n, (e, f) in pairs for d in differences(e, f, delta, folder, f"{where}/{n}")]
    return [] if _same(expected, found, delta) else [f"{where}: expected {expected!r}, found {found!r}"]


def _same(expected: Any, found: Any, delta: float) -> bool:
    if isinstance(expected, bool) or expected is None or isinstance(expected, str):
        return type(expected) is type(found) and expected == found
    if isinstance(found, bool) or not isinstance(found, int | float):
        return False
    if math.isnan(expected) or math.isnan(found):
        return math.isnan(expected) and math.isnan(found)
    return expected == found or math.isclose(expected, found, rel_tol=delta, abs_tol=delta)


def _cube_differences(expected: Mapping[str, Any], found: Any, delta: float, folder: Path) -> list[str]:
    if not isinstance(found, dict) or found.get("type") != "datacube":
        return [f"expected a cube, found {found!r}"]
    problems = []
    # One case spells its key with the colon.
    order = expected.get("order", expected.get("order: "))
    if order != found["order"]:
        problems.append(f"order: {order} != {found['order']}")
    for name, about in expected.get("dimensions", {}).items():
        other = found["dimensions"].get(name)
        if other is None:
            problems.append(f"no dimension {name}")
            continue
        if about["type"] != other["type"] or about.get("axis", other.get("axis")) != other.get("axis"):
            problems.append(f"{name}: {about['type']} {about.get('axis')} != {other['type']} {other.get('axis')}")
        labels = other["values"]
        wanted = about["values"]
        if about["type"] == "temporal":
            wanted, labels = [_moment(each) for each in wanted], [_moment(each) for each in labels]
        problems += differences(wanted, labels, delta, folder, name)
    if expected.get("data") is not None:
        nodata = expected.get("nodata")
        problems += differences(_floats(expected["data"], nodata), _floats(found["data"]), delta, folder, "data")
    return problems


def _moment(text: Any) -> Any:
    try:
        return str(instants.instant(text))
    except Exception:
        return text


def filled(data: Any, nodata: float) -> Any:
    """Nested lists with the no-data value in the place of not-a-number."""
    if isinstance(data, list):
        return [filled(each, nodata) for each in data]
    return nodata if isinstance(data, float) and math.isnan(data) else data


def same_moment(one: Any, other: Any) -> bool:
    return isinstance(one, str) and isinstance(other, str) and _moment(one) == _moment(other)
