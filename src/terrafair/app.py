"""The composition root: settings in, running services out. The only module that wires."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from terrafair.api.openeo.datasets import Datasets
from terrafair.api.shared import SharedMemory
from terrafair.catalogue import osc
from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.items.search import ItemStore
from terrafair.catalogue.records import data_reference
from terrafair.config import Config, check_owner
from terrafair.data.bucket_inputs import BEGINNINGS, BucketInputs
from terrafair.data.objects import OWN, ObjectStore, S3Access, S3Objects
from terrafair.data.project_buckets import bucket_of
from terrafair.data.seaweedfs import remembered
from terrafair.data.stage import Stager
from terrafair.development.images.image import Images
from terrafair.errors import NotFound, Problem
from terrafair.execution.admission import Admission
from terrafair.execution.builtin import Builtin
from terrafair.execution.command import Limits
from terrafair.execution.containers import Containers
from terrafair.execution.doorbell import Doorbell
from terrafair.execution.engines.command.engine import CommandEngine
from terrafair.execution.engines.cwl.batch.batch import batch_of
from terrafair.execution.engines.cwl.engine import CwlEngine
from terrafair.execution.engines.engine import Engine
from terrafair.execution.engines.mlflow.engine import MlflowEngine
from terrafair.execution.engines.notebook.engine import NotebookEngine
from terrafair.execution.engines.openeo.clusters import Clusters, Wanted
from terrafair.execution.engines.openeo.engine import OpenEOEngine
from terrafair.execution.engines.remote.delegation import Delegation
from terrafair.execution.engines.remote.engine import RemoteEngine
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.job import Job, JobRequest, Results, Usage
from terrafair.execution.jobs import Jobs
from terrafair.execution.painters import Near, Painters
from terrafair.execution.podman import Podman
from terrafair.execution.provenance import Platform
from terrafair.execution.reproduction import Reproduction
from terrafair.execution.results import Packager
from terrafair.execution.sandbox import Sandbox, probe
from terrafair.execution.shelves import Shelves
from terrafair.execution.task import JobFolder, Outcome
from terrafair.execution.tracking_server import TrackingServer
from terrafair.execution.worker import Runner
from terrafair.identity.asking import PLATFORM
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.providers import parties
from terrafair.identity.token_exchange import TokenExchange
from terrafair.publishing.git_files import FolderFiles, GitFiles
from terrafair.publishing.standins.archive.library import ArchiveWeb, Library
from terrafair.publishing.standins.embedded import (
    ARCHIVE_BASE,
    STAGE_BUCKET,
)
from terrafair.publishing.validation import Rules
from terrafair.repositories import Repositories
from terrafair.web import SafeWeb, Web
from terrafair.workflows.check import bind
from terrafair.workflows.deployments import Deployments
from terrafair.workflows.processes import Processes
from terrafair.workflows.resolve import Resolver
from terrafair.workflows.table import Table
from terrafair.workflows.workflow import Resolution, WorkflowType

Build = Callable[[Job, Callable[[], bool], Callable[[str, str], None]], Results]
DEMO_SUBSTITUTES = {"terrafair/demo-water:1.0": "platform"}
"""The demo's container image runs on the platform's own Python where podman has not built it."""


@dataclass
class Parts:
    """Services that the server, the workers and the command line share; each is built when it is first needed."""

    config: Config
    seat: int = 0
    """Which of the platform's web processes this is; what there may be only one of is with the first."""
    shared: SharedMemory | None = None
    """What several web processes know of each other."""
    admission: Admission | None = None
    """Who may read results; set once there are jobs and people."""

    def __post_init__(self) -> None:
        """Refuse what would break a home folder."""
        check_owner(self.config.home)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Mirror and index."""
        return Catalogue(self.config.home)

    @cached_property
    def repositories(self) -> Repositories:
        """Mirrors of code repositories."""
        config = self.config
        return Repositories(config.home / "repositories", config.repositories, web=self.web, keys=config.git_ssh_keys)

    @cached_property
    def web(self) -> Web:
        """The client for addresses that people give."""
        safe = SafeWeb(allow_private=self.config.allow_private_addresses)
        return safe if self.config.archive_url else ArchiveWeb(safe, self.library)

    @cached_property
    def library(self) -> Library:
        """What the embedded archive holds."""
        config = self.config
        if config.store_url:
            access = S3Access(config.store_url, config.store_key, config.store_secret, STAGE_BUCKET)
            return Library(ARCHIVE_BASE, self.objects, S3Objects(access))
        return Library(ARCHIVE_BASE, self.objects, _LateObjects(config.home, STAGE_BUCKET))

    @property
    def store_access(self) -> S3Access:
        """How the object store is reached."""
        config = self.config
        if config.store_url:
            return S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket)
        return remembered(config.home, config.store_bucket)

    @cached_property
    def objects(self) -> ObjectStore:
        """The object store: the site's S3, or the embedded one once it has been started."""
        config = self.config
        if config.store_url:
            return S3Objects(self.store_access, OWN)
        return _LateObjects(config.home, config.store_bucket, OWN)

    @cached_property
    def roots(self) -> tuple[Path, ...]:
        """Folders whose files jobs may read in place."""
        return (self.config.home / "data", *self.config.data_roots)

    @cached_property
    def stager(self) -> Stager:
        """Brings referenced data to jobs."""
        return Stager(self.objects, self.web, self.roots, self.admit, self.bucket_inputs)

    @cached_property
    def bucket_inputs(self) -> BucketInputs:
        """What jobs read of projects' buckets."""
        return BucketInputs(self.bucket)

    def bucket(self, project: str) -> ObjectStore:
        """A project's own bucket."""
        return S3Objects(replace(self.store_access, bucket=bucket_of(project)))

    def admit(self, key: str) -> None:
        """Raise for an object that the asker may not read; only the platform itself reads before there are jobs."""
        if self.admission is not None:
            self.admission(key)

    @cached_property
    def sandbox(self) -> Sandbox:
        """What isolation this machine gives."""
        return probe(self.config.home, self.config.isolation)

    @cached_property
    def engines(self) -> Mapping[WorkflowType, Engine]:
        """One adapter for each type of workflow."""
        software = Software(Environments(self.config.home / "environments"), self.containers)
        engines = self.engines_on(self.stager, software)
        return {engine.type: engine for engine in engines}

    @cached_property
    def clusters(self) -> Clusters:
        """Where openEO's cubes are computed."""
        wanted = Wanted.read(self.config.dask_scheduler, self.config.dask_options)
        return Clusters(wanted, self.config.home / "dask")

    @cached_property
    def containers(self) -> Containers:
        """Which container images can run here, and what stands in for them."""
        config = self.config
        podman = Podman.probe() if config.containers != "none" else None
        substitutes = {**DEMO_SUBSTITUTES, **config.substitutes}
        return Containers(substitutes, config.containers, podman, made=self.images.stand_in)

    def engines_on(self, stager: Stager, software: Software) -> tuple[Engine, ...]:
        """The adapters, with their data from this stager and their programs from this software."""
        config = self.config
        return (
            OpenEOEngine(stager, self.collection, self.clusters),
            CwlEngine(self.repositories, self.web, stager, software, batch_of(config)),
            NotebookEngine(self.repositories, stager, software),
            CommandEngine(self.repositories, stager, software),
            MlflowEngine(self.repositories, stager, software),
            RemoteEngine(self.delegation, stager, self.only_here, allow_private=config.allow_private_addresses),
        )

    @cached_property
    def images(self) -> Images:
        """Images that builds have made here."""
        return Images(self.config.home / "images")

    @cached_property
    def delegation(self) -> Delegation:
        """Platforms elsewhere that execute jobs."""
        config = self.config
        trusted = parties(config)
        tokens = OidcTokens(tuple(party.provider for party in trusted))
        exchange = TokenExchange(config.target_audiences, trusted, tokens, config.home / "exchanged")
        private = config.allow_private_addresses
        return Delegation(config.targets, config.target_tokens, exchange, allow_private=private)

    def only_here(self, reference: str) -> bool:
        """Whether a reference can be read on this platform only."""
        return self.objects.key_of(reference) is not None or reference.startswith(("/", "file://", *BEGINNINGS))

    @cached_property
    def resolver(self) -> Resolver:
        """Reads records down to what would run."""
        return Resolver(self.catalogue, self.repositories, self.web, self.config.documents, self.check)

    @cached_property
    def table(self) -> Table:
        """The verdict on everything that is published, kept for a while."""
        return Table(lambda: self.catalogue.commit, self.resolver)

    def processes(self, database: sa.Engine) -> Processes:
        """Everything that OGC API - Processes lists."""
        return Processes(self.catalogue, self.table, Deployments(database, self.objects), self.resolver.resolve_file)

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
            address, _, entry = request.file.partition("#")
            name = address.rpartition("/")[2]
            key = self.objects.key_of(address)
            if key:
                self.admit(key)
            content = self.objects.get(key) if key else self.web.get(address).content
            return self.resolver.resolve_file(content, name, entry)
        return self.resolver.resolve(request.subject, request.kind or None)

    def resolve_job(self, job: Job) -> Resolution:
        """What a job comes down to."""
        found = self.resolve(job.request)
        return self.delegation.delegate(found, job.request.target) if job.request.target else found

    def runner(self, jobs: Jobs, build: Build | None = None) -> Runner:
        """What carries jobs from their resolution to their stored results."""
        return Runner(
            jobs=jobs,
            resolve=self.resolve_job,
            bind=bind,
            engines=self.engines,
            sandbox=self.sandbox,
            package=self.package,
            compare=self.reproduction.compare,
            limits=self.limits,
            builtin=Builtin(self.objects),
            asker=self.admission.asker if self.admission else lambda _: PLATFORM,
            build=build,
        )

    @cached_property
    def bell(self) -> Doorbell:
        """Wakes the workers of this machine."""
        return Doorbell(self.config.home / "jobs.bell")

    @cached_property
    def painters(self) -> Painters:
        """Draws map tiles."""
        seat = f"-{self.seat}" if self.seat else ""
        near = Near(self.objects, self.config.home / f"near{seat}")
        return Painters(self.sandbox, near, self.config.home / f"painters{seat}")

    @cached_property
    def packager(self) -> Packager:
        """Stores and describes results."""
        server = None
        if address := self.config.mlflow_url:
            server = TrackingServer(address, self.config.mlflow_token)
        return Packager(self.objects, self.sandbox, Platform(), server)

    @cached_property
    def shelves(self) -> Shelves:
        """STAC items and features."""
        config = self.config
        return Shelves(config.home, config.items_database, self.catalogue, self.objects, self.sandbox)

    @property
    def items(self) -> ItemStore:
        """STAC collections and items."""
        return self.shelves.items

    def package(self, job: Job, resolution: Resolution, folder: JobFolder, outcome: Outcome, usage: Usage) -> Results:
        """Store a job's results, then show them."""
        results = self.packager.package(job, resolution, folder, outcome, usage)
        self.shelves.put(job, results, folder)
        return results

    @cached_property
    def reproduction(self) -> Reproduction:
        """Compares results with published products."""
        return Reproduction(self.objects, self.stager, self.sandbox, self.product, self.config.home / "jobs")

    def product(self, id: str) -> tuple[str, str] | None:  # noqa: A002
        """Title and STAC reference of a published product; None: there is no such product."""
        record = self.catalogue.record("product", id)
        return (record.title, data_reference(record)) if record else None

    @cached_property
    def rules(self) -> Rules:
        """The catalogue's rules, with their schemas compiled once."""
        from terrafair.catalogue.schemas import Store as Schemas

        return Rules(Schemas(self.config.schemas))

    def catalogue_files(self) -> Mapping[str, bytes]:
        """The files of the catalogue as it is indexed; raises `NotFound` before the first sync."""
        catalogue, known = self.catalogue, self.__dict__.get("_files")
        commit = catalogue.commit
        if not commit:
            raise NotFound("There is no catalogue yet.", remedy="Bring one in with `terrafair catalogue sync`.")
        if known is None or known[0] != commit:
            mirror = self.config.home / "catalogue/mirror.git"
            source = osc.reopen(catalogue.source, commit, catalogue.branch, mirror)
            files: Mapping[str, bytes]
            if isinstance(source, osc.GitSource):
                files = GitFiles(source.repository, commit)
            else:
                files = FolderFiles(Path(source.address))
            known = self.__dict__["_files"] = (commit, files)
        found: Mapping[str, bytes] = known[1]
        return found

    @property
    def limits(self) -> Limits:
        """The most that one job may take."""
        config = self.config
        return Limits(
            config.job_seconds,
            config.job_memory,
            file_size=config.job_disk,
            disk=config.job_disk,
            files=config.job_files,
        )


class _LateObjects:
    """The embedded store for processes that may start before it does: reached when it is first used."""

    def __init__(self, home: Path, bucket: str, alias: str = "") -> None:
        self._home, self._bucket, self._alias = home, bucket, alias
        self._store: S3Objects | None = None

    def __getattr__(self, name: str) -> Any:
        if self._store is None:
            self._store = S3Objects(remembered(self._home, self._bucket), self._alias)
        return getattr(self._store, name)
