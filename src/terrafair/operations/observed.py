"""The platform's state as metrics, read when it is scraped: every process gives the same answer."""

import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading
from terrafair.execution.job import ENDED, State
from terrafair.execution.jobs import TABLE as JOBS
from terrafair.operations.readiness import Readiness
from terrafair.workflows.workflow import WorkflowType

TYPES = (*(entry.value for entry in WorkflowType), "")
SECONDS = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)


@dataclass
class Durations:
    """A histogram that grows by what is newly finished."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def buckets(self) -> list[tuple[str, float]]:
        """Cumulative, as Prometheus has them."""
        sums, so_far = [], 0
        for bound, count in zip((*map(str, SECONDS), "+Inf"), self.counts, strict=True):
            so_far += count
            sums.append((bound, float(so_far)))
        return sums


class Observed:
    """Asked by prometheus_client at each scrape."""

    def __init__(
        self, engine: sa.Engine, catalogue: Callable[[], int], readiness: Readiness, home: Path, version: str
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._readiness = readiness
        self._home = home
        self._version = version
        self._run: dict[str, Durations] = {name: Durations() for name in TYPES}
        self._waited = Durations()
        self._last, self._seen = "", frozenset[str]()

    def collect(self) -> Iterator[Any]:
        """Metric families."""
        from prometheus_client.core import GaugeMetricFamily as Gauge
        from prometheus_client.core import InfoMetricFamily as Info

        yield Info("terrafair_build", "What runs here.", {"version": self._version})
        up = Gauge("terrafair_up", "Whether a part answers.", labels=["part"])
        for part in self._readiness.parts():
            up.add_metric([part.name], float(part.works))
        yield up
        yield Gauge("terrafair_catalogue_documents", "Documents in the index.", self._catalogue())
        yield Gauge("terrafair_disk_free_bytes", "Free on the home folder's disk.", shutil.disk_usage(self._home).free)
        yield from self._jobs()

    def _jobs(self) -> Iterator[Any]:
        from prometheus_client.core import GaugeMetricFamily as Gauge
        from prometheus_client.core import HistogramMetricFamily as Histogram

        with reading(self._engine) as connection:
            query = sa.select(JOBS.c.state, sa.func.count().label("count")).group_by(JOBS.c.state)
            states = Counter({row.state: row.count for row in connection.execute(query)})
            waiting = sa.select(sa.func.min(JOBS.c.created)).where(JOBS.c.state == State.ACCEPTED)
            oldest = connection.execute(waiting).scalar()
            self._grow(connection)
        jobs = Gauge("terrafair_jobs", "Jobs that are kept, by state.", labels=["state"])
        for state in State:
            jobs.add_metric([state], states[state])
        yield jobs
        age = _between(oldest, datetime.now(UTC).isoformat()) if oldest else 0.0
        yield Gauge("terrafair_queue_oldest_seconds", "How long the job that waits longest has waited.", age)
        run = Histogram("terrafair_job_seconds", "From the start of a job to its end.", labels=["type"])
        for name, durations in self._run.items():
            run.add_metric([name or "other"], durations.buckets(), durations.total)
        yield run
        waited = Histogram("terrafair_job_wait_seconds", "From the acceptance of a job to its start.")
        waited.add_metric([], self._waited.buckets(), self._waited.total)
        yield waited

    def _grow(self, connection: sa.Connection) -> None:
        """Add what has finished since the last scrape; several jobs may finish in one millisecond."""
        columns = (JOBS.c.id, JOBS.c.type, JOBS.c.created, JOBS.c.started, JOBS.c.finished)
        query = sa.select(*columns).where(JOBS.c.state.in_(ENDED), JOBS.c.finished >= self._last, JOBS.c.finished != "")
        for row in connection.execute(query.order_by(JOBS.c.finished)):
            if row.id in self._seen:
                continue
            self._seen = (self._seen if row.finished == self._last else frozenset()) | {row.id}
            self._last = row.finished
            if row.started:
                self._run.get(row.type, self._run[""]).add(_between(row.started, row.finished))
                self._waited.add(_between(row.created, row.started))


def _between(begin: str, end: str) -> float:
    """Seconds between two instants in RFC 3339; never negative, as clocks jump."""
    return max((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 0.0)
