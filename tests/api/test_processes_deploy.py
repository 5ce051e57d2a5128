"""Deploy, replace, undeploy: packages in every form, and those that are wrong."""

import json
from typing import Any

import pytest
import yaml
from fastapi.testclient import TestClient

from terrafair.workflows.deployments import Deployments

from .conftest import Platform, ended
from .ogc import Schemas
from .servers import Files

YAML, JSON, PACKAGE = "application/cwl+yaml", "application/cwl+json", "application/ogcapppkg+json"
PROBLEM = "http://www.opengis.net/def/exceptions/ogcapi-processes-2/1.0"
CWL = """
cwlVersion: v1.2
class: CommandLineTool
id: {id}
label: Repeats a text
doc: Writes it into a file, so many times.
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: repeat.py
        entry: |
          import sys
          from pathlib import Path
          text = Path(sys.argv[1]).read_text()
          Path("made.txt").write_text(text * int(sys.argv[2]) + "|".join(sys.argv[3:]) + "{mark}")
baseCommand: [python3, repeat.py]
inputs:
  source: {{type: File, label: A text, inputBinding: {{position: 1}}}}
  times: {{type: int, default: 2, inputBinding: {{position: 2}}}}
  words: {{type: 'string[]?', inputBinding: {{position: 3}}}}
outputs:
  made: {{type: File, outputBinding: {{glob: made.txt}}}}
"""


def cwl(id: str, mark: str = "") -> str:
    return CWL.format(id=id, mark=mark)


def deploy(client: TestClient, content: str, kind: str = YAML, **parameters: str) -> Any:
    return client.post(
        "/processes", content=content.encode(), headers={"Content-Type": kind}, params=parameters or None
    )


def run(client: TestClient, id: str, inputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    answer = client.post(
        f"/processes/{id}/execution", json={"inputs": inputs, **more}, headers={"Prefer": "respond-async"}
    )
    assert answer.status_code == 201, answer.text
    return ended(client, answer.headers["location"])


def test_a_package_from_its_deployment_to_its_end(client: TestClient, ogc: Schemas) -> None:
    answer = deploy(client, cwl("repeat"))
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == "http://testserver/processes/repeat"
    ogc.check(answer.json(), "processSummary.yaml")
    description = client.get("/processes/repeat").json()
    ogc.check(description, "process.yaml")
    assert (description["title"], description["version"], description["mutable"]) == ("Repeats a text", "1", True)
    assert description["inputs"]["times"]["schema"] == {"type": "integer", "default": 2}
    assert description["inputs"]["words"]["maxOccurs"] == "unbounded"
    assert set(description["outputs"]) == {"made", "result"}
    assert "repeat" in [each["id"] for each in client.get("/processes").json()["processes"]]
    assert client.get("/processes/repeat/package").text == cwl("repeat")

    source = {"value": "hei ", "mediaType": "text/plain"}
    status = run(client, "repeat", {"source": source, "times": 3, "words": ["a", "b"]})
    assert status["status"] == "successful", status
    results = client.get(f"/jobs/{status['jobID']}/results").json()
    ogc.check(results, "results.yaml")
    assert client.get(results["made"]["href"]).text == "hei hei hei a|b"
    assert client.get(results["result"]["href"]).json()["type"] == "Collection"
    assert client.get(f"/jobs/{status['jobID']}/results/made").text == "hei hei hei a|b"

    replaced = client.put("/processes/repeat", content=cwl("repeat", "!"), headers={"Content-Type": YAML})
    assert replaced.status_code == 204, replaced.text
    assert client.get("/processes/repeat").json()["version"] == "2"
    status = run(client, "repeat", {"source": source})
    assert client.get(f"/jobs/{status['jobID']}/results/made").text == "hei hei !"

    assert client.delete("/processes/repeat").status_code == 204
    for path in ("/processes/repeat", "/processes/repeat/package"):
        assert client.get(path).status_code == 404
    assert client.delete("/processes/repeat").status_code == 404
    # What ran is still there to be looked at.
    assert client.get(f"/jobs/{status['jobID']}/results/made").text == "hei hei !"


def test_sync_with_the_file_itself(client: TestClient, files: Files) -> None:
    assert deploy(client, cwl("repeat-now")).status_code == 201
    files.put("text.txt", b"moi ", "text/plain")
    body = {"inputs": {"source": {"href": files.url("text.txt"), "type": "text/plain"}}, "outputs": {"made": {}}}
    answer = client.post("/processes/repeat-now/execution", json=body)
    assert (answer.status_code, answer.text) == (200, "moi moi ")
    assert 'rel="monitor"' in answer.headers["link"]
    inline = client.post(
        "/processes/repeat-now/execution",
        json={**body, "outputs": {"made": {"transmissionMode": "value"}}, "response": "document"},
    )
    assert inline.json()["made"]["encoding"] == "base64"


def test_a_restart_changes_nothing(platform: Platform, client: TestClient) -> None:
    assert deploy(client, cwl("repeat-kept")).status_code == 201
    fresh = Deployments(platform.jobs._engine, platform.parts.objects)
    found = fresh.get("repeat-kept")
    assert found is not None
    assert fresh.content(found).decode() == cwl("repeat-kept")
    assert platform.parts.processes(platform.jobs._engine).get("repeat-kept").digest == found.digest


def forms(files: Files) -> list[tuple[str, str, str]]:
    document = yaml.safe_load(cwl("repeat-forms"))
    files.put("app.cwl", cwl("repeat-forms").encode(), YAML)
    about = {"process": {"id": "repeat-forms", "title": "Named", "version": "7.1", "keywords": ["x"]}}
    return [
        ("JSON", json.dumps(document), JSON),
        ("plain JSON", json.dumps(document), "application/json"),
        ("plain YAML", cwl("x").replace("id: x", "id: repeat-forms"), "application/x-yaml"),
        ("a unit", json.dumps({"executionUnit": [{"unit": document}]}), PACKAGE),
        ("itself", json.dumps({"executionUnit": document}), PACKAGE),
        ("a value", json.dumps({"processDescription": about,
                                "executionUnit": {"value": document, "mediaType": JSON}}), PACKAGE),
        ("a text", json.dumps({"executionUnit": {"value": cwl("repeat-forms"), "mediaType": YAML}}), PACKAGE),
        ("a link", json.dumps({"processDescription": {"id": "repeat-forms"},
                               "executionUnit": [{"href": files.url("app.cwl"), "type": YAML}]}), PACKAGE),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(8))
def test_each_form_of_a_package(client: TestClient, files: Files, number: int) -> None:
    what, content, kind = forms(files)[number]
    answer = deploy(client, content, kind)
    assert answer.status_code == 201, (what, answer.text)
    assert answer.json()["id"] == "repeat-forms"
    if what == "a value":
        assert (answer.json()["title"], answer.json()["version"], answer.json()["keywords"]) == ("Named", "7.1", ["x"])
    status = run(client, "repeat-forms", {"source": {"value": "ja ", "mediaType": "text/plain"}})
    assert client.get(f"/jobs/{status['jobID']}/results/made").text == "ja ja "
    wrapped = client.get("/processes/repeat-forms/package", headers={"Accept": PACKAGE}).json()
    assert wrapped["processDescription"]["process"]["id"] == "repeat-forms"
    assert client.delete("/processes/repeat-forms").status_code == 204


def test_one_of_several_workflows(client: TestClient) -> None:
    tools = [yaml.safe_load(cwl(name, mark)) for name, mark in (("first", "1"), ("second", "2"))]
    for tool in tools:
        del tool["cwlVersion"]
    document = json.dumps({"cwlVersion": "v1.2", "$graph": tools})
    answer = deploy(client, document, JSON, w="second")
    assert answer.status_code == 201, answer.text
    assert answer.json()["id"] == "second"
    status = run(client, "second", {"source": {"value": "x", "mediaType": "text/plain"}})
    assert client.get(f"/jobs/{status['jobID']}/results/made").text == "xx2"
    missing = deploy(client, document, JSON, w="third")
    assert (missing.status_code, missing.json()["type"]) == (404, f"{PROBLEM}/workflow-not-found")


def test_an_id_is_taken_once(client: TestClient) -> None:
    assert deploy(client, cwl("repeat-once")).status_code == 201
    for name in ("repeat-once", "echo", "demo-water-workflow"):
        answer = deploy(client, cwl(name))
        assert (answer.status_code, answer.json()["type"]) == (409, f"{PROBLEM}/duplicated-process")


@pytest.mark.parametrize("id", ["echo", "demo-water-workflow"])
def test_what_is_not_deployed_stays(client: TestClient, id: str) -> None:
    changed = client.put(f"/processes/{id}", content=cwl(id), headers={"Content-Type": YAML})
    for answer in (client.delete(f"/processes/{id}"), changed):
        assert (answer.status_code, answer.json()["type"]) == (403, f"{PROBLEM}/immutable-process")


def test_what_is_deployed_as_immutable_stays(client: TestClient) -> None:
    document = {"processDescription": {"id": "stone", "mutable": False}, "executionUnit": yaml.safe_load(cwl("stone"))}
    assert deploy(client, json.dumps(document), PACKAGE).json()["mutable"] is False
    assert client.delete("/processes/stone").status_code == 403
    answer = client.put("/processes/stone", content=cwl("stone"), headers={"Content-Type": YAML})
    assert answer.status_code == 403


def test_replacing_what_is_not_there(client: TestClient) -> None:
    answer = client.put("/processes/nothing-here", content=cwl("nothing-here"), headers={"Content-Type": YAML})
    assert answer.status_code == 404


IMAGE = "hints: {DockerRequirement: {dockerPull: 'nobody/has:this'}}"
WRONG: list[tuple[str, str, str, int, str]] = [
    ("YAML", cwl("bad").replace("label: Repeats a text", "label: [unclosed"), YAML, 400, "line 6"),
    ("indentation", "cwlVersion: v1.2\nclass: CommandLineTool\n  id: bad\n", YAML, 400, "line 3"),
    ("JSON", '{"cwlVersion": "v1.2",\n "class": }', JSON, 400, "line 2"),
    ("a class", cwl("bad").replace("CommandLineTool", "CommandLineFool"), YAML, 400, "CommandLineFool"),
    ("a field", cwl("bad").replace("position: 1", "position: [1, 2]"), YAML, 400, "position"),
    ("a type", cwl("bad").replace("type: int,", "type: inte,"), YAML, 400, "application.cwl:"),
    ("no class", "cwlVersion: v1.2\ninputs: {}\n", YAML, 400, "class"),
    ("no id", cwl("x").replace("id: x\n", ""), YAML, 400, "id"),
    ("a path as id", cwl("x").replace("id: x", "id: ../../etc/passwd"), YAML, 400, "id"),
    ("an empty body", "", YAML, 400, "body"),
    ("a list", "[]", YAML, 400, "object"),
    ("a bomb", "a: &a [x,x]\nb: &b [*a,*a]\nc: [" + "*b," * 300 + "]\nclass: Workflow", YAML, 400, "aliases"),
    ("XML", "<cwl/>", "application/xml", 415, "cwl+yaml"),
    ("a container alone", json.dumps({"executionUnit": {"type": "docker", "image": "x"}}), PACKAGE, 400,
     "container image"),
    ("no unit", json.dumps({"executionUnit": []}), PACKAGE, 400, "executionUnit"),
    ("a link to this machine's files", json.dumps({"executionUnit": {"href": "file:///etc/passwd"}}), PACKAGE, 400,
     "http"),
    ("two ids", json.dumps({"processDescription": 5, "executionUnit": {}}), PACKAGE, 400, "processDescription"),
    ("network", cwl("bad").replace("requirements:", "requirements:\n  NetworkAccess: {networkAccess: true}"), YAML, 422,
     "network"),
    ("an image", cwl("bad").replace("requirements:", f"{IMAGE}\nrequirements:"), YAML, 422, "nobody/has:this"),
    ("an openEO graph", json.dumps({"process_graph": {}}), "application/json", 400, "CWL"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "content", "kind", "status", "says"), WRONG, ids=[row[0] for row in WRONG])
def test_what_is_wrong_with_a_package(
    client: TestClient, ogc: Schemas, what: str, content: str, kind: str, status: int, says: str
) -> None:
    answer = deploy(client, content, kind)
    assert answer.status_code == status, answer.text
    assert says in answer.text
    ogc.check(answer.json(), "exception.yaml")
    assert "Traceback" not in answer.text
    assert "root:" not in answer.text
    # Places are told from the document, not from a folder of this machine.
    assert "../application" not in answer.text
    assert client.get("/processes/bad").status_code == 404


def test_a_package_is_bounded(client: TestClient) -> None:
    answer = deploy(client, "a: " + "x" * 50_000_000)
    assert answer.status_code == 413
