"""Layers of features that jobs on other hosts made: their worker sends them, the platform puts them among its own.

Below `layers/JOB/` lie `footprint.json` and `features.jsonl` until the platform has taken them: only one process may
write the store of layers, and it lies in the platform's home folder.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import structlog

from terrafair.data.objects import ObjectStore
from terrafair.errors import NotFound
from terrafair.execution.job import Job, Results
from terrafair.execution.layers import Layers, vectors
from terrafair.execution.sandbox import Sandbox

PREFIX = "layers"
FOOTPRINT, FEATURES = "footprint.json", "features.jsonl"


class Sender:
    """The worker's side; what `Layers` is where the store is at hand."""

    def __init__(self, objects: ObjectStore, sandbox: Sandbox) -> None:
        self._objects, self._sandbox = objects, sandbox

    def put(self, job: Job, results: Results, outputs: Path, work: Path) -> int:
        """Send a job's vector files as features; gives how many lines."""
        return vectors(job, results, outputs, work, self._sandbox, self._send)

    def _send(self, job: Job, answer: Path) -> int:
        self._objects.put_file(f"{PREFIX}/{job.id}/{FEATURES}", answer)
        with answer.open("rb") as lines:
            return sum(1 for _ in lines)

    def footprint(self, job: Job, collection: dict[str, Any]) -> None:
        """Send what the job's footprint is made of."""
        about = {name: collection[name] for name in ("id", "title", "extent") if name in collection}
        self._objects.put(f"{PREFIX}/{job.id}/{FOOTPRINT}", orjson.dumps(about))


class Collector:
    """The platform's side."""

    def __init__(self, objects: ObjectStore, layers: Layers, job: Callable[[str], Job]) -> None:
        """`job` raises `NotFound` for one that was deleted."""
        self._objects, self._layers, self._job = objects, layers, job

    def turn(self) -> None:
        """Take what lies there; what was taken twice is the same as once."""
        for entry in list(self._objects.list(PREFIX)):
            _, id, name = entry.key.split("/")[:3]  # noqa: A001 - the field's word
            try:
                self._take(self._job(id), entry.key, name)
            except NotFound:
                pass
            except (ValueError, KeyError, TypeError) as fault:
                structlog.get_logger().warning("layers.refused", job=id, reason=str(fault)[:500])
            self._objects.delete(entry.key)

    def _take(self, job: Job, key: str, name: str) -> None:
        if name == FOOTPRINT:
            self._layers.footprint(job, orjson.loads(self._objects.get(key)))
        elif name == FEATURES:
            with tempfile.TemporaryDirectory() as folder:
                self._objects.get_file(key, Path(folder, FEATURES))
                self._layers.read(job, Path(folder, FEATURES))
