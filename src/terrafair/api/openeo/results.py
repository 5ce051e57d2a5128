"""What batch jobs left, as STAC with links that open without a token until their time is over."""

import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from terrafair.api.openeo.asking import Document
from terrafair.api.openeo.batch import BatchJob
from terrafair.api.openeo.shelf import Kept
from terrafair.api.openeo.signing import SECONDS, Signer
from terrafair.data.objects import ObjectStore
from terrafair.errors import NotFound
from terrafair.execution.job import Job

COLLECTION = "collection.json"
RESULT_STATUS = {"created": "running", "queued": "running", "running": "running", "finished": "finished",
                 "error": "error", "canceled": "canceled"}  # fmt: skip
_WORLD = [-180.0, -90.0, 180.0, 90.0]


@dataclass(frozen=True, slots=True)
class JobResults:
    """Reads results out of the object store."""

    objects: ObjectStore
    signer: Signer

    def collection(self, batch: BatchJob, base: str) -> Document:
        """The STAC Collection over a job's results with absolute, signed links; without any assets before its end."""
        folder = self._folder(batch, base)
        stored = self._stored(batch.job, COLLECTION)
        document = stored or _empty(batch)
        document["title"] = batch.submission.title or document.get("title") or batch.id
        document["id"] = batch.id
        document["openeo:status"] = RESULT_STATUS[batch.status]
        document["expires"] = self._expires()
        document["links"] = [
            *(_absolute(link, f"{folder}/") for link in document.get("links", ()) if link.get("rel") not in _OWN),
            {"rel": "canonical", "type": "application/json", "href": f"{folder}/{COLLECTION}"},
            {"rel": "self", "type": "application/json", "href": f"{base}/jobs/{batch.id}/results"},
        ]
        document["assets"] = dict(self._assets(batch, folder, document))
        return document

    def item(self, batch: BatchJob, base: str) -> Document:
        """The same as one GeoJSON feature, for callers that ask for it."""
        whole = self.collection(batch, base)
        box = whole["extent"]["spatial"]["bbox"][0]
        start, end = whole["extent"]["temporal"]["interval"][0]
        times = {"datetime": None, "start_datetime": start, "end_datetime": end} if start and end else {}
        west, south, east, north = box if len(box) == 4 else (box[0], box[1], box[3], box[4])
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        properties = {"title": whole["title"], "openeo:status": whole["openeo:status"], "expires": whole["expires"]}
        properties |= times or {"datetime": batch.kept.created}
        return {
            "type": "Feature",
            "stac_version": whole["stac_version"],
            "stac_extensions": whole.get("stac_extensions", []),
            "id": batch.id,
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [west, south, east, north],
            "properties": properties,
            "links": whole["links"],
            "assets": whole["assets"],
        }

    def key(self, batch: BatchJob, name: str) -> str:
        """Where a file of the results lies; raises `NotFound`."""
        if batch.job is None or not batch.job.results.prefix:
            raise NotFound(f"The job {batch.id} has no results.")
        return f"{batch.job.results.prefix.rstrip('/')}/{name}"

    def _folder(self, batch: BatchJob, base: str) -> str:
        return f"{base}/results/{batch.id}/{self.signer.sign(thing(batch.kept))}"

    def _assets(self, batch: BatchJob, folder: str, document: Mapping[str, Any]) -> Iterator[tuple[str, Document]]:
        """The collection's own and those of all items, as the API demands for old clients; each by its file's name."""
        taken: set[str] = set()
        for place, assets in self._described(batch, document):
            for key, asset in assets.items():
                name = posixpath.basename(str(asset.get("href", "")).rstrip("/")) or key
                name = name if name not in taken else f"{key}-{name}"
                taken.add(name)
                yield name, _absolute(asset, f"{folder}/{place}")

    def _described(self, batch: BatchJob, document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        yield "", document.get("assets") or {}
        job = batch.job
        for key in job.results.items if job else ():
            item = self._read(key)
            if item:
                yield "items/", item.get("assets") or {}

    def _stored(self, job: Job | None, name: str) -> Document | None:
        return self._read(f"{job.results.prefix.rstrip('/')}/{name}") if job and job.results.collection else None

    def _read(self, key: str) -> Document | None:
        try:
            document: Document = json.loads(self.objects.get(key))
        except NotFound:
            return None
        return document

    def _expires(self) -> str:
        moment = datetime.fromtimestamp(self.signer.now() + SECONDS, UTC)
        return moment.isoformat(timespec="seconds").replace("+00:00", "Z")


def thing(kept: Kept) -> str:
    """What a link gives access to: the files of this run, not of a later one."""
    return f"results {kept.id} {kept.document.get('job')}"


_OWN = frozenset({"self", "root", "parent", "canonical"})


def _absolute(thing: Mapping[str, Any], place: str) -> Document:
    href = str(thing.get("href", ""))
    if "://" in href:
        return dict(thing)
    scheme, _, path = place.partition("://")
    # normpath would swallow one of the two slashes of a scheme.
    return {**thing, "href": f"{scheme}://{posixpath.normpath(posixpath.join(path, href))}"}


def _empty(batch: BatchJob) -> Document:
    """What can be said before there is a result."""
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "stac_extensions": [],
        "id": batch.id,
        "description": batch.submission.description or "Results of a batch job.",
        "license": "other",
        "extent": {"spatial": {"bbox": [_WORLD]}, "temporal": {"interval": [[batch.kept.created, None]]}},
        "links": [],
    }
