"""Builds one cube (t, bands, y, x) from the assets of STAC items whose files have been staged."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from terrafair.errors import InvalidInput
from terrafair.execution.engines.openeo import area, dimensions, instants, rasters, read
from terrafair.execution.engines.openeo.area import Box
from terrafair.execution.engines.openeo.processes.filters import unknown_band, within
from terrafair.execution.engines.openeo.rasters import Frame, Layer, Raster

_CUBES = ("netcdf", "zarr", "hdf5")
_NO_DATA = ("json", "xml", "html", "text/", "pdf", "parquet", "csv")
Accepts = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True, slots=True)
class Band:
    """One band as a STAC asset describes it."""

    name: str
    common_name: str
    wavelength: float | None
    asset: str
    href: str
    number: int
    nodata: float | None
    """What the item says of it; the file's own counts first."""


@dataclass(frozen=True, slots=True)
class Item:
    """The part of a STAC item that matters here."""

    id: str
    moment: np.datetime64
    bands: tuple[Band, ...]
    cubes: tuple[str, ...]
    """Paths of assets that are data cubes themselves."""


def items_of(path: Path, reference: str) -> list[Mapping[str, Any]]:
    """The items of a staged document."""
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError) as fault:
        raise InvalidInput(f"{reference} is not readable STAC: {fault}.", where=reference) from None
    found = document.get("features", [document]) if isinstance(document, Mapping) else []
    items = [item for item in found if isinstance(item, Mapping) and isinstance(item.get("assets"), Mapping)]
    if not items:
        raise InvalidInput(f"{reference} has no items with assets.", where=reference, code="asset-missing")
    return items


MARGIN = 32
"""Pixels around an area that is only a hint: what is warped later looks at neighbours."""


def cube_of(
    path: Path,
    reference: str,
    box: Box | None,
    start: Any,
    end: Any,
    bands: Sequence[Any],
    accepts: Accepts,
    around: Box | None = None,
) -> xr.DataArray:
    """The cube of all items in time and area that the condition accepts; raises `InvalidInput` when nothing is left.

    What lies far from `around` may be left away.
    """
    documents = items_of(path, reference)
    items = [_item(item, path.parent) for item in documents if accepts(item.get("properties") or {})]
    kept = [item for item in items if (start is None or item.moment >= start) and (end is None or item.moment < end)]
    if any(item.cubes for item in items) and not any(item.bands for item in items):
        return _from_cubes([item for item in items if item.cubes], box, start, end, bands)
    if not kept:
        seen = sorted(item.moment for item in items)
        span = f" from {instants.text(seen[0])} to {instants.text(seen[-1])}" if seen else ""
        what = f"None of the {len(documents)} items of {reference} lies in the wanted time or meets the conditions."
        raise InvalidInput(what, f"There are {len(items)}{span}.", "Widen the selection.", code="extent-empty")
    if not any(item.bands for item in kept):
        what = f"The items of {reference} have no raster assets."
        raise InvalidInput(what, where=reference, code="asset-missing")
    return _from_rasters(kept, box, bands, around)


def _item(item: Mapping[str, Any], folder: Path) -> Item:
    properties = item.get("properties") or {}
    moment = properties.get("datetime") or properties.get("start_datetime")
    bands: list[Band] = []
    cubes = []
    for key, asset in item["assets"].items():
        media = str(asset.get("type") or "").lower()
        href = str(folder / str(asset.get("href", "")).removeprefix("file://"))
        suffix = Path(href).suffix.lower()
        roles = set(asset.get("roles") or ())
        if any(word in media for word in _CUBES) or suffix in read.NETCDF or suffix == ".zarr":
            cubes.append(href)
        elif any(word in media for word in _NO_DATA) or roles & {"thumbnail", "overview", "metadata"}:
            continue
        elif suffix not in {".json", ".xml", ".geojson", ".txt", ".csv", ".html", ".pdf", ".parquet"}:
            bands += _bands(str(key), asset, href)
    when = instants.instant(moment, "datetime") if moment else np.datetime64("1970-01-01", "ns")
    return Item(str(item.get("id", "")), when, tuple(bands), tuple(cubes))


def _bands(key: str, asset: Mapping[str, Any], href: str) -> list[Band]:
    """The bands of one asset, from STAC 1.1 `bands` or `eo:bands`; without any, the asset is one."""
    listed = [band for band in (asset.get("bands") or asset.get("eo:bands") or ()) if isinstance(band, Mapping)]
    raster = asset.get("raster:bands") or [{}]
    found = []
    for number, band in enumerate(listed or [{}]):
        name = str(band.get("name") or (key if len(listed) < 2 else f"{key}_{number + 1}"))
        common = str(band.get("eo:common_name") or band.get("common_name") or "")
        centre = band.get("eo:center_wavelength") or band.get("center_wavelength")
        facts = raster[number] if number < len(raster) and isinstance(raster[number], Mapping) else {}
        nodata = _nodata(band.get("nodata", asset.get("nodata", facts.get("nodata"))))
        found.append(Band(name, common, centre, key, href, number + 1, nodata))
    return found


def _nodata(value: Any) -> float | None:
    if value in {"nan", "inf", "-inf"}:
        return float(value)
    return value if isinstance(value, int | float) else None


def _from_rasters(
    items: Sequence[Item], box: Box | None, wanted: Sequence[Any], around: Box | None = None
) -> xr.DataArray:
    names = _chosen([band for item in items for band in item.bands], wanted)
    headers: dict[str, Raster] = {}
    for item in items:
        for band in item.bands:
            if band.name in names and band.href not in headers:
                headers[band.href] = _header(band)
    frame = _near(_cut(_union(list(headers.values())), box), around)
    moments = sorted({item.moment for item in items})
    plan = {(moment, name): _layers(items, moment, name, headers) for moment in moments for name in names}
    gaps = any(not layers or not _covers(layers, frame) for layers in plan.values())
    kind = rasters.value_type(list(headers.values()), gaps=gaps)
    data = rasters.planes([[plan[m, n] for n in names] for m in moments], frame, kind)
    known = {band.name: band for item in items for band in item.bands if band.name in names}
    attributes = {
        "common_names": {name: known[name].common_name for name in names if known[name].common_name},
        "wavelengths": {name: known[name].wavelength for name in names if known[name].wavelength},
    }
    return rasters.assemble(data, frame, names, moments, **attributes)


def _chosen(bands: Sequence[Band], wanted: Sequence[Any]) -> list[str]:
    """Band names in the order asked, by name, common name or asset key; all of them where nothing is asked."""
    names = list(dict.fromkeys(band.name for band in bands))
    if not wanted:
        return names
    found = []
    for each in wanted:
        ways = (
            [n for n in names if n == each],
            [band.name for band in bands if band.common_name == each],
            [band.name for band in bands if band.asset == each],
        )
        match = next((way for way in ways if way), None)
        if match is None:
            raise unknown_band(each, names)
        found += list(dict.fromkeys(match)) if match is ways[2] else match[:1]
    return list(dict.fromkeys(found))


def _header(band: Band) -> Raster:
    path = Path(band.href)
    if not path.exists():
        what = f"The asset {band.asset} is not there: {path.name}."
        raise InvalidInput(what, "It has not been staged.", code="asset-unreadable")
    found = rasters.header(path, path.name)
    if band.number > found.count:
        what = f"The asset {band.asset} describes {band.number} bands; its file has {found.count}."
        raise InvalidInput(what, where=band.asset, code="asset-unreadable")
    if found.nodata is None and band.nodata is not None:
        from dataclasses import replace

        return replace(found, nodata=band.nodata)
    return found


def _layers(items: Sequence[Item], moment: Any, name: str, headers: Mapping[str, Raster]) -> list[Layer]:
    return [
        Layer(headers[band.href], band.number)
        for item in items
        if item.moment == moment
        for band in item.bands
        if band.name == name
    ]


def _union(found: Sequence[Raster]) -> Frame:
    """The grid of the finest file, over the extent of all."""
    from rasterio.transform import Affine
    from rasterio.warp import transform_bounds

    if unplaced := next((raster for raster in found if raster.crs is None), None):
        if len({(raster.width, raster.height) for raster in found}) == 1:
            return rasters.frame_of(unplaced)
        raise InvalidInput(f"{unplaced.reference} has no reference system.", code="grid-missing")
    fine = min((raster for raster in found if raster.crs == found[0].crs), key=lambda raster: abs(raster.transform.a))
    step_x, step_y = fine.transform.a, fine.transform.e
    bounds = []
    for raster in found:
        west, north = raster.transform @ (0, 0)
        east, south = raster.transform @ (raster.width, raster.height)
        own = (min(west, east), min(south, north), max(west, east), max(south, north))
        bounds.append(own if raster.crs == fine.crs else transform_bounds(raster.crs, fine.crs, *own))
    west, south = min(b[0] for b in bounds), min(b[1] for b in bounds)
    east, north = max(b[2] for b in bounds), max(b[3] for b in bounds)
    # Whole pixels from the finest file's corner, so that its values are copied.
    left = round((west - fine.transform.c) / step_x - 0.49) if step_x > 0 else 0
    top = round((north - fine.transform.f) / step_y - 0.49) if step_y < 0 else 0
    right = int(np.ceil((east - fine.transform.c) / step_x - 1e-6))
    bottom = int(np.ceil((south - fine.transform.f) / step_y - 1e-6)) if step_y < 0 else fine.height
    corner = fine.transform @ Affine.translation(left, top)
    return Frame(fine.crs, corner, right - left, bottom - top)


def _covers(layers: Sequence[Layer], frame: Frame) -> bool:
    """Whether one file alone fills the frame, so that integers can stay integers."""
    for layer in layers:
        one = layer.raster
        column, row = ~one.transform @ (frame.transform.c, frame.transform.f)
        same = one.crs == frame.crs and one.transform.a == frame.transform.a and column > -0.5 and row > -0.5
        if same and column + frame.width < one.width + 0.5 and row + frame.height < one.height + 0.5:
            return True
    return False


def _cut(frame: Frame, box: Box | None) -> Frame:
    """The part whose pixel centres lie in the box."""
    if box is None or frame.crs is None:
        return frame
    crs = frame.crs.to_wkt()
    moved = box.to(crs)
    rows, columns = frame.rows(), frame.columns()
    slack_x, slack_y = abs(frame.transform.a) * 1e-6, abs(frame.transform.e) * 1e-6
    across = np.flatnonzero(area.in_longitudes(columns, moved.west - slack_x, moved.east + slack_x, crs))
    down = np.flatnonzero((rows >= moved.south - slack_y) & (rows <= moved.north + slack_y))
    if not len(across) or not len(down):
        what = f"No pixel lies in west {box.west}, south {box.south}, east {box.east}, north {box.north}."
        why = f"The data covers {columns.min():g}..{columns.max():g}, {rows.min():g}..{rows.max():g}."
        raise InvalidInput(what, why, "Choose an area inside.", code="extent-empty")
    return frame.part(int(across[0]), int(down[0]), int(across[-1] - across[0]) + 1, int(down[-1] - down[0]) + 1)


def _near(frame: Frame, around: Box | None) -> Frame:
    """The part near the box, or all of it where the box lies elsewhere."""
    if around is None or frame.crs is None:
        return frame
    moved = around.to(frame.crs.to_wkt())
    wide, high = MARGIN * abs(frame.transform.a), MARGIN * abs(frame.transform.e)
    if moved.west > moved.east:
        return frame
    rows, columns = frame.rows(), frame.columns()
    across = np.flatnonzero((columns >= moved.west - wide) & (columns <= moved.east + wide))
    down = np.flatnonzero((rows >= moved.south - high) & (rows <= moved.north + high))
    if not len(across) or not len(down):
        return frame
    return frame.part(int(across[0]), int(down[0]), int(across[-1] - across[0]) + 1, int(down[-1] - down[0]) + 1)


def _from_cubes(items: Sequence[Item], box: Box | None, start: Any, end: Any, bands: Sequence[Any]) -> xr.DataArray:
    from terrafair.execution.engines.openeo.processes.filters import between

    parts = []
    for item in items:
        for href in item.cubes:
            cube = read.cube_of(Path(href), Path(href).name)
            if "t" not in cube.dims:
                fresh = dimensions.coordinate("t", [item.moment], {"type": "temporal"})
                cube = cube.expand_dims("t").assign_coords({"t": fresh})
            parts.append(cube)
    cube = read.select_bands(joined(parts), bands)
    cube = between(cube, "t", start, end) if start is not None or end is not None else cube
    return within(cube, box) if box is not None and dimensions.is_raster(cube) else cube


def joined(parts: Sequence[xr.DataArray]) -> xr.DataArray:
    """Cubes of one grid side by side: along time, or as bands where the dates are the same."""
    from terrafair.execution.engines.openeo.processes.merging import merged

    found = parts[0]
    for part in parts[1:]:
        found = merged(found, part)
    return found
