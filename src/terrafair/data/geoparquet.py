"""Vectors to GeoParquet 1.1: features along a Hilbert curve, with a box for each, so that readers fetch a region only.

https://geoparquet.org/releases/v1.1.0/ ; each layer becomes a file of its own, a layer without geometry plain Parquet.
"""

import re
import shutil
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from terrafair.data import vectors
from terrafair.data.classify import HEAD, Kind, delimiter, encoding_of
from terrafair.data.conversion import Made
from terrafair.data.geoparquet_checks import check_geoparquet, is_optimised
from terrafair.data.parquet import read_footer
from terrafair.errors import InvalidInput, Problem

ROWS = 50_000
"""Rows of one group: what a reader fetches for a small region."""
BOX = "bbox"
_PARTS = (".dbf", ".shx", ".prj", ".cpg", ".sbn", ".sbx", ".qix", ".qmd", ".shp.xml", ".fix", ".ain", ".aih")


def write(path: Path, kind: Kind, target: Path) -> Made:
    """Write `target`, and for further layers `target-layer.parquet`; raises `InvalidInput` for what cannot be read."""
    if kind is Kind.PARQUET:
        return _rewrite(path, target)
    if kind is Kind.CSV:
        return _table(path, target)
    made: list[Path] = []
    remarks: list[Problem] = []
    problems: list[Problem] = []
    if kind is Kind.SHAPEFILE:
        _check_whole(path)
    vectors.check_whole(path, kind)
    layers = _layers(path, kind)
    for layer in layers:
        place = target if not made else target.with_name(f"{target.stem}-{_plain(layer)}.parquet")
        with _translated(path):
            frame = _read(path, kind, layer)
        if not len(frame) and len(layers) > 1:
            # A track's file always has layers for routes and waypoints, too.
            continue
        remarks += _write(frame, place, path.name)
        problems += check_geoparquet(place, rows=len(frame), located=hasattr(frame, "geometry"))
        made.append(place)
        if not len(frame):
            remarks.append(
                Problem(f"{path.name} holds no feature.", "Its table is kept.", where=path.name, code="no-row")
            )
    if not made:
        raise InvalidInput(f"{path.name} holds no feature.", "There is nothing in it to convert.", where=path.name)
    if len(made) > 1:
        what = f"{path.name} has {len(made)} layers; each became a file of its own."
        remarks.insert(0, Problem(what, "GeoParquet holds one table.", where=path.name))
    return Made(tuple(made), "geoparquet", remarks=tuple(remarks), problems=tuple(problems), parts=_parts(path, kind))


def _rewrite(path: Path, target: Path) -> Made:
    """A Parquet file in the form of the others, where it is not yet."""
    footer = read_footer(path)
    if not footer.geo or is_optimised(footer):
        shutil.copyfile(path, target)
        form = "geoparquet" if footer.geo else "as-is"
        problems = check_geoparquet(target, rows=footer.rows, located=bool(footer.geo))
        return Made((target,), form, kept=True, problems=problems)
    import geopandas

    with _translated(path):
        frame = geopandas.read_parquet(path)
    remarks = _write(frame, target, path.name)
    problems = check_geoparquet(target, rows=footer.rows, located=True)
    return Made((target,), "geoparquet", remarks=tuple(remarks), problems=problems)


def _table(path: Path, target: Path) -> Made:
    """A table with longitudes and latitudes as points; any other is kept."""
    import geopandas
    import pandas as pd

    with _translated(path):
        encoding = encoding_of(path)
        with path.open(encoding=encoding, errors="replace", newline="") as file:
            mark = delimiter(file.read(HEAD), named=True) or ","
        options: dict[str, Any] = {"dtype": str, "keep_default_na": False, "encoding_errors": "replace"}
        frame = _points(pd.read_csv(path, sep=mark, encoding=encoding, **options), geopandas)
    if not isinstance(frame, geopandas.GeoDataFrame):
        place = target.with_name(path.name)
        shutil.copyfile(path, place)
        return Made((place,), "as-is", kept=True)
    remarks = _write(frame, target, path.name)
    return Made((target,), "geoparquet", remarks=tuple(remarks), problems=check_geoparquet(target, rows=len(frame)))


def _check_whole(path: Path) -> None:
    """Raise `InvalidInput` for a shapefile that breaks off: OGR would give the features before the break only."""
    with path.open("rb") as file:
        head = file.read(28)
    whole = len(head) == 28 and struct.unpack(">i", head[24:])[0] * 2 <= path.stat().st_size
    broken = [] if whole else [path]
    table = next((each for each in _parts(path, Kind.SHAPEFILE) if each.suffix.lower() == ".dbf"), None)
    if table is not None:
        with table.open("rb") as file:
            head = file.read(12)
        rows, start, length = struct.unpack("<IHH", head[4:]) if len(head) == 12 else (1, 0, 2**31)
        # The last byte, a mark for the end, is often left out.
        broken += [table] if start + rows * length > table.stat().st_size else []
    for each in broken:
        raise InvalidInput(
            f"{each.name} breaks off.", "The file was not copied to its end.", "Copy it again.", each.name
        )


def _layers(path: Path, kind: Kind) -> list[str]:
    """Layers with features' columns, the ones with geometry first."""
    import pyogrio

    with _translated(path):
        found = pyogrio.list_layers(_named(path, kind)).tolist()
    # GeoPackages of some writers list tables of styles and of metadata as layers.
    wanted = [(str(name), geometry) for name, geometry in found if not (geometry is None and _is_internal(str(name)))]
    if not wanted:
        raise InvalidInput(f"{path.name} has no layer.", "There is nothing in it to convert.", where=path.name)
    return [name for name, _ in sorted(wanted, key=lambda each: each[1] is None)]


def _is_internal(name: str) -> bool:
    return name in {"layer_styles", "qgis_projects"} or name.startswith(("gpkg_", "rtree_", "sqlite_"))


def _named(path: Path, kind: Kind) -> str:
    """The path as GDAL reads it; a prefix where it would go by the name's ending, which says nothing."""
    return f"GeoJSON:{path}" if kind is Kind.GEOJSON else str(path)


def _read(path: Path, kind: Kind, layer: str) -> Any:
    import pyogrio

    frame = pyogrio.read_dataframe(
        _named(path, kind), layer=layer, use_arrow=True, fid_as_index=kind is Kind.GPKG, on_invalid="raise"
    )
    if kind is Kind.GPKG:
        # The feature's number is the table's key: other tables and papers refer to it.
        frame = frame.reset_index(names="fid" if "fid" not in frame.columns else "fid_")
    if kind is Kind.SHAPEFILE and not _beside(path, ".prj"):
        return frame.set_crs(None, allow_override=True)
    return frame


def _points(frame: Any, geopandas: Any) -> Any:
    """A table with longitude and latitude as points."""
    import pandas as pd

    lower = {str(name).lower(): name for name in frame.columns}
    x = next((lower[name] for name in ("lon", "longitude", "long", "lng") if name in lower), None)
    y = next((lower[name] for name in ("lat", "latitude") if name in lower), None)
    frame = pd.DataFrame(frame).apply(_numeric)
    if (
        x is None
        or y is None
        or "geometry" in frame
        or not all(pd.api.types.is_numeric_dtype(frame[name]) for name in (x, y))
    ):
        return frame
    return geopandas.GeoDataFrame(frame, geometry=geopandas.points_from_xy(frame[x], frame[y]), crs="OGC:CRS84")


def _numeric(column: Any) -> Any:
    """Numbers where every text of a column is one that comes back the same."""
    import pandas as pd

    if column.dtype.kind not in "OTU" and not pd.api.types.is_string_dtype(column):
        return column
    texts = column.replace("", None)
    try:
        numbers = pd.to_numeric(texts)
    except (ValueError, TypeError):
        return column
    # Codes such as 007 are no numbers.
    coded = texts.dropna().astype(str).str.match(r"^[+-]?0\d").any()
    return column if coded or texts.isna().all() else numbers


def _write(frame: Any, target: Path, name: str) -> list[Problem]:
    import geopandas

    partial = target.with_name(f".{target.name}.partial")
    options = {"index": False, "compression": "zstd", "row_group_size": ROWS}
    remarks: list[Problem] = []
    try:
        with _translated(target), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if not isinstance(frame, geopandas.GeoDataFrame):
                frame.to_parquet(partial, **options)
            else:
                if BOX in frame.columns:
                    frame = frame.rename(columns={BOX: _free(frame.columns)})
                    what = f"The column {BOX} of {name} is now {_free(frame.columns)[:-1] or BOX}."
                    remarks.append(Problem(what, "GeoParquet keeps each feature's box there.", where=name))
                if frame.crs is None:
                    what = f"{name} has no coordinate system."
                    remarks.append(
                        Problem(what, "Its place is not known.", "Add it (a .prj for a shapefile).", name, "no-crs")
                    )
                along_hilbert(frame).to_parquet(partial, schema_version="1.1.0", write_covering_bbox=True, **options)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return remarks


def along_hilbert(frame: Any) -> Any:
    """The features in the order of a Hilbert curve through their middles; those without a place come last."""
    import numpy as np

    placed = ~(frame.geometry.is_empty | frame.geometry.isna())
    order = np.full(len(frame), np.iinfo(np.uint64).max, dtype=np.uint64)
    if placed.any():
        order[placed.to_numpy()] = frame.geometry[placed].hilbert_distance().to_numpy()
    return frame.iloc[np.argsort(order, kind="stable")]


def _free(columns: Any) -> str:
    taken = {str(column) for column in columns}
    name = f"{BOX}_"
    while name in taken:
        name += "_"
    return name


def _plain(layer: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", layer).strip("-.") or "layer"


def _parts(path: Path, kind: Kind) -> tuple[Path, ...]:
    """The files of a shapefile beside the main one."""
    if kind is not Kind.SHAPEFILE:
        return ()
    wanted = {f"{path.stem}{suffix}".lower() for suffix in _PARTS}
    return tuple(sorted(each for each in path.parent.iterdir() if each.name.lower() in wanted))


def _beside(path: Path, suffix: str) -> bool:
    return any(each.suffix.lower() == suffix for each in _parts(path, Kind.SHAPEFILE))


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            # Odd geometry types, dates without zones: what matters of them the checks find.
            warnings.simplefilter("ignore")
            yield
    except InvalidInput:
        raise
    except Exception as fault:  # GDAL, GEOS, Arrow and pandas each raise their own kinds
        raise InvalidInput(
            f"{path.name} cannot be read as vector data.",
            f"{type(fault).__name__}: {str(fault).strip().splitlines()[0][:300]}" if str(fault).strip() else "",
            "Write it again and check it with ogrinfo.",
            path.name,
        ) from fault
