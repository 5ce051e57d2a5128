"""Items in files: read from STAC JSON, newline-delimited JSON and stac-geoparquet; written to the latter two."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import orjson

from terrafair.catalogue.items.search import Stored
from terrafair.errors import InvalidInput, NotFound

LINE_BYTES = 64 * 2**20
WHOLE_BYTES = 2 * 2**30
"""A JSON document is read whole; larger archives come as newline-delimited JSON or GeoParquet."""
ROWS = 2_000

Document = dict[str, Any]


def read(path: Path) -> Iterator[Document]:
    """Every collection and item of a file, or of the files below a folder, in a fixed order.

    Raises `InvalidInput` with file and line, `NotFound` for no such file.
    """
    if path.is_dir():
        for file in sorted(entry for entry in path.rglob("*") if entry.suffix in {".json", ".geojson", ".ndjson"}):
            yield from read(file)
    elif not path.exists():
        raise NotFound(f"There is no file {path}.", where=str(path))
    elif path.suffix in {".parquet", ".geoparquet"}:
        yield from _parquet(path)
    elif path.suffix in {".ndjson", ".jsonl", ".ndgeojson"}:
        yield from _lines(path)
    else:
        yield from _document(path)


def _document(path: Path) -> Iterator[Document]:
    if path.stat().st_size > WHOLE_BYTES:
        raise InvalidInput(
            f"{path} is larger than {WHOLE_BYTES} bytes.", remedy="Write it as .ndjson.", where=str(path)
        )
    try:
        found = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(f"{path} is no JSON: {fault}.", where=str(path)) from None
    kind = found.get("type") if isinstance(found, dict) else None
    listed = found.get("features") if kind == "FeatureCollection" else found if isinstance(found, list) else [found]
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise InvalidInput(f"{path} holds no STAC documents.", where=str(path))
    # Catalogues hold things together and are neither collection nor item.
    yield from (entry for entry in listed if entry.get("type") in {"Feature", "Collection"})


def _lines(path: Path) -> Iterator[Document]:
    with path.open("rb") as file:
        number = 0
        while line := file.readline(LINE_BYTES + 1):
            number += 1
            if len(line) > LINE_BYTES:
                raise InvalidInput(f"Line {number} has over {LINE_BYTES} bytes.", where=f"{path}:{number}")
            if not line.strip():
                continue
            try:
                found = orjson.loads(line)
            except orjson.JSONDecodeError as fault:
                raise InvalidInput(f"Line {number} is no JSON: {fault}.", where=f"{path}:{number}") from None
            if not isinstance(found, dict):
                raise InvalidInput(f"Line {number} is no object.", where=f"{path}:{number}")
            yield found


def _parquet(path: Path) -> Iterator[Document]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile
    from stac_geoparquet.arrow import stac_table_to_items

    try:
        file = ParquetFile(path)
        for batch in file.iter_batches(ROWS):
            yield from (_without_nulls(entry) for entry in stac_table_to_items(pa.Table.from_batches([batch])))
    except (pa.ArrowException, KeyError, ValueError) as fault:
        raise InvalidInput(f"{path} is no stac-geoparquet file: {str(fault)[:200]}.", where=str(path)) from None


def _without_nulls(item: Document) -> Document:
    """A table has every column in every row; what is null there was most likely not there. `datetime` may be null."""
    properties = {name: value for name, value in item["properties"].items() if value is not None or name == "datetime"}
    return {**item, "properties": properties}


def write_lines(path: Path, items: Iterable[Stored]) -> int:
    """Newline-delimited JSON; gives how many. The file appears when it is whole."""
    partial, count = path.with_name(path.name + ".partial"), 0
    with partial.open("wb") as file:
        for item in items:
            file.write(item.document() + b"\n")
            count += 1
    partial.replace(path)
    return count


def write_parquet(path: Path, items: Iterable[Stored]) -> int:
    """stac-geoparquet, ZSTD; gives how many. Items pass through in batches, read twice: once for the columns."""
    from stac_geoparquet.arrow import parse_stac_ndjson_to_parquet

    lines = path.with_name(path.name + ".ndjson.partial")
    partial = path.with_name(path.name + ".partial")
    try:
        count = write_lines(lines, items)
        if not count:
            raise InvalidInput("There are no items to export.", where=str(path))
        parse_stac_ndjson_to_parquet(lines, partial, compression="zstd")
        partial.replace(path)
    finally:
        lines.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return count


def batches(documents: Iterable[Document], size: int) -> Iterator[list[Document]]:
    """Documents in lists of at most that many."""
    source = iter(documents)
    while batch := list(islice(source, size)):
        yield batch
