"""Typed things that happened, kept in their own transaction; logs, metrics and the audit trail read them."""

import json
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

TABLE = sa.table(
    "events",
    sa.column("number", sa.Integer),
    sa.column("time", sa.String),
    sa.column("kind", sa.String),
    sa.column("thing", sa.String),
    sa.column("details", sa.Text),
)


@dataclass(frozen=True, slots=True)
class JobAccepted:
    """A job was accepted."""

    thing: str
    subject: str


@dataclass(frozen=True, slots=True)
class JobStarted:
    """A worker took a job up; `attempt` counts from 0."""

    thing: str
    attempt: int


@dataclass(frozen=True, slots=True)
class JobFinished:
    """A job reached its last state."""

    thing: str
    state: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody asked for a change; `status` is what they were answered."""

    thing: str
    """Path of the request."""
    method: str
    status: int


@dataclass(frozen=True, slots=True)
class Warned:
    """An allocation has reached a share of its credits."""

    thing: str
    per_cent: int


@dataclass(frozen=True, slots=True)
class PublicationOpened:
    """Somebody began to publish a job's result."""

    thing: str
    job: str


@dataclass(frozen=True, slots=True)
class PublicationMoved:
    """A publication reached another state."""

    thing: str
    state: str


Event = JobAccepted | JobStarted | JobFinished | Asked | Warned | PublicationOpened | PublicationMoved
ORIGIN: ContextVar[Mapping[str, str]] = ContextVar("origin", default=MappingProxyType({}))
"""Who is behind what happens now: `by`, `name`, `from`, `request`; empty for the platform itself."""


def now() -> str:
    """This instant as RFC 3339 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def record(connection: sa.Connection, event: Event) -> None:
    """Keep an event; it is there exactly when the transaction's other changes are."""
    details = {name: value for name, value in asdict(event).items() if name != "thing"} | dict(ORIGIN.get())
    connection.execute(
        TABLE.insert().values(
            time=now(), kind=type(event).__name__, thing=event.thing, details=json.dumps(details, sort_keys=True)
        )
    )


def since(connection: sa.Connection, number: int, limit: int = 1000) -> list[tuple[int, str, str, str]]:
    """(number, kind, thing, details as JSON) of what happened after an event, oldest first."""
    rows = connection.execute(
        sa.select(TABLE.c.number, TABLE.c.kind, TABLE.c.thing, TABLE.c.details)
        .where(TABLE.c.number > number)
        .order_by(TABLE.c.number)
        .limit(limit)
    )
    return [(row.number, row.kind, row.thing, row.details) for row in rows]


def trail(connection: sa.Connection, number: int, limit: int = 1000) -> list[dict[str, Any]]:
    """The audit trail after an event, oldest first: number, time, kind, thing and all details, as one document each."""
    query = sa.select(TABLE).where(TABLE.c.number > number).order_by(TABLE.c.number).limit(limit)
    return [
        {"number": row.number, "time": row.time, "kind": row.kind, "thing": row.thing, **json.loads(row.details)}
        for row in connection.execute(query)
    ]


def latest(connection: sa.Connection, limit: int) -> list[dict[str, Any]]:
    """The newest events of the trail, newest first."""
    last = connection.execute(sa.select(sa.func.max(TABLE.c.number))).scalar() or 0
    return trail(connection, max(last - limit, 0), limit)[::-1]
