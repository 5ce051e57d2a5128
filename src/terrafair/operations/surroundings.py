"""What the platform stands on beyond its machine: database, object store, identity providers, certificates, schemas."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from terrafair.catalogue.schemas import Store, Unavailable
from terrafair.config import Config
from terrafair.data.bucket_keys import client
from terrafair.data.objects import S3Access
from terrafair.data.seaweedfs import remembered
from terrafair.database import NEWEST, open_engine, reading, tables, version
from terrafair.errors import NotFound, TerrafairError
from terrafair.identity import providers
from terrafair.identity.oidc import OidcTokens, Provider
from terrafair.operations.certificates import certificates
from terrafair.operations.doctor import Finding

CLOCK_SECONDS = 30.0
"""Tokens and signed requests are refused by clocks that differ by minutes; it is said before."""
SERVING = "serving.json"
LOCK = "platform.lock"
"""Where one has ever run."""
CORE = tuple(
    f"https://schemas.stacspec.org/v1.1.0/{kind}-spec/json-schema/{kind}.json"
    for kind in ("catalog", "collection", "item")
)
"""What every schema store has, the carried one too."""
_WHEN_STARTED = "`terrafair serve` makes and starts it."


def examine_surroundings(config: Config) -> tuple[Finding, ...]:
    """Look at all that is configured; what the platform itself has yet to make or start is no fault."""
    return (
        *_database(config),
        *_items(config),
        *_objects(config),
        *_providers(config),
        *certificates(config),
        _schemas(config),
    )


def _database(config: Config) -> Iterator[Finding]:
    if not config.database and not (config.home / "platform.db").exists():
        yield Finding("database", True, f"The embedded one is not there yet: {_WHEN_STARTED}")
        return
    try:
        engine = open_engine(config.database_url)
        try:
            with reading(engine) as connection:
                found, empty = version(connection), not tables(connection)
                clock = _database_clock(connection)
        finally:
            engine.dispose()
    except (TerrafairError, sa.exc.SQLAlchemyError, OSError) as fault:
        reason = str(getattr(fault, "orig", None) or fault)
        mend = (
            "Start its server, or mend the setting `database`." if config.database else "Bring it back from a backup."
        )
        yield Finding("database", False, f"{_short(reason)} {mend}")
        return
    yield Finding("database", *_tables(found, empty=empty))
    if clock is not None:
        yield _clock("database", clock)


def _database_clock(connection: sa.Connection) -> datetime | None:
    """Its server's time; None: it is a file, and has ours."""
    if connection.dialect.name != "postgresql":
        return None
    found: datetime = connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()
    return found


def _tables(found: str, *, empty: bool) -> tuple[bool, str]:
    if found == NEWEST:
        return True, f"Reached; its tables are at {found}, the newest."
    if not found and empty:
        return True, "Reached; it is empty: `terrafair serve` makes its tables."
    if not found:
        return False, "Its tables are not this platform's. Name an empty database in the setting `database`."
    if found < NEWEST:
        return (
            False,
            f"Its tables are at {found}, older than {NEWEST}. Start the platform anew: that brings them there.",
        )
    return False, f"Its tables are at {found}, newer than {NEWEST}. Install the release that made them, or a newer one."


def _items(config: Config) -> Iterator[Finding]:
    if config.items_database:
        from terrafair.catalogue.items.pgstac.connections import check

        try:
            yield Finding("items", True, f"Reached; pgSTAC {check(config.items_database)} is there.")
        except (TerrafairError, ImportError) as fault:
            yield Finding("items", False, str(fault))


def _objects(config: Config) -> Iterator[Finding]:
    if config.store_url:
        access = S3Access(config.store_url, config.store_key, config.store_secret, config.store_bucket)
    elif not _serving(config.home):
        yield Finding("objects", True, f"The embedded one does not run: {_WHEN_STARTED}")
        return
    else:
        try:
            access = remembered(config.home, config.store_bucket)
        except NotFound as fault:
            yield Finding("objects", False, str(fault))
            return
    status, date, reason = _ask_bucket(access)
    yield Finding("objects", *_bucket(config, access, status, reason))
    if date is not None and config.store_url:
        yield _clock("objects", date)


def _serving(home: Path) -> bool:
    """Whether a platform runs on a home folder."""
    try:
        return Path(f"/proc/{int(json.loads((home / SERVING).read_bytes())['pid'])}").exists()
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _ask_bucket(access: S3Access) -> tuple[int, datetime | None, str]:
    """(HTTP status or 0, the server's time, what it says)."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer, reason = client("s3", access).head_bucket(Bucket=access.bucket), ""
    except ClientError as fault:
        answer, reason = fault.response, str(fault)
    except (BotoCoreError, ValueError) as fault:
        return 0, None, str(fault)
    about: dict[str, Any] = answer.get("ResponseMetadata", {})
    try:
        date = parsedate_to_datetime(about.get("HTTPHeaders", {}).get("date", ""))
    except ValueError:
        date = None
    return int(about.get("HTTPStatusCode", 0)), date, reason


def _bucket(config: Config, access: S3Access, status: int, reason: str) -> tuple[bool, str]:
    where = f"at {access.endpoint}"
    match status:
        case 200:
            return True, f"Reached {where}; the bucket {access.bucket} is there."
        case 404 if config.store_url and not (config.home / LOCK).exists():
            return True, (
                f"Reached {where}; there is no bucket {access.bucket} yet: `terrafair serve` makes it, "
                "where the key may."
            )
        case 404:
            return False, f"No bucket {access.bucket} {where}. Make it there, or mend the setting `store_bucket`."
        case 401 | 403:
            return False, (
                f"The store {where} refuses the bucket {access.bucket}. Mend `store_key` and `store_secret`, "
                "give the key the right to list the bucket, or set this machine's clock."
            )
    mend = "Start it, or mend the setting `store_url`." if config.store_url else "Start the platform anew."
    return False, f"No store answers {where}: {_short(reason)} {mend}"


def _clock(part: str, theirs: datetime) -> Finding:
    # A Date header without a zone is read as naive; both protocols mean UTC.
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    apart = (theirs - datetime.now(UTC)).total_seconds()
    how = "ahead of" if apart > 0 else "behind"
    if abs(apart) <= CLOCK_SECONDS:
        return Finding(f"{part} clock", True, "Agrees with ours.")
    return Finding(
        f"{part} clock", False, f"{abs(apart):.0f} seconds {how} ours. Let both hosts follow one time server (NTP)."
    )


def _providers(config: Config) -> Iterator[Finding]:
    """Each that people sign in at, by its discovery document; GitHub has none."""
    try:
        wanted = [
            each.provider for each in providers.read(config.providers) if each.protocol is providers.Protocol.OIDC
        ]
        named = {each.id for each in wanted}
        wanted += [
            Provider(name, issuer, config.clients.get(name, ""))
            for name, issuer in config.issuers.items()
            if name not in named
        ]
    except TerrafairError as fault:
        yield Finding("sign-in", False, str(fault))
        return
    for provider in wanted:
        part = f"sign-in {provider.id}"
        try:
            about = OidcTokens((provider,)).about(provider)
        except TerrafairError as fault:
            mend = f"Start the provider, or mend its issuer in the settings: {provider.issuer}"
            yield Finding(part, False, f"{_short(str(fault))} {mend}")
            continue
        missing = [key for key in ("authorization_endpoint", "token_endpoint", "jwks_uri") if not about.get(key)]
        says = f"Its discovery document lacks {', '.join(missing)}. Mend the provider, or its issuer in the settings."
        yield Finding(part, not missing, says if missing else f"{provider.issuer} answers.")


def _schemas(config: Config) -> Finding:
    try:
        store = Store(config.schemas)
        for address in CORE:
            store.validator(address)
    except (TerrafairError, Unavailable) as fault:
        mend = (
            "Fill the folder with `terrafair schemas sync`." if config.schemas else "Install the package pystac anew."
        )
        return Finding("schemas", False, f"{_short(str(fault))} {mend}")
    return Finding("schemas", True, str(config.schemas or "Those of STAC's core; the setting `schemas` brings all."))


def _short(reason: str) -> str:
    text = " ".join(reason.split())[:300]
    return text if text.endswith((".", "!", "?")) else f"{text}."
