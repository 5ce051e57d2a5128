"""What operators and their scrapers see."""

import fcntl
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.database import migrate, open_engine
from terrafair.execution import queue
from terrafair.execution.job import Failed, JobRequest, Owner, Results, Started, State, Succeeded, Usage
from terrafair.execution.jobs import Jobs
from terrafair.execution.queue import DurableQueue
from terrafair.identity.people import People, Person, Profile
from terrafair.identity.personal_tokens import PersonalTokens, Scope
from terrafair.interfaces import build
from terrafair.operations.metrics import INTERFACES, METHODS, interface
from terrafair.operations.readiness import KEPT_SECONDS, Readiness
from terrafair.operations.things import TYPES
from terrafair.publishing.publication import State as PublicationState
from terrafair.workflows.workflow import WorkflowType
from terrafair.workspaces.workspace import State as WorkspaceState

from ..databases import elsewhere, objects


class World:
    """A platform without workers."""

    def __init__(self, home: Path, stack: ExitStack) -> None:
        self.config = Config(
            home=home,
            **elsewhere(home),
            anonymous="visitor",
            operators=frozenset({"test#eve"}),
            host="testserver",
        )
        self.engine = open_engine(self.config.database_url)
        migrate(self.engine)
        queue.prepare(self.config.database_url)
        self.parts = Parts(self.config)
        vars(self.parts).update(objects=objects(home))
        self.client = TestClient(build(self.parts, stack))
        waiting = DurableQueue(self.config.database_url)
        stack.callback(waiting.close)
        stack.callback(self.engine.dispose)
        self.jobs = Jobs(self.engine, waiting, home / "jobs")

    def token(self, name: str) -> dict[str, str]:
        people = People(self.engine, self.config.operators)
        profile = people.seen(Profile(Person(f"test#{name}").id, f"test#{name}", name, f"{name}@example.org"))
        secret, _ = PersonalTokens(self.engine).issue(profile.id, "scraper", list(Scope), timedelta(days=1))
        return {"Authorization": f"Bearer {secret}"}

    def scrape(self) -> dict[str, Any]:
        answer = self.client.get("/metrics", headers=self.token("eve"))
        assert answer.status_code == 200
        return {family.name: family for family in text_string_to_metric_families(answer.text)}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with ExitStack() as stack:
        world = World(tmp_path_factory.mktemp("platform"), stack)
        yield world
    world.parts.catalogue.close()


def value(family: Any, name: str = "", **labels: str) -> float:
    wanted = [each for each in family.samples if each.labels == labels and each.name == (name or each.name)]
    return float(wanted[0].value)


def test_only_operators_read_them(world: World) -> None:
    assert world.client.get("/metrics").status_code in {401, 403}
    assert world.client.get("/metrics", headers=world.token("ada")).status_code == 403
    assert world.client.get("/metrics", headers=world.token("eve")).status_code == 200


def test_requests_are_counted_under_fixed_names(world: World) -> None:
    for path in ("/stac", "/made-up/1", "/made-up/2", "/jobs/none"):
        world.client.get(path)
    world.client.request("BREW", "/stac")
    counted = world.scrape()["terrafair_http_request_seconds"]
    assert value(counted, "terrafair_http_request_seconds_count", interface="stac", method="GET", status="2xx") >= 1
    assert value(counted, "terrafair_http_request_seconds_count", interface="other", method="GET", status="4xx") >= 2
    assert value(counted, "terrafair_http_request_seconds_count", interface="jobs", method="GET", status="4xx") >= 1
    assert {each.labels["interface"] for each in counted.samples} <= {*INTERFACES, "landing", "other"}
    assert "BREW" not in {each.labels["method"] for each in counted.samples}


@pytest.mark.parametrize(
    ("path", "name"), [("/", "landing"), ("/stac/search", "stac"), ("//x", "other"), ("", "landing"), ("/é", "other")]
)
def test_interfaces(path: str, name: str) -> None:
    assert interface(path) == name


def test_jobs_are_counted_once(world: World) -> None:
    before = world.scrape()["terrafair_job_wait_seconds"]
    ended = world.jobs.submit(JobRequest("one", ""))
    world.jobs.submit(JobRequest("two", ""))
    world.jobs.apply(ended.id, Started("2026-01-01T00:00:01.000Z"))
    world.jobs.apply(ended.id, Succeeded("2026-01-01T00:00:03.000Z", Results("p", "c", (), ()), Usage(2.0, 2.0, 1)))
    for _ in range(2):
        seen = world.scrape()
    count = "terrafair_job_wait_seconds_count"
    assert value(seen["terrafair_job_wait_seconds"], count) == value(before, count) + 1
    assert value(seen["terrafair_jobs"], state="accepted") == 1
    assert value(seen["terrafair_jobs"], state="successful") == 1
    assert value(seen["terrafair_queue_oldest_seconds"]) >= 0


def test_promtool_takes_it(world: World) -> None:
    if not shutil.which("promtool"):
        pytest.skip("promtool is not installed (apt install prometheus)")
    text = world.client.get("/metrics", headers=world.token("eve")).content
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ready_only_when_every_part_works(world: World) -> None:
    world.parts.__dict__["_commit"] = ""
    answer = world.client.get("/health/ready")
    assert answer.status_code == 503
    assert answer.json() == {
        "ready": False,
        "parts": {"database": True, "objects": True, "catalogue": False, "workers": False},
    }
    assert world.client.get("/health").json()["status"] == "ok"


def test_a_worker_is_there_while_it_holds_its_lock(world: World) -> None:
    from terrafair.operations_parts import _working

    with (world.config.home / "worker-0.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _working(world.parts, world.engine)
    with pytest.raises(Exception, match="No worker runs"):
        _working(world.parts, world.engine)


def test_readiness_asks_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    readiness = Readiness({"x": lambda: asked.append(1)})
    assert readiness.ready and readiness.ready and len(asked) == 1
    readiness._until -= KEPT_SECONDS + 1
    assert readiness.ready and len(asked) == 2


def test_a_fault_names_itself() -> None:
    def broken() -> None:
        raise OSError

    (part,) = Readiness({"x": broken}).parts()
    assert (part.works, part.says) == (False, "OSError")


def test_every_interface_has_a_name_of_its_own(world: World) -> None:
    """What counts as `other` is what the platform does not have."""
    app: Any = world.client.app
    paths = {*app.openapi()["paths"], *(getattr(route, "path", "") for route in app.routes)}
    unnamed = {path for path in paths if interface(path) == "other"}
    assert len(paths) > 30 and not unnamed, unnamed


LABELS: dict[str, frozenset[str]] = {
    "interface": frozenset({*INTERFACES, "landing", "other"}),
    "method": frozenset({*METHODS, "other"}),
    "status": frozenset({"1xx", "2xx", "3xx", "4xx", "5xx"}),
    "part": frozenset({"database", "objects", "catalogue", "workers"}),
    "type": frozenset(TYPES),
    "kind": frozenset({"corrupted", "missing", "unreadable"}),
    "state": frozenset({*State, *PublicationState, *WorkspaceState}),
}
"""Label -> all values that it may ever have."""


def test_no_word_of_anybody_becomes_a_series(world: World) -> None:
    """Unknown paths, methods, processes, types and kinds: after all of them there are as many series as before."""
    job = world.jobs.submit(JobRequest("before", "builtin", process="echo"))
    world.jobs.apply(job.id, Started("2026-01-01T00:00:01.000Z"))
    world.jobs.apply(job.id, Failed("2026-01-01T00:00:02.000Z", ()))
    for method in ("GET", "BREW"):
        for path in ("/stac", "/made-up", "/processes/none", "/api/jobs/none", "/openeo/jobs/none"):
            world.client.request(method, path)
    before = {(each.name, *each.labels.items()) for family in world.scrape().values() for each in family.samples}
    for number in range(5):
        world.client.get(f"/made-up-{number}")
        world.client.get(f"/processes/process-{number}")
        world.client.request(f"BREW{number}", f"/{number}")
        request = JobRequest(
            f"subject-{number}", f"kind-{number}", process=f"process-{number}", target=f"target-{number}"
        )
        job = world.jobs.submit(request, owner=Owner(f"project-{number}", f"person-{number}"))
        world.jobs.apply(job.id, Started("2026-01-01T00:00:03.000Z"))
        world.jobs.set_type(job.id, f"type-{number}")
        world.jobs.apply(job.id, Failed(f"2026-01-01T00:00:04.00{number}Z", ()))
    after = {(each.name, *each.labels.items()) for family in world.scrape().values() for each in family.samples}
    assert {
        series for series in after - before if "other" not in str(series) or re.search(r"-\d", str(series))
    } == set()
    for _, *labels in after:
        for name, value in dict(labels).items():
            assert name in {"le", "version"} or value in LABELS[name], (name, value)


def test_a_job_that_is_written_late_is_counted(world: World) -> None:
    """Another one, which ended after it, has been counted before."""
    for finished in ("2026-01-01T00:01:09.000Z", "2026-01-01T00:01:08.000Z"):
        before = world.scrape()["terrafair_job_wait_seconds"]
        job = world.jobs.submit(JobRequest("x", "workflow"))
        world.jobs.apply(job.id, Started("2026-01-01T00:01:00.000Z"))
        world.jobs.apply(job.id, Failed(finished, ()))
        count = "terrafair_job_wait_seconds_count"
        for _ in range(2):
            assert value(world.scrape()["terrafair_job_wait_seconds"], count) == value(before, count) + 1


def test_every_type_of_job_is_counted(world: World) -> None:
    before = world.scrape()["terrafair_jobs_ended"]
    for number, (kind, request) in enumerate(
        [
            *((entry.value, JobRequest("x", "workflow")) for entry in WorkflowType if entry.value != "builtin"),
            ("", JobRequest("echo", "builtin", process="echo")),
            ("", JobRequest("x", "build", inputs={"kind": "builtin"})),
            ("", JobRequest("x", "workflow", inputs={"kind": "builtin"})),
        ]
    ):
        job = world.jobs.submit(request)
        world.jobs.apply(job.id, Started("2026-01-01T00:00:05.000Z"))
        world.jobs.set_type(job.id, kind)
        world.jobs.apply(job.id, Failed(f"2026-01-01T00:00:06.{number:03}Z", ()))
    seen = world.scrape()
    for kind in TYPES:
        labels = {"type": kind, "state": "failed"}
        assert value(seen["terrafair_jobs_ended"], "", **labels) == value(before, "", **labels) + 1, kind
        assert value(seen["terrafair_job_seconds"], "terrafair_job_seconds_count", type=kind) >= 1
