"""What a target says of itself decides whether it would run a workflow."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from terrafair.development.checks import needs, target
from terrafair.development.checks.sources import Sources
from terrafair.development.findings import Finding, Severity
from terrafair.development.manifest import read
from terrafair.errors import NotFound, Unreachable

Repository = Callable[[str], Path]
OGC = "http://www.opengis.net/spec/ogcapi-processes"


def judged(folder: Path, answers: Mapping[str, Any]) -> dict[str, Finding]:
    def get(path: str) -> Any:
        if path not in answers:
            raise NotFound(f"There is no {path}.")
        return answers[path]

    wanted = needs.read(Sources(folder, read(folder)))
    assert wanted
    return {finding.rule: finding for finding in target.check(wanted, get, "elsewhere")}


def conformance(*classes: str) -> dict[str, Any]:
    return {"/": {"title": "A server"}, "/conformance": {"conformsTo": [f"{OGC}-{each}" for each in classes]}}


def test_a_server_without_deployment_lacks_the_process(repository: Repository) -> None:
    folder = repository("python")
    answers = conformance("1/1.0/conf/core")
    assert judged(folder, answers)["target-lacks-process"].severity is Severity.ERROR
    assert not judged(folder, {**answers, "/processes/water-python": {"id": "water-python"}})


def test_a_server_that_deploys_needs_an_image_that_it_can_reach(repository: Repository) -> None:
    answers = conformance("2/1.0/conf/deploy-replace-undeploy", "2/1.0/conf/cwl")
    found = judged(repository("cwl"), answers)
    assert set(found) == {"target-image"}
    assert found["target-image"].severity is Severity.CHANGE
    assert judged(repository("openeo"), answers)["target-type"].severity is Severity.ERROR


def test_a_terrafair_is_asked_for_types_limits_and_standards(repository: Repository) -> None:
    folder = repository("cwl")
    document = {
        "platform": "terrafair",
        "workflowTypes": [{"type": "cwl", "standards": ["CWL 1.0"]}],
        "limits": {"jobMemoryBytes": 2**20, "network": False},
        "dataTypes": {"inputs": [{"mediaType": "application/x-netcdf"}]},
    }
    found = judged(folder, {"/": {}, "/capabilities": document})
    assert {"target-standard", "target-memory", "target-format", "target-image"} == set(found)
    assert found["target-memory"].severity is Severity.CHANGE
    assert judged(folder, {"/": {}, "/capabilities": {**document, "workflowTypes": []}})["target-type"]


def test_an_openeo_backend_is_asked_for_processes_and_formats(repository: Repository) -> None:
    folder = repository("openeo")
    endpoints = [{"path": "/jobs", "methods": ["GET", "POST"]}, {"path": "/file_formats", "methods": ["GET"]}]
    graph = json.loads((folder / "graph.json").read_text())
    wanted = needs.read(Sources(folder, read(folder)))
    assert wanted
    assert "load_stac" in wanted.processes
    answers = {
        "/": {"api_version": "1.2.0", "endpoints": endpoints},
        "/processes": {"processes": [{"id": name} for name in wanted.processes if name != "median"], "links": []},
        "/collections": {"collections": []},
        "/file_formats": {"output": {"netCDF": {}}},
    }
    found = judged(folder, answers)
    assert set(found) == {"target-lacks-process", "target-format"}
    assert found["target-lacks-process"].place == "median"
    assert graph["process_graph"]["save"]["arguments"]["format"] == "GTiff"
    assert judged(repository("python"), answers)["target-type"].severity is Severity.ERROR


def test_silence_and_strangers_are_told(repository: Repository) -> None:
    folder = repository("python")
    assert judged(folder, {"/": {"hello": "world"}})["target-unknown"]
    wanted = needs.read(Sources(folder, read(folder)))
    assert wanted

    def silent(_: str) -> Any:
        raise Unreachable("elsewhere does not answer.")

    assert [finding.rule for finding in target.check(wanted, silent, "elsewhere")] == ["target-unreachable"]


@pytest.mark.parametrize(
    "answers",
    [
        {"/": {"api_version": "1.2.0", "endpoints": 7}},
        {"/": {}, "/capabilities": {"platform": "terrafair", "workflowTypes": [{"type": "openeo"}], "limits": []}},
        {"/": {}, "/capabilities": {"platform": "terrafair", "workflowTypes": 7}},
        {"/": [], "/conformance": {"conformsTo": 7}, "/.well-known/openeo": {"versions": [7, {"url": None}]}},
    ],
    ids=range(4),
)
def test_documents_of_another_shape_are_told_and_break_nothing(
    repository: Repository, answers: Mapping[str, Any]
) -> None:
    found = judged(repository("openeo"), answers)
    assert {"target-unreadable", "target-unknown", "target-unreachable"} & set(found), found
    assert all(each.severity is Severity.ERROR and each.what for each in found.values())


def test_a_graph_is_judged_by_what_a_terrafair_offers_to_openeo(repository: Repository) -> None:
    folder = repository("openeo")
    wanted = needs.read(Sources(folder, read(folder)))
    assert wanted
    back_end = {
        "/openeo/": {"api_version": "1.2.0", "endpoints": [{"path": "/jobs", "methods": ["POST"]}]},
        "/openeo/processes": {"processes": [{"id": name} for name in wanted.processes[1:]], "links": []},
        "/openeo/collections": {"collections": []},
    }
    document = {"platform": "terrafair", "workflowTypes": [{"type": "openeo"}]}
    found = judged(folder, {"/": {}, "/capabilities": document, **back_end})
    assert set(found) == {"target-lacks-process"} and found["target-lacks-process"].place == wanted.processes[0]
    # The same by the address of a back-end's host, which names its versions.
    versions = [{"url": "/openeo/", "api_version": "1.2.0"}, {"url": "/old/", "api_version": "0.4.2"}]
    found = judged(folder, {"/": {"hello": 1}, "/.well-known/openeo": {"versions": versions}, **back_end})
    assert set(found) == {"target-lacks-process"}
