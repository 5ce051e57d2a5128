"""The published results of the demo's experiments, computed from the scene by plain numpy.

Nothing here is shared with the workflows: the same published input values go through other code, so that a fresh run
that equals these files has been checked, not repeated.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from terrafair.demo import experiments, raster, stac
from terrafair.demo.dataset import ID as DATASET
from terrafair.demo.dataset import parcel_features
from terrafair.demo.noise import Grid
from terrafair.demo.scene import EPSG, NODATA, NORTH, OFFSET, PIXEL, SCALE, WEST, Image, SceneClass, Season
from terrafair.demo.stac import Document, Frame

NDVI, WATER, PHENOLOGY = "demo-ndvi-composite", "demo-surface-water", "demo-crop-phenology"
PRODUCTS = (NDVI, WATER, PHENOLOGY)

TITLES = {
    NDVI: "Cloud-free NDVI composite of a simulated growing season",
    WATER: "Surface water of a simulated lake",
    PHENOLOGY: "Crop phenology of simulated field parcels",
}
DESCRIPTIONS = {
    NDVI: (
        "Median of the normalised difference vegetation index (NDVI) of all clear observations from April to September "
        "2024, at 10 m, from simulated Sentinel-2 images."
    ),
    WATER: (
        "Open water by the normalised difference water index (NDWI) and Otsu's threshold on each date with little "
        "cloud, and the share of clear dates on which each pixel was water, at 10 m, from simulated Sentinel-2 images. "
        "The lake loses about a seventh of its area from April to the end of July."
    ),
    PHENOLOGY: (
        "Day of the year on which each pixel is greenest, at 10 m, and the series of mean NDVI of each field parcel, "
        "from simulated Sentinel-2 images."
    ),
}
_UNKNOWN = 255


def write(folder: Path, season: Season) -> None:
    """Write each product into a folder of its id; `collection.json` comes last in each."""
    _write_ndvi(folder / NDVI, season)
    _write_water(folder / WATER, season)
    _write_phenology(folder / PHENOLOGY, season)


def reflectance(image: Image, band: str) -> Grid:
    """Give the surface reflectance of a band; not-a-number where there is no data."""
    numbers = image.bands[band].astype(np.float64)
    return np.where(numbers == NODATA, np.nan, numbers * SCALE + OFFSET)


def clear(image: Image) -> npt.NDArray[np.bool_]:
    """Say where the scene classification sees the ground."""
    return np.isin(image.classes, SceneClass.CLEAR)


def normalised_difference(image: Image, first: str, second: str) -> Grid:
    """Give (first - second) / (first + second) where the ground is seen, else not-a-number."""
    one, other = reflectance(image, first), reflectance(image, second)
    return np.where(clear(image), (one - other) / (one + other), np.nan)


def ndvi_composite(images: Sequence[Image], frame: Frame) -> npt.NDArray[np.float32]:
    """Give the median NDVI of the clear observations in a part of the scene."""
    left, top, columns, rows = frame
    stack = np.stack([normalised_difference(image, "B08", "B04") for image in images])
    return np.nanmedian(stack[:, top : top + rows, left : left + columns], axis=0).astype(np.float32)


def otsu_threshold(values: Grid) -> float:
    """Give the exact threshold of Otsu (1979): the cut of the sorted values with the least variance within classes."""
    ordered = np.sort(values)
    count = np.arange(1, ordered.size)
    low, low_squares = np.cumsum(ordered)[:-1], np.cumsum(ordered**2)[:-1]
    high, high_squares = ordered.sum() - low, (ordered**2).sum() - low_squares
    within = low_squares - low**2 / count + high_squares - high**2 / (ordered.size - count)
    cut = int(np.argmin(within))
    return float((ordered[cut] + ordered[cut + 1]) / 2)


def water_mask(image: Image, frame: Frame) -> npt.NDArray[np.uint8]:
    """Give 1 for water, 0 for land and 255 where the ground is not seen, in a part of the scene."""
    left, top, columns, rows = frame
    index = normalised_difference(image, "B03", "B08")[top : top + rows, left : left + columns]
    known = np.isfinite(index)
    water = index > otsu_threshold(index[known])
    return np.where(known, water, _UNKNOWN).astype(np.uint8)


def peak_day(images: Sequence[Image], min_clear: int, min_ndvi: float) -> npt.NDArray[np.int16]:
    """Give the day of the year of the highest NDVI; 0 where there are too few clear dates or too little green."""
    best = np.full(images[0].classes.shape, -np.inf)
    day = np.zeros(best.shape, np.int16)
    seen = np.zeros(best.shape, np.int64)
    for image in images:
        index = normalised_difference(image, "B08", "B04")
        seen += np.isfinite(index)
        higher = index > best
        day[higher] = image.time.timetuple().tm_yday
        best[higher] = index[higher]
    day[(seen < min_clear) | (best < min_ndvi)] = 0
    return day


def projected_frame(west: float, south: float, east: float, north: float) -> Frame:
    """Give the part of the scene between projected bounds that lie on pixel edges."""
    left, top = round((west - WEST) / PIXEL), round((NORTH - north) / PIXEL)
    return left, top, round((east - west) / PIXEL), round((north - south) / PIXEL)


def geographic_frame(bbox: Sequence[float]) -> Frame:
    """Give the part of the scene that an area in degrees touches."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds("EPSG:4326", f"EPSG:{EPSG}", *bbox)
    left, top = math.floor((west - WEST) / PIXEL), math.floor((NORTH - north) / PIXEL)
    return left, top, math.ceil((east - WEST) / PIXEL) - left, math.ceil((NORTH - south) / PIXEL) - top


def _write_ndvi(folder: Path, season: Season) -> None:
    values = experiments.values("demo-ndvi")
    extent = values["spatial_extent"]
    frame = projected_frame(extent["west"], extent["south"], extent["east"], extent["north"])
    first, last = (datetime.fromisoformat(f"{date}T00:00:00+00:00") for date in values["temporal_extent"])
    images = [image for image in season.images if first <= image.time < last]
    composite = ndvi_composite(images, frame)
    # The name that openEO back-ends give to a result without time.
    file = folder / "ndvi-composite" / "openEO.tif"
    raster.write(file, composite, name="ndvi", nodata=math.nan, left=frame[0], top=frame[1])
    asset = stac.asset(file, "Median NDVI", **_band("ndvi", composite))
    _publish(folder, NDVI, [_item("ndvi-composite", NDVI, frame, images, {file.name: asset})])


def _write_water(folder: Path, season: Season) -> None:
    values = experiments.values("demo-water")
    frame = geographic_frame([float(part) for part in values["bbox"].split(",")])
    images = [image for image in season.images if image.cloud_cover <= values["max_cloud_cover"]]
    items, masks = [], []
    for image in images:
        mask = water_mask(image, frame)
        masks.append(np.where(mask == _UNKNOWN, np.nan, mask))
        file = _place(folder, f"water-{image.time:%Y%m%d}")
        raster.write(file, mask, name="water", nodata=_UNKNOWN, categories=True, left=frame[0], top=frame[1])
        asset = stac.asset(file, "Surface water: 1 water, 0 land, 255 unknown", **_band("water", masks[-1], mask))
        area = int(np.count_nonzero(mask == 1)) * PIXEL * PIXEL
        items.append(_item(file.stem, WATER, frame, [image], {file.name: asset}, {"water_area_m2": area}))
    share = np.nanmean(np.stack(masks), axis=0).astype(np.float32)
    file = _place(folder, "water-occurrence")
    raster.write(file, share, name="water_occurrence", nodata=math.nan, left=frame[0], top=frame[1])
    asset = stac.asset(file, "Share of clear dates with water", **_band("water_occurrence", share))
    items.append(_item(file.stem, WATER, frame, images, {file.name: asset}))
    _publish(folder, WATER, items)


def _write_phenology(folder: Path, season: Season) -> None:
    values = experiments.values("demo-phenology")
    day = peak_day(season.images, values["min_clear"], values["min_ndvi"])
    place = folder / "crop-phenology"
    raster.write(place / "peak-day.tif", day, name="peak_day", nodata=0, categories=True)
    _write_series(place / "ndvi-by-parcel.csv", season)
    parcels = parcel_features(season.landscape)
    for feature, parcel in zip(parcels["features"], season.landscape.parcels, strict=True):
        found = day[parcel.top : parcel.bottom, parcel.left : parcel.right]
        found = found[found > 0]
        feature["properties"]["peak_day"] = int(np.median(found)) if found.size else None
    (place / "parcels.geojson").write_text(json.dumps(parcels), "utf-8")
    peaks = _band("peak_day", np.where(day == 0, np.nan, day), day, unit="d")
    assets = {
        "peak-day.tif": stac.asset(place / "peak-day.tif", "Day of the year of the highest NDVI", **peaks),
        "ndvi-by-parcel.csv": stac.asset(place / "ndvi-by-parcel.csv", "Mean NDVI of each parcel and date"),
        "parcels.geojson": stac.asset(place / "parcels.geojson", "Parcels with their median day of peak greenness"),
    }
    _publish(folder, PHENOLOGY, [_item("crop-phenology", PHENOLOGY, stac.WHOLE, season.images, assets)])


def _write_series(file: Path, season: Season) -> None:
    layers = [(image, normalised_difference(image, "B08", "B04")) for image in season.images]
    with file.open("w", encoding="utf-8", newline="") as target:
        rows = csv.writer(target, lineterminator="\n")
        rows.writerow(["parcel", "crop", "date", "ndvi", "clear_pixels"])
        for parcel in season.landscape.parcels:
            for image, layer in layers:
                part = layer[parcel.top : parcel.bottom, parcel.left : parcel.right]
                part = part[np.isfinite(part)]
                mean = repr(round(float(part.mean()), 4)) if part.size else ""
                rows.writerow([parcel.id, parcel.cover.name.lower(), f"{image.time:%Y-%m-%d}", mean, part.size])


def _place(folder: Path, name: str) -> Path:
    return folder / name / f"{name}.tif"


def _band(name: str, known: npt.NDArray[Any], stored: npt.NDArray[Any] | None = None, unit: str = "1") -> Document:
    stored = known if stored is None else stored
    whole = np.issubdtype(stored.dtype, np.integer)
    nodata: Any = "nan" if not whole else 0 if stored.dtype == np.int16 else _UNKNOWN
    return {
        "data_type": stored.dtype.name,
        "nodata": nodata,
        "unit": unit,
        "bands": [{"name": name}],
        "statistics": {
            "minimum": round(float(np.nanmin(known)), 6),
            "maximum": round(float(np.nanmax(known)), 6),
            "mean": round(float(np.nanmean(known, dtype=np.float64)), 6),
            "valid_percent": round(100.0 * float(np.isfinite(known).mean()), 3),
        },
    }


def _item(
    identifier: str,
    product: str,
    frame: Frame,
    images: Sequence[Image],
    assets: Mapping[str, Document],
    properties: Mapping[str, Any] | None = None,
) -> Document:
    facts = {"gsd": PIXEL, **(properties or {})}
    document = stac.item(
        identifier, product, frame=frame, times=[image.time for image in images], assets=assets, properties=facts
    )
    for image in images:
        href = f"../../../datasets/{DATASET}/{image.id}/{image.id}.json"
        link = {"rel": "derived_from", "href": href, "type": "application/geo+json", "title": image.id}
        document["links"].append(link)
    return document


def _publish(folder: Path, product: str, items: list[Document]) -> None:
    for entry in items:
        stac.write(folder / entry["id"] / f"{entry['id']}.json", entry)
    document = stac.collection(
        product,
        title=TITLES[product],
        description=DESCRIPTIONS[product],
        items=items,
        keywords=["simulated", "Sentinel-2"],
        summaries={"gsd": [PIXEL], "proj:code": [f"EPSG:{EPSG}"]},
        extensions=[stac.PROJECTION],
    )
    stac.write(folder / "collection.json", document)
