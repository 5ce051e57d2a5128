"""The control database: migrations, transactions, events."""

import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair import events
from terrafair.database import MIGRATIONS, NEWEST, migrate, open_engine, reading, transaction
from terrafair.errors import InvalidInput

from .databases import control_database


def test_migrations_once_and_from_many_at_once(tmp_path: Path) -> None:
    engines = [open_engine(f"sqlite:///{tmp_path}/deep/x.db") for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, engines))
    for engine in engines:
        assert {"jobs", "events"} <= set(sa.inspect(engine).get_table_names())
        engine.dispose()


def test_the_newest_step_is_known() -> None:
    texts = [path.read_text("utf-8") for path in (MIGRATIONS / "versions").glob("0*.py")]
    steps = {found[1] for text in texts if (found := re.search(r'^revision = "(\w+)"', text, re.M))}
    before = {found[1] for text in texts if (found := re.search(r'^down_revision = "(\w+)"', text, re.M))}
    assert len(steps) == len(texts)
    assert steps - before == {NEWEST}


def test_an_event_is_kept_only_with_its_transaction(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/x.db")
    migrate(engine)
    with transaction(engine) as connection:
        events.record(connection, events.JobAccepted("j1", "demo"))
    with pytest.raises(ZeroDivisionError):
        _record_and_fail(engine)
    with reading(engine) as connection:
        assert events.since(connection, 0) == [(1, "JobAccepted", "j1", '{"subject": "demo"}')]
        assert events.since(connection, 1) == []
    engine.dispose()


def _record_and_fail(engine: sa.Engine) -> None:
    with transaction(engine) as connection:
        events.record(connection, events.JobFinished("j1", "failed"))
        raise ZeroDivisionError


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", ""])
def test_wrong_database_urls(url: str) -> None:
    with pytest.raises(InvalidInput):
        open_engine(url)


def test_a_character_that_postgresql_does_not_hold(tmp_path: Path) -> None:
    engine = open_engine(control_database(tmp_path))
    migrate(engine)
    with transaction(engine) as connection:
        events.record(connection, events.Asked("/jobs/a\0b", "POST", 404))
    with reading(engine) as connection:
        [kept] = events.since(connection, 0)
        assert kept[2].replace("\ufffd", "\0") == "/jobs/a\0b"
        assert events.since(connection, kept[0]) == []
    engine.dispose()
