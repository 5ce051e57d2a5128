"""What moves, what is refused, and what is found damaged, without a running platform."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from terrafair.catalogue.items.sqlite.store import SqliteItems
from terrafair.data.objects import MemoryObjects
from terrafair.database import migrate, open_engine, transaction
from terrafair.errors import Conflict, Damaged, Unreachable
from terrafair.operations.migration import Checked, check_tables, move_items, move_objects, move_tables


def quiet(_: str) -> None:
    """Say nothing."""


class Moving:
    """A bucket and the place that it goes to; each attempt reads anew what earlier ones wrote down."""

    def __init__(self, folder: Path, target: MemoryObjects | None = None) -> None:
        self.source, self.target, self.folder = MemoryObjects(), target or MemoryObjects(), folder

    def __call__(self) -> tuple[int, int]:
        return move_objects(self.source, self.target, Checked(self.folder / "objects"), self.folder, quiet)


@pytest.fixture
def moving(tmp_path: Path) -> Moving:
    moving = Moving(tmp_path)
    moving.source.put("a", b"short", "text/plain")
    moving.source.put("a/b", b"below a key that is an object too", "image/png")
    moving.source.put("health/started", b"ok")
    return moving


def test_objects_keep_content_and_media_type(moving: Moving) -> None:
    moving.target.put("health/started", b"its own")
    assert moving() == (2, 38) == moving()
    assert moving.target.get("a/b") == moving.source.get("a/b") and moving.target.head("a/b")[1] == "image/png"
    assert moving.target.get("health/started") == b"its own"
    assert [path.name for path in moving.folder.iterdir()] == ["objects"], "nothing is left on the way"


def test_an_object_that_was_copied_but_not_written_down(moving: Moving) -> None:
    moving.target.put("a", b"short", "text/plain")
    assert moving() == (2, 38)


def test_half_a_line_is_no_fault(moving: Moving) -> None:
    moving()
    with (moving.folder / "objects").open("a") as file:
        file.write('["s3://terrafair/a/b", 3')
    moving.source.put("c", b"later")
    assert moving() == (3, 43) == moving()


def test_what_changed_between_two_attempts(moving: Moving) -> None:
    moving()
    moving.source.delete("a")
    moving.source.put("a/b", b"other now")
    assert moving() == (1, 9)
    assert [entry.key for entry in moving.target.list("")] == ["a/b"] and moving.target.get("a/b") == b"other now"


@pytest.mark.parametrize(("key", "content"), [("a", b"other"), ("z", b"foreign"), ("a", b"of another length")])
def test_a_bucket_with_other_objects(moving: Moving, key: str, content: bytes) -> None:
    moving.target.put(key, content)
    with pytest.raises(Conflict, match=f"in use.*terrafair/{key}"):
        moving()
    assert moving.target.get(key) == content


def test_what_the_new_place_wrote_since_stays(moving: Moving) -> None:
    moving()
    moving.target.put("a", b"written by the platform at its new place")
    with pytest.raises(Conflict, match="in use"):
        moving()


def test_an_object_that_comes_damaged(tmp_path: Path) -> None:
    class Rotten(MemoryObjects):
        def put_file(self, key: str, path: Path, media_type: str = "") -> None:
            self.put(key, path.read_bytes().replace(b"x", b"y"), media_type)

    moving = Moving(tmp_path, Rotten())
    moving.source.put("sound", b"abc")
    moving.source.put("struck", b"x")
    with pytest.raises(Damaged, match="struck reads differently"):
        moving()
    assert "struck" not in (tmp_path / "objects").read_text(), "it is tried again"


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """The kernel takes no more bytes into a file than this."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_on_the_way(moving: Moving) -> None:
    moving.source.put("large", bytes(100_000))
    with files_end_at(50_000), pytest.raises(Unreachable, match=r"large cannot be copied.*Make room for 100000 bytes"):
        moving()
    assert [path.name for path in moving.folder.iterdir()] == ["objects"]
    assert moving() == (3, 100_038), "it goes on"


def item(name: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": name,
        "collection": "c",
        "geometry": None,
        "properties": {"datetime": "2024-01-01T00:00:00Z", **properties},
        "links": [],
        "assets": {},
    }


COLLECTION = {
    "type": "Collection",
    "stac_version": "1.0.0",
    "id": "c",
    "description": "One.",
    "license": "CC0-1.0",
    "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [["2024-01-01T00:00:00Z", None]]}},
    "links": [],
}


def test_items_go_on_where_they_were_and_replace_no_others(tmp_path: Path) -> None:
    source, target = SqliteItems(tmp_path / "here.db"), SqliteItems(tmp_path / "there.db")
    try:
        for store in (source, target):
            store.put_collection(COLLECTION)
        source.put_items("c", [item("1"), item("2")])
        target.put_items("c", [item("1")])
        assert move_items(source, target, quiet) == 2 == move_items(source, target, quiet)
        target.put_items("c", [item("2", changed=True)])
        with pytest.raises(Conflict, match="in use: see 2 of c"):
            move_items(source, target, quiet)
        target.put_collection(COLLECTION | {"id": "other"})
        with pytest.raises(Conflict, match="see its other"):
            move_items(source, target, quiet)
    finally:
        source.close()
        target.close()


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[tuple[sa.Engine, sa.Engine]]:
    """Two control databases; the first has two people."""
    engines = open_engine(f"sqlite:///{tmp_path / 'here.db'}"), open_engine(f"sqlite:///{tmp_path / 'there.db'}")
    for engine in engines:
        migrate(engine)
    with transaction(engines[0]) as connection:
        for name in ("ada", "bo"):
            add(connection, name)
    yield engines
    for engine in engines:
        engine.dispose()


def add(connection: sa.Connection, name: str) -> None:
    people = sa.Table("people", sa.MetaData(), autoload_with=connection)
    row = {column.name: "" if isinstance(column.type, sa.String) else 0 for column in people.columns}
    connection.execute(people.insert(), {**row, "id": name, "issuer": "local", "subject": name})


def test_tables_and_the_number_that_triggers_count(engines: tuple[sa.Engine, sa.Engine]) -> None:
    check_tables(*engines)
    rows, queued = move_tables(*engines, lambda *_: None)
    assert rows["people"] == 2 and queued == 0
    assert move_tables(*engines, lambda *_: None) == (rows, 0), "again it changes nothing"
    check_tables(*engines)


def test_a_database_in_use(engines: tuple[sa.Engine, sa.Engine]) -> None:
    with transaction(engines[1]) as connection:
        add(connection, "somebody else")
    for attempt in (lambda: check_tables(*engines), lambda: move_tables(*engines, lambda *_: None)):
        with pytest.raises(Conflict, match="in use: its table people"):
            attempt()
