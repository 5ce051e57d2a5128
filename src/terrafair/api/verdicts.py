"""The verdicts on all experiments."""

from typing import Any

from terrafair.api.shapes import verdict
from terrafair.workflows.table import Table


class Verdicts:
    """One row for each experiment and workflow."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def table(self) -> list[dict[str, Any]]:
        """The rows, experiments first."""
        return [verdict(resolution) for resolution in self._table.rows().values()]
