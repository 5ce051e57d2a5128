"""Landing page, conformance, the list and the descriptions of processes, in JSON and as pages."""

import re
from typing import Any
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient
from openapi_spec_validator import validate

from .conftest import Platform
from .ogc import Schemas

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def test_the_landing_page_links_to_everything(client: TestClient, ogc: Schemas) -> None:
    answer = client.get("/")
    assert answer.headers["content-type"] == "application/json"
    document = answer.json()
    ogc.check(document, "landingPage.yaml")
    relations = {link["rel"] for link in document["links"]}
    assert {"self", "service-desc", "service-doc", "conformance", "capabilities"} <= relations
    for link in document["links"]:
        reply = client.get(link["href"], headers={"Accept": link["type"]})
        assert reply.status_code in {200, 307}, link


def test_people_get_the_portal_where_machines_get_documents(client: TestClient) -> None:
    # The start page leads to the portal's first page; jobs' pages have moved for good.
    for path, statuses in (("/", {200, 307}), ("/jobs", {308})):
        page = client.get(path, headers=BROWSER)
        assert page.status_code in statuses
        assert "json" not in page.headers.get("content-type", "")
        assert client.get(path, headers={"Accept": "*/*"}).headers["content-type"] == "application/json"
        assert client.get(f"{path}?f=json", headers=BROWSER).headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    "path", ["/processes", "/processes/echo", "/conformance", "/capabilities", "/processes/demo-water-workflow"]
)
def test_documents_are_pages_too(client: TestClient, path: str) -> None:
    for page in (client.get(path, headers=BROWSER), client.get(f"{path}?f=html")):
        assert page.headers["content-type"].startswith("text/html")
        assert page.text.count("<h1>") == 1
        assert "<html lang=" in page.text
    assert client.get(f"{path}?f=gml").status_code == 400


def test_conformance(client: TestClient, ogc: Schemas) -> None:
    document = client.get("/conformance").json()
    ogc.check(document, "confClasses.yaml")
    classes = {uri.rpartition("/")[2] for uri in document["conformsTo"] if "processes-1/1.0" in uri}
    assert classes == {"core", "ogc-process-description", "json", "html", "oas30", "job-list", "callback", "dismiss"}


def test_the_openapi_is_valid_in_both_versions(client: TestClient) -> None:
    older = client.get("/api")
    assert older.headers["content-type"] == "application/vnd.oai.openapi+json;version=3.0"
    assert older.json()["openapi"].startswith("3.0")
    validate(older.json())
    newer = client.get("/openapi.json").json()
    validate(newer)
    assert set(older.json()["paths"]) == set(newer["paths"])
    assert {"/processes/{processID}/execution", "/jobs/{jobID}/results"} <= set(newer["paths"])


def test_one_description_holds_every_interface(client: TestClient) -> None:
    """What is mounted as well, operations under names of their own; the page needs no other host."""
    document = client.get("/api").json()
    for path in (
        "/stac/search", "/stac", "/features/collections/{collection}/items", "/openeo/jobs/{job_id}", "/openeo/result",
        "/records/collections/{collectionId}/items", "/api/targets", "/api/me", "/api/publications",
    ):  # fmt: skip
        assert path in document["paths"], sorted(document["paths"])
    names = [
        operation["operationId"]
        for item in document["paths"].values()
        for method, operation in item.items()
        if isinstance(operation, dict) and "operationId" in operation
    ]
    assert len(names) == len(set(names))
    execute = document["paths"]["/processes/{processID}/execution"]["post"]
    assert execute["requestBody"]["content"]["application/json"]["schema"]["properties"]["subscriber"]
    page = client.get("/docs")
    assert page.status_code == 200
    assert "script" not in page.headers["content-security-policy"]
    assert "<script" not in page.text
    assert page.text.count("<details") > 150
    for address in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert address.startswith(("/", "#", "?")), address


def test_the_list(client: TestClient, ogc: Schemas) -> None:
    document = client.get("/processes").json()
    ogc.check(document, "processList.yaml")
    names = [each["id"] for each in document["processes"]]
    assert {"echo", "hello-world", "demo-ndvi-workflow", "demo-water-workflow", "demo-phenology-workflow"} <= set(names)
    water = next(each for each in document["processes"] if each["id"] == "demo-water-workflow")
    assert {link["rel"] for link in water["links"]} >= {"osc:workflow", "osc:experiment", "self"}
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", next(m["title"] for m in water["metadata"] if m["role"] == "digest"))


def test_the_list_has_pages(client: TestClient) -> None:
    everything = [each["id"] for each in client.get("/processes").json()["processes"]]
    seen: list[str] = []
    url = "/processes?limit=2"
    while url:
        page = client.get(url).json()
        assert len(page["processes"]) <= 2
        seen += [each["id"] for each in page["processes"]]
        following = [link["href"] for link in page["links"] if link["rel"] == "next"]
        url = following[0] if following else ""
    assert seen == everything


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "9" * 30])
def test_a_wrong_limit(client: TestClient, text: str) -> None:
    for path in ("/processes", "/jobs"):
        answer = client.get(path, params={"limit": text})
        assert answer.status_code == 400
        assert "limit" in answer.json()["title"]


def test_each_description(client: TestClient, ogc: Schemas, ogc2: Schemas) -> None:
    for each in client.get("/processes").json()["processes"]:
        document = client.get(urlsplit(each["links"][0]["href"]).path).json()
        ogc.check(document, "process.yaml")
        ogc2.check(document, "processes-core/processSummary.yaml")
        assert document["id"] == each["id"]
        assert document["outputs"]


def test_a_description_tells_inputs_as_published(client: TestClient) -> None:
    inputs = client.get("/processes/demo-water-workflow").json()["inputs"]
    assert inputs["bands"]["maxOccurs"] == "unbounded"
    assert inputs["bands"]["schema"]["type"] == "string"
    assert all(about["minOccurs"] in {0, 1} for about in inputs.values())
    echo: dict[str, Any] = client.get("/processes/echo").json()["inputs"]
    assert (echo["geometryInput"]["minOccurs"], echo["geometryInput"]["maxOccurs"]) == (0, 5)
    assert echo["arrayInput"]["maxOccurs"] == 1
    assert echo["doubleInput"]["schema"] == {
        "type": "number", "format": "double", "minimum": 0, "exclusiveMinimum": True, "maximum": 10, "default": 5
    }  # fmt: skip


@pytest.mark.parametrize("id", ["no-such", "../../etc/passwd", "%2e%2e%2fetc", "a" * 5000, "ä\u0000", "' OR 1=1 --"])
@pytest.mark.parametrize("tail", ["", "/package", "/execution"])
def test_an_unknown_process(client: TestClient, ogc: Schemas, id: str, tail: str) -> None:
    from urllib.parse import quote

    address = f"/processes/{quote(id, safe='%')}{tail}"
    answer = client.post(address, json={}) if tail == "/execution" else client.get(address)
    assert answer.status_code in {404, 405}
    assert answer.headers["content-type"] == "application/problem+json"
    ogc.check(answer.json(), "exception.yaml")
    if "/" not in id and "%2f" not in id:
        assert answer.json()["type"] == "http://www.opengis.net/def/exceptions/ogcapi-processes-1/1.0/no-such-process"
        assert "Traceback" not in answer.text


def test_a_near_id_is_named(client: TestClient) -> None:
    assert "demo-water-workflow" in client.get("/processes/demo-water-worfklow").text


def test_capabilities_say_what_others_need_to_know(client: TestClient) -> None:
    document = client.get("/capabilities").json()
    assert {each["type"] for each in document["workflowTypes"]} >= {"cwl", "openeo", "notebook"}
    assert document["limits"]["jobSeconds"] == 120
    assert document["limits"]["requestBytes"] > 2**20
    assert {"I5c", "A5"} <= set(document["requirements"])
    assert document["sla"].startswith("https://")
    assert document["dataTypes"]["inputs"]
    cwl = next(each for each in document["workflowTypes"] if each["type"] == "cwl")
    assert cwl["engine"]["cwltool"]


def test_mounted_applications_are_part_of_the_one_description(client: TestClient, platform: Platform) -> None:
    part = {
        "paths": {"/": {"get": {"responses": {"200": {"description": "x"}}}}, "/x": {"get": {"responses": {
            "200": {"description": "x", "content": {"application/json": {"schema": {
                "$ref": "#/components/schemas/Thing"}}}}}}}},
        "components": {"schemas": {"Thing": {"type": ["string", "null"]}}},
    }  # fmt: skip
    platform.app.state.descriptions["/mounted/there"] = lambda: part
    try:
        document = client.get("/api").json()
    finally:
        platform.app.state.descriptions.clear()
    validate(document)
    assert {"/mounted/there", "/mounted/there/x", "/processes"} <= set(document["paths"])
    assert document["components"]["schemas"]["mounted-there.Thing"] == {"type": "string", "nullable": True}
