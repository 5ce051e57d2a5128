"""Two documents: JSON, STAC, notebooks, plain text."""

import base64
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import MemoryFile

from terrafair.execution.comparison.assets import SAME
from terrafair.execution.comparison.documents import DIFFERENCES
from terrafair.execution.comparison.findings import Compared, Match

from .files import verdict

Check = Callable[[Any, Any], Compared]


@pytest.fixture
def documents(tmp_path: Path) -> Check:
    """The verdict on two JSON documents."""

    def check(old: Any, new: Any) -> Compared:
        (tmp_path / "a.json").write_text(json.dumps(old, indent=1))
        (tmp_path / "b.json").write_text(json.dumps(new))
        return verdict(tmp_path / "a.json", tmp_path / "b.json")

    return check


@pytest.fixture
def texts(tmp_path: Path) -> Check:
    """The verdict on two texts."""

    def check(old: str | bytes, new: str | bytes) -> Compared:
        for name, text in (("a.txt", old), ("b.txt", new)):
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return verdict(tmp_path / "a.txt", tmp_path / "b.txt")

    return check


class TestJson:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}),
            ({"a": 0.5}, {"a": 0.5 + 1e-8}),
            ({"a": 1}, {"a": 1.0}),
            ({"a": float("nan")}, {"a": float("nan")}),
        ],
    )
    def test_equal(self, documents: Check, old: Any, new: Any) -> None:
        assert documents(old, new).match is Match.EQUAL

    @pytest.mark.parametrize(
        ("old", "new", "where", "what"),
        [
            ({"a": {"b/c": [1]}}, {"a": {"b/c": [2]}}, "/a/b~1c/0", "1 expected, 2 found"),
            ({"a": 1}, {}, "/a", "1 expected, nothing found"),
            ({}, {"a": "x"}, "/a", "nothing expected, 'x' found"),
            ({"a": [1, 2]}, {"a": [1]}, "/a", "2 entries expected, 1 found"),
            ({"a": True}, {"a": 1}, "/a", "true expected, 1 found"),
            ({"a": 1}, {"a": "1"}, "/a", "1 expected, '1' found"),
            ({"a": 0.5}, {"a": float("inf")}, "/a", "0.5 expected, inf found"),
            ({"a": 10**400}, {"a": 0.5}, "/a", f"{10**400} expected, 0.5 found"),
            ([1], {"a": 1}, "the whole document", '[1] expected, {"a": 1} found'),
        ],
    )
    def test_different_and_where(self, documents: Check, old: Any, new: Any, where: str, what: str) -> None:
        found = documents(old, new)
        assert found.match is Match.DIFFERENT
        assert (found.differences[0].where, found.differences[0].what) == (where, what)

    def test_many_differences_are_counted(self, documents: Check) -> None:
        found = documents(list(range(100)), list(range(1, 101)))
        assert len(found.differences) == DIFFERENCES + 1
        assert found.differences[-1].what == f"{100 - DIFFERENCES} more places differ"

    def test_too_deep_a_document_is_not_comparable(self, tmp_path: Path) -> None:
        for name, inner in (("a.json", "1"), ("b.json", "2")):
            (tmp_path / name).write_text('{"a":' * 990 + inner + "}" * 990)
        assert verdict(tmp_path / "a.json", tmp_path / "b.json").match is Match.NOT_COMPARABLE


ITEM: dict[str, Any] = {
    "type": "Feature",
    "stac_version": "1.1.0",
    "id": "x",
    "geometry": None,
    "properties": {"datetime": "2020-01-01T00:00:00Z", "created": "2020-02-02T00:00:00Z", "eo:cloud_cover": 10.0},
    "links": [],
    "assets": {"a": {"href": "./a.tif", "file:checksum": "1220aa"}},
}


class TestStac:
    def changed(self, **properties: Any) -> dict[str, Any]:
        return {**ITEM, "properties": {**ITEM["properties"], **properties}}

    def test_times_of_making_links_and_checksums_do_not_count(self, documents: Check) -> None:
        new = self.changed(created="2026-01-01T00:00:00Z", **{"processing:software": {"x": "2"}})
        new |= {
            "links": [{"rel": "self", "href": "x"}],
            "assets": {"a": {"href": "./b.tif", "file:checksum": "1220bb"}},
        }
        found = documents(ITEM, new)
        assert found.match is Match.EQUAL
        assert found.remarks[-1].startswith("Links, times, checksums")

    def test_what_the_data_are_does(self, documents: Check) -> None:
        found = documents(ITEM, self.changed(datetime="2021-01-01T00:00:00Z"))
        assert found.differences[0].where == "/properties/datetime"

    def test_lists_of_items_are_stac_as_well(self, documents: Check) -> None:
        old, new = (
            {"type": "FeatureCollection", "features": [self.changed(created=created)]} for created in ("2020", "2021")
        )
        assert documents(old, new).match is Match.EQUAL

    def test_in_other_documents_such_names_count(self, documents: Check) -> None:
        assert documents({"created": 1}, {"created": 2}).match is Match.DIFFERENT


class TestText:
    def test_ends_of_lines_do_not_count(self, texts: Check) -> None:
        found = texts("one\ntwo\n", "one\r\ntwo")
        assert (found.match, found.remarks) == (Match.EQUAL, (SAME,))

    def test_neither_does_the_encoding(self, texts: Check) -> None:
        assert texts("Größe: gut\n", "Größe: gut\n".encode("latin-1")).match is Match.EQUAL
        assert texts("Größe: gut\n", "Größe: gut\n".encode("utf-16")).match is Match.EQUAL

    def test_numbers_may_be_close(self, texts: Check) -> None:
        found = texts("The mean is 0.5 K.\n", "The mean is 0.50000001 K.\n")
        assert found.match is Match.EQUAL
        assert found.remarks == ("The largest difference is 1e-08.",)

    @pytest.mark.parametrize("new", ["The mean is 0.6 K.\n", "The mean is 0.5 C.\n", "The mean is nan K.\n"])
    def test_different_lines(self, texts: Check, new: str) -> None:
        found = texts("The mean is 0.5 K.\n", new)
        assert found.match is Match.DIFFERENT
        assert found.differences[0].where == "line 1"

    def test_whole_numbers_must_be_the_same(self, texts: Check) -> None:
        assert texts("1000000 pixels\n", "1000001 pixels\n").match is Match.DIFFERENT

    def test_missing_lines(self, texts: Check) -> None:
        found = texts("a b\nc d\ne f\n", "a b\n")
        assert found.differences[0].what == "2 of 3 lines differ"
        assert found.differences[0].examples[0] == "line 2: 'c d' expected, nothing found"


class TestNotebooks:
    def notebook(self, *cells: dict[str, Any]) -> dict[str, Any]:
        return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": list(cells)}

    def cell(self, *outputs: dict[str, Any], source: str | list[str] = "x", **fields: Any) -> dict[str, Any]:
        return {"cell_type": "code", "source": source, "outputs": list(outputs), "metadata": {}, **fields}

    def stream(self, text: str | list[str]) -> dict[str, Any]:
        return {"output_type": "stream", "name": "stdout", "text": text}

    def result(self, **data: str) -> dict[str, Any]:
        return {"output_type": "execute_result", "data": {name.replace("_", "/"): text for name, text in data.items()}}

    def test_counts_times_addresses_and_parameters_do_not_count(self, documents: Check) -> None:
        old = self.notebook(
            self.cell(self.stream(["done at 2020-01-01 00:00:00\n", "<A at 0x7f0000000001>\n"]), execution_count=1)
        )
        new = self.notebook(
            {**self.cell(source="a = 1"), "metadata": {"tags": ["injected-parameters"]}},
            self.cell(
                self.stream("done at 2026-05-05 12:00:00\n"), self.stream("<A at 0x7fffff000001>\n"), execution_count=9
            ),
        )
        assert documents(old, new).match is Match.EQUAL

    def test_sources_count(self, documents: Check) -> None:
        found = documents(self.notebook(self.cell(source="a")), self.notebook(self.cell(source=["b"])))
        assert (found.differences[0].where, found.differences[0].what) == ("cell 1", "its source differs")

    def test_outputs_count(self, documents: Check) -> None:
        found = documents(
            self.notebook(self.cell(self.stream("mean 0.5\n"))), self.notebook(self.cell(self.stream("mean 0.7\n")))
        )
        assert found.differences[0].where == "cell 1, stream stdout, line 1"

    def test_missing_outputs_and_cells(self, documents: Check) -> None:
        found = documents(
            self.notebook(self.cell(self.result(text_plain="1")), self.cell()), self.notebook(self.cell())
        )
        assert [each.what for each in found.differences] == [
            "2 entries expected, 1 found",
            "an output of kind text/plain is missing in the new file",
        ]

    def test_html_beside_text_does_not_count(self, documents: Check) -> None:
        old, new = (
            self.notebook(self.cell(self.result(text_plain="x", text_html=f"<div id={number}>"))) for number in (1, 2)
        )
        assert documents(old, new).match is Match.EQUAL

    def test_pictures_are_compared_by_their_pixels(self, documents: Check) -> None:
        def picture(value: int, level: int) -> str:
            with warnings.catch_warnings(), MemoryFile() as memory:
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                with memory.open(driver="PNG", width=40, height=40, count=1, dtype="uint8", ZLEVEL=level) as file:
                    file.write(np.full((40, 40), value, "uint8"), 1)
                return base64.b64encode(memory.read()).decode()

        def with_picture(text: str) -> dict[str, Any]:
            return self.notebook(self.cell({"output_type": "display_data", "data": {"image/png": text}}))

        assert documents(with_picture(picture(5, 1)), with_picture(picture(5, 9) + "\n")).match is Match.EQUAL
        found = documents(with_picture(picture(5, 1)), with_picture(picture(6, 1)))
        assert found.differences[0].what == "the picture (image/png) differs"
        assert documents(with_picture("AAAA"), with_picture("BBBB")).match is Match.DIFFERENT

    def test_what_is_no_notebook(self, tmp_path: Path) -> None:
        (tmp_path / "a.ipynb").write_text('{"nbformat": 4, "cells": [5]}')
        (tmp_path / "b.ipynb").write_text(json.dumps(self.notebook()))
        found = verdict(tmp_path / "a.ipynb", tmp_path / "b.ipynb")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason == "the expected file cannot be read: It is no notebook of format 4."

    def test_odd_outputs_do_not_stop_it(self, documents: Check) -> None:
        cell = self.cell(source="y")
        found = documents(self.notebook(self.cell()), self.notebook({**cell, "outputs": ["odd"]}))
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("comparing them fails:")
