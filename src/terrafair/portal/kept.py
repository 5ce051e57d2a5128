"""What people have typed and not handed in yet: kept at each change, and over the end of a session."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import InvalidInput

TABLE = sa.table(
    "kept_forms", *(sa.column(name, sa.String) for name in ("id", "person", "path", "updated")),
    sa.column("fields", sa.Text),
)  # fmt: skip
LARGEST = 400_000
"""Characters of one form."""
LEFT_BEHIND = 500
"""Forms of people who were not signed in that are kept at once; the oldest go first."""
DAYS = 30
NOBODY = "-"
"""Before the secret of a form whose person is not known yet."""

Fields = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Draft:
    """What was typed."""

    fields: Fields
    updated: str
    """RFC 3339; another tab that has saved since has another."""
    path: str = ""


class Kept:
    """All of them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def save(self, person: str, path: str, fields: Fields) -> Draft:
        """Keep what a person has typed on a page; raises `InvalidInput` for more than anybody types."""
        text, now = _text(fields), datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        row = {"person": person, "path": path[:600], "fields": text, "updated": now}
        with transaction(self._engine) as connection:
            mine = (TABLE.c.person == person, TABLE.c.path == row["path"])
            if not connection.execute(TABLE.update().where(*mine).values(**row)).rowcount:
                connection.execute(TABLE.insert().values(id=secrets.token_hex(16), **row))
            old = (datetime.now(UTC) - timedelta(days=DAYS)).isoformat()
            connection.execute(TABLE.delete().where(TABLE.c.updated < old))
        return Draft(fields, now, path)

    def find(self, person: str, path: str) -> Draft | None:
        """What they typed there last."""
        return self._one(TABLE.c.person == person, TABLE.c.path == path[:600])

    def drop(self, person: str, path: str) -> None:
        """It has been handed in."""
        with transaction(self._engine) as connection:
            connection.execute(TABLE.delete().where(TABLE.c.person == person, TABLE.c.path == path[:600]))

    def leave(self, path: str, fields: Fields) -> str:
        """Keep what somebody has handed in who is signed in no more; gives the secret to come back with."""
        text, secret = _text(fields), secrets.token_urlsafe(24)
        row = {"id": secret, "person": NOBODY + secret, "path": path[:600], "fields": text, "updated": events.now()}
        left = TABLE.c.person.startswith(NOBODY)
        with transaction(self._engine) as connection:
            connection.execute(TABLE.insert().values(**row))
            newest = sa.select(TABLE.c.id).where(left).order_by(TABLE.c.updated.desc()).limit(LEFT_BEHIND)
            connection.execute(TABLE.delete().where(left, TABLE.c.id.not_in(newest.scalar_subquery())))
        return secret

    def found(self, secret: str, path: str = "") -> Draft | None:
        """What was left behind, for a page or wherever it was."""
        where = [TABLE.c.id == secret, TABLE.c.person == NOBODY + secret]
        return self._one(*where, *([TABLE.c.path == path[:600]] if path else []))

    def _one(self, *where: "sa.ColumnElement[bool]") -> Draft | None:
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(*where)).first()
        return Draft(json.loads(row.fields), row.updated, row.path) if row else None


def _text(fields: Fields) -> str:
    text = json.dumps({name: list(values) for name, values in fields.items()}, ensure_ascii=False)
    if len(text) > LARGEST:
        raise InvalidInput(
            f"The form holds {len(text):,} characters.",
            f"At most {LARGEST:,} are kept.",
            "Shorten it.",
            code="too-large",
        )
    return text
