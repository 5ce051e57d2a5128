"""Sync: what is read, what is skipped, and what stays in service."""

import json
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.catalogue import Catalogue
from terrafair.catalogue.query import Query
from terrafair.errors import InvalidInput

Git = Callable[..., str]


def write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document if isinstance(document, str) else json.dumps(document))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tiny catalogue: one product, its variable and an item, and a workflow of the same id."""
    root = tmp_path / "osc"
    write(root / "catalog.json", {"id": "osc", "type": "Catalog"})
    write(root / "variables/sst/catalog.json", {"id": "sst", "title": "Sea Surface Temperature", "type": "Catalog"})
    write(
        root / "products/warm/collection.json",
        {
            "id": "warm",
            "title": "Warming oceans",
            "type": "Collection",
            "osc:variables": ["sst"],
            "extent": {"spatial": {"bbox": [[170, -10, -170, 10]]}, "temporal": {"interval": [["2010-01-01", None]]}},
        },
    )
    write(root / "products/warm/part.json", {"id": "part", "type": "Feature", "properties": {"title": "A part"}})
    write(root / "workflows/warm/record.json", {"id": "warm", "type": "Feature", "properties": {"title": "How"}})
    return root


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[Catalogue]:
    with Catalogue(tmp_path / "home") as opened:
        yield opened


def ids(catalogue: Catalogue, **query: Any) -> list[str]:
    return [f"{hit.kind.value}:{hit.id}" for hit in catalogue.search(Query.parse(**query)).items]


def test_first_sync_then_nothing_then_one_file(folder: Path, catalogue: Catalogue) -> None:
    first = catalogue.sync(str(folder))
    assert (first.documents, first.changed, first.broken) == (5, 5, ())
    again = catalogue.sync(str(folder))
    assert (again.documents, again.changed, again.commit) == (5, 0, first.commit)
    write(folder / "workflows/warm/record.json", {"id": "warm", "properties": {"title": "How it is done"}})
    third = catalogue.sync(str(folder))
    assert (third.changed, third.commit != first.commit) == (1, True)
    assert ids(catalogue, text="done") == ["workflow:warm"]


def test_ids_that_repeat_across_kinds_and_parents(folder: Path, catalogue: Catalogue) -> None:
    write(folder / "products/cold/collection.json", {"id": "cold"})
    write(folder / "products/cold/part.json", {"id": "part", "type": "Feature"})
    catalogue.sync(str(folder))
    product, workflow = catalogue.record("product", "warm"), catalogue.record("workflow", "warm")
    assert (product and product.title, workflow and workflow.title) == ("Warming oceans", "How")
    parts = [catalogue.record("item", "part", parent) for parent in ("cold", "warm")]
    assert [part and part.path for part in parts] == ["products/cold/part.json", "products/warm/part.json"]


def test_a_changed_title_is_found_through_what_links_to_it(folder: Path, catalogue: Catalogue) -> None:
    catalogue.sync(str(folder))
    assert "product:warm" in ids(catalogue, text="surface temperature")
    write(folder / "variables/sst/catalog.json", {"id": "sst", "title": "Ocean skin heat"})
    assert catalogue.sync(str(folder)).changed == 1
    assert ids(catalogue, text="skin") == ["variable:sst", "product:warm"]
    assert ids(catalogue, text="surface") == []


def test_removed_and_renamed_files(folder: Path, catalogue: Catalogue) -> None:
    catalogue.sync(str(folder))
    shutil.move(folder / "workflows/warm", folder / "workflows/warmer")
    report = catalogue.sync(str(folder))
    assert (report.changed, report.removed, report.documents) == (1, 1, 5)
    (folder / "workflows/warmer/record.json").unlink()
    assert catalogue.sync(str(folder)).documents == 4
    assert catalogue.record("workflow", "warm") is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not valid JSON"),
        ("", "empty"),
        ("[1]", "not an object"),
        ('{"id": NaN}', "not valid JSON"),
        ('{"title": "x"}', "`id` is None"),
        ('{"id": ""}', "`id` is ''"),
        ('{"id": "x", "a": ' + "[" * 5000 + "]" * 5000 + "}", "JSON"),
        ("caf\udce9", "not valid JSON"),
    ],
)
def test_a_broken_document_is_reported_and_the_last_good_one_stays(
    folder: Path, catalogue: Catalogue, content: str, says: str
) -> None:
    catalogue.sync(str(folder))
    (folder / "workflows/warm/record.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    report = catalogue.sync(str(folder))
    assert [entry.path for entry in report.broken] == ["workflows/warm/record.json"]
    assert says in report.broken[0].reason
    assert report.broken[0].remedy
    kept = catalogue.record("workflow", "warm")
    assert kept
    assert (kept.title, kept.stale) == ("How", True)
    assert catalogue.sync(str(folder)).broken == report.broken
    write(folder / "workflows/warm/record.json", {"id": "warm", "properties": {"title": "Well again"}})
    assert catalogue.sync(str(folder)).broken == ()
    mended = catalogue.record("workflow", "warm")
    assert mended
    assert (mended.title, mended.stale) == ("Well again", False)


@pytest.mark.parametrize(
    "document",
    [
        {"id": "x", "links": 7, "keywords": "text", "extent": [], "properties": [], "themes": {"a": 1}},
        {"id": "x", "extent": {"spatial": {"bbox": [["a", 1], None, [1, 2, 3]]}, "temporal": {"interval": [[1]]}}},
        {"id": "x", "title": 5, "description": {}, "themes": [{"concepts": [3]}], "links": [{"href": 3}, "text"]},
    ],
)
def test_odd_shapes_do_not_stop_a_sync(folder: Path, catalogue: Catalogue, document: dict[str, Any]) -> None:
    write(folder / "products/x/collection.json", document)
    assert catalogue.sync(str(folder)).broken == ()
    assert catalogue.record("product", "x")


def test_git_branch_and_commit(folder: Path, catalogue: Catalogue, git: Git) -> None:
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "one")
    git(folder, "branch", "next")
    write(folder / "not-committed.json", {"id": "x"})
    report = catalogue.sync(str(folder))
    assert (report.commit, report.branch, report.documents) == (git(folder, "rev-parse", "HEAD"), "main", 5)
    assert catalogue.read("workflows/warm/record.json") == (folder / "workflows/warm/record.json").read_bytes()
    git(folder, "checkout", "-q", "next")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "two")
    assert catalogue.sync(str(folder), "main").changed == 0
    report = catalogue.sync(str(folder), "next")
    assert (report.branch, report.changed, report.documents) == ("next", 1, 6)


def test_another_source_takes_over(folder: Path, catalogue: Catalogue, tmp_path: Path, git: Git) -> None:
    catalogue.sync(str(folder))
    other = tmp_path / "other"
    write(other / "catalog.json", {"id": "osc"})
    write(other / "projects/p/collection.json", {"id": "p", "title": "P"})
    git(other, "init", "-q")
    git(other, "add", ".")
    git(other, "commit", "-qm", "one")
    report = catalogue.sync(str(other))
    assert (report.documents, catalogue.source) == (2, str(other))
    assert ids(catalogue) == ["project:p"]
    assert catalogue.sync(str(folder)).documents == 5
    assert catalogue.read("catalog.json") == (folder / "catalog.json").read_bytes()


def test_a_source_that_cannot_be_read_leaves_the_index(folder: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.sync(str(folder))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    for wrong in (tmp_path / "empty", tmp_path / "nowhere", tmp_path / "file"):
        with pytest.raises(InvalidInput):
            catalogue.sync(str(wrong))
    with pytest.raises(InvalidInput, match="no branch"):
        catalogue.sync(str(folder), "main")
    assert catalogue.source == str(folder)
    assert catalogue.record("product", "warm")


def test_files_outside_the_catalogue_are_not_read(folder: Path, catalogue: Catalogue) -> None:
    (folder / "secret.json").symlink_to("/etc/hostname")
    catalogue.sync(str(folder))
    assert catalogue.read("../osc/catalog.json") is None
    assert catalogue.read("secret.json") is None
    assert catalogue.read("products") is None


def test_readers_see_the_old_state_while_one_syncs(folder: Path, catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.sync(str(folder))
    for number in range(300):
        write(folder / f"projects/p{number}/collection.json", {"id": f"p{number}", "title": "Another project"})
    seen: set[int] = set()
    ended = threading.Event()

    def read() -> None:
        with Catalogue(tmp_path / "home") as reader:
            while not ended.is_set():
                seen.add(reader.search(Query(text="project", limit=1)).total)

    thread = threading.Thread(target=read)
    thread.start()
    catalogue.sync(str(folder))
    ended.set()
    thread.join()
    assert seen <= {0, 300}
    assert catalogue.search(Query(text="project", limit=1)).total == 300


def test_before_the_first_sync(catalogue: Catalogue) -> None:
    assert (catalogue.source, catalogue.commit, ids(catalogue, text="anything")) == ("", "", [])
    assert catalogue.record("product", "x") is None
    assert catalogue.read("catalog.json") is None


def test_the_real_catalogue(osc: Path, catalogue: Catalogue) -> None:
    report = catalogue.sync(str(osc))
    assert (report.documents, report.changed, report.broken) == (2224, 2224, ())
    kinds = ("product", "project", "workflow", "experiment", "variable", "mission", "theme", "item")
    counts = {kind: len(list(catalogue.records(kind))) for kind in kinds}
    assert (counts["experiment"], counts["workflow"], counts["product"]) == (9, 17, 351)
    repeated = Counter(record.id for kind in kinds for record in catalogue.records(kind))
    assert sum(count > 1 for count in repeated.values()) == 11
    assert catalogue.sync(str(osc)).changed == 0
    assert catalogue.nearest(["experiment"], "polarsi")[0] == "polaris"
