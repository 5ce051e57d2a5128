"""STAC 1.0 items in the terms of STAC 1.1: bands are one list, projection and raster fields have their new names."""

from collections.abc import Mapping
from typing import Any

_COMMON = frozenset({"name", "description", "nodata", "data_type", "statistics", "unit"})
"""Fields of a band that need no prefix any more."""
_OF_EO = frozenset({"common_name", "center_wavelength", "full_width_half_max", "solar_illumination"})
_OLD_FILE = ("file:bits_per_sample", "file:data_type", "file:nodata", "file:unit", "file:byte_order")
_RENEWED = ("projection", "raster", "eo", "file")
"""Extensions whose fields are written in their newest version here; what an item declares of them says no more."""


def modern(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item as STAC 1.1 writes it; fields that are nobody's stay as they are."""
    found = dict(item)
    urls = found.get("stac_extensions")
    found["stac_extensions"] = [
        url
        for url in (urls if isinstance(urls, list) else ())
        if isinstance(url, str) and not any(f"stac-extensions.github.io/{name}/" in url for name in _RENEWED)
    ]
    found["properties"] = _projected(found["properties"])
    assets = found.get("assets")
    found["assets"] = {
        str(key): _asset(asset)
        for key, asset in (assets.items() if isinstance(assets, Mapping) else ())
        if isinstance(asset, Mapping)
    }
    return found


def _projected(fields: Mapping[str, Any]) -> dict[str, Any]:
    """`proj:epsg` is the `proj:code` of one authority."""
    found = dict(fields)
    if "proj:epsg" in found:
        number = found.pop("proj:epsg")
        found.setdefault("proj:code", f"EPSG:{number}" if type(number) is int else None)
    return found


def _asset(asset: Mapping[str, Any]) -> dict[str, Any]:
    found = _projected(asset)
    for name in _OLD_FILE:
        found.pop(name, None)
    lists = [_bands(found.pop(f"{prefix}:bands", None), prefix) for prefix in ("eo", "raster")]
    if "bands" not in found and any(lists):
        length = max(map(len, lists))
        padded = ([*bands, *({} for _ in range(length - len(bands)))] for bands in lists)
        found["bands"] = [{**eo, **raster} for eo, raster in zip(*padded, strict=True)]
    return found


def _bands(bands: Any, prefix: str) -> list[dict[str, Any]]:
    """Bands of one extension with the names that their fields have now."""
    if not isinstance(bands, list):
        return []
    return [
        {_renamed(name, prefix): value for name, value in (band.items() if isinstance(band, Mapping) else ())}
        for band in bands
    ]


def _renamed(name: str, prefix: str) -> str:
    if name in _COMMON or ":" in name:
        return name
    return f"eo:{name}" if name in _OF_EO else f"{prefix}:{name}"
