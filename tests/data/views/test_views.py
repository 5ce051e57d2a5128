"""Views of files: bounded, plain, and clear about what is damaged."""

import json
from pathlib import Path

import geopandas
import pandas as pd
import pytest

from terrafair.data.views.features import CORNERS, FEATURES, features
from terrafair.data.views.rows import CELL, COLUMNS, PAGE
from terrafair.data.views.view import view
from terrafair.errors import InvalidInput


def test_a_page_of_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("n;text\n" + "".join(f"{n};x\n" for n in range(130)))
    table = view(path, 100)["table"]
    assert [row[0] for row in table["rows"]] == [str(n) for n in range(100, 130)] and not table["more"]
    assert view(path)["table"]["more"] and len(view(path)["table"]["rows"]) == PAGE


@pytest.mark.parametrize("group", [7, 50, 1000])
def test_parquet_pages_over_row_groups(tmp_path: Path, group: int) -> None:
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"n": range(130), "when": pd.date_range("2024-01-01", periods=130)})
    frame.to_parquet(path, row_group_size=group)
    read = [row[0] for start in (0, 50, 100) for row in view(path, start)["table"]["rows"]]
    assert read == [str(n) for n in range(130)]
    assert view(path, 1000)["table"]["rows"] == [] and view(path)["table"]["total"] == 130


def test_huge_cells_wide_tables_and_nulls(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    path.write_text(",".join(f"c{n}" for n in range(500)) + "\n" + "y" * 3_000_000 + ",1\0\n", "utf-8")
    table = view(path)["table"]
    assert len(table["columns"]) == COLUMNS and table["cut"] == 500 - COLUMNS
    assert all(len(cell) <= CELL + 1 for row in table["rows"] for cell in row)


def test_features_are_bounded_in_number_and_corners(tmp_path: Path) -> None:
    path = tmp_path / "many.geojson"
    point = {"type": "Feature", "properties": {"a": float(1), "deep": {"b": [1]}}, "geometry": None}
    place = {"type": "Point", "coordinates": [7, 46]}
    many = [{**point, "geometry": place}] * (FEATURES + 10)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": many}))
    found = features(path)
    assert found["shown"] == FEATURES and found["total"] == FEATURES + 10 and found["bounds"] == [7, 46, 7, 46]
    assert found["features"][0]["properties"] == {"a": 1.0, "deep": '{"b": [1]}'}
    line = {"type": "LineString", "coordinates": [[0, 0]] * (CORNERS + 1)}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [{**point, "geometry": line}]}))
    assert features(path)["shown"] == 0 and features(path)["total"] == 1


@pytest.mark.parametrize(
    "document",
    [
        {"type": "FeatureCollection", "features": [None, 3, {"type": "Feature", "geometry": "x", "properties": 4}]},
        {"type": "Feature", "geometry": None, "properties": None},
        {"type": "GeometryCollection", "geometries": [{"type": "Point", "coordinates": ["a", "b"]}]},
        {"type": "Point", "coordinates": []},
    ],
)
def test_odd_geojson_is_no_fault(tmp_path: Path, document: object) -> None:
    path = tmp_path / "odd.geojson"
    path.write_text(json.dumps(document))
    assert features(path)["type"] == "FeatureCollection"


def test_a_notebooks_parts(tmp_path: Path) -> None:
    outputs = [
        {"output_type": "stream", "text": "\x1b[1mbold\x1b[0m"},
        {"output_type": "display_data", "data": {"image/png": "not base64!", "text/plain": "a figure"}},
        {"output_type": "display_data", "data": {"application/x-odd": {}}},
        {"output_type": "error", "traceback": ["one", "two"]},
    ]
    cells = [{"cell_type": "code", "source": ["a\n", "b"], "execution_count": "3", "outputs": outputs}, "no cell"]
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps({"nbformat": 4, "cells": cells}))
    parts = view(path)["cells"]
    assert [part["kind"] for part in parts] == ["code", "text", "text", "left", "error"]
    assert [part["content"] for part in parts[:3]] == ["a\nb", "bold", "a figure"] and parts[0]["count"] is None


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"PAR1" + bytes(40) + b"PAR1"), ("a.nc", b"\x89HDF\r\n\x1a\n" + bytes(100)), ("b.nc", b"CDF\x01")],
)
def test_what_is_damaged_is_told(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput):
        view(path)


@pytest.mark.parametrize("name", ["a.tif", "a.nc", "a.fgb", "a.gpkg", "a.csv", "a.png", "a.PDF", "a.ipynb"])
@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02" * 90])
def test_bytes_that_are_not_what_their_name_says(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"is empty|as its name says"):
        view(path)
    other = tmp_path / "model.bin"
    other.write_bytes(content)
    assert view(other)["view"] == ""


def test_flatgeobuf_is_a_layer(tmp_path: Path) -> None:
    path = tmp_path / "a.fgb"
    places = geopandas.points_from_xy([500_000, 510_000], [5_300_000, 5_310_000])
    geopandas.GeoDataFrame({"name": ["x", "y"]}, geometry=places, crs="EPSG:32632").to_file(path, driver="FlatGeobuf")
    assert view(path)["view"] == "features"
    found = features(path)
    assert found["total"] == 2 and found["bounds"][0] == pytest.approx(9.0, abs=1e-6)
    assert {each["properties"]["name"] for each in found["features"]} == {"x", "y"}


def test_texts_are_cut_and_json_is_laid_out(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"a":[1,NaN]}')
    assert view(path)["text"].startswith('{\n  "a": [')
    (tmp_path / "long.txt").write_text("words " * 100_000)
    assert view(tmp_path / "long.txt")["cut"]
    (tmp_path / "empty").touch()
    assert view(tmp_path / "empty") == {"kind": "empty", "type": "application/x-empty", "view": ""}
