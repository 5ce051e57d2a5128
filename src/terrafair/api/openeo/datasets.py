"""The collections that graphs can load: products whose data machines can find, and the platform's own datasets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.records import Record, data_reference
from terrafair.data.objects import ObjectStore
from terrafair.errors import TerrafairError

DATASETS = "datasets"
"""Each folder below it in the object store that has a `collection.json` is a collection."""
_WORLD = [-180.0, -90.0, 180.0, 90.0]
_DATA_FIELDS = ("cube:dimensions", "cube:variables", "summaries", "item_assets", "bands", "providers", "keywords")
_SIMPLE = ("stac_version", "type", "id", "title", "description", "license", "keywords", "extent", "links")

Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Datasets:
    """Reads catalogue and object store anew for each question."""

    catalogue: Catalogue
    objects: ObjectStore

    def reference(self, id: str) -> str | None:  # noqa: A002 - the field's word
        """Where the STAC of a collection's data lies; None: there is no such collection."""
        record = self._product(id)
        if record and (found := data_reference(record)):
            return found
        return self.objects.url(self._key(id)) if self._own(id) is not None else None

    def ids(self) -> list[str]:
        """All, sorted."""
        products = {record.id for record in self.catalogue.records("product") if data_reference(record)}
        return sorted(products | set(self._folders()))

    def find(self, id: str) -> Document | None:  # noqa: A002
        """The whole STAC collection with `cube:dimensions`; None: there is no such collection."""
        record = self._product(id)
        if record is None or not (reference := data_reference(record)):
            own = self._own(id)
            return None if own is None else _completed(own)
        key = self.objects.key_of(reference)
        data = self._read(key) if key else None
        found = _of_record(record, reference)
        found |= {name: data[name] for name in _DATA_FIELDS if data and name in data}
        return _completed(found)

    def measured(self, id: str) -> Document | None:  # noqa: A002
        """The same without dimensions that are guessed from the extent: nothing follows from what is not in them."""
        found = self.find(id)
        return found if found is None or self._is_described(id) else {**found, "cube:dimensions": {}}

    def listed(self, ids: list[str]) -> Iterator[Document]:
        """The short form of some."""
        for each in ids:
            record = self._product(each)
            reference = data_reference(record) if record else ""
            found = _of_record(record, reference) if record and reference else self._own(each)
            if found is not None:
                whole = _completed(found)
                yield {name: whole[name] for name in _SIMPLE if name in whole}

    def _is_described(self, id: str) -> bool:  # noqa: A002
        reference = self.reference(id)
        key = self.objects.key_of(reference) if reference else None
        return bool(((self._read(key) if key else None) or {}).get("cube:dimensions"))

    def _product(self, id: str) -> Record | None:  # noqa: A002
        # Catalogues write ids with hyphens, graphs often with underscores and in capitals.
        return self.catalogue.record("product", id) or self.catalogue.record("product", id.lower().replace("_", "-"))

    def _folders(self) -> Iterator[str]:
        for stored in self.objects.list(f"{DATASETS}/"):
            parts = stored.key.split("/")
            if len(parts) == 3 and parts[2] == "collection.json":
                yield parts[1]

    def _key(self, id: str) -> str:  # noqa: A002
        return f"{DATASETS}/{id}/collection.json"

    def _own(self, id: str) -> Document | None:  # noqa: A002
        return self._read(self._key(id)) if id and "/" not in id and id not in {".", ".."} else None

    def _read(self, key: str) -> Document | None:
        try:
            document = json.loads(self.objects.get(key))
        except (TerrafairError, ValueError):
            return None
        return document if isinstance(document, dict) else None


def _of_record(record: Record, reference: str) -> Document:
    """A product's record as a collection of data."""
    document = {name: value for name, value in record.document.items() if name in {*_SIMPLE, *_DATA_FIELDS}}
    document["id"] = record.id
    document["links"] = [*(record.document.get("links") or []), {"rel": "items", "href": reference}]
    if record.boxes:
        document["extent"] = {"spatial": {"bbox": [list(box) for box in record.boxes]}}
    document.setdefault("extent", {})
    document["extent"] = {**document["extent"], "temporal": {"interval": [[record.start or None, record.end or None]]}}
    return document


def _completed(document: Mapping[str, Any]) -> Document:
    """With everything that openEO requires of a collection, and absolute links only."""
    extent = document.get("extent") or {}
    boxes = [box for box in (extent.get("spatial") or {}).get("bbox") or () if len(box) in {4, 6}] or [_WORLD]
    intervals = (extent.get("temporal") or {}).get("interval") or [[None, None]]
    whole = {
        **document,
        "type": "Collection",
        "stac_version": str(document.get("stac_version") or "1.0.0"),
        "stac_extensions": [each for each in document.get("stac_extensions") or () if isinstance(each, str)],
        "description": document.get("description") or document.get("title") or document["id"],
        "license": document.get("license") or "other",
        "extent": {"spatial": {"bbox": boxes}, "temporal": {"interval": intervals}},
        "links": [link for link in document.get("links") or () if _is_link(link)],
    }
    # Assets have addresses of their own, relative to a place that readers of this document do not know.
    whole.pop("assets", None)
    if not isinstance(whole.get("cube:dimensions"), Mapping):
        whole["cube:dimensions"] = _dimensions(boxes[0], intervals[0], document)
    whole.setdefault("summaries", {})
    return whole


def _dimensions(box: list[float], interval: list[str | None], document: Mapping[str, Any]) -> Document:
    count = len(box) // 2
    found: Document = {
        "x": {"type": "spatial", "axis": "x", "extent": [box[0], box[count]], "reference_system": 4326},
        "y": {"type": "spatial", "axis": "y", "extent": [box[1], box[count + 1]], "reference_system": 4326},
        "t": {"type": "temporal", "extent": list(interval)},
    }
    bands = [str(band["name"]) for band in document.get("bands") or () if isinstance(band, Mapping) and "name" in band]
    return {**found, "bands": {"type": "bands", "values": bands}} if bands else found


def _is_link(link: Any) -> bool:
    if not isinstance(link, Mapping) or not isinstance(link.get("href"), str) or not isinstance(link.get("rel"), str):
        return False
    return "://" in link["href"] and link["rel"] not in {"self", "root", "parent"}
