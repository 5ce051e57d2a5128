"""Traces by OpenTelemetry: what one request costs, over queue, workers, object store and platforms elsewhere.

Off, nothing of OpenTelemetry is loaded and `span` gives one shared object that does nothing. On, `install` puts
`tracing.sdk` behind it, once for the process: as with the log, whoever measures does not have to be handed the means.

All names and attributes are here. Attributes hold no text that people write, no addresses, keys or paths: of what is
stored or asked for, its kind and its size.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from typing import Protocol

Attributes = Mapping[str, str | int | float | bool]


class Name(StrEnum):
    """Every span there is; the first one is named `METHOD ROUTE` once the route is known."""

    REQUEST = "HTTP"
    ACCEPT = "send jobs"
    WAIT = "wait jobs"
    ATTEMPT = "process jobs"
    READ = "job.read"
    PREPARE = "job.prepare"
    RUN = "job.run"
    STEP = "job.run.step"
    STORE = "job.store"
    COMPARE = "job.compare"
    TRANSACTION = "transaction"
    PUT = "S3.PutObject"
    GET = "S3.GetObject"
    DELETE = "S3.DeleteObjects"


INNER = frozenset({Name.TRANSACTION, Name.PUT, Name.GET, Name.DELETE})
"""Told only as a part of something else: the platform's own rounds would make traces of their own without end."""
KINDS = {
    Name.REQUEST: "server",
    Name.ACCEPT: "producer",
    Name.ATTEMPT: "consumer",
    **dict.fromkeys(INNER, "client"),
}
"""What is not here is internal."""
ATTRIBUTES = frozenset(
    {
        # Of the semantic conventions.
        *("http.request.method", "http.route", "http.response.status_code", "error.type", "url.scheme"),
        *("messaging.system", "messaging.destination.name", "messaging.operation.name", "messaging.operation.type"),
        *("messaging.message.id", "db.system.name", "rpc.system.name", "rpc.method"),
        # Ours.
        *("terrafair.request", "terrafair.job", "terrafair.job.state", "terrafair.attempt"),
        *("terrafair.workflow.type", "terrafair.step", "terrafair.object.bytes", "terrafair.cpu_seconds"),
        "terrafair.peak_memory",
    }
)
"""Every attribute there is; others are dropped."""


class Span(Protocol):
    """Something that takes its time."""

    def note(self, attributes: Attributes) -> None:
        """Tell more of it."""
        ...

    def rename(self, name: str) -> None:
        """Name it by what is known now."""
        ...

    def fail(self, kind: str) -> None:
        """Mark it as failed, with a word for how."""
        ...


class Tracer(Protocol):
    """What is behind this module's functions while traces are on."""

    def span(self, name: Name, attributes: Attributes, parent: str | None) -> AbstractContextManager[Span]:
        """See `span`."""
        ...

    def record(self, name: Name, begun: float, ended: float, attributes: Attributes, parent: str, failed: str) -> str:
        """See `record`."""
        ...

    def quiet(self) -> AbstractContextManager[None]:
        """See `quiet`."""
        ...

    def traceparent(self) -> str:
        """See `traceparent`."""
        ...

    def flush(self, seconds: float) -> None:
        """See `flush`."""
        ...


class _Nothing:
    """A span while traces are off."""

    def note(self, attributes: Attributes) -> None:
        """Nobody asks."""

    def rename(self, name: str) -> None:
        """Nobody asks."""

    def fail(self, kind: str) -> None:
        """Nobody asks."""


class _Here:
    """This process's tracer."""

    tracer: Tracer | None = None


NOTHING: AbstractContextManager[Span] = nullcontext(_Nothing())
_SILENCE: AbstractContextManager[None] = nullcontext()


def install(tracer: Tracer | None) -> None:
    """Turn traces on, or off by None."""
    _Here.tracer = tracer


def on() -> bool:
    """Whether traces are told to anybody."""
    return _Here.tracer is not None


def span(
    name: Name, attributes: Attributes | None = None, *, parent: str | None = None
) -> AbstractContextManager[Span]:
    """Measure a block of code, below `parent` (a `traceparent`) or else below the span that is open here."""
    return NOTHING if _Here.tracer is None else _Here.tracer.span(name, attributes or {}, parent)


def record(
    name: Name, begun: float, ended: float, attributes: Attributes | None = None, *, parent: str = "", failed: str = ""
) -> str:
    """Tell of something that is over, with instants in seconds since 1970; gives its `traceparent`."""
    return "" if _Here.tracer is None else _Here.tracer.record(name, begun, ended, attributes or {}, parent, failed)


def quiet() -> AbstractContextManager[None]:
    """Tell nothing of what is done within: hours of waiting, with a look at the database every half second."""
    return _SILENCE if _Here.tracer is None else _Here.tracer.quiet()


def traceparent() -> str:
    """The open span as W3C Trace Context's header has it; empty: there is none."""
    return "" if _Here.tracer is None else _Here.tracer.traceparent()


def trace() -> str:
    """The id of the open trace, as logs have it; empty: there is none."""
    return traceparent()[3:35]


def flush(seconds: float = 2.0) -> None:
    """Send what has not been sent, if the collector takes it in so many seconds."""
    if _Here.tracer is not None:
        _Here.tracer.flush(seconds)
