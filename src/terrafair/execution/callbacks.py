"""Calls back to those who subscribed to a job: kept with the job, made once it gets there, tried again if need be."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import TerrafairError

TABLE = sa.table(
    "callbacks",
    *(sa.column(name, sa.String) for name in ("job", "moment", "uri", "state")),
    *(sa.column(name, sa.Integer) for name in ("number", "attempts")),
    sa.column("due", sa.Float),
)
JOBS = sa.table("jobs", sa.column("id", sa.String), sa.column("state", sa.String))
MOMENTS = {"inProgressUri": "running", "successUri": "successful", "failedUri": "failed"}
"""Member of an OGC `subscriber` -> the state of the job that it waits for."""
ATTEMPTS = 6
PAUSE_SECONDS = 2.0
"""Before the second attempt; doubled before each further one."""
POLL_SECONDS = 0.25
PAST = {
    "running": ("running", "successful", "failed"),
    "successful": ("successful",),
    "failed": ("failed", "dismissed"),
}


class Post(Protocol):
    """Sends a document to an address that a person gave."""

    def post(self, url: str, content: bytes, media_type: str) -> None:
        """Raises `TerrafairError` when it was not taken."""
        ...


def subscribe(connection: sa.Connection, job: str, subscriber: Mapping[str, str]) -> None:
    """Note within the transaction that accepts a job whom to call, and when."""
    rows = [
        {"job": job, "moment": moment, "uri": subscriber[name], "state": "waiting", "attempts": 0, "due": 0.0}
        for name, moment in MOMENTS.items()
        if subscriber.get(name)
    ]
    if rows:
        connection.execute(TABLE.insert(), rows)


class Callbacks:
    """Makes the calls; one for each platform, since each call is made once."""

    def __init__(self, engine: sa.Engine, web: Post, document: Callable[[str, str], bytes]) -> None:
        """Take what gives the document to send: `(job, moment)` to JSON."""
        self._engine = engine
        self._web = web
        self._document = document
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)

    def start(self) -> None:
        """Make calls in the background until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """End; what was not sent is sent after the next start."""
        self._ending.set()
        self._thread.join(10)

    def once(self) -> int:
        """Make every call that is due; gives how many were looked at."""
        rows = self._due()
        for row in rows:
            self._send(row)
        return len(rows)

    def _run(self) -> None:
        while not self._ending.wait(POLL_SECONDS):
            try:
                self.once()
            except Exception as fault:
                # The database may be away; the calls wait in it.
                logging.getLogger(__name__).warning("Callbacks wait: %s", fault)

    def _due(self) -> list[Any]:
        reached = sa.or_(
            *(sa.and_(TABLE.c.moment == moment, JOBS.c.state.in_(states)) for moment, states in PAST.items()),
            JOBS.c.state.in_(("successful", "failed", "dismissed")),
        )
        query = (
            sa.select(TABLE, JOBS.c.state.label("now"))
            .join_from(TABLE, JOBS, JOBS.c.id == TABLE.c.job)
            .where(TABLE.c.state == "waiting", TABLE.c.due <= time.time(), reached)
            .order_by(TABLE.c.number)
            .limit(50)
        )
        with reading(self._engine) as connection:
            return list(connection.execute(query))

    def _send(self, row: Any) -> None:
        state, attempts, due = "sent", row.attempts + 1, row.due
        if row.now not in PAST[row.moment]:
            # The job took the other way: nobody waits for this any more.
            state = "void"
        else:
            try:
                self._web.post(row.uri, self._document(row.job, row.moment), "application/json")
            except TerrafairError as fault:
                logging.getLogger(__name__).warning("The call back of job %s was not taken: %s", row.job, fault)
                state = "waiting" if attempts < ATTEMPTS else "failed"
                due = time.time() + PAUSE_SECONDS * 2 ** (attempts - 1)
        with transaction(self._engine) as connection:
            connection.execute(
                TABLE.update().where(TABLE.c.number == row.number).values(state=state, attempts=attempts, due=due)
            )
