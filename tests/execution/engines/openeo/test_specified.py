"""Processes without official cases at hand: what their specifications say, in the manner of those cases."""

import math
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import TerrafairError
from terrafair.execution.engines.openeo.codes import name_of

from .official import decoded, differences, run

NAN, INF = math.nan, math.inf
AXES = {"y": [5757495.0, 5757485.0, 5757475.0], "x": [404835.0, 404845.0, 404855.0, 404865.0]}
DATES = ["2020-06-01T00:00:00Z", "2020-06-03T00:00:00Z"]
FIRST = [[17.5, 53.75, -27.1, -64.25], [-18.0, 8.45, -3.11, -20.5], [50.4, 49.24, 25.16, -81.6]]
SECOND = [[-63.65, 9.0, -68.52, -8.0], [1.05, -63.8, 73.05, 51.05], [47.86, -21.3, NAN, 46.15]]


class Throws(str):
    """The code that a call ends with."""


def cube(data: Any, **labels: list[Any]) -> dict[str, Any]:
    """A cube document with t, bands, y and x of the given labels."""
    about: dict[str, Any] = {}
    for name, values in labels.items():
        about[name] = {"type": {"t": "temporal", "bands": "bands"}.get(name, "other"), "values": values}
        if name in AXES:
            about[name] = {"type": "spatial", "axis": name, "values": values, "reference_system": "EPSG:25832"}
    return {"type": "datacube", "order": list(labels), "dimensions": about, "data": data, "nodata": NAN}


def labelled(**values: Any) -> dict[str, Any]:
    return {"type": "labeled-array", "data": [{"key": key, "value": value} for key, value in values.items()]}


def child(process: str, /, **arguments: Any) -> dict[str, Any]:
    return {"process_graph": {"one": {"process_id": process, "arguments": arguments, "result": True}}}


def of(name: str) -> dict[str, str]:
    return {"from_parameter": name}


def each(function: Any, plane: list[list[float]]) -> list[list[float]]:
    return [[function(value) for value in row] for row in plane]


NONE = {"type": "nodata"}
TIMES = cube([FIRST, SECOND], t=DATES, **AXES)
BANDS = cube([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], bands=["red", "nir"], y=AXES["y"][:2], x=AXES["x"][:2])
ABSOLUTE = child("absolute", x=of("x"))
THIRDS = child("quantiles", data=of("data"), probabilities=[0, 0.5, 1])
FLAT = {"data": BANDS, "dimensions": ["x", "y"], "target_dimension": "X"}

CASES: list[tuple[str, dict[str, Any], Any]] = [
    # Mathematics
    ("arcosh", {"x": 1}, 0),
    ("arcosh", {"x": math.cosh(2)}, 2),
    ("arcosh", {"x": 0.5}, NAN),
    ("arcosh", {"x": None}, None),
    ("arcsin", {"x": 1}, math.pi / 2),
    ("arcsin", {"x": -2}, NAN),
    ("arcsin", {"x": None}, None),
    ("artanh", {"x": 0.5}, math.atanh(0.5)),
    ("artanh", {"x": 1}, INF),
    ("artanh", {"x": -1}, -INF),
    ("artanh", {"x": 2}, NAN),
    ("artanh", {"x": None}, None),
    ("divide", {"x": 5, "y": 2.5}, 2),
    ("divide", {"x": 1, "y": 0}, INF),
    ("divide", {"x": -1, "y": 0}, -INF),
    ("divide", {"x": 0, "y": 0}, NAN),
    ("divide", {"x": 1, "y": None}, None),
    ("divide", {"x": 1, "y": NAN}, NAN),
    ("exp", {"p": 0}, 1),
    ("exp", {"p": 1}, math.e),
    ("exp", {"p": -INF}, 0),
    ("exp", {"p": INF}, INF),
    ("exp", {"p": NAN}, NAN),
    ("exp", {"p": None}, None),
    ("pi", {}, math.pi),
    ("nan", {}, NAN),
    ("sgn", {"x": -2.5}, -1),
    ("sgn", {"x": 3}, 1),
    ("sgn", {"x": 0}, 0),
    ("sgn", {"x": NAN}, NAN),
    ("sgn", {"x": INF}, 1),
    ("sgn", {"x": None}, None),
    ("normalized_difference", {"x": 5, "y": 3}, 0.25),
    ("normalized_difference", {"x": 1, "y": 1}, 0),
    ("normalized_difference", {"x": 0, "y": 0}, NAN),
    ("normalized_difference", {"x": 1, "y": -1}, INF),
    ("normalized_difference", {"x": None, "y": 1}, None),
    ("min", {"data": [1, 0, 3, 2]}, 0),
    ("min", {"data": [5, 2.5, NONE, -0.7]}, -0.7),
    ("min", {"data": [1, NONE], "ignore_nodata": False}, None),
    ("min", {"data": [NONE, NONE]}, None),
    ("min", {"data": []}, None),
    ("min", {"data": [1, NAN, 3]}, NAN),
    ("min", {"data": [1, -INF, 3]}, -INF),
    # Comparisons and logic
    ("lt", {"x": 1, "y": 2}, True),
    ("lt", {"x": 1, "y": 1.0}, False),
    ("lt", {"x": 1, "y": "2"}, False),
    ("lt", {"x": "a", "y": "b"}, False),
    ("lt", {"x": False, "y": True}, False),
    ("lt", {"x": "2018-01-01T00:00:00Z", "y": "2018-01-02T00:00:00Z"}, False),
    ("lt", {"x": 1, "y": None}, None),
    ("lt", {"x": None, "y": None}, None),
    ("lt", {"x": NAN, "y": 1}, False),
    ("lt", {"x": -INF, "y": INF}, True),
    ("lt", {"x": INF, "y": INF}, False),
    ("between", {"x": 1, "min": 0, "max": 1}, True),
    ("between", {"x": 1, "min": 0, "max": 1, "exclude_max": True}, False),
    ("between", {"x": 0.5, "min": 1, "max": 0}, False),
    ("between", {"x": NAN, "min": 0, "max": 1}, False),
    ("between", {"x": None, "min": 0, "max": 1}, None),
    ("between", {"x": INF, "min": 0, "max": INF}, True),
    ("date_between", {"x": "2020-01-01", "min": "2020-01-01", "max": "2020-02-01"}, True),
    ("date_between", {"x": "2020-02-01", "min": "2020-01-01", "max": "2020-02-01"}, True),
    ("date_between", {"x": "2020-02-01", "min": "2020-01-01", "max": "2020-02-01", "exclude_max": True}, False),
    ("date_between", {"x": "2020-01-15", "min": "2020-02-01", "max": "2020-01-01"}, False),
    (
        "date_between",
        {"x": "2020-01-01T00:30:00+01:00", "min": "2020-01-01T00:00:00Z", "max": "2020-01-02T00:00:00Z"},
        False,
    ),
    (
        "date_between",
        {"x": "2019-12-31T23:30:00-01:00", "min": "2020-01-01T00:00:00Z", "max": "2020-01-02T00:00:00Z"},
        True,
    ),
    ("not", {"x": True}, False),
    ("not", {"x": False}, True),
    ("not", {"x": None}, None),
    ("is_nodata", {"x": 1}, False),
    ("is_nodata", {"x": "Test"}, False),
    ("is_nodata", {"x": NONE}, True),
    ("is_nodata", {"x": None}, True),
    ("is_nodata", {"x": NAN}, False),
    # Arrays
    ("array_append", {"data": [1, 2], "value": 3}, [1, 2, 3]),
    ("array_append", {"data": [], "value": None}, [None]),
    ("array_append", {"data": ["a"], "value": [1, 2]}, ["a", [1, 2]]),
    ("array_append", {"data": labelled(a=1), "value": 2, "label": "b"}, labelled(a=1, b=2)),
    ("array_append", {"data": labelled(a=1), "value": 2, "label": "a"}, Throws("LabelExists")),
    ("array_append", {"data": [1], "value": 2, "label": "b"}, Throws("ArrayNotLabeled")),
    ("array_apply", {"data": [], "process": ABSOLUTE}, []),
    ("array_apply", {"data": [-1, 2.5, None], "process": ABSOLUTE}, [1, 2.5, None]),
    ("array_apply", {"data": labelled(a=-1, b=2), "process": ABSOLUTE}, labelled(a=1, b=2)),
    ("array_apply", {"data": [5, 6], "process": child("add", x=of("index"), y=1)}, [1, 2]),
    (
        "array_apply",
        {"data": labelled(a=1, b=2), "process": child("text_concat", data=[of("label"), "!"])},
        labelled(a="a!", b="b!"),
    ),
    ("array_apply", {"data": [1, 2], "process": child("add", x=of("x"), y=of("context")), "context": 10}, [11, 12]),
    ("array_find", {"data": [1, 0, 3, 2], "value": 3}, 2),
    ("array_find", {"data": [1, 0, 3, 2], "value": "3"}, None),
    ("array_find", {"data": [1, 2, 2.0], "value": 2, "reverse": True}, 2),
    ("array_find", {"data": [1, NONE, 2], "value": 2}, 2),
    ("array_find", {"data": [1, NONE], "value": NONE}, None),
    ("array_find", {"data": [[1, 2], 3], "value": [1, 2]}, None),
    ("array_find", {"data": [NAN, 1], "value": NAN}, None),
    ("array_find", {"data": ["a", "A"], "value": "A"}, 1),
    ("array_find", {"data": [], "value": 1}, None),
    ("array_find", {"data": [True, 1], "value": 1}, 1),
    ("array_find", {"data": labelled(a=5, b=6), "value": 6}, 1),
    ("array_find", {"data": ["2020-01-01T00:00:00Z"], "value": "2020-01-01T00:00:00+00:00"}, None),
    ("array_labels", {"data": labelled(B01=1, B02=2)}, ["B01", "B02"]),
    ("array_labels", {"data": [7, 8]}, [0, 1]),
    ("array_labels", {"data": []}, []),
    ("first", {"data": [1, 0, 3]}, 1),
    ("first", {"data": [NONE, "A", "B"]}, "A"),
    ("first", {"data": [NONE, 2], "ignore_nodata": False}, None),
    ("first", {"data": [NONE, NONE]}, None),
    ("first", {"data": []}, None),
    ("first", {"data": [NAN, 2]}, NAN),
    ("sort", {"data": [6, -1, 2, None, 7, 4, None, 8, 3, 9, 9]}, [-1, 2, 3, 4, 6, 7, 8, 9, 9]),
    (
        "sort",
        {"data": [6, -1, 2, None, 7, None], "asc": False, "nodata": True},
        [7, 6, 2, -1, None, None],
    ),
    ("sort", {"data": [6, None, 2], "nodata": False}, [None, 2, 6]),
    ("sort", {"data": []}, []),
    ("sort", {"data": ["b", "a", "B"]}, ["B", "a", "b"]),
    # Dates
    ("date_difference", {"date1": "2020-01-01T00:00:00.0Z", "date2": "2020-01-01T00:00:15.5Z"}, 15.5),
    ("date_difference", {"date1": "2020-01-01T00:00:00Z", "date2": "2020-01-01T01:00:00Z", "unit": "hour"}, 1),
    ("date_difference", {"date1": "2020-01-01", "date2": "2020-06-15", "unit": "day"}, 166),
    ("date_difference", {"date1": "2020-01-02", "date2": "2020-01-01", "unit": "day"}, -1),
    ("date_difference", {"date1": "2020-01-01", "date2": "2020-01-15", "unit": "week"}, 2),
    ("date_difference", {"date1": "2020-01-01", "date2": "2020-01-02", "unit": "millisecond"}, 86_400_000),
    ("date_difference", {"date1": "2020-01-01T00:00:00+01:00", "date2": "2020-01-01T00:00:00Z", "unit": "minute"}, 60),
    ("date_difference", {"date1": "2020-01-31", "date2": "2020-03-31", "unit": "month"}, 2),
    ("date_difference", {"date1": "2018-01-01", "date2": "2020-01-01", "unit": "year"}, 2),
    # Cubes
    ("apply", {"data": TIMES, "process": ABSOLUTE}, cube([each(abs, FIRST), each(abs, SECOND)], t=DATES, **AXES)),
    (
        "apply",
        {"data": TIMES, "process": child("add", x=of("x"), y=of("context")), "context": 0.5},
        cube([each(lambda v: v + 0.5, FIRST), each(lambda v: v + 0.5, SECOND)], t=DATES, **AXES),
    ),
    (
        "apply",
        {"data": BANDS, "process": child("gt", x=of("x"), y=4)},
        cube([[[False] * 2] * 2, [[True] * 2] * 2], bands=["red", "nir"], y=AXES["y"][:2], x=AXES["x"][:2]),
    ),
    (
        "apply_dimension",
        {"data": BANDS, "dimension": "bands", "process": child("cumsum", data=of("data"))},
        cube([[[1, 2], [3, 4]], [[6, 8], [10, 12]]], bands=["red", "nir"], y=AXES["y"][:2], x=AXES["x"][:2]),
    ),
    (
        # As many values as labels: they stay; else they are counted.
        "apply_dimension",
        {"data": BANDS, "dimension": "bands", "process": THIRDS},
        cube(
            [[[1, 2], [3, 4]], [[3, 4], [5, 6]], [[5, 6], [7, 8]]], bands=[0, 1, 2], y=AXES["y"][:2], x=AXES["x"][:2]
        ),
    ),
    (
        "apply_dimension",
        {"data": BANDS, "dimension": "time", "process": child("cumsum", data=of("data"))},
        Throws("DimensionNotAvailable"),
    ),
    ("dimension_labels", {"data": BANDS, "dimension": "bands"}, ["red", "nir"]),
    ("dimension_labels", {"data": TIMES, "dimension": "x"}, AXES["x"]),
    ("dimension_labels", {"data": TIMES, "dimension": "t"}, DATES),
    ("dimension_labels", {"data": TIMES, "dimension": "bands"}, Throws("DimensionNotAvailable")),
    ("filter_temporal", {"data": TIMES, "extent": [DATES[0], DATES[1]]}, cube([FIRST], t=DATES[:1], **AXES)),
    ("filter_temporal", {"data": TIMES, "extent": [None, "2020-06-03"]}, cube([FIRST], t=DATES[:1], **AXES)),
    ("filter_temporal", {"data": TIMES, "extent": ["2020-06-02", None]}, cube([SECOND], t=DATES[1:], **AXES)),
    (
        "filter_temporal",
        {"data": TIMES, "extent": ["2020-06-01T01:00:00+01:00", "2020-06-03T02:00:00+02:00"]},
        cube([FIRST], t=DATES[:1], **AXES),
    ),
    ("filter_temporal", {"data": TIMES, "extent": ["2020-07-01", "2020-06-01"]}, Throws("TemporalExtentEmpty")),
    (
        "filter_temporal",
        {"data": TIMES, "extent": ["2020-06-01", "2020-07-01"], "dimension": "bands"},
        Throws("DimensionNotAvailable"),
    ),
    ("filter_temporal", {"data": BANDS, "extent": ["2020-06-01", "2020-07-01"]}, Throws("DimensionNotAvailable")),
    (
        "apply_neighborhood",
        {
            "data": BANDS, "process": child("apply", data=of("data"), process=child("multiply", x=of("x"), y=2)),
            "size": [{"dimension": "x", "value": 1, "unit": "px"}, {"dimension": "y", "value": 1, "unit": "px"}],
        },
        cube([[[2, 4], [6, 8]], [[10, 12], [14, 16]]], bands=["red", "nir"], y=AXES["y"][:2], x=AXES["x"][:2]),
    ),
    (
        "flatten_dimensions",
        {
            "data": cube([[1, 2], [3, 4]], A=["2020", "2021"], B=["B1", "B2"]),
            "dimensions": ["A", "B"], "target_dimension": "X",
        },
        cube([1, 2, 3, 4], X=["2020~B1", "2020~B2", "2021~B1", "2021~B2"]),
    ),
    (
        "flatten_dimensions",
        {
            "data": cube([[1, 2], [3, 4]], A=["2020", "2021"], B=["B1", "B2"]),
            "dimensions": ["B", "A"], "target_dimension": "X", "label_separator": "-",
        },
        cube([1, 3, 2, 4], X=["B1-2020", "B1-2021", "B2-2020", "B2-2021"]),
    ),
    ("flatten_dimensions", FLAT | {"dimensions": ["bands", "z"]}, Throws("DimensionNotAvailable")),
    ("flatten_dimensions", FLAT | {"target_dimension": "bands"}, Throws("TargetDimensionExists")),
    (
        "anomaly",
        {
            "data": cube([5, 7], t=["2020-01-15T00:00:00Z", "2020-02-15T00:00:00Z"]),
            "normals": cube([1, 2], t=["01", "02"]),
            "period": "month",
        },
        cube([4, 5], t=["2020-01-15T00:00:00Z", "2020-02-15T00:00:00Z"]),
    ),
    # Records
    (
        "stac_modify",
        {"data": {"id": "a", "properties": {"x": 1, "y": 2}}, "changes": {"properties": {"x": None, "z": 3}}},
        {"id": "a", "properties": {"y": 2, "z": 3}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("process", "arguments", "expected"),
    [pytest.param(*row, id=f"{row[0]}-{number}") for number, row in enumerate(CASES)],
)
def test_as_specified(process: str, arguments: dict[str, Any], expected: Any) -> None:
    if isinstance(expected, Throws):
        with pytest.raises(TerrafairError) as caught:
            run(process, arguments, Path())
        assert name_of(caught.value.problems[0]) == expected
        return
    assert differences(expected, decoded(run(process, arguments, Path())), 1e-6, Path()) == []
