"""The test catalogue keeps the rules of the Open Science Catalog, and those of a careful reviewer."""

import json
import posixpath
import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from terrafair.demo import catalogue, entries, experiments, links, seed

COMMIT = "0123456789abcdef0123456789abcdef01234567"
Document = dict[str, Any]
Check = Callable[[Document, str], list[str]]

FILES = catalogue.catalogue_files(COMMIT)
DOCUMENTS: dict[str, Document] = {file: json.loads(text) for file, text in FILES.items() if file.endswith(".json")}
ENTRIES = [file for file in DOCUMENTS if file.count("/") == 2]


def kind(file: str) -> str:
    return file.split("/", maxsplit=1)[0]


def title(document: Document) -> str:
    found: str = document.get("properties", document)["title"]
    return found


def fields(document: Document) -> Document:
    found: Document = document.get("properties", document)
    return found


def targets(file: str, *relations: str) -> list[tuple[str, Document]]:
    """Local links of some relations, by the file that they lead to."""
    found = []
    for link in DOCUMENTS[file]["links"]:
        if (not relations or link["rel"] in relations) and "://" not in link["href"]:
            found.append((posixpath.normpath(posixpath.join(posixpath.dirname(file), link["href"])), link))
    return found


def test_has_what_was_asked_for() -> None:
    count = {folder: len([file for file in ENTRIES if kind(file) == folder]) for folder in links.KINDS}
    assert count == {
        "projects": 1,
        "themes": 1,
        "variables": 4,
        "eo-missions": 1,
        "products": 4,
        "workflows": 3,
        "experiments": 3,
    }
    for experiment in experiments.EXPERIMENTS:
        assert f"experiments/{experiment}/record.json" in FILES


@pytest.mark.parametrize("file", sorted(DOCUMENTS))
def test_official_schemas(file: str, check: Check, schemas: Path) -> None:
    document = DOCUMENTS[file]
    faults = []
    if "/" in file:
        schema = "children" if file in ENTRIES else "parent"
        faults += check(document, f"https://validation.example/{kind(file)}/{schema}.json")
    if document["type"] in ("Catalog", "Collection"):
        name = document["type"].lower()
        version = document["stac_version"]
        faults += check(document, f"https://schemas.stacspec.org/v{version}/{name}-spec/json-schema/{name}.json")
    for extension in document.get("stac_extensions", []):
        faults += check(document, extension)
    assert not faults


@pytest.mark.parametrize("file", ENTRIES)
def test_id_is_the_folder(file: str) -> None:
    assert DOCUMENTS[file]["id"] == file.split("/")[1]
    assert posixpath.basename(file) == links.KINDS[kind(file)][2]


@pytest.mark.parametrize("file", sorted(DOCUMENTS))
def test_root_parent_and_self(file: str) -> None:
    by_relation: dict[str, list[Document]] = {}
    for link in DOCUMENTS[file]["links"]:
        by_relation.setdefault(link["rel"], []).append(link)
    depth = file.count("/")
    assert [link["href"] for link in by_relation["root"]] == [("./", "../", "../../")[depth] + "catalog.json"]
    if depth:
        assert [link["href"] for link in by_relation["parent"]] == ["../catalog.json"]
    assert [link["href"] for link in by_relation["self"]] == [links.SITE + file]
    # The official validator compares only the first link of a relative kind with its own site.
    assert DOCUMENTS[file]["links"][-1]["rel"] == "self"
    assert all(
        link["type"] == "application/json" for rel in ("root", "parent", "self") for link in by_relation.get(rel, ())
    )


@pytest.mark.parametrize("file", sorted(DOCUMENTS))
def test_links_lead_somewhere_under_their_right_title(file: str) -> None:
    for target, link in targets(file):
        assert target in FILES, link
        assert link.get("title") != ""
        if target not in DOCUMENTS or link["rel"] == "self":
            continue
        prefix = links.KINDS[kind(target)][1] if link["rel"] == "related" else ""
        assert link["title"] == prefix + title(DOCUMENTS[target])


@pytest.mark.parametrize("file", sorted(DOCUMENTS))
def test_no_link_twice(file: str) -> None:
    found = [(link["rel"], link["href"]) for link in DOCUMENTS[file]["links"]]
    assert len(found) == len(set(found))


def test_folders_list_their_entries_exactly() -> None:
    for folder, (_, _, name) in links.KINDS.items():
        relation = "item" if name == "record.json" else "child"
        listed = [target for target, _ in targets(f"{folder}/catalog.json", relation)]
        assert listed == sorted(file for file in ENTRIES if kind(file) == folder)
    assert [target for target, _ in targets("catalog.json", "child")] == [
        f"{folder}/catalog.json" for folder in links.KINDS
    ]


PAIRS = {
    ("products", "projects"),
    ("products", "themes"),
    ("products", "variables"),
    ("products", "eo-missions"),
    ("products", "experiments"),
    ("products", "products"),
    ("projects", "workflows"),
    ("projects", "experiments"),
    ("workflows", "experiments"),
}
ONE_WAY = {("projects", "themes"), ("variables", "themes"), ("workflows", "themes"), ("experiments", "themes")}


def test_every_link_between_entries_goes_both_ways() -> None:
    edges = {(file, target) for file in ENTRIES for target, _ in targets(file, "related", "child")}
    for start, end in edges:
        pair = (kind(start), kind(end))
        if pair in ONE_WAY:
            continue
        assert pair in PAIRS or pair[::-1] in PAIRS, pair
        assert (end, start) in edges, f"{end} does not lead back to {start}"


def test_references_by_id_exist_and_are_linked() -> None:
    for file in ENTRIES:
        found = fields(DOCUMENTS[file])
        named = [("projects", found.get("osc:project")), ("experiments", found.get("osc:experiment"))]
        named += [("workflows", found.get("osc:workflow"))]
        named += [("variables", name) for name in found.get("osc:variables", [])]
        named += [("eo-missions", name) for name in found.get("osc:missions", [])]
        named += [("workflows", name) for name in found.get("osc:workflows", [])]
        for theme in found.get("themes", []):
            assert theme["scheme"] == "https://github.com/stac-extensions/osc#theme"
            named += [("themes", concept["id"]) for concept in theme["concepts"]]
        linked = {target for target, _ in targets(file, "related", "child")}
        for folder, identifier in named:
            if identifier:
                assert links.path(folder, identifier) in linked, (file, identifier)


def test_extents_are_sane() -> None:
    for file in ENTRIES:
        document = DOCUMENTS[file]
        boxes = document["extent"]["spatial"]["bbox"] if "extent" in document else [document.get("bbox")]
        for box in filter(None, boxes):
            west, south, east, north = box
            assert -180 <= west < east <= 180
            assert -90 <= south < north <= 90
            assert (east - west) * (north - south) < 0.01, "the scene is three kilometres wide"
        spans = document["extent"]["temporal"]["interval"] if "extent" in document else []
        spans += [document["time"]["interval"]] if document.get("time") else []
        for start, end in spans:
            assert re.fullmatch(r"2024-\d\d-\d\dT\d\d:\d\d:\d\dZ", start)
            assert start < end


def test_everything_has_title_description_licence_and_times() -> None:
    for file in ENTRIES:
        found = fields(DOCUMENTS[file])
        assert found["title"]
        assert len(found["description"]) > 20
        assert found["updated"].endswith("Z")
        if kind(file) in ("projects", "products", "workflows", "experiments"):
            assert found["license"] in ("CC-BY-4.0", "MIT")
            assert found["keywords"]
            assert len(found["keywords"]) == len(set(found["keywords"]))


def test_products_have_data_and_via_links() -> None:
    for product in entries.all_products():
        document = DOCUMENTS[links.path("products", product.id)]
        hrefs = {link["rel"]: link for link in document["links"] if link["href"].startswith("s3://")}
        assert {"via", "child"} <= hrefs.keys()
        for link in hrefs.values():
            assert link["href"] == f"s3://terrafair/{product.data}"
            assert link["type"] == "application/json"
            assert any(product.data.startswith(prefix) for prefix in seed.PREFIXES)
        assert document["osc:missions"] == ["sentinel-2"]
        assert document["osc:variables"]


def test_missions_variables_and_themes_say_where_they_come_from() -> None:
    for file in ENTRIES:
        if kind(file) in ("eo-missions", "variables", "themes", "projects"):
            assert any(link["rel"] == "via" and link["type"] == "text/html" for link in DOCUMENTS[file]["links"])
    officers = [
        c for c in DOCUMENTS[links.path("projects", entries.PROJECT)]["contacts"] if "technical_officer" in c["roles"]
    ]
    assert "@" in officers[0]["emails"][0]["value"]


def test_preview_image_has_the_size_it_claims() -> None:
    import rasterio

    preview = next(link for link in DOCUMENTS["themes/land/catalog.json"]["links"] if link["rel"] == "preview")
    assert preview["proj:epsg"] is None
    content = FILES["themes/land/EO_Land.webp"]
    assert content[:4] == b"RIFF"
    with (
        rasterio.MemoryFile(content, ext=".webp") as file,
        pytest.warns(match="no geotransform"),
        file.open() as source,
    ):
        assert list(source.shape) == preview["proj:shape"] == [1080, 1920]


def test_applications_are_in_the_code_repository() -> None:
    code = catalogue.code_files()
    for workflow in entries.WORKFLOWS:
        document = DOCUMENTS[links.path("workflows", workflow.id)]
        application = next(link for link in document["links"] if link["rel"] == "application")
        assert application["href"] == f"{entries.CODE}/blob/{COMMIT}/{workflow.path}"
        assert application["file:local_path"] == workflow.path
        assert workflow.path in code
        for text in chain([application], [document["properties"]]):
            for address in re.findall(rf"{entries.CODE}/blob/{COMMIT}/([\w./-]+)", json.dumps(text)):
                assert address in code


def test_documentation_links_lead_into_the_code_repository() -> None:
    code = catalogue.code_files()
    for text in FILES.values():
        for path in re.findall(rf"{entries.CODE}/blob/{COMMIT}/([\w./-]+)".encode(), text):
            assert path.decode() in code


def test_records_conform_to_records() -> None:
    for file in ENTRIES:
        if kind(file) in ("workflows", "experiments"):
            document = DOCUMENTS[file]
            assert "http://www.opengis.net/spec/ogcapi-records-1/1.0/req/record-core" in document["conformsTo"]
            assert document["properties"]["type"] == kind(file)[:-1]


def test_inputs_and_environments_are_filled_and_machine_readable() -> None:
    for experiment in experiments.EXPERIMENTS:
        relations = {link["rel"]: target for target, link in targets(f"experiments/{experiment}/record.json")}
        given = yaml.safe_load(FILES[relations["input"]])
        assert given["parameters"] == experiments.values(experiment)
        assert len(given["parameters"]) >= 3
        environment = yaml.safe_load(FILES[relations["environment"]])
        assert environment["name"] == experiment
        assert environment.get("dependencies") or environment["openeo"]["processes"]


def test_no_other_json_beside_a_record() -> None:
    assert set(DOCUMENTS) == {"catalog.json", *(f"{k}/catalog.json" for k in links.KINDS), *ENTRIES}


def test_equal_again_and_commit_dependent() -> None:
    assert catalogue.catalogue_files(COMMIT) == FILES
    other = catalogue.catalogue_files("f" * 40)
    changed = {file for file in FILES if FILES[file] != other[file]}
    assert changed == {file for file in ENTRIES if kind(file) in ("workflows", "products")} | {
        "experiments/demo-phenology/record.json"
    }
