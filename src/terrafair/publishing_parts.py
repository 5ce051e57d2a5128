"""Wires publishing: the archive and the review of records; part of the composition root."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from terrafair.config import Config
from terrafair.data.objects import S3Access
from terrafair.development.releases import Releases
from terrafair.errors import Unreachable
from terrafair.execution.conversion import Converter
from terrafair.execution.job import Job
from terrafair.publishing.answers import Answers
from terrafair.publishing.archive import Addresses, Archive, ManualArchive, PrrAccess, PrrArchive
from terrafair.publishing.credentials import AppCredentials, Credentials, TokenCredentials, secret
from terrafair.publishing.github import GitHub, Patience, exchange
from terrafair.publishing.publisher import Publisher, Services
from terrafair.publishing.review import GitHubReview
from terrafair.publishing.standins.embedded import (
    ARCHIVE_BASE,
    PRODUCTION,
    TESTING,
    ArchiveAccess,
    ForgeAccess,
)
from terrafair.publishing.store import Store
from terrafair.publishing.zarr_version import ZarrToVersion2

if TYPE_CHECKING:
    from terrafair.app import Parts


def publisher(
    parts: "Parts", engine: Any, job: Callable[[str], Job], forge: ForgeAccess | None, archive: ArchiveAccess | None
) -> Publisher:
    """What carries results into the catalogue; without the embedded stand-ins their steps say why they fail."""
    config = parts.config
    embedded = not config.github_url
    contract = config.archive_contract or ("" if config.archive_url else "none (demonstration)")
    services = Services(
        store=Store(engine),
        objects=parts.objects,
        job=job,
        resolve=lambda done: Releases(engine).traced(parts.resolve_job(done)),
        catalogue=parts.catalogue_files,
        check=parts.rules,
        archive=functools.cache(lambda: _archive(config, archive)),
        addresses=Addresses(config.archive_url.rstrip("/") or ARCHIVE_BASE),
        review=functools.cache(lambda: _review(config, forge)),
        production=PRODUCTION if embedded else config.github_production,
        testing=TESTING if embedded else config.github_testing,
        folder=config.home / "publications",
        author=config.publish_author,
        to_zarr2=ZarrToVersion2(Converter(parts.sandbox)),
        defaults=Answers(contract=contract),
    )
    return Publisher(services)


def _archive(config: Config, embedded: ArchiveAccess | None) -> Archive:
    if config.archive_route == "manual":
        return ManualArchive()
    if config.archive_url:
        password = secret(config.archive_password_file, "TERRAFAIR_ARCHIVE_PASSWORD", "the archive's password")
        bucket = config.archive_bucket or f"sg-{config.archive_user}-generic"
        stage = S3Access(config.archive_url, config.archive_user, password, bucket)
        return PrrArchive(PrrAccess(config.archive_url, config.archive_user, password, stage))
    if embedded is None:
        raise Unreachable("The embedded archive does not run.", remedy="Start the platform again; its log says why.")
    return PrrArchive(PrrAccess(embedded.url, embedded.user, embedded.password, embedded.stage_in))


def _review(config: Config, embedded: ForgeAccess | None) -> GitHubReview:
    if config.github_url:
        credentials: Credentials = TokenCredentials(config.github_token_file, "TERRAFAIR_GITHUB_TOKEN")
        if config.github_app and config.github_app_key:
            credentials = AppCredentials(
                config.github_app,
                config.github_app_key,
                config.github_app_installation,
                lambda path, authorization: exchange(config.github_url, path, authorization),
            )
        return GitHubReview(GitHub(config.github_url, credentials), config.github_account)
    if embedded is None:
        raise Unreachable("The embedded forge does not run.", remedy="Start the platform again; its log says why.")
    patience = Patience(between_writes=0)
    return GitHubReview(GitHub(embedded.url, TokenCredentials(value=embedded.token), patience))
