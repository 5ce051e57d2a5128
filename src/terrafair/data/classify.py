"""What a file is, by its first bytes; its name decides nothing but the flavour of plain text."""

import csv
import gc
import json
import math
import struct
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

HEAD = 65_536
JSON_LIMIT = 256 * 2**20
"""Bytes of a JSON document that is still parsed to see what it is."""
LENIENT_LIMIT = 32 * 2**20
"""Likewise of one that is not quite JSON."""


class Kind(StrEnum):
    """The kinds of file that are told apart."""

    TIFF = "tiff"
    GRIB = "grib"
    JP2 = "jp2"
    NETCDF = "netcdf"
    HDF5 = "hdf5"
    ZARR = "zarr"
    PARQUET = "parquet"
    GEOJSON = "geojson"
    GPKG = "geopackage"
    SHAPEFILE = "shapefile"
    CSV = "csv"
    PNG = "png"
    JPEG = "jpeg"
    GIF = "gif"
    WEBP = "webp"
    NOTEBOOK = "notebook"
    STAC = "stac"
    JSON = "json"
    VRT = "vrt"
    SVG = "svg"
    XML = "xml"
    HTML = "html"
    TEXT = "text"
    PDF = "pdf"
    ARCHIVE = "archive"
    SQLITE = "sqlite"
    BINARY = "binary"
    EMPTY = "empty"


MEDIA_TYPES = {
    Kind.TIFF: "image/tiff",
    Kind.GRIB: "application/wmo-GRIB2",
    Kind.JP2: "image/jp2",
    Kind.NETCDF: "application/netcdf",
    Kind.HDF5: "application/x-hdf5",
    Kind.ZARR: "application/vnd+zarr",
    Kind.PARQUET: "application/vnd.apache.parquet",
    Kind.GEOJSON: "application/geo+json",
    Kind.GPKG: "application/geopackage+sqlite3",
    Kind.SHAPEFILE: "application/vnd.shp",
    Kind.CSV: "text/csv",
    Kind.PNG: "image/png",
    Kind.JPEG: "image/jpeg",
    Kind.GIF: "image/gif",
    Kind.WEBP: "image/webp",
    Kind.NOTEBOOK: "application/x-ipynb+json",
    Kind.STAC: "application/json",
    Kind.JSON: "application/json",
    Kind.VRT: "application/xml",
    Kind.SVG: "image/svg+xml",
    Kind.XML: "application/xml",
    Kind.HTML: "text/html",
    Kind.TEXT: "text/plain",
    Kind.PDF: "application/pdf",
    Kind.ARCHIVE: "application/octet-stream",
    Kind.SQLITE: "application/vnd.sqlite3",
    Kind.BINARY: "application/octet-stream",
    Kind.EMPTY: "application/x-empty",
}

_MAGIC: tuple[tuple[bytes, Kind], ...] = (
    (b"II*\0", Kind.TIFF),
    (b"MM\0*", Kind.TIFF),
    (b"II+\0", Kind.TIFF),
    (b"MM\0+", Kind.TIFF),
    (b"GRIB", Kind.GRIB),
    (b"\0\0\0\x0cjP  \r\n\x87\n", Kind.JP2),
    (b"CDF\x01", Kind.NETCDF),
    (b"CDF\x02", Kind.NETCDF),
    (b"CDF\x05", Kind.NETCDF),
    (b"\x89HDF\r\n\x1a\n", Kind.HDF5),
    (b"PAR1", Kind.PARQUET),
    (b"\x89PNG\r\n\x1a\n", Kind.PNG),
    (b"\xff\xd8\xff", Kind.JPEG),
    (b"GIF87a", Kind.GIF),
    (b"GIF89a", Kind.GIF),
    (b"%PDF-", Kind.PDF),
    (b"PK\x03\x04", Kind.ARCHIVE),
    (b"\x1f\x8b", Kind.ARCHIVE),
    (b"BZh", Kind.ARCHIVE),
    (b"\xfd7zXZ\0", Kind.ARCHIVE),
    (b"(\xb5/\xfd", Kind.ARCHIVE),
    (b"7z\xbc\xaf", Kind.ARCHIVE),
)
_ARCHIVES = {b"PK": "application/zip", b"\x1f\x8b": "application/gzip", b"(\xb5": "application/zstd"}
_GEOMETRIES = {
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
}
_FLAVOURS = {
    ".md": "text/markdown",
    ".py": "text/x-python",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".cwl": "application/cwl+yaml",
}
_CONTROL = bytes(set(range(32)) - set(b"\t\n\r\f\b\x1b"))
"""No text has these; backspaces and escapes are what progress bars write into logs."""
_HDF5_STARTS = (512, 1024, 2048, 4096, 8192)
"""An HDF5 file may begin with a block of the user's own."""


def classify(path: Path) -> Kind:
    """The kind of a file or of a Zarr folder."""
    if path.is_dir():
        names = (".zgroup", ".zarray", ".zmetadata", "zarr.json")
        return Kind.ZARR if any((path / name).is_file() for name in names) else Kind.BINARY
    with path.open("rb") as file:
        head = file.read(HEAD)
    if not head:
        return Kind.EMPTY
    kind = next((kind for magic, kind in _MAGIC if head.startswith(magic)), None) or _other_binary(head)
    if kind is not None:
        return kind
    if any(head[start : start + 8] == b"\x89HDF\r\n\x1a\n" for start in _HDF5_STARTS):
        return Kind.HDF5
    text = _text(head)
    return Kind.BINARY if text is None else _text_kind(path, text)


def media_type(path: Path, kind: Kind) -> str:
    """The media type of a file of that kind."""
    if kind is Kind.GRIB:
        with path.open("rb") as file:
            return "application/wmo-GRIB1" if file.read(8)[7:8] == b"\x01" else MEDIA_TYPES[kind]
    if kind is Kind.ARCHIVE:
        with path.open("rb") as file:
            return _ARCHIVES.get(file.read(2), MEDIA_TYPES[kind])
    if kind is Kind.TEXT:
        return _FLAVOURS.get(path.suffix.lower(), MEDIA_TYPES[kind])
    return MEDIA_TYPES[kind]


def read_json(path: Path) -> Any:
    """The document, or None where it is none or too large to look at."""
    if path.stat().st_size > JSON_LIMIT:
        return None
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    try:
        return _parsed(content)
    except orjson.JSONDecodeError:
        return _lenient(content) if len(content) <= LENIENT_LIMIT else None


def _parsed(content: bytes) -> Any:
    """Without the collector, which looks through a growing document again and again: four times as long."""
    collects = gc.isenabled()
    gc.disable()
    try:
        return orjson.loads(content)
    finally:
        if collects:
            gc.enable()


def _lenient(content: bytes) -> Any:
    """JSON with NaN, Infinity or endless numbers in it, as Python itself writes it."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _other_binary(head: bytes) -> Kind | None:
    if head.startswith(b"SQLite format 3\0"):
        return Kind.GPKG if head[68:72] in {b"GPKG", b"GP10", b"GP11"} else Kind.SQLITE
    # The index file (.shx) begins with the same header; only the main file goes on with record number one.
    if len(head) >= 100 and struct.unpack(">i", head[:4])[0] == 9994:
        main = len(head) == 100 or head[100:104] == b"\0\0\0\x01"
        return Kind.SHAPEFILE if main and struct.unpack("<i", head[28:32])[0] == 1000 else Kind.BINARY
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return Kind.WEBP
    return Kind.ARCHIVE if head[257:262] == b"ustar" else None


def _text(head: bytes) -> str | None:
    """The beginning as text, if it is text."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "replace")
    if b"\0" in head:
        return None
    if len(head.translate(None, _CONTROL)) < len(head):
        return None
    try:
        # The last characters may be cut in the middle.
        return head.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as fault:
        cut = fault.start > len(head) - 4 and len(head) >= HEAD
        return head[: fault.start].decode("utf-8") if cut else head.decode("latin-1")


def _text_kind(path: Path, text: str) -> Kind:
    start = text.lstrip()[:4096]
    if start.startswith("<"):
        return _markup_kind(start)
    if start.startswith(("{", "[")):
        document = read_json(path)
        return Kind.TEXT if document is None else _json_kind(document)
    return Kind.CSV if _is_table(text, named=path.suffix.lower() in {".csv", ".tsv"}) else Kind.TEXT


def _markup_kind(start: str) -> Kind:
    lower = start.lower()
    for mark, kind in (("<vrtdataset", Kind.VRT), ("<ogrvrt", Kind.VRT), ("<gdal", Kind.VRT)):
        if mark in lower:
            return kind
    if "<!doctype html" in lower or "<html" in lower:
        return Kind.HTML
    if "<svg" in lower:
        return Kind.SVG
    return Kind.XML if lower.startswith(("<?xml", "<!")) or "</" in lower or "/>" in lower else Kind.TEXT


def _json_kind(document: Any) -> Kind:
    if not isinstance(document, dict):
        return Kind.JSON
    if "nbformat" in document and isinstance(document.get("cells"), list):
        return Kind.NOTEBOOK
    kind = document.get("type")
    if "stac_version" in document and kind in {"Feature", "Collection", "Catalog"}:
        return Kind.STAC
    if kind == "FeatureCollection" and isinstance(document.get("features"), list):
        features = document["features"]
        stac = bool(features) and all(isinstance(each, dict) and "stac_version" in each for each in features)
        return Kind.STAC if stac else Kind.GEOJSON
    if (kind == "Feature" and "geometry" in document) or (kind in _GEOMETRIES and "coordinates" in document):
        return Kind.GEOJSON
    return Kind.GEOJSON if kind == "GeometryCollection" and "geometries" in document else Kind.JSON


def encoding_of(path: Path) -> str:
    """The encoding of a text file, as far as its beginning tells."""
    with path.open("rb") as file:
        start = file.read(HEAD)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    try:
        start.decode("utf-8")
    except UnicodeDecodeError as fault:
        cut = fault.start > len(start) - 4 and len(start) >= HEAD
        return "utf-8-sig" if cut else "latin-1"
    return "utf-8-sig"


def delimiter(text: str, *, named: bool = False) -> str | None:
    """What separates the columns of a table; None where the lines are no table.

    Prose may have one comma in each line: without a name that says CSV, a column of numbers must be there.
    """
    lines = text.splitlines()
    lines = [line for line in (lines[:-1] if len(lines) > 20 or len(text) >= HEAD else lines)[:50] if line.strip()]
    for mark in (",", ";", "\t", "|"):
        try:
            rows = list(csv.reader(lines, delimiter=mark))
        except csv.Error:
            continue
        widths = {len(row) for row in rows}
        if len(widths) != 1 or widths.pop() < 2:
            continue
        if named or (len(lines) >= 3 and any(map(_are_numbers, zip(*rows[1:], strict=True)))):
            return mark
    return "," if named and lines else None


def _are_numbers(column: Iterable[str]) -> bool:
    filled = [cell.strip().replace(",", ".") for cell in column if cell.strip()]
    try:
        return bool(filled) and all(not math.isinf(float(cell)) for cell in filled)
    except ValueError:
        return False


def _is_table(text: str, *, named: bool) -> bool:
    return delimiter(text, named=named) is not None
