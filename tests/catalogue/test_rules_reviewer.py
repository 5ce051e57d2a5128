"""The reviewer layer: each rule on the demo's catalogue, and its warnings about the real one."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.rules import Documents, Folder, validate
from terrafair.catalogue.rules.reviewer.likeness import signature
from terrafair.catalogue.schemas import Store

from .catalogues import EXPERIMENT, FILES, PRODUCT, PROJECT, THEME, VARIABLE, WORKFLOW, Change, changed, link, without

SITE = "https://esa-earthcode.github.io/open-science-catalog-metadata/"
INPUT = "experiments/demo-ndvi/input.yaml"
ENVIRONMENT = "experiments/demo-ndvi/environment.yaml"
SCHEME = "https://github.com/stac-extensions/osc#theme"


def rules(files: dict[str, Any], path: str = "") -> set[str]:
    report = validate(Documents(files))
    assert all(problem.layer == "reviewer" for problem in report.warnings)
    return {problem.rule for problem in report.problems if problem.file == path or not path} - {"schemas-missing"}


def box(*numbers: float) -> Change:
    return lambda document: document["extent"]["spatial"].update(bbox=[list(numbers)])


def interval(start: str | None, end: str | None) -> Change:
    return lambda document: document["extent"]["temporal"].update(interval=[[start, end]])


def add(**entry: Any) -> Change:
    return lambda document: document["links"].append(entry)


def twice(document: Any) -> None:
    document["links"].append(dict(link(document, "via")))


def no_data(document: Any) -> None:
    document["links"] = [entry for entry in document["links"] if entry["rel"] not in {"child", "item", "data"}]
    document.pop("assets", None)
    for entry in document["links"]:
        if entry["rel"] == "via":
            entry.update(type="text/html", href="https://example.org/page")


def local_and_global(document: Any) -> None:
    box(-180, -90, 180, 90)(document)
    document["osc:region"] = "Lake Geneva"


CASES: list[tuple[str, Change, str]] = [
    (PRODUCT, add(rel="related", href="../../products/nope/collection.json", type="application/json"), "dead-link"),
    (PRODUCT, add(rel="item", href="./nope.json"), "dead-link"),
    (PRODUCT, add(rel="cite-as", href="10.5281/zenodo.1"), "dead-link"),
    (PRODUCT, add(rel="related", href=f"{SITE}themes/land/catalog.json", title="Theme: Land"), "absolute-link"),
    (PRODUCT, add(rel="self", href=f"{SITE}products/other/collection.json"), "self-elsewhere"),
    (PRODUCT, add(rel="related", href="../demo-s2-l2a/collection.json", title="An old title"), "stale-title"),
    (PRODUCT, twice, "duplicate-link"),
    (PRODUCT, lambda document: document["themes"].append({"scheme": SCHEME, "concepts": []}), "second-themes"),
    (PRODUCT, lambda document: document.update({"osc:variables": []}), "no-variables"),
    (PRODUCT, lambda document: document.pop("osc:missions"), "no-missions"),
    (PRODUCT, lambda document: document.pop("osc:experiment"), "no-experiment"),
    (PRODUCT, no_data, "no-data-link"),
    (PRODUCT, box(-181, 40, 20, 50), "bbox-range"),
    (PRODUCT, box(0, 60, 20, 50), "bbox-order"),
    (PRODUCT, box(0, 40, 100, 20, 50, 0), "bbox-order"),
    (PRODUCT, local_and_global, "bbox-globe"),
    (PRODUCT, interval("2021-01-02T00:00:00Z", "2021-01-01T00:00:00Z"), "interval-reversed"),
    (PRODUCT, interval(None, None), "interval-empty"),
    (PRODUCT, lambda document: document.update(stac_version="0.9.0"), "skipped"),
    (WORKFLOW, lambda document: document["properties"].pop("title"), "record-title"),
    (WORKFLOW, lambda document: document["properties"].update(description=" "), "record-description"),
    (EXPERIMENT, lambda document: document["properties"].pop("license"), "record-licence"),
    (
        EXPERIMENT,
        lambda document: document["properties"].update(themes=[{"scheme": SCHEME, "concepts": [{"id": "nope"}]}]),
        "record-theme",
    ),
    (EXPERIMENT, lambda document: link(document, "input").update(href="./nope.yaml"), "dead-link"),
]


@pytest.mark.parametrize(
    ("path", "change", "rule"), CASES, ids=[f"{rule}-{place}" for place, (*_, rule) in enumerate(CASES)]
)
def test_each_rule_is_told_and_only_then(path: str, change: Change, rule: str) -> None:
    assert rule in rules(changed(path, change), path)
    assert rules(FILES) == set()


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (PRODUCT, box(170, -20, -170, 20)),  # crosses the antimeridian
        (PRODUCT, box(-180, -90, 180, 90)),  # the demo's region is not told
        (PRODUCT, interval("2021-01-01T00:00:00Z", None)),
        (PRODUCT, interval("2021-01-01T00:00:00Z", "2021-01-01T00:00:00Z")),
        (PRODUCT, add(rel="describedby", href="https://example.org/a")),
        (EXPERIMENT, lambda document: link(document, "input").update(href="https://example.org/input.yaml")),
    ],
)
def test_what_is_right_is_not_warned_about(path: str, change: Change) -> None:
    files = changed(path, change)
    document = json.loads(files[path])
    if document.get("extent", {}).get("spatial", {}).get("bbox") == [[-180, -90, 180, 90]]:
        document["osc:region"] = "Global"
        files[path] = json.dumps(document).encode()
    assert rules(files) == set()


@pytest.mark.parametrize(
    ("owner", "rel", "ending", "named_by"),
    [
        (THEME, "child", "demo-ndvi-composite/collection.json", PRODUCT),
        (PROJECT, "child", "demo-ndvi-composite/collection.json", PRODUCT),
        ("eo-missions/sentinel-2/catalog.json", "child", "demo-ndvi-composite/collection.json", PRODUCT),
        (PROJECT, "related", "demo-ndvi-workflow/record.json", WORKFLOW),
        (WORKFLOW, "child", "demo-ndvi/record.json", EXPERIMENT),
    ],
)
def test_a_missing_back_link_is_told_where_the_thing_is_named(owner: str, rel: str, ending: str, named_by: str) -> None:
    report = validate(Documents(changed(owner, lambda document: without(document, rel, ending))))
    told = [problem for problem in report.warnings if problem.rule == "back-link"]
    assert [problem.file for problem in told] == [named_by]
    assert owner in told[0].message


def test_what_lists_a_product_that_does_not_name_it_is_told() -> None:
    def change(document: Any) -> None:
        document["osc:missions"] = []
        without(document, "related", "sentinel-2/catalog.json")

    assert "listed-unnamed" in rules(changed(PRODUCT, change), "eo-missions/sentinel-2/catalog.json")


@pytest.mark.parametrize(
    ("content", "fine"),
    [
        (b"", False),
        (b"\n  \n", False),
        (b"# nothing yet\n", False),
        (b"We ran the workflow on our own machines.\n", False),
        (b"$comment: >-\n  We ran it on our own machines.\n", False),
        (b"a: [1\n", False),
        (b"\xff\xfe\x00", False),
        (b"[" * 5000, False),
        (b"parameters: []\n", True),
        (b"parameters:\n  a: 1\n", True),
    ],
)
@pytest.mark.parametrize(("path", "rule"), [(INPUT, "input-file"), (ENVIRONMENT, "environment-file")])
def test_companions_must_say_something_to_a_program(path: str, rule: str, content: bytes, *, fine: bool) -> None:
    assert (rule not in rules({**FILES, path: content}, EXPERIMENT)) is fine


@pytest.mark.parametrize("content", [b"numpy==1.26\n# more\n", b"docker.io/library/python:3.11\n"])
def test_requirements_are_lines(content: bytes) -> None:
    files = changed(EXPERIMENT, lambda document: link(document, "environment").update(href="./requirements.txt"))
    assert rules({**files, "experiments/demo-ndvi/requirements.txt": content}) == set()
    empty = {**files, "experiments/demo-ndvi/requirements.txt": b"# none\n"}
    assert rules(empty, EXPERIMENT) == {"environment-file"}


def test_a_second_entity_of_nearly_the_same_name_is_told() -> None:
    twin = json.loads(FILES[VARIABLE])
    files = dict(FILES)
    twin.update(id="surface-water-total", title="Surface Waters, Total")
    files["variables/surface-water-total/catalog.json"] = json.dumps(twin).encode()
    listing = json.loads(FILES["variables/catalog.json"])
    entry = {"rel": "child", "href": "./surface-water-total/catalog.json", "type": "application/json"}
    listing["links"].append(entry | {"title": twin["title"]})
    files["variables/catalog.json"] = json.dumps(listing).encode()
    told = [problem for problem in validate(Documents(files)).warnings if problem.rule == "near-duplicate"]
    assert {problem.file for problem in told} == {VARIABLE, "variables/surface-water-total/catalog.json"}


def test_names_are_alike_but_for_case_order_plural_and_filling_words() -> None:
    assert signature("Growing Degree Days") == signature("degree-growing-day")
    assert signature("Temperature of the Sea Surface") == signature("sea surface temperature")
    assert signature("Band 1") != signature("Band 2")
    assert signature("") == signature("the of") == ""


def test_official_faults_are_not_told_twice() -> None:
    files = changed(PROJECT, add(rel="child", href="../../products/nope/collection.json", type="application/json"))
    report = validate(Documents(files))
    assert [problem.rule for problem in report.problems if "nope" in problem.message] == ["child-missing"]


def test_odd_values_never_break_it() -> None:
    odd: list[Any] = [None, 5, "x", [], {}, [[]], [None], True, {"a": 1}, 1e400, "\ud800"]
    for path in (PRODUCT, EXPERIMENT, WORKFLOW, THEME, PROJECT, VARIABLE, "catalog.json", "products/catalog.json"):
        document = json.loads(FILES[path])
        for key in (*document, "bbox", "time", "assets"):
            for value in odd:
                report = validate(Documents({**FILES, path: json.dumps({**document, key: value}).encode()}), {path})
                assert all(problem.message for problem in report.problems)


def test_warnings_about_the_real_catalogue(osc: Path, shared: Path) -> None:
    """Numbers that were looked at one by one, or by sample where there are many."""
    report = validate(Folder(osc), store=Store(shared / "schemas"))
    counts = Counter(problem.rule for problem in report.warnings)
    assert counts["dead-link"] == 26
    assert counts["self-elsewhere"] == 16
    assert counts["interval-reversed"] == 1
    assert counts["repeated-key"] == 2
    assert counts["second-themes"] == 8
    assert counts["input-file"] == 1
    assert counts["environment-file"] == 3
    assert counts["bbox-globe"] == 3
    places = {(problem.file, problem.rule) for problem in report.warnings}
    assert ("experiments/esa-world-cereal-extent-experiment/record.json", "input-file") in places
    assert ("experiments/polaris/record.json", "environment-file") in places
    assert ("workflows/pca-on-ocean-data-cube/record.json", "record-theme") in places
    assert ("projects/fairsendd/collection.json", "repeated-key") in places
