"""Targets over real HTTP: an openEO back-end, a Processes server of another make, and those that say no."""

import json
import re
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from terrafair.errors import InvalidInput, NotFound, Refused
from terrafair.execution.command import Limits
from terrafair.execution.engines.remote.child import run
from terrafair.execution.engines.remote.delegation import Delegation
from terrafair.execution.engines.remote.engine import CREDENTIAL, RemoteEngine
from terrafair.execution.engines.remote.openeo import filled
from terrafair.execution.engines.remote.processes import ProcessesServer
from terrafair.execution.engines.report import Report
from terrafair.execution.task import JobFolder, Outcome, Task
from terrafair.identity.access import Actor
from terrafair.identity.asking import Asker, actor, asking
from terrafair.workflows.workflow import Application, CodeLocation, InputSpec, Resolution, WorkflowType

Answer = tuple[int, Any, dict[str, str]]
GRAPH = {
    "load": {"process_id": "load_collection", "arguments": {"id": "S2", "temporal_extent": {"from_parameter": "time"}}},
    "reduce": {
        "process_id": "reduce_dimension",
        "arguments": {
            "data": {"from_node": "load"},
            "reducer": {"process_graph": {"mean": {
                "process_id": "mean", "arguments": {"data": {"from_parameter": "data"}}, "result": True}}},
        },
        "result": True,
    },
}  # fmt: skip
CWL = b"cwlVersion: v1.2\nclass: CommandLineTool\nid: tool\nbaseCommand: [true]\ninputs: {}\noutputs: {}\n"


class Elsewhere:
    """A server whose answers a test gives: (method, path pattern) -> function of (path, body)."""

    def __init__(self) -> None:
        self.routes: list[tuple[str, str, Callable[[str, Any], Answer]]] = []
        self.seen: list[tuple[str, str, Any, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                body = json.loads(content) if "json" in self.headers.get("Content-Type", "") and content else content
                path = self.path.partition("?")[0]
                outer.seen.append((self.command, path, body, self.headers.get("Authorization", "")))
                found = [
                    give
                    for method, wanted, give in outer.routes
                    if method == self.command and re.fullmatch(wanted, path)
                ]
                status, document, headers = found[0](path, body) if found else (404, {"title": "nothing"}, {})
                answer = (
                    document
                    if isinstance(document, bytes)
                    else json.dumps(document).encode()
                    if document is not None
                    else b""
                )
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_DELETE = do_PUT = answer  # noqa: N815 - the library's names

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def on(self, method: str, path: str, document: Any = None, status: int = 200, **headers: str) -> None:
        self.routes.insert(0, (method, path, lambda *_: (status, document, headers)))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    server = Elsewhere()
    yield server
    server.close()


def graph() -> Resolution:
    content = json.dumps({"process_graph": GRAPH}).encode()
    application = Application(WorkflowType.OPENEO, CodeLocation("graph.json"), content, "", "a" * 64)
    inputs = (InputSpec("time", {"type": "array"}),)
    return Resolution("mean", "workflow", "Mean", "mean", WorkflowType.OPENEO, application, inputs)


def tool() -> Resolution:
    application = Application(WorkflowType.CWL, CodeLocation("tool.cwl"), CWL, "", "b" * 64)
    return Resolution("tool", "workflow", "Tool", "tool", WorkflowType.CWL, application)


def openeo(server: Elsewhere) -> None:
    """An openEO back-end whose job is finished at the second look."""
    endpoints = [{"path": "/jobs", "methods": ["GET", "POST"]}, {"path": "/processes", "methods": ["GET"]}]
    server.on("GET", "/", {"api_version": "1.2.0", "endpoints": endpoints})
    known = [{"id": name} for name in ("load_collection", "reduce_dimension", "mean")]
    server.on("GET", "/processes", {"processes": known, "links": []})
    server.on("POST", "/jobs", None, 201, Location=f"{server.url}/jobs/j1", **{"OpenEO-Identifier": "j1"})
    server.on("POST", "/jobs/j1/results", None, 202)
    states = iter(["queued", "running"])
    server.routes.insert(
        0, ("GET", "/jobs/j1", lambda *_: (200, {"id": "j1", "status": next(states, "finished"), "progress": 50}, {}))
    )
    server.on("GET", "/jobs/j1/logs", {"logs": [{"id": "1", "level": "info", "message": "tiles read"}], "links": []})
    assets = {
        "out.tif": {"href": f"{server.url}/files/out.tif", "type": "image/tiff"},
        "b": {"href": "../../files/b.txt"},
    }
    server.on("GET", "/jobs/j1/results", {"type": "Feature", "stac_version": "1.0.0", "assets": assets, "links": []})
    server.on("GET", "/files/out.tif", b"II*\x00 no picture", **{"Content-Type": "image/tiff"})
    server.on("GET", "/files/b.txt", b"hello", **{"Content-Type": "text/plain"})


class NoStager:
    def file(self, reference: str, into: Path) -> Path:
        raise AssertionError(reference)

    def stac(self, reference: str, into: Path) -> Path:
        raise AssertionError(reference)


def delegation(server: Elsewhere, token: str = "") -> Delegation:
    return Delegation({"there": server.url, "dead": "http://127.0.0.1:9"}, {"there": token} if token else {})


def execute(
    server: Elsewhere, resolution: Resolution, values: dict[str, Any], folder: Path, token: str = ""
) -> tuple[Outcome, str]:
    targets = delegation(server, token)
    found = targets.delegate(resolution, "there")
    assert found.executable, found.reasons
    job = JobFolder(folder).create()
    RemoteEngine(targets, NoStager(), lambda reference: False).prepare(found, values, job, Limits(), lambda _: None)
    with (folder / "said").open("w") as said:
        outcome = run(Task.read(job.task), job, Report(said))
    return outcome, (folder / "said").read_text()


def test_a_name_and_a_password_become_a_token_at_an_openeo_back_end(elsewhere: Elsewhere, tmp_path: Path) -> None:
    openeo(elsewhere)
    elsewhere.on("GET", "/credentials/basic", {"access_token": "t0ken"})
    outcome, _ = execute(elsewhere, graph(), {"time": ["2024-01-01", "2024-02-01"]}, tmp_path / "job", "ada:pw")
    assert outcome.successful
    shown = {(path.partition("?")[0], sent) for _, path, _, sent in elsewhere.seen}
    basic = "Basic " + b64encode(b"ada:pw").decode()
    assert {path for path, sent in shown if sent == basic} == {"/credentials/basic"}
    assert ("/", "") in shown
    assert ("/jobs", "Bearer basic//t0ken") in shown


def test_a_back_end_that_gives_no_token_says_so(elsewhere: Elsewhere) -> None:
    openeo(elsewhere)
    elsewhere.on("GET", "/credentials/basic", {"token": "another name"})
    (reason,) = delegation(elsewhere, "ada:pw").delegate(graph(), "there").reasons
    assert "gave no token" in reason.what


def test_an_openeo_back_end(elsewhere: Elsewhere, tmp_path: Path) -> None:
    openeo(elsewhere)
    outcome, said = execute(
        elsewhere, graph(), {"time": ["2024-01-01", "2024-02-01"]}, tmp_path / "job", "secret-token"
    )
    assert outcome.successful
    assert outcome.outputs == {"out.tif": "out.tif", "b": "b.txt"}
    assert (tmp_path / "job/outputs/b.txt").read_text() == "hello"
    assert said.count("tiles read") == 1
    (body,) = [body for method, path, body, _ in elsewhere.seen if (method, path) == ("POST", "/jobs")]
    sent = body["process"]["process_graph"]
    assert sent["load"]["arguments"]["temporal_extent"] == ["2024-01-01", "2024-02-01"]
    assert sent["reduce"] == GRAPH["reduce"]
    assert {authorised for _, path, _, authorised in elsewhere.seen if path == "/jobs"} == {"Bearer secret-token"}
    assert "secret-token" not in (tmp_path / "job/task.json").read_text()
    assert not (tmp_path / "job" / CREDENTIAL).exists()
    assert "secret-token" not in said


def test_a_job_that_was_started_is_found_again(elsewhere: Elsewhere, tmp_path: Path) -> None:
    openeo(elsewhere)
    execute(elsewhere, graph(), {"time": []}, tmp_path / "job")
    _, said = execute(elsewhere, graph(), {"time": []}, tmp_path / "job")
    assert "is found again" in said
    assert len([1 for method, path, *_ in elsewhere.seen if (method, path) == ("POST", "/jobs")]) == 1


def test_the_credential_waits_for_the_platforms_own_user_only(elsewhere: Elsewhere, tmp_path: Path) -> None:
    openeo(elsewhere)
    targets = delegation(elsewhere, "secret-token")
    job = JobFolder(tmp_path / "job").create()
    engine = RemoteEngine(targets, NoStager(), lambda reference: False)
    command = engine.prepare(targets.delegate(graph(), "there"), {"time": []}, job, Limits(), lambda _: None)
    assert (job.path / CREDENTIAL).stat().st_mode & 0o777 == 0o600
    assert "secret-token" not in repr(command)
    assert "secret-token" not in repr(targets.target("there"))


def test_a_person_is_known_there_under_their_own_name(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """Whoever asks shows their exchanged token: for the verdict, and in the job, which has its author's rights."""
    openeo(elsewhere)
    tokens = {"ada": "token-of-ada"}
    targets = Delegation(
        {"there": elsewhere.url}, {"there": "of-the-platform"}, lambda _: tokens.get(actor().person, ""),
        allow_private=True,
    )  # fmt: skip
    for who, shown in (("ada", "token-of-ada"), ("dee", "of-the-platform")):
        elsewhere.seen.clear()
        with asking(Asker(Actor(who))):
            found = targets.delegate(graph(), "there")
            assert found.executable
            folder = JobFolder(tmp_path / who).create()
            engine = RemoteEngine(targets, NoStager(), lambda reference: False)
            engine.prepare(found, {"time": ["2020", "2021"]}, folder, Limits(), lambda _: None)
        assert {authorization for *_, authorization in elsewhere.seen} == {f"Bearer {shown}"}
        assert json.loads((folder.path / CREDENTIAL).read_text())["token"] == shown


def test_what_a_back_end_lacks_is_named(elsewhere: Elsewhere) -> None:
    openeo(elsewhere)
    elsewhere.on("GET", "/processes", {"processes": [{"id": "load_collection"}], "links": []})
    elsewhere.on("GET", "/", {"api_version": "1.2.0", "endpoints": []})
    reasons = delegation(elsewhere).delegate(graph(), "there").reasons
    assert {reason.where for reason in reasons} == {"", "reduce_dimension", "mean"}
    (reason,) = delegation(elsewhere).delegate(tool(), "there").reasons
    assert "cwl" in reason.what


def test_a_failure_there_has_its_last_words(elsewhere: Elsewhere, tmp_path: Path) -> None:
    openeo(elsewhere)
    elsewhere.on("GET", "/jobs/j1", {"id": "j1", "status": "error"})
    elsewhere.on("GET", "/jobs/j1/logs", {"logs": [{"id": "9", "level": "error", "message": "out of luck"}]})
    outcome, _ = execute(elsewhere, graph(), {"time": []}, tmp_path / "job")
    assert not outcome.successful
    assert outcome.problems[0].what == "there: out of luck"


def processes(server: Elsewhere, classes: list[str]) -> None:
    """A Processes server as others write it: no metadata, no log, results by value and by link."""
    server.on("GET", "/", {"title": "Other", "links": []})
    server.on("GET", "/conformance", {"conformsTo": classes})
    server.on("POST", "/processes", {"id": "tool", "version": "1"}, 201)
    server.on("POST", "/processes/tool.*/execution", {"jobID": "7", "status": "accepted", "type": "process"}, 201,
              Location=f"{server.url}/jobs/7")  # fmt: skip
    states = iter(["running"])
    server.routes.insert(
        0,
        (
            "GET",
            "/jobs/7",
            lambda *_: (200, {"jobID": "7", "type": "process", "status": next(states, "successful")}, {}),
        ),
    )
    results = {
        "count": 5,
        "about": {"value": {"a": 1}},
        "several": [{"href": "/files/1/x.txt", "type": "text/plain"}, {"href": "/files/2/x.txt", "type": "text/plain"}],
    }
    server.on("GET", "/jobs/7/results", results)
    for number in (1, 2):
        server.on("GET", f"/files/{number}/x.txt", f"file {number}".encode(), **{"Content-Type": "text/plain"})


DRU = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf/deploy-replace-undeploy"


def test_a_processes_server_of_another_make(elsewhere: Elsewhere, tmp_path: Path) -> None:
    processes(elsewhere, [DRU])
    outcome, _ = execute(elsewhere, tool(), {"x": 1}, tmp_path / "job")
    assert outcome.successful
    assert json.loads((tmp_path / "job/outputs/values.json").read_text()) == {"count": 5, "about": {"a": 1}}
    assert outcome.outputs["several[0]"] == "x.txt"
    assert (tmp_path / "job/outputs/x-2.txt").read_text() == "file 2"
    (package,) = [body for method, path, body, _ in elsewhere.seen if (method, path) == ("POST", "/processes")]
    assert package["executionUnit"]["value"] == CWL.decode()
    (order,) = [body for method, path, body, _ in elsewhere.seen if path == "/processes/tool/execution"]
    assert order["inputs"] == {"x": 1}


def test_a_listing_of_outputs_as_pygeoapi_gives_it(elsewhere: Elsewhere) -> None:
    link = {"id": "map", "href": f"{elsewhere.url}/map.tif", "type": "image/tiff"}
    elsewhere.on("GET", "/jobs/1/results", {"outputs": [{"id": "echo", "value": "Hello"}, link]})
    with delegation(elsewhere).connect("there") as connection:
        echo, file = ProcessesServer(connection).outputs(f"{elsewhere.url}/jobs/1")
    assert (echo.name, echo.value) == ("echo", "Hello")
    assert (file.name, file.href) == ("map", link["href"])


def test_another_version_is_deployed_beside(elsewhere: Elsewhere) -> None:
    processes(elsewhere, [DRU])
    elsewhere.on(
        "GET", "/processes/tool", {"id": "tool", "metadata": [{"role": "digest", "title": "sha256:" + "c" * 64}]}
    )
    found = delegation(elsewhere).delegate(tool(), "there")
    assert re.fullmatch(r"tool-[0-9a-f]{8}", found.configuration["plan"]["process"])


def test_a_server_that_takes_no_packages(elsewhere: Elsewhere) -> None:
    processes(elsewhere, [])
    (reason,) = delegation(elsewhere).delegate(tool(), "there").reasons
    assert reason.code == "target-lacks-process"
    (reason,) = delegation(elsewhere).delegate(graph(), "there").reasons
    assert reason.code == "target-lacks-process"


def test_targets_that_say_no(elsewhere: Elsewhere) -> None:
    (reason,) = delegation(elsewhere).delegate(tool(), "dead").reasons
    assert reason.code == "unreachable"
    elsewhere.on("GET", "/", {"title": "x"}, 401)
    (reason,) = delegation(elsewhere).delegate(tool(), "there").reasons
    assert "target_tokens" in reason.remedy
    with pytest.raises(NotFound, match="there, dead"):
        delegation(elsewhere).delegate(tool(), "nowhere")


def test_the_credential_goes_to_its_own_origin_only(elsewhere: Elsewhere, tmp_path: Path) -> None:
    other = Elsewhere()
    try:
        processes(elsewhere, [DRU])
        other.on("GET", "/steal", {"x": 1})
        elsewhere.on("GET", "/jobs/7/results", {"made": {"href": f"{other.url}/steal", "type": "text/plain"}})
        with pytest.raises(Refused):
            # Another origin is a reference like any other: private places are refused.
            execute(elsewhere, tool(), {}, tmp_path / "job", "secret-token")
        assert other.seen == []
    finally:
        other.close()


def test_a_job_that_leads_elsewhere_is_not_followed(elsewhere: Elsewhere, tmp_path: Path) -> None:
    processes(elsewhere, [DRU])
    elsewhere.on("POST", "/processes/tool/execution", {"jobID": "7"}, 201, Location="http://127.0.0.1:9/jobs/7")
    with pytest.raises(Refused):
        execute(elsewhere, tool(), {}, tmp_path / "job")


def test_a_refusal_there_keeps_its_words(elsewhere: Elsewhere, tmp_path: Path) -> None:
    processes(elsewhere, [DRU])
    problems = [{"what": "x is no number.", "where": "x"}]
    elsewhere.on("POST", "/processes/tool/execution", {"title": "No.", "problems": problems}, 400)
    with pytest.raises(InvalidInput) as caught:
        execute(elsewhere, tool(), {"x": "y"}, tmp_path / "job")
    assert [problem.what for problem in caught.value.problems] == ["x is no number."]


def test_large_results_stay_where_they_are(elsewhere: Elsewhere, tmp_path: Path) -> None:
    processes(elsewhere, [DRU])
    targets = delegation(elsewhere)
    job = JobFolder(tmp_path / "job").create()
    engine = RemoteEngine(targets, NoStager(), lambda reference: False)
    engine.prepare(targets.delegate(tool(), "there"), {}, job, Limits(file_size=3), lambda _: None)
    with (tmp_path / "said").open("w") as said:
        outcome = run(Task.read(job.task), job, Report(said))
    assert outcome.successful
    named = json.loads((job.outputs / "references.json").read_text())
    assert named["x.txt"] == f"{elsewhere.url}/files/1/x.txt"


def test_parameters_of_callbacks_keep_their_names() -> None:
    assert filled({"a": {"from_parameter": "x"}, "b": [{"from_parameter": "data"}]}, {"x": [1]}) == {
        "a": [1],
        "b": [{"from_parameter": "data"}],
    }
