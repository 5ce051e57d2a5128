"""Sessions of browsers: random cookies kept as hashes, with two ends, and the token that guards their forms."""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from terrafair.database import reading, transaction

TABLE = sa.table(
    "sessions",
    *(
        sa.column(name, sa.String)
        for name in ("hash", "person", "provider", "provider_session", "id_token", "csrf", "created", "used", "expires")
    ),
)
COOKIE = "terrafair_session"
IDLE = timedelta(hours=8)
ABSOLUTE = timedelta(days=7)
TOUCH = timedelta(minutes=1)
"""How often the time of last use is written: not at every picture of a page."""


@dataclass(frozen=True, slots=True)
class Session:
    """One signed-in browser."""

    person: str
    provider: str
    csrf: str
    id_token: str = ""
    """For the sign-out at the provider (`id_token_hint`)."""
    ends: datetime | None = None
    """When it ends at the latest, if nobody uses it: known only where it was looked up."""


class Sessions:
    """All sessions of one platform."""

    def __init__(
        self,
        engine: sa.Engine,
        *,
        idle: timedelta = IDLE,
        absolute: timedelta = ABSOLUTE,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._engine = engine
        self._idle = idle
        self._absolute = absolute
        self._now = now

    def begin(
        self, person: str, provider: str, *, provider_session: str = "", id_token: str = "", old: str = ""
    ) -> str:
        """A new cookie; the one before it ends, so that nobody who planted it comes in with the person."""
        cookie, moment = secrets.token_urlsafe(32), self._now()
        with transaction(self._engine) as connection:
            connection.execute(TABLE.delete().where(TABLE.c.expires < _text(moment)))
            connection.execute(TABLE.delete().where(TABLE.c.hash == _hash(old)))
            connection.execute(
                TABLE.insert().values(
                    hash=_hash(cookie),
                    person=person,
                    provider=provider,
                    provider_session=provider_session[:200],
                    id_token=id_token,
                    csrf=secrets.token_urlsafe(24),
                    created=_text(moment),
                    used=_text(moment),
                    expires=_text(moment + self._absolute),
                )
            )
        return cookie

    def find(self, cookie: str) -> Session | None:
        """The session of a cookie, while it lasts."""
        if not cookie:
            return None
        moment = self._now()
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.hash == _hash(cookie))).one_or_none()
        if row is None or row.expires <= _text(moment) or row.used <= _text(moment - self._idle):
            return None
        if row.used <= _text(moment - TOUCH):
            with transaction(self._engine) as connection:
                connection.execute(TABLE.update().where(TABLE.c.hash == row.hash).values(used=_text(moment)))
        ends = min(datetime.fromisoformat(row.expires), moment + self._idle - TOUCH)
        return Session(row.person, row.provider, row.csrf, row.id_token, ends)

    def end(self, cookie: str) -> None:
        """Sign out here."""
        self._delete(TABLE.c.hash == _hash(cookie))

    def end_all(self, person: str) -> int:
        """Sign a person out everywhere."""
        return self._delete(TABLE.c.person == person)

    def end_at_provider(self, provider: str, *, session: str = "", person: str = "") -> frozenset[str]:
        """What a back-channel logout asks for: one session of the provider's, or all of a person's; gives whose."""
        here = TABLE.c.provider == provider
        condition = TABLE.c.provider_session == session if session else TABLE.c.person == person
        if not session and not person:
            return frozenset()
        with transaction(self._engine) as connection:
            chosen = sa.and_(here, condition)
            people = frozenset(connection.execute(sa.select(TABLE.c.person).where(chosen)).scalars())
            connection.execute(TABLE.delete().where(chosen))
        return people

    def _delete(self, condition: "sa.ColumnElement[bool]") -> int:
        with transaction(self._engine) as connection:
            return connection.execute(TABLE.delete().where(condition)).rowcount


def guarded(session: Session, token: str) -> bool:
    """Whether a form's token is the session's, compared in constant time."""
    return hmac.compare_digest(session.csrf.encode(), token.encode("utf-8", "replace"))


def _hash(cookie: str) -> str:
    return hashlib.sha256(cookie.encode("utf-8", "replace")).hexdigest()


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds")
