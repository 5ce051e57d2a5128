"""Workspaces in the control database."""

from dataclasses import fields
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading, transaction
from terrafair.errors import NotFound
from terrafair.workspaces.workspace import Seed, State, Workspace

_NAMES = tuple(each.name for each in fields(Workspace) if each.name not in {"seed", "hours"})
TABLE = sa.table(
    "workspaces",
    *(sa.column(name, sa.String) for name in (*_NAMES, "seed_kind", "seed_id")),
    sa.column("hours", sa.Integer),
)


class Store:
    """All workspaces of one platform; it asks for no rights."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def add(self, connection: sa.Connection, workspace: Workspace) -> None:
        """Keep a new one, in the caller's transaction."""
        connection.execute(TABLE.insert().values(**_row(workspace)))

    def put(self, workspace: Workspace, connection: sa.Connection | None = None) -> Workspace:
        """Keep a change."""
        if connection is None:
            with transaction(self._engine) as own:
                return self.put(workspace, own)
        connection.execute(TABLE.update().where(TABLE.c.id == workspace.id).values(**_row(workspace)))
        return workspace

    def put_if(self, state: State, workspace: Workspace) -> bool:
        """Keep a change to one that is in that state yet: its person may have closed it meanwhile; gives whether."""
        here = sa.and_(TABLE.c.id == workspace.id, TABLE.c.state == state.value)
        with transaction(self._engine) as connection:
            return connection.execute(TABLE.update().where(here).values(**_row(workspace))).rowcount == 1

    def close(self, id: str, reason: str) -> None:  # noqa: A002 - the field's word
        """Let one end that has not begun to; the rest of its row stays, since the keeper fills it meanwhile."""
        here = sa.and_(TABLE.c.id == id, TABLE.c.state.in_((State.OPENING.value, State.RUNNING.value)))
        with transaction(self._engine) as connection:
            connection.execute(TABLE.update().where(here).values(state=State.CLOSING.value, reason=reason))

    def get(self, id: str) -> Workspace:  # noqa: A002 - the field's word
        """One; raises `NotFound`."""
        with reading(self._engine) as connection:
            row = connection.execute(sa.select(TABLE).where(TABLE.c.id == id)).one_or_none()
        if row is None:
            raise NotFound(f"There is no workspace {id[:40]!r}.", where="workspace")
        return _read(row)

    def alive(self, connection: sa.Connection | None = None, **wanted: str) -> list[Workspace]:
        """Those that are not closed, of a `person` or in a `project`, the oldest first."""
        if connection is None:
            with reading(self._engine) as own:
                return self.alive(own, **wanted)
        query = sa.select(TABLE).where(TABLE.c.state != State.CLOSED.value).order_by(TABLE.c.created, TABLE.c.id)
        for name, value in wanted.items():
            query = query.where(TABLE.c[name] == value)
        return [_read(row) for row in connection.execute(query)]

    def latest(self, person: str, limit: int = 20) -> list[Workspace]:
        """A person's, newest first."""
        query = sa.select(TABLE).where(TABLE.c.person == person).order_by(TABLE.c.created.desc()).limit(limit)
        with reading(self._engine) as connection:
            return [_read(row) for row in connection.execute(query)]


def _row(workspace: Workspace) -> dict[str, Any]:
    plain = {name: str(getattr(workspace, name)) for name in _NAMES}
    return {**plain, "hours": workspace.hours, "seed_kind": workspace.seed.kind, "seed_id": workspace.seed.id}


def _read(row: Any) -> Workspace:
    plain = {name: getattr(row, name) for name in _NAMES if name != "state"}
    return Workspace(**plain, hours=row.hours, state=State(row.state), seed=Seed(row.seed_kind, row.seed_id))
