"""Bulk loads that go on where they were stopped."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from terrafair.catalogue.items import files
from terrafair.catalogue.items.search import ItemStore
from terrafair.errors import InvalidInput

BATCH = 2_000
FAULTS_SHOWN = 100

Progress = Callable[[int], None]
Document = dict[str, Any]


@dataclass
class Report:
    """What a load did."""

    items: int = 0
    collections: list[str] = field(default_factory=list)
    skipped: int = 0
    """Documents that an earlier, stopped load of the same file had stored."""
    faults: list[str] = field(default_factory=list)
    """Why documents were left out; the first hundred."""
    refused: int = 0

    def document(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "items": self.items,
            "collections": self.collections,
            "skipped": self.skipped,
            "refused": self.refused,
            "faults": self.faults,
        }


class Loader:
    """Loads files into a store; `states` remembers how far each came."""

    def __init__(self, store: ItemStore, states: Path, batch: int = BATCH) -> None:
        self._store = store
        self._states = states
        self._batch = batch

    def load(self, path: Path, collection: str = "", progress: Progress | None = None) -> Report:
        """Store every document; items of a collection that is not there get one that says what they show.

        Raises `NotFound` or `InvalidInput` for a file that cannot be read; single documents that are wrong are told in
        the report.
        """
        report = Report()
        state = self._states / (_fingerprint(path) + ".json")
        report.skipped = done = _done(state)
        documents = files.read(path)
        for _ in islice(documents, done):
            pass
        for batch in files.batches(documents, self._batch):
            self._store_batch(batch, collection, report)
            done += len(batch)
            # After the batch: a crash between the two stores it again, which changes nothing.
            self._states.mkdir(parents=True, exist_ok=True)
            state.write_text(json.dumps({"done": done}))
            if progress is not None:
                progress(done)
        state.unlink(missing_ok=True)
        optimise = getattr(self._store, "optimise", None)
        if optimise is not None and report.items >= BATCH:
            optimise()
        return report

    def _store_batch(self, batch: list[Document], collection: str, report: Report) -> None:
        groups: dict[str, list[Document]] = {}
        for document in batch:
            if document.get("type") == "Collection":
                self._attempt(report, partial(self._keep, document, report))
            else:
                groups.setdefault(collection or str(document.get("collection") or ""), []).append(document)
        for name, items in groups.items():
            if not name:
                report.refused += len(items)
                report.faults.append(f"{len(items)} items name no collection: give one with --collection.")
                continue
            if self._store.collection(name) is None:
                self._keep(_skeleton(name, items), report)
            given = [{**item, "collection": name} for item in items]
            try:
                report.items += self._store.put_items(name, given)
            except InvalidInput:
                for item in given:  # find the wrong ones
                    self._attempt(report, partial(self._one, name, item, report))

    def _keep(self, document: Document, report: Report) -> None:
        report.collections.append(self._store.put_collection(document))

    def _one(self, name: str, item: Document, report: Report) -> None:
        report.items += self._store.put_items(name, [item])

    def _attempt(self, report: Report, call: Callable[[], None]) -> None:
        try:
            call()
        except InvalidInput as fault:
            report.refused += 1
            if len(report.faults) < FAULTS_SHOWN:
                report.faults.append(str(fault))


def _skeleton(name: str, items: list[Document]) -> Document:
    """A collection for items that come without one; its extent is the first batch's."""
    boxes = [box for item in items if isinstance(box := item.get("bbox"), list) and len(box) == 4]
    whole = [
        *map(min, zip(*[box[:2] for box in boxes], strict=True)),
        *map(max, zip(*[box[2:] for box in boxes], strict=True)),
    ]
    times = sorted(
        str(moment)
        for item in items
        if isinstance(about := item.get("properties"), dict)
        and (moment := about.get("datetime") or about.get("start_datetime"))
    )
    return {
        "type": "Collection",
        "stac_version": "1.1.0",
        "id": name,
        "description": f"Items of {name}.",
        "license": "other",
        "extent": {
            "spatial": {"bbox": [whole if boxes else [-180, -90, 180, 90]]},
            "temporal": {"interval": [[times[0] if times else None, None]]},
        },
        "links": [],
    }


def _fingerprint(path: Path) -> str:
    """Names a file in its present state: a load does not go on in a file that has changed."""
    try:
        about = path.stat()
    except OSError:
        return "absent"
    parts = f"{path.resolve()}|{about.st_size}|{about.st_mtime_ns}"
    return hashlib.sha256(parts.encode()).hexdigest()[:24]


def _done(state: Path) -> int:
    try:
        return int(json.loads(state.read_text("utf-8"))["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0
