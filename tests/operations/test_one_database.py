"""Control database and items in one database of PostgreSQL, whose role is no superuser and bears our own name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from terrafair.catalogue.items.pgstac.connections import check, prepare
from terrafair.catalogue.items.pgstac.store import PgstacItems
from terrafair.catalogue.items.search import Search
from terrafair.config import Config
from terrafair.database import NEWEST, migrate, open_engine, reading, version
from terrafair.errors import InvalidInput, Refused, Unreachable
from terrafair.operations import backup
from terrafair.operations.surroundings import examine_surroundings
from terrafair.operations_parts import prepare_items

from ..databases import empty
from ..stac.cluster import missing
from ..stac.documents import collection, item

psycopg = pytest.importorskip("psycopg")
pytest.importorskip("pypgstac", reason="the extra `pgstac` is not installed")
pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "")

ROLE = "terrafair"
"""As the schema that our functions are in: a search path would lead there first."""


@pytest.fixture
def databases() -> Iterator[list[tuple[str, str]]]:
    """Two empty databases: the superuser's address and that of the role."""
    with empty("one", "other") as urls:
        with psycopg.connect(urls[0], autocommit=True) as connection:
            if connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone() is None:
                connection.execute(f"CREATE ROLE {ROLE} LOGIN")
            for url in urls:
                connection.execute(f"ALTER DATABASE {url.rpartition('/')[2]} OWNER TO {ROLE}")
        yield [(url, sa.make_url(url).set(username=ROLE).render_as_string(hide_password=False)) for url in urls]


def test_its_own_role_keeps_all_and_takes_it_elsewhere(tmp_path: Path, databases: list[tuple[str, str]]) -> None:
    (superuser, mine), (other_superuser, other) = databases
    for url in (superuser, other_superuser):
        prepare(url, ROLE)
    engine = open_engine(mine)
    migrate(engine)
    with reading(engine) as connection:
        assert version(connection) == NEWEST
        assert connection.execute(sa.text("SELECT to_regclass('public.alembic_version')")).scalar_one()
    engine.dispose()
    items = PgstacItems(mine)
    items.put_collection(collection())
    items.put_items("scenes", [item("a", gsd=5), item("b", gsd=7)])
    items.delete_item("scenes", "a")
    assert [entry.id for entry in items.search(Search()).items] == ["b"]
    items.close()
    found = {each.part: each for each in examine_surroundings(Config(tmp_path, database=mine, items_database=mine))}
    assert found["database"].works and found["items"].works and "pgSTAC" in found["items"].says
    backup._dump(mine, tmp_path / "control.dump")
    # What the superuser has prepared is empty all the same, and is prepared.
    prepare_items(Config(tmp_path, database=other, items_database=other))
    backup._require_empty(other)
    backup._undump(other, tmp_path / "control.dump")
    engine = open_engine(other)
    with reading(engine) as connection:
        assert version(connection) == NEWEST
    engine.dispose()


def test_what_the_role_may_not_do_is_told_with_the_way_out(tmp_path: Path, databases: list[tuple[str, str]]) -> None:
    superuser, mine = databases[0]
    config = Config(tmp_path, database=mine, items_database=mine)
    with pytest.raises(Unreachable, match="items prepare"):
        check(mine)
    with pytest.raises(Refused, match="superuser"):
        prepare(mine)
    with pytest.raises(InvalidInput, match="does not exist"):
        prepare(superuser, "nobody-here")
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute(f"REVOKE pgstac_admin FROM {ROLE}")
    with pytest.raises(Refused, match="--grant"):
        check(mine)
    found = {each.part: each for each in examine_surroundings(config)}
    assert not found["items"].works and "--grant" in found["items"].says
    prepare(superuser, ROLE)
    assert check(mine)
    # As a pod does before each start.
    prepare(mine)
    with psycopg.connect(superuser, autocommit=True) as connection:
        connection.execute("COMMENT ON SCHEMA terrafair IS 'older'")
    with pytest.raises(Unreachable, match="another release"):
        check(mine)
    with pytest.raises(Refused, match="superuser"):
        prepare(mine)
