"""The platform's state as metrics, read when it is scraped: every process gives the same answer."""

import shutil
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading
from terrafair.execution.job import ENDED, State
from terrafair.execution.jobs import TABLE as JOBS
from terrafair.operations.readiness import Readiness
from terrafair.operations.things import TYPES, Things, type_of

LATE_SECONDS = 120.0
"""How long after its end a job may be written and be counted all the same."""
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
        self._ended: Counter[tuple[str, str]] = Counter()
        self._last, self._seen = "", dict[str, str]()

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
        yield from Things(self._engine).collect()

    def _jobs(self) -> Iterator[Any]:
        from prometheus_client.core import CounterMetricFamily as Counts
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
            run.add_metric([name], durations.buckets(), durations.total)
        yield run
        ended = Counts("terrafair_jobs_ended", "Jobs that have ended, by type and how.", labels=["type", "state"])
        for kind in TYPES:
            for how in sorted(ENDED):
                ended.add_metric([kind, how.value], self._ended[kind, how.value])
        yield ended
        waited = Histogram("terrafair_job_wait_seconds", "From the acceptance of a job to its start.")
        waited.add_metric([], self._waited.buckets(), self._waited.total)
        yield waited

    def _grow(self, connection: sa.Connection) -> None:
        """Add what has finished since the last scrape.

        Jobs are not written in the order of their ends: transactions wait for each other, and hosts' clocks differ.
        """
        since = _earlier(self._last, LATE_SECONDS)
        self._seen = {job: finished for job, finished in self._seen.items() if finished >= since}
        # Requests are long, and tell something new only of jobs that have no type of their own.
        request = sa.case((JOBS.c.type == "", JOBS.c.request), else_="").label("request")
        columns = (JOBS.c.id, JOBS.c.type, JOBS.c.state, JOBS.c.created, JOBS.c.started, JOBS.c.finished, request)
        query = sa.select(*columns).where(JOBS.c.state.in_(ENDED), JOBS.c.finished >= since, JOBS.c.finished != "")
        for row in connection.execute(query.order_by(JOBS.c.finished)):
            if row.id in self._seen:
                continue
            self._seen[row.id] = row.finished
            self._last = max(self._last, row.finished)
            kind = type_of(row.type, row.request)
            self._ended[kind, row.state] += 1
            if row.started:
                self._run[kind].add(_between(row.started, row.finished))
                self._waited.add(_between(row.created, row.started))


def _earlier(moment: str, seconds: float) -> str:
    """So much before an instant, as the database has instants; empty: before all."""
    if not moment:
        return ""
    earlier = datetime.fromisoformat(moment) - timedelta(seconds=seconds)
    return earlier.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _between(begin: str, end: str) -> float:
    """Seconds between two instants in RFC 3339; never negative, as clocks jump."""
    return max((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 0.0)
