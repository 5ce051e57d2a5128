"""One run is one trace, from the client's header through the queue to the store, as a collector is told it."""

import re
from collections.abc import Iterator

import httpx2
import pytest

from terrafair.tracing import ATTRIBUTES, Name

from ..collector import Collector, Told, collecting
from ..conftest import Platform

pytestmark = pytest.mark.journey
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
HEADER = {"traceparent": f"00-{TRACE}-{SPAN}-01"}
SECRET = {"Authorization": "Bearer basic//secret"}


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


def settings(collector: Collector) -> dict[str, str]:
    return {"TERRAFAIR_TRACES": collector.url, "TERRAFAIR_LOGS": "json", "OTEL_BSP_SCHEDULE_DELAY": "200"}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Platform]:
    platform = Platform(tmp_path_factory.mktemp("there") / "home", settings(collector)).start()
    yield platform
    platform.stop()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, collector: Collector, there: Platform) -> Iterator[Platform]:
    given = {**settings(collector), "TERRAFAIR_TARGETS": f"there={there.url}"}
    platform = Platform(tmp_path_factory.mktemp("traced") / "home", given).start()
    yield platform
    platform.stop()


def test_a_run_of_the_demo(platform: Platform, collector: Collector) -> None:
    answer = httpx2.post(f"{platform.url}/api/jobs", json={"id": "demo-ndvi"}, headers=HEADER, timeout=100)
    assert answer.status_code == 201, answer.text
    job = answer.json()["id"]
    collector.until(lambda: collector.named("process jobs", TRACE), 120)
    spans = [span for span in collector.spans if span.trace == TRACE]
    tree = collector.tree(TRACE)
    request = "POST /api/jobs"
    assert {name: above for name, above in tree.items() if name not in {"transaction", "S3.GetObject"}} == {
        request: {""},
        "send jobs": {request},
        "wait jobs": {"send jobs"},
        "process jobs": {"send jobs"},
        "job.read": {"process jobs"},
        "job.prepare": {"process jobs"},
        "job.run": {"process jobs"},
        "job.store": {"process jobs"},
        "S3.DeleteObjects": {"job.store"},
        "S3.PutObject": {"job.store"},
    }
    assert {"send jobs", "process jobs"} <= tree["transaction"]
    first = collector.named(request, TRACE)[0]
    assert (first.parent, first.kind, first.attributes["http.response.status_code"]) == (SPAN, 2, 201)
    attempt = collector.named("process jobs", TRACE)[0]
    assert attempt.kind == 5
    assert attempt.attributes["terrafair.job"] == job
    assert attempt.attributes["terrafair.job.state"] == "successful"
    assert attempt.attributes["terrafair.workflow.type"] == "openeo"
    wait = collector.named("wait jobs", TRACE)[0]
    assert wait.ended <= attempt.begun + 10**9
    run = collector.named("job.run", TRACE)[0]
    assert attempt.begun <= run.begun < run.ended <= attempt.ended
    # Web server and worker are processes of their own.
    assert len({span.resource["service.instance.id"] for span in spans}) == 2
    assert {span.resource["service.name"] for span in spans} == {"terrafair"}


def test_a_run_on_another_platform_is_the_same_trace(platform: Platform, there: Platform, collector: Collector) -> None:
    trace = "4bf92f3577b34da6a3ce929d0e0e4737"
    header = {"traceparent": f"00-{trace}-{SPAN}-01"}
    order = {"id": "demo-ndvi", "target": "there"}
    answer = httpx2.post(f"{platform.url}/api/jobs", json=order, headers=header, timeout=100)
    assert answer.status_code == 201, answer.text
    collector.until(lambda: len(collector.named("process jobs", trace)) == 2, 120)
    collector.until(lambda: len(collector.named("job.run", trace)) == 2)
    spans = {span.id: span for span in list(collector.spans) if span.trace == trace}

    def above(span: Told) -> list[str]:
        way = []
        while span.parent in spans:
            span = spans[span.parent]
            way.append(span.name)
        return way

    inner, outer = sorted(collector.named("process jobs", trace), key=lambda each: -len(above(each)))
    way = ["send jobs", "POST /processes/{processID}/execution", "process jobs", "send jobs", "POST /api/jobs"]
    assert [name for name in above(inner) if not name.startswith("job.")] == way
    assert above(outer) == way[-2:]
    # Web server and worker of each.
    assert len({span.resource["service.instance.id"] for span in spans.values()}) == 4


def test_names_and_attributes_are_those_that_are_declared(platform: Platform, collector: Collector) -> None:
    httpx2.get(f"{platform.url}/somebody@example.org/made-up?token=secret", timeout=60)
    httpx2.get(f"{platform.url}/openeo/jobs/somebody@example.org", headers=SECRET, timeout=60)
    collector.until(lambda: collector.named("GET"))
    collector.until(lambda: [span for span in collector.spans if span.name.startswith("GET /openeo/jobs/{")])
    for span in collector.spans:
        assert set(span.attributes) <= ATTRIBUTES, span
        assert span.name in set(Name) or re.fullmatch(r"[A-Z]+( /[A-Za-z0-9_{}./:-]*)?", span.name), span.name
        assert not span.events
        assert not re.search("example.org|secret", f"{span.name} {span.attributes} {span.resource}"), span
