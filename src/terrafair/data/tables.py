"""Tables and vectors: GeoParquet, GeoPackage, shapefiles and CSV."""

import csv
import math
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from terrafair.data import geojson
from terrafair.data.classify import HEAD, MEDIA_TYPES, Kind, delimiter, encoding_of
from terrafair.data.facts import Facts, table
from terrafair.data.footprint import Footprint, of_box, of_corners, shortest_interval
from terrafair.data.geojson import TIMES
from terrafair.data.moments import Span, parse
from terrafair.data.parquet import read_footer
from terrafair.data.rasters import code_of, crs_of
from terrafair.errors import InvalidInput, Problem

_LONGITUDES = ("lon", "longitude", "long", "lng")
_LATITUDES = ("lat", "latitude")
ROWS = 5_000_000
"""A longer CSV is described by its first rows."""
CELL = 2**27
"""Characters of one cell of a CSV."""
PATIENCE = 60.0
"""Seconds for counting the rows of one GeoPackage: a view in it may never end."""


def read(path: Path, kind: Kind) -> Facts:
    """Everything that the table says; raises `InvalidInput` for one that is damaged."""
    readers: Mapping[Kind, Callable[[Path], Facts]] = {
        Kind.GEOJSON: geojson.read,
        Kind.PARQUET: _parquet,
        Kind.GPKG: _geopackage,
        Kind.SHAPEFILE: _shapefile,
        Kind.CSV: _csv,
    }
    return readers[kind](path)


def _parquet(path: Path) -> Facts:
    footer = read_footer(path)
    columns = {column.name: column.type for column in footer.columns}
    geo = footer.geo
    primary = str(geo.get("primary_column", ""))
    entries = geo.get("columns")
    entry = entries.get(primary) if isinstance(entries, dict) else None
    if not isinstance(entry, dict):
        return Facts(Kind.PARQUET, MEDIA_TYPES[Kind.PARQUET], properties=table(columns.items(), footer.rows))
    footprint, projection, remarks = None, {}, []
    try:
        # No CRS means OGC:CRS84 (GeoParquet 1.1); null means that it is unknown.
        crs = crs_of(entry["crs"]) if entry.get("crs") else (None if "crs" in entry else crs_of("OGC:CRS84"))
        projection = code_of(crs) if crs is not None else {}
        footprint = _box_in(entry.get("bbox"), crs)
    except Exception as fault:
        remarks.append(Problem(f"{path.name} has an odd coordinate system.", str(fault)[:200], where=path.name))
    if footprint is None:
        remarks.append(Problem(f"{path.name} does not say where it lies.", "", "Write bbox and crs.", path.name))
    columns[primary] = "geometry"
    return Facts(
        Kind.PARQUET,
        MEDIA_TYPES[Kind.PARQUET],
        properties=table(columns.items(), footer.rows, primary),
        projection=projection,
        footprint=footprint,
        remarks=tuple(remarks),
    )


def _box_in(box: Any, crs: Any) -> Footprint | None:
    """The outline of a box in a coordinate system; four or six numbers."""
    if crs is None or not isinstance(box, (list, tuple)) or len(box) not in {4, 6}:
        return None
    west, south, east, north = box if len(box) == 4 else (box[0], box[1], box[3], box[4])
    if not all(isinstance(each, (int, float)) and math.isfinite(each) for each in (west, south, east, north)):
        return None
    if crs.is_geographic:
        return of_box(west, max(south, -90.0), east, min(north, 90.0)) if south <= north else None
    return of_corners([(west, south), (east, south), (east, north), (west, north)], crs)


def _geopackage(path: Path) -> Facts:
    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as database:
            end = time.monotonic() + PATIENCE
            database.set_progress_handler(lambda: time.monotonic() > end, 100_000)
            return _layers(database)
    except sqlite3.Error as fault:
        raise InvalidInput(
            f"{path.name} is a damaged GeoPackage.", f"{fault}.", "Write it again.", path.name
        ) from fault


def _layers(database: sqlite3.Connection) -> Facts:
    contents = database.execute(
        "SELECT table_name, min_x, min_y, max_x, max_y, definition, organization, organization_coordsys_id "
        "FROM gpkg_contents LEFT JOIN gpkg_spatial_ref_sys USING (srs_id) ORDER BY table_name"
    ).fetchall()
    geometries = dict(database.execute("SELECT table_name, column_name FROM gpkg_geometry_columns").fetchall())
    boxes, codes = [], []
    properties: dict[str, Any] = {}
    for name, west, south, east, north, stated, organization, code in contents:
        definition = f"EPSG:{code}" if str(organization or "").upper() == "EPSG" else stated
        crs = crs_of(definition) if definition and definition != "undefined" else None
        footprint = _box_in([west, south, east, north], crs)
        if footprint is not None:
            boxes.append((footprint.bbox[0], footprint.bbox[1], footprint.bbox[2], footprint.bbox[3]))
            codes.append(code_of(crs))
        if not properties:
            quoted = '"' + str(name).replace('"', '""') + '"'
            columns = {str(row[1]): str(row[2]).lower() for row in database.execute(f"PRAGMA table_info({quoted})")}
            count = database.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0]
            properties = table(columns.items(), count, geometries.get(name, ""))
    same = bool(codes) and all(code == codes[0] for code in codes)
    return Facts(
        Kind.GPKG,
        MEDIA_TYPES[Kind.GPKG],
        properties=properties,
        projection=codes[0] if same else {},
        footprint=_union(boxes),
    )


def _union(boxes: list[tuple[float, float, float, float]]) -> Footprint | None:
    if not boxes:
        return None
    west, east = shortest_interval((box[0], box[2]) for box in boxes)
    return of_box(west, min(box[1] for box in boxes), east, max(box[3] for box in boxes))


def _shapefile(path: Path) -> Facts:
    with path.open("rb") as file:
        head = file.read(100)
    size = struct.unpack(">i", head[24:28])[0] * 2
    if size > path.stat().st_size:
        raise InvalidInput(
            f"{path.name} breaks off.", "The file was not copied to its end.", "Copy it again.", path.name
        )
    box = struct.unpack("<4d", head[36:68])
    footprint, projection, remarks = None, {}, []
    beside = _beside(path, ".prj")
    if beside is None:
        remarks.append(Problem(f"{path.name} has no .prj beside it.", "Its place is not known.", "Add it.", path.name))
    else:
        try:
            crs = crs_of(beside.read_text("utf-8", "replace"))
            projection, footprint = code_of(crs), _box_in(list(box), crs)
        except Exception as fault:
            remarks.append(Problem(f"{beside.name} cannot be read.", str(fault)[:200], where=beside.name))
    return Facts(
        Kind.SHAPEFILE,
        MEDIA_TYPES[Kind.SHAPEFILE],
        properties=_dbase(_beside(path, ".dbf")),
        projection=projection,
        footprint=footprint,
        remarks=tuple(remarks),
    )


def _beside(path: Path, suffix: str) -> Path | None:
    return next(
        (found for found in (path.with_suffix(suffix), path.with_suffix(suffix.upper())) if found.is_file()), None
    )


def _dbase(path: Path | None) -> dict[str, Any]:
    """Columns and rows from the header of a .dbf file."""
    if path is None:
        return {}
    kinds = {"C": "string", "N": "number", "F": "float64", "L": "boolean", "D": "date"}
    with path.open("rb") as file:
        head = file.read(32)
        if len(head) < 32:
            return {}
        rows, length = struct.unpack("<IH", head[4:10])
        fields = file.read(max(length - 33, 0))
    columns = [("geometry", "geometry")]
    for start in range(0, len(fields) - 31, 32):
        name = fields[start : start + 11].split(b"\0")[0].decode("latin-1")
        columns.append((name, kinds.get(chr(fields[start + 11]), "other")))
    return table(columns, rows, "geometry")


def _csv(path: Path) -> Facts:
    encoding = encoding_of(path)
    # A cell may hold a whole outline as WKT.
    csv.field_size_limit(CELL)
    with path.open(encoding=encoding, errors="replace", newline="") as file:
        mark = delimiter(file.read(HEAD), named=True) or ","
        file.seek(0)
        lines = (line.replace("\0", "") for line in file)
        try:
            return _rows(csv.reader(lines, delimiter=mark), decimal="." if mark == "," else ",")
        except csv.Error as fault:
            raise InvalidInput(f"{path.name} does not parse as CSV.", f"{fault}.", where=path.name) from fault


def _rows(rows: Iterator[list[str]], decimal: str) -> Facts:
    """`decimal`: what may stand for the decimal point beside the point itself."""
    header = [name.strip().lstrip("\ufeff") for name in next(rows, [])]
    lower = [name.lower() for name in header]
    x, y = (next((lower.index(name) for name in names if name in lower), None) for names in (_LONGITUDES, _LATITUDES))
    when = [lower.index(name) for name in TIMES if name in lower]
    kinds = [""] * len(header)
    xs, ys, count = [math.inf, -math.inf], [math.inf, -math.inf], 0
    times: list[Any] = []
    for row in rows:
        if not row or count >= ROWS:
            continue
        count += 1
        for column, value in enumerate(row[: len(header)]):
            kinds[column] = _wider(kinds[column], value.replace(decimal, "."))
        if x is not None and y is not None and max(x, y) < len(row):
            _stretch(xs, row[x].replace(decimal, "."))
            _stretch(ys, row[y].replace(decimal, "."))
        for column in when:
            if column < len(row) and (moment := parse(row[column])):
                times = [min([moment, *times]), max([moment, *times])]
    footprint = None
    if -180.0 <= xs[0] <= xs[1] <= 360.0 and -90.0 <= ys[0] <= ys[1] <= 90.0:
        footprint = of_box(xs[0], ys[0], xs[1], ys[1])
    columns = zip(header, (kind or "string" for kind in kinds), strict=True)
    described = table(columns, count)
    return Facts(Kind.CSV, MEDIA_TYPES[Kind.CSV], properties=described, footprint=footprint, span=Span.over(times))


def _stretch(limits: list[float], value: str) -> None:
    try:
        number = float(value)
    except ValueError:
        return
    if math.isfinite(number):
        limits[0], limits[1] = min(limits[0], number), max(limits[1], number)


def _wider(kind: str, value: str) -> str:
    """The type of a column that also has to hold this value."""
    if kind == "string" or not value.strip():
        return kind
    try:
        int(value)
    except ValueError:
        try:
            float(value)
        except ValueError:
            return "string"
        return "float64"
    return kind or "int64"
