"""What the command line does on this machine without a running platform, and how it starts one."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

from terrafair.api import shapes
from terrafair.app import Parts
from terrafair.config import Config
from terrafair.errors import Unreachable
from terrafair.execution.conversion import Converter, Memory
from terrafair.execution.jobs import Jobs
from terrafair.journal import configure
from terrafair.tracing.switch import begin


def table_here(config: Config) -> list[dict[str, Any]]:
    """The verdict on every experiment and workflow, without a running platform."""
    return [shapes.verdict(resolution) for resolution in Parts(config).resolver.table()]


def explain_here(config: Config, id: str, kind: str) -> dict[str, Any]:  # noqa: A002
    """What one id comes down to, without a running platform."""
    return shapes.resolution(Parts(config).resolver.resolve(id, kind or None))


def converter_here(config: Config) -> Converter:
    """Converts and describes files of this machine, in its sandbox."""
    config.home.mkdir(parents=True, exist_ok=True)
    return Converter(Parts(config).sandbox, memory=Memory(config.home / "described"))


def examine(config: Config) -> list[dict[str, Any]]:
    """What works on this machine, and of what the settings name: `[{part, works, says}]`."""
    from terrafair.operations.doctor import examine as look
    from terrafair.operations.surroundings import examine_surroundings

    parts = Parts(config)
    findings = (*look(config, parts.sandbox), *examine_surroundings(config))
    return [dataclasses.asdict(finding) for finding in findings]


def mark_published(config: Config) -> int:
    """Mark publications that the catalogue now has; gives how many. A home without a database has none."""
    from terrafair.database import migrate, open_engine
    from terrafair.publishing_parts import publisher

    if not config.database and not (config.home / "platform.db").exists():
        return 0
    parts, engine = Parts(config), open_engine(config.database_url)
    try:
        migrate(engine)
        jobs = Jobs(engine, NoQueue(), config.home / "jobs")
        return len(publisher(parts, engine, jobs.get, None, None).seen(parts.catalogue_files()))
    finally:
        engine.dispose()


class NoQueue:
    """For services that only look at jobs."""

    def enqueue(self, connection: Any, job: str) -> None:  # noqa: ARG002 - the protocol's names
        """Nothing is accepted here."""
        raise Unreachable(f"Job {job} cannot be accepted here.")


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Run the platform until it is asked to end."""
    from terrafair.server import Server

    configure(config.logs)
    begin(config.traces, "web")
    Server(Parts(config), say).run()


def serve_beside(config: Config) -> None:
    """Serve the web beside the platform's first process, as its word on standard input says."""
    from terrafair.web_workers import serve_beside as run

    configure(config.logs)
    begin(config.traces, "web")
    run(config)


def work(config: Config, slot: str = "worker-0", parent: int = 0) -> None:
    """Execute jobs until the parent process ends."""
    from terrafair.worker_parts import work as run

    configure(config.logs)
    begin(config.traces, "worker")
    run(Parts(config), slot, parent)


def work_elsewhere(config: Config, slot: str, say: Callable[[str], None]) -> None:
    """Execute jobs for a platform on another host until a signal asks for the end."""
    from terrafair import worker_parts

    configure(config.logs)
    begin(config.traces, "worker")
    worker_parts.work_elsewhere(Parts(config), slot, say)


def back_up(config: Config, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Copy a platform into a folder: `{folder, files, objects, bytes}`."""
    from terrafair import operations_parts

    entries = operations_parts.back_up(config, folder, say).entries
    objects = sum(entry.path.startswith("objects/") for entry in entries)
    size = sum(entry.size for entry in entries)
    return {"folder": str(folder), "files": len(entries) - objects, "objects": objects, "bytes": size}


def restore(config: Config, folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Bring a copy into an empty home: `{home, version, created, objects}`."""
    from terrafair import operations_parts

    manifest, objects = operations_parts.restore(config, folder, say)
    return {"home": str(config.home), "version": manifest.version, "created": manifest.created, "objects": objects}


def move(config: Config, say: Callable[[str], None]) -> dict[str, Any]:
    """Move an embedded installation to where the settings lead: `{rows, queued, objects, bytes, items}`."""
    from terrafair import migration_parts

    return migration_parts.move(config, say).document()


def scrub(config: Config, say: Callable[[str], None], *, rate: int, anew: bool) -> dict[str, Any]:
    """Look at all stored results by checksum: `{look, damaged}`."""
    from terrafair import operations_parts

    return operations_parts.scrub_now(Parts(config), say, rate=rate, anew=anew)


def verify_backup(folder: Path) -> list[str]:
    """The damaged or missing files of a copy."""
    from terrafair.operations.backup import verify

    return verify(folder)
