"""Changes of records that others wrote: only what was meant changes, and what others changed meanwhile stays."""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from terrafair.demo.catalogue import catalogue_files
from terrafair.errors import Conflict, NotFound
from terrafair.publishing.amendment import FIELDS, alike, amend, changed, entry_of, faults, key, texts
from terrafair.publishing.draft import Draft
from terrafair.publishing.links import path
from terrafair.publishing.present import Present

SHARED = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[2].parent / "shared")
FILE = path("products", "ice")
RECORD = """{ "id":"ice", "type": "Collection", "x:odd": {"n": 1.0, "e": "\\u00e9"},
  "title": "Ice",
    "themes": [{"scheme": "https://s", "concepts": [{"id": "land", "title": "kept"}], "y": 2}],
  "cf:parameter": [{"name": "ice", "unit": "m", "z": [1]}],
  "keywords": ["a, b", "c"], "osc:variables": [], "license": "MIT", "description": "One\\r\\ntwo ",
  "links": [{"rel": "related", "href": "../../themes/land/catalog.json", "type": "application/json",
             "title": "Theme: Land"},
            {"rel": "self", "href": "https://x/products/ice/collection.json"}] }"""


def theme(name: str, *products: str) -> bytes:
    links = [{"rel": "child", "href": f"../../{path('products', each)}", "title": "Ice"} for each in products]
    return json.dumps({"id": name, "title": name.capitalize(), "links": links}, indent=1).encode()


FILES: Mapping[str, bytes] = {
    FILE: RECORD.encode(),
    path("themes", "land"): theme("land", "ice", "other"),
    path("themes", "oceans"): theme("oceans", "other"),
    "products/catalog.json": b'{"links": [{"rel": "child", "href": "./ice/collection.json", "title": "Ice"}]}',
}
NOW = texts("products", json.loads(RECORD))


def over(made: Draft) -> dict[str, bytes]:
    return {**FILES, **made.files}


def test_only_what_was_meant_changes_letter_by_letter() -> None:
    made = amend("products", "ice", {"region": ("Arctic",), "keywords": ("a, b", "c", "d")}, NOW, FILES.get)
    expected = RECORD.replace('["a, b", "c"]', '["a, b", "c", "d"]')
    text = made.files[FILE].decode()
    assert list(made.files) == [FILE]
    assert json.loads(text) == {**json.loads(expected), "osc:region": "Arctic"}
    lines = RECORD.split("\n")
    assert set(lines) - set(text.split("\n")) <= {lines[4], lines[-1]}
    assert '"x:odd": {"n": 1.0, "e": "\\u00e9"}' in text


def test_members_that_the_form_does_not_know_stay() -> None:
    fields = {"themes": ("land", "oceans"), "parameters": ("ice:m", "snow:cm", "wind")}
    record = json.loads(amend("products", "ice", fields, NOW, FILES.get).files[FILE])
    assert record["themes"] == [
        {"scheme": "https://s", "concepts": [{"id": "land", "title": "kept"}, {"id": "oceans"}], "y": 2}
    ]
    assert record["cf:parameter"] == [
        {"name": "ice", "unit": "m", "z": [1]}, {"name": "snow", "unit": "cm"}, {"name": "wind"}
    ]  # fmt: skip


def test_links_go_both_ways_and_bear_the_title() -> None:
    made = amend("products", "ice", {"product_title": ("Sea ice",), "themes": ("oceans",)}, NOW, FILES.get)
    found = {name: json.loads(content)["links"] for name, content in made.files.items()}
    assert [each.get("title") for each in found[FILE]] == ["Theme: Oceans", None]
    assert [each["href"] for each in found[path("themes", "land")]] == ["../../products/other/collection.json"]
    assert {each["title"] for each in found[path("themes", "oceans")]} == {"Ice", "Sea ice"}
    assert found["products/catalog.json"][0]["title"] == "Sea ice"
    back = amend("products", "ice", {"product_title": ("Ice",), "themes": ("land",)}, texts(
        "products", json.loads(made.files[FILE])), over(made).get)  # fmt: skip
    assert json.loads(over(back)[FILE])["links"] == json.loads(RECORD)["links"]


def test_what_a_form_does_to_texts_is_no_change() -> None:
    typed = {**{name: tuple(each) for name, each in NOW.items()}, "product_description": ("One\ntwo",), "region": ("",)}
    assert changed("products", typed, NOW) == {}
    assert changed("products", {"doi": ("",), "not-a-field": ("x",)}, NOW) == {}
    assert changed("products", {"keywords": ("c", "a, b")}, NOW) and alike("themes", ("a", "b"), ("b", "a"))


def test_others_changes_stay_and_the_same_field_is_a_conflict() -> None:
    upstream = {**FILES, FILE: RECORD.replace('"MIT"', '"CC0-1.0"').replace('"Ice"', '"Glaciers"').encode()}
    made = amend("products", "ice", {"region": ("Arctic",)}, NOW, upstream.get)
    assert json.loads(made.files[FILE])["license"] == "CC0-1.0"
    with pytest.raises(Conflict, match="product_title") as caught:
        amend("products", "ice", {"product_title": ("Sea ice",)}, NOW, upstream.get)
    assert "Glaciers" in str(caught.value.problem.why)
    # They said the same: only what they forgot is left.
    same = amend("products", "ice", {"product_title": ("Glaciers",)}, NOW, upstream.get)
    assert FILE not in same.files
    with pytest.raises(NotFound):
        amend("products", "ice", {"region": ("x",)}, NOW, {}.get)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"product_title": ()}, "empty"),
        ({"product_description": ("x" * 30_001,)}, "too-large"),
        ({"keywords": ("k",) * 301}, "too-large"),
        ({"product_title": ("a\x00b",)}, "control-characters"),
        ({"variables": ("../../../etc/passwd",)}, "unknown"),
        ({"themes": ("x" * 9_000,)}, "unknown"),
    ],
)
def test_hostile_texts_are_told_beside_their_field(fields: Mapping[str, tuple[str, ...]], code: str) -> None:
    found = faults(fields, Present(FILES.get))
    assert [(each.where, each.code) for each in found] == [(next(iter(fields)), code)]


def test_names() -> None:
    assert entry_of(key("products", "a:b")) == ("products", "a:b")
    assert [entry_of(name) for name in ("edit:projects:x", "edit:products:", "20260101-x", "edit:")] == [None] * 4


def _records(names: Iterable[str]) -> list[tuple[str, str]]:
    found = ((kind, name) for kind, name, *_ in (each.split("/") for each in names if each.count("/") == 2))
    return [entry for entry in dict.fromkeys(found) if entry[0] in FIELDS]


def test_every_real_record_is_changed_by_one_line() -> None:
    folder = SHARED / "data/open-science-catalog"
    files = dict(catalogue_files("0" * 40))
    if folder.is_dir():
        chosen = [each for kind in FIELDS for each in sorted(folder.glob(f"{kind}/*/*.json"))[::9]]
        files |= {str(each.relative_to(folder)): each.read_bytes() for each in chosen}
    for kind, identifier in _records(files):
        file = path(kind, identifier)
        if file not in files:
            continue
        now = texts(kind, json.loads(files[file]))
        field = next(name for name in FIELDS[kind] if name.endswith("_description"))
        assert not amend(kind, identifier, {}, now, files.get).files
        made = amend(kind, identifier, {field: ("A new text.",)}, now, files.get)
        assert list(made.files) == [file]
        lines = [line for line in made.diff().split("\n") if line[:1] in "+-" and line[:3] not in ("+++", "---")]
        assert len(lines) == 2, file
