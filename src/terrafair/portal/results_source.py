"""What the view of results asks, answered by the runs and by the painters in the sandbox."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

from terrafair.errors import NotFound

Document = dict[str, Any]


class Stream(Protocol):
    """The bytes of a file as they come."""

    @property
    def chunks(self) -> Iterable[bytes]:
        """In order."""
        ...


class Runs(Protocol):
    """The runs of the platform; `api.runs.Runs` is one."""

    def get(self, id: str) -> Document:  # noqa: A002
        """One job."""
        ...

    def results(self, id: str, base: str) -> Document:  # noqa: A002
        """Its results."""
        ...

    def file(self, id: str, name: str) -> Stream:  # noqa: A002
        """One file of them."""
        ...

    def located(self, id: str, name: str) -> tuple[str, str]:  # noqa: A002
        """Object key and checksum of one file."""
        ...


class Answer(Protocol):
    """What a painter gives."""

    @property
    def content(self) -> bytes:
        """Here JSON."""
        ...


class JobResults:
    """Implements `results_view.Source`."""

    def __init__(self, runs: Runs, paint: Callable[[str, Mapping[str, Any]], Answer]) -> None:
        self._runs = runs
        self._paint = paint

    def job(self, id: str) -> Document:  # noqa: A002
        """One job; raises `NotFound`."""
        return self._runs.get(id)

    def results(self, id: str) -> Document | None:  # noqa: A002
        """What it made, once it has."""
        try:
            return self._runs.results(id, "")
        except NotFound:
            return None

    def content(self, id: str, name: str, limit: int) -> bytes:  # noqa: A002
        """The beginning of a file that the platform itself has written."""
        found = bytearray()
        for chunk in self._runs.file(id, name).chunks:
            found += chunk
            if len(found) >= limit:
                break
        return bytes(found[:limit])

    def ask(self, id: str, name: str, order: Mapping[str, Any]) -> Document:  # noqa: A002
        """What the sandbox finds in a file."""
        key, _ = self._runs.located(id, name)
        document: Document = json.loads(self._paint(key, order).content)
        return document
