"""Executions: every kind of input, every way to have the answer, presets, requests as other servers document them."""

import base64
import json
import re
from collections.abc import Callable
from email import message_from_bytes
from typing import Any

import pytest
from fastapi.testclient import TestClient

from .conftest import ended
from .ogc import Schemas
from .servers import Files

ECHO = "/processes/echo/execution"
ASYNC = {"Prefer": "respond-async"}
PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n not much of a picture").decode()
POINT = {"type": "Point", "coordinates": [11.4, 48.1]}
EVERYTHING: dict[str, Any] = {
    "stringInput": "grüße",
    "choiceInput": "Value2",
    "booleanInput": False,
    "integerInput": -3,
    "doubleInput": 3.14159,
    "dateInput": "2021-03-06T07:21:00Z",
    "measureInput": {"value": {"measurement": 10.3, "uom": "m", "reference": "https://ucum.org/ucum-essence.xml"}},
    "arrayInput": [1, 2, 3, 4, 5, 6],
    "complexObjectInput": {"value": {"property1": "value1", "property2": "value2", "property5": True}},
    "boundingBoxInput": {"bbox": [51.9, 7, 52, 7.1], "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84"},
    "geometryInput": [
        {"value": "<gml:Point><gml:pos>11 48</gml:pos></gml:Point>", "mediaType": "application/gml+xml; version=3.2"},
        {"value": POINT},
    ],
    "imagesInput": [{"value": PIXEL, "encoding": "base64", "mediaType": "image/png"}],
    "featureCollectionInput": {"value": {"type": "FeatureCollection", "features": []}},
}


def post(client: TestClient, body: dict[str, Any], **headers: str) -> Any:
    return client.post(ECHO, json=body, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_every_kind_of_input_comes_back(client: TestClient, ogc: Schemas) -> None:
    ogc.check({"inputs": EVERYTHING}, "execute.yaml")
    answer = post(client, {"inputs": EVERYTHING, "response": "document"})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    ogc.check(found, "results.yaml")
    assert found["stringOutput"] == "grüße"
    assert found["booleanOutput"] is False
    assert found["measureOutput"] == EVERYTHING["measureInput"]
    assert found["complexObjectOutput"] == EVERYTHING["complexObjectInput"]
    assert found["boundingBoxOutput"] == EVERYTHING["boundingBoxInput"]
    assert found["geometryOutput"] == [EVERYTHING["geometryInput"][0]["value"], POINT]
    assert found["imagesOutput"] == [PIXEL]
    assert set(found) == {name.replace("Input", "Output") for name in EVERYTHING}


def test_the_same_as_a_job(client: TestClient, ogc: Schemas) -> None:
    answer = client.post(ECHO, json={"inputs": EVERYTHING, "response": "document"}, headers=ASYNC)
    assert answer.status_code == 201
    assert answer.headers["preference-applied"] == "respond-async"
    ogc.check(answer.json(), "statusInfo.yaml")
    job = answer.headers["location"]
    assert job == f"http://testserver/jobs/{answer.json()['jobID']}"
    status = ended(client, job)
    ogc.check(status, "statusInfo.yaml")
    assert status["status"] == "successful", status
    found = client.get(f"{job}/results").json()
    ogc.check(found, "results.yaml")
    assert found == post(client, {"inputs": EVERYTHING, "response": "document"}).json()
    one = client.get(f"{job}/results/stringOutput")
    assert (one.text, one.headers["content-type"]) == ("grüße", "text/plain; charset=utf-8")
    chosen = client.get(f"{job}/results", params={"outputs": "integerOutput,booleanOutput"}).json()
    assert chosen == {"integerOutput": -3, "booleanOutput": False}


def test_defaults_are_filled_in(client: TestClient) -> None:
    assert post(client, {}).json() == 5
    assert post(client, {"response": "document"}).json() == {"doubleOutput": 5}
    assert client.post(ECHO).json() == 5


def test_one_output_is_raw_unless_a_document_is_wanted(client: TestClient) -> None:
    body: dict[str, Any] = {"inputs": {"stringInput": "one"}, "outputs": {"stringOutput": {}}}
    raw = post(client, body)
    assert (raw.text, raw.headers["content-type"]) == ("one", "text/plain; charset=utf-8")
    assert post(client, {**body, "response": "document"}).json() == {"stringOutput": "one"}
    objects = post(
        client, {"inputs": {"boundingBoxInput": {"bbox": [1, 2, 3, 4]}}, "outputs": {"boundingBoxOutput": {}}}
    )
    assert objects.json() == {"bbox": [1, 2, 3, 4]}


@pytest.mark.parametrize(("response", "accept"), [("raw", "*/*"), (None, "multipart/related")])
def test_several_outputs_raw_are_parts(client: TestClient, response: str | None, accept: str) -> None:
    body = {"inputs": {"stringInput": "one", "integerInput": 2}, **({"response": response} if response else {})}
    answer = post(client, body, Accept=accept)
    kind = answer.headers["content-type"]
    assert kind.startswith("multipart/related")
    message = message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + answer.content)
    assert message.is_multipart()
    found = {part["Content-ID"]: part.get_payload(decode=True) for part in message.get_payload()}
    assert found == {"<stringOutput>": b"one", "<integerOutput>": b"2", "<doubleOutput>": b"5"}


def test_by_reference(client: TestClient, files: Files) -> None:
    files.put("number.json", b"7", "application/json")
    files.put("text.txt", "über\n".encode(), "text/plain")
    files.put("shape.json", json.dumps(POINT).encode(), "application/geo+json")
    files.put("picture.png", base64.b64decode(PIXEL), "image/png")
    inputs = {
        "integerInput": {"href": files.url("number.json")},
        "stringInput": {"href": files.url("text.txt"), "type": "text/plain"},
        "geometryInput": [{"href": files.url("shape.json")}, POINT],
        "imagesInput": {"href": files.url("picture.png"), "type": "image/png"},
    }
    found = post(client, {"inputs": inputs, "response": "document"}).json()
    assert found["integerOutput"] == 7
    assert found["stringOutput"] == "über"
    assert found["geometryOutput"] == [POINT, POINT]
    assert found["imagesOutput"] == [PIXEL]


WRONG: list[tuple[str, dict[str, Any], set[str]]] = [
    ("a type", {"stringInput": 5, "integerInput": "5", "booleanInput": 0},
     {"stringInput", "integerInput", "booleanInput"}),
    ("a bound", {"doubleInput": 0}, {"doubleInput"}),
    ("a choice", {"choiceInput": "Value4"}, {"choiceInput"}),
    ("too short", {"arrayInput": [1]}, {"arrayInput"}),
    ("an element", {"arrayInput": [1, "two"]}, {"arrayInput.1"}),
    ("a missing member", {"complexObjectInput": {"value": {"property1": "x"}}}, {"complexObjectInput"}),
    ("too often", {"geometryInput": [POINT] * 6}, {"geometryInput"}),
    ("a media type", {"imagesInput": [{"value": PIXEL, "encoding": "base64", "mediaType": "image/jpeg"}]},
     {"imagesInput"}),
    ("an unknown name", {"strungInput": "x"}, {"strungInput"}),
    ("no box", {"boundingBoxInput": [1, 2, 3]}, {"boundingBoxInput"}),
    ("a pause", {"pause": 1e9}, {"pause"}),
    ("a reference to nothing", {"integerInput": {"href": "http://127.0.0.1:9/x"}}, {"integerInput"}),
    ("a file", {"integerInput": {"href": "file:///etc/passwd"}}, {"integerInput"}),
    ("no address", {"integerInput": {"href": "::::"}}, {"integerInput"}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "inputs", "where"), WRONG, ids=[row[0] for row in WRONG])
def test_everything_that_is_wrong_is_told(
    client: TestClient, ogc: Schemas, what: str, inputs: dict[str, Any], where: set[str]
) -> None:
    answers = [post(client, {"inputs": inputs}), post(client, {"inputs": inputs}, Prefer="respond-async")]
    for answer in answers:
        assert answer.status_code == 400, answer.text
        ogc.check(answer.json(), "exception.yaml")
        assert {problem["where"] for problem in answer.json()["problems"]} == where
        assert "root:" not in answer.text


def test_wrong_inputs_outputs_and_subscriber_at_once(client: TestClient) -> None:
    body = {
        "inputs": {"stringInput": 5, "nameless": 1},
        "outputs": {"nothing": {}},
        "subscriber": {"successUri": "ftp://example.org/x"},
    }
    places = {problem["where"] for problem in post(client, body).json()["problems"]}
    assert places == {"stringInput", "nameless", "outputs/nothing", "subscriber/successUri"}


MALFORMED: list[tuple[str, bytes | str, str, int]] = [
    ("no JSON", "{", "application/json", 400),
    ("NaN", '{"inputs": {"doubleInput": NaN}}', "application/json", 400),
    ("Infinity", '{"inputs": {"doubleInput": -Infinity}}', "application/json", 400),
    ("a list", "[]", "application/json", 400),
    ("a text", '"inputs"', "application/json", 400),
    ("inputs a number", '{"inputs": 5}', "application/json", 400),
    ("outputs a text", '{"outputs": "x"}', "application/json", 400),
    ("a mode", '{"outputs": {"stringOutput": {"transmissionMode": "pigeon"}}}', "application/json", 400),
    ("a response", '{"response": "paper"}', "application/json", 400),
    ("a subscriber", '{"subscriber": {"failedUri": "https://x.example"}}', "application/json", 400),
    ("an experiment", '{"experiment": ["x"]}', "application/json", 400),
    ("half a character", b'{"inputs": {"stringInput": "\xff"}}', "application/json", 400),
    ("half a surrogate", '{"inputs": {"stringInput": "\\ud800"}}', "application/json", 400),
    ("deep", '{"inputs": {"arrayInput": ' + "[" * 5000 + "]" * 5000 + "}}", "application/json", 400),
    ("deep, with brackets in texts", "[" + '"]",[' * 5000 + "]" * 5001, "application/json", 400),
    ("XML", "<wps:Execute/>", "application/xml", 415),
    ("a form", "inputs=5", "application/x-www-form-urlencoded", 415),
    ("50 MB", b'{"inputs": {"stringInput": "' + b"x" * 50_000_000 + b'"}}', "application/json", 413),
    ("a huge list", b'{"inputs": {"arrayInput": [' + b"1," * 300_000 + b"1]}}", "application/json", 400),
]


@pytest.mark.parametrize(("what", "body", "kind", "status"), MALFORMED, ids=[row[0] for row in MALFORMED])
def test_malformed_requests(client: TestClient, what: str, body: bytes | str, kind: str, status: int) -> None:
    for path in (ECHO, "/jobs"):
        answer = client.post(path, content=body, headers={"Content-Type": kind})
        assert answer.status_code == status, answer.text[:300]
        assert answer.headers["content-type"] == "application/problem+json"
        assert len(answer.content) < 20_000
        assert "Traceback" not in answer.text


def test_a_body_without_a_length_is_bounded_too(client: TestClient) -> None:
    def chunks() -> Any:
        for _ in range(50):
            yield b"x" * 1_000_000

    answer = client.post(ECHO, content=chunks(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_waiting_as_long_as_one_likes(client: TestClient) -> None:
    body = {"inputs": {"pause": 3}}
    answer = post(client, body, Prefer="respond-async, wait=0.2")
    assert answer.status_code == 201
    assert ended(client, answer.headers["location"])["status"] == "successful"
    answer = post(client, {"inputs": {"pause": 0.2}}, Prefer="respond-async, wait=30")
    assert answer.status_code == 200
    assert "wait=30" in answer.headers["preference-applied"]


def test_minimal_and_whole(client: TestClient) -> None:
    body = {"experiment": "demo-ndvi", "response": "document"}
    links = client.post("/processes/demo-ndvi-workflow/execution", json=body, headers={"Prefer": "return=minimal"})
    assert links.headers["preference-applied"] == "return=minimal"
    result = links.json()["result"]
    assert re.match(r"http://testserver/api/jobs/.*/collection.json", result["href"])
    collection = client.get(result["href"]).json()
    assert collection["type"] == "Collection"
    assert 'rel="monitor"' in links.headers["link"]
    job = links.headers["link"].partition("<")[2].partition(">")[0]
    whole = client.get(f"{job}/results", headers={"Prefer": "return=representation"}).json()
    assert whole["result"]["value"]["id"] == collection["id"]


def test_raw_references_are_headers(client: TestClient) -> None:
    body = {"experiment": "demo-ndvi", "outputs": {"result": {"transmissionMode": "reference"}}, "response": "raw"}
    answer = client.post("/processes/demo-ndvi-workflow/execution", json=body)
    assert answer.status_code == 204
    assert answer.content == b""
    href = re.findall(r'<([^>]+)>; rel="result"', answer.headers["link"])[0]
    assert client.get(href).json()["type"] == "Collection"


def test_an_experiment_is_a_preset(client: TestClient, ogc: Schemas) -> None:
    body = {"experiment": "demo-ndvi", "inputs": {"temporal_extent": ["2024-06-01", "2024-08-01"]}}
    answer = client.post("/processes/demo-ndvi-workflow/execution", json=body, headers=ASYNC)
    assert answer.status_code == 201, answer.text
    job = answer.headers["location"]
    inputs = client.get(f"{job}/inputs").json()
    assert inputs["experiment"] == "demo-ndvi"
    assert inputs["inputs"]["temporal_extent"] == ["2024-06-01", "2024-08-01"]
    assert len(inputs["inputs"]) > 1
    status = ended(client, job)
    assert status["status"] == "successful", status
    ogc.check(status, "statusInfo.yaml")
    assert status["processID"] == "demo-ndvi-workflow"
    found = client.get(f"{job}/results").json()
    ogc.check(found, "results.yaml")
    collection = client.get(found["result"]["href"]).json()
    assert collection["osc:experiment"] == "demo-ndvi"
    items = [link["href"] for link in collection["links"] if link["rel"] == "item"]
    assert items
    assert client.get(f"{job}/provenance").json()["@graph"]
    assert client.get(f"{job}/provenance", params={"profile": "prov"}).json()
    assert client.get(f"{job}/metrics").json()["cpu_seconds"] > 0
    assert client.get(f"{job}/logs").json()["logs"]


def test_an_experiment_of_another_process(client: TestClient) -> None:
    answer = client.post("/processes/demo-ndvi-workflow/execution", json={"experiment": "demo-water"})
    assert answer.status_code == 400
    assert "demo-water-workflow" in answer.text
    assert client.post("/processes/echo/execution", json={"experiment": "demo-water"}).status_code == 400
    answer = client.post("/processes/demo-ndvi-workflow/execution", json={"experiment": "no-such"})
    assert answer.status_code == 404
    assert "demo-ndvi" in answer.json()["problems"][0]["remedy"]


def test_a_workflow_without_its_inputs(client: TestClient) -> None:
    answer = client.post("/processes/demo-water-workflow/execution", json={})
    assert answer.status_code == 400
    assert {problem["where"] for problem in answer.json()["problems"]} >= {"stac", "bbox"}


PYGEOAPI: list[tuple[dict[str, Any], Callable[[Any], Any]]] = [
    ({"inputs": {"name": "hi there2"}}, lambda found: found["value"]),
    ({"inputs": {"name": "hi there2"}, "response": "raw"}, lambda found: found["value"]),
    ({"inputs": {"name": "hi there2"}, "response": "document"}, lambda found: found["echo"]["value"]["value"]),
    ({"inputs": {"name": "hi there2"}, "outputs": {"echo": {"transmissionMode": "value"}}, "response": "raw"},
     lambda found: found["value"]),
]  # fmt: skip


@pytest.mark.parametrize(("body", "value"), PYGEOAPI)
def test_requests_as_pygeoapi_documents_them(
    client: TestClient, body: dict[str, Any], value: Callable[[Any], Any]
) -> None:
    path, headers = "/processes/hello-world/execution", {"Content-Type": "application/json"}
    answer = client.post(path, content=json.dumps(body), headers=headers)
    assert answer.status_code == 200
    assert value(answer.json()) == "Hello hi there2!"
    job = client.post(path, content=json.dumps(body), headers={**headers, **ASYNC}).headers["location"]
    assert ended(client, job)["status"] == "successful"
    assert "Hello hi there2!" in client.get(f"{job}/results?f=json").text
    assert client.post(path, content="{}", headers=headers).status_code == 400


WEAVER: list[dict[str, Any]] = [
    {"mode": "async", "response": "document", "inputs": {"stringInput": "x"},
     "outputs": {"stringOutput": {"transmissionMode": "reference"}}},
    {"mode": "async", "response": "document", "inputs": [{"id": "stringInput", "value": "x"}],
     "outputs": [{"id": "stringOutput", "transmissionMode": "value"}]},
    {"mode": "async", "response": "document", "inputs": [{"id": "stringInput", "data": "x"}], "outputs": []},
]  # fmt: skip


@pytest.mark.parametrize("body", WEAVER)
def test_requests_as_weaver_documents_them(client: TestClient, body: dict[str, Any]) -> None:
    answer = client.post(ECHO, json=body)
    assert answer.status_code == 201
    assert ended(client, answer.headers["location"])["status"] == "successful"
    assert client.get(f"{answer.headers['location']}/results").json()["stringOutput"] == "x"


def test_post_jobs_names_the_process(client: TestClient) -> None:
    for process in ("echo", "http://testserver/processes/echo"):
        answer = client.post("/jobs", json={"process": process, "inputs": {"stringInput": "x"}})
        assert answer.status_code == 201, answer.text
        assert ended(client, answer.headers["location"])["processID"] == "echo"
    assert client.post("/jobs", json={}).status_code == 400
    assert client.post("/jobs", json={"process": "no-such"}).status_code == 404
