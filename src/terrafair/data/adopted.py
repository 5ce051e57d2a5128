"""The STAC items that a workflow wrote itself, with their assets as files of the results."""

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from terrafair.data.classify import read_json
from terrafair.data.geojson import around, boxes_of, in_degrees
from terrafair.data.moments import parse, text
from terrafair.data.versions import modern
from terrafair.errors import Problem

_GEOMETRIES = {"Point", "MultiPoint", "LineString", "MultiLineString", "Polygon", "MultiPolygon"}
_TIMES = ("datetime", "start_datetime", "end_datetime")
_ELSEWHERE = frozenset({"http", "https", "s3", "gs", "az", "abfs", "ftp"})
"""Schemes of assets that need not be among the results."""
_STRUCTURE = frozenset({"self", "root", "parent", "collection", "item", "items", "child", "alternate"})
"""Links that say where a document stands: it stands elsewhere now."""


@dataclass(frozen=True, slots=True)
class Adopted:
    """One item."""

    id: str
    document: Mapping[str, Any]
    """As the workflow wrote it, brought to STAC 1.1; what cannot be meant is left out."""
    assets: Mapping[str, str] = field(default_factory=dict)
    """Asset key -> path relative to the results' folder, of those that lie in it."""


def adopt(folder: Path, documents: Sequence[str], remarks: list[Problem]) -> list[Adopted]:
    """Every well-formed item in the named STAC documents, item collections included; ids are made unique."""
    found: list[Adopted] = []
    used: set[str] = set()
    for name in documents:
        document = read_json(folder / name)
        features = document.get("features") if document.get("type") == "FeatureCollection" else [document]
        for feature in features if isinstance(features, list) else ():
            if not isinstance(feature, Mapping) or feature.get("type") != "Feature":
                continue
            if not isinstance(feature.get("id"), str) or not isinstance(feature.get("properties"), Mapping):
                remarks.append(Problem(f"{name} holds an item without id or properties.", where=name, code="item-odd"))
                continue
            identifier = file_safe(feature["id"])
            if identifier in used:
                identifier = f"{identifier}-{len(found) + 1}"
            used.add(identifier)
            inside, elsewhere = _assets(feature, folder, name, remarks)
            sound = {**_sound(modern(feature), name, remarks), "elsewhere": elsewhere, "links": list(_links(feature))}
            found.append(Adopted(identifier, sound, inside))
    return found


def file_safe(identifier: str) -> str:
    """An id that can be a file's name: no slashes or control characters, at most 200 bytes."""
    plain = "".join("-" if letter in '/\\:*?"<>|' or not letter.isprintable() else letter for letter in identifier)
    return plain.encode("utf-8", "replace")[:200].decode("utf-8", "ignore").strip() or "item"


def _assets(
    feature: Mapping[str, Any], folder: Path, name: str, remarks: list[Problem]
) -> tuple[dict[str, str], dict[str, Any]]:
    """Those in the folder by their path, and those elsewhere as they are."""
    inside: dict[str, str] = {}
    elsewhere: dict[str, Any] = {}
    assets = feature.get("assets")
    for key, asset in assets.items() if isinstance(assets, Mapping) else ():
        href = asset.get("href") if isinstance(asset, Mapping) else None
        path = _inside(href, folder, name) if isinstance(href, str) else None
        if path is not None and (folder / path).exists():
            inside[str(key)] = path
        elif isinstance(href, str) and _scheme(href) in _ELSEWHERE:
            elsewhere[str(key)] = dict(asset)
        else:
            what = f"The asset {key!r} of {feature['id']} is not among the results."
            remarks.append(Problem(what, f"Its href is {str(href)[:200]!r}.", where=name, code="asset-missing"))
    return inside, elsewhere


def _scheme(href: str) -> str:
    """Of an absolute URL; empty for a relative one and for what is none."""
    try:
        return urlsplit(href).scheme
    except ValueError:
        return ""


def _inside(href: str, folder: Path, name: str) -> str | None:
    """The path of an href relative to the folder; None where it leads out."""
    try:
        parts = urlsplit(href)
    except ValueError:
        return None
    if parts.scheme not in {"", "file"} or "\0" in href:
        return None
    path = unquote(parts.path)
    if path.startswith("/"):
        plain = posixpath.normpath(path)
        return Path(plain).relative_to(folder).as_posix() if Path(plain).is_relative_to(folder) else None
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
    return None if joined == ".." or joined.startswith("../") else joined


def _links(feature: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The links that lead to something outside, as `derived_from` and `license` do."""
    links = feature.get("links")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, Mapping) or not isinstance(link.get("href"), str):
            continue
        if isinstance(link.get("rel"), str) and link["rel"] not in _STRUCTURE and _scheme(link["href"]):
            yield dict(link)


def _sound(item: dict[str, Any], name: str, remarks: list[Problem]) -> dict[str, Any]:
    """The item without a place or a time that cannot be meant."""
    found = dict(item)
    if (geometry := found.pop("geometry", None)) is not None:
        box = found.pop("bbox", None)
        boxes = list(boxes_of(geometry))
        if isinstance(geometry, Mapping) and geometry.get("type") in _GEOMETRIES and boxes and in_degrees(boxes):
            around_it = around(boxes)
            found["geometry"] = dict(geometry)
            found["bbox"] = box if _is_box(box) else list(around_it.bbox) if around_it else None
        else:
            what = f"The geometry of {item['id']} is not in degrees, or is none."
            remarks.append(
                Problem(what, "The place that the files themselves tell is used.", where=name, code="item-odd")
            )
    else:
        found.pop("bbox", None)
    properties = dict(found["properties"])
    said = [moment for key in _TIMES if (moment := properties.pop(key, None)) is not None]
    if times := _times(item["properties"]):
        properties |= times
    elif said:
        what = f"The time of {item['id']} cannot be read: {str(said[0])[:100]!r}."
        remarks.append(Problem(what, "STAC writes times as RFC 3339 does.", where=name, code="item-odd"))
    found["properties"] = properties
    return found


def _times(properties: Mapping[str, Any]) -> dict[str, str | None]:
    """The times in one spelling; empty where they do not suffice."""
    single, start, end = (parse(properties.get(key)) for key in _TIMES)
    if start and end and start <= end:
        span: dict[str, str | None] = {"start_datetime": text(start), "end_datetime": text(end)}
        return {"datetime": text(single) if single else None, **span}
    return {"datetime": text(single)} if single else {}


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) not in {4, 6} or not all(type(each) in {int, float} for each in box):
        return False
    half = len(box) // 2
    (west, south), (east, north) = box[:2], box[half : half + 2]
    return bool(-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180)
