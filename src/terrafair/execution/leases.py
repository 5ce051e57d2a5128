"""Which workers live: each holds a lease in the database, and what it does not renew is lost to it.

Two clocks, so that no job is run by two at once: a worker that could not renew ends its programs and itself after
`OWN_SHARE` of the lease, by its own clock; others take its jobs over once all of it has passed, by the database's.
Should one come back all the same (a machine that slept), its writes are refused in the transaction that makes them.
"""

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import Conflict, Unreachable

TABLE = sa.table(
    "workers",
    *(sa.column(name, sa.String) for name in ("executor", "slot", "host")),
    sa.column("seen", sa.Float),
    sa.column("lost", sa.Boolean),
)
OWN_SHARE = 0.6
RENEWALS = 6
"""How often a lease is renewed in its time."""
FORGET_SECONDS = 7 * 86_400


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease of one worker's process."""

    engine: sa.Engine
    slot: str
    """Name of the worker over restarts, unique among all hosts."""
    host: str
    seconds: float
    end: Callable[[], None]
    """Ends this process and the programs of its jobs; called when the lease has been lost."""
    executor: str = field(default="")

    def __post_init__(self) -> None:
        object.__setattr__(self, "executor", self.executor or f"{self.slot}.{secrets.token_hex(6)}")

    def take(self) -> bool:
        """Begin; gives whether the worker that had this name before was given up meanwhile.

        Raises `Conflict` where a worker of this name lives on another host.
        """
        with transaction(self.engine) as connection:
            now = _clock(connection)
            own = sa.select(TABLE).where(TABLE.c.slot == self.slot).order_by(TABLE.c.seen.desc())
            before = connection.execute(own).all()
            living = [row for row in before if not row.lost and row.host != self.host and self._lives(row.seen, now)]
            if living:
                raise Conflict(
                    f"A worker {self.slot!r} runs on {living[0].host}.",
                    "Two of one name could not be told apart.",
                    "Give this one another --slot, or wait until the other has been given up.",
                )
            connection.execute(TABLE.delete().where(TABLE.c.seen < now - FORGET_SECONDS, TABLE.c.lost))
            connection.execute(TABLE.update().where(TABLE.c.slot == self.slot).values(lost=True))
            row = {"executor": self.executor, "slot": self.slot, "host": self.host, "seen": now, "lost": False}
            connection.execute(TABLE.insert().values(**row))
        return bool(before) and bool(before[0].lost)

    def renew(self) -> bool:
        """Whether it still is ours; a lease that was lost is never renewed."""
        mine = sa.and_(TABLE.c.executor == self.executor, ~TABLE.c.lost)
        with transaction(self.engine) as connection:
            return connection.execute(TABLE.update().where(mine).values(seen=_clock(connection))).rowcount == 1

    def guard(self, connection: sa.Connection) -> None:
        """Let a transaction go on only while this worker lives for all others; the row stays locked to its end."""
        mine = sa.select(TABLE.c.executor).where(TABLE.c.executor == self.executor, ~TABLE.c.lost)
        if connection.execute(mine.with_for_update(read=True)).one_or_none() is None:
            self.end()
            raise Conflict(f"The worker {self.slot!r} has been given up.", "Others do its jobs.", "Start it again.")

    def lost(self) -> list[str]:
        """Executors whose jobs may be taken over, after giving up those that have not renewed in time."""
        with transaction(self.engine) as connection:
            late = sa.and_(~TABLE.c.lost, TABLE.c.seen < _clock(connection) - self.seconds)
            connection.execute(TABLE.update().where(late).values(lost=True))
            return list(connection.execute(sa.select(TABLE.c.executor).where(TABLE.c.lost)).scalars())

    def release(self) -> None:
        """Give it up at once, at an orderly end."""
        with transaction(self.engine) as connection:
            connection.execute(TABLE.update().where(TABLE.c.executor == self.executor).values(lost=True))

    def _lives(self, seen: float, now: float) -> bool:
        return now - seen <= self.seconds


class Keeper:
    """Renews a lease from a thread, and ends the process from another one when that has not worked for too long."""

    def __init__(self, lease: Lease) -> None:
        self._lease = lease
        self._renewed = time.monotonic()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for name, run in (("lease", self._renew), ("lease-watch", self._watch))
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Renew no more."""
        self._ended.set()
        for thread in self._threads:
            thread.join(5)

    def _renew(self) -> None:
        while not self._ended.wait(self._lease.seconds / RENEWALS):
            asked = time.monotonic()
            try:
                kept = self._lease.renew()
            except Unreachable:
                continue
            if not kept:
                self._lease.end()
                return
            # From before the question: how long its answer took is not known to the database.
            self._renewed = asked

    def _watch(self) -> None:
        while not self._ended.wait(self._lease.seconds / 50):
            if time.monotonic() - self._renewed > self._lease.seconds * OWN_SHARE:
                self._lease.end()
                return


def living(engine: sa.Engine, seconds: float) -> list[str]:
    """Slots of the workers that hold a lease."""
    with reading(engine) as connection:
        alive = sa.and_(~TABLE.c.lost, TABLE.c.seen >= _clock(connection) - seconds)
        return list(connection.execute(sa.select(TABLE.c.slot).where(alive).order_by(TABLE.c.slot)).scalars())


def _clock(connection: sa.Connection) -> float:
    """Seconds by the database's clock, which all hosts share."""
    postgresql = connection.dialect.name == "postgresql"
    query = "extract(epoch FROM clock_timestamp())" if postgresql else "(julianday('now') - 2440587.5) * 86400"
    return float(connection.execute(sa.text(f"SELECT {query}")).scalar_one())
