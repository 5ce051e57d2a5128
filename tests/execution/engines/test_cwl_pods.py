"""CWL's steps as jobs of Kubernetes, by Toil's own client, at a stand-in for the API server that runs them."""

import json
import os
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("toil", reason="the extra `toil` is not installed")
pytest.importorskip("kubernetes_validate", reason="the schemas of Kubernetes are not installed (group test)")

import psutil  # Toil brings it

from terrafair.errors import Problem
from terrafair.execution.engines.cwl.batch.asking import away
from terrafair.execution.engines.cwl.batch.batch import Batch, read
from terrafair.execution.engines.cwl.batch.eyes import Eyes
from terrafair.execution.engines.cwl.batch.pods import connect, launched

from ...operations.helm import kubeconfig
from ...operations.kubernetes_api import Cluster, Document, served
from .contract import execute
from .test_cwl import SCATTERED, TOOL, resolution
from .test_cwl_batch import ENDLESS, make, running, started, until

MANUAL = Path(__file__).parents[3] / "docs/operations.md"


@pytest.fixture(scope="module")
def lean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Kubernetes' client reads the schemas of the test group where they are: 4 CPU seconds in each process."""
    folder = tmp_path_factory.mktemp("lean")
    (folder / "kubernetes_validate.py").write_text("raise ImportError\n")
    return {"PYTHONPATH": str(folder)}


class Kubelet:
    """Runs the programs of jobs as processes of this machine, and says what becomes of them."""

    def __init__(self, cluster: Cluster, surroundings: dict[str, str]) -> None:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.surroundings = {**surroundings, "PATH": path, "HOME": "/nonexistent"}
        self.cluster, self.seen = cluster, dict[str, Document]()
        self.programs: dict[str, subprocess.Popen[bytes]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work)

    @contextmanager
    def working(self) -> Iterator["Kubelet"]:
        self._thread.start()
        try:
            yield self
        finally:
            self._ended.set()
            self._thread.join()
            for program in self.programs.values():
                ended(program)
                program.wait()

    def _work(self) -> None:
        while not self._ended.wait(0.1):
            alive = {job["metadata"]["name"]: job for job in self.cluster.of("Job")}
            for name, job in alive.items():
                if name not in self.programs:
                    self._start(name, job)
                elif (code := self.programs[name].poll()) is not None and "status" not in job:
                    self._end(name, job, code)
            for name in set(self.programs) - set(alive):
                ended(self.programs[name])

    def _start(self, name: str, job: Document) -> None:
        self.seen[name] = json.loads(json.dumps(job))
        template = job["spec"]["template"]
        labels = {**template["metadata"]["labels"], "job-name": name}
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"{name}-x1", "labels": labels}}
        self.cluster.take({**pod, "spec": json.loads(json.dumps(template["spec"]))}, "eo")
        (container,) = template["spec"]["containers"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
        self.programs[name] = subprocess.Popen(container["command"], env=self.surroundings, **quiet)  # type: ignore[call-overload]

    def _end(self, name: str, job: Document, code: int) -> None:
        ended = {"exitCode": code, "finishedAt": "2026-01-01T00:00:09Z", "startedAt": "2026-01-01T00:00:00Z"}
        container = {"name": "runner-container", "ready": False, "restartCount": 0, "image": "i", "imageID": "i"}
        pod = self.cluster.objects["pods", "eo", f"{name}-x1"]
        pod["status"] = {"phase": "Failed" if code else "Succeeded", "startTime": "2026-01-01T00:00:00Z"}
        pod["status"]["containerStatuses"] = [{**container, "state": {"terminated": ended}}]
        job["status"] = {"failed": 1} if code else {"succeeded": 1}


def ended(program: subprocess.Popen[bytes]) -> None:
    """A pod takes all its processes with it."""
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process(program.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    program.kill()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    found = Cluster()
    with served(found) as server:
        (tmp_path / "kubeconfig").write_text(json.dumps(kubeconfig(server)))
        yield found


def asked(folder: Path, lean: dict[str, str]) -> Batch:
    """With the manual's own example of a pod."""
    text = MANUAL.read_text("utf-8")
    block = text[text.index('cwl_runner = "toil"\ncwl_batch_system = "kubernetes"') :].partition("```")[0]
    options: dict[str, Any] = tomllib.loads(block)["cwl_options"]
    environment = {**lean, "KUBECONFIG": str(folder / "kubeconfig")}
    batch = read("toil", "kubernetes", {**options, "environment": environment, "default_memory": "500 MB"})
    assert batch
    return batch


def test_a_scatter_is_jobs_of_kubernetes(tmp_path: Path, cluster: Cluster, lean: dict[str, str]) -> None:
    batch = asked(tmp_path, lean)
    assert batch.missing() == "" and away(batch) == ""
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(name)
    given = {"sources": [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]}
    engine = make(tmp_path, batch, tool_cwl=TOOL, flow_cwl=SCATTERED)
    with Kubelet(cluster, lean).working() as kubelet:
        done = execute(engine, resolution(SCATTERED, "flow.cwl"), given, tmp_path / "j")
    assert done.outcome and done.outcome.successful, (done.outcome, done.stderr, cluster.refused)
    made = [(tmp_path / "j/outputs" / path).read_text() for path in done.outcome.outputs.values()]
    assert sorted(made) == ["aa", "bb"]
    assert sorted(step["step"] for step in done.outcome.details["steps"]) == ["each", "each_2"]
    # The server took each job, the Pod Security Standard `restricted` and all; none is left.
    assert cluster.refused == [] or all("not found" in each for each in cluster.refused), cluster.refused
    assert cluster.of("Job") == [] and len(kubelet.seen) == 2
    for name, job in kubelet.seen.items():
        spec = job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        assert name.startswith("tf-j-") and container["image"] == "registry.example.org/eo/terrafair:0.1.0"
        assert spec["serviceAccountName"] == "earth-steps" and spec["automountServiceAccountToken"] is False
        assert container["resources"]["limits"]["cpu"] == "1"
        assert int(container["resources"]["limits"]["memory"]) == 500 * 2**20 + 512 * 2**20
        assert {"name": "home", "mountPath": "/var/lib/terrafair"} in container["volumeMounts"]


def test_cancelling_ends_the_jobs_of_kubernetes(tmp_path: Path, cluster: Cluster, lean: dict[str, str]) -> None:
    (tmp_path / "a.txt").write_text("a")
    values = {"source": str(tmp_path / "a.txt")}
    command, _ = started(make(tmp_path, asked(tmp_path, lean)), resolution(ENDLESS), values, tmp_path / "j")
    with Kubelet(cluster, lean).working(), running(command) as process:
        until(lambda: any("begun" in line for line in process.stdout or ()))
        assert len(cluster.of("Job")) == 1
        process.terminate()
        assert process.wait(timeout=20) == 143
        assert cluster.of("Job") == []


def test_a_job_that_the_cluster_refuses_is_told(cluster: Cluster, tmp_path: Path) -> None:
    """By the server's own words; a server that is away is asked again."""
    from kubernetes import client

    namespace = connect(str(tmp_path / "kubeconfig"))
    spec = client.V1PodSpec(containers=[client.V1Container(name="step", image="terrafair")], restartPolicy="Never")
    template = client.V1PodTemplateSpec(metadata=client.V1ObjectMeta(name="tf-j-1"), spec=spec)
    job = client.V1Job(
        apiVersion="batch/v1", kind="Job", metadata=template.metadata, spec=client.V1JobSpec(template=template)
    )
    problems: list[Problem] = []
    eyes = Eyes("j", problems.append, lambda _: None)
    assert launched(lambda: bool(client.BatchV1Api().create_namespaced_job(namespace, job)), eyes, "each")
    (problem,) = problems
    assert "does not take the step each" in problem.what and "restricted" in problem.why
    assert eyes.refused("each", "HTTPConnectionPool(host='kube'): Max retries exceeded with url: /apis")
