"""A page of a table's rows, as texts of bounded length."""

import csv
import itertools
from pathlib import Path
from typing import Any

from terrafair.data.classify import HEAD, Kind, delimiter, encoding_of
from terrafair.errors import InvalidInput

PAGE = 50
COLUMNS = 60
CELL = 200
"""Characters of a cell that are shown."""
LINE = 2**20
"""Characters of one line that are read: the rest of a longer one is left out."""
FARTHEST = 2_000_000
"""Rows of a CSV that may be passed over: it has no index."""


def rows(path: Path, kind: Kind, start: int = 0) -> dict[str, Any]:
    """`{columns: [{name, type}], rows, start, total, more, cut}`; `total` is None where it is not known.

    Raises `InvalidInput` for a damaged file or an odd start.
    """
    if not 0 <= start <= FARTHEST:
        raise InvalidInput(f"There is no row {start}.", f"Rows from 0 to {FARTHEST} are shown.", where="start")
    return _parquet(path, start) if kind is Kind.PARQUET else _csv(path, start)


def shown(value: Any) -> str:
    """A value as text, shortened."""
    if value is None:
        return ""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    plain = str(value)
    return plain if len(plain) <= CELL else f"{plain[:CELL]}…"


def _csv(path: Path, start: int) -> dict[str, Any]:
    csv.field_size_limit(LINE * 64)
    with path.open(encoding=encoding_of(path), errors="replace", newline="") as file:
        mark = delimiter(file.read(HEAD), named=True) or ","
        file.seek(0)
        lines = iter(lambda: file.readline(LINE).replace("\0", ""), "")
        reader = csv.reader(lines, delimiter=mark)
        try:
            names = next(reader, [])
            filled = (row for row in reader if row)
            page = list(itertools.islice(filled, start, start + PAGE + 1))
        except csv.Error as fault:
            raise InvalidInput(f"{path.name} does not parse as CSV.", f"{fault}.", where=path.name) from None
    width = len(names)
    return {
        "columns": [{"name": shown(name.lstrip("\ufeff").strip()), "type": ""} for name in names[:COLUMNS]],
        "rows": [[shown(cell) for cell in row[:COLUMNS]] for row in page[:PAGE]],
        "start": start,
        "total": None,
        "more": len(page) > PAGE,
        "cut": max(width - COLUMNS, 0),
    }


def _parquet(path: Path, start: int) -> dict[str, Any]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            names = schema.names[:COLUMNS]
            page = _read(file, names, start)
            total, width = file.metadata.num_rows, len(schema.names)
    except (pa.ArrowException, OSError, ValueError) as fault:
        raise InvalidInput(f"{path.name} cannot be read as Parquet.", str(fault)[:200], where=path.name) from None
    return {
        "columns": [{"name": shown(name), "type": shown(schema.field(at).type)} for at, name in enumerate(names)],
        "rows": [[shown(value) for value in row] for row in page],
        "start": start,
        "total": total,
        "more": start + PAGE < total,
        "cut": max(width - COLUMNS, 0),
    }


def _read(file: Any, names: list[str], start: int) -> list[tuple[Any, ...]]:
    """Rows of the row groups that the page touches; groups before it are passed over unread."""
    found: list[tuple[Any, ...]] = []
    passed = 0
    for group in range(file.metadata.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if passed + count > start:
            for batch in file.iter_batches(batch_size=1024, row_groups=[group], columns=names):
                first = max(start - passed, 0)
                if first < len(batch):
                    part = batch.slice(first, PAGE - len(found))
                    columns = [[_plain(value) for value in part.column(at)] for at in range(part.num_columns)]
                    found += list(zip(*columns, strict=True))
                passed += len(batch)
                if len(found) >= PAGE:
                    return found
        else:
            passed += count
    return found


def _plain(value: Any) -> Any:
    try:
        return value.as_py()
    except (ValueError, OverflowError, TypeError):  # an instant beyond Python's years
        return str(value)
