"""Files as pages show them: hostile content stays text."""

import json
from typing import Any

import pytest

from terrafair.portal import views


def notebook(*cells: dict[str, Any]) -> bytes:
    return json.dumps({"cells": list(cells)}).encode()


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](http://elsewhere.example/x.png)",
        "<iframe src='http://elsewhere.example'></iframe>",
    ],
)
def test_prose_of_a_notebook_neither_executes_nor_loads(source: str) -> None:
    (part,) = views.notebook(notebook({"cell_type": "markdown", "source": [source]}))
    for mark in ("<script", "<img", "<iframe", 'href="javascript'):
        assert mark not in part.content


def test_outputs_are_text_and_pictures_only() -> None:
    html = {"output_type": "display_data", "data": {"text/html": "<script>1</script>"}}
    colours = {"output_type": "stream", "text": ["\x1b[31mred\x1b[0m"]}
    picture = {"output_type": "display_data", "data": {"image/png": "aGFsbG8=\n"}}
    forged = {"output_type": "display_data", "data": {"image/png": '"><script>', "text/plain": "plain"}}
    cell = {"cell_type": "code", "source": "1", "outputs": [html, colours, picture, forged, 7]}
    parts = views.notebook(notebook(cell))
    assert [part.kind for part in parts] == ["code", "output", "output", "picture", "output"]
    assert "<script" not in parts[1].content and parts[2].content == "red"
    assert parts[3].content == "data:image/png;base64,aGFsbG8=" and parts[4].content == "plain"


def test_headings_go_down_one_step_at_a_time() -> None:
    parts = views.notebook(notebook({"cell_type": "markdown", "source": "#### Deep\n\n# Top\n\n### Third"}))
    assert [part for part in parts[0].content.split("\n") if part] == [
        "<h2>Deep</h2>",
        "<h2>Top</h2>",
        "<h3>Third</h3>",
    ]


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"cells": 5}', b"\xff\xfe"])
def test_what_is_no_notebook_is_said(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        views.notebook(content)


def test_tables_show_their_first_rows() -> None:
    text = "a,b\n" + "1,2\n" * 500
    rows = views.table(text.encode(), "x.CSV")
    assert rows[0] == ["a", "b"] and len(rows) == views.ROWS + 1
    assert views.table(b"a\tb\n\0\xff", "x.tsv")[0] == ["a", "b"]


def test_a_zarr_store_is_one_row() -> None:
    files = [
        {"name": f"out/cube.zarr/c/{n}", "size": 10, "role": "data", "s3": f"s3://b/cube.zarr/c/{n}"} for n in range(5)
    ]
    rows = views.gathered([*files, {"name": "a.tif", "size": 1, "role": "data"}])
    assert [(row["name"], row["size"], row["parts"], row["layer"]) for row in rows] == [
        ("a.tif", 1, 0, "raster"),
        ("out/cube.zarr", 50, 5, "cube"),
    ]
