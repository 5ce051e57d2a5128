"""What cannot be converted, and what is no data at all; each refusal says what it is, why, and the way out."""

from pathlib import Path

from terrafair.data.classify import Kind
from terrafair.errors import InvalidInput

DOCUMENTS = frozenset(
    {
        *(Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.SVG, Kind.PDF, Kind.HTML, Kind.NOTEBOOK, Kind.STAC),
        *(Kind.JSON, Kind.TEXT, Kind.XML),
    }
)
"""Kinds that are published as they are, beside the data."""
_TEXTS = frozenset({Kind.HTML, Kind.JSON, Kind.TEXT, Kind.XML, Kind.CSV})
_DATA_NAMES = {
    **dict.fromkeys((".tif", ".tiff", ".jp2"), "raster"),
    **dict.fromkeys((".nc", ".nc4", ".cdf", ".h5", ".hdf5", ".he5", ".grib", ".grb", ".grib2", ".grb2"), "data cube"),
    **dict.fromkeys((".parquet", ".geoparquet", ".gpkg", ".shp", ".fgb", ".geojson"), "vector file"),
    ".json": "JSON document",
}
_DOCUMENT_NAMES = {
    **dict.fromkeys((".csv", ".tsv"), "table"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".gif", ".webp"), "picture"),
    ".pdf": "PDF document",
    ".ipynb": "notebook",
}
_SHAPEFILE = frozenset({".dbf", ".shx", ".sbn", ".sbx"})


def check_named_right(path: Path, kind: Kind) -> None:
    """Raise `InvalidInput` for a file whose name promises data and whose bytes are none."""
    promised = _DATA_NAMES.get(path.suffix.lower())
    if promised and kind in _TEXTS and not (kind is Kind.JSON and promised == "JSON document"):
        broken = "broken off, or no valid JSON" if "json" in path.suffix.lower() else "text"
        what = {Kind.HTML: "a web page", Kind.TEXT: broken}
        raise InvalidInput(
            f"{path.name} is {what.get(kind, kind.upper())}: no {promised}.",
            "Its bytes say so; perhaps a download gave an error page.",
            "Fetch or write it again.",
            path.name,
        )


def check_known(path: Path, kind: Kind) -> None:
    """Raise `InvalidInput` for a file whose name promises data and whose bytes are of no kind at all."""
    promised = _DATA_NAMES.get(path.suffix.lower()) or _DOCUMENT_NAMES.get(path.suffix.lower())
    if promised and kind in {Kind.BINARY, Kind.EMPTY}:
        what = "is empty" if kind is Kind.EMPTY else f"is no {promised}, as its name says"
        why = "" if kind is Kind.EMPTY else "Its bytes are of no kind that is known here; it may be damaged."
        raise InvalidInput(f"{path.name} {what}.", why, "Fetch or write it again.", path.name)


def refusal(path: Path, kind: Kind) -> InvalidInput:
    """The error for a file of a kind that nothing here converts."""
    name = path.name
    if kind is Kind.VRT:
        what = f"{name} is a GDAL VRT: it has no pixels of its own and names other files."
        return InvalidInput(
            what, "Opened here, it could show any file of this machine.", "Write its pixels: gdal_translate.", name
        )
    if kind is Kind.EMPTY:
        return InvalidInput(f"{name} is empty.", "It has no bytes.", "Write it again, or leave it out.", name)
    if kind is Kind.ARCHIVE:
        return InvalidInput(
            f"{name} is a packed archive.", "Readers cannot look into it.", "Unpack it into the results.", name
        )
    if kind is Kind.SQLITE:
        return InvalidInput(f"{name} is an SQLite database without geometries.", "", "Export its tables as CSV.", name)
    if path.is_dir():
        return InvalidInput(f"{name} is a folder of no known format.", "", "Give its files.", name)
    if path.suffix.lower() in _SHAPEFILE:
        return InvalidInput(
            f"{name} is a part of a shapefile whose main file is not there.",
            "The .shp holds the geometries.",
            f"Add {path.stem}.shp.",
            name,
        )
    return InvalidInput(
        f"{name} is of no known format (it begins with {_beginning(path)}).",
        "GeoTIFF, JPEG 2000, NetCDF, GRIB, Zarr and vector formats are converted.",
        "Write it as one of these, e.g. with gdal_translate or ogr2ogr.",
        name,
    )


def _beginning(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(8).hex(" ") or "nothing"
