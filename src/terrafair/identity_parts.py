"""Wires who may do what; part of the composition root."""

import hmac
import threading
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import sqlalchemy as sa

from terrafair import events
from terrafair.api import account as account_api
from terrafair.api import administration as administration_api
from terrafair.api import allocations as allocations_api
from terrafair.api import projects as projects_api
from terrafair.api.actors import OPERATOR, VISITOR, Actors
from terrafair.api.openeo.signing import secret
from terrafair.api.reception import Reception
from terrafair.config import Config
from terrafair.database import transaction
from terrafair.execution.budget import Budget
from terrafair.execution.quote import Quotes
from terrafair.identity.allocations import Allocations
from terrafair.identity.credits import Prices
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.people import People
from terrafair.identity.personal_tokens import PersonalTokens
from terrafair.identity.projects import Projects
from terrafair.identity.sessions import Sessions
from terrafair.identity.sign_in import SignIn
from terrafair.openeo_parts import LOOPBACK, authenticator, parties
from terrafair.portal import account as account_pages
from terrafair.portal import administration as administration_pages
from terrafair.portal import projects as projects_pages
from terrafair.portal.desk import Desk
from terrafair.portal.interrupted import Interrupted
from terrafair.portal.kept import Kept
from terrafair.portal.page import Pages

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
        actors = Actors(people, projects, sessions, personal, known, OPERATOR if operating else VISITOR)
        return cls(people, projects, sessions, personal, Allocations(engine), SignIn(engine, trusted, tokens), actors)


def install(
    app: "FastAPI",
    parts: "Parts",
    engine: sa.Engine,
    works: administration_pages.Works,
    pages: Pages,
    kept: Kept,
) -> None:
    """Routes, pages and the layer in front of all of them."""
    identity = Identity.of(parts.config, engine)
    # Not the key itself: what signs links must not sign reports.
    key = hmac.digest(secret(engine), b"usage report", "sha256")
    app.include_router(account_api.router(identity.personal, parties(parts.config), identity.actors.forget))
    app.include_router(projects_api.router(identity.projects, identity.actors.forget))
    app.include_router(
        allocations_api.router(identity.allocations, Quotes(engine, budget(parts), identity.allocations), key)
    )
    app.include_router(administration_api.router(identity.people, engine))
    desk = Desk(pages)
    signing = account_pages.Signing(identity.sign_in, identity.sessions, identity.people, identity.actors.forget)
    app.include_router(account_pages.router(desk, signing, identity.personal, kept))
    app.include_router(projects_pages.router(desk, identity.projects, identity.allocations, identity.actors.forget))
    app.include_router(administration_pages.router(desk, identity.people, identity.allocations, engine, works))
    app.add_middleware(
        Reception, actors=identity.actors, note=partial(note, engine), interrupted=Interrupted(kept, pages)
    )
    threading.Thread(target=_keep_days, args=(identity.allocations,), name="days", daemon=True).start()


def budget(parts: "Parts") -> Budget:
    """What jobs cost."""
    return Budget(Prices.read(parts.config.prices), parts.limits)


def note(engine: sa.Engine, event: events.Event) -> None:
    """Keep an event by itself."""
    with transaction(engine) as connection:
        events.record(connection, event)


def _keep_days(allocations: Allocations) -> None:
    """Let the periods of allocations begin and end."""
    while True:
        allocations.begin_day()
        threading.Event().wait(HOUR)
