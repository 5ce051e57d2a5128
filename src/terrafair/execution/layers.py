"""Vector results and job footprints as layers of features, for `/features`."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import structlog

from terrafair.catalogue.items import instants
from terrafair.catalogue.items.documents import Entry, dump, parse_geometry, shape_for_index
from terrafair.catalogue.items.files import batches
from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.data.features import SUFFIXES
from terrafair.errors import InvalidInput, TerrafairError
from terrafair.execution.job import Job, Results
from terrafair.execution.program import Program
from terrafair.execution.sandbox import Sandbox

FOOTPRINTS = "job-footprints"
BATCH = 2_000


class Layers:
    """Writes layers into a store of their own."""

    def __init__(self, store: SqliteItems, sandbox: Sandbox) -> None:
        self._store = store
        self._sandbox = sandbox

    def put(self, job: Job, results: Results, outputs: Path, work: Path) -> int:
        """Show a job's vector files; gives how many features."""
        return vectors(job, results, outputs, work, self._sandbox, self.read)

    def read(self, job: Job, answer: Path) -> int:
        """Layers from the child's answer."""
        count, known = 0, set()
        for batch in batches(_lines(answer), BATCH):
            groups: dict[str, list[Entry]] = {}
            for line in batch:
                layer = layer_id(job.id, line["layer"])
                if "fault" in line:
                    structlog.get_logger().warning("layers.refused", job=job.id, reason=line["fault"][:500])
                    continue
                try:
                    groups.setdefault(layer, []).append(_entry(layer, line["feature"], _moment(job)))
                except InvalidInput as fault:
                    structlog.get_logger().warning("layers.feature", job=job.id, reason=str(fault)[:300])
                if layer not in known:
                    known.add(layer)
                    about = f"{line['layer']} of {job.request.subject}, made by job {job.id}."
                    self._store.put_collection(_about(layer, line["layer"], about, job))
            for layer, entries in groups.items():
                count += self._store.put_entries(layer, entries)
        return count

    def footprint(self, job: Job, collection: dict[str, Any]) -> None:
        """One feature for a job."""
        if self._store.collection(FOOTPRINTS) is None:
            about = "Where the results of this platform's jobs lie."
            self._store.put_collection(_about(FOOTPRINTS, "Job footprints", about, None))
        west, south, east, north = collection["extent"]["spatial"]["bbox"][0][:4]
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        properties = {
            "job": job.id,
            "subject": job.request.subject,
            "title": collection.get("title", ""),
            "type": job.type,
            "created": job.created,
            "started": job.started,
            "collection": collection["id"],
        }
        feature = {"id": job.id, "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": properties}
        self._store.put_entries(FOOTPRINTS, [_entry(FOOTPRINTS, feature, _moment(job))])


def vectors(
    job: Job, results: Results, outputs: Path, work: Path, sandbox: Sandbox, take: Callable[[Job, Path], int]
) -> int:
    """Read a job's vector files in a process of their own, and let `take` have the answer; gives how many features.

    What cannot be shown is told in the log; the result is stored and sound either way.
    """
    try:
        files = {asset.name: outputs / asset.name for asset in results.assets}
        found = [(path, name) for name, path in files.items() if path.suffix in SUFFIXES and path.is_file()]
        if not found:
            return 0
        program = Program("terrafair.data.features_child", "the reading of vector results", sandbox)
        return take(job, program.run(work, {"files": [[str(path), name] for path, name in found]}, (outputs,)))
    except (TerrafairError, OSError, ValueError, KeyError, TypeError) as fault:
        structlog.get_logger().warning("layers.refused", job=job.id, reason=str(fault)[:500])
        return 0


def layer_id(job: str, name: str) -> str:
    """The id of a layer: the job and the file, as far as a path may hold it."""
    return f"{job}-{re.sub(r'[^A-Za-z0-9_.-]+', '-', name)}"[:200]


def _moment(job: Job) -> int:
    found = instants.lenient(job.created)
    return 0 if found is None else found


def _entry(layer: str, feature: dict[str, Any], moment: int) -> Entry:
    place = feature.get("geometry")
    geometry = None if place is None else parse_geometry(place, str(feature["id"]))
    return Entry(
        collection=layer,
        id=str(feature["id"]),
        start=moment,
        finish=moment,
        bounds=None if geometry is None else geometry.bounds,
        shape=shape_for_index(geometry),
        head=dump({"type": "Feature", "id": feature["id"], "geometry": place}),
        properties=dump(feature.get("properties") or {}),
        links=b"[]",
    )


def _about(layer: str, title: str, description: str, job: Job | None) -> dict[str, Any]:
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": layer,
        "title": title,
        "description": description,
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [[job.created if job else None, None]]},
        },
        "links": [],
    }


def _lines(answer: Path) -> Iterator[dict[str, Any]]:
    with answer.open("rb") as file:
        for line in file:
            yield orjson.loads(line)
