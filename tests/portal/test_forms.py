"""Forms from input schemas, and what is typed into them."""

from typing import Any

import pytest

from terrafair.errors import Problem
from terrafair.portal import forms

BOX = {"type": "object", "properties": {side: {"type": "number"} for side in forms.SIDES}}
PAIR = {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "string", "format": "date"}}


def spec(schema: dict[str, Any], name: str = "x", **more: Any) -> dict[str, Any]:
    return {"name": name, "schema": schema, **more}


@pytest.mark.parametrize(
    ("schema", "control"),
    [
        ({"type": "number"}, "number"),
        ({"type": ["integer", "null"]}, "integer"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "string", "enum": ["a", "b"]}, "choice"),
        ({"type": "array", "items": {"enum": ["a", "b"]}}, "choices"),
        ({"type": "string", "format": "date"}, "date"),
        (PAIR, "interval"),
        (BOX, "box"),
        ({"type": "array", "items": {"type": "number"}, "format": "ogc-bbox"}, "boxlist"),
        ({"type": ["string", "object"], "format": "stac-collection"}, "reference"),
        ({"type": "array", "items": {"type": "string"}}, "lines"),
        ({"type": "object"}, "json"),
        ({"anyOf": [{"type": "number"}, {"type": "string"}]}, "json"),
        ({}, "json"),
        ({"type": "string"}, "text"),
    ],
)
def test_each_schema_has_its_control(schema: dict[str, Any], control: str) -> None:
    assert forms.control("x", schema) == control


@pytest.mark.parametrize(
    ("schema", "typed", "value"),
    [
        ({"type": "number"}, {"in:x": ["0.5"]}, 0.5),
        ({"type": "integer"}, {"in:x": ["7"]}, 7),
        ({"type": "boolean"}, {"in:x": ["false"]}, False),
        ({"enum": [1, 2]}, {"in:x": ["2"]}, 2),
        ({"type": "array", "items": {"enum": ["a", "b", "c"]}}, {"in:x": ["a", "c"]}, ["a", "c"]),
        (PAIR, {"in:x:start": ["2024-01-01"], "in:x:end": [""]}, ["2024-01-01", None]),
        (
            BOX,
            {f"in:x:{side}": [str(n)] for n, side in enumerate(forms.SIDES)},
            dict(zip(forms.SIDES, range(4), strict=True)),
        ),
        ({"type": "array", "items": {"type": "number"}}, {"in:x": ["1\n 2.5 \n"]}, [1, 2.5]),
        ({}, {"in:x": ['{"a": 1}']}, {"a": 1}),
        ({}, {"in:x": ["plain"]}, "plain"),
    ],
)
def test_what_is_typed_becomes_a_value(schema: dict[str, Any], typed: dict[str, list[str]], value: Any) -> None:
    assert forms.read([spec(schema)], {}, typed) == ({"x": value}, [])


@pytest.mark.parametrize(
    ("schema", "typed"),
    [
        ({"type": "number"}, {"in:x": ["much"]}),
        ({"type": "number"}, {"in:x": ["nan"]}),
        ({"type": "number"}, {"in:x": ["1e999"]}),
        ({"type": "integer"}, {"in:x": ["1.5"]}),
        ({"type": "boolean"}, {"in:x": ["perhaps"]}),
        (BOX, {"in:x:west": ["1"]}),
        (BOX, {"in:x:west": ["0"], "in:x:south": ["9"], "in:x:east": ["1"], "in:x:north": ["3"]}),
        ({}, {"in:x": ["{broken"]}),
    ],
)
def test_what_cannot_be_read_is_said_beside_its_field_and_kept(
    schema: dict[str, Any], typed: dict[str, list[str]]
) -> None:
    values, problems = forms.read([spec(schema)], {}, typed)
    assert values == {} and [problem.where for problem in problems] == ["x"]
    field = forms.fields([spec(schema)], {}, typed, problems)[0]
    assert field.problems == tuple(problems)
    for key, texts in typed.items():
        assert field.texts[key.removeprefix("in:x").lstrip(":")] == texts[-1]


def test_only_what_differs_is_asked_for() -> None:
    inputs = [spec({"type": "number"}, "a"), spec({"type": "number"}, "b", default=2)]
    typed = {"in:a": ["1"], "in:b": ["2"]}
    assert forms.read(inputs, {"a": 1}, typed) == ({}, [])
    assert forms.read(inputs, {"a": 1}, {**typed, "in:b": ["3"]}) == ({"b": 3}, [])


def test_problems_find_their_field_by_the_longest_name() -> None:
    inputs = [spec({}, "area"), spec({}, "area.of")]
    found = forms.fields(inputs, {}, None, [Problem("It is wrong.", where="area.of.west")])
    assert [len(field.problems) for field in found] == [0, 1]


def test_a_projected_area_shows_its_reference_system() -> None:
    schema = {"type": "object", "properties": {**BOX["properties"], "crs": {"type": "integer"}}}
    value = {"west": 1, "south": 2, "east": 3, "north": 4, "crs": 32632}
    field = forms.fields([spec(schema)], {"x": value})[0]
    assert field.whole and field.texts["crs"] == "32632"
    typed = {f"in:x:{part}": [text] for part, text in field.texts.items()}
    assert forms.read([spec(schema)], {}, typed) == ({"x": value}, [])
