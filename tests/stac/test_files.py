"""Loads and exports."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from terrafair.catalogue.items import files
from terrafair.catalogue.items.load import Loader
from terrafair.catalogue.items.search import ItemStore, Search
from terrafair.cli import main
from terrafair.errors import InvalidInput, NotFound

from .documents import archive, collection, item


def lines(path: Path, documents: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(json.dumps(document) for document in documents))
    return path


def test_each_form_is_read(sqlite: ItemStore, tmp_path: Path) -> None:
    documents = archive(30)
    loader = Loader(sqlite, tmp_path / "loads")
    (tmp_path / "one.json").write_text(json.dumps(documents[0]))
    (tmp_path / "all.json").write_text(json.dumps({"type": "FeatureCollection", "features": documents[:10]}))
    for path in (
        tmp_path / "one.json",
        tmp_path / "all.json",
        lines(tmp_path / "all.ndjson", [collection(), *documents]),
    ):
        assert loader.load(path).refused == 0
    assert sqlite.search(Search(collections=("scenes",))).matched == 30
    known = sqlite.collection("scenes")
    assert known is not None and json.loads(known.document())["title"] == "All scenes"


def test_through_parquet_and_back(sqlite: ItemStore, tmp_path: Path) -> None:
    pytest.importorskip("stac_geoparquet")
    documents = archive(3000)
    sqlite.put_collection(collection())
    sqlite.put_items("scenes", documents)
    before = {entry.id: json.loads(entry.document()) for entry in sqlite.all_items("scenes")}
    assert files.write_lines(tmp_path / "a.ndjson", sqlite.all_items("scenes")) == 3000
    assert files.write_parquet(tmp_path / "a.parquet", sqlite.all_items("scenes")) == 3000
    assert (tmp_path / "a.parquet").stat().st_size * 5 < (tmp_path / "a.ndjson").stat().st_size
    sqlite.delete_collection("scenes")
    report = Loader(sqlite, tmp_path / "loads").load(tmp_path / "a.parquet")
    assert report.items == 3000 and report.collections == ["scenes"]
    for entry in sqlite.all_items("scenes"):
        now, then = json.loads(entry.document()), before[entry.id]
        for name in ("geometry", "bbox", "assets", "collection"):
            assert now[name] == then[name]
        assert now["properties"] == {**then["properties"], "datetime": now["properties"]["datetime"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.ndjson",
        "a.parquet",
        "items.db",
        "items.db-shm",
        "items.db-wal",
        "loads",
    ]


def test_a_stopped_load_goes_on(sqlite: ItemStore, tmp_path: Path) -> None:
    path = lines(tmp_path / "all.ndjson", list(archive(35)))
    loader = Loader(sqlite, tmp_path / "loads", batch=10)

    def stop(done: int) -> None:
        if done == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        loader.load(path, progress=stop)
    assert sqlite.search(Search()).matched == 20
    report = loader.load(path)
    assert (report.skipped, report.items) == (20, 15)
    assert sqlite.search(Search()).matched == 35
    assert loader.load(path).skipped == 0


def test_wrong_documents_are_told_and_the_others_stored(sqlite: ItemStore, tmp_path: Path) -> None:
    documents = [
        item("good"),
        {**item("bad"), "properties": {}},
        {**item("x"), "collection": None},
        {"type": "Feature"},
    ]
    report = Loader(sqlite, tmp_path / "loads").load(lines(tmp_path / "a.ndjson", documents))
    assert report.items == 1 and report.refused == 3 and any("bad" in fault for fault in report.faults)


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.ndjson", b"{}\n{oops"), ("a.json", b"["), ("a.json", b"[1]"), ("a.ndjson", b"5"), ("a.parquet", b"PAR1 no")],
)
def test_files_that_are_none(sqlite: ItemStore, tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput):
        Loader(sqlite, tmp_path / "loads").load(tmp_path / name)
    with pytest.raises(NotFound):
        Loader(sqlite, tmp_path / "loads").load(tmp_path / "absent.json")


def test_the_verbs(tmp_path: Path) -> None:
    runner, home = CliRunner(), {"TERRAFAIR_HOME": str(tmp_path / "home")}
    path = lines(tmp_path / "all.ndjson", [collection(), *archive(12)])
    done = runner.invoke(main, ["items", "load", str(path), "--json"], env=home)
    assert done.exit_code == 0 and json.loads(done.output)["items"] == 12, done.output
    assert json.loads(runner.invoke(main, ["items", "list", "--json"], env=home).output)[0]["items"] == 12
    out = runner.invoke(main, ["items", "export", "scenes", str(tmp_path / "out.ndjson")], env=home)
    assert out.exit_code == 0 and len((tmp_path / "out.ndjson").read_text().splitlines()) == 12
    assert runner.invoke(main, ["items", "index", "gsd"], env=home).exit_code == 0
    assert isinstance(runner.invoke(main, ["items", "export", "none", "x"], env=home).exception, NotFound)
    assert runner.invoke(main, ["items", "delete", "scenes", "--yes"], env=home).exit_code == 0
    assert json.loads(runner.invoke(main, ["items", "list", "--json"], env=home).output) == []
