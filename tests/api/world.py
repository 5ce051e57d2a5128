"""Projects of several people on one platform, for tests of who may see and do what."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa
from fastapi import FastAPI
from starlette.testclient import TestClient

from terrafair.app import Parts
from terrafair.config import Config
from terrafair.data.objects import ObjectStore
from terrafair.database import migrate, open_engine
from terrafair.execution import queue
from terrafair.execution.job import Asset, JobRequest, Owner, Results, Started, Succeeded, Usage
from terrafair.execution.jobs import Jobs
from terrafair.identity import passwords
from terrafair.identity.access import Role, Scope, Visibility
from terrafair.identity.people import People, Profile
from terrafair.identity.person import Person
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity_parts import budget
from terrafair.interfaces import build

from ..databases import elsewhere
from ..databases import objects as objects_of

MOMENT = "2026-01-01T00:00:00.000Z"


class NoQueue:
    def enqueue(self, connection: sa.Connection, job: str) -> None:
        pass


@dataclass
class World:
    """A platform for people who sign in: Ada owns `glaciers`, where Cy may look; Dee owns `forests`; Eve operates."""

    app: FastAPI
    engine: sa.Engine
    jobs: Jobs
    objects: ObjectStore
    tokens: dict[str, str]
    ids: dict[str, str]
    parts: Parts

    def client(self, name: str = "", **headers: str) -> TestClient:
        if name:
            headers["Authorization"] = f"Bearer {self.tokens[name]}"
        return TestClient(self.app, base_url="http://127.0.0.1", headers=headers, raise_server_exceptions=False)

    def job(self, name: str = "ada", project: str = "glaciers", visibility: str = "project") -> str:
        job = self.jobs.submit(
            JobRequest("secret-workflow", inputs={"secret": 1}),
            owner=Owner(project, self.ids[name], Visibility(visibility)),
        )
        prefix = f"jobs/{job.id}"
        self.objects.put(f"{prefix}/outputs/secret.txt", b"secret")
        self.objects.put(f"{prefix}/collection.json", b"{}")
        asset = Asset("secret.txt", f"{prefix}/outputs/secret.txt", "text/plain", 6, "ab" * 32)
        self.jobs.apply(job.id, Started(MOMENT))
        results = Results(prefix, f"{prefix}/collection.json", (), (asset,))
        self.jobs.apply(job.id, Succeeded(MOMENT, results, Usage(1.0, 2.0, 10**9)))
        self.jobs.folder(job.id).mkdir(parents=True, exist_ok=True)
        self.jobs.log_file(job.id).write_text('{"time": "x", "level": "info", "message": "secret"}\n')
        return job.id


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("platform")
    accounts = {name: passwords.digest(name) for name in ("dee",)}
    config = Config(
        home=home,
        **elsewhere(home),
        accounts=accounts,
        anonymous="visitor",
        operators=frozenset({"test#eve"}),
        editor_repositories=frozenset({"https://git.example.org/ada/water"}),
    )
    engine = open_engine(config.database_url)
    migrate(engine)
    queue.prepare(config.database_url)
    people, projects, personal = People(engine, config.operators), Projects(engine), PersonalTokens(engine)
    ids, tokens = {}, {}
    for name in ("ada", "cy", "dee", "eve"):
        subject = "local#dee" if name == "dee" else f"test#{name}"
        profile = people.seen(Profile(Person(subject).id, subject, name.title(), f"{name}@example.org"))
        ids[name] = profile.id
        tokens[name], _ = personal.issue(profile.id, "test", list(Scope), timedelta(days=1))
    projects.create(people.actor(ids["ada"]), "glaciers", "Glaciers")
    projects.create(people.actor(ids["dee"]), "forests", "Forests")
    secret = projects.invite(people.actor(ids["ada"]), "glaciers", Role.VIEWER, email="cy@example.org")
    projects.accept(people.get(ids["cy"]), secret)
    objects = objects_of(home)
    parts = Parts(config)
    vars(parts).update(objects=objects)
    with ExitStack() as stack:
        app = build(parts, stack)
        jobs = Jobs(engine, NoQueue(), home / "jobs", budget(parts))
        yield World(app, engine, jobs, objects, tokens, ids, parts)
    parts.catalogue.close()
    engine.dispose()
