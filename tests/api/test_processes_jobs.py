"""Jobs: list, filters, pages, dismissal, callbacks, and what is said of those that have no results."""

import json
import time
from typing import Any

import pytest
from fastapi.testclient import TestClient

from .conftest import ended
from .ogc import Schemas
from .servers import Files

ASYNC = {"Prefer": "respond-async"}
NOT_FOUND = "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-job"


def start(client: TestClient, process: str = "echo", **body: Any) -> str:
    answer = client.post(f"/processes/{process}/execution", json=body, headers=ASYNC)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def listed(client: TestClient, **parameters: Any) -> list[str]:
    document = client.get("/jobs", params={"limit": 1000, **parameters}).json()
    return [job["jobID"] for job in document["jobs"]]


def test_the_list_and_its_pages(client: TestClient, ogc: Schemas, ogc2: Schemas) -> None:
    made = [ended(client, start(client))["jobID"] for _ in range(5)]
    document = client.get("/jobs", params={"limit": 3}).json()
    ogc.check(document, "jobList.yaml")
    ogc2.check(document, "processes-core/jobList.yaml")
    assert [job["jobID"] for job in document["jobs"]] == made[::-1][:3]
    seen: list[str] = []
    url = "/jobs?limit=2&processID=echo"
    while url:
        page = client.get(url).json()
        seen += [job["jobID"] for job in page["jobs"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        url = following[0] if following else ""
    assert seen == listed(client, processID="echo")
    assert set(made) <= set(seen)


def test_filters(client: TestClient) -> None:
    before = "2000-01-01T00:00:00Z"
    good = ended(client, start(client, inputs={"pause": 1.2}))
    bad = ended(client, start(client, "demo-ndvi-workflow", experiment="demo-ndvi", inputs={"spatial_extent": {
        "west": 100, "south": 1, "east": 101, "north": 2}}))  # fmt: skip
    assert bad["status"] == "failed", bad
    assert good["jobID"] in listed(client, status="successful")
    assert good["jobID"] not in listed(client, status="failed,running")
    assert {good["jobID"], bad["jobID"]} <= set(listed(client, status=["failed", "successful"]))
    assert bad["jobID"] in listed(client, processID="demo-ndvi-workflow")
    assert good["jobID"] not in listed(client, processID="demo-ndvi-workflow")
    assert listed(client, processID="no-such") == []
    assert good["jobID"] in listed(client, datetime=f"{good['created']}/..")
    assert good["jobID"] in listed(client, datetime=good["created"])
    assert listed(client, datetime=f"../{before}") == []
    assert good["jobID"] in listed(client, minDuration=1, maxDuration=60)
    assert good["jobID"] not in listed(client, minDuration=100)
    assert listed(client, type="process") == listed(client)
    assert listed(client, type="openeo") == []


@pytest.mark.parametrize(
    "parameters",
    [{"status": "happy"}, {"datetime": "soon"}, {"minDuration": "long"}, {"maxDuration": "-1"}, {"minDuration": "nan"},
     {"limit": "x"}, {"f": "xml"}],
)  # fmt: skip
def test_wrong_filters(client: TestClient, ogc: Schemas, parameters: dict[str, str]) -> None:
    answer = client.get("/jobs", params=parameters)
    assert answer.status_code == 400
    ogc.check(answer.json(), "exception.yaml")


@pytest.mark.parametrize("tail", ["", "/results", "/results/x", "/inputs", "/logs", "/metrics", "/provenance"])
@pytest.mark.parametrize("id", ["no-such", "%2e%2e%2fx", "a" * 2000, "'"])
def test_unknown_jobs(client: TestClient, ogc: Schemas, id: str, tail: str) -> None:
    answer = client.get(f"/jobs/{id}{tail}")
    assert answer.status_code == 404
    ogc.check(answer.json(), "exception.yaml")
    if "%" not in id:
        assert answer.json()["type"] == NOT_FOUND
        assert client.delete(f"/jobs/{id}").status_code == 404
        assert client.get("/jobs", params={"before": id}).status_code == 404


def test_results_that_are_not_there_yet(client: TestClient) -> None:
    job = start(client, inputs={"pause": 20})
    answer = client.get(f"{job}/results")
    assert answer.status_code == 404
    assert answer.json()["type"].endswith("/result-not-ready")
    answer = client.delete(job)
    assert (answer.status_code, answer.json()["status"]) == (200, "dismissed")
    assert client.get(job).json()["status"] == "dismissed"
    assert client.get(f"{job}/results").status_code == 410


def test_results_of_a_job_that_failed_are_the_reasons(client: TestClient, ogc: Schemas) -> None:
    outside = {"west": 100, "south": 1, "east": 101, "north": 2}
    job = start(client, "demo-ndvi-workflow", experiment="demo-ndvi", inputs={"spatial_extent": outside})
    status = ended(client, job)
    ogc.check(status, "statusInfo.yaml")
    assert status["message"]
    assert any(link["rel"].endswith("/exceptions") for link in status["links"])
    answer = client.get(f"{job}/results")
    assert answer.status_code == 422
    ogc.check(answer.json(), "exception.yaml")
    assert answer.json()["problems"]
    assert "Traceback" not in answer.text


def test_dismissing_what_has_ended_removes_its_results(client: TestClient) -> None:
    job = start(client, inputs={"stringInput": "secret"})
    ended(client, job)
    assert client.get(f"{job}/results").status_code == 200
    assert client.delete(job).json()["status"] == "dismissed"
    assert client.get(f"{job}/results").status_code == 410
    assert client.delete(job).status_code == 200


def test_every_extra(client: TestClient) -> None:
    job = start(client, inputs={"stringInput": "x"}, outputs={"stringOutput": {"transmissionMode": "value"}})
    ended(client, job)
    inputs = client.get(f"{job}/inputs").json()
    assert inputs["inputs"] == {"stringInput": "x"}
    assert inputs["outputs"] == {"stringOutput": {"transmissionMode": "value"}}
    assert client.get(f"{job}/metrics").json()["seconds"] is not None
    assert client.get(f"{job}/logs").json()["logs"] == []
    assert client.get(f"{job}/results/nothing").status_code == 404
    assert client.get(f"{job}/results", params={"outputs": "nothing"}).status_code == 400
    assert client.get(f"{job}/provenance").status_code == 404


def until(server: Files, path: str) -> dict[str, Any]:
    deadline = time.monotonic() + 30
    while True:
        if found := [content for where, content in server.posted if where == path]:
            document: dict[str, Any] = json.loads(found[-1])
            return document
        assert time.monotonic() < deadline, server.posted
        time.sleep(0.05)


def test_callbacks(client: TestClient, files: Files, ogc: Schemas) -> None:
    files.refusals["/done"] = 1
    subscriber = {
        "successUri": files.url("done"),
        "inProgressUri": files.url("going"),
        "failedUri": files.url("broken"),
    }
    start(client, inputs={"stringInput": "x", "pause": 0.6}, subscriber=subscriber)
    going = until(files, "/going")
    ogc.check(going, "statusInfo.yaml")
    results = until(files, "/done")
    ogc.check(results, "results.yaml")
    assert results["stringOutput"] == "x"
    assert "/broken" not in [path for path, _ in files.posted]


def test_callbacks_of_a_job_that_fails(client: TestClient, files: Files) -> None:
    outside = {"west": 100, "south": 1, "east": 101, "north": 2}
    body = {"experiment": "demo-ndvi", "inputs": {"spatial_extent": outside}}
    subscriber = {"successUri": files.url("done"), "failedUri": files.url("broken")}
    start(client, "demo-ndvi-workflow", subscriber=subscriber, **body)
    assert until(files, "/broken")["status"] == "failed"
    assert [path for path, _ in files.posted] == ["/broken"]
