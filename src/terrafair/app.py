"""The composition root: settings in, running services out. The only module that wires."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from terrafair.api import shapes
from terrafair.api.openeo.datasets import Datasets
from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.records import data_reference
from terrafair.config import Config
from terrafair.data.objects import ObjectStore, S3Access, S3Objects
from terrafair.data.seaweedfs import remembered
from terrafair.data.stage import Stager
from terrafair.errors import Problem
from terrafair.execution.budget import Budget
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers
from terrafair.execution.conversion import Converter, Memory
from terrafair.execution.engines.command.engine import CommandEngine
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.engine import Engine
from terrafair.execution.engines.notebook.engine import NotebookEngine
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.job import Job, JobRequest
from terrafair.execution.jobs import Jobs
from terrafair.execution.painters import Near, Painters
from terrafair.execution.podman import Podman
from terrafair.execution.provenance import Platform
from terrafair.execution.reproduction import Reproduction
from terrafair.execution.results import Packager
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.execution.worker import Runner
from terrafair.identity.credits import Prices
from terrafair.repositories import Repositories
from terrafair.web import SafeWeb
from terrafair.workflows.check import bind
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.workflow import Resolution, WorkflowType

DEMO_SUBSTITUTES = {"terrafair/demo-water:1.0": "platform"}
"""The demo's container image runs on the platform's own Python where podman has not built it."""


@dataclass
class Parts:
    """Services that the server, the workers and the command line share; each is built when it is first needed."""

    config: Config

    @cached_property
    def catalogue(self) -> Catalogue:
        """Mirror and index."""
        return Catalogue(self.config.home)

    @cached_property
    def repositories(self) -> Repositories:
        """Mirrors of code repositories."""
        return Repositories(self.config.home / "repositories", self.config.repositories, web=self.web)

    @cached_property
    def web(self) -> SafeWeb:
        """The client for addresses that people give."""
        return SafeWeb(allow_private=self.config.allow_private_addresses)

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store: the site's S3, or the embedded one once it has been started."""
        config = self.config
        if config.store_url:
            return S3Objects(S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket))
        return _LateObjects(config.home, config.store_bucket)

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """Folders whose files jobs may read in place."""
        return (self.config.home / "data", *self.config.data_roots)

    @cached_property
    def stager(self) -> Stager:
        """Brings referenced data to jobs."""
        return Stager(self.objects, self.web, self.roots)

    @cached_property
    def sandbox(self) -> Sandbox:
        """What isolation this machine gives."""
        return probe(self.config.home, self.config.isolation)

    @cached_property
    def engines(self) -> Mapping[WorkflowType, Engine]:
        """One adapter for each type of workflow."""
        config = self.config
        podman = Podman.probe() if config.containers != "none" else None
        containers = Containers({**DEMO_SUBSTITUTES, **config.substitutes}, config.containers, podman)
        software = Software(Environments(config.home / "environments"), containers)
        stager = self.stager
        engines: tuple[Engine, ...] = (
            OpenEOEngine(stager, self.collection),
            CwlEngine(self.repositories, self.web, stager, software),
            NotebookEngine(self.repositories, stager, software),
            CommandEngine(self.repositories, stager, software),
        )
        return {engine.type: engine for engine in engines}

    @cached_property
    def resolver(self) -> Resolver:
        """Reads records down to what would run."""
        return Resolver(self.catalogue, self.repositories, self.web, self.config.documents, self.check)

    def check(self, resolution: Resolution) -> tuple[Problem, ...]:
        """What the engine of a workflow's type says against running it here."""
        engine = self.engines.get(resolution.type)
        return tuple(engine.check(resolution)) if engine else ()

    def collection(self, id: str) -> str | None:  # noqa: A002 - the field's word
        """The STAC reference of a collection of this platform, by the id that an openEO graph names."""
        return self.datasets.reference(id)

    @cached_property
    def datasets(self) -> Datasets:
        """The collections that openEO graphs can load."""
        return Datasets(self.catalogue, self.objects)

    def resolve(self, request: JobRequest) -> Resolution:
        """What a request comes down to."""
        if request.file:
            name = request.file.rpartition("/")[2]
            key = self.objects.key_of(request.file)
            content = self.objects.get(key) if key else self.web.get(request.file).content
            return self.resolver.resolve_file(content, name)
        return self.resolver.resolve(request.subject, request.kind or None)

    def resolve_job(self, job: Job) -> Resolution:
        """What a job comes down to."""
        return self.resolve(job.request)

    def runner(self, jobs: Jobs) -> Runner:
        """What carries jobs from their resolution to their stored results."""
        return Runner(
            jobs=jobs,
            resolve=self.resolve_job,
            bind=bind,
            engines=self.engines,
            sandbox=self.sandbox,
            package=self.packager.package,
            compare=self.reproduction.compare,
            limits=self.limits,
        )

    @cached_property
    def painters(self) -> Painters:
        """Draws map tiles."""
        near = Near(self.objects, self.config.home / "near")
        return Painters(self.sandbox, near, self.config.home / "painters")

    @cached_property
    def packager(self) -> Packager:
        """Stores and describes results."""
        return Packager(self.objects, self.sandbox, Platform())

    @cached_property
    def reproduction(self) -> Reproduction:
        """Compares results with published products."""
        return Reproduction(self.objects, self.stager, self.sandbox, self.product, self.config.home / "jobs")

    def product(self, id: str) -> tuple[str, str] | None:  # noqa: A002
        """Title and STAC reference of a published product; None: there is no such product."""
        record = self.catalogue.record("product", id)
        return (record.title, data_reference(record)) if record else None

    @cached_property
    def budget(self) -> Budget:
        """What jobs cost."""
        return Budget(Prices.read(self.config.prices), self.limits)

    @property
    def limits(self) -> Limits:
        """The most that one job may take."""
        config = self.config
        return Limits(config.job_seconds, config.job_memory, file_size=config.job_disk)


class _LateObjects:
    """The embedded store for processes that may start before it does: reached when it is first used."""

    def __init__(self, home: Path, bucket: str) -> None:
        self._home, self._bucket = home, bucket
        self._store: S3Objects | None = None

    def __getattr__(self, name: str) -> Any:
        if self._store is None:
            self._store = S3Objects(remembered(self._home, self._bucket))
        return getattr(self._store, name)


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
    """What works on this machine: `[{part, works, says}]`."""
    from terrafair.operations.doctor import examine as look

    parts = Parts(config)
    return [dataclasses.asdict(finding) for finding in look(config, parts.sandbox)]


def serve(config: Config, say: Callable[[str], None]) -> None:
    """Run the platform until it is asked to end."""
    from terrafair.server import Server

    Server(Parts(config), say).run()


def work(config: Config, slot: str = "worker-0") -> None:
    """Execute jobs until the parent process ends."""
    from terrafair.server import work as run

    run(Parts(config), slot)
