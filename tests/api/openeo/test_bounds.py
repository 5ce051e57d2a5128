"""No graph holds up the server: too much is refused by counting, and what is allowed is looked at in no time."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from terrafair.api.openeo import bounds
from terrafair.api.openeo.faults import OpenEOFault

from .conftest import ADD, Api

SECONDS = 10.0
"""Of CPU time, for the largest documents that are allowed, on a slow machine."""


@contextmanager
def quick() -> Iterator[None]:
    started = time.process_time()
    yield
    assert time.process_time() - started < SECONDS


def chain(length: int) -> dict[str, Any]:
    nodes: dict[str, Any] = {"n0": {"process_id": "absolute", "arguments": {"x": 1}}}
    for number in range(1, length):
        nodes[f"n{number}"] = {"process_id": "absolute", "arguments": {"x": {"from_node": f"n{number - 1}"}}}
    nodes[f"n{length - 1}"]["result"] = True
    return nodes


def nested(depth: int) -> dict[str, Any]:
    graph: dict[str, Any] = ADD
    for _ in range(depth):
        arguments = {"data": [1], "process": {"process_graph": graph}}
        graph = {"a": {"process_id": "array_apply", "arguments": arguments, "result": True}}
    return graph


def values(count: int) -> dict[str, Any]:
    return {"a": {"process_id": "mean", "arguments": {"data": list(range(count))}, "result": True}}


def rings(count: int) -> dict[str, Any]:
    points = [[number / 1000, 1.5] for number in range(count)]
    data = {"type": "Polygon", "coordinates": [points]}
    return {"a": {"process_id": "load_geojson", "arguments": {"data": data}, "result": True}}


def lost(count: int) -> dict[str, Any]:
    node = {"process_id": "mean", "arguments": {"data": [{"from_node": f"nowhere{n}"} for n in range(count)]}}
    return {**chain(bounds.NODES - 1), "lost": {**node}}


TOO_MUCH = {
    "nodes": chain(bounds.NODES + 1),
    "values": values(bounds.VALUES + 1),
    "depth": nested(bounds.DEPTH),
}
ALLOWED = {
    "nodes": chain(bounds.NODES),
    "values": values(bounds.VALUES - 10),
    "polygons": rings(bounds.VALUES // 4),
    "depth": nested(10),
    "lost": lost(bounds.STRANGE),
}


@pytest.mark.parametrize("name", TOO_MUCH)
def test_too_much_is_refused(api: Api, name: str) -> None:
    with quick():
        found = api.ask("POST", "/validation", json={"process_graph": TOO_MUCH[name]})["errors"]
        assert [each["code"] for each in found] == ["ProcessGraphComplexity"]
        api.refused("POST", "/jobs", 400, "ProcessGraphComplexity", json={"process": {"process_graph": TOO_MUCH[name]}})


@pytest.mark.parametrize("name", ALLOWED)
def test_what_is_allowed_is_checked_in_no_time(api: Api, name: str) -> None:
    assert len(json.dumps(ALLOWED[name])) < 4 * 2**20
    with quick():
        found = api.ask("POST", "/validation", json={"process_graph": ALLOWED[name]})["errors"]
    assert all(each["code"] != "Internal" for each in found)


def test_too_many_references_that_lead_nowhere(api: Api) -> None:
    with quick():
        [found] = api.ask("POST", "/validation", json={"process_graph": lost(50_000)})["errors"]
    assert found["code"] == "ProcessGraphInvalid"


def test_processes_that_multiply(api: Api) -> None:
    """Each of twenty calls the next one three times: three thousand million calls."""
    for number in range(20):
        name = f"p{number + 1}" if number < 19 else "pi"
        graph = {str(n): {"process_id": name, "arguments": {}, "result": n == 0} for n in range(3)}
        api.ask("PUT", f"/process_graphs/p{number}", json={"process_graph": graph})
    graph = {"a": {"process_id": "p0", "arguments": {}, "result": True}}
    with quick():
        [found] = api.ask("POST", "/validation", json={"process_graph": graph})["errors"]
        assert found["code"] == "ProcessGraphComplexity" and "calls" in found["message"]
        job = api.job(graph)
        api.refused("POST", f"/jobs/{job}/results", 400, "ProcessGraphComplexity")


def test_processes_that_call_themselves(api: Api) -> None:
    for name, other in (("ping", "pong"), ("pong", "ping")):
        graph = {"a": {"process_id": other, "arguments": {}, "result": True}}
        api.ask("PUT", f"/process_graphs/{name}", json={"process_graph": graph})
    with quick():
        [found] = api.ask("POST", "/validation", json={"process_graph": graph})["errors"]
    assert found["code"] == "ProcessGraphComplexity" and "calls itself" in found["message"]


def test_the_size_of_what_is_written_out() -> None:
    call = {"a": {"process_id": "b", "arguments": {}}, "c": {"process_id": "add", "arguments": {}}}
    inner = {"process_graph": {"x": {"process_id": "d"}, "y": {"process_id": "d"}, "z": {"process_id": "d"}}}
    definitions = {"b": inner, "d": {"process_graph": ADD}}
    assert bounds.expanded({"process_graph": call}, {}) == 2
    assert bounds.expanded({"process_graph": call}, definitions) == 2 + 3 + 3 * 1
    with pytest.raises(OpenEOFault, match="calls itself"):
        bounds.expanded({"process_graph": call}, {"b": {"process_graph": call}})
