"""Processes that others have published: openEO workflows of the catalogue by id, and definitions by address."""

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from terrafair.catalogue.catalogue import Catalogue
from terrafair.errors import InvalidInput, NotFound, TerrafairError
from terrafair.workflows.content import decode, load
from terrafair.workflows.openeo import process_of
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import WorkflowType

KEPT_SECONDS = 300.0

Definition = Mapping[str, Any]


@dataclass(slots=True)
class Published:
    """Remembers for some minutes what it has read."""

    catalogue: Catalogue
    resolver: Resolver
    table: Callable[[], list[dict[str, Any]]]
    """The verdicts on everything that the catalogue holds."""
    _read: dict[str, tuple[float, Definition]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def workflow(self, id: str) -> Definition:  # noqa: A002 - the field's word
        """The process of an openEO workflow or experiment, by its id or by that with underscores.

        Raises `NotFound`, or `InvalidInput` where the workflow is none of openEO.
        """
        return self._kept(f"{self.catalogue.commit} {id}", lambda: self._workflow(*self._id(id)))

    def at(self, address: str) -> Definition:
        """The process at an address; raises `NotFound`, `Unreachable`, `Refused` or `InvalidInput`."""
        return self._kept(address, lambda: _process(self.resolver.document(address), address))

    def listing(self) -> list[dict[str, str]]:
        """Id and title of each openEO workflow."""
        rows = (row for row in self.table() if row["kind"] == "workflow" and row["type"] == WorkflowType.OPENEO.value)
        return [{"id": word(row["id"]), "summary": row["title"]} for row in rows]

    def _id(self, id: str) -> tuple[str, str]:  # noqa: A002
        """Id and kind as the catalogue writes them."""
        kinds = ("workflow", "experiment")
        for kind in kinds:
            if self.catalogue.record(kind, id) is not None:
                return id, kind
        for kind in kinds:
            for record in self.catalogue.records(kind):
                if word(record.id) == word(id):
                    return record.id, kind
        return id, "workflow"

    def _workflow(self, id: str, kind: str) -> Definition:  # noqa: A002
        found = self.resolver.resolve(id, kind)
        if found.application is None:
            raise NotFound(f"The process graph of {id} cannot be read.", *(str(reason) for reason in found.reasons[:1]))
        if found.type is not WorkflowType.OPENEO:
            raise InvalidInput(f"{id} is a workflow of {found.type.value}, not of openEO.", code="process-unsupported")
        definition = {**_process(found.application.content, id), "id": word(id)}
        definition.setdefault("summary", found.title)
        return definition

    def _kept(self, key: str, read: Callable[[], Definition]) -> Definition:
        with self._lock:
            made, definition = self._read.get(key, (0.0, {}))
        if definition and time.monotonic() - made < KEPT_SECONDS:
            return definition
        definition = read()
        with self._lock:
            if len(self._read) > 1000:
                self._read.clear()
            self._read[key] = (time.monotonic(), definition)
        return definition


def word(id: str) -> str:  # noqa: A002
    """An id as the name of a process, which has letters, digits and underscores only."""
    return "".join(letter if letter.isalnum() or letter == "_" else "_" for letter in id)


def _process(content: bytes, where: str) -> dict[str, Any]:
    try:
        document = load(decode(content), where)
        process = process_of(document) if isinstance(document, Mapping) else None
    except TerrafairError as fault:
        raise InvalidInput(f"{where} holds no process: {fault}", code="process-unsupported") from None
    if process is None or not isinstance(process.get("process_graph"), Mapping):
        raise InvalidInput(f"{where} holds no process.", code="process-unsupported")
    # Only JSON travels on: YAML could hold values that it does not know.
    return dict(json.loads(json.dumps(dict(process), default=str)))
