"""Whether a GeoParquet file is one, by its footer (https://geoparquet.org/releases/v1.1.0/)."""

import math
from pathlib import Path
from typing import Any

from terrafair.data.parquet import Footer, read_footer
from terrafair.errors import Problem, TerrafairError

RULE = "GeoParquet 1.1"
ENCODINGS = {"WKB", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"}


def check_geoparquet(path: Path, *, rows: int, located: bool = True) -> tuple[Problem, ...]:
    """What is missing or wrong; `rows` is the number that its source has."""
    try:
        footer = read_footer(path)
    except TerrafairError as error:
        return error.problems
    found = []
    if footer.rows != rows:
        found.append(f"holds {footer.rows} rows, its source {rows}")
    if located:
        found += _metadata(footer)
    return tuple(
        Problem(f"{path.name} {what}.", f"{RULE} asks for it.", "Report this as a fault.", path.name, "parquet-invalid")
        for what in found
    )


def is_optimised(footer: Footer) -> bool:
    """Whether it has version 1.1 metadata with a box for each feature."""
    return not _metadata(footer)


def _metadata(footer: Footer) -> list[str]:
    geo = footer.geo
    if not geo:
        return ["has no geo metadata"]
    found = []
    if not str(geo.get("version", "")).startswith("1.1"):
        found.append(f"is of version {geo.get('version')!r}")
    primary, columns = geo.get("primary_column"), geo.get("columns")
    entry = columns.get(primary) if isinstance(columns, dict) else None
    if not isinstance(entry, dict) or primary not in {column.name for column in footer.columns}:
        return [*found, f"has no geometry column {primary!r}"]
    if entry.get("encoding") not in ENCODINGS:
        found.append(f"has geometries in the unknown encoding {entry.get('encoding')!r}")
    if not isinstance(entry.get("geometry_types"), list):
        found.append("does not list its geometry types")
    box = entry.get("bbox")
    if footer.rows and box is not None and not (isinstance(box, list) and all(map(_finite, box))):
        found.append(f"has the odd bbox {box!r}")
    return found + _covering(entry, footer)


def _covering(entry: dict[str, Any], footer: Footer) -> list[str]:
    box = (entry.get("covering") or {}).get("bbox")
    if not isinstance(box, dict):
        return ["has no box for each feature"]
    names = {column.name for column in footer.columns}
    wanted = ("xmin", "ymin", "xmax", "ymax")
    whole = all(isinstance(box.get(key), list) and box[key][:1] and box[key][0] in names for key in wanted)
    return [] if whole else ["names columns of boxes that it does not have"]


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)
