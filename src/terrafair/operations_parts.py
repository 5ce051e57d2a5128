"""Wires what operators watch the platform with; part of the composition root."""

import fcntl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from terrafair import __version__
from terrafair.catalogue.query import Query
from terrafair.database import reading
from terrafair.errors import Unreachable
from terrafair.identity.access import Action, Kind, Thing, require
from terrafair.identity.asking import actor
from terrafair.operations import metrics
from terrafair.operations.observed import Observed
from terrafair.operations.readiness import Readiness

if TYPE_CHECKING:
    from terrafair.app import Parts

WORKER = "worker-0.lock"


def install(app: FastAPI, parts: "Parts", engine: sa.Engine) -> None:
    """`/health`, `/health/ready` and `/metrics`."""
    readiness = Readiness(_checks(parts, engine))
    counts = metrics.Counts()
    observed = Observed(engine, lambda: documents(parts), readiness, parts.config.home, __version__)
    app.add_middleware(metrics.Requests, counts=counts)

    @app.get("/health", tags=["operations"])
    def health() -> dict[str, Any]:
        """Whether the platform lives, and what it is."""
        return {
            "status": "ok",
            "version": __version__,
            "isolation": parts.sandbox.reason if parts.sandbox.isolated else "none",
            "catalogue": parts.catalogue.commit,
        }

    @app.get("/health/ready", tags=["operations"])
    def ready() -> Response:
        """Whether each part can do its work at this moment; 503 when one cannot."""
        found = readiness.parts()
        # The reasons name hosts and files: they are in the log and in `/admin`, not here for everybody.
        document = {"ready": readiness.ready, "parts": {part.name: part.works for part in found}}
        return JSONResponse(document, 200 if readiness.ready else 503, {"Cache-Control": "no-store"})

    @app.get("/metrics", tags=["operations"], response_class=Response)
    def scrape() -> Response:
        """Prometheus' text format; for operators (a personal token of theirs), or for all by the setting `metrics`."""
        if parts.config.metrics != "open":
            require(actor(), Action.READ, Thing(Kind.PLATFORM))
        return Response(counts.text(observed), media_type="text/plain; version=0.0.4; charset=utf-8")


def documents(parts: "Parts") -> int:
    """How many entries the catalogue has."""
    return parts.catalogue.search(Query(limit=1)).total


def _checks(parts: "Parts", engine: sa.Engine) -> dict[str, Callable[[], object]]:
    return {
        "database": lambda: _select(engine),
        "objects": lambda: next(iter(parts.objects.list("health")), None),
        "catalogue": lambda: _indexed(parts),
        "workers": lambda: _working(parts),
    }


def _select(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        connection.execute(sa.text("SELECT 1")).scalar()


def _indexed(parts: "Parts") -> None:
    if not parts.catalogue.commit:
        raise Unreachable("There is no catalogue yet.", remedy="Bring one in with `terrafair catalogue sync`.")


def _working(parts: "Parts") -> None:
    """A worker holds its lock for as long as it lives."""
    try:
        with (parts.config.home / WORKER).open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    except OSError:
        pass
    raise Unreachable("No worker runs.", remedy="See worker.log in the home folder.")
