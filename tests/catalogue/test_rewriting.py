"""Editing keeps what is not edited, over texts of every style and over the whole real catalogue."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrafair.catalogue.editing import changed_lines, render, rewrite
from terrafair.errors import InvalidInput

LINK = {"rel": "related", "href": "../../products/new/collection.json", "type": "application/json", "title": "Neu ö"}


def diff(before: bytes, after: bytes) -> list[str]:
    return [line for line in changed_lines(before, after) if line[0] in "+-"]


@pytest.mark.parametrize(
    "text",
    [
        '{\n  "a": 1.0,\n  "links": [\n    {"rel": "x"}\n  ],\n  "z": [1, 2]\n}',
        '{"a":1.0,"links":[{"rel":"x"}],"z":[1,2]}',
        '{\r\n\t"a" : 1.0,\r\n\t"links" : [\r\n\t\t{\r\n\t\t\t"rel" : "x"\r\n\t\t}\r\n\t],\r\n\t"z" : [1,2]\r\n}\r\n',
        '\ufeff{ "a": 1.0, "links": [ { "rel": "x" } ], "z": [ 1, 2 ] }\n',
        '{"a": 1.0,\n "links": [{"rel": "x"}],\n "z": [1e0, 2]}',
    ],
)
def test_adds_a_link_and_leaves_the_rest(text: str) -> None:
    before = text.encode()
    document = json.loads(before)
    document["links"].append(LINK)
    after = rewrite(before, document)
    assert json.loads(after) == document
    head = text.index("rel")
    assert after.startswith(before[:head])
    assert after.endswith(text[text.index('"z"') :].encode())


def test_new_members_stand_where_the_document_has_them() -> None:
    before = b'{\n  "a": 1,\n  "c": 3\n}\n'
    assert rewrite(before, {"z": 0, "a": 1, "b": [], "c": 3}) == (b'{\n  "z": 0,\n  "a": 1,\n  "b": [],\n  "c": 3\n}\n')


def test_removes_members_and_elements() -> None:
    before = b'{\n  "a": 1,\n  "b": [\n    1,\n    2,\n    3\n  ],\n  "c": 3\n}\n'
    assert rewrite(before, {"b": [1, 3]}) == b'{\n  "b": [\n    1,\n    3\n  ]\n}\n'
    assert rewrite(before, {"a": 1, "b": [], "c": 3}) == b'{\n  "a": 1,\n  "b": [],\n  "c": 3\n}\n'


def test_keeps_how_numbers_and_letters_are_written() -> None:
    before = b'{"bbox": [-180.00, 1E2, -0], "name": "caf\\u00e9", "x": true}'
    assert rewrite(before, {**json.loads(before), "x": 1}) == before.replace(b"true", b"1")


def test_an_escaping_text_stays_ascii() -> None:
    before = b'{"a": "caf\\u00e9"}'
    assert rewrite(before, {"a": "café", "b": "ö"}) == b'{"a": "caf\\u00e9", "b": "\\u00f6"}'


@pytest.mark.parametrize("text", [b"", b"{", b"{'a': 1}", b"\xff\xfe{}", b'{"a": 1,}'])
def test_what_is_no_json_is_refused(text: bytes) -> None:
    with pytest.raises(InvalidInput):
        rewrite(text, {})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-999, 999) | st.floats(-1e3, 1e3) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=300, deadline=None)
@given(VALUES, VALUES, st.sampled_from([None, 1, 2, "\t"]), st.booleans())
def test_any_change_is_made(before: Any, after: Any, indent: Any, ascii: bool) -> None:
    text = json.dumps(before, indent=indent, ensure_ascii=ascii).encode("utf-8", "surrogatepass")
    assert rewrite(text, before) == text
    assert json.dumps(json.loads(rewrite(text, after)), sort_keys=True) == json.dumps(after, sort_keys=True)


def test_every_real_document_takes_a_link_in_as_few_lines_as_it_needs(osc: Path) -> None:
    count = 0
    for path in sorted(osc.rglob("*.json")):
        before = path.read_bytes()
        document = json.loads(before)
        assert rewrite(before, document) == before, path
        if not document.get("links"):
            continue
        document["links"].append(LINK)
        after = rewrite(before, document)
        assert json.loads(after) == document, path
        lines = diff(before, after)
        assert sum(line[0] == "-" for line in lines) <= 1, path
        assert len(lines) <= 8, (path, lines)
        count += 1
    assert count > 2000


def test_a_new_document_ends_with_a_newline() -> None:
    assert render({"a": "ö"}) == '{\n  "a": "ö"\n}\n'.encode()
