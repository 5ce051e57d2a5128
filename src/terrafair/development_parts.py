"""Wires the development of workflows: checks, builds, releases; part of the composition root."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import sqlalchemy as sa

from terrafair.data.stage import Stager
from terrafair.development.builder import Builder
from terrafair.development.checks.check import Checks, Here, resolver
from terrafair.development.checks.target import Get
from terrafair.development.execute import Execution, Say
from terrafair.development.images.registry import Registry
from terrafair.development.links import Links, Push, Source, name_of, pushed, verify, wishes
from terrafair.development.pipeline import Pipeline
from terrafair.development.polling import Poller
from terrafair.development.releases import Releases
from terrafair.errors import TerrafairError
from terrafair.execution.builtin import BUILD
from terrafair.execution.engines.engine import Engine
from terrafair.execution.engines.remote.target import Connection, Target
from terrafair.execution.engines.software import Software
from terrafair.execution.environments import Environments
from terrafair.execution.job import JobRequest, Owner
from terrafair.execution.jobs import Jobs
from terrafair.publishing.credentials import secret
from terrafair.workflows.workflow import WorkflowType

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts

BUILDS_KNOWN = 500


def checks(parts: "Parts", *, solve: bool = True, reach: bool = True, second_opinion: bool = False) -> Checks:
    """All that can be looked at from here."""
    config = parts.config
    environments = Environments(config.home / "environments")
    here = Here(parts.containers.check, parts.limits, frozenset(kind.value for kind in parts.engines))

    def open_(name: str, url: str) -> Get:
        return _Connected(Connection(Target(name, url, config.target_tokens.get(name, ""))))

    return Checks(
        web=parts.web,
        solve=environments.lock if solve else None,
        here=here,
        connect=resolver(config.targets, open_),
        reach=reach,
        second_opinion=second_opinion,
    )


def pipeline(parts: "Parts", say: Say, cancelled: Callable[[], bool] = lambda: False) -> Pipeline:
    """A build whose lines go to `say`."""
    environments = Environments(parts.config.home / "environments")
    software = Software(environments, parts.containers)

    def engines(folder: Path) -> Mapping[WorkflowType, Engine]:
        stager = Stager(_objects(parts), parts.web, (*parts.roots, folder))
        return {engine.type: engine for engine in parts.engines_on(stager, software)}

    return Pipeline(
        checks=checks(parts),
        environments=environments,
        images=parts.images,
        execution=Execution(parts.sandbox, say, cancelled),
        engines=engines,
        resolve=parts.resolver.resolve_file,
        limits=parts.limits,
        registry=parts.config.registry,
    )


def builder(parts: "Parts", engine: sa.Engine, folder: Callable[[str], Path]) -> Builder:
    """What works off builds and releases."""
    return Builder(
        objects=parts.objects,
        repositories=parts.repositories,
        pipeline=lambda say, cancelled: pipeline(parts, say, cancelled),
        images=parts.images,
        folder=folder,
        releases=Releases(engine),
        processes=parts.processes(engine),
        registry=registry(parts),
    )


def registry(parts: "Parts") -> Registry | None:
    """Where released images are pushed to, by the settings."""
    config = parts.config
    if not config.registry:
        return None
    password = ""
    if config.registry_user:
        password = secret(config.registry_password_file, "TERRAFAIR_REGISTRY_PASSWORD", "the registry's password")
    return Registry(config.registry, config.registry_user, password)


def install(app: "FastAPI", parts: "Parts", engine: sa.Engine, jobs: Jobs, all_jobs: Jobs, stack: ExitStack) -> None:
    """`/api/builds`, `/api/releases` and `/api/sources`; looks at linked repositories."""
    # With them comes the web framework, which command lines do without.
    from terrafair.api import builds
    from terrafair.api.shapes import job_document

    linked, released = Links(engine), Releases(engine)

    def push(key: str, body: bytes, headers: Mapping[str, str], branch: str) -> Push | None:
        verify(key, body, headers)
        return pushed(orjson.loads(body), branch)

    def build(source: Source, asked: Push) -> str:
        request = JobRequest(name_of(source.repository), BUILD, "", wishes(source, asked))
        return all_jobs.submit(request, owner=Owner(source.project, source.author)).id

    def built(source: Source, asked: Push) -> bool:
        wanted = wishes(source, asked)
        found = all_jobs.listing(subject=name_of(source.repository), limit=BUILDS_KNOWN)
        return any(dict(job.request.inputs) == wanted for job in found if job.request.kind == BUILD)

    def once(source: Source, asked: Push) -> str:
        # A forge's call that came meanwhile has noted the same commit.
        return build(source, asked) if linked.built(source.id, f"{asked.commit}{asked.version}"[:80]) else ""

    app.include_router(builds.router(jobs, all_jobs, released, job_document))
    app.include_router(builds.links(linked, push, build, parts.repositories.admit))
    if parts.seat == 0 and parts.config.sources_minutes:
        opened = partial(parts.repositories.open, refresh=True)
        poller = Poller(linked, opened, built, once, 60.0 * parts.config.sources_minutes)
        stack.callback(poller.stop)
        poller.start()


def _objects(parts: "Parts") -> Any:
    """The platform's objects; without a platform, as in a pipeline of GitHub's, there are none."""
    try:
        parts.objects.key_of("s3://")
    except TerrafairError:
        return _NoObjects()
    return parts.objects


class _NoObjects:
    """An object store that has nothing."""

    def key_of(self, _: str) -> None:
        """Nothing lies here."""
        return


class _Connected:
    """A target by its JSON."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, path: str) -> Any:
        """The JSON at a path."""
        return self._connection.json("GET", path)
