"""The platform looks at itself once a minute, and reads back what a month has brought."""

import json
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
import structlog

from terrafair.database import reading, transaction
from terrafair.events import TABLE as EVENTS
from terrafair.execution.jobs import TABLE as JOBS
from terrafair.operations.readiness import Readiness
from terrafair.operations.service_levels import MINUTE, Facts

TABLE = sa.table("probes", sa.column("minute", sa.String), sa.column("works", sa.Boolean), sa.column("says", sa.Text))
PUBLICATIONS = sa.table("publications", sa.column("id", sa.String), sa.column("created", sa.String))
SUBMITTING = ("/api/jobs", "/jobs", "/openeo/jobs")


class Probes:
    """Writes the minutes down."""

    def __init__(self, engine: sa.Engine, readiness: Readiness) -> None:
        self._engine = engine
        self._readiness = readiness
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="probes", daemon=True)

    def start(self) -> None:
        """Look now, and then every minute."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._ending.set()
        self._thread.join(5)

    def look(self, moment: datetime) -> None:
        """Keep what is seen; the first look of a minute that fails decides on it."""
        broken = [f"{part.name}: {part.says}" for part in self._readiness.parts() if not part.works]
        minute = moment.strftime(MINUTE)
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(TABLE.c.works).where(TABLE.c.minute == minute)).one_or_none()
            if row is None:
                connection.execute(
                    TABLE.insert().values(minute=minute, works=not broken, says="; ".join(broken)[:1000])
                )
            elif row.works and broken:
                change = TABLE.update().where(TABLE.c.minute == minute)
                connection.execute(change.values(works=False, says="; ".join(broken)[:1000]))

    def _run(self) -> None:
        # The workers and the object store are still on their way when the server begins to answer.
        wait = 10.0
        while not self._ending.wait(wait):
            moment = datetime.now(UTC)
            try:
                self.look(moment)
            except Exception as fault:
                # The database is away: the minute stays empty, which says the same.
                structlog.get_logger().warning("probe.failed", reason=str(fault)[:500])
            wait = 60.0 - datetime.now(UTC).second


def facts(engine: sa.Engine, start: datetime, end: datetime) -> Facts:
    """What the database holds of a month."""
    first, last = (moment.strftime(MINUTE) for moment in (start, end))
    with reading(engine) as connection:
        minutes = connection.execute(sa.select(TABLE).where(TABLE.c.minute >= first, TABLE.c.minute < last)).all()
        began = sa.and_(JOBS.c.created >= first, JOBS.c.created < last, JOBS.c.started != "")
        jobs = connection.execute(sa.select(JOBS.c.created, JOBS.c.started).where(began)).all()
        asked = connection.execute(_happened("Asked", first, last)).all()
        opened = connection.execute(_happened("PublicationMoved", first, last)).all()
        begun = {row.id: row.created for row in connection.execute(sa.select(PUBLICATIONS))}
    return Facts(
        {row.minute: bool(row.works) for row in minutes},
        [status for row in asked if (status := _submission(row.thing, row.details))],
        [_seconds(row.created, row.started) for row in jobs],
        _proposals(opened, begun),
    )


def _happened(kind: str, first: str, last: str) -> "sa.Select[tuple[str, str, str]]":
    columns = (EVENTS.c.time, EVENTS.c.thing, EVENTS.c.details)
    return sa.select(*columns).where(EVENTS.c.kind == kind, EVENTS.c.time >= first, EVENTS.c.time < last)


def _submission(path: str, details: str) -> int:
    """The status with which a request for a job was answered; 0: it was another request."""
    about = json.loads(details)
    submits = path in SUBMITTING or path.endswith("/execution")
    return int(about["status"]) if submits and about.get("method") == "POST" else 0


def _proposals(moved: Sequence[Any], begun: Mapping[str, str]) -> list[float]:
    """Seconds from a publication's beginning to the first time that its pull request was open."""
    seconds: dict[str, float] = {}
    for row in moved:
        if json.loads(row.details).get("state") == "proposed" and row.thing in begun:
            seconds.setdefault(row.thing, _seconds(begun[row.thing], row.time))
    return list(seconds.values())


def _seconds(begin: str, end: str) -> float:
    return max((datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds(), 0.0)
