"""One whole platform inside the test's process: real database, queue, catalogue and sandbox; objects in memory."""

import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.database import migrate, open_engine
from terrafair.demo.seed import seed
from terrafair.execution import queue
from terrafair.execution.jobs import Jobs
from terrafair.interfaces import build
from terrafair.web import SafeWeb

from ..databases import elsewhere, objects
from .ogc import Schemas
from .servers import Files
from .world import world  # noqa: F401 - a fixture


class Platform:
    """What tests of routes talk to."""

    def __init__(self, client: TestClient, parts: Parts, jobs: Jobs, app: Any) -> None:
        self.client, self.parts, self.jobs, self.app = client, parts, jobs, app


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("platform")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def platform(home: Path) -> Iterator[Platform]:
    """A platform with its demo and one worker."""
    config = Config(
        home=home,
        host="testserver",
        anonymous="operator",
        workers=2,
        job_seconds=120,
        **elsewhere(home),
    )
    parts = Parts(config)
    parts.objects = objects(home)
    # References of the tests lead to servers on this machine; what is refused is tested with a strict client.
    parts.web = SafeWeb(allow_private=True)
    engine = open_engine(config.database_url)
    migrate(engine)
    queue.prepare(config.database_url)
    parts.catalogue.sync(seed(home, parts.objects, say=lambda _: None).catalogue)
    with ExitStack() as stack:
        app = build(parts, stack)
        app.state.url = "http://testserver"
        waiting = queue.DurableQueue(config.database_url)
        stack.callback(engine.dispose)
        stack.callback(waiting.close)
        jobs = Jobs(engine, waiting, home / "jobs")
        run = parts.runner(jobs).run
        stack.enter_context(queue.consuming(config.database_url, "tests", config.workers, run, parts.bell))
        client = stack.enter_context(TestClient(app, raise_server_exceptions=False, follow_redirects=False))
        yield Platform(client, parts, jobs, app)


@pytest.fixture
def client(platform: Platform) -> TestClient:
    """HTTP."""
    return platform.client


@pytest.fixture(scope="session")
def ogc(shared: Path) -> Schemas:
    """The schemas of Processes 1.0."""
    return Schemas(shared / "specs/ogcapi-processes-1.0/openapi/schemas")


@pytest.fixture(scope="session")
def ogc2(shared: Path) -> Schemas:
    """The schemas of Processes 2.0 as they are drafted."""
    return Schemas(shared / "specs/ogcapi-processes-2.0rc1/schemas")


def ended(client: TestClient, job: str, seconds: float = 90) -> dict[str, Any]:
    """A job's status once it has ended; `job` is its address or its id."""
    address = job if "/" in job else f"/jobs/{job}"
    deadline = time.monotonic() + seconds
    while True:
        found: dict[str, Any] = client.get(address).json()
        if found["status"] in {"successful", "failed", "dismissed"}:
            return found
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


@pytest.fixture
def files() -> Iterator[Files]:
    """A web server of the test's own."""
    server = Files()
    yield server
    server.close()


@pytest.fixture(scope="session")
def real(osc: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """HTTP on a platform that shows the real Open Science Catalog; it has no worker."""
    home = tmp_path_factory.mktemp("real")
    parts = Parts(Config(home=home, host="testserver", anonymous="operator", **elsewhere(home)))
    parts.objects = objects(home)
    database = open_engine(parts.config.database_url)
    migrate(database)
    database.dispose()
    queue.prepare(parts.config.database_url)
    parts.catalogue.sync(str(osc))
    with ExitStack() as stack:
        app = build(parts, stack)
        yield stack.enter_context(TestClient(app, raise_server_exceptions=False, follow_redirects=False))
