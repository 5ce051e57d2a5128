"""User-defined processes: each person's own, and those that they show to everybody."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from terrafair.api.openeo.faults import OpenEOFault
from terrafair.database import reading, transaction
from terrafair.events import now
from terrafair.identity.person import Person

TABLE = sa.table(
    "openeo_processes",
    *(sa.column(name, sa.String) for name in ("person", "id", "updated")),
    sa.column("document", sa.Text),
    sa.column("public", sa.Boolean),
)
PATTERN = re.compile(r"\w{1,200}")
MOST = 2_000
"""User-defined processes of one person."""


@dataclass(frozen=True, slots=True)
class UserProcess:
    """A process that somebody has defined."""

    person: str
    """`Person.id`; also the namespace of those that are public."""
    id: str
    document: Mapping[str, Any]
    """A process with its graph, as it was stored, with its id."""
    public: bool
    """Everybody may read it by its address."""


class UserProcesses:
    """All of one platform."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def put(self, person: Person, id: str, document: Mapping[str, Any], *, public: bool) -> None:  # noqa: A002
        """Store one in place of what had its id."""
        known = (TABLE.c.person == person.id, TABLE.c.id == id)
        values = {"document": json.dumps({**document, "id": id}), "public": public, "updated": now()}
        count = sa.select(sa.func.count()).select_from(TABLE).where(TABLE.c.person == person.id)
        with transaction(self._engine) as connection:
            if connection.execute(TABLE.update().where(*known).values(**values)).rowcount:
                return
            if connection.execute(count).scalar_one() >= MOST:
                raise OpenEOFault("StorageQuotaExceeded", f"Nobody may keep more than {MOST} processes.")
            connection.execute(TABLE.insert().values(person=person.id, id=id, **values))

    def find(self, person: str, id: str) -> UserProcess | None:  # noqa: A002
        """One, or None."""
        query = sa.select(TABLE).where(TABLE.c.person == person, TABLE.c.id == id)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _process(row)

    def get(self, person: Person, id: str) -> UserProcess:  # noqa: A002
        """One of a person's own; raises `OpenEOFault`."""
        found = self.find(person.id, id)
        if found is None:
            raise OpenEOFault("ProcessGraphNotFound", identifier=id)
        return found

    def delete(self, person: Person, id: str) -> None:  # noqa: A002
        """Forget one; raises `OpenEOFault` when it is not there."""
        with transaction(self._engine) as connection:
            gone = connection.execute(TABLE.delete().where(TABLE.c.person == person.id, TABLE.c.id == id)).rowcount
        if not gone:
            raise OpenEOFault("ProcessGraphNotFound", identifier=id)

    def listing(self, person: Person, limit: int, offset: int = 0) -> list[UserProcess]:
        """A person's own, by name."""
        return self._select(limit, offset, TABLE.c.person == person.id)

    def public(self, person: str = "", limit: int = 1000, offset: int = 0) -> list[UserProcess]:
        """Those that everybody may read, of one person or of all: definitions for other interfaces too."""
        conditions = [TABLE.c.public == sa.true(), *([TABLE.c.person == person] if person else [])]
        return self._select(limit, offset, *conditions)

    def _select(self, limit: int, offset: int, *conditions: sa.ColumnElement[bool]) -> list[UserProcess]:
        query = sa.select(TABLE).where(*conditions).order_by(TABLE.c.id, TABLE.c.person).limit(limit).offset(offset)
        with reading(self._engine) as connection:
            return [_process(row) for row in connection.execute(query)]


def _process(row: Any) -> UserProcess:
    return UserProcess(row.person, row.id, json.loads(row.document), bool(row.public))
