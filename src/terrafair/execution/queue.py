"""The durable queue: DBOS on the control database, embedded SQLite or PostgreSQL.

A job is one DBOS workflow whose id is the job's. The pipeline behind it finds its own way after a crash (see `worker`),
so the workflow has no steps of its own: after `kill -9` DBOS calls it again, and it goes on from the job's folder.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event

from terrafair.execution import turns
from terrafair.execution.attention import listen
from terrafair.execution.doorbell import Doorbell

QUEUE = "jobs"
WORKFLOW = "job"
APPLICATION = "terrafair"
VERSION = "1"
"""Pinned: DBOS's own version is a hash of the source, and an upgrade would strand the jobs that wait."""
POLL_SECONDS = 0.05
"""Between two looks of a worker that has no bell. Each look costs a worker 4 ms of CPU, also while there is nothing."""
RUNG_SECONDS = {"sqlite": 1.0, "postgresql": 0.15}
"""With a bell; what is accepted on another host or put back is found so, and a ring that was not heard is no loss."""
LEFT_SECONDS = 10.0
"""With a bell, between two looks of DBOS's own thread. After each contention it doubles its pause, up to two minutes,
and comes back from there by a tenth a look: a job whose ring is lost would wait for it. Ours is what finds jobs."""
INHERIT_SECONDS = 1.0
RECOVERIES = 1000
"""How often a worker may die under one job; the job's own lifecycle bounds its restarts."""


def prepare(url: str) -> None:
    """Create or update DBOS's tables; needed once before any client or worker."""
    from dbos import DBOS

    _quiet()
    DBOS.migrate(url)


class DurableQueue:
    """The accepting side."""

    def __init__(self, url: str) -> None:
        from dbos import DBOSClient

        _quiet()
        self._engine = _engine(url)
        self._client = DBOSClient(system_database_engine=self._engine, application_name=APPLICATION)

    def enqueue(self, connection: sa.Connection, job: str) -> None:
        """Add a job within the transaction that accepts it; projects take turns (see `turns`)."""
        self._client.enqueue_in_transaction(
            connection,
            {
                "queue_name": QUEUE,
                "workflow_name": WORKFLOW,
                "workflow_id": job,
                "app_version": VERSION,
                "priority": turns.take(connection, job),
            },
            job,
        )

    def close(self) -> None:
        """Close the connections."""
        self._client.destroy()
        self._engine.dispose()


@contextmanager
def consuming(
    url: str,
    slot: str,
    workers: int,
    run: Callable[[str], None],
    bell: Doorbell | None = None,
    lost: Callable[[], Sequence[str]] | None = None,
) -> Iterator[None]:
    """Take jobs from the queue and call `run` with their ids, `workers` at a time, until the block ends.

    `slot` names this consumer over restarts: jobs that it had taken when it died go to the next of that name.
    A ring at the `bell` makes it look at once instead of at its next turn; so does the end of each job. `lost` names
    consumers that are no more, every few seconds: what they had taken waits for everybody again.
    """
    from dbos import DBOS

    _quiet()
    engine = _engine(url)
    running = threading.BoundedSemaphore(workers)
    dbos = DBOS(
        config={
            "name": APPLICATION,
            "system_database_engine": engine,
            "system_database_url": url,
            "executor_id": slot,
            "application_version": VERSION,
            "console_log_level": "WARNING",
            "log_level": "WARNING",
            "max_executor_threads": workers + 8,
        }
    )

    @DBOS.workflow(name=WORKFLOW, max_recovery_attempts=RECOVERIES)
    def work(job: str) -> None:
        try:
            with running:
                run(job)
        finally:
            if bell is not None:
                bell.ring()

    pause = POLL_SECONDS if bell is None else LEFT_SECONDS
    DBOS.launch()
    DBOS.register_queue(QUEUE, worker_concurrency=workers, polling_interval_sec=pause)
    try:
        with ExitStack() as stack:
            if bell is not None:
                begun = Begun(dbos)
                every = RUNG_SECONDS[engine.dialect.name]
                listen(bell, lambda: _answered(dbos, slot, workers, begun), every, stack)
            if lost is not None:
                _inherit(lost, dbos, stack)
            yield
    finally:
        DBOS.destroy(destroy_registry=True)
        engine.dispose()


def _inherit(lost: Callable[[], Sequence[str]], dbos: Any, stack: ExitStack) -> None:
    """Put back what lost consumers had taken, now and from a thread until the block ends."""
    from dbos._recovery import recover_pending_workflows

    def turn() -> None:
        try:
            # It puts back only what is still theirs, so that several may do so at once.
            recover_pending_workflows(dbos, list(lost()))
        except Exception as fault:
            logging.getLogger(__name__).warning("Jobs of lost workers are not taken over yet: %s", fault)

    def look() -> None:
        while not ended.wait(INHERIT_SECONDS):
            turn()

    ended = threading.Event()
    turn()
    thread = threading.Thread(target=look, name="inherit", daemon=True)
    thread.start()
    stack.callback(thread.join, 5)
    stack.callback(ended.set)


class Begun:
    """Begins what has been claimed; what cannot be read at this moment is tried again: nobody else may have it."""

    def __init__(self, dbos: Any) -> None:
        self._dbos = dbos
        self._left: dict[str, str] = {}
        """Job -> under which owner it was claimed."""
        self.troubled = False
        """Whether the last look failed: one line in the log is enough."""

    def __len__(self) -> int:
        return len(self._left)

    def add(self, jobs: Sequence[str], owner: str) -> None:
        """Note what was claimed, before anything else can fail."""
        self._left.update(dict.fromkeys(jobs, owner))

    def begin(self) -> None:
        """Begin all of it."""
        from dbos._core import execute_dequeued_workflow

        if not self._left:
            return
        found = self._dbos._sys_db.get_workflow_statuses(list(self._left))  # noqa: SLF001
        there = {status["workflow_uuid"] for status in found}
        self._left = {job: owner for job, owner in self._left.items() if job in there}
        for status in found:
            owner = self._left.pop(status["workflow_uuid"])
            execute_dequeued_workflow(self._dbos, status, owner)


def _answered(dbos: Any, slot: str, workers: int, begun: Begun) -> bool:
    """Whether what waits has been looked at."""
    try:
        room = _take(dbos, slot, workers, begun)
    except Exception as fault:
        # Another process may hold the queue this very moment.
        if not begun.troubled:
            logging.getLogger(__name__).warning("The queue cannot be looked at; it is tried again: %s", fault)
        begun.troubled = True
        return False
    begun.troubled = False
    return room


def _take(dbos: Any, slot: str, workers: int, begun: Begun) -> bool:
    """Do what a turn of DBOS's own thread does, now: claim what waits, and begin it; false where there is no room.

    DBOS offers no way to wake that thread, so this goes through parts that it does not publish. Two threads may claim
    at once and together more than `workers`: the semaphore makes the rest wait.
    """
    system = dbos._sys_db  # noqa: SLF001
    begun.begin()
    running = dbos._active_workflows_set.count_for_queue(QUEUE) + len(begun)  # noqa: SLF001
    if running >= workers:
        return False
    owner = str(uuid.uuid4())
    claimed, _ = system.start_queued_workflows(system.get_queue(QUEUE), slot, VERSION, None, running, owner_xid=owner)
    begun.add(claimed, owner)
    begun.begin()
    return True


def _engine(url: str) -> sa.Engine:
    """DBOS expects to begin transactions itself, so it gets an engine of its own."""
    address = sa.make_url(url)
    if address.get_backend_name() != "sqlite":
        return sa.create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    engine = sa.create_engine(address, pool_size=20, max_overflow=20)

    def prepare_connection(connection: Any, _: Any) -> None:
        connection.isolation_level = "IMMEDIATE"
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA busy_timeout = 30000")
        connection.execute("PRAGMA foreign_keys = ON")

    event.listen(engine, "connect", prepare_connection)
    return engine


def _quiet() -> None:
    logging.getLogger("dbos").setLevel(logging.WARNING)
