"""The verdicts on all experiments, kept for as long as the catalogue stays the same."""

import threading
import time
from typing import Any

from terrafair.api.shapes import verdict
from terrafair.catalogue.catalogue import Catalogue
from terrafair.workflows.resolve import Resolver

KEPT_SECONDS = 300.0
"""Documents elsewhere change without the catalogue; after this they are looked at again."""


class Verdicts:
    """Computed once for many askers: a table over the real catalogue may wait for absent hosts."""

    def __init__(self, catalogue: Catalogue, resolver: Resolver) -> None:
        self._catalogue = catalogue
        self._resolver = resolver
        self._lock = threading.Lock()
        self._rows: list[dict[str, Any]] = []
        self._of = ("", 0.0)

    def table(self) -> list[dict[str, Any]]:
        """One row for each experiment and workflow."""
        with self._lock:
            commit, made = self._of
            if commit != self._catalogue.commit or time.monotonic() - made > KEPT_SECONDS:
                self._rows = [verdict(resolution) for resolution in self._resolver.table()]
                self._of = (self._catalogue.commit, time.monotonic())
            return self._rows
