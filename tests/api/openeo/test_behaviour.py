"""What the routes do when they are asked rightly: CORS, pages, lives of jobs, sharing of processes, signed links."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from terrafair.api.openeo import job_log
from terrafair.api.openeo.batch import status_of
from terrafair.api.openeo.faults import OpenEOFault, fault_of
from terrafair.api.openeo.signing import Signer, secret
from terrafair.errors import WorkflowFailed
from terrafair.execution import logs
from terrafair.execution.job import Asset, Job, JobRequest, Results, Started, State, Succeeded, Usage
from terrafair.execution.logs import Line

from .conftest import ADD, Api

EXPOSED = {"Link", "Location", "OpenEO-Costs", "OpenEO-Identifier"}


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/", {"GET"}),
        ("/jobs", {"GET", "POST"}),
        ("/jobs/x", {"GET", "PATCH", "DELETE"}),
        ("/jobs/x/results", {"GET", "POST", "DELETE"}),
        ("/files/a/b/c.txt", {"GET", "PUT", "DELETE"}),
        ("/process_graphs/x", {"GET", "PUT", "DELETE"}),
        ("/result", {"POST"}),
        ("/nothing", {"GET", "POST", "PATCH", "PUT", "DELETE"}),
    ],
)
def test_preflight(api: Api, path: str, methods: set[str]) -> None:
    asked = {"Origin": "https://editor.example", "Access-Control-Request-Method": "GET", "Authorization": ""}
    reply = api.client.options(path, headers=asked)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply.headers["access-control-allow-origin"] == "*"
    assert set(reply.headers["access-control-allow-methods"].split(", ")) == {"OPTIONS", *methods}
    assert {"Authorization", "Content-Type"} <= set(reply.headers["access-control-allow-headers"].split(", "))


@pytest.mark.parametrize("path", ["/", "/jobs", "/nothing", "/me", "/collections/none"])
def test_every_answer_may_be_read_by_any_page(api: Api, path: str) -> None:
    reply = api.client.get(path, headers={"Authorization": "", "Origin": "https://editor.example"})
    assert reply.headers["access-control-allow-origin"] == "*"
    assert set(reply.headers["access-control-expose-headers"].split(", ")) >= EXPOSED
    assert "access-control-allow-credentials" not in reply.headers


def test_capabilities_list_what_is_there(api: Api) -> None:
    listed = {each["path"]: set(each["methods"]) for each in api.ask("GET", "/")["endpoints"]}
    assert listed["/jobs/{job_id}/results"] == {"GET", "POST", "DELETE"}
    assert listed["/files/{path}"] == {"GET", "PUT", "DELETE"}
    # No provider is configured here, and the API wants one at least in the list.
    assert "/credentials/oidc" not in listed
    assert not [path for path in listed if path.startswith(("/xyz", "/results/", "/processes/"))]


def test_collections(api: Api) -> None:
    [listed] = api.ask("GET", "/collections")["collections"]
    assert listed["id"] == "tiny" and "cube:dimensions" not in listed
    whole = api.ask("GET", "/collections/tiny")
    assert whole["cube:dimensions"]["bands"]["values"] == ["B04", "B08"]
    assert {link["rel"]: link["href"] for link in whole["links"]} == {
        "self": "http://platform.example/openeo/collections/tiny",
        "root": "http://platform.example/openeo/",
        "license": "https://x.example/licence",
    }


def test_pages(api: Api) -> None:
    names = [api.job(title=str(number)) for number in range(5)]
    seen: list[str] = []
    url: str | None = "/jobs?limit=2"
    while url:
        page = api.ask("GET", url)
        assert len(page["jobs"]) <= 2
        seen += [each["id"] for each in page["jobs"]]
        url = next((link["href"] for link in page["links"] if link["rel"] == "next"), None)
    assert [name for name in seen if name in names] == names[::-1]
    assert len(seen) == len(set(seen))


def test_a_job_from_submission_to_restart(api: Api) -> None:
    name = api.job(title="Sum", description="1 + 2", budget=3.5, log_level="warning", **{"x:own": 1})
    shown = api.ask("GET", f"/jobs/{name}")
    assert (shown["status"], shown["budget"], shown["log_level"]) == ("created", 3.5, "warning")
    assert shown["process"] == {"process_graph": ADD} and "progress" not in shown
    api.ask("PATCH", f"/jobs/{name}", 204, json={"title": None, "budget": None, "process": {"process_graph": ADD}})
    assert "title" not in api.ask("GET", f"/jobs/{name}")
    assert api.ask("GET", f"/jobs/{name}/estimate")["costs"] == 0
    api.ask("POST", f"/jobs/{name}/results", 202)
    assert api.ask("GET", f"/jobs/{name}")["status"] == "queued"
    [job] = [each for each in api.jobs.listing() if each.request.subject == "process-graph.json"][:1]
    # A second start has no effect.
    before = len(api.jobs.listing())
    api.ask("POST", f"/jobs/{name}/results", 202)
    assert len(api.jobs.listing()) == before
    finish(api, job.id)
    shown = api.ask("GET", f"/jobs/{name}")
    assert (shown["status"], shown["progress"]) == ("finished", 100)
    assert {link["rel"] for link in shown["links"]} == {"monitor", "result"}
    found = api.ask("GET", f"/jobs/{name}/results")
    assert found["openeo:status"] == "finished" and found["id"] == name
    old = found["assets"]["sum.json"]["href"]
    assert api.client.get(old, headers={"Authorization": ""}).json() == 3
    whole = old.replace("outputs/sum.json", "items/sum.json")
    content = api.client.get(whole).content
    size = len(content)
    for wanted, part in (("0-3", content[:4]), ("5-", content[5:]), ("-4", content[-4:]), ("0-999999", content)):
        reply = api.client.get(whole, headers={"Range": f"bytes={wanted}"})
        assert (reply.status_code, reply.content) == (206, part)
        assert reply.headers["content-range"].endswith(f"/{size}") and reply.headers["accept-ranges"] == "bytes"
    assert api.client.get(whole, headers={"Range": f"bytes={size}-"}).status_code == 416
    for odd in ("bytes=-", "bytes=0-1,3-4", "lines=1-2", "bytes=x-y"):
        assert api.client.get(whole, headers={"Range": odd}).content == content
    head = api.client.head(whole)
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
    api.ask("POST", f"/jobs/{name}/results", 202)
    assert api.ask("GET", f"/jobs/{name}")["status"] == "queued"
    api.refused("GET", old, 403, "TokenInvalid")
    # What was computed stays with its provenance, though the job shows its new run.
    assert api.objects.get(f"jobs/{job.id}/outputs/sum.json") == b"3"
    api.ask("DELETE", f"/jobs/{name}/results", 204)
    assert api.ask("GET", f"/jobs/{name}")["status"] == "created"
    api.ask("DELETE", f"/jobs/{name}", 204)
    api.refused("GET", f"/jobs/{name}", 404, "JobNotFound")


def test_results_are_data_for_other_graphs(api: Api) -> None:
    name = api.job()
    base = "http://platform.example/openeo"

    def errors(url: str, **more: Any) -> list[str]:
        graph = {"a": {"process_id": "load_stac", "arguments": {"url": url}, "result": True}}
        found = api.ask("POST", "/validation", json={"process_graph": graph}, **more)["errors"]
        return [each["code"] for each in found]

    assert errors(f"{base}/jobs/{name}/results") == ["JobNotStarted"]
    api.ask("POST", f"/jobs/{name}/results", 202)
    assert errors(f"{base}/jobs/{name}/results") == ["JobNotFinished"]
    job = api.jobs.listing()[0].id
    finish(api, job)
    links = api.ask("GET", f"/jobs/{name}/results")["links"]
    canonical = next(link["href"] for link in links if link["rel"] == "canonical")
    others = {"Authorization": api.token("grace", "secret-g")}
    assert errors(canonical) == errors(f"{base}/jobs/{name}/results") == errors(canonical, headers=others) == []
    # Whom the link was given to may use it; the job itself is its owner's.
    assert errors(f"{base}/jobs/{name}/results", headers=others) == ["JobNotFound"]
    assert errors(canonical.replace("/results/j-", "/results/j-0")) == ["JobNotFound"]
    graph = {"a": {"process_id": "load_stac", "arguments": {"url": canonical}, "result": True}}
    api.ask("POST", f"/jobs/{api.job(graph)}/results", 202, headers={})
    request = api.jobs.listing()[0].request
    document = json.loads(api.objects.get(api.objects.key_of(request.file) or ""))
    assert document["process_graph"]["a"]["arguments"]["url"] == api.objects.url(f"jobs/{job}/collection.json")


def finish(api: Api, name: str) -> None:
    """What a worker would do."""
    prefix = f"jobs/{name}"
    item = {"assets": {"sum": {"href": "../outputs/sum.json", "type": "application/json", "roles": ["data"]}}}
    collection = {
        "type": "Collection", "stac_version": "1.1.0", "id": name, "description": "x", "license": "other",
        "extent": {"spatial": {"bbox": [[0, 0, 1, 1]]}, "temporal": {"interval": [[None, None]]}},
        "links": [{"rel": "item", "href": "./items/sum.json"}, {"rel": "root", "href": "./collection.json"}],
    }  # fmt: skip
    api.objects.put(f"{prefix}/outputs/sum.json", b"3", "application/json")
    api.objects.put(f"{prefix}/items/sum.json", json.dumps(item).encode())
    api.objects.put(f"{prefix}/collection.json", json.dumps(collection).encode())
    asset = Asset("sum.json", f"{prefix}/outputs/sum.json", "application/json", 1, "0" * 64)
    results = Results(prefix, f"{prefix}/collection.json", (f"{prefix}/items/sum.json",), (asset,))
    api.jobs.apply(name, Started("2026-01-01T00:00:00.000Z"))
    api.jobs.apply(name, Succeeded("2026-01-01T00:00:02.000Z", results, Usage(2.0, 1.5, 2**20)))


def test_two_starts_in_one_moment_make_one_run(api: Api) -> None:
    name = api.job()
    replies: list[int] = []
    ask = lambda: replies.append(api.client.post(f"/jobs/{name}/results").status_code)  # noqa: E731
    threads = [threading.Thread(target=ask) for _ in range(4)]
    before = {job.id for job in api.jobs.listing()}
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert replies == [202] * 4
    new = [job for job in api.jobs.listing() if job.id not in before]
    assert [job.state for job in new].count(State.ACCEPTED) == 1


def test_the_states_in_openeos_words() -> None:
    job = Job("x", JobRequest("x"), "now")
    assert status_of(None) == "created"
    assert status_of(job) == "queued"
    assert status_of(replace(job, state=State.RUNNING)) == "running"
    assert status_of(replace(job, state=State.RUNNING, cancelling=True)) == "canceled"
    assert status_of(replace(job, state=State.SUCCESSFUL)) == "finished"
    assert status_of(replace(job, state=State.FAILED)) == "error"
    assert status_of(replace(job, state=State.DISMISSED)) == "created"
    assert status_of(replace(job, state=State.DISMISSED, usage=Usage(1.0))) == "canceled"


def test_logs_by_level_and_page(api: Api) -> None:
    name = api.job(log_level="info")
    api.ask("POST", f"/jobs/{name}/results", 202)
    job = api.jobs.listing()[0].id
    api.jobs.folder(job).mkdir(parents=True, exist_ok=True)
    for number in range(30):
        level = ("debug", "info", "warning", "error")[number % 4]
        logs.say(api.jobs.log_file(job), f"line {number}", level)
    every = api.ask("GET", f"/jobs/{name}/logs")
    assert every["level"] == "info" and len(every["logs"]) == 22
    assert [each["message"] for each in api.ask("GET", f"/jobs/{name}/logs?level=error")["logs"]][:2] == [
        "line 3",
        "line 7",
    ]
    seen: list[str] = []
    url: str | None = f"/jobs/{name}/logs?limit=5&level=warning"
    while url:
        page = api.ask("GET", url)
        seen += [each["id"] for each in page["logs"]]
        url = next((link["href"] for link in page["links"]), None)
    assert len(seen) == len(set(seen)) == 14
    # The id of another run counts as none.
    assert api.ask("GET", f"/jobs/{name}/logs?offset=other-20")["logs"] == every["logs"]
    assert api.ask("GET", f"/jobs/{name}/logs?offset={every['logs'][-1]['id']}")["logs"] == []


def test_a_log_of_many_lines_is_not_read_at_once() -> None:
    asked: list[int] = []

    def read(since: int, count: int) -> list[Line]:
        asked.append(since)
        return [Line(n, "", "info", "x") for n in range(since, min(since + count, 100_000))]

    found, more = job_log.page(read, run="r", after="r-49999", level="info", limit=10)
    assert [each["id"] for each in found] == [f"r-{n}" for n in range(50_000, 50_010)]
    assert more and asked == [50_000]


def test_steps_of_progress_are_no_entries() -> None:
    lines = [Line(0, "", "info", "begins"), Line(1, "", "info", "", 0.5), Line(2, "", "info", "ends", 1.0)]
    found, more = job_log.page(
        lambda since, count: lines[since : since + count], run="r", after="", level="info", limit=2
    )
    assert [each["message"] for each in found] == ["begins", "ends"] and not more


def test_processes_are_shared_as_their_owner_wants(api: Api) -> None:
    """Ada's public process calls another one of hers; Grace's of the same name has nothing to do with it."""
    grace = {"Authorization": api.token("grace", "secret-g")}
    one = {"n": {"process_id": "constant", "arguments": {"x": 1}, "result": True}}
    two = {"n": {"process_id": "constant", "arguments": {"x": 2}, "result": True}}
    outer = {"n": {"process_id": "inner", "arguments": {}, "result": True}}
    api.ask("PUT", "/process_graphs/inner", json={"process_graph": one, "public": True})
    api.ask("PUT", "/process_graphs/outer", json={"process_graph": outer, "public": True})
    api.ask("PUT", "/process_graphs/inner", json={"process_graph": two}, headers=grace)
    person = api.ask("GET", "/me")["user_id"]
    listed = api.client.get(f"/processes/{person}", headers={"Authorization": ""}).json()["processes"]
    assert {"inner", "outer"} <= {each["id"] for each in listed}
    graph = {
        "hers": {"process_id": "outer", "namespace": person, "arguments": {}},
        "mine": {"process_id": "inner", "arguments": {}},
        "both": {
            "process_id": "add",
            "arguments": {"x": {"from_node": "hers"}, "y": {"from_node": "mine"}},
            "result": True,
        },
    }
    made = api.client.post("/jobs", json={"process": {"process_graph": graph}}, headers=grace)
    api.ask("POST", f"/jobs/{made.headers['openeo-identifier']}/results", 202, headers=grace)
    request = api.jobs.listing()[0].request
    document = json.loads(api.objects.get(api.objects.key_of(request.file) or ""))
    base = f"http://platform.example/openeo/processes/{person}"
    assert {key: each["process_graph"]["n"] for key, each in document["definitions"].items()} == {
        f"{base}/outer": {"process_id": "inner", "namespace": base, "arguments": {}, "result": True},
        f"{base}/inner": one["n"],
        "inner": two["n"],
    }
    from terrafair.execution.engines.openeo.evaluate import compute

    found = compute({"process_graph": document["process_graph"]}, udps=document["definitions"])
    assert found == {"both": 3}
    # What is not public is nobody else's.
    api.ask("PUT", "/process_graphs/inner", json={"process_graph": one})
    assert api.client.get(f"/processes/{person}/inner").status_code == 404


def test_a_process_at_an_address_of_the_web(api: Api) -> None:
    api.documents["https://x.example/udp.json"] = json.dumps({"id": "far", "process_graph": ADD}).encode()
    graph = {"a": {"process_id": "far", "namespace": "https://x.example/udp.json", "arguments": {}, "result": True}}
    assert api.ask("POST", "/validation", json={"process_graph": graph})["errors"] == []
    name = api.job(graph)
    api.ask("POST", f"/jobs/{name}/results", 202)
    request = api.jobs.listing()[0].request
    document = json.loads(api.objects.get(api.objects.key_of(request.file) or ""))
    assert document["definitions"]["https://x.example/udp.json"]["process_graph"] == ADD


def test_links_end_and_cannot_be_made_up(api: Api) -> None:
    moments = [1000.0]
    signer = Signer(b"key", lambda: moments[0])
    ticket = signer.sign("thing", 60)
    signer.check("thing", ticket)
    for thing, other in (("other", ticket), ("thing", ticket[:-1] + "x"), ("thing", "fff-" + ticket.partition("-")[2])):
        with pytest.raises(OpenEOFault) as refused:
            signer.check(thing, other)
        assert refused.value.openeo == "TokenInvalid"
    moments[0] += 61
    with pytest.raises(OpenEOFault) as expired:
        signer.check("thing", ticket)
    assert (expired.value.openeo, expired.value.status) == ("ResultLinkExpired", 410)
    assert secret(api.engine) == secret(api.engine) and len(secret(api.engine)) == 32


def test_files_are_found_by_graphs_through_a_name_that_nobody_can_guess(api: Api) -> None:
    api.ask("PUT", "/files/code/udf.py", content=b"def apply_datacube(cube, context): return cube")
    graph: dict[str, Any] = {
        "load": {
            "process_id": "load_collection",
            "arguments": {"id": "tiny", "spatial_extent": None, "temporal_extent": None},
        },
        "run": {
            "process_id": "run_udf",
            "arguments": {"data": {"from_node": "load"}, "udf": "code/udf.py", "runtime": "Python"},
            "result": True,
        },
    }
    name = api.job(graph)
    api.ask("POST", f"/jobs/{name}/results", 202)
    request = api.jobs.listing()[0].request
    document = json.loads(api.objects.get(api.objects.key_of(request.file) or ""))
    reference = document["process_graph"]["run"]["arguments"]["udf"]
    key = api.objects.key_of(reference) or ""
    assert api.objects.get(key).startswith(b"def apply") and api.ask("GET", "/me")["user_id"] not in key
    api.ask("DELETE", "/files/code/udf.py", 204)


def test_too_little_memory_is_told_to_the_caller() -> None:
    """The graph can be mended; a fault of the server could not."""
    status, code, message = fault_of(WorkflowFailed("It needs more memory.", where="udf", code="memory-exhausted"))
    assert (status, code) == (400, "ProcessGraphComplexity") and "more memory" in message
