"""Results of jobs in the item store, so that they are found and loaded as all other data are."""

from collections.abc import Mapping
from typing import Any, Protocol
from urllib.parse import quote, urlsplit

import orjson
import structlog

from terrafair.catalogue.items.products import RESULT
from terrafair.catalogue.items.search import ItemStore
from terrafair.data.objects import ObjectStore
from terrafair.errors import TerrafairError
from terrafair.execution.job import Job, Results

HERE = "terrafair:///"
"""Stands in stored links for the platform's own address, which only a request knows."""


class Footprints(Protocol):
    """Takes where a job's result lies."""

    def footprint(self, job: Job, collection: dict[str, Any]) -> None:
        """One feature for a job."""


class Shelf:
    """Puts what jobs stored on the shelf, and takes it off."""

    def __init__(self, objects: ObjectStore, items: ItemStore, layers: Footprints | None = None) -> None:
        self._objects = objects
        self._items = items
        self._layers = layers

    def put(self, job: Job, results: Results) -> bool:
        """Show a job's collection and items; False when there are none or they cannot be shown (the log says why).

        The result itself is stored and sound either way.
        """
        if not results.collection:
            return False
        try:
            self.ingest(job, results)
        except (TerrafairError, ValueError, KeyError, TypeError) as fault:
            structlog.get_logger().warning("shelf.refused", job=job.id, reason=str(fault)[:500])
            return False
        return True

    def ingest(self, job: Job, results: Results) -> None:
        """The same; raises what is wrong."""
        collection = self._read(results.collection, job.id)
        address = f"{HERE}api/jobs/{job.id}"
        collection["links"] += [
            {"rel": "canonical", "href": f"{address}/results", "type": "application/json", "title": RESULT},
            {"rel": "via", "href": address, "type": "application/json", "title": "The job that made it"},
        ]
        name = self._items.put_collection(collection)
        if self._layers is not None:
            self._layers.footprint(job, collection)
        items = [{**self._read(key, job.id), "collection": name} for key in results.items]
        if items:
            self._items.put_items(name, items)

    def _read(self, key: str, job: str) -> dict[str, Any]:
        document: dict[str, Any] = orjson.loads(self._objects.get(key))
        folder = key.removeprefix(f"jobs/{job}/").rpartition("/")[0]
        own = [link for link in document.get("links", []) if link.get("rel") not in {"item", "items"}]
        document["links"] = [_placed(link, job, folder) for link in own]
        document["assets"] = {name: _placed(asset, job, folder) for name, asset in document.get("assets", {}).items()}
        return document


def _placed(thing: Mapping[str, Any], job: str, folder: str) -> dict[str, Any]:
    """A link or asset whose relative address leads to the job's files over HTTP."""
    href = thing["href"]
    if urlsplit(href).scheme:
        return dict(thing)
    parts: list[str] = folder.split("/") if folder else []
    for part in href.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return {**thing, "href": f"{HERE}api/jobs/{job}/files/{quote('/'.join(parts))}"}
