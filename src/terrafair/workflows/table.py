"""What every experiment and workflow comes down to, kept for as long as the catalogue stays the same."""

import threading
import time
from collections.abc import Callable, Mapping

from terrafair.errors import NotFound
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import Resolution

KEPT_SECONDS = 300.0
"""Documents elsewhere change without the catalogue; after this they are looked at again."""


class Table:
    """Computed once for many askers: a table over the real catalogue may wait for absent hosts."""

    def __init__(self, commit: Callable[[], str], resolver: Resolver) -> None:
        self._commit = commit
        self._resolver = resolver
        self._lock = threading.Lock()
        self._rows: dict[tuple[str, str], Resolution] = {}
        self._single: dict[tuple[str, str], tuple[str, float, Resolution]] = {}
        self._of = ("", -KEPT_SECONDS)

    def rows(self) -> Mapping[tuple[str, str], Resolution]:
        """(kind, id) -> resolution, experiments first."""
        with self._lock:
            commit = self._commit()
            if not self._fresh(*self._of, commit):
                self._rows = {(found.kind, found.id): found for found in self._resolver.table()}
                self._of = (commit, time.monotonic())
            return self._rows

    def get(self, kind: str, id: str) -> Resolution:  # noqa: A002 - the field's word
        """One of them, without computing the others; raises `NotFound`."""
        commit = self._commit()
        if self._fresh(*self._of, commit):
            if found := self._rows.get((kind, id)):
                return found
            raise NotFound(f"There is no {kind} {id[:100]!r}.", where=id[:100], code="unknown-id")
        kept = self._single.get((kind, id))
        if kept and self._fresh(kept[0], kept[1], commit):
            return kept[2]
        resolution = self._resolver.resolve(id, kind)
        if len(self._single) > 1000:
            self._single.clear()
        self._single[kind, id] = (commit, time.monotonic(), resolution)
        return resolution

    def _fresh(self, commit: str, made: float, now: str) -> bool:
        return commit == now and time.monotonic() - made < KEPT_SECONDS
