"""What a process description adds to what CWL says of inputs."""

from typing import Any

import pytest

from terrafair.workflows import cwl
from terrafair.workflows.described import described, descriptions
from terrafair.workflows.workflow import InputSpec


def test_a_choice_of_types_describes_an_input() -> None:
    """`[null, string]` is how tools write what is optional; it is no type of the short form."""
    document = {"class": "CommandLineTool", "inputs": {"word": {"type": ["null", "string"]}, "all": ["null", "Any"]}}
    word, everything = cwl.inputs(document, "")
    assert (word.schema, word.required) == ({"type": "string"}, False)
    assert (everything.schema, everything.required) == ({}, False)


@pytest.mark.parametrize(
    ("own", "said", "taken"),
    [
        ({}, {"type": "object", "format": "ogc-bbox"}, True),
        ({"type": "string"}, {"type": "string", "enum": ["a"]}, True),
        ({"type": "number"}, {"type": "integer"}, True),
        ({"type": "string"}, {"type": "object"}, False),
        ({"type": "integer"}, {"type": "number"}, False),
        ({"type": ["string", "object"], "format": "file"}, {"type": "string"}, False),
        ({}, {}, False),
        ({}, "number", False),
    ],
)
def test_a_description_is_finer_and_never_another_type(own: Any, said: Any, taken: bool) -> None:
    (found,) = described([InputSpec("x", own, title="own")], {"x": {"schema": said, "description": "about"}})
    assert found.schema == (said if taken else own)
    assert (found.title, found.description) == ("own", "about")


@pytest.mark.parametrize("inputs", [None, "x", [1, {"id": 3}], {"x": 1}])
def test_descriptions_that_are_none(inputs: Any) -> None:
    assert descriptions({"inputs": inputs}) == {}


def test_descriptions_as_a_list() -> None:
    assert list(descriptions({"inputs": [{"id": "x", "title": "X"}]})) == ["x"]
