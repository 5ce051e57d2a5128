"""Binding input values: order, types, and one clear message for each that is wrong."""

from typing import Any

import pytest

from terrafair.errors import InvalidInputs
from terrafair.workflows.check import bind
from terrafair.workflows.workflow import InputSpec, Resolution, WorkflowType

SPECS = (
    InputSpec("collection", {"type": "string", "format": "stac-collection"}),
    InputSpec("year", {"type": "integer", "minimum": 1980}, required=False, default=2020),
    InputSpec("bands", {"type": "array", "items": {"type": "string"}}, required=False),
    InputSpec(
        "extent", {"type": "object", "required": ["west"], "properties": {"west": {"type": "number"}}}, required=False
    ),
    InputSpec("method", {"type": "string", "enum": ["mean", "median"]}, required=False, default="mean"),
)


def resolution(**fields: Any) -> Resolution:
    return Resolution("x", "experiment", **{"inputs": SPECS, "type": WorkflowType.OPENEO, **fields})


def test_defaults_then_published_then_given() -> None:
    found = bind(resolution(values={"collection": "a", "year": 2021, "old": 1}), {"year": 2022})
    assert found == {"collection": "a", "year": 2022, "method": "mean"}


def test_texts_that_a_command_line_made_numbers_of() -> None:
    assert bind(resolution(values={"collection": 5}), {"bands": [1, "b"], "year": 2021.0}) == {
        "collection": "5",
        "bands": ["1", "b"],
        "year": 2021,
        "method": "mean",
    }


@pytest.mark.parametrize(
    ("given", "code", "where", "says"),
    [
        ({"yeer": 1, "collection": "a"}, "input-unknown", "yeer", "Did you mean year?"),
        ({"q": 1, "collection": "a"}, "input-unknown", "q", "Its inputs: collection, year"),
        ({}, "input-missing", "collection", "--input collection=VALUE"),
        ({"collection": None}, "input-missing", "collection", "It takes a text"),
        ({"collection": "a", "year": "soon"}, "input-invalid", "year", "It takes a whole number."),
        ({"collection": "a", "year": 1900}, "input-invalid", "year", "1980"),
        ({"collection": "a", "year": True}, "input-invalid", "year", "true"),
        ({"collection": "a", "extent": {}}, "input-invalid", "extent", "west"),
        ({"collection": "a", "extent": {"west": "x"}}, "input-invalid", "extent.west", "a number"),
        ({"collection": "a", "method": "mode"}, "input-invalid", "method", "mean, median"),
        ({"collection": "a", "bands": "red"}, "input-invalid", "bands", "a list"),
    ],
)
def test_one_clear_message(given: dict[str, Any], code: str, where: str, says: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        bind(resolution(), given)
    (problem,) = caught.value.problems
    assert (problem.code, problem.where) == (code, where)
    assert says in str(problem)


def test_all_faults_at_once() -> None:
    with pytest.raises(InvalidInputs) as caught:
        bind(resolution(), {"yeer": 1, "bands": 3})
    assert [problem.code for problem in caught.value.problems] == ["input-unknown", "input-missing", "input-invalid"]


def test_a_workflow_without_declared_inputs_takes_what_was_published() -> None:
    bare = resolution(inputs=(), values={"a": 1})
    assert bind(bare, {"a": 2}) == {"a": 2}
    with pytest.raises(InvalidInputs, match="Its inputs: a"):
        bind(bare, {"zzz": 1})
    assert bind(resolution(inputs=(), values={"a": 1}, type=WorkflowType.COMMAND), {"b": 2}) == {"a": 1, "b": 2}


def test_broken_schemas_of_authors_do_not_stop_a_run() -> None:
    odd = resolution(inputs=(InputSpec("a", {"type": "nonsense"}),))
    assert bind(odd, {"a": 1}) == {"a": 1}


def test_references_may_be_given_as_objects() -> None:
    assert bind(resolution(), {"collection": {"href": "s3://x/y"}})["collection"] == {"href": "s3://x/y"}
