"""Wires what executes jobs, beside the platform or on a host of its own; part of the composition root."""

import fcntl
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from terrafair import development_parts, tracing
from terrafair.config import Config
from terrafair.database import migrate, open_engine
from terrafair.errors import Conflict, InvalidInput
from terrafair.execution import queue
from terrafair.execution.jobs import Jobs
from terrafair.execution.leases import Keeper, Lease
from terrafair.execution.process import end_all
from terrafair.execution.relay import Relay, Turns
from terrafair.identity_parts import admission, budget

if TYPE_CHECKING:
    from terrafair.app import Parts

GIVEN_UP = 75
"""Exit code of a worker that has lost its lease: it may be started again."""
SHARED = ("database", "items_database", "store_url")


def work(parts: "Parts", slot: str, parent: int = 0) -> None:
    """Execute jobs until the parent process ends or a signal asks for the end.

    `parent` is told by the server: one that ends while this process still loads could not be noticed otherwise.

    A job that runs goes on in its own process; the next worker takes it up again.
    """
    parent = parent or os.getppid()
    _work(parts, slot, None, lambda: os.getppid() == parent, lambda: None)


def work_elsewhere(parts: "Parts", slot: str, say: Callable[[str], None]) -> None:
    """Execute jobs on this host for a platform on another one, until a signal asks for the end.

    Raises `InvalidInput` where the settings name nothing that two hosts could share.
    """
    config = parts.config
    if missing := [name for name in SHARED if not getattr(config, name)]:
        raise InvalidInput(
            f"A worker on its own needs the settings {', '.join(missing)}.",
            "Without them everything lies on the platform's own disk, where its own workers are.",
            "Give it the platform's settings (docs/operations.md, several hosts).",
        )
    config.home.mkdir(parents=True, exist_ok=True)
    slot = slot or socket.gethostname()
    engine = open_engine(config.database_url)
    migrate(engine)
    engine.dispose()
    if config.catalogue:
        report = parts.catalogue.sync(config.catalogue, config.branch)
        say(f"Catalogue: {report.documents} documents at {report.commit[:12]}.")
    parts.shelves.elsewhere = True
    relay = Relay(parts.objects, config.home / "jobs")
    _work(parts, slot, relay, lambda: True, lambda: say(f"Worker {slot} takes jobs."))


def _work(
    parts: "Parts", slot: str, relay: Relay | None, wanted: Callable[[], bool], ready: Callable[[], None]
) -> None:
    config, ended = parts.config, threading.Event()
    lock = _slot_lock(config.home, slot)
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    signal.signal(signal.SIGINT, lambda *_: ended.set())
    engine = open_engine(config.database_url)
    with ExitStack() as stack:
        lease = _lease(config, engine, slot, stack) if engine.dialect.name == "postgresql" else None
        jobs = Jobs(engine, queue.DurableQueue(config.database_url), config.home / "jobs", budget(parts))
        parts.admission = admission(parts, engine, jobs.get)
        if lease is not None:
            jobs = Jobs(
                engine, queue.DurableQueue(config.database_url), jobs.folder(""), budget(parts), fence=lease.guard
            )
        run: Callable[[str], None] = parts.runner(jobs, development_parts.builder(parts, engine, jobs.folder)).run
        if relay is not None:
            turns = Turns("relay", relay.turn)
            turns.start()
            stack.callback(turns.stop)
            run = _continuing(relay, run)
        executor, lost = (lease.executor, lambda: [slot, *lease.lost()]) if lease else (slot, None)
        with queue.consuming(config.database_url, executor, config.workers, run, parts.bell, lost):
            ready()
            while not ended.wait(0.5) and wanted():
                pass
            if lease is not None:
                lease.release()
            if relay is not None:
                relay.turn()
            lock.close()
            tracing.flush()
            # Threads wait for jobs that go on without us: nothing to clean up that a kill -9 would not leave too.
            os._exit(0)


def _lease(config: Config, engine: sa.Engine, slot: str, stack: ExitStack) -> Lease:
    """This process's lease, renewed until it ends."""

    def end() -> None:
        # What others will do is not done here any longer; a thread that writes a result must not finish it.
        end_all(config.home / "jobs")
        os._exit(GIVEN_UP)

    lease = Lease(engine, slot, socket.gethostname(), config.lease_seconds, end)
    if lease.take():
        end_all(config.home / "jobs")
    keeper = Keeper(lease)
    keeper.start()
    stack.callback(keeper.stop)
    return lease


def _continuing(relay: Relay, run: Callable[[str], None]) -> Callable[[str], None]:
    def bring_and_run(job: str) -> None:
        relay.bring(job)
        run(job)

    return bring_and_run


def _slot_lock(home: Path, slot: str) -> Any:
    """Hold a worker's name for as long as the process lives."""
    file = (home / f"{slot}.lock").open("w")
    deadline = time.monotonic() + 10
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                file.close()
                raise Conflict(f"Another worker {slot!r} runs on {home}.", remedy="End it first.") from None
            time.sleep(0.1)
        else:
            return file
