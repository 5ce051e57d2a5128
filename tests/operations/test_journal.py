"""Every line that is logged within a request or a job tells which, whoever logs it."""

import asyncio
import io
import json
import logging
import socket
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from terrafair import web_workers
from terrafair.database import migrate
from terrafair.execution.command import Command, Limits
from terrafair.execution.engines.engine import Say
from terrafair.execution.job import JobRequest, Owner, State
from terrafair.execution.task import JobFolder
from terrafair.journal import OWN_HANDLERS, configure
from terrafair.workflows.workflow import Resolution, WorkflowType

from ..execution.test_worker import NoQueue, ScriptEngine, open_jobs, runner
from .test_metrics import World, world  # noqa: F401 - a fixture


class Written(io.StringIO):
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]


@pytest.fixture
def written() -> Iterator[Written]:
    kept = logging.root.handlers, logging.root.level
    own = {name: list(logging.getLogger(name).handlers) for name in OWN_HANDLERS}
    stream = Written()
    configure("json", stream)
    yield stream
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    logging.root.handlers, logging.root.level = kept
    for name, handlers in own.items():
        logging.getLogger(name).handlers = handlers


def speak(where: str) -> None:
    """In each of the ways that code has."""
    structlog.get_logger().warning("ours", where=where)
    logging.getLogger("some.library").warning("theirs %s", where)
    logging.getLogger("dbos").warning("queue %s", where)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated {where}", UserWarning, stacklevel=1)


@contextmanager
def served(app: Any) -> Iterator[str]:
    import uvicorn

    server = uvicorn.Server(web_workers.settings(app))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def add_routes(app: Any) -> None:
    before = len(app.router.routes)

    @app.get("/jobs/{job}/spoken")
    async def spoken(job: str) -> str:
        speak("first")
        await asyncio.sleep(0.05)
        await asyncio.to_thread(speak, "thread")
        return job

    @app.get("/projects/{project}/plain")
    def plain(project: str) -> str:
        speak("pool")
        return project

    @app.get("/broken")
    def broken() -> None:
        raise RuntimeError("an unforeseen fault")

    added = app.router.routes[before:]
    app.router.routes[:] = [*added, *app.router.routes[:before]]


def test_every_line_of_a_request(world: World, written: Written) -> None:  # noqa: F811
    add_routes(world.client.app)
    names = [f"request-{number}" for number in range(8)]

    async def ask(url: str) -> list[httpx2.Response]:
        async with httpx2.AsyncClient(base_url=url, headers={"Host": "testserver"}) as client:
            paths = [("/jobs/abc/spoken", "/projects/ice/plain", "/broken")[number % 3] for number in range(8)]
            return await asyncio.gather(
                *(
                    client.get(path, headers={"X-Request-Id": name, "X-Terrafair-Project": "glaciers"})
                    for path, name in zip(paths, names, strict=True)
                )
            )

    with served(world.client.app) as url:
        written.truncate(0)
        written.seek(0)
        answers = asyncio.run(ask(url))
    assert [answer.status_code for answer in answers] == [200, 200, 500, 200, 200, 500, 200, 200]
    lines = written.lines()
    by = {name: [line for line in lines if line.get("request") == name] for name in names}
    assert sum(map(len, by.values())) == len(lines), [line for line in lines if line.get("request") not in names]
    for number, name in enumerate(names):
        heard = {line["logger"] for line in by[name]}
        if number % 3 == 2:
            assert "uvicorn.error" in heard and "request.broken" in {line["event"] for line in by[name]}
            assert all(line["level"] == "error" and "unforeseen fault" in line["exception"] for line in by[name])
            assert {line["project"] for line in by[name]} == {"glaciers"}
        else:
            assert heard >= {"some.library", "dbos", "py.warnings"} and len(by[name]) == (8 if number % 3 == 0 else 4)
            named = ("job", "abc") if number % 3 == 0 else ("project", "ice")
            assert {line.get(named[0]) for line in by[name]} == {named[1]}


class Speaking(ScriptEngine):
    """An engine in which something logs."""

    def prepare(
        self, resolution: Resolution, values: Mapping[str, Any], folder: JobFolder, limits: Limits, say: Say
    ) -> Command:
        speak("engine")
        return super().prepare(resolution, values, folder, limits, say)


def test_every_line_of_a_job(tmp_path: Path, written: Written) -> None:
    jobs = open_jobs(tmp_path, NoQueue())
    engine = jobs._engine
    migrate(engine)
    run = runner(jobs, engines={WorkflowType.COMMAND: Speaking()}).run
    names = {}
    for project in ("ice", "fire"):
        wish = JobRequest("x", "workflow", inputs={"script": "print(1)"})
        names[project] = jobs.submit(wish, owner=Owner(project, "ada")).id
        run(names[project])
        assert jobs.get(names[project]).state is State.SUCCESSFUL
    lines = written.lines()
    assert len(lines) == 8 and {line["logger"] for line in lines} >= {"some.library", "dbos", "py.warnings"}
    assert [(line["job"], line["project"]) for line in lines] == [
        (names[project], project) for project in ("ice", "fire") for _ in range(4)
    ]
    speak("afterwards")
    assert not any("job" in line or "project" in line for line in written.lines()[8:])
    engine.dispose()


def test_a_job_s_lines_name_its_trace(tmp_path: Path, written: Written) -> None:
    pytest.importorskip("opentelemetry.sdk", reason="the extra `tracing` is not installed")
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from terrafair import tracing
    from terrafair.tracing.sdk import OpenTelemetry

    jobs = open_jobs(tmp_path, NoQueue())
    migrate(jobs._engine)
    tracer = OpenTelemetry(InMemorySpanExporter(), {})
    tracing.install(tracer)
    try:
        with tracing.span(tracing.Name.REQUEST, parent="00-" + "a" * 32 + "-" + "b" * 16 + "-01"):
            job = jobs.submit(JobRequest("x", "workflow", inputs={"script": "print(1)"})).id
        runner(jobs, engines={WorkflowType.COMMAND: Speaking()}).run(job)
    finally:
        tracing.install(None)
        tracer.close()
    assert {(line["job"], line.get("trace")) for line in written.lines()} == {(job, "a" * 32)}
    assert jobs.get(job).trace[3:35] == "a" * 32
    speak("afterwards")
    assert "trace" not in written.lines()[-1]
    jobs._engine.dispose()


def test_as_text(written: Written) -> None:
    stream = io.StringIO()
    configure("text", stream)
    with structlog.contextvars.bound_contextvars(request="request-1", job="j"):
        logging.getLogger("some.library").warning("theirs")
        structlog.get_logger().info("not that important")
    (line,) = stream.getvalue().splitlines()
    assert "theirs" in line and "request=request-1" in line and "job=j" in line and not written.getvalue()
