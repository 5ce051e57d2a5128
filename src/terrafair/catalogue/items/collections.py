"""The collections of a store as an index of their own, so that they are searched as items are."""

import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import orjson

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.search import ItemStore, Page, Search, Stored
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.errors import InvalidInput

ALL = "collections"
_COLLECTION: dict[str, Any] = {
    "type": "Collection",
    "id": ALL,
    "stac_version": "1.1.0",
    "description": "Every collection as an item.",
    "license": "other",
    "extent": {"spatial": {"bbox": [[-180, -90, 180, 90]]}, "temporal": {"interval": [[None, None]]}},
}
_FIRST, _LAST = "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"


@dataclass(frozen=True, slots=True)
class _Snapshot:
    version: str
    index: SqliteItems
    by_id: Mapping[str, Stored]


class Collections:
    """Search over the collections of a store, made anew whenever one changes."""

    def __init__(self, store: ItemStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._snapshot: _Snapshot | None = None

    def get(self, id: str) -> Stored | None:  # noqa: A002 - the field's word
        """One collection."""
        return self._current().by_id.get(id)

    def all(self) -> Sequence[Stored]:
        """All, by id."""
        return list(self._current().by_id.values())

    def search(self, search: Search) -> Page:
        """A page of collections; `search.collections` restricts by id."""
        snapshot = self._current()
        found = snapshot.index.search(search)
        return Page(tuple(snapshot.by_id[entry.id] for entry in found.items), found.matched, found.next, found.previous)

    def _current(self) -> _Snapshot:
        version = self._store.version()
        snapshot = self._snapshot
        if snapshot is None or snapshot.version != version:
            with self._lock:
                if self._snapshot is None or self._snapshot.version != version:
                    self._snapshot = self._read(version)
                snapshot = self._snapshot
        return snapshot

    def _read(self, version: str) -> _Snapshot:
        index = SqliteItems()
        index.put_collection(_COLLECTION)
        found = {entry.id: entry for entry in self._store.collections()}
        for entry in found.values():
            # One that other tools stored wrongly is shown, and is not found by place and time.
            with suppress(InvalidInput, LookupError, TypeError, ValueError):
                index.put_items(ALL, [_as_item(entry)])
        return _Snapshot(version, index, found)


def _as_item(entry: Stored) -> dict[str, Any]:
    """A collection as an item: its fields are the properties, its extent the place and time."""
    document = orjson.loads(entry.head)
    start, end = _interval(document)
    properties = {name: value for name, value in document.items() if name not in {"extent", "assets", "item_assets"}}
    properties |= {"start_datetime": start, "end_datetime": end}
    return {
        "type": "Feature",
        "id": entry.id,
        "collection": ALL,
        "geometry": _geometry(document),
        "properties": properties,
    }


def _interval(document: Mapping[str, Any]) -> tuple[str, str]:
    start, end = (document["extent"]["temporal"]["interval"][0] + [None, None])[:2]
    first, last = instants.lenient(start), instants.lenient(end)
    sides = (_FIRST if first is None else instants.text(first)), (_LAST if last is None else instants.text(last))
    return sides if sides[0] <= sides[1] else (_FIRST, _LAST)


def _geometry(document: Mapping[str, Any]) -> dict[str, Any] | None:
    boxes = document["extent"]["spatial"]["bbox"]
    polygons = []
    # With several, the first is the whole and the others its parts.
    for box in boxes[1:] or boxes:
        flat = box if len(box) == 4 else [box[0], box[1], box[3], box[4]]
        if not all(isinstance(value, int | float) for value in flat):
            continue
        west, south, east, north = (max(-360.0, min(360.0, value)) for value in flat)
        halves = [(west, east)] if west <= east else [(west, 180), (-180, east)]
        polygons += [[[[a, south], [b, south], [b, north], [a, north], [a, south]]] for a, b in halves]
    if not polygons:
        return None
    return (
        {"type": "MultiPolygon", "coordinates": polygons}
        if len(polygons) > 1
        else {"type": "Polygon", "coordinates": polygons[0]}
    )
