"""Every route of the openEO API, driven over HTTP and checked against the API's own response schemas."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from .openeo_schemas import Contract

NDVI: dict[str, Any] = {
    "load": {
        "process_id": "load_collection",
        "arguments": {
            "id": "demo-s2-l2a",
            "spatial_extent": {"west": 11.43, "south": 48.08, "east": 11.44, "north": 48.09},
            "temporal_extent": ["2024-06-01", "2024-08-01"],
            "bands": ["B04", "B08"],
        },
    },
    "ndvi": {"process_id": "ndvi", "arguments": {"data": {"from_node": "load"}, "nir": "B08", "red": "B04"}},
    "mean": {
        "process_id": "reduce_dimension",
        "arguments": {
            "data": {"from_node": "ndvi"},
            "dimension": "t",
            "reducer": {
                "process_graph": {
                    "m": {"process_id": "mean", "arguments": {"data": {"from_parameter": "data"}}, "result": True}
                }
            },
        },
    },
    "save": {
        "process_id": "save_result",
        "arguments": {"data": {"from_node": "mean"}, "format": "GTiff"},
        "result": True,
    },
}
ADD = {"add": {"process_id": "add", "arguments": {"x": {"from_parameter": "x"}, "y": 1}, "result": True}}
ENDED = {"finished", "error", "canceled"}


class Api:
    """Asks, and checks every answer."""

    def __init__(self, url: str, contract: Contract) -> None:
        self.contract = contract
        self.url = url
        self.http = httpx2.Client(base_url=url, timeout=120)

    def ask(self, method: str, route: str, status: int, *, values: dict[str, str] | None = None, **more: Any) -> Any:
        path = route.format(**(values or {}))
        reply = self.http.request(method, path, **more)
        assert reply.status_code == status, f"{method} {path}: {reply.status_code} {reply.text[:500]}"
        headers = {name.lower(): text for name, text in reply.headers.items()}
        assert headers["access-control-allow-origin"] == "*"
        body = reply.json() if "json" in headers.get("content-type", "") and reply.content else None
        assert self.contract.check(method, route, status, headers, body) == []
        return reply if body is None else body

    def job(self, process: Any) -> str:
        made = self.ask("post", "/jobs", 201, json={"title": "A job", "process": {"process_graph": process}})
        return str(made.headers["openeo-identifier"])

    def ended(self, job: str) -> str:
        deadline = time.monotonic() + 120
        while (status := self.ask("get", "/jobs/{job_id}", 200, values={"job_id": job})["status"]) not in ENDED:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        return str(status)


@pytest.fixture(scope="module")
def api(shared: Path, platform: Any) -> Iterator[Api]:
    asking = Api(f"{platform.url}/openeo", Contract(shared / "specs/openeo-api.yaml"))
    with asking.http:
        token = asking.ask("get", "/credentials/basic", 200, auth=("demo", "demo"))["access_token"]
        asking.http.headers["Authorization"] = f"Bearer basic//{token}"
        yield asking


def test_what_everybody_may_read(api: Api) -> None:
    about = api.ask("get", "/", 200)
    assert about["api_version"] == "1.2.0"
    for route in ("/.well-known/openeo", "/file_formats", "/conformance", "/udf_runtimes", "/service_types"):
        api.ask("get", route, 200)
    for entry in about["endpoints"]:
        for method in entry["methods"]:
            assert (method.lower(), entry["path"]) in api.contract.routes(), entry


def test_collections_and_processes(api: Api) -> None:
    listed = api.ask("get", "/collections", 200)["collections"]
    assert {"demo-s2-l2a", "demo-ndvi-composite"} <= {each["id"] for each in listed}
    for each in listed:
        whole = api.ask("get", "/collections/{collection_id}", 200, values={"collection_id": each["id"]})
        assert {"x", "y"} <= set(whole["cube:dimensions"])
        api.ask("get", "/collections/{collection_id}/queryables", 200, values={"collection_id": each["id"]})
    api.ask("get", "/collections/{collection_id}", 404, values={"collection_id": "nothing"})
    first = api.ask("get", "/collections", 200, params={"limit": 1})
    assert len(first["collections"]) == 1 and first["links"][0]["rel"] == "next"
    processes = api.ask("get", "/processes", 200)["processes"]
    assert len(processes) > 100


def test_own_processes(api: Api) -> None:
    value = {"process_graph_id": "plus_one"}
    process = {
        "summary": "One more",
        "parameters": [{"name": "x", "description": "A number", "schema": {"type": "number"}}],
        "returns": {"description": "One more", "schema": {"type": "number"}},
        "process_graph": ADD,
    }
    api.ask("put", "/process_graphs/{process_graph_id}", 200, values=value, json=process)
    shown = api.ask("get", "/process_graphs/{process_graph_id}", 200, values=value)
    assert shown["process_graph"] == ADD
    assert "process_graph" not in api.ask("get", "/process_graphs", 200)["processes"][0]
    assert api.ask("post", "/validation", 200, json=process)["errors"] == []
    wrong = {"a": {"process_id": "nothing_such", "arguments": {}, "result": True}}
    found = api.ask("post", "/validation", 200, json={"process_graph": wrong})["errors"]
    assert [each["code"] for each in found] == ["ProcessUnsupported"]
    api.ask("delete", "/process_graphs/{process_graph_id}", 204, values=value)
    api.ask("get", "/process_graphs/{process_graph_id}", 404, values=value)


def test_at_once(api: Api) -> None:
    reply = api.ask("post", "/result", 200, json={"process": {"process_graph": NDVI}})
    assert reply.headers["content-type"].startswith("image/tiff") and reply.content[:2] in {b"II", b"MM"}
    api.ask("post", "/result", 400, json={"process": {"process_graph": {}}})
    api.ask("post", "/result", 401, json={}, headers={"Authorization": ""})


def test_the_life_of_a_job(api: Api) -> None:
    job = {"job_id": api.job(NDVI)}
    api.ask("patch", "/jobs/{job_id}", 204, values=job, json={"title": "Another name", "log_level": "debug"})
    api.ask("get", "/jobs/{job_id}/estimate", 200, values=job)
    api.ask("get", "/jobs/{job_id}/logs", 200, values=job)
    api.ask("get", "/jobs/{job_id}/results", 400, values=job)
    api.ask("get", "/jobs/{job_id}/results", 200, values=job, params={"partial": "true"})
    api.ask("post", "/jobs/{job_id}/results", 202, values=job)
    assert api.ended(job["job_id"]) == "finished"
    listed = api.ask("get", "/jobs", 200)["jobs"]
    assert next(each for each in listed if each["id"] == job["job_id"])["progress"] == 100
    results = api.ask("get", "/jobs/{job_id}/results", 200, values=job)
    item = api.ask("get", "/jobs/{job_id}/results", 200, values=job, headers={"Accept": "application/geo+json"})
    assert set(item["assets"]) == set(results["assets"]) == {"save.tif"}
    plain = httpx2.get(results["assets"]["save.tif"]["href"])
    assert plain.status_code == 200 and int(plain.headers["content-length"]) == len(plain.content) > 1000
    logs = api.ask("get", "/jobs/{job_id}/logs", 200, values=job, params={"limit": 2})
    rest = api.ask("get", "/jobs/{job_id}/logs", 200, values=job, params={"offset": logs["logs"][-1]["id"]})
    assert len(logs["logs"]) == 2 and logs["logs"][-1]["id"] not in {each["id"] for each in rest["logs"]}
    api.ask("delete", "/jobs/{job_id}", 204, values=job)
    api.ask("get", "/jobs/{job_id}", 404, values=job)
    assert httpx2.get(results["assets"]["save.tif"]["href"]).status_code == 404


def test_a_job_that_fails_and_one_that_is_stopped(api: Api) -> None:
    graph = json.loads(json.dumps(NDVI))
    graph["save"]["arguments"]["format"] = "PNG"
    graph["save"]["arguments"]["data"] = {"from_node": "load"}
    job = {"job_id": api.job(graph)}
    api.ask("post", "/jobs/{job_id}/results", 202, values=job)
    assert api.ended(job["job_id"]) == "error"
    failed = api.ask("get", "/jobs/{job_id}/results", 424, values=job)
    assert "PNG" in failed["message"]
    stopped = {"job_id": api.job(NDVI)}
    api.ask("delete", "/jobs/{job_id}/results", 204, values=stopped)
    api.ask("post", "/jobs/{job_id}/results", 202, values=stopped)
    api.ask("delete", "/jobs/{job_id}/results", 204, values=stopped)
    assert api.ask("get", "/jobs/{job_id}", 200, values=stopped)["status"] in {"created", "canceled"}


def test_files(api: Api) -> None:
    place = {"path": "fields/münchen.geojson"}
    stored = api.ask("put", "/files/{path}", 200, values=place, content=b'{"type": "FeatureCollection"}')
    assert stored["path"] == place["path"] and stored["size"] == 29
    [listed] = api.ask("get", "/files", 200)["files"]
    assert (listed["path"], listed["size"]) == (stored["path"], stored["size"])
    assert api.ask("get", "/files/{path}", 200, values=place).content == b'{"type": "FeatureCollection"}'
    api.ask("get", "/files/{path}", 400, values={"path": "fields"})
    api.ask("get", "/files/{path}", 404, values={"path": "fields/none"})
    api.ask("delete", "/files/{path}", 204, values=place)
    assert api.ask("get", "/files", 200)["files"] == []


def test_services(api: Api) -> None:
    body = {"type": "XYZ", "process": {"process_graph": NDVI}, "configuration": {"minimum": 0, "maximum": 1}}
    made = api.ask("post", "/services", 201, json=body)
    service = {"service_id": made.headers["openeo-identifier"]}
    shown = api.http.get(f"/services/{service['service_id']}").json()
    # A template is no URI by the letter; what it becomes is.
    shown["url"] = shown["url"].format(z=0, x=0, y=0)
    kind = {"content-type": "application/json"}
    assert api.contract.check("get", "/services/{service_id}", 200, kind, shown) == []
    api.ask("patch", "/services/{service_id}", 204, values=service, json={"title": "NDVI", "enabled": False})
    api.ask("get", "/services/{service_id}/logs", 200, values=service)
    listed = api.http.get("/services").json()
    assert [each["title"] for each in listed["services"]] == ["NDVI"]
    for each in listed["services"]:
        each["url"] = each["url"].format(z=0, x=0, y=0)
    assert api.contract.check("get", "/services", 200, kind, listed) == []
    api.ask("delete", "/services/{service_id}", 204, values=service)
    api.ask("get", "/services/{service_id}", 404, values=service)


def test_the_account(api: Api) -> None:
    assert api.ask("get", "/me", 200)["name"] == "demo"
    api.ask("get", "/me", 401, headers={"Authorization": ""})
    api.ask("get", "/me", 403, headers={"Authorization": "Bearer basic//nobody"})


def test_every_route_was_asked(api: Api) -> None:
    left = api.contract.routes() - api.contract.driven
    # Providers are configured in test_openeo_client, where one runs.
    assert left <= {("get", "/credentials/oidc")}, sorted(left)
