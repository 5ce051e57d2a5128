"""The demo's input dataset as files: a STAC collection of Sentinel-2-like images and the field parcels beneath them."""

import json
from pathlib import Path

import numpy as np

from terrafair.demo import raster, stac
from terrafair.demo.landscape import Landscape
from terrafair.demo.scene import BANDS, EPSG, NODATA, NORTH, OFFSET, PIXEL, SCALE, WEST, Image, SceneClass, Season
from terrafair.demo.stac import Document

ID = "demo-s2-l2a"
TITLE = "Simulated Sentinel-2 surface reflectance of a growing season"
DESCRIPTION = (
    "Eight simulated images in the manner of Sentinel-2 Level-2A over an invented landscape with a lake, a river, a "
    "forest, a town and 75 whole field parcels, from April to September 2024. Five bands and the scene classification "
    "on one 10 m grid, 3 km x 3 km, in UTM zone 32 north. Reflectance = DN x 0.0001 - 0.1, as in processing baseline "
    "04.00 and later; 0 is no data. The images are computed, the same on every machine; no satellite took them."
)

_BAND_FACTS = {
    "B02": ("blue", 0.4924, 0.066),
    "B03": ("green", 0.5598, 0.036),
    "B04": ("red", 0.6646, 0.031),
    "B08": ("nir", 0.8328, 0.106),
    "B11": ("swir16", 1.6137, 0.091),
}
_CLASSES = (
    (0, "no_data", "No data"),
    (3, "cloud_shadow", "Cloud shadow"),
    (4, "vegetation", "Vegetation"),
    (5, "not_vegetated", "Bare soil and built-up"),
    (6, "water", "Water"),
    (7, "unclassified", "Unclassified"),
    (8, "cloud_medium_probability", "Cloud, medium probability"),
    (9, "cloud_high_probability", "Cloud, high probability"),
    (10, "thin_cirrus", "Thin cirrus"),
)


def write(folder: Path, season: Season) -> None:
    """Write images, parcels and STAC into the folder; `collection.json` comes last."""
    items = [_write_image(folder, image) for image in season.images]
    parcels = folder / "parcels.geojson"
    parcels.write_text(json.dumps(parcel_features(season.landscape), separators=(",", ":")) + "\n", "utf-8")
    stac.write(folder / "collection.json", _collection(items, parcels))


def parcel_features(landscape: Landscape) -> Document:
    """Give the whole parcels as GeoJSON with the properties `id` and `crop`."""
    from rasterio.warp import transform

    features = []
    for parcel in landscape.parcels:
        columns = (parcel.left, parcel.left, parcel.right, parcel.right)
        rows = (parcel.top, parcel.bottom, parcel.bottom, parcel.top)
        east, north = [WEST + column * PIXEL for column in columns], [NORTH - row * PIXEL for row in rows]
        longitudes, latitudes = transform(f"EPSG:{EPSG}", "EPSG:4326", east, north)
        ring = [[round(lon, 7), round(lat, 7)] for lon, lat in zip(longitudes, latitudes, strict=True)]
        features.append(
            {
                "type": "Feature",
                "id": parcel.id,
                "geometry": {"type": "Polygon", "coordinates": [[*ring, ring[0]]]},
                "properties": {"id": parcel.id, "crop": parcel.cover.name.lower()},
            }
        )
    return {"type": "FeatureCollection", "features": features}


def _write_image(folder: Path, image: Image) -> Document:
    place = folder / image.id
    assets = {}
    for name in BANDS:
        raster.write(place / f"{name}.tif", image.bands[name], name=name, nodata=NODATA, scale=SCALE, offset=OFFSET)
        assets[name] = stac.asset(place / f"{name}.tif", f"Surface reflectance, {name}", **_band(name))
    raster.write(place / "SCL.tif", image.classes, name="SCL", nodata=SceneClass.NODATA, categories=True)
    assets["SCL"] = stac.asset(place / "SCL.tif", "Scene classification", **_scene_classes())
    document = stac.item(
        image.id,
        ID,
        times=[image.time],
        assets=assets,
        properties={
            "constellation": "sentinel-2",
            "platform": "simulated",
            "instruments": ["msi"],
            "gsd": PIXEL,
            "eo:cloud_cover": image.cloud_cover,
        },
        extensions=[stac.EO, stac.RASTER, stac.CLASSIFICATION],
    )
    stac.write(place / f"{image.id}.json", document)
    return document


def _band(name: str) -> Document:
    common, centre, width = _BAND_FACTS[name]
    return {
        "data_type": "uint16",
        "nodata": NODATA,
        "unit": "1",
        "raster:scale": SCALE,
        "raster:offset": OFFSET,
        "raster:spatial_resolution": PIXEL,
        "bands": [
            {
                "name": name,
                "eo:common_name": common,
                "eo:center_wavelength": centre,
                "eo:full_width_half_max": width,
            }
        ],
    }


def _scene_classes() -> Document:
    return {
        "data_type": "uint8",
        "nodata": SceneClass.NODATA,
        "raster:spatial_resolution": PIXEL,
        "bands": [{"name": "SCL"}],
        "classification:classes": [
            {"value": value, "name": name, "description": text} for value, name, text in _CLASSES
        ],
    }


def _collection(items: list[Document], parcels: Path) -> Document:
    kinds = {key: _item_asset(entry) for key, entry in items[0]["assets"].items()}
    grid = stac.projection(stac.WHOLE)
    west, south, east, north = grid["proj:bbox"]
    half = PIXEL / 2
    times = [entry["properties"]["datetime"] for entry in items]
    return stac.collection(
        ID,
        title=TITLE,
        description=DESCRIPTION,
        items=items,
        keywords=["Sentinel-2", "surface reflectance", "simulated", "time series"],
        extensions=[stac.PROJECTION, stac.FILE, stac.EO, stac.RASTER, stac.CLASSIFICATION, stac.DATACUBE],
        assets={"parcels": stac.asset(parcels, "Field parcels with their crop", roles=["metadata"])},
        item_assets=kinds,
        bands=[{"name": name, "eo:common_name": _BAND_FACTS[name][0]} for name in BANDS] + [{"name": "SCL"}],
        summaries={
            "constellation": ["sentinel-2"],
            "instruments": ["msi"],
            "gsd": [PIXEL],
            "proj:code": [f"EPSG:{EPSG}"],
            "eo:cloud_cover": {
                "minimum": float(np.min([e["properties"]["eo:cloud_cover"] for e in items])),
                "maximum": float(np.max([e["properties"]["eo:cloud_cover"] for e in items])),
            },
        },
        **{
            "cube:dimensions": {
                "x": _axis("x", west + half, east - half),
                "y": _axis("y", south + half, north - half),
                "t": {"type": "temporal", "extent": [times[0], times[-1]], "values": times},
                "bands": {"type": "bands", "values": [*BANDS, "SCL"]},
            }
        },
    )


def _item_asset(entry: Document) -> Document:
    return {key: value for key, value in entry.items() if key not in {"href", "file:size", "file:checksum"}}


def _axis(name: str, low: float, high: float) -> Document:
    return {
        "type": "spatial",
        "axis": name,
        "extent": [low, high],
        "step": PIXEL,
        "reference_system": EPSG,
    }
