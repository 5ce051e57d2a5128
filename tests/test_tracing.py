"""Traces: off they cost nothing, and a collector that is away or slow costs nobody else anything."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")

from terrafair import tracing
from terrafair.errors import InvalidInput
from terrafair.execution.engines.remote.target import Connection, Target
from terrafair.tracing import KINDS, Name
from terrafair.tracing.sdk import OpenTelemetry, start
from terrafair.tracing.switch import begin, wanted

from .collector import Collector, collecting

SHORT = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_EXPORTER_OTLP_TIMEOUT": "0.2"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], OpenTelemetry]]:
    for name, value in SHORT.items():
        monkeypatch.setenv(name, value)
    started: list[OpenTelemetry] = []

    def begun(address: str) -> OpenTelemetry:
        started.append(start(address, "test"))
        tracing.install(started[-1])
        return started[-1]

    yield begun
    tracing.install(None)
    for each in started:
        each.close()


def test_off_nothing_of_it_is_loaded() -> None:
    """A whole platform's modules, its web application and its worker, without a setting.

    A library of others may load the interfaces (`opentelemetry-api`); what measures and sends is loaded by nobody.
    """
    code = (
        "import sys\n"
        "import terrafair.tracing.switch, terrafair.database, terrafair.data.objects\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
        "import terrafair.interfaces, terrafair.server, terrafair.worker_parts, terrafair.local_parts, dbos\n"
        "from terrafair.tracing.switch import begin\n"
        "from terrafair import tracing\n"
        "begin('', 'web', {})\n"
        "heavy = ('opentelemetry.sdk', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(heavy)], tracing.on())\n"
        "print(tracing.span(tracing.Name.ATTEMPT) is tracing.NOTHING, repr(tracing.traceparent()))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["[]", "[] False", "True ''"], done.stdout + done.stderr


def test_off_a_span_costs_next_to_nothing() -> None:
    begun = time.process_time()
    for _ in range(100_000):
        with tracing.span(Name.TRANSACTION):
            pass
    assert time.process_time() - begun < 1.0


@pytest.mark.parametrize(
    ("address", "environment", "on"),
    [
        ("", {}, False),
        ("http://collector:4318", {}, True),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ("", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ("http://collector:4318", {"OTEL_SDK_DISABLED": "true"}, False),
    ],
)
def test_what_turns_them_on(address: str, environment: dict[str, str], on: bool) -> None:
    assert wanted(address, environment) is on


@pytest.mark.parametrize("address", ["collector:4318", "grpc://collector:4317", "http://", "yes"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(InvalidInput, match="setting traces"):
        begin(address, "web", {})


def test_without_the_packages_a_setting_is_refused_and_variables_are_not(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("terrafair.tracing.switch.NEEDED", ("terrafair_has_no.such_package",))
    with pytest.raises(InvalidInput, match="not installed") as refused:
        begin("http://collector:4318", "web", {})
    assert "terrafair[tracing]" in str(refused.value.problems[0].remedy)
    begin("", "web", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"})
    assert len(caplog.records) == 1 and not tracing.on()


def test_spans_arrive_as_they_were(collector: Collector, begun: Callable[[str], OpenTelemetry]) -> None:
    tracer = begun(collector.url)
    far = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    with suppress(ValueError), tracing.span(Name.ATTEMPT, parent=far) as span:
        span.note({"terrafair.job": "j", "password": "secret"})
        with tracing.span(Name.PUT, {"terrafair.object.bytes": 3}):
            pass
        with tracing.quiet(), tracing.span(Name.TRANSACTION):
            assert tracing.trace() == ""
        run = tracing.record(Name.RUN, 100.0, 90.0, failed="timeout")
        tracing.record(Name.STEP, 1.0, 2.0, parent=run)
        raise ValueError("ada@example.org")
    with tracing.span(Name.TRANSACTION):
        """Of nobody's trace: it makes none of its own."""
    tracer.flush(5)
    collector.until(lambda: len(collector.spans) >= 4)
    found = {told.name: told for told in collector.spans}
    assert set(found) == {Name.ATTEMPT, Name.PUT, Name.RUN, Name.STEP}
    attempt = found[Name.ATTEMPT]
    assert (attempt.trace, attempt.parent) == (far[3:35], far[36:52])
    assert attempt.attributes == {"terrafair.job": "j", "error.type": "ValueError"} and attempt.failed
    assert attempt.events == 0
    assert found[Name.PUT].parent == found[Name.RUN].parent == attempt.id
    assert found[Name.STEP].parent == found[Name.RUN].id
    assert (found[Name.RUN].begun, found[Name.RUN].ended) == (100 * 10**9, 100 * 10**9)
    assert (attempt.kind, found[Name.PUT].kind, found[Name.RUN].kind) == (5, 3, 1)
    assert set(collector.requests) == {("/v1/traces", "application/x-protobuf")}


@pytest.mark.parametrize("header", ["", "nonsense", "00-0-0-01", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_header_that_is_none_begins_a_trace(
    collector: Collector, begun: Callable[[str], OpenTelemetry], header: str
) -> None:
    begun(collector.url)
    with tracing.span(Name.REQUEST, parent=header):
        assert len(tracing.trace()) == 32 and set(tracing.trace()) != {"0"}


def test_what_the_client_does_not_sample_is_not_told(
    collector: Collector, begun: Callable[[str], OpenTelemetry]
) -> None:
    tracer = begun(collector.url)
    with tracing.span(Name.REQUEST, parent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"):
        assert tracing.traceparent().endswith("-00")
    tracer.flush(5)
    assert not collector.spans


def trouble(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING]


@pytest.mark.parametrize("how", ["refuses", "nobody listens", "is slow"])
def test_a_collector_that_is_away_is_told_of_once(
    how: str, collector: Collector, begun: Callable[[str], OpenTelemetry], caplog: pytest.LogCaptureFixture
) -> None:
    away = True

    def answer() -> int:
        if away and how == "is slow":
            time.sleep(1)
        return 400 if away and how == "refuses" else 200

    collector.answer = answer
    url = "http://user:secret@127.0.0.1:9" if how == "nobody listens" else collector.url
    begun(url)
    caplog.set_level(logging.INFO)
    deadline = time.monotonic() + 20
    took = []
    while not trouble(caplog) or len(took) < 300:
        assert time.monotonic() < deadline
        before = time.perf_counter()
        with tracing.span(Name.ATTEMPT), tracing.span(Name.TRANSACTION):
            pass
        took.append(time.perf_counter() - before)
        time.sleep(0.002)
    assert sorted(took)[len(took) // 2] < 0.005
    assert len(trouble(caplog)) == 1 and "does not take traces" in trouble(caplog)[0]
    assert "secret" not in caplog.text
    if how == "nobody listens":
        return
    away = False
    while len(trouble(caplog)) < 2:
        assert time.monotonic() < deadline
        with tracing.span(Name.ATTEMPT):
            time.sleep(0.01)
    assert "takes traces again" in trouble(caplog)[1] and len(trouble(caplog)) == 2


def test_the_end_does_not_wait_for_a_collector_that_hangs(
    collector: Collector, begun: Callable[[str], OpenTelemetry]
) -> None:
    tracer = begun(collector.url)
    collector.answer = lambda: time.sleep(3) or 200
    with tracing.span(Name.ATTEMPT):
        pass
    before = time.monotonic()
    tracer.flush(0.3)
    assert time.monotonic() - before < 2


def test_each_kind_is_one_of_opentelemetry() -> None:
    from opentelemetry.trace import SpanKind

    assert {kind.upper() for kind in KINDS.values()} <= {kind.name for kind in SpanKind}


def test_names_of_the_conventions_are_theirs() -> None:
    """An attribute without our prefix is one that the semantic conventions have."""
    import importlib
    import pkgutil

    from opentelemetry.semconv._incubating import attributes

    known: set[Any] = set()
    for module in pkgutil.iter_modules(attributes.__path__, f"{attributes.__name__}."):
        known |= {each for each in vars(importlib.import_module(module.name)).values() if isinstance(each, str)}
    assert {name for name in tracing.ATTRIBUTES if not name.startswith("terrafair.")} <= known


def test_a_platform_elsewhere_is_shown_the_trace(collector: Collector, begun: Callable[[str], OpenTelemetry]) -> None:
    target = Target("b", "http://127.0.0.1:9")
    with Connection(target) as connection:
        assert "traceparent" not in connection._http.headers
    begun(collector.url)
    with tracing.span(Name.PREPARE):
        shown = tracing.traceparent()
        with Connection(target) as connection:
            assert connection._http.headers["traceparent"] == shown
    # The child that watches the job there loads nothing of OpenTelemetry: it is told.
    with Connection(target, trace=shown) as connection:
        assert connection._http.headers["traceparent"] == shown
