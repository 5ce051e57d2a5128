"""Two tables: columns, rows, values; CSV, Parquet, SQLite."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from terrafair.execution.comparison.findings import Compared, Match

from .files import verdict

Check = Callable[[str | bytes, str | bytes], Compared]


@pytest.fixture
def csv(tmp_path: Path) -> Check:
    """The verdict on two CSV texts."""

    def check(old: str | bytes, new: str | bytes) -> Compared:
        for name, text in (("a.csv", old), ("b.csv", new)):
            (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return verdict(tmp_path / "a.csv", tmp_path / "b.csv")

    return check


class TestCsv:
    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("id,v\n1,0.5\n", "id;v\n1;0.5\n"),
            ("id,v\n1,0.5\n", '"id","v"\r\n"1","0.5"\r\n'),
            ("id,v\n1,0.5\n", "id , v\n1 , 0.50\n"),
            ("id,v\n1,0.5\n", "\ufeffid,v\n1,0.5\n"),
            ("id,v\n1,0.5\n", "id,v\n1,0.50000001\n"),
            ("id,v\n1,nan\n", "id,v\n1,NaN\n"),
            ("id,v\n1,0.5\n", "v,id\n0.5,1\n"),
            ("id,v\n1,0.5\n", "id,v\n1,0.5"),
            ("id,v\n01,0.5\n", "id,v\n1,0.5\n"),
        ],
    )
    def test_spelling_does_not_count(self, csv: Check, old: str, new: str) -> None:
        assert csv(old, new).match is Match.EQUAL

    def test_neither_does_the_encoding(self, csv: Check) -> None:
        text = "id,name\n1,Größe\n2,Höhe\n"
        assert csv(text, text.encode("latin-1")).match is Match.EQUAL
        assert csv(text.encode("utf-16"), text).match is Match.EQUAL

    def test_it_says_which_column_and_row(self, csv: Check) -> None:
        found = csv("id,ndvi\n1,0.5\n2,0.6\n3,0.7\n", "id,ndvi\n1,0.5\n2,0.9\n3,nan\n")
        (difference,) = found.differences
        assert found.match is Match.DIFFERENT
        assert difference.where == "column ndvi"
        assert difference.what == "2 of 3 values differ by up to 0.3"
        assert difference.examples == ("row 2: 0.6 expected, 0.9 found", "row 3: 0.7 expected, nan found")

    def test_whole_numbers_have_no_tolerance(self, csv: Check) -> None:
        found = csv("id\n10000000000\n2\n", "id\n10000000001\n2\n")
        assert found.differences[0].largest == 1.0

    def test_very_long_numbers(self, csv: Check) -> None:
        assert csv("id,x\n" + "1" * 400 + ",1\n", "id,x\n" + "1" * 399 + "2,1\n").match is Match.DIFFERENT

    def test_missing_and_additional_columns(self, csv: Check) -> None:
        found = csv("id,a\n1,2\n", "id,b\n1,2\n")
        assert found.differences[0].what == "missing: a; additional: b"

    def test_the_number_of_rows(self, csv: Check) -> None:
        found = csv("id,v\n1,1\n2,2\n", "id,v\n1,1\n")
        assert found.differences[0].what == "2 expected, 1 found"

    def test_another_order_of_rows_is_named_as_such(self, csv: Check) -> None:
        found = csv("id,v\n1,0.1\n2,0.2\n3,nan\n", "id,v\n3,nan\n1,0.1\n2,0.2\n")
        assert found.match is Match.DIFFERENT
        assert found.differences[0].what == "the same rows in another order"

    def test_ragged_rows_are_filled(self, csv: Check) -> None:
        found = csv("id,v\n1,2\n3,4\n", "id,v\n1,2\n3\n")
        assert found.differences[0].examples == ("row 2: 4 expected, '' found",)

    def test_a_cell_may_be_large(self, csv: Check) -> None:
        outline = "POLYGON ((" + "0 0, " * 50_000 + "0 0))"
        assert csv(f'id,wkt\n1,"{outline}"\n', f"id;wkt\n1;{outline}\n").match is Match.EQUAL

    def test_one_column(self, csv: Check) -> None:
        assert csv("v\n1.0\n2.0\n", "v\n1.00\n2.0\n").match is Match.EQUAL


class TestParquet:
    @pytest.fixture
    def parquet(self, tmp_path: Path) -> Callable[[dict[str, Any], dict[str, Any]], Compared]:
        pa = pytest.importorskip("pyarrow")
        pq = pytest.importorskip("pyarrow.parquet")

        def check(old: dict[str, Any], new: dict[str, Any]) -> Compared:
            pq.write_table(pa.table(old), tmp_path / "a.parquet")
            pq.write_table(pa.table(new), tmp_path / "b.parquet", compression="zstd")
            return verdict(tmp_path / "a.parquet", tmp_path / "b.parquet")

        return check

    def test_compression_and_missing_values_do_not_count(self, parquet: Any) -> None:
        values = {"id": [1, 2, None], "v": [0.5, float("nan"), None], "l": [[1], [], None]}
        assert parquet(values, values).match is Match.EQUAL

    def test_a_value(self, parquet: Any) -> None:
        found = parquet({"id": [1, 2], "v": [0.5, 0.6]}, {"id": [1, 2], "v": [0.5, 0.7]})
        assert found.differences[0].where == "column v"
        assert found.differences[0].largest == pytest.approx(0.1)

    def test_bytes_are_compared_as_such(self, parquet: Any) -> None:
        found = parquet({"geometry": [b"\1\2"]}, {"geometry": [b"\1\2\3"]})
        assert found.differences[0].examples == ("row 1: 2 bytes expected, 3 bytes found",)

    def test_rows_of_lists_in_another_order(self, parquet: Any) -> None:
        found = parquet({"l": [[1], [2]]}, {"l": [[2], [1]]})
        assert found.differences[0].what == "the same rows in another order"

    def test_a_truncated_file(self, parquet: Any, tmp_path: Path) -> None:
        parquet({"a": [1]}, {"a": [2]})
        (tmp_path / "c.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-4])
        found = verdict(tmp_path / "a.parquet", tmp_path / "c.parquet")
        assert found.match is Match.NOT_COMPARABLE
        assert found.reason.startswith("the new file cannot be read")


class TestSqlite:
    def database(self, path: Path, *statements: str) -> Path:
        with closing(sqlite3.connect(path)) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()
        return path

    def test_times_that_geopackage_keeps_do_not_count(self, tmp_path: Path) -> None:
        paths = [
            self.database(
                tmp_path / f"{name}.gpkg",
                "PRAGMA application_id = 1196444487",
                "CREATE TABLE gpkg_contents (table_name TEXT, last_change TEXT)",
                f"INSERT INTO gpkg_contents VALUES ('fields', '{name}')",
            )
            for name in ("2020", "2026")
        ]
        assert verdict(paths[0], paths[1]).match is Match.EQUAL

    def test_tables_and_values(self, tmp_path: Path) -> None:
        old = self.database(
            tmp_path / "a.sqlite", "CREATE TABLE t (a INTEGER, b REAL)", "INSERT INTO t VALUES (1, 0.5)"
        )
        new = self.database(
            tmp_path / "b.sqlite",
            "CREATE TABLE t (a INTEGER, b REAL)",
            "INSERT INTO t VALUES (1, 0.75)",
            "CREATE TABLE u (a)",
        )
        found = verdict(old, new)
        assert [(each.where, each.what) for each in found.differences] == [
            ("table u", "only in the new file"),
            ("table t, column b", "1 of 1 values differ by up to 0.25"),
        ]

    def test_a_table_with_a_quote_in_its_name(self, tmp_path: Path) -> None:
        paths = [
            self.database(
                tmp_path / f"{value}.sqlite", 'CREATE TABLE "a""b" (x)', f'INSERT INTO "a""b" VALUES ({value})'
            )
            for value in (1, 2)
        ]
        assert verdict(paths[0], paths[1]).differences[0].where == 'table a"b, column x'

    def test_a_damaged_database(self, tmp_path: Path) -> None:
        old = self.database(tmp_path / "a.sqlite", "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
        (tmp_path / "b.sqlite").write_bytes(old.read_bytes()[:100])
        found = verdict(old, tmp_path / "b.sqlite")
        assert found.match is Match.NOT_COMPARABLE


def test_real_parcels_compare_with_themselves(shared: Path, tmp_path: Path) -> None:
    path = shared / "samples" / "slovenia_lulc.gpkg"
    copy = tmp_path / "copy.gpkg"
    copy.write_bytes(path.read_bytes())
    with closing(sqlite3.connect(copy)) as database:
        database.execute("UPDATE gpkg_contents SET last_change = '2026-01-01T00:00:00.000Z'")
        database.commit()
    assert verdict(path, copy).match is Match.EQUAL
