"""Editing in place: the result is what the same change to the parsed document gives, and the rest keeps its bytes."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from terrafair.catalogue.editing import JsonText
from terrafair.errors import InvalidInput

KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=6)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | KEYS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
STYLES = st.fixed_dictionaries(
    {
        "indent": st.sampled_from([None, 1, 2, 4, "\t"]),
        "ensure_ascii": st.booleans(),
        "separators": st.sampled_from([(",", ":"), (", ", ": "), (" ,", " : ")]),
    }
)


def places(node: Any, pointer: str = "") -> list[str]:
    found = [pointer]
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in pairs:
        found += places(child, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
    return found


def holder_of(node: Any, pointer: str) -> tuple[Any, str]:
    *above, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])
    for part in above:
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node, last


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KEYS, VALUES, min_size=1, max_size=5), STYLES, st.data())
def test_a_change_is_the_change_and_nothing_else(document: dict[str, Any], style: dict[str, Any], data: Any) -> None:
    before = json.dumps(document, **style)
    text, wanted = JsonText(before.encode()), copy.deepcopy(document)
    pointer = data.draw(st.sampled_from(places(document)[1:]))
    holder, last = holder_of(wanted, pointer)
    key: Any = int(last) if isinstance(holder, list) else last
    match data.draw(st.sampled_from(["put", "drop", "append"])):
        case "put":
            value = data.draw(VALUES)
            holder[key] = value
            text.put(pointer, value)
        case "drop":
            del holder[key]
            text.drop(pointer)
        case _:
            value = data.draw(VALUES)
            if isinstance(holder, list):
                holder.append(value)
                text.put(f"{pointer.rpartition('/')[0]}/-", value)
            else:
                holder["a new key"] = value
                text.put(f"{pointer.rpartition('/')[0]}/a new key", value)
    assert json.loads(text.content) == wanted


LINES = """{
  "id": "x",
  "links": [
    {
      "rel": "root",
      "href": "../catalog.json"
    },
    {"rel": "via", "href": "https://x.org"}
  ],
  "odd"  :  [ 1,2,   3 ],
  "text": "{\\"links\\": [",
  "empty": {},
  "none": []
}

"""


@pytest.mark.parametrize(
    ("pointer", "value", "old", "new"),
    [
        ("/links/0/href", "./x", '"../catalog.json"', '"./x"'),
        ("/links/1/rel", "item", '"rel": "via"', '"rel": "item"'),
        ("/links/0/title", "T", '"../catalog.json"\n', '"../catalog.json",\n      "title": "T"\n'),
        ("/links/1/title", "T", '"https://x.org"}', '"https://x.org", "title": "T"}'),
        ("/odd/-", 4, "[ 1,2,   3 ]", "[ 1,2,   3,   4 ]"),
        ("/none/-", "a", "[]", '[\n    "a"\n  ]'),
        ("/new", {"a": [1]}, "[]\n}", '[],\n  "new": {\n    "a": [\n      1\n    ]\n  }\n}'),
        ("/list/-", 1, "[]\n}", '[],\n  "list": [\n    1\n  ]\n}'),
        (
            "/links/-",
            {"rel": "item", "href": "y"},
            '"https://x.org"}',
            '"https://x.org"},\n    {"rel": "item", "href": "y"}',
        ),
    ],
)
def test_new_text_looks_like_its_neighbours(pointer: str, value: Any, old: str, new: str) -> None:
    text = JsonText(LINES.encode())
    text.put(pointer, value)
    head, _, tail = LINES.rpartition(old)
    assert text.content.decode() == head + new + tail


@pytest.mark.parametrize(
    ("pointer", "old", "new"),
    [
        ("/id", '"id": "x",\n  ', ""),
        ("/none", ',\n  "none": []', ""),
        ("/links/1", ',\n    {"rel": "via", "href": "https://x.org"}', ""),
        ("/odd/1", "2,   ", "   "),
        ("/nothing/here", "", ""),
    ],
)
def test_what_is_dropped_takes_its_comma_along(pointer: str, old: str, new: str) -> None:
    text = JsonText(LINES.encode())
    text.drop(pointer)
    assert text.content.decode() == LINES.replace(old, new, 1)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "  \n\n"])
def test_line_ends_and_the_end_of_the_file_stay(ending: str) -> None:
    source = '{\r\n    "a": [\r\n        1\r\n    ]\r\n}' + ending
    text = JsonText(source.encode())
    text.put("/a/-", {"b": 2})
    assert text.content.decode() == source.replace("1\r\n", '1,\r\n        {\r\n            "b": 2\r\n        }\r\n')


def test_letters_are_written_as_the_document_writes_them() -> None:
    escaped, plain = JsonText(b'{"a": "\\u00e4"}'), JsonText('{"a": "ä"}'.encode())
    for text in (escaped, plain):
        text.put("/b", "ö")
    assert escaped.content.decode() == '{"a": "\\u00e4", "b": "\\u00f6"}'
    assert plain.content.decode() == '{"a": "ä", "b": "ö"}'


def test_lines_of_pointers() -> None:
    text = JsonText(LINES.encode())
    assert [text.line(pointer) for pointer in ("", "/id", "/links", "/links/0/href", "/links/1", "/links/9/x")] == [
        *(1, 2, 3, 6, 8),
        3,
    ]


@pytest.mark.parametrize("pointer", ["id", "/id/x", "/links/9", "/nothing/x"])
def test_what_cannot_be_put_is_refused(pointer: str) -> None:
    text = JsonText(LINES.encode())
    with pytest.raises(InvalidInput):
        text.put(pointer, 1)
    assert text.content.decode() == LINES


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidInput, match="cannot be edited"):
        JsonText(content)


def test_real_documents_change_in_one_line(osc: Path) -> None:
    for path in sorted(osc.glob("products/*/collection.json"))[::20]:
        before = path.read_bytes()
        text = JsonText(before)
        text.put("/links/0/title", "Another")
        one, other = before.splitlines(), text.content.splitlines()
        if len(one) > 1 and "title" in json.loads(before)["links"][0]:
            assert len(one) == len(other)
            assert sum(a != b for a, b in zip(one, other, strict=True)) <= 1
