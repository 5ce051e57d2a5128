"""Wrong requests: each gets its code of the standard's list, its status, and words that help."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from terrafair.api.openeo.faults import CODES, OpenEOFault, code_of
from terrafair.api.openeo.user_files import UserFiles
from terrafair.data.objects import MemoryObjects
from terrafair.identity.person import Person

from .conftest import ADD, Api

PROCESS = {"process": {"process_graph": ADD}}
CALL: dict[str, Any] = {"a": {"process_id": "add", "arguments": {}, "result": True}}


def test_the_codes_are_those_of_the_standard(shared: Path) -> None:
    theirs = json.loads((shared / "specs/openeo-errors.json").read_text())
    assert {code: status for code, (status, _) in CODES.items() if code in theirs} == {
        code: theirs[code]["http"] for code in CODES if code in theirs
    }
    assert set(CODES) - set(theirs) == {"RequestInvalid"}


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("", 401, "AuthenticationRequired"),
        ("Basic YWRhOnNlY3JldC1h", 403, "AuthenticationSchemeInvalid"),
        ("Bearer ", 403, "TokenInvalid"),
        ("Bearer nonsense", 403, "TokenInvalid"),
        ("Bearer basic//nonsense", 403, "TokenInvalid"),
        ("Bearer basic/x/nonsense", 403, "AuthenticationSchemeInvalid"),
        ("Bearer oidc/unknown/nonsense", 403, "TokenInvalid"),
        ("Bearer magic/x/y", 403, "AuthenticationSchemeInvalid"),
        ("Bearer basic//" + "x" * 20_000, 403, "TokenInvalid"),
        ("Digest x", 403, "AuthenticationSchemeInvalid"),
    ],
)
def test_tokens(api: Api, header: str, status: int, code: str) -> None:
    routes = [
        ("GET", "/me"), ("GET", "/jobs"), ("POST", "/jobs"), ("GET", "/files"), ("PUT", "/files/a"),
        ("POST", "/result"), ("GET", "/process_graphs"), ("PUT", "/process_graphs/a"), ("GET", "/services"),
        ("POST", "/services"),
        ("GET", "/jobs/x/results"), ("GET", "/jobs/x/logs"), ("DELETE", "/jobs/x"),
    ]  # fmt: skip
    for method, path in routes:
        api.refused(method, path, status, code, headers={"Authorization": header})
    if header:
        # Where a token is not needed, one that does not hold is told all the same.
        api.refused("GET", "/collections", status, code, headers={"Authorization": header})


@pytest.mark.parametrize(
    ("header", "status", "code"),
    [
        ("", 401, "AuthenticationRequired"),
        ("Bearer x", 403, "AuthenticationSchemeInvalid"),
        ("Basic !!!", 403, "CredentialsInvalid"),
        ("Basic " + base64.b64encode(b"ada").decode(), 403, "CredentialsInvalid"),
        ("Basic " + base64.b64encode(b"ada:wrong").decode(), 403, "CredentialsInvalid"),
        ("Basic " + base64.b64encode(b"nobody:secret-a").decode(), 403, "CredentialsInvalid"),
        ("Basic " + base64.b64encode(b"\xff\xfe:x").decode(), 403, "CredentialsInvalid"),
        ("Basic " + base64.b64encode(b"ada:" + b"x" * 5000).decode(), 403, "CredentialsInvalid"),
    ],
)
def test_passwords(api: Api, header: str, status: int, code: str) -> None:
    api.refused("GET", "/credentials/basic", status, code, headers={"Authorization": header})


def test_the_demo_account_is_not_for_pages_of_other_origins(api: Api) -> None:
    headers = {"Origin": "https://evil.example"}
    api.refused("GET", "/credentials/basic", 403, "CredentialsInvalid", auth=("demo", "demo"), headers=headers)
    assert api.ask("GET", "/credentials/basic", auth=("demo", "demo"))["access_token"]
    assert api.ask("GET", "/credentials/basic", auth=("ada", "secret-a"), headers=headers)["access_token"]


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ({}, "ProcessInvalid", "process"),
        ({"process": None}, "ProcessInvalid", "process"),
        ({"process": []}, "ProcessInvalid", "process"),
        ({"process": {}}, "ProcessGraphMissing", "process graph"),
        ({"process": {"process_graph": {}}}, "ProcessGraphMissing", "process graph"),
        ({"process": {"process_graph": [1]}}, "ProcessGraphMissing", "process graph"),
        ({"process": {"process_graph": ADD, "parameters": {}}}, "ProcessInvalid", "list"),
        ({"process": {"process_graph": ADD, "id": 7}}, "RequestInvalid", "id"),
        ({**PROCESS, "title": 3}, "RequestInvalid", "title"),
        ({**PROCESS, "title": "x" * 501}, "RequestInvalid", "500"),
        ({**PROCESS, "description": []}, "RequestInvalid", "description"),
        ({**PROCESS, "plan": "gold"}, "BillingPlanInvalid", "gold"),
        ({**PROCESS, "budget": 0}, "BudgetInvalid", "budget"),
        ({**PROCESS, "budget": -3}, "BudgetInvalid", "budget"),
        ({**PROCESS, "budget": "much"}, "RequestInvalid", "budget"),
        ({**PROCESS, "budget": True}, "RequestInvalid", "budget"),
        ({**PROCESS, "log_level": "loud"}, "RequestInvalid", "debug, info, warning, error"),
        ({**PROCESS, "log_level": ["info"]}, "RequestInvalid", "debug"),
    ],
)
def test_submissions(api: Api, body: Any, code: str, words: str) -> None:
    for path in ("/jobs", "/result"):
        assert words in api.refused("POST", path, 400, code, json=body)
    assert words in api.refused("POST", "/services", 400, code, json={"type": "xyz", **body})


@pytest.mark.parametrize(
    ("content", "kind", "code"),
    [
        (b"", "application/json", "RequestInvalid"),
        (b"{", "application/json", "RequestInvalid"),
        (b"[]", "application/json", "RequestInvalid"),
        (b"\xff\xfe\xfd", "application/json", "RequestInvalid"),
        (b'{"process": NaN}', "application/json", "RequestInvalid"),
        (b"<xml/>", "application/xml", "ContentTypeInvalid"),
        (b"{}", "text/plain", "ContentTypeInvalid"),
        (b'{"a":' * 100_000, "application/json", "ProcessGraphComplexity"),
        (b'{"a": "' + b"x" * (5 * 2**20) + b'"}', "application/json", "ProcessGraphComplexity"),
    ],
)
def test_bodies(api: Api, content: bytes, kind: str, code: str) -> None:
    api.refused("POST", "/jobs", 400, code, content=content, headers={"Content-Type": kind})


def test_jobs(api: Api) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/results"), ("POST", "/results"),
                         ("DELETE", "/results"), ("GET", "/logs"), ("GET", "/estimate")):  # fmt: skip
        more = {"json": {"title": "x"}} if method == "PATCH" else {}
        api.refused(method, f"/jobs/none{path}", 404, "JobNotFound", **more)
    job = api.job()
    api.refused("GET", f"/jobs/{job}/results", 400, "JobNotStarted")
    api.refused("PATCH", f"/jobs/{job}", 400, "NoDataForUpdate", json={})
    api.refused("PATCH", f"/jobs/{job}", 400, "NoDataForUpdate", json={"colour": "red"})
    assert "status" in api.refused("PATCH", f"/jobs/{job}", 400, "PropertyNotEditable", json={"status": "finished"})
    api.refused("GET", f"/jobs/{job}/logs?level=loud", 400, "RequestInvalid")
    api.refused("GET", "/jobs?limit=0", 400, "RequestInvalid")
    api.refused("GET", "/jobs?limit=many", 400, "RequestInvalid")
    assert api.ask("POST", f"/jobs/{job}/results", 202) is not None
    api.refused("GET", f"/jobs/{job}/results", 400, "JobNotFinished")
    api.refused("PATCH", f"/jobs/{job}", 400, "JobLocked", json={"title": "x"})
    others = {"Authorization": api.token("grace", "secret-g")}
    api.refused("GET", f"/jobs/{job}", 404, "JobNotFound", headers=others)
    api.refused("DELETE", f"/jobs/{job}", 404, "JobNotFound", headers=others)
    assert api.ask("GET", "/jobs", headers=others)["jobs"] == []


@pytest.mark.parametrize(
    ("graph", "code", "words"),
    [
        ({"a": {"process_id": "nothing", "arguments": {}, "result": True}}, "ProcessUnsupported", "nothing"),
        ({"a": {"process_id": "adde", "arguments": {"x": 1, "y": 1}, "result": True}}, "ProcessUnsupported", "add"),
        ({"a": {"process_id": "add", "namespace": "user", "arguments": {"x": 1, "y": 1}, "result": True}}, None, ""),
        ({"a": {"process_id": "f", "namespace": "user", "arguments": {}, "result": True}}, "ProcessUnsupported", "f"),
        ({"a": {"process_id": "f", "namespace": "osc", "arguments": {}, "result": True}}, "ProcessUnsupported", "f"),
        (
            {"a": {"process_id": "f", "namespace": "https://x.example/none.json", "arguments": {}, "result": True}},
            "ProcessUnsupported",
            "none.json",
        ),
        ({"a": {"process_id": "absolute", "arguments": {"x": {"from_node": "b"}}}}, "ProcessGraphInvalid", "'b'"),
        ({"a": {"process_id": "absolute", "arguments": {"x": {"from_node": "a"}}}}, "ProcessGraphInvalid", "a -> a"),
        ({"a": {"arguments": {}}}, "ProcessGraphInvalid", "process"),
        ({"a": 3, "b": ADD["add"]}, "ProcessGraphInvalid", "node"),
        ({"a": {"process_id": "add", "arguments": [1, 2]}}, "ProcessGraphInvalid", "arguments"),
    ],
)
def test_graphs(api: Api, graph: Any, code: str | None, words: str) -> None:
    found = api.ask("POST", "/validation", json={"process_graph": graph})["errors"]
    assert [each["code"] for each in found][:1] == ([code] if code else []), found
    if code:
        assert words in found[0]["message"]
        job = api.job(graph)
        assert words in api.refused("POST", f"/jobs/{job}/results", 400, code)


def test_a_validation_without_a_graph_is_no_validation(api: Api) -> None:
    api.refused("POST", "/validation", 400, "ProcessGraphMissing", json={"parameters": []})


def test_undeclared_parameters_are_no_error_before_the_run(api: Api) -> None:
    graph = {"a": {"process_id": "absolute", "arguments": {"x": {"from_parameter": "n"}}, "result": True}}
    assert api.ask("POST", "/validation", json={"process_graph": graph})["errors"] == []
    job = api.job(graph)
    assert "n" in api.refused("POST", f"/jobs/{job}/results", 400, "ProcessParameterRequired")


@pytest.mark.parametrize(
    ("name", "body", "code"),
    [
        ("add", {"process_graph": ADD}, "PredefinedProcessExists"),
        ("with-hyphen", {"process_graph": ADD}, "ProcessInvalid"),
        ("x" * 201, {"process_graph": ADD}, "ProcessInvalid"),
        ("mine", {}, "ProcessGraphMissing"),
        ("mine", {"process_graph": None}, "ProcessGraphMissing"),
        ("mine", {"process_graph": ADD, "public": "yes"}, "RequestInvalid"),
        ("mine", {"process_graph": ADD, "parameters": [{}]}, "ProcessInvalid"),
        ("mine", {"process_graph": ADD, "parameters": [{"name": "x", "schema": 3}]}, "ProcessInvalid"),
        ("mine", {"process_graph": ADD, "returns": []}, "ProcessInvalid"),
        ("mine", {"process_graph": ADD, "categories": "x"}, "ProcessInvalid"),
    ],
)
def test_own_processes(api: Api, name: str, body: Any, code: str) -> None:
    api.refused("PUT", f"/process_graphs/{name}", 400, code, json=body)
    api.refused("GET", "/process_graphs/mine", 404, "ProcessGraphNotFound")
    api.refused("DELETE", "/process_graphs/mine", 404, "ProcessGraphNotFound")


@pytest.mark.parametrize(
    "path",
    ["..%2Fother", "a/..%2F..%2Fb", "%2Fetc/passwd", "a%5Cb", "a%00b", "a//b", "c:x", "%20a", "x" * 501],
)  # fmt: skip
def test_paths_of_files(api: Api, path: str) -> None:
    for method in ("PUT", "GET", "DELETE"):
        url = api.client.base_url.copy_with(raw_path=b"/openeo/files/" + path.encode())
        request = api.client.build_request(method, url, content=b"x" if method == "PUT" else None)
        reply = api.client.send(request)
        assert (reply.status_code, reply.json()["code"]) == (400, "FilePathInvalid"), reply.text
    assert [each.key for each in api.objects.list("users/")] == []


@pytest.mark.parametrize("path", ["", ".", "..", "a/./b", "a/../b", "a\nb", "a/", "/a", "a'b", 'a"b', "\x7f"])
def test_paths_that_clients_would_tidy_up(path: str) -> None:
    files = UserFiles(MemoryObjects(), lambda person: person, 10)
    with pytest.raises(OpenEOFault, match="path is invalid"):
        files.open(Person("local#ada"), path)
    assert files.reference(Person("local#ada"), path) is None


def test_files(api: Api) -> None:
    api.ask("PUT", "/files/a/b.txt", content=b"x" * 400)
    api.refused("PUT", "/files/a", 400, "FileOperationUnsupported", content=b"x")
    api.refused("PUT", "/files/a/b.txt/c", 400, "FilePathInvalid", content=b"x")
    api.refused("GET", "/files/a", 400, "FileOperationUnsupported")
    api.refused("DELETE", "/files/a", 400, "FileOperationUnsupported")
    api.refused("GET", "/files/b", 404, "FileNotFound")
    api.refused("DELETE", "/files/b", 404, "FileNotFound")
    api.refused("PUT", "/files/big", 400, "FileSizeExceeded", content=b"x" * 1001)
    api.refused("PUT", "/files/c", 400, "StorageQuotaExceeded", content=b"x" * 601)
    # Its own old content does not count against a new one.
    api.ask("PUT", "/files/a/b.txt", content=b"x" * 1000)
    assert api.ask("GET", "/me")["storage"] == {"free": 0, "quota": 1000}
    others = {"Authorization": api.token("grace", "secret-g")}
    api.refused("GET", "/files/a/b.txt", 404, "FileNotFound", headers=others)
    assert api.ask("GET", "/files", headers=others)["files"] == []


@pytest.mark.parametrize(
    ("more", "code", "words"),
    [
        ({"type": "WMS"}, "ServiceUnsupported", "WMS"),
        ({"type": None}, "ServiceUnsupported", "type"),
        ({"configuration": []}, "RequestInvalid", "configuration"),
        ({"configuration": {"colour": 1}}, "ServiceConfigUnsupported", "colour"),
        ({"configuration": {"minimum": "low"}}, "ServiceConfigInvalid", "minimum"),
        ({"configuration": {"minimum": True}}, "ServiceConfigInvalid", "minimum"),
        ({"configuration": {"minimum": 5, "maximum": 5}}, "ServiceConfigInvalid", "maximum"),
        ({"configuration": {"resampling": "magic"}}, "ServiceConfigInvalid", "magic"),
        ({"enabled": "no"}, "RequestInvalid", "enabled"),
        ({"process": {"process_graph": {"a": {"process_id": "add"}}}}, "ProcessGraphInvalid", "result"),
        (
            {"process": {"process_graph": {"a": {"process_id": "save_result", "result": True}}}},
            "ProcessGraphInvalid",
            "",
        ),
    ],
)
def test_services(api: Api, more: Any, code: str, words: str) -> None:
    assert words in api.refused("POST", "/services", 400, code, json={"type": "xyz", **PROCESS, **more})
    assert api.ask("GET", "/services")["services"] == []


def test_services_that_are_not_there(api: Api) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("GET", "/logs")):
        more = {"json": {"title": "x"}} if method == "PATCH" else {}
        api.refused(method, f"/services/none{path}", 404, "ServiceNotFound", **more)
    api.refused("GET", "/xyz/none/0/0/0.png", 404, "ServiceNotFound")
    made = api.client.post("/services", json={"type": "XYZ", **PROCESS, "enabled": False})
    name = made.headers["openeo-identifier"]
    api.refused("GET", f"/xyz/{name}/0/0/0.png", 404, "ServiceNotFound")
    api.refused("PATCH", f"/services/{name}", 400, "PropertyNotEditable", json={"type": "wms"})
    api.refused("PATCH", f"/services/{name}", 400, "NoDataForUpdate", json={})
    api.ask("PATCH", f"/services/{name}", 204, json={"enabled": True})
    for tile in ("0/1/0", "0/0/1", "23/0/0", "1/-1/0"):
        api.refused("GET", f"/xyz/{name}/{tile}.png", 404, "NotFound")
    api.refused("GET", f"/xyz/{name}/a/0/0.png", 400, "RequestInvalid")


def test_addresses_and_methods(api: Api) -> None:
    api.refused("GET", "/nothing", 404, "NotFound")
    api.refused("PUT", "/jobs", 501, "FeatureUnsupported")
    api.refused("GET", "/collections/none", 404, "CollectionNotFound")
    api.refused("GET", "/collections/none/queryables", 404, "CollectionNotFound")
    api.refused("GET", "/processes/osc/none", 404, "NotFound")
    api.refused("GET", "/processes/u00/none", 404, "NotFound")
    api.refused("GET", "/results/none/x/y", 404, "JobNotFound")
    job = api.job()
    api.refused("GET", f"/results/{job}/ffffffff-00/collection.json", 403, "TokenInvalid")
    api.refused("GET", f"/results/{job}/zz/collection.json", 403, "TokenInvalid")


def test_what_takes_too_long_at_once_is_ended(api: Api) -> None:
    """No worker takes jobs up here."""
    assert "batch" in api.refused("POST", "/result", 408, "RequestTimeout", json=PROCESS)
    assert api.jobs.listing()[0].state.value == "dismissed"


def test_faults_keep_their_fields_across_processes() -> None:
    import pickle

    fault = pickle.loads(pickle.dumps(OpenEOFault("JobNotFound", "Look again.", identifier="x")))
    assert (fault.openeo, fault.status, str(fault)) == (
        "JobNotFound",
        404,
        "The batch job 'x' does not exist. Look again.",
    )
    assert code_of(fault.problem) == "JobNotFound"
