"""Publications in the control database, one for each job, changed only through their lifecycle."""

import secrets
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from terrafair import events
from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.publishing.publication import Answered, Happening, Publication, State, step

TABLE = sa.table(
    "publications",
    sa.column("number", sa.Integer),
    *(sa.column(name, sa.String) for name in ("id", "job", "state", "created", "updated")),
    sa.column("document", sa.Text),
)
_LETTERS = "0123456789abcdefghjkmnpqrstvwxyz"


class Store:
    """All publications of one platform."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def begin(self, job: str, answers: dict[str, Any]) -> Publication:
        """The publication of a job, with these answers added; there is never a second one."""
        try:
            return self._begin(job, answers)
        except sa.exc.IntegrityError:
            # Somebody else began it in the same instant.
            return self._begin(job, answers)

    def _begin(self, job: str, answers: dict[str, Any]) -> Publication:
        with transaction(self._engine) as connection:
            row = connection.execute(sa.select(TABLE.c.document).where(TABLE.c.job == job)).one_or_none()
            if row is None:
                made = Publication(_new_id(), job, events.now())
                connection.execute(TABLE.insert().values(**_row(made)))
                events.record(connection, events.PublicationOpened(made.id, job))
            else:
                made = Publication.read(row.document)
            return self._change(connection, made, Answered(answers))

    def get(self, id: str) -> Publication:  # noqa: A002 - the field's word
        """A publication by its own id or its job's; raises `NotFound`."""
        with reading(self._engine) as connection:
            return self._load(connection, id)

    def listing(self, *, state: str = "", limit: int = 100) -> list[Publication]:
        """Newest first."""
        query = sa.select(TABLE.c.document).order_by(TABLE.c.number.desc()).limit(min(max(limit, 1), 10_000))
        query = query.where(TABLE.c.state == state) if state else query
        with reading(self._engine) as connection:
            return [Publication.read(row.document) for row in connection.execute(query)]

    def apply(self, id: str, happening: Happening) -> Publication:  # noqa: A002
        """Change a publication by what happened to it."""
        with transaction(self._engine) as connection:
            return self._change(connection, self._load(connection, id), happening)

    def _change(self, connection: sa.Connection, before: Publication, happening: Happening) -> Publication:
        from dataclasses import replace

        after = step(before, happening)
        if after == before:
            return before
        after = replace(after, updated=events.now())
        connection.execute(TABLE.update().where(TABLE.c.id == after.id).values(**_row(after)))
        if after.state is not before.state:
            events.record(connection, events.PublicationMoved(after.id, after.state.value))
        return after

    def _load(self, connection: sa.Connection, id: str) -> Publication:  # noqa: A002
        query = sa.select(TABLE.c.document).where(sa.or_(TABLE.c.id == id, TABLE.c.job == id))
        row = connection.execute(query).first()
        if row is None:
            raise NotFound(
                f"There is no publication {id[:80]!r}.",
                remedy="`terrafair publications` lists them.",
                where="publication",
            )
        return Publication.read(row.document)


def _row(publication: Publication) -> dict[str, Any]:
    return {
        "id": publication.id,
        "job": publication.job,
        "state": publication.state.value,
        "created": publication.created,
        "updated": publication.updated,
        "document": publication.json(),
    }


def _new_id() -> str:
    return f"p{datetime.now(UTC):%Y%m%d}-{''.join(secrets.choice(_LETTERS) for _ in range(8))}"


__all__ = ["State", "Store"]
