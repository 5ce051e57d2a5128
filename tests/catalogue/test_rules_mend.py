"""Mending: a broken catalogue becomes what it was, byte for byte where there is one right answer."""

import json
import re
from collections.abc import Callable
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest

from terrafair.catalogue.rules import Documents, Folder, Overlay, mend, validate
from terrafair.catalogue.schemas import Store

from .catalogues import EXPERIMENT, FILES, MISSION, PRODUCT, PROJECT, THEME, VARIABLE, link, number, patched, without

Break = Callable[[Any], object]


def broken(path: str, change: Break) -> dict[str, bytes]:
    """As the demo writes its files, so that a mended one can be compared byte for byte."""
    document = json.loads(FILES[path])
    change(document)
    return {path: (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()}


@pytest.mark.parametrize(
    ("path", "change"),
    [
        (PRODUCT, lambda document: link(document, "root").update(title="Root")),
        (PRODUCT, lambda document: link(document, "related", "land/catalog.json").update(title="Land")),
        (PRODUCT, lambda document: link(document, "parent").update(type="text/html")),
        (PRODUCT, lambda document: link(document, "parent").update(href="../../catalog.json")),
        (PRODUCT, lambda document: document.update({"osc:type": "thing"})),
        (PRODUCT, lambda document: document["links"].append(dict(link(document, "via")))),
        ("products/catalog.json", lambda document: link(document, "child").update(title="X")),
        ("products/catalog.json", lambda document: link(document, "parent").update(type="text/plain")),
        ("catalog.json", lambda document: link(document, "child").update(title="X", type="text/html")),
        (PROJECT, lambda document: link(document, "child").update(title="X")),
        (THEME, lambda document: link(document, "preview").update({"proj:shape": [1, 1]})),
        (EXPERIMENT, lambda document: link(document, "related", "workflow/record.json").update(title="X")),
    ],
)
def test_one_right_answer_is_found_byte_for_byte(path: str, change: Break) -> None:
    mended = mend(Overlay(Documents(FILES), broken(path, change)))
    assert {file: content.decode() for file, content in mended.items()} == {path: FILES[path].decode()}


@pytest.mark.parametrize(
    ("path", "rel", "ending"),
    [
        (PRODUCT, "root", ""),
        (PRODUCT, "parent", ""),
        (PRODUCT, "related", "land/catalog.json"),
        (PRODUCT, "related", "terrafair-demo/collection.json"),
        (THEME, "child", "demo-ndvi-composite/collection.json"),
        (VARIABLE, "child", "demo-surface-water/collection.json"),
        (MISSION, "child", "demo-ndvi-composite/collection.json"),
        ("experiments/catalog.json", "item", "demo-ndvi/record.json"),
    ],
)
def test_a_missing_link_comes_back_as_it_was(path: str, rel: str, ending: str) -> None:
    original = json.loads(FILES[path])
    mended = mend(Overlay(Documents(FILES), broken(path, lambda document: without(document, rel, ending))))
    assert set(mended) == {path}
    found = json.loads(mended[path])
    assert found["links"][-1] == link(original, rel, ending)
    found["links"].insert(number(original, rel, ending), found["links"].pop())
    assert found == original


def test_a_new_product_is_tied_in_everywhere() -> None:
    """Only its own document is written; lists and back-links come from mending, and then all is well."""
    product = json.loads(FILES[PRODUCT])
    product.update(id="demo-new", title="A new product of the demo")
    product["links"] = [entry for entry in product["links"] if entry["rel"] in {"via", "item", "child", "data"}]
    place = "products/demo-new/collection.json"
    tree = Overlay(Documents(FILES), {place: product})
    mended = mend(tree, [place])
    assert {"products/catalog.json", PROJECT, THEME, MISSION, place} <= set(mended)
    report = validate(Overlay(tree, mended))
    assert [problem for problem in report.problems if problem.rule != "schemas-missing"] == []
    assert mend(Overlay(tree, mended)) == {}


def test_several_faults_in_one_file_and_a_byte_order_mark() -> None:
    def change(document: Any) -> None:
        document["stac_extensions"] = []
        document["osc:type"] = None
        for entry in document["links"]:
            entry.pop("title", None)
            entry["type"] = "text/html" if entry["rel"] == "via" else "text/plain"

    (content,) = broken(PRODUCT, change).values()
    tree = Overlay(Documents(FILES), {PRODUCT: b"\xef\xbb\xbf" + content})
    report = validate(Overlay(tree, mend(tree)))
    assert {problem.rule for problem in report.errors} == set()


def test_what_has_no_one_answer_is_left_alone() -> None:
    def change(document: Any) -> None:
        document["id"] = "other"
        document["osc:project"] = "nope"
        document["links"].append({"rel": "related", "href": "../../themes/nope/catalog.json"})

    tree = Overlay(Documents(FILES), broken(PRODUCT, change))
    assert PRODUCT not in mend(tree, [PRODUCT])
    assert mend(Overlay(Documents(FILES), {EXPERIMENT: b"{"}), [EXPERIMENT]) == {}


def test_formatting_and_unknown_fields_stay() -> None:
    text = FILES[PRODUCT].decode()
    odd = re.sub(r'"osc:type": "product"', '"osc:type"  :   "thing", "x:unknown": [1,2 , 3]', text).replace(
        "\n", "\r\n"
    )
    (content,) = mend(Overlay(Documents(FILES), {PRODUCT: odd.encode()})).values()
    assert content.decode() == odd.replace('"thing"', '"product"')


def test_mended_mutants_of_the_real_catalogue(osc: Path, shared: Path) -> None:
    """Wherever mending makes a mutant valid, only the changed file or its counterpart differs from the original."""
    base, same = Folder(osc), 0
    for mutant in json.loads((shared / "osc-mutants/mutants.json").read_text("utf-8")):
        if "title" not in mutant["rule"] and "type" not in mutant["rule"]:
            continue
        if (
            len(mutant["ops"]) > 1
            or len(mutant["expected"]["invalid_files"]) > 1
            or mutant["ops"][0]["kind"] != "patch"
        ):
            continue
        (step,) = mutant["ops"]
        path = step["file"]
        original = base.read(path) or b""
        changed = patched(json.loads(original), step["patch"])
        style = {"indent": 4 if b'\n    "' in original else 2, "ensure_ascii": False}
        tree = Overlay(base, {path: json.dumps(changed, **style).encode()})
        mended = mend(tree, [path]).get(path)
        if mended is not None and validate(Overlay(tree, {path: mended}), [path]).valid:
            same += json.loads(mended) == json.loads(original)
    assert same > 15


def test_the_mended_real_catalogue_stays_valid_and_needs_no_second_time(osc: Path, shared: Path) -> None:
    store, base = Store(shared / "schemas"), Folder(osc)
    mended = mend(base, store=store)
    tree = Overlay(base, mended)
    assert validate(tree, store=store).errors == ()
    assert mend(tree, store=store) == {}
    assert len(mended) > 50
    for path, content in mended.items():
        before, after = (base.read(path) or b"").splitlines(), content.splitlines()
        kept = sum(block.size for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks())
        assert kept >= len(before) - 12, path
