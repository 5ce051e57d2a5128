"""The resolver over synthetic records: every spelling, and every way in which records are wrong."""

import json
from typing import Any

import pytest

from terrafair.errors import InvalidInput, NotFound, Problem
from terrafair.workflows.workflow import Resolution, WorkflowType

Site = Any
"""`conftest.Site`."""
FORGE = "https://forge.example"
GRAPH = {"process_graph": {"a": {"process_id": "add", "arguments": {"x": {"from_parameter": "n"}, "y": 1}}}}
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "language": "python"}, "language_info": {"version": "3.11.4"}},
    "cells": [{"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ["year = 2020  # which\n"]}],
}
CWL = "cwlVersion: v1.2\nclass: CommandLineTool\ninputs:\n  n: int\noutputs: []\nbaseCommand: 'true'\n"
GOOD_INPUT = "parameters:\n  n: 3\n"


def codes(resolution: Resolution) -> list[str]:
    return [reason.code for reason in resolution.reasons]


def good(site: Site, **files: str) -> None:
    site.experiment(
        ("input", "./input.yaml"), ("environment", "./environment.yaml"), ("child", "../../products/p/collection.json")
    )
    site.file("experiments/exp/input.yaml", files.get("input", GOOD_INPUT))
    site.file("experiments/exp/environment.yaml", files.get("environment", "openeo:\n  api_version: '1.2'\n"))


def graph_at(site: Site, href: str = "https://x.example/graph.json", relation: str = "application") -> None:
    site.workflow((relation, href))
    site.documents[href] = json.dumps(GRAPH).encode()


def test_an_experiment_comes_down_to_what_would_run(site: Site) -> None:
    good(site)
    graph_at(site)
    found = site.resolve()
    assert found.executable, found.reasons
    assert (found.type, found.workflow, found.values, found.products) == (WorkflowType.OPENEO, "flow", {"n": 3}, ("p",))
    assert found.application is not None
    assert json.loads(found.application.content) == GRAPH
    assert [(spec.name, spec.required) for spec in found.inputs] == [("n", True)]
    assert found.environment.kind == "platform"
    assert found.catalogue_commit


def form(url: str, commit: str) -> str:
    return url.format(forge=FORGE, commit=commit)


@pytest.mark.parametrize(
    "url",
    [
        "{forge}/o/code/blob/main/a/flow.cwl",
        "{forge}/o/code/blob/{commit}/a/flow.cwl",
        "{forge}/o/code/raw/main/a/flow.cwl",
        "{forge}/o/code/-/blob/main/a/flow.cwl",
        "{forge}/o/code/-/raw/main/a/flow.cwl?inline=false",
        "{forge}/o/code/raw/refs/heads/main/a/flow.cwl",
        "{forge}/o/code.git/blob/main/a/flow.cwl",
    ],
)
def test_repository_links_of_every_form_lead_to_commit_and_path(site: Site, url: str) -> None:
    commit = site.repository("code", {"a/flow.cwl": CWL})
    good(site)
    site.workflow(("application", form(url, commit)))
    found = site.resolve()
    assert found.executable, found.reasons
    assert found.application is not None
    location = found.application.location
    assert (location.repository.removesuffix(".git"), location.commit, location.path) == (
        f"{FORGE}/o/code",
        commit,
        "a/flow.cwl",
    )
    assert ("reference-mutable" in [remark.code for remark in found.remarks]) == (
        commit not in url and "{commit}" not in url
    )


def test_the_record_stands_before_the_experiments_graph_only_where_it_has_one(site: Site) -> None:
    graph_at(site)
    own = {"process_graph": {"b": {"process_id": "subtract", "arguments": {"x": 2, "y": 1}}}}
    site.documents["https://x.example/own.json"] = json.dumps(own).encode()
    site.experiment(("process_graph", "https://x.example/own.json"), ("input", "./input.yaml"))
    site.file("experiments/exp/input.yaml", "")
    found = site.resolve()
    assert found.executable, found.reasons
    assert found.application is not None and json.loads(found.application.content) == own
    assert "input-empty" in [remark.code for remark in found.remarks]


def test_the_content_decides_never_the_media_type(site: Site) -> None:
    good(site, input="parameters: {year: 2021}", environment="dependencies: [python=3.11, numpy]")
    site.workflow(("application", "https://x.example/thing.yaml"), **{"application:type": "argo-workflow"})
    site.documents["https://x.example/thing.yaml"] = json.dumps(NOTEBOOK).encode("utf-16")
    found = site.resolve()
    assert found.type is WorkflowType.NOTEBOOK
    assert found.values == {"year": 2021}
    assert found.environment.requirements == ("numpy",)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("", "input-empty"),
        ("   \n", "input-empty"),
        ("$comment: This experiment took what was there.\n", "input-prose"),
        ("We used all that we had.", "input-prose"),
        ("n: [1, 2\nm: 3", "input-unreadable"),
        ('{"type": "Collection", "stac_version": "1.0.0", "id": "c"}', "input-is-collection"),
        ("<!doctype html><html></html>", "input-unreadable"),
        ("- 1\n- 2\n", "input-unreadable"),
    ],
)
def test_useless_input_files_are_told_with_what_they_are(site: Site, content: str, code: str) -> None:
    good(site, input=content)
    graph_at(site)
    found = site.resolve()
    assert codes(found) == [code, "input-required"]
    assert "'n'" in found.reasons[1].what
    assert all(reason.remedy for reason in found.reasons)


@pytest.mark.parametrize(
    "content",
    [
        "parameters:\n  n: 3\n",
        "inputs:\n  n: 3\n",
        "n: 3\n",
        "parameters:\n  - name: n\n    value: 3\n",
        "- n: 3\n",
        '{"inputs": {"n": 3}}',
        "$comment: about\nparameters: {n: 3}\n",
    ],
)
def test_values_in_every_spelling(site: Site, content: str) -> None:
    good(site, input=content)
    graph_at(site)
    assert site.resolve().values == {"n": 3}


def test_links_that_are_no_files_of_values(site: Site) -> None:
    graph_at(site)
    site.experiment(("input", f"{FORGE}/o/code.git"), ("environment", f"{FORGE}/o/code.git"))
    assert codes(site.resolve()) == ["input-is-repository", "input-required"]
    site.experiment(("input", "https://x.example/gone.yaml"))
    assert codes(site.resolve()) == ["input-not-found", "input-required"]
    site.experiment()
    assert codes(site.resolve()) == ["input-file-missing", "input-required"]


def test_inputs_that_the_workflow_lacks_are_left_out(site: Site) -> None:
    good(site, input="parameters: {n: 1, strange: 2}")
    graph_at(site)
    found = site.resolve()
    assert found.executable
    assert [(remark.code, remark.where) for remark in found.remarks] == [("input-unknown", "strange")]


ENVIRONMENTS = {
    "": "environment-empty",
    "$comment: on our cluster\n": "environment-prose",
    "name: [x\ndependencies: - y": "environment-unreadable",
    '{"type": "Collection", "stac_version": "1.0.0"}': "environment-unreadable",
}


@pytest.mark.parametrize("content", ENVIRONMENTS)
def test_a_notebook_needs_the_environment_that_was_promised(site: Site, content: str) -> None:
    good(site, input="parameters: {}", environment=content)
    site.workflow(("jupyter-notebook", "https://x.example/n.ipynb"))
    site.documents["https://x.example/n.ipynb"] = json.dumps(NOTEBOOK).encode()
    assert codes(site.resolve()) == [ENVIRONMENTS[content]]


def test_the_kernels_environment_file_stands_in(site: Site) -> None:
    good(site, input="parameters: {}", environment="")
    info = {"python_version": 3.1, "env_file": "https://x.example/env.yml"}
    site.workflow(("jupyter-notebook", "https://x.example/n.ipynb"), jupyter_kernel_info=info)
    site.documents["https://x.example/n.ipynb"] = json.dumps(NOTEBOOK).encode()
    site.documents["https://x.example/env.yml"] = b"dependencies: [xarray]"
    found = site.resolve()
    assert found.executable, found.reasons
    assert (found.environment.python, found.environment.requirements) == ("3.10", ("xarray",))


def test_an_environment_file_beside_the_code_stands_in(site: Site) -> None:
    site.repository("code", {"nb/n.ipynb": json.dumps(NOTEBOOK), "requirements.txt": "numpy==2.0.0\n"})
    site.workflow(("application", f"{FORGE}/o/code/tree/main/nb"), **{"application:type": "jupyter-notebook"})
    found = site.resolve("flow")
    assert found.executable, found.reasons
    assert found.environment.requirements == ("numpy==2.0.0",)
    assert "link-to-folder" in [remark.code for remark in found.remarks]


def test_folders_with_no_or_several_notebooks(site: Site) -> None:
    site.repository("code", {"nb/a.ipynb": "{}", "nb/b.ipynb": "{}", "empty/x.txt": ""})
    for folder, code in (("nb", "notebook-ambiguous"), ("empty", "notebook-missing")):
        site.workflow(("jupyter-notebook", f"{FORGE}/o/code/tree/main/{folder}"))
        found = site.resolve("flow")
        assert codes(found) == [code]
        assert found.type is WorkflowType.NOTEBOOK


def test_a_repository_runs_by_its_command(site: Site) -> None:
    commit = site.repository("tool", {"main.py": "", "requirements.txt": "numpy\n"})
    site.workflow(("git", f"{FORGE}/o/tool.git"))
    found = site.resolve("flow")
    assert codes(found) == ["command-missing"]
    assert "application:command" in found.reasons[0].remedy
    site.workflow(("git", f"{FORGE}/o/tool.git"), **{"application:command": "python main.py {year} --to {outputs}"})
    found = site.resolve("flow")
    assert found.executable, found.reasons
    assert found.application is not None
    assert (found.type, found.application.location.commit) == (WorkflowType.COMMAND, commit)
    assert [spec.name for spec in found.inputs] == ["year"]
    assert found.environment.requirements == ("numpy",)


def test_archives_and_landing_pages_are_no_code(site: Site) -> None:
    site.workflow(("git", "https://doi.org/10.5281/zenodo.1"))
    assert codes(site.resolve("flow")) == ["code-archive"]
    site.workflow(("Download", "https://zenodo.org/records/1"))
    assert codes(site.resolve("flow")) == ["code-archive"]


def test_code_that_is_gone_unreachable_or_something_else(site: Site) -> None:
    site.workflow(("application", "https://x.example/gone.cwl"))
    found = site.resolve("flow")
    assert (codes(found), found.type) == (["code-missing"], WorkflowType.CWL)
    site.workflow(("application", f"{FORGE}/o/nowhere/blob/main/a.ipynb"))
    found = site.resolve("flow")
    assert (codes(found), found.type) == (["code-unreachable"], WorkflowType.NOTEBOOK)
    site.workflow(("application", "https://x.example/page"))
    site.documents["https://x.example/page"] = b"<!DOCTYPE html><html></html>"
    found = site.resolve("flow")
    assert codes(found) == ["application-unreadable"]
    assert "web page" in found.reasons[0].what
    site.workflow()
    assert codes(site.resolve("flow")) == ["application-missing"]


def test_private_addresses_in_records_are_refused(site: Site) -> None:
    site.workflow(("application", "file:///etc/passwd"))
    assert codes(site.resolve("flow")) == ["code-unreachable"] or codes(site.resolve("flow")) == ["invalid-input"]


def test_argo_is_told_with_the_platform_that_ran_it(site: Site) -> None:
    argo = b"apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nspec: {templates: [{name: a}]}\n"
    good(site, environment="$comment: prose")
    site.workflow(
        ("application", "https://x.example/w.yml"), ("application-originating-platform", "https://there.example/")
    )
    site.documents["https://x.example/w.yml"] = argo
    found = site.resolve()
    assert codes(found) == ["type-unsupported"]
    assert "https://there.example/" in found.reasons[0].why


def test_a_copy_stands_in_for_an_address_that_fails(site: Site) -> None:
    good(site)
    site.workflow(("application", "https://x.example/graph.json"))
    site.copies = site.folder / "copies"
    (site.copies / "flow").mkdir(parents=True)
    (site.copies / "flow/graph.json").write_text(json.dumps(GRAPH))
    found = site.resolve()
    assert found.executable
    assert [remark.code for remark in found.remarks] == ["document-copied"]


def test_products_by_child_related_property_or_their_own_word(site: Site) -> None:
    graph_at(site)
    site.file("experiments/exp/input.yaml", GOOD_INPUT)
    site.experiment(("input", "./input.yaml"), ("related", "../../products/q/collection.json"), **{"osc:product": "p"})
    assert site.resolve().products == ("p", "q")
    site.experiment(("input", "./input.yaml"))
    collection = {"id": "r", "type": "Collection", "osc:experiment": "exp", "links": []}
    site.file("products/r/collection.json", json.dumps(collection))
    assert site.resolve().products == ("r",)


def test_the_engines_word_is_part_of_the_verdict(site: Site) -> None:
    good(site)
    graph_at(site)
    problem = Problem("No such process.", code="process-unsupported")
    found = site.resolver(lambda _: (problem,)).resolve("exp")
    assert found.reasons == (problem,)


def test_missing_workflow(site: Site) -> None:
    site.workflow(id="flow-two")
    site.experiment(workflow="flow-tow")
    found = site.resolve()
    assert "workflow-missing" in codes(found)
    assert any("flow-two" in reason.remedy for reason in found.reasons)


def test_unknown_ids_name_the_nearest_and_other_kinds(site: Site) -> None:
    good(site)
    graph_at(site)
    site.file("products/p/collection.json", json.dumps({"id": "p", "type": "Collection", "links": []}))
    with pytest.raises(NotFound, match="Did you mean exp"):
        site.resolve("epx")
    with pytest.raises(NotFound, match="p is a product"):
        site.resolve("p")
    with pytest.raises(NotFound, match="sync demo"):
        site.resolve("demo-nothing")
    with pytest.raises(InvalidInput, match="theme"):
        site.resolve("exp", "theme")


def test_a_record_that_breaks_the_resolver_does_not_break_the_table(site: Site) -> None:
    good(site)
    graph_at(site)

    def check(_: Any) -> tuple[Problem, ...]:
        raise RuntimeError("boom")

    rows = list(site.resolver(check).table())
    assert [(row.id, row.kind) for row in rows] == [("exp", "experiment"), ("flow", "workflow")]
    assert codes(rows[0]) == ["internal"]


@pytest.mark.parametrize(
    "links",
    [
        None,
        "text",
        [None, 1, {"rel": 3, "href": 4}, {"href": "x"}, {"rel": "application"}],
        [{"rel": "application", "href": "http://[broken"}],
    ],
)
def test_hostile_links_are_survived(site: Site, links: Any) -> None:
    document = {
        "id": "flow",
        "type": "Feature",
        "properties": {"application:type": 5, "jupyter_kernel_info": "x"},
        "links": links,
    }
    site.file("workflows/flow/record.json", json.dumps(document))
    (row,) = site.resolver().table()
    assert not row.executable
    assert "internal" not in codes(row), row.reasons


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("g.json", json.dumps(GRAPH).encode(), WorkflowType.OPENEO),
        ("a.cwl", CWL.encode(), WorkflowType.CWL),
        ("n.ipynb", json.dumps(NOTEBOOK).encode(), WorkflowType.NOTEBOOK),
    ],
)
def test_files_that_people_bring(site: Site, name: str, content: bytes, kind: WorkflowType) -> None:
    found = site.resolver().resolve_file(content, name)
    assert (found.executable, found.type, found.kind) == (True, kind, "file")
    assert found.inputs


@pytest.mark.parametrize("content", [b"", b"hello", b'{"process_graph": ', b"\x00\x01", b"<html>"])
def test_files_that_are_no_workflow(site: Site, content: bytes) -> None:
    found = site.resolver().resolve_file(content, "g.json")
    assert codes(found) == ["application-unreadable"]
    assert found.reasons[0].remedy


def test_a_model_with_its_inputs_and_environment(site: Site) -> None:
    site.workflow(("application", "https://x.example/m/MLmodel"), ("environment", "./requirements.txt"))
    site.file("workflows/flow/requirements.txt", "onnxruntime==1.20.1\n")
    columns = '[{"name": "red", "type": "float"}, {"name": "nir", "type": "float"}]'
    document = {"flavors": {"onnx": {"data": "model.onnx"}}, "signature": {"inputs": columns}}
    site.documents["https://x.example/m/MLmodel"] = json.dumps(document).encode()
    found = site.resolve("flow")
    assert found.executable, found.reasons
    assert found.type is WorkflowType.MLFLOW
    asked = {spec.name: spec for spec in found.inputs}
    assert asked["stac"].required
    assert asked["bands"].default == ["red", "nir"]
    assert found.environment.requirements == ("onnxruntime==1.20.1",)


def test_a_model_in_a_repository(site: Site) -> None:
    document = {"flavors": {"onnx": {"data": "model.onnx"}}, "signature": {"inputs": '[{"name": "a"}]'}}
    commit = site.repository("model", {"src/model/MLmodel": json.dumps(document), "src/model/model.onnx": "x"})
    site.workflow(("application", f"https://forge.example/o/model/-/blob/{commit}/src/model/MLmodel"))
    found = site.resolve("flow")
    assert found.executable, found.reasons
    assert found.application is not None
    assert found.application.location.path == "src/model/MLmodel"
