"""Personal tokens for programs: shown once, kept as hashes, with scopes and an end."""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import InvalidInput, NotFound
from terrafair.identity.access import Scope
from terrafair.identity.person import invalid

TABLE = sa.table(
    "personal_tokens",
    *(sa.column(name, sa.String) for name in ("hash", "id", "person", "name", "scopes", "created", "expires", "used")),
    sa.column("login", sa.Boolean),
)
MARK = "tfp_"
"""What they begin with: scanners for leaked secrets find them by it."""
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class PersonalToken:
    """One token, without its secret."""

    id: str
    person: str
    name: str
    scopes: frozenset[Scope]
    created: str
    expires: str
    used: str
    """Day of the last use; empty: never."""
    login: bool = False
    """Whether it stands for a sign-in, of the command line say, and ends with it."""


class PersonalTokens:
    """All of one platform."""

    def __init__(self, engine: sa.Engine, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._engine = engine
        self._now = now

    def issue(
        self, person: str, name: str, scopes: Iterable[str], lifetime: timedelta, *, login: bool = False
    ) -> tuple[str, PersonalToken]:
        """A new token and what is known of it; raises `InvalidInput`."""
        wanted = sorted(set(scopes))
        known = {scope.value for scope in Scope}
        if not wanted or not known.issuperset(wanted):
            raise InvalidInput(f"The scopes are {', '.join(wanted) or 'none'}.", f"Known: {', '.join(sorted(known))}.")
        if not timedelta(0) < lifetime <= LONGEST:
            raise InvalidInput(f"The token would live {lifetime.days} days.", f"At most {LONGEST.days} days.")
        if not name.strip():
            raise InvalidInput("The token has no name.", remedy="Say what it is for.", where="name")
        secret, moment = MARK + secrets.token_urlsafe(32), self._now()
        row = {
            "hash": _hash(secret), "id": secrets.token_hex(8), "person": person, "name": name.strip()[:200],
            "scopes": " ".join(wanted), "created": _text(moment), "expires": _text(moment + lifetime), "used": "",
            "login": login,
        }  # fmt: skip
        with transaction(self._engine) as connection:
            connection.execute(TABLE.insert().values(**row))
        return secret, _read(row)

    def find(self, secret: str) -> PersonalToken:
        """Whose token it is and what it allows; raises `NotSignedIn`."""
        moment = self._now()
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.hash == _hash(secret))).mappings().one_or_none()
        if row is None or row["expires"] <= _text(moment):
            raise invalid("It is unknown, or its time is over.")
        today = _text(moment)[:10]
        if row["used"] != today:
            with transaction(self._engine) as connection:
                connection.execute(TABLE.update().where(TABLE.c.hash == row["hash"]).values(used=today))
        return _read(row)

    def listing(self, person: str) -> list[PersonalToken]:
        """A person's, newest first."""
        query = sa.select(TABLE).where(TABLE.c.person == person).order_by(TABLE.c.created.desc(), TABLE.c.id)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(query).mappings()]

    def revoke(self, person: str, id: str) -> None:  # noqa: A002 - the field's word
        """End one of a person's; raises `NotFound`."""
        with transaction(self._engine) as connection:
            here = sa.and_(TABLE.c.person == person, TABLE.c.id == id)
            if not connection.execute(TABLE.delete().where(here)).rowcount:
                raise NotFound(f"There is no token {id[:40]!r}.", where="token")

    def end_logins(self, person: str) -> int:
        """End those that stand for a sign-in; gives how many."""
        with transaction(self._engine) as connection:
            here = sa.and_(TABLE.c.person == person, TABLE.c.login.is_(True))
            return connection.execute(TABLE.delete().where(here)).rowcount


def _read(row: Any) -> PersonalToken:
    scopes = frozenset(Scope(scope) for scope in row["scopes"].split())
    return PersonalToken(
        row["id"], row["person"], row["name"], scopes, row["created"], row["expires"], row["used"],
        bool(row["login"]),
    )  # fmt: skip


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
