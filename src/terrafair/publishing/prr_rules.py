"""The rules of ESA's Project Results Repository (PRR), applied before a byte moves; the stand-in applies the same.

Source: the guides for data providers of the PRR's registration interface, and its replies.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from terrafair.errors import Problem

NAME = re.compile(r"[A-Za-z0-9._-]{1,100}")
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?Z")
FILE_EXTENSION = "https://stac-extensions.github.io/file/v2.1.0/schema.json"
_SHA256 = "1220"
_THEMES = "https://github.com/stac-extensions/osc#theme"
_IMAGES = ("image/png", "image/jpeg", "image/webp")
Document = Mapping[str, Any]


def item_problems(item: Document) -> list[Problem]:
    """What the registration interface would say against an item, all at once."""
    return list(_item(item))


def collection_problems(collection: Document) -> list[Problem]:
    """What the repository's team would say against a collection, all at once."""
    return list(_collection(collection))


def delivery_problems(collection: Document, items: Iterable[Document]) -> list[Problem]:
    """Of a whole delivery; ids are unique in it, and every item names the collection."""
    found = collection_problems(collection)
    seen: set[str] = set()
    listed = list(items)
    if not listed:
        found.append(
            _problem("The delivery has no item.", "A collection holds at least one.", "collection", "no-items")
        )
    for item in listed:
        name = str(item.get("id", ""))
        found += item_problems(item)
        if name in seen:
            found.append(_problem(f"Two items have the id {name!r}.", "Ids are unique.", name, "duplicate-item"))
        seen.add(name)
        if item.get("collection") != collection.get("id"):
            what = f"The item names the collection {item.get('collection')!r}."
            found.append(_problem(what, f"It belongs to {collection.get('id')!r}.", name, "collection-differs"))
    return found


def day(item: Document) -> str:
    """`YYYY/MM/DD` of an item, the middle of its files' addresses: the day on which its data begin."""
    properties = item["properties"]
    return str(properties.get("start_datetime") or properties["datetime"])[:10].replace("-", "/")


def address(base: str, collection: str, item: Document, file: str) -> str:
    """Where the repository serves a file of an item."""
    return f"{base}/d/{collection}/{day(item)}/{item['id']}/{file}"


def _item(item: Document) -> Iterator[Problem]:
    name = item.get("id")
    where = str(name) if isinstance(name, str) else "item"
    if item.get("type") != "Feature" or not isinstance(item.get("stac_version"), str):
        yield _problem("It is no STAC Item.", "`type` is Feature, and `stac_version` is there.", where, "no-item")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield _problem(f"The id is {name!r}.", "1 to 100 of the letters A-Z a-z 0-9 . _ -.", where, "item-id")
    extensions = item.get("stac_extensions")
    if FILE_EXTENSION not in (extensions if isinstance(extensions, list) else ()):
        yield _problem("The file extension v2.1.0 is not declared.", "", where, "file-extension")
    yield from _times(item, where)
    assets = item.get("assets")
    if not isinstance(assets, Mapping) or not assets:
        yield _problem("The item has no asset.", "An item holds at least one file.", where, "no-assets")
        return
    yield from _assets(assets, where)


def _times(item: Document, where: str) -> Iterator[Problem]:
    properties = item.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    times: dict[str, datetime] = {}
    for field in ("start_datetime", "end_datetime", "datetime"):
        value = properties.get(field)
        if value is None and field == "datetime":
            continue
        try:
            if not isinstance(value, str) or not INSTANT.fullmatch(value):
                raise ValueError
            times[field] = datetime.fromisoformat(value)
        except ValueError:
            yield _problem(f"{field} is {value!r}.", "It is written YYYY-MM-DDTHH:MM:SSZ.", where, "item-time")
    if {"start_datetime", "end_datetime"} <= set(times) and times["start_datetime"] > times["end_datetime"]:
        yield _problem("The item ends before it starts.", "", where, "item-time")


def _assets(assets: Document, where: str) -> Iterator[Problem]:
    files: dict[str, str] = {}
    roles: set[str] = set()
    for key, asset in assets.items():
        place = f"{where}/assets/{key}"
        if not isinstance(asset, Mapping):
            yield _problem("The asset is no object.", "", place, "asset-form")
            continue
        href = asset.get("href")
        if not isinstance(href, str) or not href:
            yield _problem(f"The href is {href!r}.", "Every asset has one.", place, "asset-href")
        else:
            file = href.split("?", maxsplit=1)[0].rpartition("/")[2]
            if not NAME.fullmatch(file):
                yield _problem(
                    f"The file is named {file!r}.", "1 to 100 of the letters A-Z a-z 0-9 . _ -.", place, "file-name"
                )
            if file in files:
                what = f"The assets {files[file]!r} and {key!r} have the same file name {file!r}."
                yield _problem(what, "All files of an item lie in one folder.", place, "file-name")
            files[file] = str(key)
        if not isinstance(asset.get("type"), str) or "/" not in str(asset.get("type")):
            yield _problem(f"The type is {asset.get('type')!r}.", "Every asset has a media type.", place, "asset-type")
        own = asset.get("roles")
        if not isinstance(own, list) or not own or not all(isinstance(role, str) for role in own):
            yield _problem(f"The roles are {own!r}.", "Every asset has at least one.", place, "asset-roles")
        else:
            roles |= set(own)
        yield from _size(asset, place)
    if not roles & {"data", "documentation"}:
        yield _problem("No asset has the role data or documentation.", "", where, "no-data")


def _size(asset: Document, place: str) -> Iterator[Problem]:
    size = asset.get("file:size")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        yield _problem(f"file:size is {size!r}.", "It is the number of bytes, an integer.", place, "asset-size")
    checksum = asset.get("file:checksum")
    if checksum is not None and not re.fullmatch(f"{_SHA256}[0-9a-f]{{64}}", str(checksum)):
        yield _problem(f"file:checksum is {checksum!r}.", "It is a SHA2-256 multihash.", place, "asset-checksum")


_TEXTS = {
    "title": "title",
    "description": "description",
    "license": "licence",
    "osc:project": "project",
    "osc:initiative": "initiative",
    "osc:contract-number": "contract number",
}
_LISTS = {"osc:variables": "variables", "osc:missions": "missions", "cf:parameter": "CF parameters"}


def _collection(collection: Document) -> Iterator[Problem]:
    where = "collection"
    name = collection.get("id")
    if collection.get("type") != "Collection" or not isinstance(collection.get("stac_version"), str):
        yield _problem("It is no STAC Collection.", "", where, "no-collection")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        yield _problem(f"The id is {name!r}.", "1 to 100 of the letters A-Z a-z 0-9 . _ -.", where, "collection-id")
    for field, word in _TEXTS.items():
        if not isinstance(collection.get(field), str) or not str(collection[field]).strip():
            yield _problem(f"The {word} is missing.", f"`{field}` is a text.", where, f"collection-{field}")
    for field, word in _LISTS.items():
        if not isinstance(collection.get(field), list) or not collection[field]:
            yield _problem(f"The {word} are missing.", f"`{field}` lists at least one.", where, f"collection-{field}")
    yield from _moment(collection, where)
    yield from _extent(collection.get("extent"), where)
    themes = collection.get("themes")
    if not isinstance(themes, list) or not any(
        isinstance(theme, Mapping) and theme.get("scheme") == _THEMES and theme.get("concepts") for theme in themes
    ):
        yield _problem("The themes are missing.", "`themes` names concepts of the OSC's scheme.", where, "themes")
    assets = collection.get("assets")
    thumbnails = [
        asset
        for asset in (assets.values() if isinstance(assets, Mapping) else ())
        if isinstance(asset, Mapping) and "thumbnail" in (asset.get("roles") or ())
    ]
    if not any(str(asset.get("type", "")).startswith(_IMAGES) and asset.get("href") for asset in thumbnails):
        yield _problem("There is no thumbnail.", "An image asset with the role thumbnail.", where, "thumbnail")


def _moment(collection: Document, where: str) -> Iterator[Problem]:
    value = collection.get("processing:datetime")
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        what = f"processing:datetime is {value!r}."
        yield _problem(what, "It is written YYYY-MM-DDTHH:MM:SSZ.", where, "processing-datetime")


def _extent(extent: Any, where: str) -> Iterator[Problem]:
    extent = extent if isinstance(extent, Mapping) else {}
    boxes = (extent.get("spatial") or {}).get("bbox")
    box = boxes[0] if isinstance(boxes, list) and boxes else None
    right = isinstance(box, list) and len(box) in {4, 6} and all(isinstance(n, int | float) for n in box)
    if not right:
        yield _problem(f"The spatial extent is {box!r}.", "West, south, east, north in degrees.", where, "extent")
    intervals = (extent.get("temporal") or {}).get("interval")
    interval = intervals[0] if isinstance(intervals, list) and intervals else None
    if not isinstance(interval, list) or len(interval) != 2 or not isinstance(interval[0], str):
        yield _problem(f"The temporal extent is {interval!r}.", "Start and end.", where, "extent")


def _problem(what: str, why: str, where: str, code: str) -> Problem:
    return Problem(what, why, where=where, code=f"prr-{code}")
