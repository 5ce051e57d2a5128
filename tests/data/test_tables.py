"""Tables and vectors described from themselves."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from terrafair.data import tables
from terrafair.data.classify import Kind, classify
from terrafair.data.facts import Facts
from terrafair.data.parquet import read_footer
from terrafair.errors import InvalidInput

Text = Callable[[str | bytes], Facts]


def read(path: Path) -> Facts:
    return tables.read(path, classify(path))


def columns(facts: Facts) -> dict[str, str]:
    return {each["name"]: each["type"] for each in facts.properties["table:columns"]}


class TestCsv:
    @pytest.fixture
    def csv(self, tmp_path: Path) -> Text:
        def write(text: str | bytes) -> Facts:
            (tmp_path / "a.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
            return tables.read(tmp_path / "a.csv", Kind.CSV)

        return write

    def test_columns_rows_place_and_time(self, csv: Text) -> None:
        found = csv("name,lon,lat,date,n,v\nA,10.5,50,2020-01-01,1,\nB,11,51,2020-03-01,2,0.5\n")
        assert columns(found) == {
            "name": "string", "lon": "float64", "lat": "int64", "date": "string", "n": "int64", "v": "float64",
        }  # fmt: skip
        assert found.properties["table:row_count"] == 2
        assert found.footprint and found.footprint.bbox == (10.5, 50, 11, 51)
        assert found.span and (found.span.start.month, found.span.end.month) == (1, 3)

    def test_decimal_commas(self, csv: Text) -> None:
        found = csv("lon;lat;v\n10,5;50,25;1\n11,5;51;2,5\n")
        assert found.footprint and found.footprint.bbox == (10.5, 50.25, 11.5, 51)
        assert columns(found)["v"] == "float64"

    @pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
    def test_encodings(self, csv: Text, encoding: str) -> None:
        found = csv("Größe,lon,lat\n1,10,50\n2,11,51\n".encode(encoding))
        assert "Größe" in columns(found)
        assert found.footprint and found.footprint.bbox == (10, 50, 11, 51)

    @pytest.mark.parametrize("row", ["1000,50", "10,91", "nan,nan", "x,y", ","])
    def test_what_is_no_place(self, csv: Text, row: str) -> None:
        assert csv(f"lon,lat\n{row}\n").footprint is None

    def test_columns_of_one_name(self, csv: Text) -> None:
        assert csv("a,a,\n1,x,3\n").properties["table:columns"] == [
            {"name": "a", "type": "int64"},
            {"name": "a", "type": "string"},
        ]

    def test_a_large_cell_and_lines_within_quotes(self, csv: Text) -> None:
        found = csv(f'id,wkt\n1,"{"0 0, " * 50_000}"\n2,"two\nlines"\n')
        assert found.properties["table:row_count"] == 2

    @pytest.mark.parametrize("text", ["lon,lat\n", "\n\n", "a"])
    def test_no_rows(self, csv: Text, text: str) -> None:
        found = csv(text)
        assert found.footprint is None
        assert found.properties.get("table:row_count", 0) == 0

    def test_ragged_rows(self, csv: Text) -> None:
        found = csv("lon,lat,v\n10\n11,51,1,9,9\n12,52\n")
        assert found.properties["table:row_count"] == 3
        assert found.footprint and found.footprint.bbox == (11, 51, 12, 52)

    def test_a_long_table_is_described_by_its_beginning(self, csv: Text, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "ROWS", 3)
        found = csv("lon,lat\n" + "".join(f"{number},50\n" for number in range(10)))
        assert found.footprint and found.footprint.bbox == (0, 50, 2, 50)


class TestGeoParquet:
    @pytest.fixture
    def frame(self) -> Any:
        geopandas = pytest.importorskip("geopandas")
        shapely = pytest.importorskip("shapely")
        points = [shapely.Point(10, 50), shapely.Point(11, 51)]
        return geopandas.GeoDataFrame({"a": [1, 2], "name": ["x", "y"]}, geometry=points, crs="EPSG:4326")

    def test_columns_place_and_system(self, frame: Any, tmp_path: Path) -> None:
        frame.to_parquet(tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet")
        assert columns(found) == {"a": "int64", "name": "string", "geometry": "geometry"}
        assert found.properties["table:primary_geometry"] == "geometry"
        assert found.footprint and found.footprint.bbox == (10, 50, 11, 51)
        assert found.projection == {"proj:code": "EPSG:4326"}

    def test_another_system(self, frame: Any, tmp_path: Path) -> None:
        frame.to_crs(32632).to_parquet(tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet")
        assert found.projection == {"proj:code": "EPSG:32632"}
        assert found.footprint and found.footprint.bbox == pytest.approx((10, 50, 11, 51), abs=0.05)

    def test_an_unknown_system(self, frame: Any, tmp_path: Path) -> None:
        frame.set_crs(None, allow_override=True).to_parquet(tmp_path / "a.parquet")
        found = read(tmp_path / "a.parquet")
        assert found.footprint is None
        assert found.remarks[0].what == "a.parquet does not say where it lies."

    def test_the_footer_agrees_with_pyarrow(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        table = pa.table(
            {"i": [1], "f": [0.5], "s": ["x"], "b": [True], "l": [[1]], "d": [{"a": 1, "b": [2]}], "after": [2]}
        )
        pq.write_table(table, tmp_path / "a.parquet")
        footer = read_footer(tmp_path / "a.parquet")
        assert [(each.name, each.type) for each in footer.columns] == [
            ("i", "int64"), ("f", "float64"), ("s", "string"), ("b", "boolean"),
            ("l", "group"), ("d", "group"), ("after", "int64"),
        ]  # fmt: skip
        assert footer.rows == 1 and footer.geo == {}

    def test_columns_are_told_by_what_they_mean(self, tmp_path: Path) -> None:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")
        kinds = {
            "timestamp": pa.timestamp("us", "UTC"), "date": pa.date32(), "time": pa.time64("us"), "uint8": pa.uint8(),
            "int16": pa.int16(), "uint64": pa.uint64(), "decimal": pa.decimal128(9, 2), "float32": pa.float32(),
            "float16": pa.float16(), "binary": pa.binary(), "string": pa.large_string(),
        }  # fmt: skip
        table = pa.table({name: pa.array([None], kind) for name, kind in kinds.items()})
        pq.write_table(table, tmp_path / "a.parquet")
        assert {each.name: each.type for each in read_footer(tmp_path / "a.parquet").columns} == {
            name: name for name in kinds
        }

    @pytest.mark.parametrize("cut", [1, 4, 8, 100])
    def test_a_truncated_file(self, frame: Any, tmp_path: Path, cut: int) -> None:
        frame.to_parquet(tmp_path / "a.parquet")
        (tmp_path / "a.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-cut])
        with pytest.raises(InvalidInput, match="breaks off"):
            read(tmp_path / "a.parquet")

    def test_any_damage_of_the_footer_is_told(self, frame: Any, tmp_path: Path) -> None:
        frame.to_parquet(tmp_path / "a.parquet")
        whole = (tmp_path / "a.parquet").read_bytes()
        start = len(whole) - 8 - struct.unpack("<I", whole[-8:-4])[0]
        for position in range(start, len(whole) - 8, 7):
            damaged = bytearray(whole)
            damaged[position] ^= 0xFF
            (tmp_path / "a.parquet").write_bytes(damaged)
            # Some bits say nothing that matters; no other error may come of any.
            with suppress(InvalidInput):
                read_footer(tmp_path / "a.parquet")

    def test_the_real_example(self, shared: Path) -> None:
        found = read(shared / "samples" / "gpq_example.parquet")
        assert found.properties["table:row_count"] == 5
        assert found.footprint and found.footprint.bbox == pytest.approx((-180, -18.288, 180, 83.233), abs=0.001)


class TestGeoPackage:
    def test_the_real_parcels(self, shared: Path) -> None:
        found = read(shared / "samples" / "slovenia_lulc.gpkg")
        assert found.properties["table:row_count"] == 88
        assert found.projection == {"proj:code": "EPSG:32633"}
        assert found.footprint and found.footprint.bbox == pytest.approx((14.55, 45.86, 14.58, 45.88), abs=0.01)

    def package(self, path: Path, *statements: str) -> Path:
        with closing(sqlite3.connect(path)) as database:
            database.executescript(
                f"""PRAGMA application_id = {0x47504B47};
                CREATE TABLE gpkg_contents (table_name, min_x, min_y, max_x, max_y, srs_id);
                CREATE TABLE gpkg_spatial_ref_sys (srs_id, organization, organization_coordsys_id, definition);
                CREATE TABLE gpkg_geometry_columns (table_name, column_name);
                INSERT INTO gpkg_spatial_ref_sys VALUES (4326, 'EPSG', 4326, ''), (-1, 'NONE', -1, 'undefined');
                """
            )
            for statement in statements:
                database.execute(statement)
            database.commit()
        return path

    def test_layers_are_joined(self, tmp_path: Path) -> None:
        path = self.package(
            tmp_path / "a.gpkg",
            'CREATE TABLE "a""b" (id INTEGER, geom BLOB)',
            "INSERT INTO gpkg_contents VALUES ('a\"b', 170, 0, 175, 5, 4326), ('c', -175, 5, -170, 10, 4326)",
            "CREATE TABLE c (id)",
        )
        found = read(path)
        assert found.footprint and found.footprint.bbox == (170, 0, -170, 10)
        assert columns(found) == {"id": "integer", "geom": "blob"}

    def test_an_undefined_system_or_no_box(self, tmp_path: Path) -> None:
        path = self.package(
            tmp_path / "a.gpkg",
            "CREATE TABLE c (id)",
            "INSERT INTO gpkg_contents VALUES ('c', 0, 0, 1, 1, -1), ('c', NULL, NULL, NULL, NULL, 4326)",
        )
        assert read(path).footprint is None

    def test_a_view_that_never_ends(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tables, "PATIENCE", 0.2)
        path = self.package(
            tmp_path / "a.gpkg",
            "CREATE VIEW c AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n",
            "INSERT INTO gpkg_contents VALUES ('c', 0, 0, 1, 1, 4326)",
        )
        with pytest.raises(InvalidInput, match="interrupted"):
            read(path)

    def test_a_truncated_file(self, shared: Path, tmp_path: Path) -> None:
        content = (shared / "samples" / "slovenia_lulc.gpkg").read_bytes()
        (tmp_path / "a.gpkg").write_bytes(content[:5000])
        with pytest.raises(InvalidInput, match="is a damaged GeoPackage"):
            read(tmp_path / "a.gpkg")


class TestShapefile:
    def copy(self, shared: Path, folder: Path, *suffixes: str) -> Path:
        for suffix in suffixes:
            source = shared / "samples" / "naturalearth_lowres" / f"naturalearth_lowres{suffix}"
            (folder / f"world{suffix}").write_bytes(source.read_bytes())
        return folder / "world.shp"

    def test_the_real_world(self, shared: Path, tmp_path: Path) -> None:
        found = read(self.copy(shared, tmp_path, ".shp", ".shx", ".dbf", ".prj"))
        assert found.properties["table:row_count"] == 177
        assert columns(found)["pop_est"] in {"number", "float64"}
        assert found.footprint and found.footprint.bbox == pytest.approx((-180, -90, 180, 83.65), abs=0.01)
        assert found.projection == {"proj:code": "EPSG:4326"}

    def test_without_its_companions(self, shared: Path, tmp_path: Path) -> None:
        found = read(self.copy(shared, tmp_path, ".shp"))
        assert found.footprint is None and found.properties == {}
        assert found.remarks[0].what == "world.shp has no .prj beside it."

    def test_an_odd_companion(self, shared: Path, tmp_path: Path) -> None:
        path = self.copy(shared, tmp_path, ".shp")
        (tmp_path / "world.prj").write_text("not a system")
        (tmp_path / "world.dbf").write_bytes(b"short")
        found = read(path)
        assert found.remarks[0].what == "world.prj cannot be read."

    def test_a_truncated_file(self, shared: Path, tmp_path: Path) -> None:
        path = self.copy(shared, tmp_path, ".shp", ".prj")
        path.write_bytes(path.read_bytes()[:-100])
        with pytest.raises(InvalidInput, match="breaks off"):
            read(path)
