"""Files that are no documents, and trees that are no catalogues: each gets a clear word, none an exception."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.rules import Documents, Folder, Overlay, validate
from terrafair.catalogue.rules.document import read, repeated_keys
from terrafair.catalogue.rules.tree import FILE_LIMIT
from terrafair.errors import InvalidInput

from .catalogues import EXPERIMENT, FILES, PRODUCT

TEXT = FILES[PRODUCT].decode()


def told(content: bytes, path: str = PRODUCT) -> dict[str, str]:
    """Rule -> message, of the errors of one file."""
    report = validate(Documents({**FILES, path: content}), {path})
    return {problem.rule: problem.message for problem in report.errors if problem.file == path}


@pytest.mark.parametrize(
    ("content", "rule", "word"),
    [
        (b"", "json-syntax", "empty"),
        (b" \n\t", "json-syntax", "empty"),
        (b"{", "json-syntax", "line 1"),
        (TEXT.replace("{", "", 1).encode(), "json-syntax", "column"),
        (TEXT.replace('"products"', "'products'").encode() + b"]", "json-syntax", "not JSON"),
        (b'{"a": NaN}', "json-syntax", "not JSON"),
        (b'{"a": Infinity}', "json-syntax", "not JSON"),
        (b'{"a": 1,}', "json-syntax", "not JSON"),
        (b"// comment\n{}", "json-syntax", "not JSON"),
        (b"<html></html>", "json-syntax", "not JSON"),
        (b"\x89PNG\r\n\x1a\n\0\0", "json-syntax", "not JSON"),
        (TEXT.encode("utf-8-sig"), "json-encoding", "byte order mark"),
        (TEXT.encode("utf-16"), "json-encoding", "UTF-16"),
        (TEXT.encode("utf-16-le"), "json-encoding", "UTF-16"),
        (TEXT.encode("utf-32-be"), "json-encoding", "UTF-32"),
        (b'{"a": ' + b"[" * 300 + b"]" * 300 + b"}", "json-depth", "200 levels"),
        (b"[" * 100_000 + b"]" * 100_000, "json-depth", "200 levels"),
        (b"[" * 100_000, "json-depth", "200 levels"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "json-depth", "200 levels"),
        (b"[]", "not-an-object", "an array of 0"),
        (b"null", "not-an-object", "null"),
        (b'"text"', "not-an-object", "'text'"),
        (b"5", "not-an-object", "5"),
    ],
    ids=range(23),
)
def test_what_is_no_document_is_told(content: bytes, rule: str, word: str) -> None:
    found = told(content)
    assert set(found) == {rule}
    assert word in found[rule]


def test_depth_within_the_limit_is_fine() -> None:
    document = json.loads(FILES[PRODUCT])
    deep: Any = 1
    for _ in range(190):
        deep = [deep]
    assert told(json.dumps({**document, "x": deep}).encode()) == {}


def test_numbers_and_texts_that_only_some_readers_take() -> None:
    for extra, rule in (
        (b'"x": 1e400', "number-range"),
        (b'"x": 123456789012345678901234567890', ""),
        (b'"x": ' + b"9" * 5000, "number-range"),
        (b'"x": "\\ud800"', "not-text"),
        (b'"x": "\xff"', "not-text"),
        (b'"x": "\xff", "y": 1e400', "not-text"),
    ):
        content = b"{" + extra + b"," + FILES[PRODUCT].lstrip()[1:]
        report = validate(Documents({**FILES, PRODUCT: content}), {PRODUCT})
        assert report.errors == (), extra
        assert [problem.rule for problem in report.warnings if problem.rule != "schemas-missing"] == [rule] * bool(
            rule
        ), extra


def test_keys_written_twice_are_told_with_their_place() -> None:
    text = b'{"a": 1, "b": [{"c": 1, "c" : 2}], "a" : 3, "t": "\\"a\\":"}'
    assert sorted(repeated_keys(read("x.json", text))) == [("", "a"), ("/b/0", "c")]
    assert list(repeated_keys(read("x.json", b'{"a": "\\":", "b": {"a": 1}}'))) == []


def test_a_file_over_the_limit_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    with (tmp_path / PRODUCT).open("wb") as file:
        file.truncate(FILE_LIMIT + 1)
    found = [problem for problem in validate(Folder(tmp_path)).errors if problem.file == PRODUCT]
    assert [problem.rule for problem in found] == ["file-unreadable"]
    assert "32 MB" in found[0].message


def write(root: Path, files: dict[str, bytes]) -> None:
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content)


def test_a_tree_without_a_root_is_no_catalogue(tmp_path: Path) -> None:
    for tree in (Documents({}), Folder(tmp_path), Overlay(Documents(FILES), {"catalog.json": None})):
        with pytest.raises(InvalidInput, match=r"no catalog\.json at its top"):
            validate(tree)


def test_hidden_and_stray_files_count_as_they_do_officially(tmp_path: Path) -> None:
    write(tmp_path, FILES | {".vscode/settings.json": b"{}", "products/.cache/x.json": b"{}", "package.json": b"{}"})
    write(tmp_path, {".git/config.json": b"{}", "products/README.md": b"# no document"})
    (tmp_path / "themes/land/folder.json").mkdir()
    report = validate(Folder(tmp_path))
    wrong = {problem.file: problem.rule for problem in report.errors}
    # Hidden folders are no entities, and the official validator asks for them all the same.
    assert wrong.pop("products/catalog.json") == "entry-missing"
    assert wrong == {"themes/land/folder.json": "file-unreadable"}
    assert report.files == 29


@pytest.mark.skipif(os.name == "nt", reason="symbolic links")
def test_links_out_of_the_folder_are_not_followed(tmp_path: Path) -> None:
    outside, root = tmp_path / "secret.json", tmp_path / "catalogue"
    outside.write_text('{"title": "secret"}')
    write(root, FILES)
    (root / "products/link.json").symlink_to(outside)
    (root / "themes/loop").symlink_to(root)
    report = validate(Folder(root))
    assert {problem.rule for problem in report.errors if problem.file == "products/link.json"} == {"file-unreadable"}
    assert "secret" not in str(report.problems)
    assert report.files == 26


TREES = {
    "folder": Folder,
    "documents": lambda _: Documents(FILES),
    "overlay": lambda root: Overlay(Folder(root), {}),
}


@pytest.mark.parametrize("kind", TREES)
def test_all_trees_are_alike(kind: str, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    tree = TREES[kind](tmp_path)
    assert list(tree.paths()) == sorted(path for path in FILES if path.endswith(".json"))
    assert tree.read(PRODUCT) == FILES[PRODUCT]
    assert tree.read("nope.json") is None
    assert tree.read("products") is None
    assert tree.exists("products") and tree.exists(PRODUCT) and not tree.exists("products/nope")
    assert list(tree.folders("experiments")) == ["demo-ndvi", "demo-phenology", "demo-water"]
    assert list(tree.folders("nope")) == []
    assert sorted(tree.below("experiments/demo-ndvi")) == [
        "experiments/demo-ndvi/environment.yaml",
        "experiments/demo-ndvi/input.yaml",
        EXPERIMENT,
    ]


def test_an_overlay_is_its_base_with_the_changes(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    changes = {PRODUCT: None, "products/new/collection.json": {"id": "new"}, "catalog.json": b"{}"}
    tree = Overlay(Folder(tmp_path), changes)
    assert tree.read(PRODUCT) is None and not tree.exists(PRODUCT) and not tree.exists("products/demo-ndvi-composite")
    assert tree.read("products/new/collection.json") == b'{"id":"new"}'
    assert tree.exists("products/new")
    assert set(tree.folders("products")) == {"demo-crop-phenology", "demo-s2-l2a", "demo-surface-water", "new"}
    assert tree.read("catalog.json") == b"{}"
    assert set(tree.paths()) == {path for path in FILES if path.endswith(".json")} - {PRODUCT} | {
        "products/new/collection.json"
    }
    assert "products/new/collection.json" in set(tree.below("products"))
