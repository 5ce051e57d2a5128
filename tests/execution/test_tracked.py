"""What programs track with MLflow: read from its file store, bounded, compared, passed on to a server."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from terrafair.errors import Unreachable
from terrafair.execution.job import Job, JobRequest, Owner
from terrafair.execution.tracked import POINTS, RUNS, collect, read, surroundings
from terrafair.execution.tracking_server import JOB_TAG, TrackingServer
from terrafair.portal.metric_chart import tracked


def store(work: Path, name: str = "brave-owl", losses: int = 3) -> Path:
    """A run as MLflow 2 and 3 write it."""
    run = work / "mlruns/417/0a1b2c"
    for folder in ("params", "metrics/val", "tags", "artifacts/model"):
        (run / folder).mkdir(parents=True)
    (work / "mlruns/417/meta.yaml").write_text("experiment_id: '417'\nname: water\n")
    (run / "meta.yaml").write_text(f"run_name: {name}\nstatus: 3\nstart_time: 1700000000000\n")
    (run / "params/depth").write_text("3")
    lines = [f"{1700000000000 + step} {1 / (step + 1)} {step}" for step in range(losses)]
    (run / "metrics/loss").write_text("\n".join(lines))
    (run / "metrics/val/accuracy").write_text("1700000000000 0.9 0\n1700000000500 nan 1\nnonsense\n")
    (run / "artifacts/model/model.onnx").write_bytes(b"onnx")
    return run


def test_runs_are_read_and_artefacts_become_results(tmp_path: Path) -> None:
    store(tmp_path / "work")
    (tmp_path / "outputs").mkdir()
    assert surroundings(tmp_path / "work")["MLFLOW_TRACKING_URI"] == f"file://{tmp_path}/work/mlruns"
    runs = read(json.loads(json.dumps(collect(tmp_path / "work", tmp_path / "outputs"))))
    assert [(run.name, run.experiment, run.parameters) for run in runs] == [("brave-owl", "water", {"depth": "3"})]
    assert [point[:2] for point in runs[0].metrics["loss"]] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert runs[0].metrics["val/accuracy"] == [(0, 0.9, 1700000000000)]
    assert (tmp_path / "outputs/artifacts/brave-owl/model/model.onnx").read_bytes() == b"onnx"
    shown = tracked([run.document() for run in runs])[0]
    assert shown.last == {"loss": "0.33333", "val/accuracy": "0.9"}
    assert [chart.title for chart in shown.charts] == ["loss"]


def test_nothing_tracked(tmp_path: Path) -> None:
    assert collect(tmp_path, tmp_path) == []


def test_names_do_not_lead_out(tmp_path: Path) -> None:
    store(tmp_path / "work", name="'../../../escape'")
    (tmp_path / "outputs").mkdir()
    collect(tmp_path / "work", tmp_path / "outputs")
    assert not (tmp_path.parent / "escape").exists()
    assert all(path.is_relative_to(tmp_path / "outputs") for path in (tmp_path / "outputs").rglob("*"))


def test_long_metrics_are_thinned_with_both_ends(tmp_path: Path) -> None:
    store(tmp_path, losses=9000)
    points = read(collect(tmp_path, tmp_path))[0].metrics["loss"]
    assert len(points) == POINTS
    assert (points[0][0], points[-1][0]) == (0, 8999)


@pytest.mark.parametrize(
    "said",
    [
        None,
        "text",
        {"a": 1},
        [1, None],
        [{"name": "a"}],
        [{"name": "a", "parameters": [], "metrics": {}}],
    ],
)
def test_what_a_program_wrote_in_its_place(said: Any) -> None:
    assert read(said) == []


def test_hostile_values_are_dropped() -> None:
    metrics = {"a": [[0, "x", 1], [0, float("inf"), 1], [1, 2, 3], 5, [10**400, 1e400, 1]], "b": 7}
    many = [{"name": "n" * 9999, "parameters": {"p": {"deep": 1}}, "metrics": metrics}] * (RUNS + 5)
    found = read(many)
    assert len(found) == RUNS
    assert found[0].metrics == {"a": [(1, 2.0, 3)], "b": []}
    assert len(found[0].name) < 1000


class Server:
    """MLflow's tracking API, as much of it as is called, with its limits."""

    def __init__(self) -> None:
        self.experiments: dict[str, str] = {}
        self.runs: dict[str, dict[str, Any]] = {}

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        assert request.headers["authorization"] == "Bearer secret"
        name = request.url.path.removeprefix("/api/2.0/mlflow/")
        body: Mapping[str, Any] = json.loads(request.content) if request.content else {}
        answer: Any = {}
        match name:
            case "experiments/get-by-name":
                wanted = request.url.params["experiment_name"]
                if wanted not in self.experiments:
                    return httpx2.Response(404, json={"error_code": "RESOURCE_DOES_NOT_EXIST"})
                answer = {"experiment": {"experiment_id": self.experiments[wanted]}}
            case "experiments/create":
                self.experiments[body["name"]] = answer = "7"
                answer = {"experiment_id": "7"}
            case "runs/search":
                answer = {"runs": [run for run in self.runs.values() if _tag(run, JOB_TAG) in body["filter"]]}
            case "runs/create":
                id_ = f"run{len(self.runs)}"
                info = {"run_id": id_, "status": "RUNNING"}
                self.runs[id_] = {"info": info, "data": {"tags": body["tags"], "params": [], "metrics": []}}
                answer = {"run": self.runs[id_]}
            case "runs/log-batch":
                assert len(body.get("metrics", ())) <= 1000
                assert len(body.get("params", ())) <= 100
                for kind in ("params", "metrics"):
                    self.runs[body["run_id"]]["data"][kind] += body.get(kind, [])
            case "runs/update":
                self.runs[body["run_id"]]["info"]["status"] = body["status"]
            case _:
                return httpx2.Response(400)
        return httpx2.Response(200, json=answer)


def _tag(run: Mapping[str, Any], name: str) -> str:
    return next(tag["value"] for tag in run["data"]["tags"] if tag["key"] == name)


JOB = Job("job-1", JobRequest("water", "workflow"), created="2026-01-01T00:00:00Z", owner=Owner("p", "a"))


def test_a_server_gets_each_run_once(tmp_path: Path) -> None:
    store(tmp_path, losses=2500)
    runs, server = read(collect(tmp_path, tmp_path)), Server()
    own = TrackingServer("https://mlflow.example/", "secret", httpx2.MockTransport(server))
    assert own.publish(JOB, runs) == 1
    assert own.publish(JOB, runs) == 0
    (run,) = server.runs.values()
    assert run["info"]["status"] == "FINISHED"
    assert run["data"]["params"] == [{"key": "depth", "value": "3"}]
    assert len([each for each in run["data"]["metrics"] if each["key"] == "loss"]) == POINTS
    assert _tag(run, "mlflow.runName") == "brave-owl"
    assert "secret" not in repr(own)


@pytest.mark.parametrize("reply", [httpx2.Response(500), httpx2.Response(200, text="<html>"), httpx2.Response(403)])
def test_a_server_that_does_not_take_it(reply: httpx2.Response) -> None:
    own = TrackingServer("https://mlflow.example", "secret", httpx2.MockTransport(lambda _: reply))
    with pytest.raises(Unreachable, match="tracking server"):
        own.publish(JOB, [])
