"""Copies and their way back, without a running platform."""

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from terrafair.data.objects import MemoryObjects
from terrafair.errors import Conflict, InvalidInput, NotFound
from terrafair.operations.backup import Source, create, fill, place, verify


@pytest.fixture
def source(tmp_path: Path) -> Source:
    home = tmp_path / "home"
    (home / "jobs/1").mkdir(parents=True)
    (home / "jobs/1/log.ndjson").write_text("{}\n")
    (home / "environments/big").mkdir(parents=True)
    (home / "environments/big/file").write_text("made again")
    (home / "platform.lock").touch()
    with closing(sqlite3.connect(home / "platform.db")) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE jobs (number INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO jobs VALUES (1)")
        database.commit()
    objects = MemoryObjects("terrafair")
    objects.put("a", b"short", "text/plain")
    objects.put("a/b", b"below a key that is an object too", "image/png")
    objects.put("long/" + "k" * 900, b"long")
    return Source(home, f"sqlite:///{home / 'platform.db'}", {"terrafair": objects}, "0.1.0")


def rows(home: Path) -> int:
    with closing(sqlite3.connect(home / "platform.db")) as database:
        return int(database.execute("SELECT count(*) FROM jobs").fetchone()[0])


def test_there_and_back(source: Source, tmp_path: Path) -> None:
    copy, home, objects = tmp_path / "copy", tmp_path / "new", MemoryObjects("terrafair")
    create(source, copy)
    assert verify(copy) == []
    assert not (copy / "home/environments").exists() and not (copy / "home/platform.lock").exists()
    manifest = place(copy, home, f"sqlite:///{home}/platform.db")
    assert fill(copy, manifest, lambda _: objects) == 3
    assert rows(home) == 1
    assert (home / "jobs/1/log.ndjson").read_text() == "{}\n"
    there = source.buckets["terrafair"]
    assert [entry.key for entry in objects.list("")] == [entry.key for entry in there.list("")]
    assert objects.get("a/b") == there.get("a/b") and objects.head("a/b")[1] == "image/png"


def test_one_consistent_state_under_writes(source: Source, tmp_path: Path) -> None:
    """Two tables that are always written together stay together in the copy."""
    ending = threading.Event()
    with closing(sqlite3.connect(source.home / "platform.db")) as database:
        database.execute("CREATE TABLE twins (number INTEGER PRIMARY KEY)")
        database.execute("INSERT INTO twins SELECT number FROM jobs")
        database.commit()

    def write() -> None:
        with closing(sqlite3.connect(source.home / "platform.db", timeout=30)) as database:
            while not ending.is_set():
                database.execute("INSERT INTO jobs DEFAULT VALUES")
                database.execute("INSERT INTO twins DEFAULT VALUES")
                database.commit()

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(3):
            copy = tmp_path / f"copy-{number}"
            create(source, copy)
            with closing(sqlite3.connect(copy / "home/platform.db")) as database:
                counts = [database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("jobs", "twins")]
                assert counts[0] == counts[1] and database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    finally:
        ending.set()
        thread.join()


def test_a_second_copy_writes_only_what_is_new_and_forgets_what_is_gone(source: Source, tmp_path: Path) -> None:
    copy, objects = tmp_path / "copy", source.buckets["terrafair"]
    first = {entry.key: entry for entry in create(source, copy).entries if entry.key}
    kept = copy / first["a"].path
    kept.write_bytes(b"SHORT")  # would be written anew if it were copied again
    objects.put("new", b"new")
    objects.delete("a/b")
    (source.home / "jobs/1/log.ndjson").unlink()
    second = {entry.path: entry for entry in create(source, copy).entries}
    assert kept.read_bytes() == b"SHORT"
    assert verify(copy) == [first["a"].path]
    assert {entry.key for entry in second.values() if entry.key} == {"a", "new", "long/" + "k" * 900}
    assert not (copy / first["a/b"].path).exists() and not (copy / "home/jobs/1/log.ndjson").exists()


def test_an_interrupted_copy_is_none(source: Source, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    create(source, copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(NotFound, match="no finished copy"):
        place(copy, tmp_path / "new", "sqlite://")
    create(source, copy)
    assert verify(copy) == []


def test_damage_is_found_before_anything_is_placed(source: Source, tmp_path: Path) -> None:
    copy, home = tmp_path / "copy", tmp_path / "new"
    create(source, copy)
    (copy / "home/platform.db").write_bytes(b"")
    with pytest.raises(InvalidInput, match=r"home/platform\.db"):
        place(copy, home, "sqlite://")
    assert not home.exists()


def test_nothing_is_overwritten(source: Source, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "precious").touch()
    with pytest.raises(Conflict, match="holds no copy"):
        create(source, other)
    with pytest.raises(InvalidInput, match="lost with it"):
        create(source, source.home / "copy")
    create(source, tmp_path / "copy")
    with pytest.raises(Conflict, match="is not empty"):
        place(tmp_path / "copy", source.home, source.database)


def test_another_kind_of_database_is_refused(source: Source, tmp_path: Path) -> None:
    create(source, tmp_path / "copy")
    with pytest.raises(InvalidInput, match="control database in SQLite"):
        place(tmp_path / "copy", tmp_path / "new", "postgresql://nowhere/x")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "entries": [{"x": 1}]}'])
def test_a_damaged_manifest_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(InvalidInput, match="damaged"):
        verify(tmp_path)


def test_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"format": 99, "entries": []}))
    with pytest.raises(InvalidInput, match="another format"):
        verify(tmp_path)
