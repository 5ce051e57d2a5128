"""Vector formats beside those that `classify` tells apart, by their beginning."""

import json
from pathlib import Path
from xml.parsers import expat

import orjson

from terrafair.data.classify import Kind
from terrafair.errors import InvalidInput

_XML = ("<kml", "<gpx", "opengis.net/gml", "<topology")


def is_vector(path: Path, kind: Kind) -> bool:
    """Whether a file of an unspecific kind is FlatGeobuf, KML, GML, GPX, SpatiaLite or lines of GeoJSON."""
    with path.open("rb") as file:
        head = file.read(8192)
    if kind is Kind.BINARY:
        return head.startswith(b"fgb")
    if kind is Kind.SQLITE:
        return _has_geometry(path)
    text = head.decode("utf-8", "replace").lstrip("\ufeff\x1e \r\n")
    if kind is Kind.XML:
        return any(mark in text.lower() for mark in _XML)
    return kind is Kind.TEXT and is_geojson_lines(path)


def check_whole(path: Path, kind: Kind) -> None:
    """Raise `InvalidInput` for text that breaks off: OGR would give the features before the break only."""
    try:
        if kind is Kind.XML:
            with path.open("rb") as file:
                expat.ParserCreate().ParseFile(file)
        elif kind is Kind.TEXT:
            with path.open("rb") as file:
                for line in file:
                    if content := line.strip(b"\x1e \r\n\xef\xbb\xbf"):
                        orjson.loads(content)
    except (expat.ExpatError, orjson.JSONDecodeError) as fault:
        raise InvalidInput(
            f"{path.name} breaks off or is damaged.", f"{fault}.", "Copy or write it again.", path.name
        ) from fault


def is_geojson_lines(path: Path) -> bool:
    """Whether each line is a feature of its own (RFC 8142, with or without its separators)."""
    with path.open("rb") as file:
        lines = [line for line in file.read(2**20).split(b"\n") if line.strip(b"\x1e \r")]
    try:
        first = json.loads(lines[0].strip(b"\x1e \r\xef\xbb\xbf")) if len(lines) > 1 else {}
    except ValueError:
        return False
    return isinstance(first, dict) and first.get("type") == "Feature" and "geometry" in first


def _has_geometry(path: Path) -> bool:
    import sqlite3

    try:
        with sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True) as database:
            tables = {row[0] for row in database.execute("SELECT name FROM sqlite_master")}
    except sqlite3.Error:
        return False
    return "geometry_columns" in tables
