"""What the operation of the platform remembers: one JSON document by name, for all its processes and hosts."""

import json
from typing import Any

import sqlalchemy as sa

from terrafair.database import reading, transaction

TABLE = sa.table("operation", sa.column("name", sa.String), sa.column("value", sa.Text))


def recall(engine: sa.Engine, name: str) -> dict[str, Any]:
    """The document; empty: there is none."""
    with reading(engine) as connection:
        text = connection.execute(sa.select(TABLE.c.value).where(TABLE.c.name == name)).scalar()
    return dict(json.loads(text)) if text else {}


def remember(engine: sa.Engine, name: str, document: dict[str, Any]) -> None:
    """Keep it instead of the one before."""
    with transaction(engine) as connection:
        connection.execute(TABLE.delete().where(TABLE.c.name == name))
        connection.execute(TABLE.insert().values(name=name, value=json.dumps(document, sort_keys=True)))
