"""A person's documents in the control database: batch jobs and services, each by an id that nobody can guess."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.database import reading, transaction
from terrafair.errors import Conflict
from terrafair.events import now
from terrafair.identity.person import Person

MOST = 10_000
"""Documents of one kind that one person may keep."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One document."""

    id: str
    person: str
    """`Person.id` of its owner."""
    document: Mapping[str, Any]
    created: str
    updated: str


class Shelf:
    """One kind of document; others' are as if they were not there."""

    def __init__(self, engine: sa.Engine, table: str, missing: str, prefix: str) -> None:
        self._engine = engine
        self._missing = missing
        """The code of the error for ids that nobody has."""
        self._prefix = prefix
        self._table = sa.table(
            table,
            sa.column("number", sa.Integer),
            *(sa.column(name, sa.String) for name in ("id", "person", "created", "updated")),
            sa.column("document", sa.Text),
        )

    def add(self, person: Person, document: Mapping[str, Any]) -> Kept:
        """Keep a new one."""
        moment = now()
        kept = Kept(f"{self._prefix}{secrets.token_hex(10)}", person.id, document, moment, moment)
        count = sa.select(sa.func.count()).select_from(self._table).where(self._table.c.person == person.id)
        with transaction(self._engine) as connection:
            if connection.execute(count).scalar_one() >= MOST:
                raise OpenEOFault("StorageQuotaExceeded", f"Nobody may keep more than {MOST} of them; delete some.")
            connection.execute(self._table.insert().values(**{**_fields(kept), "document": _text(document)}))
        return kept

    def get(self, person: Person | None, id: str) -> Kept:  # noqa: A002 - the field's word
        """One of a person's, or anybody's for `None`; raises `OpenEOFault`."""
        query = sa.select(self._table).where(self._table.c.id == id)
        query = query.where(self._table.c.person == person.id) if person else query
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise OpenEOFault(self._missing, identifier=id)
        return _kept(row)

    def listing(self, person: Person, limit: int, offset: int = 0) -> list[Kept]:
        """A person's, newest first."""
        query = sa.select(self._table).where(self._table.c.person == person.id)
        query = query.order_by(self._table.c.number.desc()).limit(limit).offset(offset)
        with reading(self._engine) as connection:
            return [_kept(row) for row in connection.execute(query)]

    def replace(self, before: Kept, document: Mapping[str, Any]) -> Kept:
        """Change one; raises `Conflict` when somebody else has changed it since it was read."""
        changes = {"document": _text(document), "updated": now()}
        same = (self._table.c.id == before.id, self._table.c.document == _text(before.document))
        with transaction(self._engine) as connection:
            if not connection.execute(self._table.update().where(*same).values(**changes)).rowcount:
                raise Conflict(f"{before.id} has been changed by somebody else meanwhile.", remedy="Try again.")
        return Kept(before.id, before.person, document, before.created, changes["updated"])

    def delete(self, kept: Kept) -> None:
        """Forget one."""
        with transaction(self._engine) as connection:
            connection.execute(self._table.delete().where(self._table.c.id == kept.id))


def _fields(kept: Kept) -> dict[str, Any]:
    return {"id": kept.id, "person": kept.person, "created": kept.created, "updated": kept.updated}


def _text(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=False, ensure_ascii=False)


def _kept(row: Any) -> Kept:
    return Kept(row.id, row.person, json.loads(row.document), row.created, row.updated)
