"""Requests as the documentation of pygeoapi and of Weaver has them: they work here unchanged."""

import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from .conftest import ended
from .ogc import Schemas
from .servers import Files

JSON = {"Content-Type": "application/json"}
GREETING = '{"inputs":{"name": "hi there2"}}'
TOOL: dict[str, Any] = {
    "cwlVersion": "v1.2",
    "class": "CommandLineTool",
    "id": "cat-words",
    "baseCommand": ["sh", "-c", 'cat "$0" > out.txt; echo "$1" >> out.txt'],
    "inputs": {
        "file": {"type": "File", "inputBinding": {"position": 1}},
        "word": {"type": "string", "default": "x", "inputBinding": {"position": 2}},
    },
    "outputs": {"out": {"type": "File", "outputBinding": {"glob": "out.txt"}}},
}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (GREETING, {}, 200),
        ('{"inputs":{"name": "hi there2"},"response":"raw"}', {}, 200),
        ('{"inputs":{"name": "hi there2"},"response":"document"}', {}, 200),
        (GREETING, {"Prefer": "respond-async"}, 201),
    ],
)
def test_pygeoapis_executions(client: TestClient, body: str, headers: dict[str, str], status: int) -> None:
    answer = client.post("/processes/hello-world/execution", content=body, headers={**JSON, **headers})
    assert answer.status_code == status, answer.text
    if status == 200:
        found = answer.json()
        greeting = found["echo"]["value"] if "document" in body else found
        assert greeting == {"id": "echo", "value": "Hello hi there2!"}
        return
    assert ended(client, answer.headers["location"])["status"] == "successful"
    assert client.get(f"{answer.headers['location']}/results?f=json").json()["echo"]["value"]["id"] == "echo"


def test_pygeoapis_reading(client: TestClient, ogc: Schemas) -> None:
    for path, name in (("/processes", "processList.yaml"), ("/jobs", "jobList.yaml")):
        ogc.check(client.get(path).json(), name)
        ogc.check(client.get(f"{path}?f=json").json(), name)
        assert client.get(f"{path}?f=html", follow_redirects=True).headers["content-type"].startswith("text/html")
    ogc.check(client.get("/processes/hello-world").json(), "process.yaml")
    assert client.get("/processes?limit=1").json()["processes"][0]["id"]


def test_pygeoapis_subscriber(client: TestClient, files: Files) -> None:
    body = {"inputs": {"name": "x"}, "subscriber": {"successUri": files.url("success")}}
    assert client.post("/processes/hello-world/execution", json=body).status_code == 200
    deadline = time.monotonic() + 30
    while not files.posted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert files.posted[0][0] == "/success"


def package(name: str, form: str) -> tuple[dict[str, str], bytes]:
    tool = {**TOOL, "id": name}
    described = {"process": {"id": name, "title": "Cat", "version": "1.0.0", "keywords": ["test"]}}
    profile = "http://www.opengis.net/profiles/eoc/dockerizedApplication"
    bodies: dict[str, tuple[str, Any]] = {
        "cwl+json": ("application/cwl+json", tool),
        "unit in a list": (
            "application/json",
            {"processDescription": described, "executionUnit": [{"unit": tool}], "deploymentProfileName": profile},
        ),
        "flat description": (
            "application/ogcapppkg+json",
            {"processDescription": described["process"], "executionUnit": {"unit": tool, "type": "application/cwl"}},
        ),
        "without description": ("application/json", {"executionUnit": [{"unit": tool}]}),
    }
    kind, document = bodies[form]
    return {"Content-Type": kind}, json.dumps(document).encode()


@pytest.mark.parametrize("form", ["cwl+json", "unit in a list", "flat description", "without description"])
def test_weavers_ways_to_deploy(client: TestClient, form: str) -> None:
    headers, content = package("cat-words", form)
    answer = client.post("/processes", headers=headers, content=content)
    try:
        assert answer.status_code == 201, answer.text
        assert answer.headers["location"].endswith("/processes/cat-words")
        assert set(client.get("/processes/cat-words").json()["inputs"]) == {"file", "word"}
        found = client.get("/processes/cat-words/package")
        assert json.loads(found.content)["class"] == "CommandLineTool"
    finally:
        assert client.delete("/processes/cat-words").status_code == 204


def test_weavers_deployment_by_reference_and_its_listing_of_inputs(client: TestClient, files: Files) -> None:
    files.put("tool.cwl", json.dumps({**TOOL, "id": "by-href"}).encode(), "application/cwl+json")
    files.put("data.txt", b"hello\n", "text/plain")
    body = {
        "processDescription": {"process": {"id": "by-href"}},
        "executionUnit": [{"href": files.url("tool.cwl")}],
        "deploymentProfileName": "http://www.opengis.net/profiles/eoc/dockerizedApplication",
    }
    assert client.post("/processes", json=body).status_code == 201
    try:
        order = {
            "mode": "async",
            "response": "document",
            "inputs": [{"id": "file", "href": files.url("data.txt")}, {"id": "word", "data": "world"}],
            "outputs": [{"id": "out", "transmissionMode": "reference"}],
        }
        answer = client.post("/processes/by-href/jobs", json=order, follow_redirects=True)
        assert answer.status_code == 201, answer.text
        job = ended(client, answer.headers["location"])
        assert job["status"] == "successful", job["exception"]
        below = f"/processes/by-href/jobs/{job['jobID']}"
        assert client.get(below, follow_redirects=True).json()["jobID"] == job["jobID"]
        results = client.get(f"{below}/results", follow_redirects=True).json()
        assert client.get(results["out"]["href"]).text == "hello\nworld\n"
        outputs = client.get(f"/jobs/{job['jobID']}/outputs").json()["outputs"]
        assert outputs["out"]["href"] == results["out"]["href"]
        listed = client.get(f"/jobs/{job['jobID']}/outputs?schema=OGC+strict").json()["outputs"]
        assert {each["id"] for each in listed} >= {"out"}
        one = client.get(f"/jobs/{job['jobID']}/outputs/out", follow_redirects=True)
        assert one.text == "hello\nworld\n"
        prov = client.get(f"/jobs/{job['jobID']}/prov", follow_redirects=True)
        assert "prefix" in prov.json()
        again = client.get("/processes/by-href/jobs", follow_redirects=True).json()["jobs"]
        assert [each["jobID"] for each in again] == [job["jobID"]]
    finally:
        assert client.delete("/processes/by-href").status_code == 204


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("process=hello-world", True),
        ("process=hello-world&status=successful&detail=true&groups=false", True),
        ("status=SUCCESS", True),
        ("status=finished,succeeded", True),
        ("status=queued", False),
        ("process=echo", False),
        ("process=hello-world&page=1000&limit=5", False),
    ],
)
def test_weavers_filters_of_jobs(client: TestClient, query: str, found: bool) -> None:
    job = client.post("/processes/hello-world/execution", content=GREETING, headers={"Prefer": "respond-async"})
    id_ = ended(client, job.headers["location"])["jobID"]
    listed = client.get(f"/jobs?{query}")
    assert listed.status_code == 200, listed.text
    assert (id_ in [each["jobID"] for each in listed.json()["jobs"]]) is found


def test_pages_by_number_are_those_of_the_links(client: TestClient) -> None:
    for _ in range(3):
        client.post("/processes/echo/execution", json={}, headers={"Prefer": "respond-async"})
    whole = [each["jobID"] for each in client.get("/jobs?limit=3").json()["jobs"]]
    assert [client.get(f"/jobs?limit=1&page={page}").json()["jobs"][0]["jobID"] for page in range(3)] == whole
    second = client.get("/jobs?limit=1&page=1").json()
    following = next(link["href"] for link in second["links"] if link["rel"] == "next")
    assert client.get(following).json()["jobs"][0]["jobID"] == whole[2]


def test_weavers_documents_of_a_job(client: TestClient) -> None:
    outside = {"west": 100, "south": 1, "east": 101, "north": 2}
    body = {"experiment": "demo-ndvi", "inputs": {"spatial_extent": outside}}
    made = client.post("/processes/demo-ndvi-workflow/execution", json=body, headers={"Prefer": "respond-async"})
    job = ended(client, made.headers["location"])["jobID"]
    reasons = client.get(f"/jobs/{job}/exceptions").json()
    assert reasons
    assert all(isinstance(each, str) for each in reasons)
    assert "seconds" in client.get(f"/jobs/{job}/statistics", follow_redirects=True).json()
    assert client.get(f"/jobs/{job}/logs").json()["logs"]
    for tail in ("outputs", "exceptions"):
        assert client.get(f"/jobs/no-such/{tail}").status_code == 404


def test_a_job_that_waits_to_be_let_go(client: TestClient) -> None:
    """Weaver's pending job: made, looked at, changed, triggered; after that it is locked."""
    body = {"process": "http://testserver/processes/echo", "status": "create", "inputs": {"stringInput": "first"}}
    made = client.post("/jobs", json=body)
    assert (made.status_code, made.json()["status"]) == (201, "created")
    job = made.headers["location"]
    wrong = client.patch(job, json={"inputs": {"stringInput": 5}})
    assert wrong.status_code == 400
    changed = client.patch(job, json={"inputs": {"stringInput": "second"}, "title": "mine"})
    assert (changed.status_code, changed.json()["status"]) == (200, "created")
    assert client.get(f"{job}/inputs").json()["inputs"] == {"stringInput": "second"}
    assert client.get(f"{job}/results").status_code == 404
    let_go = client.post(f"{job}/results", json={})
    assert let_go.status_code == 201
    assert let_go.headers["location"] == job
    assert ended(client, job)["status"] == "successful"
    assert client.get(f"{job}/results").json()["stringOutput"] == "second"
    for answer in (client.patch(job, json={"inputs": {}}), client.post(f"{job}/results", json={})):
        assert (answer.status_code, answer.json()["status"]) == (423, 423)
    held = client.post("/jobs", json=body).headers["location"]
    assert client.delete(held).json()["status"] == "dismissed"
    assert client.post(f"{held}/results", json={}).status_code == 423
    assert client.patch("/jobs/no-such", json={}).status_code == 404
    assert client.post("/jobs", json={**body, "status": "later"}).status_code == 400


def test_weavers_subscribers(client: TestClient, files: Files) -> None:
    body = {"inputs": {}, "subscribers": {"failedUri": files.url("failed"), "successEmail": "a@example.org"}}
    assert client.post("/processes/echo/execution", json=body).status_code == 200
    assert client.post("/processes/echo/execution", json={"subscribers": {"failedUri": 5}}).status_code == 400
