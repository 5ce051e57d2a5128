"""Comparison of two tables: columns, rows, values; of CSV and Parquet files and SQLite databases (GeoPackage)."""

import csv
import itertools
import math
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from terrafair.data.classify import HEAD, delimiter, encoding_of
from terrafair.data.tables import CELL
from terrafair.execution.comparison.findings import Contents, Difference, Tolerance, Unreadable

CHUNK = 50_000
EXAMPLES = 5
SORTABLE = 1_000_000
"""Rows up to which it is looked whether only their order differs."""
LONGEST = 300
"""Characters of a number that a double can hold."""
_WHOLE = re.compile(r"[+-]?\d{1,300}$")
Row = Sequence[Any]


@dataclass(slots=True)
class Column:
    """What differs in one column."""

    name: str
    tolerance: Tolerance
    differing: int = 0
    measured: int = 0
    largest: float = 0.0
    within: float = 0.0
    examples: list[str] = field(default_factory=list)

    def add(self, row: int, old: Any, new: Any) -> None:
        """Take a pair of values; the row number counts from 1."""
        if old == new:
            return
        distance, close = _near(old, new, self.tolerance)
        if close:
            self.within = max(self.within, distance)
            return
        self.differing += 1
        if math.isfinite(distance):
            self.measured += 1
            self.largest = max(self.largest, distance)
        if len(self.examples) < EXAMPLES:
            self.examples.append(f"row {row}: {_text(old)} expected, {_text(new)} found")

    def difference(self, where: str, rows: int) -> Difference | None:
        """All of it as one finding."""
        if not self.differing:
            return None
        amount = f" by up to {self.largest:.6g}" if self.measured else ""
        return Difference(
            f"{where}column {self.name}",
            f"{self.differing} of {rows} values differ{amount}",
            count=self.differing,
            compared=rows,
            largest=self.largest if self.measured else None,
            examples=tuple(self.examples),
        )


def compare_csv(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare two text tables by their values, whatever separates and quotes them."""
    return compare(lambda: _csv_rows(expected), lambda: _csv_rows(found), tolerance)


def compare_parquet(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare two Parquet files; geometries by their bytes."""
    return compare(lambda: _parquet_rows(expected), lambda: _parquet_rows(found), tolerance)


def compare_sqlite(expected: Path, found: Path, tolerance: Tolerance) -> Contents:
    """Compare the tables of two databases; indexes and the times that GeoPackage keeps do not count."""
    old, new = _tables(expected), _tables(found)
    differences = [Difference(f"table {name}", "missing in the new file") for name in sorted(old - new)]
    differences += [Difference(f"table {name}", "only in the new file") for name in sorted(new - old)]
    largest = 0.0
    for name in sorted(old & new):
        pair = [lambda path=path, name=name: _sqlite_rows(path, name) for path in (expected, found)]
        contents = compare(pair[0], pair[1], tolerance, where=f"table {name}, ")
        differences += contents.differences
        largest = max(largest, contents.largest)
    return Contents(tuple(differences), (), largest)


def compare(
    expected: Callable[[], Iterator[Row]], found: Callable[[], Iterator[Row]], tolerance: Tolerance, where: str = ""
) -> Contents:
    """Compare two streams of rows whose first row has the columns' names."""
    old, new = expected(), found()
    names, new_names = [list(map(str, next(rows, ()))) for rows in (old, new)]
    remarks: list[str] = []
    if names != new_names:
        if sorted(names) != sorted(new_names) or len(set(names)) != len(names):
            return Contents((_columns(where, names, new_names),))
        remarks.append(f"The columns stand in another order: {', '.join(new_names[:20])}.")
    order = [new_names.index(name) for name in names] if names != new_names else list(range(len(names)))
    columns = [Column(name, tolerance) for name in names]
    rows, new_rows = 0, 0
    for a, b in itertools.zip_longest(old, new):
        rows += a is not None
        new_rows += b is not None
        if a is not None and b is not None and a != b:
            for position, column in enumerate(columns):
                column.add(rows, _cell(a, position), _cell(b, order[position]))
    differences = [each for column in columns if (each := column.difference(where, min(rows, new_rows)))]
    if rows != new_rows:
        differences.insert(0, Difference(f"{where}rows", f"{rows} expected, {new_rows} found"))
    elif differences and rows <= SORTABLE and _same_rows(expected(), found(), order):
        differences = [Difference(f"{where}rows", "the same rows in another order", count=rows, compared=rows)]
    return Contents(tuple(differences), tuple(remarks), max((column.within for column in columns), default=0.0))


def _columns(where: str, names: list[str], new_names: list[str]) -> Difference:
    missing = [name for name in names if name not in new_names]
    added = [name for name in new_names if name not in names]
    words = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"additional: {', '.join(added)}"] * bool(added)
    return Difference(f"{where}columns", "; ".join(words) or f"{len(names)} expected, {len(new_names)} found")


def _same_rows(old: Iterator[Row], new: Iterator[Row], order: list[int]) -> bool:
    next(old, None)
    next(new, None)
    # As texts: lists and mappings have no hash, and no NaN equals another.
    expected = Counter(tuple(map(repr, row)) for row in old)
    return expected == Counter(tuple(repr(_cell(row, place)) for place in order) for row in new)


def _near(old: Any, new: Any, tolerance: Tolerance) -> tuple[float, bool]:
    """How far two values lie apart, and whether that is near enough; whole numbers must be the same."""
    if isinstance(old, str) and isinstance(new, str) and _WHOLE.match(old) and _WHOLE.match(new):
        return float(abs(int(new) - int(old))), int(old) == int(new)
    if isinstance(old, str) and isinstance(new, str) and max(len(old), len(new)) > LONGEST:
        return math.inf, False
    if isinstance(old, int) and isinstance(new, int):
        return float(abs(new - old)), False
    try:
        a, b = _number(old), _number(new)
    except (TypeError, ValueError, OverflowError):
        return math.inf, False
    if math.isnan(a) and math.isnan(b):
        return 0.0, True
    if not (math.isfinite(a) and math.isfinite(b)):
        return math.inf, a == b
    return abs(b - a), abs(b - a) <= tolerance.absolute + tolerance.relative * abs(a)


def _number(value: Any) -> float:
    if isinstance(value, (bytes, bool)):
        raise TypeError("bytes and truth values have no distance")
    return float(value)


def _cell(row: Row, position: int) -> Any:
    return row[position] if position < len(row) else ""


def _csv_rows(path: Path) -> Iterator[Row]:
    """Header and rows of a text table; cells as texts."""
    try:
        with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
            mark = delimiter(file.read(HEAD), named=True) or ","
            file.seek(0)
            csv.field_size_limit(CELL)
            for row in csv.reader(file, delimiter=mark):
                if row:
                    yield [cell.strip() for cell in row]
    except (csv.Error, OSError) as fault:
        raise Unreadable(path, f"It is no table: {fault}") from fault


def _parquet_rows(path: Path) -> Iterator[Row]:
    try:
        import pyarrow.parquet as pq  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        raise Unreadable(path, "Parquet files are read by the package pyarrow, which is not installed.") from None
    try:
        file = pq.ParquetFile(path)
        yield file.schema_arrow.names
        for batch in file.iter_batches(CHUNK):
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    except Exception as fault:  # pyarrow's errors derive from several built-in ones
        raise Unreadable(path, str(fault).splitlines()[0][:300]) from fault


def _connect(path: Path) -> sqlite3.Connection:
    # `immutable`: neither journal nor lock files are looked for beside somebody else's file.
    return sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)


def _tables(path: Path) -> set[str]:
    query = "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'"
    try:
        with closing(_connect(path)) as database:
            names = {str(name) for (name,) in database.execute(query)}
    except sqlite3.Error as fault:
        raise Unreadable(path, f"The database cannot be read: {fault}.") from fault
    return {name for name in names if not name.startswith(("sqlite_", "rtree_", "gpkg_ogr_"))}


def _sqlite_rows(path: Path, table: str) -> Iterator[Row]:
    name = '"' + table.replace('"', '""') + '"'
    try:
        with closing(_connect(path)) as database:
            cursor = database.execute(f"SELECT * FROM {name}")
            names = [str(entry[0]) for entry in cursor.description]
            kept = [position for position, column in enumerate(names) if column != "last_change"]
            yield [names[position] for position in kept]
            for row in cursor:
                yield [row[position] for position in kept]
    except sqlite3.Error as fault:
        raise Unreadable(path, f"The table {table} cannot be read: {fault}.") from fault


def _text(value: Any) -> str:
    text = f"{len(value)} bytes" if isinstance(value, bytes) else repr(value) if value == "" else str(value)
    return text if len(text) <= 80 else text[:77] + "..."
