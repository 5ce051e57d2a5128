"""Validating a change says what validating everything would say about it, and looks at little else."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.rules import Documents, Folder, Overlay, Report, validate
from terrafair.catalogue.schemas import Store

from .catalogues import EXPERIMENT, FILES, MISSION, PRODUCT, PROJECT, THEME, VARIABLE, WORKFLOW, link, without

BASE = Documents(FILES)


def document(path: str, **fields: Any) -> dict[str, Any]:
    return {**json.loads(FILES[path]), **fields}


def errors(report: Report) -> set[tuple[str, str, str]]:
    return {(problem.file, problem.pointer, problem.rule) for problem in report.errors}


def retitled(path: str) -> dict[str, Any]:
    found = document(path)
    found.get("properties", found)["title"] = "Another title"
    return found


EVERY = [path for path in FILES if path.endswith(".json")]


@pytest.mark.parametrize("path", EVERY)
def test_a_new_title_makes_the_same_files_wrong_as_a_whole_validation_finds(path: str) -> None:
    changes = {path: retitled(path)}
    tree = Overlay(BASE, changes)
    whole, part = validate(tree), validate(tree, changes)
    assert errors(part) == errors(whole)
    assert part.errors
    assert part.files <= whole.files


@pytest.mark.parametrize("path", EVERY[1:])
def test_a_deleted_file_makes_the_same_files_wrong(path: str) -> None:
    tree = Overlay(BASE, {path: None})
    assert errors(validate(tree, [path])) == errors(validate(tree))


@pytest.mark.parametrize("path", EVERY)
def test_any_other_change_touches_that_file_alone(path: str) -> None:
    changes = {path: document(path, description="Another description")}
    assert validate(Overlay(BASE, changes), changes).files == 1


def test_a_new_entity_is_asked_for_by_its_list() -> None:
    new = "products/new/collection.json"
    changes = {new: document(PRODUCT, id="new")}
    report = validate(Overlay(BASE, changes), changes)
    assert ("products/catalog.json", "/links", "entry-missing") in errors(report)
    assert report.files < 8


def test_a_link_that_is_taken_away_is_missed_by_the_file_that_counts_on_it() -> None:
    theme = document(THEME)
    without(theme, "child", "demo-ndvi-composite/collection.json")
    report = validate(Overlay(BASE, {THEME: theme}), {THEME})
    assert [(problem.file, problem.rule) for problem in report.warnings if problem.rule != "schemas-missing"] == [
        (PRODUCT, "back-link")
    ]


def test_a_new_title_does_not_hide_a_link_that_is_taken_away() -> None:
    theme = retitled(THEME)
    without(theme, "child", "demo-ndvi-composite/collection.json")
    told = {(problem.file, problem.rule) for problem in validate(Overlay(BASE, {THEME: theme}), {THEME}).problems}
    assert (PRODUCT, "back-link") in told


def test_what_a_product_no_longer_names_is_told_where_it_is_listed() -> None:
    changes = {PRODUCT: document(PRODUCT, **{"osc:missions": []})}
    told = {(problem.file, problem.rule) for problem in validate(Overlay(BASE, changes), changes).problems}
    assert (MISSION, "listed-unnamed") in told


def test_what_changes_on_disk_is_seen_by_the_next_validation(tmp_path: Path) -> None:
    for path, content in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    folder = Folder(tmp_path)
    changes = {MISSION: retitled(MISSION)}
    assert PRODUCT in {problem.file for problem in validate(Overlay(folder, changes), changes).errors}
    product = document(PRODUCT)
    without(product, "related", MISSION)
    (tmp_path / PRODUCT).write_text(json.dumps(product))
    assert "link-title" not in {
        problem.rule for problem in validate(Overlay(folder, changes), changes).errors if problem.file == PRODUCT
    }
    copy = tmp_path / "products/copy/collection.json"
    copy.parent.mkdir()
    copy.write_bytes(FILES[PRODUCT])
    assert "products/copy/collection.json" in {
        problem.file for problem in validate(Overlay(folder, changes), changes).errors
    }


def test_on_disk_the_files_that_name_a_given_one_are_looked_at(tmp_path: Path) -> None:
    for path, content in (FILES | {MISSION: json.dumps(retitled(MISSION)).encode()}).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    part, whole = validate(Folder(tmp_path), [MISSION]), validate(Folder(tmp_path))
    assert errors(part) == errors(whole)


def test_a_picture_or_an_input_file_concerns_the_document_beside_it() -> None:
    for path, rule in (
        ("themes/land/EO_Land.webp", "preview-file"),
        ("experiments/demo-ndvi/input.yaml", "input-file"),
    ):
        report = validate(Overlay(BASE, {path: b""}), {path})
        assert rule in {problem.rule for problem in report.problems}


def test_others_are_told_about_only_for_what_they_have_with_the_change() -> None:
    """The workflow has a fault of its own; a new title of the experiment is no reason to tell it."""
    workflow = document(WORKFLOW)
    del workflow["properties"]["description"]
    base = Overlay(BASE, {WORKFLOW: workflow})
    changes = {EXPERIMENT: retitled(EXPERIMENT)}
    told = {(problem.file, problem.rule) for problem in validate(Overlay(base, changes), changes).problems}
    assert (WORKFLOW, "record-description") not in told
    assert any(file == WORKFLOW for file, _ in told)


@pytest.mark.parametrize("path", [PRODUCT, PROJECT, VARIABLE, EXPERIMENT])
def test_one_changed_file_of_the_real_catalogue_is_quick(osc: Path, shared: Path, path: str) -> None:
    """Under 60 ms of CPU on a warm store; the benchmark has the figures."""
    store, base = Store(shared / "schemas"), Folder(osc)
    kind, *_, name = path.split("/")
    real = next(f"{kind}/{folder}/{name}" for folder in base.folders(kind) if base.exists(f"{kind}/{folder}/{name}"))
    found = json.loads(base.read(real) or b"")
    found.setdefault("properties", {})["note"] = "x"
    changes = {real: found}
    validate(Overlay(base, changes), changes, store=store)
    times = []
    for _ in range(5):
        begun = time.process_time()
        report = validate(Overlay(base, changes), changes, store=store)
        times.append(time.process_time() - begun)
    assert report.files == 1
    assert min(times) < 0.06


def test_links_of_a_document_that_was_broken_before() -> None:
    base = Overlay(BASE, {PRODUCT: b"{"})
    changes = {PRODUCT: FILES[PRODUCT]}
    assert validate(Overlay(base, changes), changes).errors == ()
    assert link(json.loads(FILES[PRODUCT]), "root")
