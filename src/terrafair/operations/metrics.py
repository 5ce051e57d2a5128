"""What Prometheus scrapes: requests as they come, and the platform's state as its database has it at that moment.

Names and label values are fixed here: an unknown path, method or state never becomes a new series.
"""

import os
import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where several web processes add up their counts; prometheus_client reads it when it is imported."""
INTERFACES = (
    *("stac", "records", "collections", "processes", "jobs", "features", "openeo", "tiles", "api", "static"),
    *("find", "develop", "run", "results", "publish", "projects", "account", "admin", "health", "metrics"),
    *("workspaces", "docs", "documents", "capabilities", "conformance", "status", ".well-known", "openapi.json"),
)
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OTHER = "other"


def share_between_processes(home: Path) -> None:
    """Let all processes of this server count into one folder, emptied now; call it before anything counts."""
    folder = home / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[FOLDER] = str(folder)


class Collector(Protocol):
    """Something that prometheus_client can ask."""

    def collect(self) -> Iterable[Any]:
        """Metric families."""
        ...


class Counts:
    """What this process counts; several processes add up in one folder."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Histogram

        self._registry = CollectorRegistry()
        self.requests: Any = Histogram(
            "terrafair_http_request_seconds",
            "Time until an answer was sent; streams count until their end.",
            ("interface", "method", "status"),
            buckets=SECONDS,
            registry=self._registry,
        )

    def text(self, *observed: Collector) -> bytes:
        """Prometheus' text format: the counts, and what is observed at this moment."""
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        counts, state = self._registry, CollectorRegistry()
        if os.environ.get(FOLDER):
            counts = CollectorRegistry()
            MultiProcessCollector(counts)  # type: ignore[no-untyped-call]
        for each in observed:
            state.register(each)
        return generate_latest(counts) + generate_latest(state)


class Requests:
    """Counts and times every request, by interface, method and class of its status."""

    def __init__(self, app: ASGIApp, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status, begun = 500, time.perf_counter()

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            labels = (interface(scope["path"]), _one_of(scope["method"], METHODS), f"{status // 100}xx")
            self._counts.requests.labels(*labels).observe(time.perf_counter() - begun)


def interface(path: str) -> str:
    """The interface that a path belongs to, one of a fixed list."""
    first = path.lstrip("/").partition("/")[0]
    return "landing" if not first else _one_of(first, INTERFACES)


def _one_of(value: str, known: Iterable[str]) -> str:
    return value if value in known else OTHER
