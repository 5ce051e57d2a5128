"""The official layer: each rule on the demo's catalogue, then the official verdicts on the real one and its mutants."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.rules import Documents, Folder, Overlay, Report, validate
from terrafair.catalogue.schemas import Store
from terrafair.errors import InvalidInput

from .catalogues import (
    EXPERIMENT,
    FILES,
    MISSION,
    PRODUCT,
    PROJECT,
    THEME,
    VARIABLE,
    WORKFLOW,
    Change,
    Replaced,
    changed,
    link,
    number,
    patched,
    without,
)

SITE = "https://esa-earthcode.github.io/open-science-catalog-metadata/"


@pytest.fixture(scope="module")
def store(shared: Path) -> Store:
    return Store(shared / "schemas")


def test_the_demo_is_valid_and_leaves_nothing_to_ask_for(store: Store) -> None:
    report = validate(Documents(FILES), store=store)
    assert report.files == 25
    assert report.problems == ()


def put(*path: Any) -> Change:
    """Set what is at a path to the last argument."""

    def change(document: Any) -> None:
        for part in path[:-2]:
            document = document[part]
        document[path[-2]] = path[-1]

    return change


def cut(*path: Any) -> Change:
    """Remove what is at a path."""

    def change(document: Any) -> None:
        for part in path[:-1]:
            document = document[part]
        del document[path[-1]]

    return change


def on(relation: str, ending: str = "", /, **fields: Any) -> Change:
    """Change a link."""
    return lambda document: link(document, relation, ending).update(fields)


def drop(rel: str, ending: str = "") -> Change:
    """Remove a link."""
    return lambda document: without(document, rel, ending)


def first(**entry: Any) -> Change:
    """Put a link before all others."""
    return lambda document: document["links"].insert(0, entry)


def last(**entry: Any) -> Change:
    """Put a link after all others."""
    return lambda document: document["links"].append(entry)


BROKEN: list[tuple[str, Change, str]] = [
    ("catalog.json", put("title", "My catalogue"), "root-title"),
    ("catalog.json", put("id", "mine"), "unexpected-place"),
    ("catalog.json", last(rel="parent", href="../catalog.json"), "root-parent"),
    ("catalog.json", drop("child", "themes/catalog.json"), "entry-missing"),
    ("catalog.json", drop("root"), "root-link"),
    ("catalog.json", put("type", "Collection"), "type"),
    ("catalog.json", put("type", "Thing"), "type"),
    ("catalog.json", cut("links"), "links-array"),
    ("catalog.json", put("links", "none"), "links-array"),
    ("catalog.json", put("links", 0, 5), "link-object"),
    ("products/catalog.json", put("id", "product"), "id-folder"),
    ("products/catalog.json", cut("title"), "title"),
    ("products/catalog.json", put("title", ""), "title"),
    ("products/catalog.json", drop("child", "demo-ndvi-composite/collection.json"), "entry-missing"),
    ("products/catalog.json", on("child", "composite/collection.json", rel="item"), "entry-missing"),
    ("products/catalog.json", last(rel="child", href="./x/collection.json", type="application/json"), "entry-dead"),
    ("products/catalog.json", on("child", title="X"), "link-title"),
    ("products/catalog.json", on("child", type="text/html"), "link-type"),
    ("products/catalog.json", on("child", href=f"{SITE}products/demo-s2-l2a/collection.json"), "entry-dead"),
    ("experiments/catalog.json", drop("item", "demo-ndvi/record.json"), "entry-missing"),
    (PRODUCT, put("stac_version", "1.2.0"), "stac-version"),
    (PRODUCT, put("stac_version", "one"), "stac-version"),
    (PRODUCT, cut("stac_version"), "stac-version"),
    (PRODUCT, last(href="https://example.org"), "link-object"),
    (PRODUCT, last(rel="about", href=""), "link-object"),
    (PRODUCT, put("id", "x"), "id-folder"),
    (PRODUCT, put("stac_extensions", []), "extension-missing"),
    (PRODUCT, put("stac_extensions", ["eo"]), "extension-address"),
    (
        PRODUCT,
        lambda document: [entry.update(rel="about") for entry in document["links"] if entry["rel"] == "via"],
        "via-link",
    ),
    (PRODUCT, drop("parent"), "parent-link"),
    (PRODUCT, on("parent", href="../../catalog.json"), "parent-link"),
    (PRODUCT, on("root", href=f"{SITE}catalog.json"), "root-link"),
    (PRODUCT, on("root", title="Root"), "link-title"),
    (PRODUCT, on("root", type="text/html"), "link-type"),
    (PRODUCT, first(rel="parent", href=f"{SITE}products/catalog.json"), "link-relative"),
    (PRODUCT, first(rel="self", href="https://example.org/x.json"), "self-link"),
    (PRODUCT, put("osc:type", "project"), "osc-type"),
    (PRODUCT, cut("osc:type"), "osc-type"),
    (PRODUCT, cut("osc:project"), "reference-needed"),
    (PRODUCT, put("osc:project", 5), "reference-needed"),
    (PRODUCT, put("osc:project", "nowhere"), "reference-missing"),
    (PRODUCT, put("osc:variables", ["nope"]), "reference-missing"),
    (PRODUCT, put("osc:missions", ["nope"]), "reference-missing"),
    (PRODUCT, put("osc:experiment", "nope"), "reference-missing"),
    (PRODUCT, drop("related", "terrafair-demo/collection.json"), "related-link"),
    (PRODUCT, on("related", "themes/land/catalog.json", title="Land"), "link-title"),
    (PRODUCT, on("related", "themes/land/catalog.json", type="text/html"), "link-type"),
    (PRODUCT, cut("themes"), "themes"),
    (PRODUCT, put("themes", []), "themes"),
    (PRODUCT, put("themes", 0, "scheme", "https://example.org"), "themes"),
    (PRODUCT, put("themes", 0, "concepts", "land"), "themes"),
    (PRODUCT, put("themes", 0, "concepts", ["land"]), "themes"),
    (PRODUCT, put("themes", 0, "concepts", [{"id": "nope"}]), "reference-missing"),
    (PROJECT, on("child", href="../../variables/total-surface-water/catalog.json"), "child-place"),
    (PROJECT, on("child", href="../../products/nope/collection.json"), "child-missing"),
    (PROJECT, cut("contacts"), "technical-officer"),
    (PROJECT, put("contacts", [{"name": "A", "roles": ["host"]}]), "technical-officer"),
    (PROJECT, put("contacts", [{"name": "A", "roles": ["technical_officer"], "emails": []}]), "technical-officer"),
    (PROJECT, put("osc:workflows", ["nope"]), "reference-missing"),
    (THEME, drop("preview"), "preview-link"),
    (THEME, on("preview", type="image/png"), "preview-link"),
    (THEME, on("preview", **{"proj:epsg": 4326}), "preview-link"),
    (THEME, on("preview", href="./nope.webp"), "preview-file"),
    (THEME, on("preview", **{"proj:shape": [1, 1]}), "preview-shape"),
    (VARIABLE, cut("themes"), "themes"),
    (VARIABLE, on("child", title="X"), "link-title"),
    (MISSION, drop("via"), "via-link"),
    (MISSION, drop("root"), "root-link"),
    (WORKFLOW, cut("conformsTo"), "conformance"),
    (WORKFLOW, put("conformsTo", []), "conformance"),
    (WORKFLOW, put("type", "Thing"), "type"),
    (WORKFLOW, cut("properties"), "reference-needed"),
    (WORKFLOW, cut("properties", "osc:project"), "reference-needed"),
    (WORKFLOW, last(rel="child", href="../../products/demo-s2-l2a/collection.json"), "child-place"),
    (EXPERIMENT, cut("properties", "osc:workflow"), "reference-needed"),
    (EXPERIMENT, put("properties", "osc:workflow", "nope"), "reference-missing"),
    (EXPERIMENT, drop("input"), "input-link"),
    (EXPERIMENT, on("environment", href=""), "environment-link"),
    (EXPERIMENT, lambda _: Replaced([]), "not-an-object"),
    (EXPERIMENT, lambda _: Replaced(None), "not-an-object"),
]


@pytest.mark.parametrize(("path", "change", "rule"), BROKEN, ids=lambda value: value if isinstance(value, str) else "")
def test_each_rule_in_code_is_told_with_its_place_and_way_out(path: str, change: Change, rule: str) -> None:
    report = validate(Documents(changed(path, change)))
    told = [problem for problem in report.errors if problem.file == path and problem.rule == rule]
    assert told, report.errors
    assert all(problem.layer == "official" and problem.message and problem.fix for problem in told)
    assert not report.valid


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (PRODUCT, last(rel="self", href="https://example.org/x.json")),
        (PRODUCT, last(rel="related", href="https://example.org/x.json", type="application/json")),
        (PRODUCT, last(rel="child", href="https://example.org/collection.json", type="application/json")),
        (PRODUCT, put("stac_version", "0.9.0")),
        (PRODUCT, put("stac_version", None)),
        (PRODUCT, put("type", "FeatureCollection")),
        (PRODUCT, put("osc:missions", [])),
        (PROJECT, drop("child", "demo-ndvi-composite/collection.json")),
        (THEME, on("preview", **{"proj:epsg": None})),
        (EXPERIMENT, cut("properties", "title")),
        ("variables/catalog.json", put("stac_extensions", "none")),
        ("products/catalog.json", lambda document: document["links"].append(link(document, "child"))),
    ],
)
def test_what_the_official_validator_lets_through_is_no_error(store: Store, path: str, change: Change) -> None:
    assert validate(Documents(changed(path, change)), store=store).errors == ()


def test_the_preview_may_say_its_shape_in_texts() -> None:
    shape = link(json.loads(FILES[THEME]), "preview")["proj:shape"]
    change = on("preview", **{"proj:shape": [str(value) for value in shape]})
    assert validate(Documents(changed(THEME, change))).valid


def test_a_folder_that_begins_with_json_has_no_right_id() -> None:
    files = {path.replace("products/demo-s2-l2a", "products/json-x"): text for path, text in FILES.items()}
    report = validate(Documents(files))
    found = [problem for problem in report.errors if problem.rule == "id-folder"]
    assert [problem.file for problem in found] == ["products/json-x/collection.json"]
    assert "begins with 'json'" in found[0].message


@pytest.mark.parametrize("name", ["extra.json", "notes.geojson", "data.JSON"])
def test_any_other_json_file_counts_as_a_record(store: Store, name: str) -> None:
    report = validate(Documents({**FILES, f"experiments/demo-ndvi/{name}": b'{"a": 1}'}), store=store)
    assert {problem.rule for problem in report.errors} == {"schema-record"}


def test_a_stac_document_in_no_place_is_an_error(store: Store) -> None:
    report = validate(Documents({**FILES, "experiments/demo-ndvi/catalog.json": FILES[MISSION]}), store=store)
    assert "unexpected-place" in {problem.rule for problem in report.errors}


def test_items_of_products_may_be_anything_that_is_stac(store: Store) -> None:
    item = {"type": "Feature", "stac_version": "1.0.0", "id": "anything", "geometry": None, "links": [], "assets": {}}
    item["properties"] = {"datetime": "2020-01-01T00:00:00Z"}
    place = "products/demo-s2-l2a/item.json"
    assert validate(Documents({**FILES, place: item}), store=store).errors == ()
    report = validate(Documents({**FILES, place: {**item, "properties": {}}}), store=store)
    assert {problem.rule for problem in report.errors} == {"schema-core"}


def test_schema_faults_are_told_in_words(store: Store) -> None:
    def change(document: Any) -> None:
        document["osc:status"] = "done"
        document["links"].append({"rel": "child", "href": "https://example.org/x", "type": "text/html"})
        document["extent"]["temporal"]["interval"][0][0] = "yesterday"

    report = validate(Documents(changed(PRODUCT, change)), store=store)
    told = {problem.pointer: problem.message for problem in report.errors}
    count = len(json.loads(FILES[PRODUCT])["links"])
    assert "allowed: 'planned', 'ongoing', 'completed'" in told["/osc:status"]
    assert f"/links/{count}/type" in told
    assert "'yesterday'" in told["/extent/temporal/interval/0/0"]


def test_an_extension_without_a_schema_is_an_error_with_a_complete_store(store: Store) -> None:
    address = "https://stac-extensions.github.io/nope/v1.0.0/schema.json"
    files = changed(PRODUCT, lambda document: document["stac_extensions"].append(address))
    assert [problem.rule for problem in validate(Documents(files), store=store).errors] == ["schema-unknown"]
    told = [problem for problem in validate(Documents(files)).problems if problem.rule == "schemas-missing"]
    assert len(told) == 1 and told[0].severity == "warning" and "Not checked against" in told[0].message


def test_without_a_store_the_schemas_of_stac_1_1_still_run() -> None:
    def change(document: Any) -> None:
        document["stac_version"] = "1.1.0"
        document["extent"] = "everywhere"

    report = validate(Documents(changed(PRODUCT, change)))
    assert {problem.rule for problem in report.errors} == {"schema-core"}


def test_strict_makes_errors_of_warnings() -> None:
    files = changed(EXPERIMENT, cut("properties", "title"))
    assert validate(Documents(files)).valid
    assert not validate(Documents(files), strict=True).valid


def test_an_unknown_rule_set_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no rule set 'rc.99'.*rc.15"):
        validate(Documents(FILES), rules="rc.99")


def test_rule_sets_differ_as_the_releases_do(store: Store) -> None:
    """Up to rc.14 every file below an entity folder fell under the entity's own schema."""
    files = {**FILES, "products/demo-s2-l2a/catalog.json": json.loads(FILES[MISSION])}
    assert validate(Documents(files), store=store).valid
    assert "schema-unknown" in {
        problem.rule for problem in validate(Documents(files), store=store, rules="rc.14").errors
    }


# The real catalogue.


def test_every_real_document_is_valid(osc: Path, store: Store) -> None:
    report = validate(Folder(osc), store=store)
    assert report.files == 2224
    assert report.errors == ()


def mutants(shared: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((shared / "osc-mutants/mutants.json").read_text("utf-8"))
    return found


def agrees(report: Report, expected: dict[str, Any]) -> bool:
    """Same verdict, same files; the official list of files was cut at 40."""
    files, wanted = {problem.file for problem in report.errors}, set(expected["invalid_files"])
    return bool(files) == expected["rejected"] and (files == wanted or (len(wanted) == 40 and wanted < files))


def test_every_mutant_gets_the_official_verdict(osc: Path, shared: Path, store: Store) -> None:
    base, wrong, seen = Folder(osc), [], 0
    for mutant in mutants(shared):
        if any(step["kind"] == "delete" for step in mutant["ops"]):
            continue
        changes: dict[str, Any] = {}
        for step in mutant["ops"]:
            if step["kind"] == "write":
                changes[step["file"]] = step["text"].encode()
            else:
                changes[step["file"]] = patched(json.loads(base.read(step["file"]) or b""), step["patch"])
        report = validate(Overlay(base, changes), changes, store=store)
        seen += 1
        if not agrees(report, mutant["expected"]):
            wrong.append((mutant["id"], mutant["expected"]["rejected"], report.errors[:3]))
        assert all(problem.message and problem.fix for problem in report.problems)
    assert wrong == []
    assert seen > 300


def test_deleted_files_get_the_official_verdict(osc: Path, shared: Path, store: Store, tmp_path: Path) -> None:
    """On disk their folders stay, which is what the official verdicts are about."""
    root = tmp_path / "catalogue"
    shutil.copytree(osc, root, copy_function=shutil.copyfile)
    for mutant in mutants(shared):
        deleted = [step["file"] for step in mutant["ops"] if step["kind"] == "delete"]
        contents = {path: (root / path).read_bytes() for path in deleted}
        for path in deleted:
            (root / path).parent.chmod(0o755)
            (root / path).unlink()
        if deleted:
            assert agrees(validate(Folder(root), deleted, store=store), mutant["expected"]), mutant["id"]
        for path, content in contents.items():
            (root / path).write_bytes(content)


def test_in_git_a_folder_goes_with_its_last_file() -> None:
    report = validate(Overlay(Documents(FILES), {VARIABLE: None}), {VARIABLE})
    assert ("variables/catalog.json", "entry-dead") in {(problem.file, problem.rule) for problem in report.errors}


def test_pointers_lead_to_what_is_wrong() -> None:
    files = changed(PRODUCT, on("root", title="Root"))
    (problem,) = validate(Documents(files)).errors
    place = number(json.loads(FILES[PRODUCT]), "root")
    assert problem.pointer == f"/links/{place}/title"
    assert "'Root'" in problem.message
    assert problem.document() == {
        "file": PRODUCT,
        "pointer": problem.pointer,
        "rule": "link-title",
        "layer": "official",
        "severity": "error",
        "message": problem.message,
        "fix": problem.fix,
    }
