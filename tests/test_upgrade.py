"""Every step of the database's tables is taken with rows in all of them, on SQLite and on PostgreSQL."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from terrafair.database import MIGRATIONS, NEWEST, migrate, open_engine, reading, transaction
from terrafair.execution.job import State
from terrafair.execution.jobs import Jobs

from .databases import empty
from .stac.cluster import missing

MOMENT = "2026-01-01T00:00:00.000Z"
KNOWN = {
    "state": "accepted", "visibility": "project", "role": "owner", "stage": "active", "kind": "experiment",
    "request": json.dumps({"subject": "demo"}), "problems": "[]", "results": "{}", "usage": "{}", "created": MOMENT,
    "start": "2026-01-01", "end": "2026-12-31", "started": "", "finished": "", "details": "{}",
}  # fmt: skip
"""Values that later steps, or the code, read."""
BORN_FULL = {"alembic_version", "identity_version"}


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[sa.Engine]:
    if request.param == "sqlite":
        made = open_engine(f"sqlite:///{tmp_path}/platform.db")
        yield made
        made.dispose()
        return
    if reason := missing():
        pytest.skip(reason)
    with empty("upgrade") as (url,):
        made = open_engine(url)
        yield made
        made.dispose()


def settings() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def steps() -> list[str]:
    found = ScriptDirectory.from_config(settings()).walk_revisions()
    return [str(script.revision) for script in found][::-1]


def upgrade(engine: sa.Engine, revision: str) -> None:
    config = settings()
    with transaction(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def tables(engine: sa.Engine) -> list[sa.Table]:
    metadata = sa.MetaData()
    metadata.reflect(engine)
    return [table for table in metadata.sorted_tables if table.name not in BORN_FULL]


def fill(engine: sa.Engine, step: str, found: "list[sa.Table] | None" = None) -> None:
    """One row into each table, whatever its columns."""
    for table in found or tables(engine):
        row = {column.name: _value(column, step) for column in table.columns if not _numbered(column)}
        with transaction(engine) as connection:
            for reference in table.foreign_keys:
                other = reference.column
                row[reference.parent.name] = connection.execute(
                    sa.select(other).where(other.is_not(None)).limit(1)
                ).scalar()
            connection.execute(table.insert().values(**row))


def _numbered(column: "sa.Column[Any]") -> bool:
    alone = column.primary_key and len(column.table.primary_key) == 1
    return bool(alone and isinstance(column.type, sa.Integer)) or column.server_default is not None


def _value(column: "sa.Column[Any]", step: str) -> Any:
    if isinstance(column.type, sa.Boolean):
        return False
    if isinstance(column.type, sa.Integer | sa.Numeric | sa.Float):
        return int(step)
    if isinstance(column.type, sa.LargeBinary):
        return step.encode()
    length = getattr(column.type, "length", None) or 200
    return str(KNOWN.get(column.name, f"{column.name[:4]}{step}"))[:length]


def rows(engine: sa.Engine, found: "list[sa.Table] | None" = None) -> dict[str, list[dict[str, Any]]]:
    with reading(engine) as connection:
        return {
            table.name: [dict(row) for row in connection.execute(sa.select(table)).mappings()]
            for table in found or tables(engine)
        }


def test_every_step_keeps_all_rows(engine: sa.Engine) -> None:
    """What was in a column before a step is in it afterwards, for all the columns that are still there."""
    before: dict[str, list[dict[str, Any]]] = {}
    for step in steps():
        upgrade(engine, step)
        found = tables(engine)
        after = rows(engine, found)
        for name, had in before.items():
            kept = after[name]
            assert len(kept) == len(had), f"{step} changes how many rows {name} has"
            for row in had:
                assert any(all(other.get(key, value) == value for key, value in row.items()) for other in kept), (
                    step,
                    name,
                )
        fill(engine, step, found)
        before = rows(engine, found)
    assert steps()[-1] == NEWEST
    assert all(before.values())


def test_a_release_before_is_brought_up_to_date(engine: sa.Engine, tmp_path: Path) -> None:
    """As the server does it at its start; jobs of then are read by the code of now."""
    upgrade(engine, "0035")
    fill(engine, "0035")
    before = rows(engine)
    begun = time.monotonic()
    migrate(engine)
    migrate(engine)
    assert time.monotonic() - begun < 30
    after = rows(engine)
    assert {name: len(found) for name, found in before.items()} == {name: len(after[name]) for name in before}

    class NoQueue:
        def enqueue(self, connection: sa.Connection, job: str) -> None:
            raise AssertionError(job)

    jobs = Jobs(engine, NoQueue(), tmp_path / "jobs").listing()
    assert [(job.state, job.request.subject, job.owner.project) for job in jobs] == [
        (State.ACCEPTED, "demo", before["jobs"][0]["project"])
    ]
