"""Rasters: GeoTIFF and COG, JPEG 2000 and GRIB, read once from end to end."""

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from terrafair.data.classify import MEDIA_TYPES, Kind, media_type
from terrafair.data.facts import Facts, data_type, nodata_value, plain
from terrafair.data.footprint import Footprint, of_corners, of_points
from terrafair.data.moments import Span, from_tags
from terrafair.data.statistics import Running
from terrafair.data.tiff import check_whole, directories, is_cloud_optimised
from terrafair.errors import InvalidInput, Problem

GEOTIFF = "image/tiff; application=geotiff"
COG = "image/tiff; application=geotiff; profile=cloud-optimized"
DRIVERS = {Kind.TIFF: "GTiff", Kind.GRIB: "GRIB", Kind.JP2: "JP2OpenJPEG"}
OPTIONS = {
    # Sidecars could change what a file says, or point elsewhere.
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_CACHEMAX": 128,
    # Units as written: GDAL renames kelvin to Celsius, and of GRIB 1 leaves the values in kelvin.
    "GRIB_NORMALIZE_UNITS": "NO",
}
BLOCK = 2**22
"""Pixels read at once."""
MOST = 2**33
"""Values beyond which statistics are left out: they would take hours."""


def read(path: Path, kind: Kind) -> Facts:
    """Everything that the raster says; raises `InvalidInput` for one that is damaged or empty."""
    import rasterio

    found = directories(path) if kind is Kind.TIFF else []
    check_whole(path, found)
    # Only the named driver: a VRT that poses as a TIFF would open any other file.
    with translated(path), rasterio.Env(**OPTIONS), rasterio.open(path, driver=DRIVERS[kind]) as source:
        if source.count == 0:
            raise InvalidInput(f"{path.name} has no band.", "There is nothing in it to describe.", where=path.name)
        return _facts(source, path, kind, found)


def _facts(source: Any, path: Path, kind: Kind, found: list[Any]) -> Facts:
    projection, footprint, remarks = _place(source, path.name)
    located = source.crs is not None and not source.transform.is_identity
    kind_name = media_type(path, kind)
    if kind is Kind.TIFF:
        kind_name = (COG if is_cloud_optimised(found) else GEOTIFF) if located or footprint else MEDIA_TYPES[kind]
    bands = _bands(source, grouped=kind is Kind.GRIB)
    sampling = {"AREA": "area", "POINT": "point"}.get(str(source.tags().get("AREA_OR_POINT", "")).upper())
    asset: dict[str, Any] = {"bands": bands}
    if sampling == "point":
        asset["raster:sampling"] = sampling
    if source.count * source.width * source.height > MOST:
        remarks.append(Problem(f"{path.name} is too large for statistics.", where=path.name))
    return Facts(
        kind,
        kind_name,
        asset=asset,
        projection=projection,
        footprint=footprint,
        span=_span(source),
        remarks=tuple(remarks),
    )


def _place(source: Any, name: str) -> tuple[dict[str, Any], Footprint | None, list[Problem]]:
    """Projection fields, outline, and what is missing."""
    shape = {"proj:shape": [source.height, source.width]}
    points, points_crs = source.gcps
    if source.crs is None and points and points_crs is not None:
        corners = [(point.x, point.y) for point in points]
        return shape, _around(corners, points_crs), []
    if source.transform.is_identity:
        what = f"{name} has no georeference."
        remedy = "Write its coordinate system and transform, so that it can be placed on a map."
        return shape, None, [Problem(what, "It is described without a place.", remedy, name)]
    corners = [
        source.transform @ corner
        for corner in ((0, source.height), (source.width, source.height), (source.width, 0), (0, 0))
    ]
    fields: dict[str, Any] = {
        **shape,
        "proj:transform": [float(number) for number in tuple(source.transform)[:6]],
        "proj:bbox": _bounds(corners),
    }
    if source.crs is None:
        remedy = "Write its coordinate system, so that it can be placed on a map."
        return (
            fields,
            None,
            [Problem(f"{name} has no coordinate system.", "It is described without a place.", remedy, name)],
        )
    try:
        footprint = of_corners(corners, crs_of(source.crs.to_wkt()))
    except Exception as fault:
        return {**fields, "proj:code": None}, None, [_odd_crs(name, str(fault))]
    ring = [list(corner) for corner in (*corners, corners[0])]
    fields["proj:geometry"] = {"type": "Polygon", "coordinates": [ring]}
    remarks = [] if footprint else [_odd_crs(name, "None of it lies on the globe.")]
    return {**code_of(crs_of(source.crs.to_wkt())), **fields}, footprint, remarks


def crs_of(value: Any) -> Any:
    """The coordinate system as pyproj's; raises `pyproj.exceptions.CRSError`."""
    from pyproj import CRS

    return _parsed(value) if isinstance(value, str) else CRS.from_user_input(value)


@lru_cache(64)
def _parsed(text: str) -> Any:
    from pyproj import CRS

    return CRS.from_user_input(text)


def code_of(crs: Any) -> dict[str, Any]:
    """`proj:code` where an authority knows it, else its WKT."""
    authority = crs.to_authority(min_confidence=70)
    if authority:
        return {"proj:code": ":".join(authority)}
    return {"proj:code": None, "proj:wkt2": crs.to_wkt("WKT2_2019")}


def _around(corners: list[tuple[float, float]], crs: Any) -> Footprint | None:
    from pyproj import Transformer

    transform = Transformer.from_crs(crs_of(crs.to_wkt()), "EPSG:4326", always_xy=True)
    return of_points(transform.transform(x, y) for x, y in corners)


def _odd_crs(name: str, why: str) -> Problem:
    return Problem(f"{name} cannot be placed on the globe.", why, "Mend its coordinate system.", name)


def _bounds(corners: list[tuple[float, float]]) -> list[float]:
    xs, ys = [corner[0] for corner in corners], [corner[1] for corner in corners]
    return [min(xs), min(ys), max(xs), max(ys)]


def _bands(source: Any, *, grouped: bool) -> list[dict[str, Any]]:
    """The bands; `grouped` makes one of all that share a name: a GRIB file has a band for each hour and level."""
    names = [_name(source, number, source.tags(index)) for number, index in enumerate(source.indexes)]
    keys = names if grouped else [str(index) for index in source.indexes]
    statistics = {key: Running() for key in keys}
    complex_values = any("complex" in name for name in source.dtypes)
    if not complex_values and source.count * source.width * source.height <= MOST:
        for number, values, invalid in _blocks(source):
            statistics[keys[number]].add(values, invalid)
    found: dict[str, dict[str, Any]] = {}
    for number, key in enumerate(keys):
        if key not in found:
            found[key] = _band(source, number, names[number], statistics[key])
    return list(found.values())


def _band(source: Any, number: int, name: str, statistics: Running) -> dict[str, Any]:
    tags = source.tags(number + 1)
    band: dict[str, Any] = {"name": name, "data_type": data_type(source.dtypes[number])}
    description = tags.get("GRIB_COMMENT") or source.descriptions[number]
    if description and description != name:
        band["description"] = description
    if (nodata := nodata_value(source.nodatavals[number])) is not None:
        band["nodata"] = nodata
    if unit := (source.units[number] or tags.get("GRIB_UNIT", "").strip("[]")):
        band["unit"] = unit
    if source.scales[number] != 1.0 or source.offsets[number] != 0.0:
        band["raster:scale"], band["raster:offset"] = source.scales[number], source.offsets[number]
    if statistics.total:
        band["statistics"] = statistics.document()
    return dict(plain(band))


def _name(source: Any, number: int, tags: Mapping[str, str]) -> str:
    if element := tags.get("GRIB_ELEMENT"):
        return element
    if source.descriptions[number]:
        return str(source.descriptions[number])
    colour = source.colorinterp[number].name
    plain_colour = colour in {"red", "green", "blue", "alpha", "nir"}
    unique = sum(each.name == colour for each in source.colorinterp) == 1
    return colour if plain_colour and unique else f"band-{number + 1}"


def _blocks(source: Any) -> Iterator[tuple[int, Any, Any]]:
    """(band, values, mask of what is no data), along the file's own blocks."""
    from rasterio.windows import Window

    # Where pixels hold all bands side by side, reading one band decodes all of them.
    pixelwise = source.interleaving is not None and source.interleaving.name == "pixel"
    groups = [list(source.indexes)] if pixelwise else [[index] for index in source.indexes]
    height, width = window_size(source, BLOCK // len(groups[0]))
    for top, left in itertools.product(range(0, source.height, height), range(0, source.width, width)):
        window = Window(left, top, min(width, source.width - left), min(height, source.height - top))
        for group in groups:
            simple = all(_is_simple(source, index) for index in group)
            block = source.read(group, window=window, masked=not simple)
            for index, layer in zip(group, block, strict=True):
                yield index - 1, *(_judged(source, index, layer) if simple else _unmasked(layer))


def _is_simple(source: Any, index: int) -> bool:
    """Whether the values themselves show what is no data; a mask would be read as long as they are."""
    from rasterio.enums import MaskFlags

    flags, nodata = source.mask_flag_enums[index - 1], source.nodatavals[index - 1]
    if flags == [MaskFlags.all_valid]:
        return True
    # Reals near the value count as well, and GDAL knows how near.
    return flags == [MaskFlags.nodata] and ("int" in source.dtypes[index - 1] or nodata != nodata)  # noqa: PLR0124


def _judged(source: Any, index: int, values: Any) -> tuple[Any, Any]:
    nodata = source.nodatavals[index - 1]
    if nodata is None or values.dtype.kind == "f":
        return values, None
    invalid = values == nodata
    return values, invalid if invalid.any() else None


def _unmasked(layer: Any) -> tuple[Any, Any]:
    invalid = layer.mask if layer.mask.shape else None
    return layer.data, invalid if invalid is not None and invalid.any() else None


def window_size(source: Any, pixels: int) -> tuple[int, int]:
    """Height and width of about that many pixels, made of whole blocks of the file where they are not larger."""
    rows, columns = (max(side, 1) for side in source.block_shapes[0])
    width = min(source.width, max(1, pixels // rows) // columns * columns or columns)
    height = max(1, pixels // max(width, 1))
    return min(source.height, height // rows * rows or rows), width


def _span(source: Any) -> Span | None:
    times = []
    for index in source.indexes:
        seconds = str(source.tags(index).get("GRIB_VALID_TIME", "")).split()
        if seconds and seconds[0].lstrip("-").isdigit():
            times.append(datetime.fromtimestamp(int(seconds[0]), UTC))
    return Span.over(times) or from_tags(source.tags())


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what rasterio raises into `InvalidInput`."""
    import warnings

    from rasterio.errors import NotGeoreferencedWarning, RasterioError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            yield
    except (RasterioError, ValueError, MemoryError) as fault:
        raise InvalidInput(
            f"{path.name} cannot be read as a raster.",
            f"{str(fault).splitlines()[0][:300]}." if str(fault) else "",
            "Write it again and check it with gdalinfo.",
            path.name,
        ) from fault
