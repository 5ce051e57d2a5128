"""Vector files (GeoJSON, GeoParquet) as GeoJSON features in degrees. They are strangers' files: read in the sandbox."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from terrafair.errors import InvalidInput

SUFFIXES = frozenset({".geojson", ".parquet", ".geoparquet"})
FEATURES_MOST = 1_000_000
BYTES_MOST = 2 * 2**30
ROWS = 5_000

Feature = dict[str, Any]


def read_features(path: Path) -> Iterator[Feature]:
    """Features with an id that is a text; raises `InvalidInput` for a file that is none."""
    if path.stat().st_size > BYTES_MOST:
        raise InvalidInput(f"{path.name} has over {BYTES_MOST} bytes.", where=path.name)
    found = _geojson(path) if path.suffix == ".geojson" else _geoparquet(path)
    for number, feature in enumerate(found):
        if number >= FEATURES_MOST:
            raise InvalidInput(f"{path.name} has over {FEATURES_MOST} features.", where=path.name)
        given = feature.get("id")
        identifier = str(given) if isinstance(given, str | int) and not isinstance(given, bool) else str(number)
        # An id stands in a path.
        plain = identifier.replace("/", "_").replace("\\", "_").strip() or str(number)
        yield {**feature, "type": "Feature", "id": plain[:500]}


def _geojson(path: Path) -> Iterator[Feature]:
    try:
        document = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as fault:
        raise InvalidInput(f"{path.name} is no JSON: {fault}.", where=path.name) from None
    kind = document.get("type") if isinstance(document, dict) else None
    features = document.get("features") if kind == "FeatureCollection" else [document] if kind == "Feature" else None
    if not isinstance(features, list):
        raise InvalidInput(f"{path.name} holds no GeoJSON features.", where=path.name)
    for feature in features:
        if isinstance(feature, dict) and feature.get("type") == "Feature":
            yield {**feature, "properties": feature.get("properties") or {}}


def _geoparquet(path: Path) -> Iterator[Feature]:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

    try:
        file = ParquetFile(path)
        about = json.loads((file.schema_arrow.metadata or {}).get(b"geo", b"{}"))
        name = about.get("primary_column")
        column = about["columns"][name]
    except (pa.ArrowException, ValueError, KeyError, TypeError) as fault:
        raise InvalidInput(f"{path.name} is no GeoParquet: {str(fault)[:200]}.", where=path.name) from None
    if column.get("encoding") != "WKB":
        raise InvalidInput(
            f"{path.name} has geometries as {column.get('encoding')!r}.", "Only WKB is read.", where=path.name
        )
    turn = _to_degrees(column.get("crs", "OGC:CRS84"))
    others = {about_name for about_name in about["columns"] if about_name != name}
    for batch in file.iter_batches(ROWS):
        for row in batch.to_pylist():
            geometry = turn(row.pop(name))
            properties = {key: _plain(value) for key, value in row.items() if key not in others}
            yield {"id": properties.get("id"), "geometry": geometry, "properties": properties}


def _to_degrees(crs: Any) -> Any:
    """WKB in a reference system as a GeoJSON geometry in degrees."""
    import shapely
    from pyproj import CRS, Transformer

    source = CRS.from_user_input(crs if crs is not None else "OGC:CRS84")
    same = source == CRS.from_user_input("OGC:CRS84") or source.to_epsg() == 4326
    transformer = None if same else Transformer.from_crs(source, "OGC:CRS84", always_xy=True)

    def turn(wkb: bytes | None) -> Mapping[str, Any] | None:
        if wkb is None:
            return None
        geometry = shapely.from_wkb(wkb)
        if transformer is not None:
            geometry = shapely.transform(geometry, transformer.transform, interleaved=False)  # type: ignore[arg-type]
        found: Mapping[str, Any] = json.loads(shapely.to_geojson(geometry))
        return found

    return turn


def _plain(value: Any) -> Any:
    """A value as JSON has it."""
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN is not itself
        return None
    if isinstance(value, bytes):
        return value.hex()
    return json.loads(orjson.dumps(value, default=str))
