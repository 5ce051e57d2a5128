"""The official cases that contradict the specification or themselves, each with the one change that mends it.

A case counts as wrong only if it holds once its fault is mended: the proof that the fault is the case's, not ours.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import json5
import numpy as np

from .official import Case

_INTERVALS = {
    2: [["2020-06-01", "2020-06-07"], ["2020-06-07", "2020-06-14"]],
    3: [["2020-06-01", "2020-06-07"], ["2020-06-07", "2020-06-14"], ["2020-06-14", "2020-06-21"]],
}


def _to_june(case: Case) -> Case:
    intervals = _INTERVALS[len(case.arguments["intervals"])]
    arguments: dict[str, Any] = {**case.arguments, "intervals": intervals}
    wanted = case.returns["dimensions"]["t"]["values"]
    if wanted[0].startswith("2020"):
        wanted = [start for start, _ in intervals]
    # The expected values have two digits.
    return replace(_labelled(case, "t", wanted), arguments=arguments, delta=0.011)


def _before_and_after(case: Case) -> Case:
    reducer = dict(case.arguments["reducer"])
    labels = reducer.pop("labels")
    intervals = [[None, "2020-06-04"], ["2020-06-04", None]]
    return replace(
        case, arguments={**case.arguments, "reducer": reducer, "labels": labels, "intervals": intervals}, delta=0.001
    )


def _medians(case: Case) -> Case:
    reducer = {
        "process_graph": {"mean": {**case.arguments["reducer"]["process_graph"]["mean"], "process_id": "median"}}
    }
    return replace(case, arguments={**case.arguments, "reducer": reducer})


def _labelled(case: Case, dimension: str, labels: list[Any]) -> Case:
    about = {**case.returns["dimensions"][dimension], "values": labels}
    return replace(case, returns={**case.returns, "dimensions": {**case.returns["dimensions"], dimension: about}})


def _hours(case: Case) -> Case:
    hours = [f"2020-06-01-{hour:02d}" for hour in range(5)]
    data = case.returns["data"]
    mended = _labelled(case, "t", hours)
    # 00, 01, none at 02 and 03, 04: the case leaves one of the two empty hours out.
    return replace(mended, returns={**mended.returns, "data": [*data[:3], data[2], data[3]]})


def _days(case: Case) -> Case:
    return _labelled(case, "t", ["2020-153", "2020-154", "2020-155", "2020-156"])


def _renamed(case: Case) -> Case:
    about = {"t2" if name == "t" else name: value for name, value in case.returns["dimensions"].items()}
    return replace(case, returns={**case.returns, "order": ["t2", "y", "x"], "dimensions": about})


def _with(**arguments: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, arguments={**case.arguments, **arguments})


def _returning(value: Any) -> Callable[[Case], Case]:
    return lambda case: replace(case, returns=value)


def _inverse_mask(case: Case) -> Case:
    # The third case wants a pixel replaced as well that its own mask does not tell from its neighbour above.
    rows = [[0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 1 if case.number == 2 else 0, 1]]
    axes = {"y": [5757495.0, 5757485.0, 5757475.0], "x": [404835.0, 404845.0, 404855.0, 404865.0]}
    about: dict[str, Any] = {
        name: {"type": "spatial", "axis": name, "values": values, "reference_system": "EPSG:25832"}
        for name, values in axes.items()
    }
    mask = {"type": "datacube", "order": ["y", "x"], "dimensions": about, "data": rows}
    arguments = {**case.arguments, "mask": mask}
    if case.number == 1:
        arguments["data"] = {"$ref": "assets/xyt-minimal-float.json5"}
    return replace(case, arguments=arguments)


def _inside(case: Case) -> Case:
    return replace(case, arguments={**case.arguments, "inside": not case.arguments["inside"]})


def _axes(case: Case) -> Case:
    axis, fresh = case.arguments["source"], case.arguments["target"]
    values = {"y": [5757495.0, 5757485.0, 5757475.0], "x": [404835.0, 404845.0, 404855.0, 404865.0]}
    named = {fresh if name == axis else name: name for name in ("y", "x")}
    about: dict[str, Any] = {
        name: {"type": "spatial", "axis": old, "values": values[old]} for name, old in named.items()
    }
    about["t"] = case.returns["dimensions"]["t"]
    return replace(case, returns={**case.returns, "order": ["t", *named], "dimensions": about})


def _one_plane(case: Case) -> Case:
    document = json5.loads((case.folder / case.returns["$ref"]).read_text("utf-8"))
    planes = np.array(document["data"], np.float64)
    first = planes[0, 0]
    others = np.isnan(planes) != np.isnan(first)
    assert {tuple(place[:2]) for place in np.argwhere(others)} == {(3, 5)}
    planes[3, 5][np.isnan(first)] = np.nan
    return replace(case, returns={**document, "data": planes.tolist()})


def _without_blue(case: Case) -> Case:
    data = [list(row) for row in case.returns["data"]]
    # Its blue is 255 there, the no-data value of the cube.
    data[0][3] = None
    return replace(case, returns={**case.returns, "data": data})


MENDED: Mapping[str, Callable[[Case], Case]] = {
    **{f"aggregate_temporal-{number}": _to_june for number in (5, 6, 7, 8)},
    "aggregate_temporal-9": _before_and_after,
    "aggregate_temporal-10": _medians,
    "aggregate_temporal_period-3": _hours,
    "aggregate_temporal_period-4": _days,
    "aggregate_temporal_period-8": _renamed,
    "aggregate_temporal_period-9": _renamed,
    "array_element-3": _with(label="B02"),
    "filter_bands-4": _with(bands=["blue", "green"]),
    "lte-15": _returning(True),
    "mask-0": _inverse_mask,
    "mask-1": _inverse_mask,
    "mask-2": _inverse_mask,
    "mask_polygon-0": _inside,
    "mask_polygon-1": _inside,
    "mask_polygon-6": _one_plane,
    "product-10": _returning(float("-inf")),
    "reduce_dimension-1": _without_blue,
    "rename_dimension-3": _axes,
    "rename_dimension-4": _axes,
}
