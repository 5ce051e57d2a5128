"""Wires who may do what; part of the composition root."""

import hmac
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog

from terrafair import events
from terrafair.api import account as account_api
from terrafair.api import administration as administration_api
from terrafair.api import allocations as allocations_api
from terrafair.api import buckets as buckets_api
from terrafair.api import projects as projects_api
from terrafair.api.actors import OPERATOR, VISITOR, Actors
from terrafair.api.egress import Metered
from terrafair.api.openeo.signing import secret
from terrafair.api.rates import Pace
from terrafair.api.reception import GUESSES, USUAL, Reception
from terrafair.api.shared import SharedRate
from terrafair.config import Config
from terrafair.data.bucket_keys import IamKeys, KeyMaker, StsKeys
from terrafair.data.project_buckets import ProjectBuckets
from terrafair.database import transaction
from terrafair.errors import TerrafairError
from terrafair.execution.admission import Admission
from terrafair.execution.budget import Budget
from terrafair.execution.egress import Egress
from terrafair.execution.job import Job
from terrafair.execution.quote import Quotes
from terrafair.execution.storage import Storage
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import Prices
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.people import People
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.providers import parties
from terrafair.identity.sessions import Sessions
from terrafair.identity.sign_in import SignIn
from terrafair.identity.sign_out import SignOut
from terrafair.identity.tokens import Tokens
from terrafair.identity.version import Version
from terrafair.openeo_parts import LOOPBACK, authenticator
from terrafair.portal import account as account_pages
from terrafair.portal import administration as administration_pages
from terrafair.portal import projects as projects_pages
from terrafair.portal.desk import Desk
from terrafair.portal.interrupted import Interrupted
from terrafair.portal.kept import Kept
from terrafair.portal.page import Pages
from terrafair.workspaces.store import Store as Workspaces

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts

HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything about people that routes stand on."""

    people: People
    projects: Projects
    sessions: Sessions
    personal: PersonalTokens
    allocations: Allocations
    sign_in: SignIn
    actors: Actors

    @classmethod
    def of(cls, config: Config, engine: sa.Engine) -> "Identity":
        """From the settings, on the control database."""
        people, projects = People(engine, config.operators), Projects(engine)
        sessions, personal = Sessions(engine), PersonalTokens(engine)
        known = authenticator(config, engine)
        trusted = parties(config)
        tokens = OidcTokens(tuple(party.provider for party in trusted))
        operating = config.anonymous == "operator" or (config.anonymous == "auto" and config.host in LOOPBACK)
        nobody, version = OPERATOR if operating else VISITOR, Version(engine)
        actors = Actors(people, projects, sessions, personal, known, nobody, version.now, version.near)
        return cls(people, projects, sessions, personal, Allocations(engine), SignIn(engine, trusted, tokens), actors)

    def id_token(self, cookie: str) -> str:
        """The provider's token behind a browser's session; empty: there is none."""
        session = self.sessions.find(cookie)
        return session.id_token if session else ""


def install(
    app: "FastAPI",
    parts: "Parts",
    engine: sa.Engine,
    works: administration_pages.Works,
    pages: Pages,
    kept: Kept,
    stack: ExitStack,
) -> None:
    """Routes, pages and the layer in front of all of them."""
    identity, egress = Identity.of(parts.config, engine), Egress(engine, budget(parts))
    # Not the key itself: what signs links must not sign reports.
    key = hmac.digest(secret(engine), b"usage report", "sha256")
    app.include_router(account_api.router(identity.personal, parties(parts.config), identity.actors.forget))
    app.include_router(projects_api.router(identity.projects, identity.actors.forget))
    app.include_router(
        allocations_api.router(
            identity.allocations, Quotes(engine, budget(parts), identity.allocations), key, egress.sent
        )
    )
    app.include_router(administration_api.router(identity.people, engine))
    buckets = project_buckets(parts, engine, identity.people)
    app.include_router(buckets_api.router(buckets, identity.id_token))
    desk = Desk(pages)
    out = SignOut(identity.people, identity.sessions, identity.personal, Tokens(engine), _keys(engine, buckets))
    signing = account_pages.Signing(identity.sign_in, identity.sessions, identity.people, out.of)
    app.include_router(account_pages.router(desk, signing, identity.personal, buckets, kept))
    app.include_router(projects_pages.router(desk, identity.projects, identity.allocations, identity.actors.forget))
    app.include_router(administration_pages.router(desk, identity.people, identity.allocations, engine, works))
    rates: dict[str, Pace] = {}
    if memory := parts.shared:
        rates = {"usual": SharedRate(memory, 0, *USUAL), "guesses": SharedRate(memory, 1, *GUESSES)}
    keeper = Interrupted(kept, pages)
    app.add_middleware(Metered, count=egress.count)
    app.add_middleware(Reception, actors=identity.actors, note=partial(note, engine), interrupted=keeper, **rates)
    beside(stack, "egress", egress.keeping)
    if parts.seat > 0:
        return
    beside(stack, "days", partial(_keep_days, identity.allocations, storage(parts, engine), egress))
    beside(stack, "bucket keys", partial(buckets.sweeping, Version(engine).now))


def beside(stack: ExitStack, name: str, work: Callable[[threading.Event], None]) -> None:
    """Work beside the requests until the platform ends."""
    ended = threading.Event()
    thread = threading.Thread(target=work, args=(ended,), name=name, daemon=True)
    stack.callback(thread.join, 10)
    stack.callback(ended.set)
    thread.start()


def admission(parts: "Parts", engine: sa.Engine, job: Callable[[str], Job]) -> Admission:
    """Who may read the results of jobs."""
    return Admission(job, People(engine, parts.config.operators).actor)


def budget(parts: "Parts") -> Budget:
    """What jobs cost."""
    return Budget(Prices.read(parts.config.prices), parts.limits)


def note(engine: sa.Engine, event: events.Event) -> None:
    """Keep an event by itself."""
    with transaction(engine) as connection:
        events.record(connection, event)


def project_buckets(parts: "Parts", engine: sa.Engine, people: People) -> ProjectBuckets:
    """The object store for people."""
    config = parts.config
    by_token = bool(config.store_sts_url)
    maker: KeyMaker = (
        StsKeys(config.store_sts_url, config.store_role) if by_token else IamKeys(lambda: parts.store_access)
    )
    return ProjectBuckets(engine, lambda: parts.store_access, maker, people.actor, public_url=config.store_public_url)


def storage(parts: "Parts", engine: sa.Engine) -> Storage:
    """What projects keep."""
    return Storage(engine, budget(parts), parts.objects, parts.bucket)


def _keys(engine: sa.Engine, buckets: ProjectBuckets) -> Callable[[str], object]:
    """Ends a person's keys but those of workspaces that are open: what computes in them goes on, and ends with them."""
    return lambda person: buckets.end_all(person, but=[each.keys for each in Workspaces(engine).alive(person=person)])


def _keep_days(allocations: Allocations, kept: Storage, egress: Egress, ended: threading.Event) -> None:
    """Let the periods of allocations begin and end, and charge each day's storage and what left on it once."""
    charged: date | None = None
    while True:
        allocations.begin_day()
        today = datetime.now(UTC).date()
        try:
            egress.charge(today)
            if charged != today:
                kept.charge(today)
                charged = today
        except TerrafairError as fault:
            # The store or the database is away: the next hour may find it well.
            structlog.get_logger().warning("usage.uncharged", reason=str(fault)[:500])
        if ended.wait(HOUR):
            return
