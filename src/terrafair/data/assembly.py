"""Puts what is known of files together as STAC 1.1 items and a collection."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from terrafair.data.description import DescribedFile, Order
from terrafair.data.facts import Facts, plain
from terrafair.data.footprint import shortest_interval
from terrafair.data.moments import Span, from_name, parse, text

VERSION = "1.1.0"
EXTENSIONS = {
    "proj:": "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "file:": "https://stac-extensions.github.io/file/v2.1.0/schema.json",
    "raster:": "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
    "cube:": "https://stac-extensions.github.io/datacube/v2.2.0/schema.json",
    "table:": "https://stac-extensions.github.io/table/v1.2.0/schema.json",
    "processing:": "https://stac-extensions.github.io/processing/v1.2.0/schema.json",
    "eo:": "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
}
"""Prefix of fields -> the extension that they belong to."""
_SHA256 = "1220"
"""Multihash prefix."""
_LINKS = (("root", "../collection.json"), ("parent", "../collection.json"), ("collection", "../collection.json"))
WORLD = (-180.0, -90.0, 180.0, 90.0)


def place_asset(file: DescribedFile, facts: Facts, base: str = "./outputs/") -> dict[str, Any]:
    """One asset; its href starts at the collection unless `base` says otherwise."""
    asset: dict[str, Any] = plain(
        {
            "href": base + quote(file.path),
            "type": file.media_type,
            "roles": [file.role],
            "file:size": file.size,
            "file:checksum": _SHA256 + file.sha256,
            **facts.asset,
            **({name: value for name, value in facts.properties.items() if name.startswith("table:")}),
        }
    )
    return asset


def item_of(
    order: Order,
    identifier: str,
    assets: Mapping[str, tuple[DescribedFile, Facts]],
    published: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One item; what the workflow itself has written goes before what was measured, but for sizes and checksums.

    `published` is an item as `data.adopted` gives it.
    """
    known = published or {}
    facts = [found for _, found in assets.values()]
    lying = [found.footprint for found in facts if found.footprint]
    said = known.get("properties") or {}
    projections = [dict(found.projection) for found in facts if found.projection]
    shared = all(each == projections[0] for each in projections)
    properties: dict[str, Any] = {**dict(_times(order, facts, assets)), **order.properties}
    if order.created:
        properties["created"] = order.created
    if projections and shared:
        properties |= projections[0]
    for found in facts:
        properties |= {name: value for name, value in found.properties.items() if not name.startswith("table:")}
    if any(name in said for name in ("datetime", "start_datetime")):
        for name in ("datetime", "start_datetime", "end_datetime"):
            properties.pop(name, None)
    own = known.get("assets") or {}
    # Grid and system are the file's own, whatever was written of them; a code may be known for what it does not name.
    measured = {name: value for name, value in projections[0].items() if value is not None} if projections else {}
    document = {
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": identifier,
        "geometry": known.get("geometry") or (lying[0].geometry if lying else None),
        "properties": {**properties, **said, **(measured if shared else {})},
        "collection": order.id,
        "links": [
            *({"rel": rel, "href": href, "type": "application/json"} for rel, href in _LINKS),
            *(known.get("links") or ()),
        ],
        "assets": {
            **{key: _item_asset(own.get(key) or {}, *pair, projected=not shared) for key, pair in assets.items()},
            **(known.get("elsewhere") or {}),
        },
    }
    box = known.get("bbox") or (list(lying[0].bbox) if lying else None)
    if document["geometry"] is not None and box:
        document["bbox"] = box
    document = dict(plain(document))
    document["stac_extensions"] = _extensions(document, known.get("stac_extensions") or ())
    return document


def _item_asset(own: Mapping[str, Any], file: DescribedFile, facts: Facts, *, projected: bool) -> dict[str, Any]:
    """An asset of an item: the workflow's words, the measured figures."""
    asset = {**own, **place_asset(file, facts, base="../outputs/"), **(facts.projection if projected else {})}
    roles, bands = own.get("roles"), own.get("bands")
    if isinstance(roles, list) and roles:
        asset["roles"] = roles
    measured = facts.asset.get("bands") or []
    if isinstance(bands, list) and bands:
        # The workflow knows what its bands are called; a list of another length describes something else.
        pairs = zip(measured, bands, strict=True) if len(measured) == len(bands) else ()
        asset["bands"] = [{**found, **said, **_figures(found)} for found, said in pairs] or measured or bands
    return asset


def _figures(band: Mapping[str, Any]) -> dict[str, Any]:
    return {name: band[name] for name in ("data_type", "nodata", "statistics") if name in band}


def _times(
    order: Order, facts: Sequence[Facts], assets: Mapping[str, tuple[DescribedFile, Facts]]
) -> Iterator[tuple[str, str | None]]:
    """When it applies: by the files, by their names, else by what the order says."""
    moments = [moment for found in facts if found.span for moment in (found.span.start, found.span.end)]
    names = [from_name(file.path.rpartition("/")[2]) for file, _ in assets.values()]
    span = Span.over(moments) or next((found for found in names if found), None)
    if span is None:
        start, end = parse(order.start), parse(order.end or order.start)
        made = parse(order.created) or datetime.now(UTC)
        span = Span(start, end) if start and end and start <= end else Span(made, made)
    yield from span.properties().items()


def _extensions(document: Mapping[str, Any], kept: Iterable[str] = ()) -> list[str]:
    """The extensions whose fields are there; those that were declared stay."""
    found = dict.fromkeys(kept)
    families = {url.partition("/v")[0] for url in found}
    names = set(_field_names(document))
    for prefix, url in EXTENSIONS.items():
        if any(name.startswith(prefix) for name in names) and url.partition("/v")[0] not in families:
            found[url] = None
    return sorted(found)


def _field_names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield str(name)
            if name not in {"geometry", "proj:geometry"}:
                yield from _field_names(part)
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        for part in value:
            yield from _field_names(part)


def collection(order: Order, items: Sequence[Mapping[str, Any]], assets: Mapping[str, Any]) -> dict[str, Any]:
    """The collection over all items, with the files that have no place as its own assets."""
    document: dict[str, Any] = {
        "type": "Collection",
        "stac_version": VERSION,
        "stac_extensions": [],
        "id": order.id,
        "title": order.title or order.id,
        "description": order.description or order.title or order.id,
        "license": order.licence or "other",
        "extent": {"spatial": {"bbox": _boxes(order, items)}, "temporal": {"interval": [_interval(order, items)]}},
        "links": [
            {"rel": "root", "href": "./collection.json", "type": "application/json"},
            *(
                {"rel": "item", "href": f"./items/{quote(item['id'])}.json", "type": "application/geo+json"}
                for item in items
            ),
        ],
    }
    if order.keywords:
        document["keywords"] = list(order.keywords)
    if order.providers:
        document["providers"] = [dict(provider) for provider in order.providers]
    if order.created:
        document["created"] = document["updated"] = order.created
    if assets:
        document["assets"] = dict(assets)
    if summaries := _summaries(items):
        document["summaries"] = summaries
    if len(items) == 1:
        # One cube is what the collection is about; of several, each item describes its own.
        document |= {name: value for name, value in items[0]["properties"].items() if name.startswith("cube:")}
    document = plain(document)
    document["stac_extensions"] = _extensions({**document, "summaries": {}})
    return document


def _summaries(items: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    codes = sorted({code for item in items if (code := item["properties"].get("proj:code"))})
    bands: dict[str, dict[str, Any]] = {}
    for item in items:
        for asset in item["assets"].values():
            for band in asset.get("bands") or ():
                if band.get("name"):
                    kept = {name: band[name] for name in ("name", "description", "data_type", "unit") if name in band}
                    bands.setdefault(band["name"], kept)
    found: dict[str, Any] = {}
    if codes:
        found["proj:code"] = codes
    if bands:
        found["bands"] = list(bands.values())[:200]
    return found


def _boxes(order: Order, items: Sequence[Mapping[str, Any]]) -> list[list[float]]:
    boxes = [_flat(item["bbox"]) for item in items if item.get("bbox")]
    if not boxes:
        return [list(order.bbox) if len(order.bbox) == 4 else list(WORLD)]
    west, east = shortest_interval((west, east) for west, _, east, _ in boxes)
    return [[west, min(box[1] for box in boxes), east, max(box[3] for box in boxes)]]


def _flat(box: Sequence[float]) -> tuple[float, float, float, float]:
    return (box[0], box[1], box[3], box[4]) if len(box) == 6 else (box[0], box[1], box[2], box[3])


def _interval(order: Order, items: Sequence[Mapping[str, Any]]) -> list[str | None]:
    names = ("datetime", "start_datetime", "end_datetime")
    said = [parse(item["properties"].get(name)) for item in items for name in names]
    moments = [moment for moment in said if moment]
    if moments:
        return [text(min(moments)), text(max(moments))]
    return [order.start or order.created or None, order.end or order.start or order.created or None]


def unique(pairs: Iterable[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    """The pairs with names that no other one has."""
    used: set[str] = set()
    for name, value in pairs:
        free, number = name, 2
        while free in used:
            free, number = f"{name}-{number}", number + 1
        used.add(free)
        yield free, value
