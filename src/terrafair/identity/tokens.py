"""Bearer tokens that this platform gives out: random, kept as hashes, with an end."""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.identity.person import Person, invalid

TABLE = sa.table(
    "access_tokens", *(sa.column(name, sa.String) for name in ("hash", "subject", "name", "created", "expires"))
)
LIFETIME = timedelta(hours=12)


class Tokens:
    """The tokens of one platform."""

    def __init__(
        self, engine: sa.Engine, lifetime: timedelta = LIFETIME, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._engine = engine
        self._lifetime = lifetime
        self._now = now

    def issue(self, person: Person) -> str:
        """A new token; it is shown this once, and tokens that have ended are forgotten."""
        token, moment = secrets.token_urlsafe(32), self._now()
        with transaction(self._engine) as connection:
            connection.execute(TABLE.delete().where(TABLE.c.expires < _text(moment)))
            connection.execute(
                TABLE.insert().values(
                    hash=_hash(token),
                    subject=person.subject,
                    name=person.name,
                    created=_text(moment),
                    expires=_text(moment + self._lifetime),
                )
            )
        return token

    def person(self, token: str) -> Person:
        """Whom a token was given to; raises `NotSignedIn`."""
        query = sa.select(TABLE).where(TABLE.c.hash == _hash(token))
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None or row.expires <= _text(self._now()):
            raise invalid("It is unknown, or its time is over.")
        return Person(row.subject, row.name, datetime.fromisoformat(row.expires).timestamp())

    def end_all(self, subject: str) -> int:
        """End all of a person; gives how many."""
        with transaction(self._engine) as connection:
            return connection.execute(TABLE.delete().where(TABLE.c.subject == subject)).rowcount


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
