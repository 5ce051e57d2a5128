"""OpenTelemetry's SDK behind `terrafair.tracing`: spans go to a collector by OTLP over HTTP, from a thread of its own.

The extra `tracing` brings what this module imports; nothing else imports this module.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from terrafair import __version__
from terrafair.tracing import ATTRIBUTES, INNER, KINDS, NOTHING, Attributes, Name, Span
from terrafair.tracing.switch import ENDPOINTS

HEADER = "traceparent"
PATH = "/v1/traces"
SCOPE = "terrafair"
SECOND = 1_000_000_000
_W3C = TraceContextTextMapPropagator()


class Exporter(SpanExporter):
    """Hands spans on; a collector that is away is told of once, and once more when it is back."""

    def __init__(self, exporter: SpanExporter, where: str) -> None:
        self._exporter = exporter
        self._where = where
        self._away = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send; what is not taken is lost."""
        try:
            result = self._exporter.export(spans)
        except Exception:
            result = SpanExportResult.FAILURE
        away = result is not SpanExportResult.SUCCESS
        if away != self._away:
            self._away = away
            says = "does not take traces; they are dropped until it does." if away else "takes traces again."
            logging.getLogger(__name__).warning("The collector at %s %s", self._where, says)
        return result

    def shutdown(self) -> None:
        """Send no more."""
        self._exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Nothing is kept here."""
        return self._exporter.force_flush(timeout_millis)


class OpenTelemetry:
    """The tracer of one process."""

    def __init__(self, exporter: SpanExporter, resource: Mapping[str, str]) -> None:
        """Sampling and the sizes of queue and batches are as the `OTEL_` variables say."""
        # At the end it would wait for a collector that is away for as long as half a minute.
        self._provider = TracerProvider(resource=Resource.create(dict(resource)), shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer(SCOPE, __version__)

    def span(self, name: Name, attributes: Attributes, parent: str | None) -> AbstractContextManager[Span]:
        """Measure a block."""
        if name in INNER and not trace.get_current_span().get_span_context().is_valid:
            return NOTHING
        return self._measured(name, attributes, parent)

    @contextmanager
    def _measured(self, name: Name, attributes: Attributes, parent: str | None) -> Iterator[Span]:
        begun = self._tracer.start_span(
            name.value, _below(parent), kind=_kind(name), attributes=_known(attributes), record_exception=False
        )
        measured = _Measured(begun)
        try:
            # What an exception says may hold anything: its kind alone is told.
            with trace.use_span(begun, record_exception=False, set_status_on_exception=False):
                yield measured
        except BaseException as fault:
            measured.fail(type(fault).__name__)
            raise
        finally:
            begun.end()

    def record(self, name: Name, begun: float, ended: float, attributes: Attributes, parent: str, failed: str) -> str:
        """Tell of something that is over."""
        told = self._tracer.start_span(
            name.value,
            _below(parent or None),
            kind=_kind(name),
            attributes=_known(attributes),
            start_time=int(begun * SECOND),
        )
        if failed:
            _Measured(told).fail(failed)
        told.end(int(max(begun, ended) * SECOND))
        return _header(trace.set_span_in_context(told))

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Leave the open span for a while."""
        token = context.attach(trace.set_span_in_context(trace.INVALID_SPAN))
        try:
            yield
        finally:
            context.detach(token)

    def traceparent(self) -> str:
        """The header."""
        return _header(None)

    def flush(self, seconds: float) -> None:
        """Send what waits, from a thread that is left behind when it takes too long."""
        # The SDK's own limit does not hold while it sends.
        sender = threading.Thread(target=self._provider.force_flush, name="traces", daemon=True)
        sender.start()
        sender.join(seconds)

    def close(self) -> None:
        """Tell no more; for tests."""
        self._provider.shutdown()


class _Measured:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, attributes: Attributes) -> None:
        self._span.set_attributes(_known(attributes))

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, kind: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR))
        self._span.set_attribute("error.type", kind)


def start(address: str, part: str) -> OpenTelemetry:
    """The tracer that sends to a collector; `address` empty: the one that the `OTEL_` variables name."""
    # Theirs tells of each try to reach a collector; ours tells once.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    exporter = OTLPSpanExporter(endpoint=_endpoint(address)) if address else OTLPSpanExporter()
    named = address or next(filter(None, map(os.environ.get, ENDPOINTS)), "")
    about = {
        "service.name": os.environ.get("OTEL_SERVICE_NAME") or SCOPE,
        "service.version": __version__,
        "service.instance.id": f"{part}-{os.getpid()}-{time.time_ns() // SECOND}",
    }
    tracer = OpenTelemetry(Exporter(exporter, _shown(named)), about)
    atexit.register(tracer.flush, 2.0)
    return tracer


def _endpoint(address: str) -> str:
    return address if urlsplit(address).path.rstrip("/") else address.rstrip("/") + PATH


def _shown(address: str) -> str:
    """An address without the credentials that some have in it."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _kind(name: Name) -> trace.SpanKind:
    return trace.SpanKind[KINDS.get(name, "internal").upper()]


def _known(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if name in ATTRIBUTES}


def _below(parent: str | None) -> context.Context | None:
    """The context of a parent from elsewhere; None: the one that is open here."""
    return None if parent is None else _W3C.extract({HEADER: parent}, context.Context())


def _header(within: context.Context | None) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, within)
    return carrier.get(HEADER, "")
