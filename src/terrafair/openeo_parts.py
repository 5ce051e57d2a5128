"""Wires the openEO API; part of the composition root."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from terrafair.api.openeo.application import Services, application, validation
from terrafair.api.openeo.assembly import Assembly
from terrafair.api.openeo.batch import BatchJobs
from terrafair.api.openeo.own_results import OwnResults
from terrafair.api.openeo.published import Published
from terrafair.api.openeo.results import JobResults
from terrafair.api.openeo.shelf import Shelf
from terrafair.api.openeo.signing import Signer, secret
from terrafair.api.openeo.tiles import Tiles
from terrafair.api.openeo.user_files import UserFiles
from terrafair.api.openeo.user_processes import UserProcesses
from terrafair.api.runs import Runs
from terrafair.config import Config
from terrafair.execution.engines.openeo import offer
from terrafair.execution.jobs import Jobs
from terrafair.identity import passwords
from terrafair.identity.embedded import DEMO, EmbeddedAuthenticator
from terrafair.identity.oidc import OidcTokens
from terrafair.identity.people import People
from terrafair.identity.providers import Protocol, parties
from terrafair.identity.tokens import Tokens

if TYPE_CHECKING:
    from fastapi import FastAPI

    from terrafair.app import Parts

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def openeo(
    parts: "Parts", engine: sa.Engine, jobs: Jobs, runs: Runs, table: Callable[[], list[dict[str, Any]]]
) -> "FastAPI":
    """The application for `/openeo`."""
    config, objects, datasets = parts.config, parts.objects, parts.datasets
    batch = batch_jobs(parts, engine, jobs, runs, table)
    signer = Signer(secret(engine))
    return application(
        Services(
            authenticator=authenticator(config, engine),
            datasets=datasets,
            batch=batch,
            results=JobResults(objects, signer),
            files=batch.assembly.files,
            shelf=Shelf(engine, "openeo_services", "ServiceNotFound", "s-"),
            tiles=Tiles(batch, parts.sandbox, config.home / "tiles", config.synchronous_seconds),
            synchronous_seconds=config.synchronous_seconds,
            job_seconds=config.job_seconds,
        )
    )


def batch_jobs(
    parts: "Parts", engine: sa.Engine, jobs: Jobs, runs: Runs, table: Callable[[], list[dict[str, Any]]]
) -> BatchJobs:
    """What checks, keeps and starts process graphs; the pages ask it, too."""
    signer = Signer(secret(engine))
    files = UserFiles(parts.objects, signer.folder, parts.config.user_quota)
    published = Published(parts.catalogue, parts.resolver, table)
    predefined = frozenset(str(each["id"]) for each in offer.definitions())
    shelf = Shelf(engine, "openeo_jobs", "JobNotFound", "j-")
    results = OwnResults(shelf, jobs, parts.objects, signer)
    assembly = Assembly(UserProcesses(engine), published, files, predefined, results.reference)
    return BatchJobs(shelf, jobs, runs, parts.objects, assembly, validation(parts.datasets))


def authenticator(config: Config, engine: sa.Engine) -> EmbeddedAuthenticator:
    """Local accounts and trusted providers; the demo account only where no other machine can reach it."""
    accounts = dict(config.accounts)
    passwords.check(accounts)
    known: frozenset[str] = frozenset()
    if config.demo and config.host in LOOPBACK and DEMO not in accounts:
        accounts[DEMO], known = passwords.digest(DEMO), frozenset({DEMO})
    providers = tuple(party.provider for party in parties(config) if party.protocol is Protocol.OIDC)
    tokens = OidcTokens(providers, signed_out=People(engine).signed_out)
    return EmbeddedAuthenticator(accounts, Tokens(engine), tokens, known)
