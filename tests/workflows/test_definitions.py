"""Process graphs that name processes of others: where their definitions come from."""

import json
from typing import Any

from .test_resolve import GRAPH, Site, codes, good


def test_user_defined_processes_are_fetched_from_their_namespace(site: Site) -> None:
    udp = {
        "id": "inner",
        "parameters": [],
        "process_graph": {"a": {"process_id": "deep", "arguments": {}, "namespace": "https://x.example/deep.json"}},
    }
    graph: dict[str, Any] = {
        "n": {"process_id": "inner", "arguments": {}, "namespace": "https://x.example/udps", "result": True}
    }
    good(site)
    site.workflow(("application", "https://x.example/graph.json"))
    site.documents["https://x.example/graph.json"] = json.dumps(graph).encode()
    found = site.resolve()
    assert codes(found) == ["process-definition-missing"]
    site.documents["https://x.example/udps/inner"] = json.dumps(udp).encode()
    site.documents["https://x.example/deep.json"] = json.dumps(GRAPH).encode()
    found = site.resolve()
    assert found.executable, found.reasons
    assert set(found.configuration["udps"]) == {
        "https://x.example/udps/inner",
        "inner",
        "https://x.example/deep.json",
        "deep",
    }


def test_two_processes_of_one_namespace_stay_two(site: Site) -> None:
    there = "https://x.example/udps"
    graph: dict[str, Any] = {
        "one": {"process_id": "first", "arguments": {}, "namespace": there},
        "two": {"process_id": "second", "arguments": {}, "namespace": there, "result": True},
    }
    good(site)
    site.workflow(("application", "https://x.example/graph.json"))
    site.documents["https://x.example/graph.json"] = json.dumps(graph).encode()
    for name in ("first", "second"):
        site.documents[f"{there}/{name}"] = json.dumps({"id": name, **GRAPH}).encode()
    udps = site.resolve().configuration["udps"]
    assert [udps[f"{there}/{name}"]["id"] for name in ("first", "second")] == ["first", "second"]
    assert there not in udps


def test_a_file_brings_its_definitions_along(site: Site) -> None:
    graph = {"n": {"process_id": "mine", "arguments": {}, "namespace": "user", "result": True}}
    file = {"process_graph": graph, "definitions": {"mine": {"id": "mine", **GRAPH}}}
    found = site.resolver().resolve_file(json.dumps(file).encode(), "graph.json")
    assert found.executable, found.reasons
    assert set(found.configuration["udps"]) == {"mine"}
    alone = site.resolver().resolve_file(json.dumps({"process_graph": graph}).encode(), "graph.json")
    assert codes(alone) == ["process-definition-missing"]
