"""Vectors to GeoParquet: every feature and value, and the metadata that lets a reader fetch a region."""

import json
import sqlite3
import warnings
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from shapely import Point, Polygon, box

from terrafair.data import geoparquet, vectors
from terrafair.data.classify import Kind, classify
from terrafair.data.conversion import Made
from terrafair.errors import InvalidInput


def frame(count: int = 2000) -> gpd.GeoDataFrame:
    random = np.random.default_rng(7)
    points = [Point(x, y) for x, y in random.uniform((9, 45), (11, 47), (count, 2))]
    columns = {
        "number": np.arange(count),
        "name": [f"Öl {each}" for each in range(count)],
        "height": random.random(count),
    }
    return gpd.GeoDataFrame(columns, geometry=points, crs="EPSG:4326")


def convert(path: Path, folder: Path) -> tuple[Made, Any]:
    made = geoparquet.write(path, classify(path), folder / "made.parquet")
    assert made.problems == ()
    return made, gpd.read_parquet(made.files[0])


@pytest.mark.parametrize("driver", ["GPKG", "ESRI Shapefile", "GeoJSON", "FlatGeobuf", "GeoJSONSeq", "GML", "KML"])
def test_every_format_keeps_features_and_values(tmp_path: Path, driver: str) -> None:
    suffix = {"GPKG": "gpkg", "ESRI Shapefile": "shp", "FlatGeobuf": "fgb", "GML": "gml", "KML": "kml"}.get(
        driver, "json"
    )
    source = tmp_path / f"features.{suffix}"
    given = frame()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        given.to_file(source, driver=driver)
    kind = classify(source)
    assert kind in {Kind.GPKG, Kind.SHAPEFILE, Kind.GEOJSON} or vectors.is_vector(source, kind)
    _, made = convert(source, tmp_path)
    assert len(made) == len(given)
    order = (
        made["number"].astype(int)
        if driver != "KML"
        else made["Name" if "Name" in made else "name"].str[3:].astype(int)
    )
    expected = given.set_index("number").loc[order]
    assert made.geometry.geom_equals_exact(expected.geometry.reset_index(drop=True), 1e-6).all()
    assert made.crs.equals(given.crs) or made.crs.to_authority()[1] in {"4326", "CRS84"}
    if driver != "KML":
        assert (made["name"].to_numpy() == expected["name"].to_numpy()).all()
        assert np.allclose(made["height"], expected["height"], rtol=1e-9)


def test_the_order_and_the_boxes_let_readers_skip(tmp_path: Path) -> None:
    source = tmp_path / "features.gpkg"
    frame(120_000).to_file(source)
    convert(source, tmp_path)
    file = pq.ParquetFile(tmp_path / "made.parquet")
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert geo["version"] == "1.1.0"
    column = geo["columns"]["geometry"]
    assert column["covering"]["bbox"]["xmin"] == ["bbox", "xmin"] and column["geometry_types"] == ["Point"]
    assert column["encoding"] == "WKB" and len(column["bbox"]) == 4
    assert file.metadata.num_row_groups == 3
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    found = gpd.read_parquet(tmp_path / "made.parquet", bbox=(9.0, 45.0, 9.2, 45.2))
    assert 0 < len(found) == frame(120_000).cx[9.0:9.2, 45.0:45.2].shape[0]
    # Neighbours in the file are neighbours on the map: far nearer than chance (1 degree).
    made = gpd.read_parquet(tmp_path / "made.parquet").geometry
    assert np.hypot(np.diff(made.x), np.diff(made.y)).mean() < 0.02


def test_layers_become_files_and_tables_without_geometry_stay_tables(tmp_path: Path) -> None:
    source = tmp_path / "layers.gpkg"
    frame(10).to_file(source, layer="stations")
    gpd.GeoDataFrame({"area": [1.5]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32633").to_file(
        source, layer="Felder (2020)"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pyogrio

        pyogrio.write_dataframe(
            pd.DataFrame({"code": [1, 2], "class": ["a", "b"]}), source, layer="legend", append=True
        )
    made = geoparquet.write(source, Kind.GPKG, tmp_path / "made.parquet")
    assert [path.name for path in made.files] == ["made.parquet", "made-Felder-2020.parquet", "made-legend.parquet"]
    assert not made.problems and "3 layers" in made.remarks[0].what
    assert gpd.read_parquet(made.files[1]).crs.to_epsg() == 32633
    assert pd.read_parquet(made.files[2])["class"].tolist() == ["a", "b"]


def test_the_number_of_a_feature_stays(tmp_path: Path) -> None:
    source = tmp_path / "keys.gpkg"
    frame(3).to_file(source, layer="keys")
    with sqlite3.connect(source) as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER "{name}"')
        database.execute("UPDATE keys SET fid = fid + 40")
    _, made = convert(source, tmp_path)
    assert sorted(made["fid"]) == [41, 42, 43]


def test_missing_and_empty_geometries_come_last(tmp_path: Path) -> None:
    given = gpd.GeoDataFrame({"n": [0, 1, 2, 3]}, geometry=[None, Point(1, 1), Polygon(), Point(0, 0)], crs="EPSG:4326")
    ordered = geoparquet.along_hilbert(given)
    assert ordered["n"].tolist()[:2] == [3, 1] and set(ordered["n"].tolist()[2:]) == {0, 2}


def test_a_column_of_the_box_s_name_is_renamed_and_told(tmp_path: Path) -> None:
    given = frame(5).assign(bbox="mine")
    given.to_file(tmp_path / "named.gpkg")
    made, found = convert(tmp_path / "named.gpkg", tmp_path)
    assert found["bbox_"].tolist() == ["mine"] * 5
    assert "now bbox_" in made.remarks[0].what


def test_a_shapefile_takes_its_parts_along_and_without_prj_has_no_place(tmp_path: Path) -> None:
    source = tmp_path / "parts.shp"
    frame(5).to_file(source)
    made, found = convert(source, tmp_path)
    assert {path.suffix for path in made.parts} == {".dbf", ".shx", ".prj", ".cpg"}
    (tmp_path / "parts.prj").unlink()
    made, found = convert(source, tmp_path)
    assert found.crs is None and made.remarks[0].code == "no-crs"


def test_tables_with_coordinates_become_points(tmp_path: Path) -> None:
    source = tmp_path / "stations.csv"
    source.write_text("code;lat;lon;value\n007;45.5;9.25;1.5\n008;46;10;\n")
    _, found = convert(source, tmp_path)
    assert found["code"].tolist() == ["007", "008"] and found["value"].isna().tolist() == [False, True]
    assert sorted(found.geometry.x) == [9.25, 10.0]


def test_other_tables_are_kept(tmp_path: Path) -> None:
    source = tmp_path / "accuracy.csv"
    source.write_text("class,f1\nwheat,0.9\nmaize,0.8\n")
    (tmp_path / "made").mkdir()
    made = geoparquet.write(source, Kind.CSV, tmp_path / "made" / "accuracy.parquet")
    assert made.kept and made.files[0].name == "accuracy.csv" and made.files[0].read_bytes() == source.read_bytes()


def test_an_older_geoparquet_is_written_anew_and_a_good_one_kept(tmp_path: Path, shared: Path) -> None:
    old = tmp_path / "old.parquet"
    frame(50).to_parquet(old, schema_version="1.0.0")
    made, found = convert(old, tmp_path)
    assert not made.kept and len(found) == 50
    again = geoparquet.write(made.files[0], Kind.PARQUET, tmp_path / "again.parquet")
    assert again.kept and again.files[0].read_bytes() == made.files[0].read_bytes()
    sample = shared / "samples" / "gpq_example.parquet"
    made, found = convert(sample, tmp_path)
    assert len(found) == 5


@pytest.mark.parametrize("suffix", ["gpkg", "shp", "parquet"])
def test_what_breaks_off_is_refused(tmp_path: Path, suffix: str) -> None:
    source = tmp_path / f"cut.{suffix}"
    frame(3000).to_parquet(source) if suffix == "parquet" else frame(3000).to_file(source)
    kind = classify(source)
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 2])
    with pytest.raises(InvalidInput, match="cut"):
        geoparquet.write(source, kind, tmp_path / "made.parquet")
    assert not (tmp_path / "made.parquet").exists()


@pytest.mark.parametrize("part", ["shp", "dbf"])
def test_a_shapefile_that_breaks_off_is_not_taken_for_a_shorter_one(tmp_path: Path, part: str) -> None:
    frame(300).to_file(tmp_path / "cut.shp")
    source = tmp_path / f"cut.{part}"
    source.write_bytes(source.read_bytes()[: source.stat().st_size * 9 // 10])
    with pytest.raises(InvalidInput, match=f"cut.{part} breaks off"):
        geoparquet.write(tmp_path / "cut.shp", Kind.SHAPEFILE, tmp_path / "made.parquet")


def test_no_feature_is_a_result_too(tmp_path: Path) -> None:
    source = tmp_path / "empty.geojson"
    source.write_text('{"type": "FeatureCollection", "features": []}')
    made, found = convert(source, tmp_path)
    assert len(found) == 0 and made.remarks[0].code == "no-row"
