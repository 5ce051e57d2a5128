"""A collector: takes OTLP over HTTP as OpenTelemetry's does, and keeps the spans that it is sent."""

import gzip
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue


@dataclass(frozen=True)
class Told:
    """One span as it came over the wire."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    begun: int
    ended: int
    attributes: dict[str, Any]
    failed: bool
    events: int
    resource: dict[str, Any]


@dataclass
class Collector:
    spans: list[Told] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    """(path, content type)"""
    answer: Callable[[], int] = lambda: 200
    """What each request is answered; may take its time."""
    url: str = ""

    def take(self, body: bytes) -> None:
        sent = ExportTraceServiceRequest.FromString(body)
        for group in sent.resource_spans:
            resource = {each.key: value(each.value) for each in group.resource.attributes}
            for scope in group.scope_spans:
                self.spans += [told(span, resource) for span in scope.spans]

    def named(self, name: str, trace: str = "") -> list[Told]:
        return [span for span in list(self.spans) if span.name == name and trace in {"", span.trace}]

    def until(self, what: Callable[[], object], seconds: float = 30) -> None:
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, sorted({span.name for span in self.spans})
            time.sleep(0.02)

    def tree(self, trace: str) -> dict[str, set[str]]:
        """Name -> names of the spans right above, `` for one whose parent the collector was not told of."""
        spans = [span for span in list(self.spans) if span.trace == trace]
        names = {span.id: span.name for span in spans}
        found: dict[str, set[str]] = {}
        for span in spans:
            found.setdefault(span.name, set()).add(names.get(span.parent, ""))
        return found


def told(span: Any, resource: dict[str, Any]) -> Told:
    return Told(
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        begun=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        attributes={each.key: value(each.value) for each in span.attributes},
        failed=span.status.code == 2,
        events=len(span.events),
        resource=resource,
    )


def value(given: AnyValue) -> Any:
    kind = given.WhichOneof("value")
    return getattr(given, kind) if kind else None


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            collector.requests.append((self.path, self.headers["Content-Type"]))
            status = collector.answer()
            if status == 200:
                collector.take(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    collector.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
