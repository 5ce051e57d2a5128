"""What one document of the Open Science Catalog says, as values; the document itself is never changed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from terrafair.errors import InvalidInput


class Kind(StrEnum):
    """The seven kinds of entity, the items below products, and the lists that hold them together."""

    PRODUCT = "product"
    PROJECT = "project"
    WORKFLOW = "workflow"
    EXPERIMENT = "experiment"
    VARIABLE = "variable"
    MISSION = "mission"
    THEME = "theme"
    ITEM = "item"
    CATALOG = "catalog"


ENTITIES = tuple(Kind)[:7]
FOLDERS = {
    "products": Kind.PRODUCT,
    "projects": Kind.PROJECT,
    "workflows": Kind.WORKFLOW,
    "experiments": Kind.EXPERIMENT,
    "variables": Kind.VARIABLE,
    "eo-missions": Kind.MISSION,
    "themes": Kind.THEME,
}
FACETS = {Kind.THEME, Kind.VARIABLE, Kind.MISSION, Kind.PROJECT}

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west > east crosses the antimeridian."""


@dataclass(frozen=True, slots=True)
class Key:
    """What names a document: ids repeat across kinds and parents (11 do in the real catalogue)."""

    kind: Kind
    parent: str
    id: str


@dataclass(frozen=True, slots=True)
class Record:
    """One document, read."""

    key: Key
    path: str
    """In the repository, e.g. `products/x/collection.json`."""
    document: dict[str, Any]
    """As published; treat as read-only."""
    title: str = ""
    description: str = ""
    keywords: tuple[str, ...] = ()
    links_to: frozenset[tuple[Kind, str]] = frozenset()
    """Themes, variables, missions and projects that it names, by property or by link."""
    boxes: tuple[Box, ...] = ()
    start: str = ""
    """RFC 3339 in UTC; empty: open."""
    end: str = ""
    dated: bool = False
    """Whether it says anything about time."""
    stale: bool = field(default=False, compare=False)
    """An earlier good version is shown, since the newest cannot be read."""

    @property
    def id(self) -> str:
        """The id, unique only within kind and parent."""
        return self.key.id

    @property
    def kind(self) -> Kind:
        """The kind."""
        return self.key.kind


def key_of(path: str, identifier: str) -> Key:
    """The key of the document at a path of the repository."""
    parts = PurePosixPath(path).parts
    kind = FOLDERS.get(parts[0]) if len(parts) > 1 else None
    if kind is None or len(parts) == 2:
        return Key(Kind.CATALOG, "/".join(parts[:-1]), identifier)
    if parts[-1] in {"collection.json", "catalog.json", "record.json"}:
        return Key(kind, "/".join(parts[1:-2]), identifier)
    return Key(Kind.ITEM, "/".join(parts[1:-1]), identifier)


def read(path: str, document: Any) -> Record:
    """A record from a parsed document.

    Raises `InvalidInput` when it has not even the shape that an index needs; anything finer is for the validator.
    """
    if not isinstance(document, dict):
        raise InvalidInput(
            f"It is a JSON {type(document).__name__}, not an object.",
            remedy="Write one STAC or record object.",
            where=path,
        )
    identifier = document.get("id")
    if not isinstance(identifier, str) or not identifier.strip():
        raise InvalidInput(f"Its `id` is {identifier!r}.", "Every document has a text as id.", "Give it one.", path)
    properties = document.get("properties")
    about = properties if isinstance(properties, dict) else {}
    start, end, dated = _interval(document, about)
    key = key_of(path, identifier)
    return Record(
        key=key,
        path=path,
        document=document,
        title=_text(document.get("title")) or _text(about.get("title")),
        description=_text(document.get("description")) or _text(about.get("description")),
        keywords=tuple(_texts(document.get("keywords")) or _texts(about.get("keywords"))),
        links_to=frozenset(_links_to(key, document, about)),
        boxes=tuple(_boxes(document)),
        start=start,
        end=end,
        dated=dated,
    )


def links(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The well-formed links of a document."""
    found = document.get("links")
    for link in found if isinstance(found, list) else ():
        if isinstance(link, dict) and isinstance(link.get("href"), str):
            yield link


def data_reference(record: Record) -> str:
    """Where a machine finds a product's data: the first link to STAC outside of the catalogue; empty: nowhere."""
    own = next((link["href"] for link in links(record.document) if link.get("rel") == "self"), "")
    catalogue = _ENTITY.sub("", own) if entity_of(own) else ""
    for link in links(record.document):
        media_type = str(link.get("type", ""))
        readable = "json" in media_type or link["href"].endswith(".json")
        # Data may lie below a folder `products/ID` too: only the catalogue's own address makes a link an inner one.
        inner = bool(catalogue) and link["href"].startswith(catalogue) and entity_of(link["href"]) is not None
        outside = re.match(r"(s3|https?)://", link["href"]) and not inner
        if link.get("rel") in {"child", "item", "items", "via", "data", "enclosure"} and readable and outside:
            return str(link["href"])
    return ""


_ENTITY = re.compile(
    r"(?:^|/)(products|projects|workflows|experiments|variables|eo-missions|themes)/([^/]+)"
    r"/(?:catalog|collection|record)\.json$"
)


def entity_of(href: str) -> tuple[Kind, str] | None:
    """Kind and id of the entity that a link inside the catalogue leads to."""
    found = _ENTITY.search(href)
    return (FOLDERS[found[1]], found[2]) if found else None


def _links_to(key: Key, document: dict[str, Any], about: dict[str, Any]) -> Iterator[tuple[Kind, str]]:
    for source in (document, about):
        for name, kind in (("osc:variables", Kind.VARIABLE), ("osc:missions", Kind.MISSION)):
            yield from ((kind, value) for value in _texts(source.get(name)))
        if project := _text(source.get("osc:project")):
            yield Kind.PROJECT, project
        for theme in source.get("themes") or () if isinstance(source.get("themes"), list) else ():
            concepts = theme.get("concepts") if isinstance(theme, dict) else None
            for concept in concepts if isinstance(concepts, list) else ():
                if isinstance(concept, dict) and _text(concept.get("id")):
                    yield Kind.THEME, concept["id"]
    # Variables, missions and themes link to everything that uses them: not what they are about.
    wanted = FACETS - {key.kind} if key.kind not in FACETS - {Kind.PROJECT} else {Kind.THEME} - {key.kind}
    for link in links(document):
        entity = entity_of(link["href"])
        if entity and entity[0] in wanted:
            yield entity


PARTS_LIMIT = 500
"""A record with more boxes is looked for by the whole alone."""


def _boxes(document: dict[str, Any]) -> list[Box]:
    extent = document.get("extent")
    spatial = extent.get("spatial") if isinstance(extent, dict) else None
    found = spatial.get("bbox") if isinstance(spatial, dict) else None
    candidates = found if isinstance(found, list) else [document.get("bbox")]
    boxes = [box for box in map(_box, candidates) if box is not None]
    if not boxes and (around := _around(document.get("geometry"))) is not None:
        boxes = [around]
    # With several, the first is the whole and the others its parts.
    return boxes[1:] if 1 < len(boxes) <= PARTS_LIMIT else boxes[:1]


def _box(value: Any) -> Box | None:
    numbers = value if isinstance(value, list) else []
    if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
        return None
    if len(numbers) == 6:
        numbers = [numbers[0], numbers[1], numbers[3], numbers[4]]
    if len(numbers) != 4 or not all(abs(number) <= 360 for number in numbers):
        return None
    west, south, east, north = (float(number) for number in numbers)
    if east - west >= 360:
        west, east = -180.0, 180.0
    # Some count eastwards from 0 to 360.
    west, east = (value - 360 if value > 180 else value + 360 if value < -180 else value for value in (west, east))
    return west, min(south, north), east, max(south, north)


def _around(geometry: Any) -> Box | None:
    points: list[tuple[float, float]] = []
    todo = [geometry]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            todo += [part.get("coordinates"), part.get("geometries")]
        elif isinstance(part, list) and len(part) >= 2 and all(isinstance(value, int | float) for value in part[:2]):
            points.append((part[0], part[1]))
        elif isinstance(part, list):
            todo += part
    if not points:
        return None
    return _box([min(x for x, _ in points), min(y for _, y in points), *map(max, zip(*points, strict=True))])


def _interval(document: dict[str, Any], about: dict[str, Any]) -> tuple[str, str, bool]:
    extent = document.get("extent")
    temporal = extent.get("temporal") if isinstance(extent, dict) else None
    intervals = temporal.get("interval") if isinstance(temporal, dict) else None
    time = document.get("time") or about.get("time")
    if isinstance(intervals, list) and intervals and isinstance(intervals[0], list) and len(intervals[0]) == 2:
        sides = intervals[0]
    elif about.get("start_datetime") or about.get("end_datetime"):
        sides = [about.get("start_datetime"), about.get("end_datetime")]
    elif about.get("datetime"):
        sides = [about["datetime"], about["datetime"]]
    elif isinstance(time, dict) and isinstance(time.get("interval"), list):
        sides = (time["interval"] + [None, None])[:2]
    elif isinstance(time, dict) and (moment := time.get("timestamp") or time.get("date")):
        sides = [moment, moment]
    else:
        return "", "", False
    return _instant(sides[0]), _instant(sides[1]), True


def _instant(value: Any) -> str:
    if not isinstance(value, str) or value in {"", ".."}:
        return ""
    try:
        moment = datetime.fromisoformat(value.strip())
        return utc(moment)
    except (ValueError, OverflowError):
        return ""


def utc(moment: datetime) -> str:
    """A moment as RFC 3339 in UTC, to the second, so that texts sort as times do; naive ones count as UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z"


def _text(value: Any) -> str:
    return value.strip() if isinstance(value, str) else ""


def _texts(value: Any) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []
