"""How many of each thing there are, by state: publications and workspaces; and what types of jobs there are."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading
from terrafair.execution import builtin
from terrafair.publishing.publication import State as Publication
from terrafair.publishing.store import TABLE as PUBLICATIONS
from terrafair.workflows.workflow import WorkflowType
from terrafair.workspaces.store import TABLE as WORKSPACES
from terrafair.workspaces.workspace import State as Workspace

TYPES = tuple(dict.fromkeys((*(entry.value for entry in WorkflowType), builtin.KIND, builtin.BUILD, "other")))
"""Types of jobs: those of workflows, the platform's own processes, builds; `other` ended before theirs was known."""


@dataclass(frozen=True, slots=True)
class Things:
    """Asked by prometheus_client at each scrape; a value that is in no list counts nowhere."""

    engine: sa.Engine

    def collect(self) -> Iterator[Any]:
        """Metric families."""
        from prometheus_client.core import GaugeMetricFamily as Gauge

        with reading(self.engine) as connection:
            kept = {table.name: _by_state(connection, table) for table in (PUBLICATIONS, WORKSPACES)}
        publications = Gauge("terrafair_publications", "Publications that are kept, by state.", labels=["state"])
        for state in Publication:
            publications.add_metric([state.value], kept["publications"][state.value])
        yield publications
        workspaces = Gauge("terrafair_workspaces", "Workspaces that are kept, by state.", labels=["state"])
        for each in Workspace:
            workspaces.add_metric([each.value], kept["workspaces"][each.value])
        yield workspaces


def type_of(type: str, request: str) -> str:  # noqa: A002 - the field's word
    """What a job counts as, from its row: one of `TYPES`."""
    if type in TYPES:
        return type
    try:
        kind = json.loads(request).get("kind")
    except (ValueError, AttributeError):
        kind = ""
    return kind if kind in {builtin.KIND, builtin.BUILD} else "other"


def _by_state(connection: sa.Connection, table: Any) -> Counter[str]:
    query = sa.select(table.c.state, sa.func.count().label("count")).group_by(table.c.state)
    return Counter({row.state: row.count for row in connection.execute(query)})
