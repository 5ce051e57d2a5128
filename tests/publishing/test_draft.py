"""A job and few answers become entries that pass both layers of rules, and the diff holds only what it must."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from terrafair.catalogue.editing import changed_lines
from terrafair.catalogue.rules import Documents, Overlay, Problem, validate
from terrafair.catalogue.schemas import Store
from terrafair.errors import Conflict, InvalidInputs
from terrafair.execution.job import JobRequest
from terrafair.publishing.answers import Answers, read
from terrafair.publishing.draft import Draft, Place, draft
from terrafair.publishing.made import Made
from terrafair.publishing.prefill import prefill, questions
from terrafair.publishing.present import Present
from terrafair.workflows.environment import read_environment
from terrafair.workflows.workflow import EnvironmentSpec, WorkflowType

from .results import GRAPH, JOB, files, finished, resolution

PLACE = Place(
    "https://archive.example/stac/collections/p",
    "https://archive.example/browser/p",
    "https://archive.example/d/p/2024/04/03/i/ro-crate-metadata.json",
    {},
)
SHARED = Path(os.environ.get("TERRAFAIR_SHARED") or Path(__file__).parents[2].parent / "shared")


@pytest.fixture(scope="module")
def store() -> Store | None:
    folder = SHARED / "data/schemas"
    return Store(folder) if folder.is_dir() else None


def made_draft(made: Made, given: Mapping[str, Any], catalogue: Mapping[str, bytes], place: Place = PLACE) -> Draft:
    present = Present(catalogue.get)
    answers = prefill(read(given), made, present)
    assert questions(answers, present, made) == []
    return draft(made, answers, place, GRAPH, catalogue.get)


def problems(catalogue: Mapping[str, bytes], found: Draft, store: Store | None) -> list[Problem]:
    tree = Overlay(Documents(catalogue), dict(found.files))
    report = validate(tree, found.files, store=store or Store())
    return [problem for problem in report.problems if problem.rule != "schemas-missing"]


def removed(found: Draft) -> list[str]:
    return [
        line
        for name, content in found.files.items()
        for line in changed_lines(found.before[name], content)
        if line.startswith("-")
    ]


def test_a_re_run_becomes_a_new_experiment_and_product(store: Store | None) -> None:
    catalogue = files()
    found = made_draft(finished()[2], {}, catalogue)
    mark = "20260715-abcd"
    assert found.entries == (
        ("workflows", "demo-ndvi-workflow"),
        ("experiments", f"demo-ndvi-{mark}"),
        ("products", f"demo-ndvi-composite-{mark}"),
    )
    assert sorted(found.files) == [
        "eo-missions/sentinel-2/catalog.json",
        f"experiments/demo-ndvi-{mark}/environment.yaml",
        f"experiments/demo-ndvi-{mark}/input.yaml",
        f"experiments/demo-ndvi-{mark}/record.json",
        "experiments/catalog.json",
        f"products/demo-ndvi-composite-{mark}/collection.json",
        "products/catalog.json",
        "projects/terrafair-demo/collection.json",
        "themes/land/catalog.json",
        "variables/normalised-difference-vegetation-index-ndvi/catalog.json",
        "workflows/demo-ndvi-workflow/record.json",
    ] or sorted(found.files)
    assert removed(found) == []
    assert problems(catalogue, found, store) == []


def test_input_and_environment_are_filled() -> None:
    request = JobRequest("demo-ndvi", inputs={"temporal_extent": ["2024-05-01", "2024-06-01"]})
    found = made_draft(finished(request=request)[2], {"experiment": "e"}, files())
    values = yaml.safe_load(found.files["experiments/e/input.yaml"])
    assert values == {
        "parameters": {
            "scale": 2,
            "temporal_extent": ["2024-05-01", "2024-06-01"],
            "collection": "s3://terrafair/x/collection.json",
        }
    }
    document = yaml.safe_load(found.files["experiments/e/environment.yaml"])
    assert document["openeo"]["processes"] == ["load_stac", "save_result"]
    assert document["software"]["lock"] == ["numpy==2.0.0", "xarray==2025.1.0"]
    spec, wrong = read_environment(found.files["experiments/e/environment.yaml"], "environment.yaml")
    assert (spec.kind, wrong) == ("platform", ())


def test_the_environment_of_a_notebook_can_be_built_again() -> None:
    notebook = resolution(type=WorkflowType.NOTEBOOK, environment=EnvironmentSpec("python", "3.11", ("numpy>=1",)))
    found = made_draft(finished(found=notebook)[2], {"experiment": "e"}, files())
    spec, wrong = read_environment(found.files["experiments/e/environment.yaml"], "environment.yaml")
    assert (spec.kind, spec.requirements, wrong) == ("python", ("numpy==2.0.0", "xarray==2025.1.0"), ())
    assert spec.python.endswith("3.11")
    record = json.loads(found.files["experiments/e/record.json"])
    assert record["properties"]["jupyter_kernel_info"]["name"] == "python3"


def test_the_digest_of_a_container_is_kept() -> None:
    cwl = resolution(type=WorkflowType.CWL, environment=EnvironmentSpec("container", image="a/b:1"))
    made = replace(finished(found=cwl)[2], images={"a/b:1": "ab" * 32})
    found = made_draft(made, {"experiment": "e"}, files())
    document = yaml.safe_load(found.files["experiments/e/environment.yaml"])
    assert document["container"] == {"image": "a/b:1", "digest": "sha256:" + "ab" * 32}


def test_uploaded_inputs_are_named_by_their_archived_address() -> None:
    upload = "s3://terrafair/uploads/0/cube.nc"
    request = JobRequest("demo-ndvi", inputs={"cube": upload, "more": {"list": [upload]}})
    place = replace(PLACE, uploads={upload: "https://archive.example/d/cube.nc"})
    found = made_draft(finished(request=request)[2], {"experiment": "e"}, files(), place)
    values = yaml.safe_load(found.files["experiments/e/input.yaml"])["parameters"]
    assert values["cube"] == "https://archive.example/d/cube.nc"
    assert values["more"] == {"list": ["https://archive.example/d/cube.nc"]}


NEW = {
    "project": "my-project",
    "project_title": "My project",
    "project_description": "What it is about, in a sentence.",
    "officer_name": "Olga Officer",
    "officer_email": "olga@example.org",
    "project_website": "https://example.org/my-project",
    "workflow_description": "Computes something from something else.",
    "workflow_title": "My workflow",
    "product_title": "My product",
    "product_description": "What the product holds.",
    "themes": "land",
    "variables": "surface-reflectance",
    "missions": "sentinel-2",
    "parameters": "surface_bidirectional_reflectance:1",
    "keywords": "one,two",
    "region": "Bavaria",
    "licence": "CC-BY-4.0",
    "contact_name": "Anna",
    "contact_email": "anna@example.org",
    "code": f"https://github.com/me/code/blob/{'d' * 40}/graph.json",
}


def test_an_uploaded_workflow_brings_workflow_and_project(store: Store | None) -> None:
    own = resolution(id="graph.json", kind="file", title="", workflow="", products=(), project="")
    request = JobRequest("graph.json", "file", "s3://terrafair/uploads/0/graph.json")
    catalogue = files()
    found = made_draft(finished(request=request, found=own)[2], NEW, catalogue)
    assert [kind for kind, _ in found.entries] == ["projects", "workflows", "experiments", "products"]
    assert removed(found) == []
    assert problems(catalogue, found, store) == []
    workflow = json.loads(found.files[f"workflows/{found.entries[1][1]}/record.json"])
    (application,) = [link for link in workflow["links"] if link["rel"] == "application"]
    assert application["href"] == NEW["code"] and application["file:local_path"] == "graph.json"


def test_what_is_missing_is_asked_all_at_once() -> None:
    own = resolution(id="graph.json", kind="file", title="", workflow="", products=(), project="", application=None)
    made = finished(found=own)[2]
    present = Present(files().get)
    asked = questions(prefill(Answers(themes=("lnd",), project="terrafair-dmo"), made, present), present, made)
    where = {problem.where for problem in asked}
    assert {"product_title", "variables", "missions", "licence", "code", "workflow_description", "project"} <= where
    assert any("land" in problem.remedy for problem in asked if problem.where == "themes")
    assert any("terrafair-demo" in problem.remedy for problem in asked if problem.where == "project")


def test_published_entries_are_edited_in_place(store: Store | None) -> None:
    catalogue = files()
    collection = json.loads(catalogue["products/demo-ndvi-composite/collection.json"])
    collection["my:field"] = {"kept": [1, 2.50]}
    text = json.dumps(collection, indent=4).replace("2.5\n", "2.50\n")
    catalogue["products/demo-ndvi-composite/collection.json"] = text.encode()
    given = {"experiment": "demo-ndvi", "product": "demo-ndvi-composite", "product_title": "A better title"}
    found = made_draft(finished()[2], given, catalogue)
    after = found.files["products/demo-ndvi-composite/collection.json"].decode()
    assert '"my:field": {' in after and "2.50" in after and '\n    "type"' in after
    document = json.loads(after)
    assert document["created"] == collection["created"] and document["title"] == "A better title"
    assert [link["href"] for link in document["links"] if link.get("title") == "Items"] == [PLACE.collection]
    for name in ("products/catalog.json", "themes/land/catalog.json", "experiments/demo-ndvi/record.json"):
        assert b"A better title" in found.files[name]
    left = {problem for problem in problems(catalogue, found, store) if problem.rule != "no-experiment"}
    assert left == set()


def test_the_same_again_changes_nothing() -> None:
    catalogue = files()
    given = {"experiment": "e", "product": "p"}
    made = finished()[2]
    first = made_draft(made, given, catalogue)
    second = made_draft(made, given, {**catalogue, **first.files})
    assert second.files == {}


def test_an_id_of_somebody_elses_experiment_is_refused() -> None:
    with pytest.raises(Conflict, match="published already"):
        made_draft(finished()[2], {"experiment": "demo-water", "product": "p"}, files())


@pytest.mark.parametrize(
    ("given", "where"),
    [
        ({"prodct": "x"}, "prodct"),
        ({"product": "a b"}, "product"),
        ({"product": "../x"}, "product"),
        ({"product": 1}, "product"),
        ({"themes": [1]}, "themes"),
        ({"status": "done"}, "status"),
        ({"contact_email": "anna"}, "contact_email"),
        ({"code": "file:///etc"}, "code"),
        ({"doi": "http://doi.org/x"}, "doi"),
    ],
)
def test_wrong_answers_are_told_by_name(given: dict[str, Any], where: str) -> None:
    with pytest.raises(InvalidInputs) as caught:
        read(given)
    assert [problem.where for problem in caught.value.problems] == [where]


def test_real_catalogue(osc: Path, store: Store | None) -> None:
    catalogue = {path.relative_to(osc).as_posix(): path.read_bytes() for path in osc.rglob("*") if path.is_file()}
    polar = resolution(
        id="polarwarp", workflow="polarwarp", products=(), project="cerulean-information-factory", title="Polarwarp"
    )
    given = {
        "product_title": "A quite new product",
        "product_description": "What it holds.",
        "variables": "sea-ice-concentration",
        "missions": "sentinel-1",
        "parameters": "sea_ice_area_fraction:1",
        "region": "Arctic",
        "licence": "CC-BY-4.0",
        "contact_name": "Anna",
    }
    present = Present(catalogue.get)
    answers = prefill(read(given), finished(found=polar)[2], present)
    asked = [p for p in questions(answers, present, finished(found=polar)[2]) if p.where == "variables"]
    if asked:
        given["variables"] = asked[0].remedy.removeprefix("Nearest: ").rstrip(".").split(", ")[0]
    found = made_draft(finished(found=polar)[2], given, catalogue)
    assert removed(found) == [] or all(line.strip("- ").endswith(("}", "],")) for line in removed(found))
    tree = Overlay(Documents(catalogue), dict(found.files))
    mine = {name for name in found.files if name not in catalogue or "products/" in name}
    report = validate(tree, found.files, store=store or Store())
    assert report.errors == ()
    assert [problem for problem in report.problems if problem.file in mine and problem.rule != "schemas-missing"] == []
    assert JOB[:8] in found.entries[-1][1]
