"""Links that open without a token until their time is over (HMAC-SHA256)."""

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.database import reading, transaction

TABLE = sa.table("platform_secrets", sa.column("name", sa.String), sa.column("value", sa.String))
SECRET = "openeo-links"  # noqa: S105 - its name
SECONDS = 7 * 86400


def secret(engine: sa.Engine) -> bytes:
    """The platform's key for links; the first who asks makes it."""
    query = sa.select(TABLE.c.value).where(TABLE.c.name == SECRET)
    with reading(engine) as connection:
        value = connection.execute(query).scalar()
    if value is None:
        with transaction(engine) as connection:
            value = connection.execute(query).scalar()
            if value is None:
                value = secrets.token_hex(32)
                connection.execute(TABLE.insert().values(name=SECRET, value=value))
    return bytes.fromhex(str(value))


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs what a link gives access to, with its end."""

    key: bytes
    now: Callable[[], float] = time.time

    def sign(self, thing: str, seconds: int = SECONDS) -> str:
        """A ticket for the thing: one path segment of end and signature."""
        end = int(self.now()) + seconds
        return f"{end:x}-{self._signature(thing, end)}"

    def check(self, thing: str, ticket: str) -> None:
        """Raise `OpenEOFault` when the ticket is not for this, or its time is over."""
        moment, _, signature = ticket.partition("-")
        try:
            end = int(moment, 16)
        except ValueError:
            end = 0
        if len(moment) > 12 or not hmac.compare_digest(signature.encode(), self._signature(thing, end).encode()):
            raise OpenEOFault("TokenInvalid", "The link is not as it was given out.")
        if end < self.now():
            raise OpenEOFault("ResultLinkExpired")

    def folder(self, thing: str) -> str:
        """A name for a folder that nobody can guess from the thing's."""
        return hmac.new(self.key, f"folder {thing}".encode(), hashlib.sha256).hexdigest()[:32]

    def _signature(self, thing: str, end: int) -> str:
        return hmac.new(self.key, f"{end} {thing}".encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:40]
