"""Broken graphs, each with the message that it gets; and what published graphs carry, which passes."""

# ruff: noqa: E501 -- one line for each broken graph is easier to read than four

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from terrafair.execution.engines.openeo.codes import name_of
from terrafair.execution.engines.openeo.definition import definitions
from terrafair.execution.engines.openeo.graph import DEPTH_LIMIT, ELEMENT_LIMIT, NODE_LIMIT
from terrafair.execution.engines.openeo.registry import processes
from terrafair.execution.engines.openeo.validation import Context, review, validate

SHARED = Path(os.environ.get("TERRAFAIR_SHARED", Path(__file__).parents[4] / "../shared/data")).resolve()
S2 = {
    "id": "S2",
    "cube:dimensions": {
        "x": {"type": "spatial", "axis": "x", "extent": [10, 11], "step": 0.0001, "reference_system": 4326},
        "y": {"type": "spatial", "axis": "y", "extent": [45, 46], "step": 0.0001, "reference_system": 4326},
        "t": {"type": "temporal", "extent": ["2016-01-01T00:00:00Z", "2024-01-01T00:00:00Z"], "step": "P5D"},
        "bands": {"type": "bands", "values": ["B02", "B04", "B08", "SCL"]},
    },
    "summaries": {"eo:bands": [{"name": "B08", "common_name": "nir"}, {"name": "B04", "common_name": "red"}]},
}
CONTEXT = Context(collections={"S2": S2}.get, byte_limit=100 * 2**30)
BOX = {"west": 10, "south": 45, "east": 10.1, "north": 45.1}


def call(process: str, /, **arguments: Any) -> dict[str, Any]:
    return {"process_id": process, "arguments": arguments}


def node(name: str) -> dict[str, str]:
    return {"from_node": name}


def parameter(name: str) -> dict[str, str]:
    return {"from_parameter": name}


def reducer(process: str, **more: Any) -> dict[str, Any]:
    return {"process_graph": {"r": {**call(process, data=parameter("data"), **more), "result": True}}}


def load(**more: Any) -> dict[str, Any]:
    standard = {"id": "S2", "spatial_extent": BOX, "temporal_extent": ["2020-01-01", "2020-03-01"]}
    return call("load_collection", **{**standard, **more})


def graph(*nodes: dict[str, Any]) -> dict[str, Any]:
    """Nodes named n0, n1 ...; the last is the result."""
    found = {f"n{number}": each for number, each in enumerate(nodes)}
    found[f"n{len(nodes) - 1}"] = {**nodes[-1], "result": True}
    return found


MEAN_T = call("reduce_dimension", data=node("n0"), dimension="t", reducer=reducer("mean"))
BROKEN: Mapping[str, tuple[Any, str, str, str]] = {
    "unknown process": (graph(call("ndvii", data=1)), "n0", "'ndvii' is not known here. Did you mean ndvi", "ProcessUnsupported"),
    "unknown namespace": (
        graph({**call("x"), "namespace": "https://a.example/x.json"}), "n0", "could not be found", "ProcessUnsupported",
    ),
    "missing argument": (graph(call("add", x=1)), "n0/y", "add needs the argument 'y'", "ProcessParameterRequired"),
    "misnamed argument": (
        graph(load(), call("reduce_dimension", data=node("n0"), dimention="t", reducer=reducer("mean"))),
        "n1/dimension", "Rename dimention to dimension", "ProcessParameterRequired",
    ),
    "misspelt option": (
        graph(load(), call("mask_polygon", data=node("n0"), mask={"type": "Point"}, insde=True)),
        "n1/insde", "has no argument 'insde'. Did you mean inside", "ProcessParameterUnsupported",
    ),
    "text for number": (graph(call("add", x="1", y=2)), "n0/x", "add gets the text '1' as `x`", "ProcessParameterInvalid"),
    "number for cube": (
        graph(call("reduce_dimension", data=3, dimension="t", reducer=reducer("mean"))),
        "n0/data", "gets the number 3 as `data`. It takes a data cube", "ProcessParameterInvalid",
    ),
    "cube for number": (graph(load(), call("add", x=node("n0"), y=1)), "n1/x", "gets a data cube", "ProcessParameterInvalid"),
    "word not in list": (
        graph(load(), call("aggregate_temporal_period", data=node("n0"), period="fortnight", reducer=reducer("mean"))),
        "n1/period", "one of hour, day, week", "ProcessParameterInvalid",
    ),
    "number out of range": (graph(call("array_create", data=[1], repeat=0)), "n0/repeat", "of at least 1", "ProcessParameterInvalid"),
    "text for callback": (
        graph(load(), call("reduce_dimension", data=node("n0"), dimension="t", reducer="mean")),
        "n1/reducer", "It takes a process", "ProcessParameterInvalid",
    ),
    "unknown node": (graph(call("add", x=node("m"), y=1)), "n0/x", "which does not exist here", "ProcessGraphInvalid"),
    "unknown parameter": (graph(call("add", x=parameter("m"), y=1)), "n0/x", "nobody defines", "ProcessParameterInvalid"),
    "cycle": (
        graph(call("add", x=node("n1"), y=1), call("add", x=node("n0"), y=1)), "n0", "wait for each other", "ProcessGraphInvalid",
    ),
    "node refers to itself": (graph(call("absolute", x=node("n0"))), "n0", "wait for each other", "ProcessGraphInvalid"),
    "callback parameter misused": (
        graph(load(), call("reduce_dimension", data=node("n0"), dimension="t",
                           reducer={"process_graph": {"r": {**call("absolute", x=parameter("x")), "result": True}}})),
        "n1/reducer/r/x", "from the parameter 'x', which nobody defines", "ProcessParameterInvalid",
    ),
    "callback reaches outside": (
        graph(load(), call("apply", data=node("n0"),
                           process={"process_graph": {"r": {**call("add", x=parameter("x"), y=node("n0")), "result": True}}})),
        "n1/process/r/y", "nodes of the same process graph only", "ProcessGraphInvalid",
    ),
    "callback without one result": (
        graph(load(), call("apply", data=node("n0"), process={
            "process_graph": {"a": call("absolute", x=parameter("x")), "b": call("sqrt", x=parameter("x"))}})),
        "n1/process", "The callback has 2 result nodes", "ProcessGraphInvalid",
    ),
    "no result": (
        {"a": call("add", x=1, y=2), "b": call("add", x=3, y=4)}, "a", "No node is the result", "ProcessGraphInvalid",
    ),
    "unknown collection": (graph(load(id="S3")), "n0/id", "'S3' is not on this platform", "CollectionNotFound"),
    "unknown band at load": (graph(load(bands=["B99"])), "n0/bands", "no band 'B99'. Bands: B02", "ProcessParameterInvalid"),
    "unknown band later": (
        graph(load(bands=["B04", "B08"]), call("filter_bands", data=node("n0"), bands=["SCL"])),
        "n1/bands", "no band 'SCL'. Bands: B04, B08", "ProcessParameterInvalid",
    ),
    "unknown label in callback": (
        graph(load(bands=["B04"]), call("reduce_dimension", data=node("n0"), dimension="bands",
                                        reducer=reducer("array_element", label="B08"))),
        "n1/reducer/r/label", "no element labelled 'B08'. Labels: B04", "ArrayElementNotAvailable",
    ),
    "index beyond the bands": (
        graph(load(bands=["B04"]), call("reduce_dimension", data=node("n0"), dimension="bands",
                                        reducer=reducer("array_element", index=4))),
        "n1/reducer/r/index", "no element 4; the array has 1", "ArrayElementNotAvailable",
    ),
    "unknown dimension": (
        graph(load(), call("reduce_dimension", data=node("n0"), dimension="band", reducer=reducer("mean"))),
        "n1/dimension", "no dimension 'band'. It has: x, y, t, bands. Did you mean bands", "DimensionNotAvailable",
    ),
    "dimension reduced before": (
        graph(load(), MEAN_T, call("aggregate_temporal_period", data=node("n1"), period="month", reducer=reducer("mean"))),
        "n2/data", "has no temporal dimension", "DimensionNotAvailable",
    ),
    "dimension of the wrong kind": (
        graph(load(), call("filter_temporal", data=node("n0"), extent=["2020-01-01", "2020-02-01"], dimension="bands")),
        "n1/dimension", "is of type bands, not temporal", "DimensionNotAvailable",
    ),
    "dimension exists": (
        graph(load(), call("add_dimension", data=node("n0"), name="t", label="x")), "n1/name", "has a dimension t already", "DimensionExists",
    ),
    "dimension with many labels dropped": (
        graph(load(), call("drop_dimension", data=node("n0"), name="bands")), "n1/name", "has 4 labels", "DimensionLabelCountMismatch",
    ),
    "labels do not match": (
        graph(load(), call("rename_labels", data=node("n0"), dimension="bands", source=["B02"], target=["a", "b"])),
        "n1/target", "2 new labels for 1 old ones", "LabelMismatch",
    ),
    "cubes that do not fit": (
        graph(load(), MEAN_T, call("reduce_dimension", data=node("n0"), dimension="x", reducer=reducer("mean")),
              call("merge_cubes", cube1=node("n1"), cube2=node("n2"))),
        "n3/cube2", "each cube has dimensions that the other lacks", "IncompatibleDataCubes",
    ),
    "bounding box turned round": (
        graph(load(spatial_extent={"west": 10, "south": 46, "east": 11, "north": 45})),
        "n0/spatial_extent", "South 46 lies north of north 45", "ProcessParameterInvalid",
    ),
    "bounding box incomplete": (
        graph(load(), call("filter_bbox", data=node("n0"), extent={"west": 1, "south": 2, "east": 3})),
        "n1/extent", "lacks north", "ProcessParameterInvalid",
    ),
    "interval turned round": (
        graph(load(temporal_extent=["2021-01-01", "2020-01-01"])), "n0/temporal_extent", "ends (2020-01-01) before it starts",
        "ProcessParameterInvalid",
    ),
    "no date": (graph(load(temporal_extent=["spring", None])), "n0/temporal_extent", "'spring' is no date", "ProcessParameterInvalid"),
    "unknown format": (
        graph(load(), call("save_result", data=node("n0"), format="NetCFD")), "n1/format", "Did you mean netCDF", "FileTypeInvalid",
    ),
    "unknown runtime": (
        graph(load(), call("run_udf", data=node("n0"), udf="a\nb", runtime="R")), "n1/runtime", "the runtime 'R' is not here", "InvalidRuntime",
    ),
    "too many nodes": (
        {f"n{number}": call("add", x=1, y=1) for number in range(NODE_LIMIT + 1)}, "", "more than 5000 nodes", "ProcessGraphComplexity",
    ),
    "array too long": (graph(call("array_create", data=[0], repeat=10**9)), "n0/repeat", "would have 1000000000 elements", "ProcessGraphComplexity"),
    "too much data": (
        graph(load(spatial_extent=None, temporal_extent=["2016-01-01", "2024-01-01"]), MEAN_T),
        "", "The graph loads about", "ProcessGraphComplexity",
    ),
    "no graph": ([1, 2], "", "The document is no process graph", "ProcessGraphMissing"),
    "node without process": ({"a": {"arguments": {}}, "b": {**call("pi"), "result": True}}, "", "is no process graph", "ProcessGraphMissing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_broken_graph(case: str) -> None:
    document, where, message, name = BROKEN[case]
    problems = validate(document, CONTEXT)
    assert len(problems) == 1, problems
    problem = problems[0]
    assert (problem.where, name_of(problem)) == (where, name)
    assert message in str(problem)
    assert problem.what.endswith(".")


def test_every_problem_is_told_at_once() -> None:
    document = graph(
        load(bands=["B99"], spatial_extent=5), call("filter_bbox", data=node("n0")), call("nope", data=node("n1"))
    )
    assert [problem.where for problem in validate(document, CONTEXT)] == [
        "n0/spatial_extent", "n0/bands", "n1/extent", "n2",
    ]  # fmt: skip


def test_nesting_is_bounded() -> None:
    inner: Any = call("absolute", x=parameter("x"))
    for _ in range(DEPTH_LIMIT + 2):
        inner = call("array_apply", data=[1], process={"process_graph": {"a": {**inner, "result": True}}})
    assert [problem.code for problem in validate({"a": inner})] == ["graph-too-large"]
    deep: Any = 1
    for _ in range(DEPTH_LIMIT + 2):
        deep = [deep]
    assert [problem.code for problem in validate(graph(call("constant", x=deep)))] == ["graph-too-large"]


def test_values_are_bounded() -> None:
    assert [p.code for p in validate(graph(call("constant", x=[0] * (ELEMENT_LIMIT + 1))))] == ["graph-too-large"]


@pytest.mark.parametrize(
    ("resolution", "projection", "narrowed", "said"),
    [
        (1e-7, None, False, "1000000 x 1000000 pixels"),
        ([1e-9, 0.1], None, False, ""),
        (0.001, None, False, ""),
        (0.01, 32632, False, "pixels"),
        (10, 32632, False, ""),
        (1e-300, None, False, "pixels"),
        # What a box leaves is not known before the run.
        (1e-7, None, True, ""),
        (0, None, False, ""),
        ("fine", None, False, None),
    ],
)
def test_a_resolution_that_no_machine_can_hold_is_refused_before_anything_is_loaded(
    resolution: Any, projection: Any, *, narrowed: bool, said: str | None
) -> None:
    box = [call("filter_bbox", data=node("n0"), extent=BOX)] if narrowed else []
    last = f"n{len(box)}"
    wish = call("resample_spatial", data=node(last), resolution=resolution, projection=projection)
    found = validate(graph(load(), *box, wish), CONTEXT)
    if said is None:
        assert found
        return
    assert [problem.code for problem in found] == (["estimate-too-large"] if said else [])
    assert not said or (said in found[0].what and found[0].where.endswith("/resolution") and found[0].remedy)


def test_a_good_graph_has_no_problems_and_an_estimate() -> None:
    document = graph(load(bands=["B04", "nir"]), call("ndvi", data=node("n0"), nir="nir", red="B04"))
    found = review(document, CONTEXT)
    assert not found.problems and not found.warnings
    assert found.estimate is not None
    assert found.estimate.loaded == 1000 * 1000 * 12 * 2 * 4
    assert found.estimate.results == found.estimate.loaded // 2


def test_a_node_that_leads_nowhere_is_a_warning() -> None:
    found = review({"a": call("pi"), "b": {**call("e"), "result": True}})
    assert not found.problems
    assert [(each.where, each.code) for each in found.warnings] == [("a", "node-unreachable")]


def test_several_saved_results_need_no_flag() -> None:
    save = call("save_result", data=node("n0"), format="GTiff")
    assert validate({"n0": load(), "a": save, "b": save}, CONTEXT) == []


UDP = {
    "id": "twice",
    "parameters": [{"name": "x", "schema": {"type": "number"}}],
    "process_graph": {"m": {**call("multiply", x=parameter("x"), y=2), "result": True}},
}
ADDRESS = "https://a.example/twice.json"


def test_user_defined_processes_by_name_by_address_and_fetched() -> None:
    by_name = graph(call("twice", x=2))
    by_address = graph({**call("twice", x=2), "namespace": ADDRESS})
    assert validate(by_name, Context(definitions={"twice": UDP})) == []
    assert validate(by_address, Context(definitions={ADDRESS: UDP})) == []
    asked: list[tuple[str, str]] = []

    def fetch(process: str, namespace: str) -> Any:
        asked.append((process, namespace))
        return UDP

    assert validate(by_address, Context(fetch=fetch)) == []
    assert asked == [("twice", ADDRESS)]


def test_user_defined_processes_are_checked_inside() -> None:
    context = Context(definitions={"twice": UDP})
    assert [p.what for p in validate(graph(call("twice", x="two")), context)] == [
        "The parameter 'x' of twice is the text 'two'."
    ]
    wrong = {**UDP, "process_graph": {"m": {**call("multiply", x=parameter("x")), "result": True}}}
    assert [p.where for p in validate(graph(call("twice", x=2)), Context(definitions={"twice": wrong}))] == ["n0/m/y"]
    circle = {"id": "c", "process_graph": {"m": {**call("c"), "result": True}}}
    assert [p.code for p in validate(graph(call("c")), Context(definitions={"c": circle}))] == ["process-recursion"]


def test_what_published_graphs_carry_passes() -> None:
    document = {
        "id": "u",
        "parameters": [
            {"name": "area", "schema": {"type": "object", "subtype": "bounding-box"}},
            {"name": "when", "schema": {"type": "array", "subtype": "temporal-interval"}},
            {"name": "cloud", "schema": {"type": "number"}, "default": 50, "optional": True},
        ],
        "process_graph": graph(
            load(
                spatial_extent=parameter("area"),
                temporal_extent=parameter("when"),
                featureflags={"tilesize": 256},
                properties={
                    "eo:cloud_cover": {
                        "process_graph": {
                            "c": {**call("lte", x=parameter("value"), y=parameter("cloud")), "result": True}
                        }
                    }
                },
            ),
            {**MEAN_T, "description": "mean", "namespace": "backend"},
        ),
    }
    assert validate(document, CONTEXT) == []
    assert validate({"process": document, "title": "a job"}, CONTEXT) == []
    assert validate(json.dumps(document), CONTEXT) == []


PUBLISHED = {
    "apex__cropsar1d": "process-unsupported",
    "apex__sen2like_processing": "process-unsupported",
    "apex__sentinel1_sar_coherence": "udf-runtime",
    "apex__sentinel1_sar_interferogram": "process-unsupported",
    "apex__wind_turbine_detection": "process-unsupported",
    "community__fire_using_RF": "parameter-unknown",
    "community__flood_ndwi": "process-unsupported",
}
"""Graphs that call what is nowhere defined; the last but one uses a parameter that it does not declare."""


def test_published_graphs_validate() -> None:
    folder = SHARED / "openeo" / "graphs"
    if not folder.is_dir():
        pytest.skip("the published graphs are not here")
    found = {
        path.stem: problems[0].code
        for path in sorted(folder.glob("*.json"))
        if path.stem != "INDEX" and (problems := validate(json.loads(path.read_text("utf-8"))))
    }
    assert found == PUBLISHED


def test_definitions_are_those_of_the_functions() -> None:
    """Names as written, and what the function requires is required."""
    known = definitions()
    for name, process in processes().items():
        written = [argument.name for argument in known[name].arguments]
        assert sorted(written) == sorted((*process.required, *process.optional)), name
        assert {*process.required} <= {each.name for each in known[name].arguments if not each.optional}, name


def test_definitions_are_those_of_the_specification() -> None:
    folder = SHARED / "openeo" / "processes"
    if not folder.is_dir():
        pytest.skip("the specifications are not here")
    known = definitions()
    missing = []
    for path in sorted(folder.glob("*.json")):
        document = json.loads(path.read_text("utf-8"))
        missing += [path.stem] if path.stem not in processes() else []
        wanted = [(each["name"], bool(each.get("optional"))) for each in document["parameters"]]
        assert wanted == [(each.name, each.optional) for each in known[path.stem].arguments], path.stem
        defaults = [each.get("default") for each in document["parameters"]]
        assert defaults == [each.default for each in known[path.stem].arguments], path.stem
    assert missing == []
