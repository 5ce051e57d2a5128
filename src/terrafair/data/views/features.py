"""Vectors as GeoJSON in degrees, as many as a browser bears."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from terrafair.data.classify import Kind, classify, read_json
from terrafair.data.parquet import read_footer
from terrafair.data.vectors import is_vector
from terrafair.data.views.rows import shown
from terrafair.errors import InvalidInput

FEATURES = 5_000
CORNERS = 200_000
"""Corners of all geometries together."""
ATTRIBUTES = 40
BYTES = 256 * 2**20
"""Of a GeoJSON, which can only be read whole."""
TYPES = ("Feature", "Point", "LineString", "Polygon", "Multi", "Geometry")


def features(path: Path) -> dict[str, Any]:
    """A GeoJSON FeatureCollection with `shown`, `total` (None: not counted) and `bounds`.

    Features beyond the limits are left out, attributes are texts and numbers only. Raises `InvalidInput`.
    """
    # A large document is parsed once, not first to see what it is.
    total, given = _geojson(path) if _begins_as_json(path) else _vectors(path, classify(path))
    kept: list[dict[str, Any]] = []
    corners, box = 0, _Box()
    for geometry, attributes in given:
        corners += box.add(geometry)
        if len(kept) == FEATURES or corners > CORNERS:
            break
        kept.append({"type": "Feature", "geometry": geometry, "properties": _attributes(attributes)})
    return {
        "type": "FeatureCollection",
        "features": kept,
        "shown": len(kept),
        "total": total,
        "bounds": box.bounds,
    }


def geometry_column(path: Path) -> str:
    """The column of a Parquet file that holds geometries; empty: none does."""
    geo = read_footer(path).geo
    columns = geo.get("columns")
    name = str(geo.get("primary_column", ""))
    return name if isinstance(columns, dict) and name in columns else ""


class _Box:
    """What bounds all places seen so far."""

    def __init__(self) -> None:
        self._ends: list[float] = []

    @property
    def bounds(self) -> list[float] | None:
        return self._ends or None

    def add(self, geometry: Any) -> int:
        """Take a geometry in; gives how many corners it has."""
        count = 0
        for x, y in _places(geometry):
            count += 1
            if count > CORNERS:
                break
            west, south, east, north = self._ends or [x, y, x, y]
            self._ends = [min(west, x), min(south, y), max(east, x), max(north, y)]
        return count


def _places(geometry: Any) -> Iterator[tuple[float, float]]:
    open_parts = [geometry]
    while open_parts:
        part = open_parts.pop()
        if isinstance(part, dict):
            open_parts.append(part.get("geometries") or part.get("coordinates") or [])
        elif isinstance(part, (list, tuple)):
            if len(part) >= 2 and all(isinstance(each, (int, float)) for each in part[:2]):
                yield float(part[0]), float(part[1])
            else:
                open_parts.extend(part)


def _attributes(given: Any) -> dict[str, Any]:
    if not isinstance(given, dict):
        return {}
    kept: dict[str, Any] = {}
    for name, value in list(given.items())[:ATTRIBUTES]:
        plain = isinstance(value, (bool, int)) or (isinstance(value, float) and abs(value) < 1e300)
        text = json.dumps(value, default=str) if isinstance(value, (dict, list)) else value
        kept[shown(name)] = value if plain else shown(text)
    return kept


def _begins_as_json(path: Path) -> bool:
    if path.is_dir():
        return False
    with path.open("rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{")


def _geojson(path: Path) -> tuple[int, Iterator[tuple[Any, Any]]]:
    if path.stat().st_size > BYTES:
        raise InvalidInput(f"{path.name} is too large for the map.", f"At most {BYTES} bytes are read.", "Use Parquet.")
    document = read_json(path)
    if not isinstance(document, dict) or not str(document.get("type", "")).startswith(TYPES):
        raise InvalidInput(f"{path.name} is no GeoJSON.", where=path.name)
    found = document.get("features") if document.get("type") == "FeatureCollection" else [document]
    each = [item for item in found or [] if isinstance(item, dict)]
    return len(each), ((_geometry(item), item.get("properties")) for item in each)


def _geometry(item: dict[str, Any]) -> Any:
    geometry = item.get("geometry") if item.get("type") == "Feature" else item
    known = isinstance(geometry, dict) and ("coordinates" in geometry or "geometries" in geometry)
    return geometry if known else None


def _vectors(path: Path, kind: Kind) -> tuple[int, Iterator[tuple[Any, Any]]]:
    """Any other vector file, in its first features."""
    import geopandas
    import pyogrio

    try:
        if kind is Kind.PARQUET:
            total, frame = _geoparquet(path)
        elif kind in {Kind.GPKG, Kind.SHAPEFILE} or is_vector(path, kind):
            total = int(pyogrio.read_info(path, force_feature_count=True)["features"])
            frame = geopandas.read_file(path, rows=FEATURES, engine="pyogrio")
        else:
            raise InvalidInput(f"{path.name} is no vector file.", f"It is {kind.value}.", where=path.name)
        if "geometry" not in frame:
            raise InvalidInput(f"{path.name} has no geometries.", where=path.name)
        degrees = frame.to_crs("EPSG:4326") if frame.crs is not None else frame
    except (ValueError, TypeError, OSError, RuntimeError) as fault:
        raise InvalidInput(f"{path.name} cannot be read as vectors.", str(fault)[:200], where=path.name) from None
    names = [name for name in frame.columns if name != "geometry"]
    records = frame[names].to_dict("records")
    return total, (
        (None if shape is None or shape.is_empty else shape.__geo_interface__, record)
        for shape, record in zip(degrees.geometry, records, strict=True)
    )


def _geoparquet(path: Path) -> tuple[int, Any]:
    """The first features of a GeoParquet with WKB geometries."""
    import geopandas
    import shapely
    from pyarrow import parquet

    column = geometry_column(path)
    about = read_footer(path).geo["columns"][column]
    with parquet.ParquetFile(path) as file:
        batch = next(file.iter_batches(batch_size=FEATURES), None)
        total = file.metadata.num_rows
    table = batch.to_pandas() if batch is not None else None
    if table is None or about.get("encoding") != "WKB":
        raise InvalidInput(f"{path.name} cannot be shown.", f"Its geometries are {about.get('encoding')}.")
    crs = about.get("crs", "OGC:CRS84")
    shapes = shapely.from_wkb(table.pop(column).to_numpy(), on_invalid="ignore")
    return total, geopandas.GeoDataFrame(table.drop(columns="geometry", errors="ignore"), geometry=shapes, crs=crs)
